"""Vehicles in the middle of their day: what they have left with, and what they may still do."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, replace

from udfs.fulfilment.routing.delivery_problem import DeliveryProblem, VehicleType
from udfs.fulfilment.routing.route_plan import Route, RoutePlan
from udfs.fulfilment.routing.timetable import Trips, plan_of, timed_route


@dataclass(frozen=True, slots=True)
class RunningVehicle:
    """A vehicle of an earlier plan, in rows of the new problem.

    kind: vehicle type. left, still: stops of the trips that have left, and of those that have not. dropped: stops that
    left but can not be kept. depart_s: when it left, None where it has not. free_s: from when it can leave again.
    rest_after: stop after which it takes its break in a trip that has left, None where it does not.
    """

    kind: int
    left: tuple[tuple[int, ...], ...]
    still: tuple[tuple[int, ...], ...]
    dropped: tuple[int, ...]
    depart_s: int | None
    free_s: int
    rest_after: int | None


def running_vehicles(
    old_problem: DeliveryProblem, old_plan: RoutePlan, problem: DeliveryProblem, now_s: int
) -> list[RunningVehicle]:
    """The earlier plan's vehicles that are still there: those that have left first, as many of a type as it has."""
    row_of = {name: row for row, name in enumerate(problem.stops)}
    kind_of = {(kind.vehicle_type, kind.depot): row for row, kind in enumerate(problem.vehicles)}
    free, vehicles = Counter({row: kind.number for row, kind in enumerate(problem.vehicles)}), []
    for route in sorted(old_plan.routes, key=lambda route: (route.depart_s >= now_s, route.vehicle, route.depart_s)):
        old_kind = old_problem.vehicles[route.vehicle]
        kind = kind_of.get((old_kind.vehicle_type, old_kind.depot))
        if kind is None or not free[kind]:
            continue
        free[kind] -= 1
        trips = [tuple(row_of.get(old_problem.stops[stop], -1) for stop in trip) for trip in route.trips]
        gone = sum(second < now_s for second in route.trip_leave_s)
        rest = _rest_stop(old_problem, route)
        rest_after = row_of.get(old_problem.stops[rest]) if rest is not None else None
        vehicles.append(_running(problem, kind, trips, gone, route.depart_s, rest_after, now_s))
    return vehicles


def _rest_stop(problem: DeliveryProblem, route: Route) -> int | None:
    """The stop after whose service the break is."""
    if route.break_s is None:
        return None
    ends = [second - problem.vehicles[route.vehicle].break_s for second in route.leave_s]
    return route.stops[ends.index(route.break_s)] if route.break_s in ends else None


def _running(
    problem: DeliveryProblem,
    kind: int,
    trips: list[tuple[int, ...]],
    gone: int,
    depart_s: int,
    rest_after: int | None,
    now_s: int,
) -> RunningVehicle:
    known = [tuple(stop for stop in trip if stop >= 0) for trip in trips]
    left, still = [trip for trip in known[:gone] if trip], [trip for trip in known[gone:] if trip]
    if not left:
        return RunningVehicle(kind, (), tuple(still), (), None, now_s, None)
    rest = rest_after if any(rest_after in trip for trip in left) else None
    order, dropped = [stop for trip in left for stop in trip], []
    while (route := _standing(problem, kind, left, depart_s, rest)) is None and order:
        # The one without which the others can be kept, else the last.
        options = [stop for stop in order if _standing(problem, kind, _without(left, stop), depart_s, rest)]
        dropped.append(options[0] if options else order[-1])
        order.remove(dropped[-1])
        left = _without(left, dropped[-1])
        rest = None if rest == dropped[-1] else rest
    free_s = max(now_s, route.trip_return_s[-1]) if route else now_s
    return RunningVehicle(kind, tuple(left), tuple(still), tuple(dropped), depart_s, free_s, rest)


def _standing(problem: DeliveryProblem, kind: int, trips: Trips, depart_s: int, rest: int | None) -> Route | None:
    """Trips as driven, with the break where it was taken, or without one."""
    if rest is None:
        bare = replace(problem.vehicles[kind], break_s=0)
        problem = replace(problem, vehicles=(*problem.vehicles[:kind], bare, *problem.vehicles[kind + 1 :]))
    return timed_route(problem, kind, trips, depart_s, rest)


def _without(trips: list[tuple[int, ...]], stop: int) -> list[tuple[int, ...]]:
    shorter = [tuple(each for each in trip if each != stop) for trip in trips]
    return [trip for trip in shorter if trip]


def rest_of_day(problem: DeliveryProblem, vehicles: list[RunningVehicle], now_s: int) -> DeliveryProblem:
    """The problem with a vehicle type for each running vehicle, then one a type for those that stood still."""
    kinds = [_still_free(problem.vehicles[each.kind], each) for each in vehicles]
    used = Counter(each.kind for each in vehicles)
    for row, kind in enumerate(problem.vehicles):
        kinds.append(_from(replace(kind, number=kind.number - used[row]), now_s))
    return replace(problem, vehicles=tuple(kinds))


def _still_free(kind: VehicleType, vehicle: RunningVehicle) -> VehicleType:
    if vehicle.depart_s is None:
        return _from(replace(kind, number=1), vehicle.free_s)
    trips = kind.most_trips - len(vehicle.left)
    rest = 0 if vehicle.rest_after is not None else kind.break_s
    return _from(
        replace(kind, number=int(trips > 0), most_trips=max(trips, 1), fixed_cost=0.0, break_s=rest), vehicle.free_s
    )


def _from(kind: VehicleType, second: int) -> VehicleType:
    """The type as of a second; none of them where its shift has no time left."""
    start, end = max(kind.shift_s[0], second), kind.shift_s[1]
    return replace(kind, shift_s=(start, end)) if start < end - kind.break_s else replace(kind, number=0)


def whole_day(problem: DeliveryProblem, vehicles: list[RunningVehicle], rest: RoutePlan) -> RoutePlan:
    """The rest of the day behind what has left, in the problem's own vehicle types."""
    later = {route.vehicle: route for route in rest.routes if route.vehicle < len(vehicles)}
    routes = []
    for row, vehicle in enumerate(vehicles):
        more = later.get(row)
        if vehicle.left:
            routes.append(_joined(problem, vehicle, more))
        elif more is not None:
            routes.append(replace(more, vehicle=vehicle.kind))
    for route in rest.routes:
        if route.vehicle >= len(vehicles):
            routes.append(replace(route, vehicle=route.vehicle - len(vehicles)))
    return plan_of(problem, [route for route in routes if route], rest.iterations, is_cut=rest.is_cut)


def _joined(problem: DeliveryProblem, vehicle: RunningVehicle, more: Route | None) -> Route | None:
    later = more.trips if more is not None else ()
    if vehicle.rest_after is not None:
        rests: list[int | None] = [vehicle.rest_after]
    else:
        rests = [*(more.stops[::-1] if more is not None else ()), *vehicle.left[-1][::-1], None]
    for trips in ([*vehicle.left, *later], [*vehicle.left]):
        for rest in rests:
            route = timed_route(problem, vehicle.kind, trips, vehicle.depart_s, rest)
            if route is not None:
                return route
    return None
