"""One more stop in routes that there are: where it costs least."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator

from udfs.fulfilment.routing.delivery_problem import DeliveryProblem
from udfs.fulfilment.routing.route_plan import Route, RoutePlan
from udfs.fulfilment.routing.timetable import plan_of, timed_route


def with_stop(problem: DeliveryProblem, plan: RoutePlan, stop: int) -> RoutePlan | None:
    """The plan with the stop at its cheapest place, a vehicle that stood still included; None where it fits nowhere."""
    used = Counter(route.vehicle for route in plan.routes)
    options: list[tuple[float, int, Route]] = []
    for row, route in enumerate(plan.routes):
        for trips in _places(route.trips, stop):
            new = timed_route(problem, route.vehicle, trips)
            if new is not None:
                options.append((new.cost - route.cost, row, new))
    for vehicle, kind in enumerate(problem.vehicles):
        new = timed_route(problem, vehicle, [(stop,)]) if used[vehicle] < kind.number else None
        if new is not None:
            options.append((new.cost, len(plan.routes), new))
    if not options:
        return None
    _, row, new = min(options, key=lambda option: option[:2])
    return plan_of(problem, [*plan.routes[:row], new, *plan.routes[row + 1 :]], plan.iterations, is_cut=plan.is_cut)


def _places(trips: tuple[tuple[int, ...], ...], stop: int) -> Iterator[list[tuple[int, ...]]]:
    """All ways to put a stop into trips, or behind them as a further one."""
    for row, trip in enumerate(trips):
        for at in range(len(trip) + 1):
            yield [*trips[:row], (*trip[:at], stop, *trip[at:]), *trips[row + 1 :]]
    yield [*trips, (stop,)]
