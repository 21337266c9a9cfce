"""The routes of a day: searched by PyVRP, timed by ourselves, with breaks, which PyVRP does not know."""

from __future__ import annotations

from collections.abc import Collection, Sequence

from udfs.fulfilment.routing.delivery_problem import DeliveryProblem, FloatArray
from udfs.fulfilment.routing.route_plan import RoutePlan
from udfs.fulfilment.routing.route_search import RouteEffort, RouteSearch
from udfs.fulfilment.routing.timetable import Trips, plan_of, timed_route
from udfs.fulfilment.routing.unserved_reason import impossible

__all__ = ["RouteEffort", "improved_routes", "solve_routes"]


def solve_routes(problem: DeliveryProblem, effort: RouteEffort, start: RoutePlan | None = None) -> RoutePlan:
    """Routes of least cost and lost prizes, each with its timetable, never dearer than `start`'s.

    Stops that no vehicle could serve stay behind, and so do the fewest others where not all can be served together.
    Raises ValueError where PyVRP is not installed.
    """
    return improved_routes(problem, effort, [(route.vehicle, route.trips) for route in start.routes] if start else [])


def improved_routes(
    problem: DeliveryProblem,
    effort: RouteEffort,
    start: Sequence[tuple[int, Trips]],
    stops: Collection[int] | None = None,
    more_cost_VN: FloatArray | None = None,
    *,
    is_first_enough: bool = False,
) -> RoutePlan:
    """`solve_routes` for some stops, all others being unserved, from (vehicle type, trips) that may break limits.

    more_cost_VN: money by which the search counts a stop dearer on a vehicle type; no route's cost contains it.
    is_first_enough: the first routes that serve all are taken; none where that fails.
    """
    barred = impossible(problem)
    rows = [n for n in (range(len(problem.stops)) if stops is None else stops) if n not in barred]
    if not rows:
        return plan_of(problem, [])
    search = RouteSearch(problem, rows, effort, start, more_cost_VN, is_first_enough=is_first_enough)
    rest_s = [0] * len(problem.vehicles)
    while True:
        routes = search.routes(rest_s)
        timed = [timed_route(problem, vehicle, trips) for vehicle, trips in routes]
        late = {vehicle for (vehicle, _), route in zip(routes, timed, strict=True) if route is None}
        if all(rest_s[vehicle] for vehicle in late):
            break
        # A break does not fit: the shifts of such vehicles end by it earlier, after whose last stop it then fits.
        rest_s = [kind.break_s if v in late else rest_s[v] for v, kind in enumerate(problem.vehicles)]
    return plan_of(problem, [route for route in timed if route], search.iterations, is_cut=search.is_cut)
