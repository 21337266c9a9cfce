"""Whether routes can be driven as they are written: all is counted again, without the solver or timetable."""

from __future__ import annotations

from collections import Counter

from udfs.fulfilment.routing.delivery_problem import NO_WAY, DeliveryProblem
from udfs.fulfilment.routing.route_plan import Route, RoutePlan


def faults_of(problem: DeliveryProblem, plan: RoutePlan) -> list[str]:
    """What is wrong with a plan, a sentence each; empty where each stop is in one trip or unserved, and all routes keep
    capacities, ways, windows, releases, depot, shift, break, trips, and the metres, seconds and cost that they state.

    That a stop is unserved is no fault, but that the plan does not say so is."""
    names, faults = problem.stops, []
    count = Counter([*plan.unserved, *(stop for route in plan.routes for trip in route.trips for stop in trip)])
    for stop in sorted(set(count) | set(range(len(names)))):
        if not 0 <= stop < len(names):
            faults.append(f"stop {stop}: there is none of that row")
        elif count[stop] != 1:
            faults.append(f"{names[stop]}: expected in one trip or unserved, found {count[stop]} times")
    if faults:
        return faults
    for vehicle, number in sorted(Counter(route.vehicle for route in plan.routes).items()):
        if not 0 <= vehicle < len(problem.vehicles):
            faults.append(f"vehicle type {vehicle}: there is none of that row")
        elif number > problem.vehicles[vehicle].number:
            there = problem.vehicles[vehicle].number
            faults.append(f"{problem.vehicles[vehicle].vehicle_type}: {number} routes for {there} vehicles")
    if faults:
        return faults
    for row, route in enumerate(plan.routes):
        found = _shape_faults(route) or [*_load_faults(problem, route), *_time_faults(problem, route)]
        faults.extend(f"route {row}: {fault}" for fault in found)
    return faults


def _shape_faults(route: Route) -> list[str]:
    stops = sum(len(trip) for trip in route.trips)
    each = (route.arrive_s, route.wait_s, route.start_s, route.leave_s, route.load_K, route.slack_s)
    if not route.trips or not all(route.trips):
        return ["a trip without stops"]
    if any(len(values) != stops for values in each):
        return ["a timetable that is not of its stops"]
    if len(route.trip_leave_s) != len(route.trips) or len(route.trip_return_s) != len(route.trips):
        return ["departures or returns that are not of its trips"]
    return []


def _load_faults(problem: DeliveryProblem, route: Route) -> list[str]:
    kind, faults, at = problem.vehicles[route.vehicle], [], 0
    if len(route.trips) > kind.most_trips:
        faults.append(f"{len(route.trips)} trips, {kind.most_trips} are allowed")
    for trip in route.trips:
        on_board = [sum(int(problem.load_NK[stop, k]) for stop in trip) for k in range(len(kind.capacity_K))]
        if any(load > capacity for load, capacity in zip(on_board, kind.capacity_K, strict=True)):
            faults.append(f"overfilled: {on_board} on a vehicle for {list(kind.capacity_K)}")
        for stop in trip:
            if list(route.load_K[at]) != on_board:
                faults.append(f"load on arrival at {problem.stops[stop]}: {list(route.load_K[at])}, counted {on_board}")
            on_board = [load - int(problem.load_NK[stop, k]) for k, load in enumerate(on_board)]
            at += 1
    return faults


def _time_faults(problem: DeliveryProblem, route: Route) -> list[str]:
    kind = problem.vehicles[route.vehicle]
    home = int(problem.depot_place_D[kind.depot])
    opens, closes = (int(second) for second in problem.depot_window_D2[kind.depot])
    first, last = max(opens, kind.shift_s[0]), min(closes, kind.shift_s[1])
    faults, stands, at, metres, clock = [], [], 0, 0, first
    for number, trip in enumerate(route.trips):
        leave = route.trip_leave_s[number]
        released = max(int(problem.release_N[stop]) for stop in trip)
        if leave < max(clock, released):
            faults.append(
                f"trip {number} leaves at {leave}, before {max(clock, released)}: depot, shift, release or last trip"
            )
        place, clock = home, leave
        for stop in trip:
            metres, clock, place = _driven(problem, place, int(problem.place_N[stop]), metres, clock, faults)
            faults.extend(_stop_faults(problem, route, stop, at, clock))
            stands.append((route.start_s[at] + int(problem.service_N[stop]), route.leave_s[at]))
            clock, at = route.leave_s[at], at + 1
        metres, clock, place = _driven(problem, place, home, metres, clock, faults)
        if clock != route.trip_return_s[number] or clock > last:
            faults.append(
                f"trip {number} returns at {route.trip_return_s[number]}, counted {clock}, its day ends {last}"
            )
    faults.extend(_break_faults(kind.break_s, route.break_s, stands))
    seconds = route.trip_return_s[-1] - route.trip_leave_s[0] - kind.break_s
    cost = kind.fixed_cost + kind.km_cost * metres / 1000 + kind.hour_cost * seconds / 3600
    if (route.metres, route.seconds) != (metres, seconds) or abs(route.cost - cost) > 1e-6 * max(1.0, cost):
        stated = f"{route.metres} m, {route.seconds} s, {route.cost:g}"
        faults.append(f"states {stated}; counted {metres} m, {seconds} s, {cost:g}")
    return faults


def _driven(
    problem: DeliveryProblem, tail: int, head: int, metres: int, clock: int, faults: list[str]
) -> tuple[int, int, int]:
    way_m, way_s = int(problem.metres_PP[tail, head]), int(problem.seconds_PP[tail, head])
    if way_m >= NO_WAY or way_s >= NO_WAY:
        faults.append(f"no way from place {tail} to {head}")
    return metres + way_m, clock + way_s, head


def _stop_faults(problem: DeliveryProblem, route: Route, stop: int, at: int, arrives: int) -> list[str]:
    name, (early, late) = problem.stops[stop], (int(second) for second in problem.window_N2[stop])
    arrive, wait, start, leave = route.arrive_s[at], route.wait_s[at], route.start_s[at], route.leave_s[at]
    faults = []
    if arrive != arrives:
        faults.append(f"{name}: states arrival at {arrive}, counted {arrives}")
    if not early <= start <= late:
        faults.append(f"{name}: service starts at {start}, outside its window of {early} to {late}")
    if wait != start - arrive or wait < 0:
        faults.append(f"{name}: a wait of {wait} between {arrive} and {start}")
    if leave < start + int(problem.service_N[stop]):
        faults.append(f"{name}: left at {leave}, before its service ends")
    if not 0 <= route.slack_s[at] <= late - arrive:
        faults.append(f"{name}: a slack of {route.slack_s[at]} s where its window leaves {late - arrive}")
    return faults


def _break_faults(needed: int, begins: int | None, stands: list[tuple[int, int]]) -> list[str]:
    if not needed:
        return [] if begins is None else ["a break where none is due"]
    if begins is None:
        return ["no break"]
    if not any(begins >= free and begins + needed <= gone for free, gone in stands):
        return [f"a break at {begins} while the vehicle drives, waits for a window or delivers"]
    return []
