"""The least cost of a small problem by trying everything; times are tried on a grid of ten minutes."""

from __future__ import annotations

import itertools
import math
from functools import cache

from udfs.fulfilment.routing.delivery_problem import DeliveryProblem

GRID = 600


def least_cost(problem: DeliveryProblem) -> float:
    """Cost and lost prizes of the best plan; all times of the problem are to be multiples of ten minutes."""
    n = len(problem.stops)
    fleet = [v for v, kind in enumerate(problem.vehicles) for _ in range(kind.number)]

    @cache
    def of_route(vehicle: int, stops: frozenset[int]) -> float:
        return min((_trips_cost(problem, vehicle, order) for order in itertools.permutations(stops)), default=0.0)

    @cache
    def best(at: int, left: frozenset[int]) -> float:
        if at == len(fleet):
            return float(sum(problem.prize_N[stop] for stop in left))
        subsets = itertools.chain.from_iterable(itertools.combinations(sorted(left), size) for size in range(1, n + 1))
        options = (of_route(fleet[at], frozenset(s)) + best(at + 1, left - frozenset(s)) for s in subsets)
        return min(best(at + 1, left), min(options, default=math.inf))

    return best(0, frozenset(range(n)))


def _trips_cost(problem: DeliveryProblem, vehicle: int, order: tuple[int, ...]) -> float:
    """The cheapest way to drive stops in an order, in up to two trips."""
    kind = problem.vehicles[vehicle]
    splits = range(1, len(order)) if kind.most_trips > 1 else ()
    costs = [_cost(problem, vehicle, [order])] + [_cost(problem, vehicle, [order[:at], order[at:]]) for at in splits]
    return min(costs)


def _cost(problem: DeliveryProblem, vehicle: int, trips: list[tuple[int, ...]]) -> float:
    kind = problem.vehicles[vehicle]
    for trip in trips:
        if any(problem.load_NK[list(trip), k].sum() > capacity for k, capacity in enumerate(kind.capacity_K)):
            return math.inf
    home, metres, least = problem.depot_place_D[kind.depot], 0, math.inf
    for trip in trips:
        places = [home, *problem.place_N[list(trip)], home]
        metres += sum(int(problem.metres_PP[a, b]) for a, b in itertools.pairwise(places))
    for depart in range(kind.shift_s[0], kind.shift_s[1], GRID):
        back = _back(problem, vehicle, trips, depart)
        if back is not None:
            least = min(least, back - depart)
    return kind.fixed_cost + kind.km_cost * metres / 1000 + kind.hour_cost * least / 3600


def _back(problem: DeliveryProblem, vehicle: int, trips: list[tuple[int, ...]], depart: int) -> int | None:
    kind = problem.vehicles[vehicle]
    home, clock = int(problem.depot_place_D[kind.depot]), depart
    for number, trip in enumerate(trips):
        released = max(int(problem.release_N[stop]) for stop in trip)
        if number == 0 and clock < released:
            return None
        clock, place = max(clock, released), home
        for stop in trip:
            clock = max(clock + int(problem.seconds_PP[place, problem.place_N[stop]]), int(problem.window_N2[stop, 0]))
            if clock > problem.window_N2[stop, 1]:
                return None
            clock, place = clock + int(problem.service_N[stop]), int(problem.place_N[stop])
        clock += int(problem.seconds_PP[place, home])
    return clock if clock <= kind.shift_s[1] else None
