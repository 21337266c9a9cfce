"""The fewest vehicles first, then the least cost."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from udfs.fulfilment.routing.delivery_problem import DeliveryProblem
from udfs.fulfilment.routing.pyvrp_routes import RouteEffort, improved_routes, solve_routes
from udfs.fulfilment.routing.route_plan import RoutePlan


def fewest_vehicles(problem: DeliveryProblem, effort: RouteEffort) -> RoutePlan:
    """Routes of one vehicle type with as few vehicles as were found, and then as cheap as they come.

    First a tenth of the iterations for cost; then a vehicle less at a time, down to what the loads need, until a try of
    all iterations finds no routes for all; then all iterations for cost. The deadline holds for everything together.
    Raises ValueError for several vehicle types.
    """
    if len(problem.vehicles) != 1:
        raise ValueError(f"fewest_vehicles: expected one vehicle type, found {len(problem.vehicles)}; solve each apart")
    end = None if effort.deadline_s is None else effort.clock() + effort.deadline_s

    def left(share: float = 1.0) -> RouteEffort:
        rest = None if end is None else max(share * (end - effort.clock()), 1e-3)
        return replace(effort, deadline_s=rest)

    best = solve_routes(problem, replace(left(0.1), iterations=max(effort.iterations // 10, 1)))
    done, is_cut = best.iterations, False
    while not best.unserved and len(best.routes) > _least(problem):
        fewer = _with_number(problem, len(best.routes) - 1)
        start = [(route.vehicle, route.trips) for route in best.routes[1:]]
        found = improved_routes(fewer, left(0.75), start, is_first_enough=True)
        done, is_cut = done + found.iterations, is_cut or found.is_cut
        if found.unserved:
            break
        best = found
    found = solve_routes(_with_number(problem, len(best.routes)), left(), best)
    if (len(found.unserved), len(found.routes), found.cost) > (len(best.unserved), len(best.routes), best.cost):
        found = replace(best, iterations=found.iterations, is_cut=found.is_cut)
    return replace(found, iterations=done + found.iterations, is_cut=is_cut or found.is_cut)


def _with_number(problem: DeliveryProblem, number: int) -> DeliveryProblem:
    return replace(problem, vehicles=(replace(problem.vehicles[0], number=number),))


def _least(problem: DeliveryProblem) -> int:
    """What the loads need, each kind by itself."""
    kind = problem.vehicles[0]
    capacity_K = np.maximum(np.array(kind.capacity_K) * kind.most_trips, 1)
    return int(np.ceil(problem.load_NK.sum(axis=0) / capacity_K).max(initial=1))
