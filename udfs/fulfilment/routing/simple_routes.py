"""What is driven without a solver: the nearest stop next, or Clarke and Wright's savings: today's practice."""

from __future__ import annotations

from collections.abc import Collection, Iterable

import numpy as np

from udfs.fulfilment.routing.delivery_problem import NO_WAY, DeliveryProblem, IntArray
from udfs.fulfilment.routing.insertion import with_stop
from udfs.fulfilment.routing.route_plan import Route, RoutePlan
from udfs.fulfilment.routing.timetable import plan_of, timed_route


def nearest_neighbour(problem: DeliveryProblem) -> RoutePlan:
    """Vehicle after vehicle, cheapest for its capacity first, goes on to the nearest stop that it can still serve.

    Windows, capacities and shifts hold. Stops for which no vehicle is left stay behind."""
    left, routes = set(range(len(problem.stops))), []
    for vehicle in _by_cost(problem):
        for _ in range(problem.vehicles[vehicle].number):
            route = _nearest_route(problem, vehicle, left)
            if route is None:
                break
            routes.append(route)
            left -= set(route.stops)
    return plan_of(problem, routes)


def savings(problem: DeliveryProblem, stops: Collection[int] | None = None) -> RoutePlan:
    """Clarke and Wright (1964), all routes at once: two trips become one where that saves most and is still allowed.

    Each stop belongs to its nearest depot. Longest trips get vehicles first, the cheapest that can; those for which
    none is left become further trips, or their stops go one by one where they cost least, or stay behind.
    """
    trips: list[tuple[int, ...]] = []
    for depot, mine in _by_depot(problem).items():
        trips.extend(_merged(problem, depot, [n for n in mine if stops is None or n in stops]))
    return _with_vehicles(problem, trips, stops)


def _by_cost(problem: DeliveryProblem) -> list[int]:
    kinds = problem.vehicles
    return sorted(
        range(len(kinds)), key=lambda v: (kinds[v].fixed_cost / (sum(kinds[v].capacity_K) or 1), kinds[v].km_cost, v)
    )


def _nearest_route(problem: DeliveryProblem, vehicle: int, left: set[int]) -> Route | None:
    kind, home = problem.vehicles[vehicle], int(problem.depot_place_D[problem.vehicles[vehicle].depot])
    trips: list[tuple[int, ...]] = [()]
    best, place, rest = None, home, sorted(left)
    while rest:
        rows = np.array(rest)
        nearest = rows[np.argsort(problem.metres_PP[place, problem.place_N[rows]], kind="stable")].tolist()
        for stop in nearest:
            found = timed_route(problem, vehicle, [*trips[:-1], (*trips[-1], stop)])
            if found is not None:
                break
        else:
            if not trips[-1] or len(trips) == kind.most_trips:
                break
            trips, place = [*trips, ()], home
            continue
        best, trips[-1], place = found, (*trips[-1], stop), int(problem.place_N[stop])
        rest.remove(stop)
    return best


def _by_depot(problem: DeliveryProblem) -> dict[int, list[int]]:
    depots = sorted({kind.depot for kind in problem.vehicles if kind.number})
    groups: dict[int, list[int]] = {depot: [] for depot in depots}
    if depots:
        nearest_N = problem.metres_PP[problem.depot_place_D[depots]][:, problem.place_N].argmin(axis=0)
        for stop, row in enumerate(nearest_N.tolist()):
            groups[depots[row]].append(stop)
    return groups


def _merged(problem: DeliveryProblem, depot: int, stops: list[int]) -> list[tuple[int, ...]]:
    kinds = [v for v in _by_cost(problem) if problem.vehicles[v].depot == depot and problem.vehicles[v].number]
    trip_of: dict[int, tuple[int, ...]] = {
        n: (n,) for n in stops if any(timed_route(problem, v, [(n,)]) for v in kinds)
    }
    for tail, head in _pairs(problem, depot, np.array(list(trip_of), dtype=np.int64)):
        first, then = trip_of[tail], trip_of[head]
        if first is then or first[-1] != tail or then[0] != head:
            continue
        if any(timed_route(problem, v, [first + then]) for v in kinds):
            trip_of.update(dict.fromkeys(first + then, first + then))
    return sorted(set(trip_of.values()))


def _pairs(problem: DeliveryProblem, depot: int, stops: IntArray) -> Iterable[tuple[int, int]]:
    """Pairs of stops by what serving the second after the first saves, most first, if only the vehicle."""
    home, place = int(problem.depot_place_D[depot]), problem.place_N[stops]
    between = problem.metres_PP[np.ix_(place, place)]
    saved = problem.metres_PP[place, home][:, None] + problem.metres_PP[home, place][None, :] - between
    saved = np.where((between >= NO_WAY) | np.eye(len(stops), dtype=bool), -1, saved)
    order = np.argsort(-saved, axis=None, kind="stable")[: int((saved >= 0).sum())]
    tail, head = np.unravel_index(order, saved.shape)
    return zip(stops[tail].tolist(), stops[head].tolist(), strict=True)


def _with_vehicles(problem: DeliveryProblem, trips: list[tuple[int, ...]], stops: Collection[int] | None) -> RoutePlan:
    number, routes, rest = [kind.number for kind in problem.vehicles], [], []
    for trip in sorted(trips, key=lambda each: (-len(each), each)):
        options = [timed_route(problem, v, [trip]) for v, free in enumerate(number) if free]
        fitting = [route for route in options if route is not None]
        if fitting:
            routes.append(min(fitting, key=lambda route: (route.cost, route.vehicle)))
            number[routes[-1].vehicle] -= 1
        else:
            rest.append(trip)
    for trip in rest:
        longer = [(row, timed_route(problem, route.vehicle, [*route.trips, trip])) for row, route in enumerate(routes)]
        more = [(new.cost - routes[row].cost, row, new) for row, new in longer if new is not None]
        if more:
            _, row, routes[row] = min(more, key=lambda option: option[:2])
    plan = plan_of(problem, routes)
    for stop in plan.unserved:
        if stops is None or stop in stops:
            plan = with_stop(problem, plan, stop) or plan
    return plan
