"""PyVRP on the instances that policies learn from: from scratch or from given routes, by iterations or by CPU time."""

from __future__ import annotations

import time
from collections.abc import Sequence
from types import ModuleType
from typing import Any, Final, cast

import numpy as np
from numpy.typing import NDArray

from udfs.fulfilment.learned.route_instances import RouteInstances

FloatArray = NDArray[np.float64]
Routes = Sequence[Sequence[int]]

# PyVRP counts in whole numbers, and charges at most 100,000 for a unit too much: with much finer ones it may never find
# routes that the vehicles can carry.
_STEPS: Final = 10_000


def solver_module() -> ModuleType:
    """PyVRP. Raises ValueError where it is not installed."""
    try:
        import pyvrp
    except ImportError as error:
        raise ValueError(
            f"routes: expected pyvrp, which plans them, found none ({error}); pip install 'shelfcast[fulfilment]'"
        ) from None
    return cast(ModuleType, pyvrp)


def solver_routes(
    instances: RouteInstances,
    row: int,
    iterations: int | None = None,
    cpu_seconds: float = float("inf"),
    start: Routes | None = None,
    seed: int = 0,
) -> list[list[int]]:
    """Routes of one instance without windows. Iterations give the same ones on any machine; CPU seconds, which include
    the making of the model, serve comparisons alone.

    Raises:
        ValueError: windows, neither limit, or no feasible routes within them.
    """
    if instances.window_BN2 is not None or (iterations is None and not np.isfinite(cpu_seconds)):
        raise ValueError("solver_routes: expected instances without windows, and iterations or CPU seconds")
    end = time.process_time() + cpu_seconds
    pyvrp = solver_module()
    data = _data(pyvrp, instances, row)
    first = None if start is None else pyvrp.Solution(data, [[stop - 1 for stop in route] for route in start])
    done = 0

    def is_over(_: float) -> bool:
        nonlocal done
        done += 1
        return done > (iterations or np.inf) or time.process_time() >= end

    found = pyvrp.solve(data, is_over, seed=seed, collect_stats=False, initial_solution=first)
    if not found.is_feasible():
        raise ValueError(f"solver_routes: expected feasible routes after {done} iterations, found none; allow more")
    return [[visit.idx + 1 for visit in route if visit.is_client()] for route in found.best.routes()]


def routes_length(distance_NN: FloatArray, routes: Routes) -> float:
    """Length with the ways from and to the depot, place 0."""
    ways = [[0, *route, 0] for route in routes]
    return float(sum(distance_NN[way[:-1], way[1:]].sum() for way in ways))


def insertion_price(distance_NN: FloatArray, demand_N: FloatArray, capacity: float, routes: Routes, stop: int) -> float:
    """What one more stop costs where it fits into the routes, or on a route of its own: today's quick price."""
    prices = [2.0 * distance_NN[0, stop]]
    for route in routes:
        if demand_N[list(route)].sum() + demand_N[stop] <= capacity:
            way = np.array([0, *route, 0])
            before, after = way[:-1], way[1:]
            prices.append((distance_NN[before, stop] + distance_NN[stop, after] - distance_NN[before, after]).min())
    return float(min(prices))


def _data(pyvrp: Any, instances: RouteInstances, row: int) -> Any:
    distance_NN = np.rint(instances.distance[row].cpu().double().numpy() * _STEPS).astype(np.int64)
    demand_N = instances.demand_BN[row].cpu().double().numpy()
    model = pyvrp.Model()
    places = [model.add_location(x=0, y=0) for _ in demand_N]
    depot = model.add_depot(places[0])
    for place, demand in zip(places[1:], demand_N[1:], strict=True):
        model.add_client(place, delivery=[int(np.ceil(demand))])
    capacity = [int(instances.capacity_B[row])]
    model.add_vehicle_type(len(places) - 1, capacity=capacity, start_depot=depot, end_depot=depot)
    for i, begin in enumerate(places):
        for j, end in enumerate(places):
            model.add_edge(begin, end, distance=int(distance_NN[i, j]), duration=0)
    return model.data()
