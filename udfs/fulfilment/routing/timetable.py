"""When a route's vehicle is where: it leaves as late as brings it back no later, and rests where that costs least."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np

from udfs.fulfilment.routing.delivery_problem import NO_WAY, DeliveryProblem
from udfs.fulfilment.routing.route_plan import Route, RoutePlan

Trips = Sequence[Sequence[int]]


@dataclass(frozen=True, slots=True)
class _Nodes:
    """Depots and stops in the order of a route; stop -1: the depot. early, late: of the start; travel: to the next."""

    stop: list[int]
    early: list[int]
    late: list[int]
    service: list[int]
    travel: list[int]


def timed_route(
    problem: DeliveryProblem, vehicle: int, trips: Trips, left_s: int | None = None, break_after: int | None = None
) -> Route | None:
    """The timetable of a vehicle type's trips, or None where they break a capacity, window, shift or number of trips.

    left_s: second at which the vehicle has left. break_after: the stop at which it rests; else that with the least paid
    time, then the one nearest to the middle of the day.
    """
    kind, driven = problem.vehicles[vehicle], [tuple(trip) for trip in trips if len(trip)]
    if not driven or len(driven) > kind.most_trips or not _is_within_capacity(problem, vehicle, driven):
        return None
    nodes = _nodes(problem, vehicle, driven, left_s)
    if max(nodes.travel) >= NO_WAY:
        return None
    if not kind.break_s:
        start = _starts(nodes, left_s)
        return None if start is None else _route(problem, vehicle, driven, nodes, start, None)
    rests = [row for row, stop in enumerate(nodes.stop) if stop >= 0 and break_after in (None, stop)]
    best: tuple[int, int, int] | None = None
    for row in rests:
        start = _starts(rested := _with_rest(nodes, row, kind.break_s), left_s)
        if start is not None:
            middle = 2 * start[row] + 2 * rested.service[row] - kind.break_s
            best = min(best or (NO_WAY, 0, 0), (start[-1] - start[0], abs(middle - start[0] - start[-1]), row))
    if best is None:
        return None
    rested = _with_rest(nodes, best[2], kind.break_s)
    return _route(problem, vehicle, driven, rested, _starts(rested, left_s) or [], best[2])


def timed_plan(
    problem: DeliveryProblem, routes: Iterable[tuple[int, Trips]], iterations: int = 0, *, is_cut: bool = False
) -> RoutePlan | None:
    """Routes of (vehicle type, trips) with their timetables; None where one of them has none."""
    timed = [timed_route(problem, vehicle, trips) for vehicle, trips in routes if any(len(trip) for trip in trips)]
    found = [route for route in timed if route is not None]
    return plan_of(problem, found, iterations, is_cut=is_cut) if len(found) == len(timed) else None


def plan_of(
    problem: DeliveryProblem, routes: Iterable[Route], iterations: int = 0, *, is_cut: bool = False
) -> RoutePlan:
    """Routes in a fixed order, by vehicle type and departure, with the stops that none serves."""
    ordered = tuple(sorted(routes, key=lambda route: (route.vehicle, route.depart_s, route.trips)))
    served = {stop for route in ordered for stop in route.stops}
    return RoutePlan(ordered, tuple(n for n in range(len(problem.stops)) if n not in served), iterations, is_cut)


def _is_within_capacity(problem: DeliveryProblem, vehicle: int, trips: Trips) -> bool:
    capacity_K = np.array(problem.vehicles[vehicle].capacity_K, dtype=np.int64)
    return all(bool((problem.load_NK[list(trip)].sum(axis=0) <= capacity_K).all()) for trip in trips)


def _nodes(problem: DeliveryProblem, vehicle: int, trips: Trips, left_s: int | None) -> _Nodes:
    kind = problem.vehicles[vehicle]
    home = int(problem.depot_place_D[kind.depot])
    opens, closes = problem.depot_window_D2[kind.depot].tolist()
    first, last = max(opens, kind.shift_s[0]), min(closes, kind.shift_s[1])
    nodes, place = _Nodes([], [], [], [], []), []
    for trip in trips:
        rows = list(trip)
        nodes.stop.extend([-1, *rows, -1])
        place.extend([home, *problem.place_N[rows].tolist(), home])
        released = max(first, int(problem.release_N[rows].max()))
        nodes.early.extend([released, *problem.window_N2[rows, 0].tolist(), first])
        nodes.late.extend([last, *problem.window_N2[rows, 1].tolist(), last])
        nodes.service.extend([0, *problem.service_N[rows].tolist(), 0])
    if left_s is not None:
        nodes.early[0] = nodes.late[0] = left_s
    tail, head = place[:-1], place[1:]
    is_barred = problem.metres_PP[tail, head] >= NO_WAY
    nodes.travel.extend(np.where(is_barred, NO_WAY, problem.seconds_PP[tail, head]).tolist())
    return nodes


def _with_rest(nodes: _Nodes, row: int, seconds: int) -> _Nodes:
    service = [each + seconds * (at == row) for at, each in enumerate(nodes.service)]
    return _Nodes(nodes.stop, nodes.early, nodes.late, service, nodes.travel)


def _starts(nodes: _Nodes, left_s: int | None) -> list[int] | None:
    """When each node starts: the end as early as can be, every depot left as late as that allows."""
    start = [nodes.early[0]]
    for row, travel in enumerate(nodes.travel):
        start.append(max(nodes.early[row + 1], start[row] + nodes.service[row] + travel))
        if start[-1] > nodes.late[row + 1]:
            return None
    latest = _latest(nodes, start[-1])
    start = [latest[0] if left_s is None else left_s]
    for row, travel in enumerate(nodes.travel):
        reached = max(nodes.early[row + 1], start[row] + nodes.service[row] + travel)
        is_departure = nodes.stop[row + 1] < 0 and nodes.stop[row] < 0
        start.append(latest[row + 1] if is_departure else reached)
    return start if start[0] <= nodes.late[0] else None


def _latest(nodes: _Nodes, end: int) -> list[int]:
    """The latest start of each node that reaches the last by `end` and keeps every window."""
    latest = [end]
    for row in range(len(nodes.travel) - 1, -1, -1):
        latest.append(min(nodes.late[row], latest[-1] - nodes.travel[row] - nodes.service[row]))
    return latest[::-1]


def _route(
    problem: DeliveryProblem,
    vehicle: int,
    trips: list[tuple[int, ...]],
    nodes: _Nodes,
    start: list[int],
    rest: int | None,
) -> Route:
    kind, latest = problem.vehicles[vehicle], _latest(nodes, nodes.late[-1])
    at = [row for row, stop in enumerate(nodes.stop) if stop >= 0]
    arrive = [start[row - 1] + nodes.service[row - 1] + nodes.travel[row - 1] for row in at]
    loads: list[tuple[int, ...]] = []
    for trip in trips:
        load_NK = problem.load_NK[list(trip)]
        loads.extend(map(tuple, np.cumsum(load_NK[::-1], axis=0)[::-1].tolist()))
    ends = [row for row, stop in enumerate(nodes.stop) if stop < 0]
    metres, seconds = _metres(problem, vehicle, trips), start[-1] - start[0] - (kind.break_s if rest is not None else 0)
    return Route(
        vehicle=vehicle,
        trips=tuple(trips),
        trip_leave_s=tuple(start[row] for row in ends[::2]),
        trip_return_s=tuple(start[row] for row in ends[1::2]),
        arrive_s=tuple(arrive),
        wait_s=tuple(start[row] - came for row, came in zip(at, arrive, strict=True)),
        start_s=tuple(start[row] for row in at),
        leave_s=tuple(start[row] + nodes.service[row] for row in at),
        load_K=tuple(loads),
        slack_s=tuple(latest[row] - came for row, came in zip(at, arrive, strict=True)),
        break_s=None if rest is None else start[rest] + nodes.service[rest] - kind.break_s,
        metres=metres,
        seconds=seconds,
        cost=kind.fixed_cost + kind.km_cost * metres / 1000 + kind.hour_cost * seconds / 3600,
    )


def _metres(problem: DeliveryProblem, vehicle: int, trips: Trips) -> int:
    home = int(problem.depot_place_D[problem.vehicles[vehicle].depot])
    total = 0
    for trip in trips:
        place = [home, *problem.place_N[list(trip)].tolist(), home]
        total += int(problem.metres_PP[place[:-1], place[1:]].sum())
    return total
