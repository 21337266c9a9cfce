"""A day that changes while it runs: what has left stays, the rest is routed again, near to the earlier routes."""

from __future__ import annotations

from collections.abc import Collection, Iterable
from dataclasses import dataclass, replace

import numpy as np

from udfs.fulfilment.routing.delivery_problem import DeliveryProblem, FloatArray
from udfs.fulfilment.routing.insertion import with_stop
from udfs.fulfilment.routing.pyvrp_routes import RouteEffort, improved_routes
from udfs.fulfilment.routing.route_plan import RoutePlan
from udfs.fulfilment.routing.running_vehicles import RunningVehicle, rest_of_day, running_vehicles, whole_day
from udfs.fulfilment.routing.timetable import plan_of, timed_route

LATER_S = 900  # seconds by which a stop's time may differ and still count as kept
_DEARER = 0.0075  # share of the cost that staying near the earlier routes may take
_STAY = (0.3, 0.05)  # what another vehicle counts more, in shares of a stop's mean cost: the first that is cheap enough


@dataclass(frozen=True, slots=True)
class Replanned:
    """frozen: rows of the new problem's stops whose vehicle had left with them. moved: rows of stops that are new, on
    another vehicle, at another time by more than `LATER_S`, or not served any more, each with the reason."""

    plan: RoutePlan
    frozen: tuple[int, ...]
    moved: tuple[tuple[int, str], ...]


def replan(
    old_problem: DeliveryProblem, old_plan: RoutePlan, new_problem: DeliveryProblem, now_s: int, effort: RouteEffort
) -> Replanned:
    """Routes of the new problem. Stops are known by their names, vehicles by type and depot.

    A trip that left before now_s stays as it is, in order, for its goods are on board; a stop of it whose new window it
    would miss is dropped. All else leaves from now_s on. Of routes nearly as cheap the nearest to the earlier ones.
    """
    vehicles = running_vehicles(old_problem, old_plan, new_problem, now_s)
    frozen = {stop for vehicle in vehicles for trip in vehicle.left for stop in trip}
    taken = frozen | {stop for vehicle in vehicles for stop in vehicle.dropped}
    rest = [stop for stop in range(len(new_problem.stops)) if stop not in taken]
    part = rest_of_day(new_problem, vehicles, now_s)
    plan = whole_day(new_problem, vehicles, _near(part, vehicles, rest, effort))
    moved = _moved(old_problem, old_plan, new_problem, plan)
    return Replanned(plan, tuple(sorted(frozen)), tuple(moved))


def _near(part: DeliveryProblem, vehicles: list[RunningVehicle], rest: list[int], effort: RouteEffort) -> RoutePlan:
    """The rest of the day: the earlier routes with as little change as can be, where no free search is much cheaper."""
    start = [(row, vehicle.still) for row, vehicle in enumerate(vehicles) if any(vehicle.still)]
    third = replace(effort, iterations=max(effort.iterations // 3, 1))
    free = improved_routes(part, third, start, rest)
    best = _worth(part, free, rest)
    for share in (None, *_STAY):
        if share is None:
            found = _repaired(part, start, rest)
        else:
            found = improved_routes(
                part, third, start, rest, _more_cost(part, vehicles, share * free.cost / max(len(rest), 1))
            )
        missed, cost = _worth(part, found, rest)
        if missed <= best[0] and cost <= best[1] * (1.0 + _DEARER):
            return found
    return free


def _worth(part: DeliveryProblem, plan: RoutePlan, rest: Collection[int]) -> tuple[int, float]:
    """Stops missed that must be served, and the cost with the prizes missed."""
    prizes = part.prize_N[[stop for stop in plan.unserved if stop in set(rest)]]
    return int(np.isinf(prizes).sum()), plan.cost + float(prizes[np.isfinite(prizes)].sum())


def _repaired(
    part: DeliveryProblem, start: Iterable[tuple[int, tuple[tuple[int, ...], ...]]], rest: Collection[int]
) -> RoutePlan:
    """The earlier routes, stop by stop as long as they hold, and each other stop put in where it costs least."""
    routes = []
    for row, trips in start:
        route = timed_route(part, row, trips)
        if route is None:
            kept: list[tuple[int, ...]] = [()]
            for trip in trips:
                for stop in trip:
                    if timed_route(part, row, [*kept[:-1], (*kept[-1], stop)]) is not None:
                        kept[-1] = (*kept[-1], stop)
                kept.append(())
            route = timed_route(part, row, kept)
        routes.extend([route] if route is not None else [])
    plan = plan_of(part, routes)
    for stop in plan.unserved:
        if stop in rest:
            more = with_stop(part, plan, stop)
            is_worth = more is not None and more.cost - plan.cost <= part.prize_N[stop]
            plan = more if more is not None and is_worth else plan
    return plan


def _more_cost(part: DeliveryProblem, vehicles: list[RunningVehicle], more: float) -> FloatArray:
    """[V, N] what a stop counts more on a vehicle that did not have it; nothing for stops that none had."""
    more_VN = np.zeros((len(part.vehicles), len(part.stops)))
    for row, vehicle in enumerate(vehicles):
        stops = [stop for trip in vehicle.still for stop in trip]
        more_VN[:, stops] = more
        more_VN[row, stops] = 0.0
    return more_VN


def _moved(
    old_problem: DeliveryProblem, old_plan: RoutePlan, new_problem: DeliveryProblem, plan: RoutePlan
) -> Iterable[tuple[int, str]]:
    """Each stop that is not where or when it was, and why."""
    old_row, before, after = {name: row for row, name in enumerate(old_problem.stops)}, _places(old_plan), _places(plan)
    partner = _partners(old_problem, old_plan, new_problem, plan)
    changed = {
        row
        for row, name in enumerate(new_problem.stops)
        if _is_changed(old_problem, old_row.get(name), new_problem, row)
    }
    restless = {after[row][0] for row in changed if row in after}
    for row, name in enumerate(new_problem.stops):
        old = old_row.get(name)
        was, now = before.get(old) if old is not None else None, after.get(row)
        if now is None:
            if was is not None:
                yield row, "not served any more: no vehicle can, or it costs more than it is worth"
        elif was is None:
            yield row, "new" if old is None else "not served before"
        elif partner.get(was[0]) != now[0]:
            yield row, _why(row, changed, restless, now[0], "another vehicle", is_gone=was[0] not in partner)
        elif abs(was[1] - now[1]) > LATER_S:
            yield row, _why(row, changed, restless, now[0], f"{(now[1] - was[1]) / 60:+.0f} minutes", is_gone=False)


def _why(row: int, changed: set[int], restless: set[int], route: int, what: str, *, is_gone: bool) -> str:
    if row in changed:
        return f"{what}: its own order, window or way changed"
    if is_gone:
        return f"{what}: its vehicle does not drive any more"
    if route in restless:
        return f"{what}: makes room for a stop of its route that changed"
    return f"{what}: cheaper for the whole day"


def _places(plan: RoutePlan) -> dict[int, tuple[int, int]]:
    """Route and arrival of each stop."""
    return {
        stop: (row, second)
        for row, route in enumerate(plan.routes)
        for stop, second in zip(route.stops, route.arrive_s, strict=True)
    }


def _partners(
    old_problem: DeliveryProblem, old_plan: RoutePlan, new_problem: DeliveryProblem, plan: RoutePlan
) -> dict[int, int]:
    """Each earlier route's successor: of the same type and depot, with the most stops in common, each once."""
    names = [{new_problem.stops[stop] for stop in route.stops} for route in plan.routes]
    pairs = []
    for old, route in enumerate(old_plan.routes):
        mine, kind = {old_problem.stops[stop] for stop in route.stops}, old_problem.vehicles[route.vehicle]
        for new, other in enumerate(plan.routes):
            like = new_problem.vehicles[other.vehicle]
            if (like.vehicle_type, like.depot) == (kind.vehicle_type, kind.depot) and mine & names[new]:
                pairs.append((-len(mine & names[new]), old, new))
    partner: dict[int, int] = {}
    for _, old, new in sorted(pairs):
        if old not in partner and new not in partner.values():
            partner[old] = new
    return partner


def _is_changed(old_problem: DeliveryProblem, old: int | None, new_problem: DeliveryProblem, new: int) -> bool:
    if old is None:
        return True
    fields = ("load_NK", "window_N2", "service_N", "release_N", "prize_N")
    if any((getattr(old_problem, name)[old] != getattr(new_problem, name)[new]).any() for name in fields):
        return True
    way = [
        (problem.seconds_PP[problem.depot_place_D, problem.place_N[row]]).tolist()
        for problem, row in ((old_problem, old), (new_problem, new))
    ]
    return way[0] != way[1]
