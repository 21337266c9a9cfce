"""Which method routes days of a size, and whether a learned policy may start the solver or price one more stop.

All methods see the same held-out instances, and the solver gets the CPU time that policy and solver take together. A
use is allowed only where it is better by more than two standard errors of the paired differences.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Final

import numpy as np

from udfs.fulfilment.learned.attention_policy import AttentionPolicy
from udfs.fulfilment.learned.policy_rollout import best_routes
from udfs.fulfilment.learned.route_instances import RouteInstances
from udfs.fulfilment.learned.solver_routes import FloatArray, Routes, insertion_price, routes_length, solver_routes
from udfs.fulfilment.learned.tabular import MAX_STOPS, q_learning, sarsa

SIZE_CLASSES: Final = (8, 20, 50, 100)
_SURE: Final = 2.0


@dataclass(frozen=True, slots=True)
class RouteMethod:
    """A row of `fulfilment.route_method`.

    Attributes:
        size_class: stops at most, of `SIZE_CLASSES`.
        method: solver, solver_from_policy, policy, q_learning, sarsa; as prices insertion_price, solver_price
            and policy_price.
        is_used_as_start, is_used_as_price: what the comparison allows the method to be used for.
        gap: mean above the reference; of a price its mean absolute error in shares of the mean true marginal cost.
        cpu_seconds: per instance.
        n_instances: held out.
    """

    size_class: int
    method: str
    is_used_as_start: bool
    is_used_as_price: bool
    gap: float
    cpu_seconds: float
    n_instances: int


def size_class(n_stops: int) -> int:
    """The least class that holds so many stops; the largest one beyond."""
    return next((limit for limit in SIZE_CLASSES if n_stops <= limit), SIZE_CLASSES[-1])


def compare_methods(
    policy: AttentionPolicy, instances: RouteInstances, solver_seconds: float, reference_iterations: int
) -> list[RouteMethod]:
    """Rows of one size class.

    Args:
        policy: greedy from every first stop through 8 symmetries.
        instances: held out, of one size, without windows.
        solver_seconds: CPU seconds of the solver after the policy; alone it gets those of the policy as well.
        reference_iterations: of the solver, for costs that count as the least.
    """
    n_instances = len(instances.capacity_B)
    days = [instances.take(slice(row, row + 1)) for row in range(n_instances)]
    distance_BNN = instances.distance.cpu().double().numpy()

    def costs(routes: Sequence[Any]) -> FloatArray:
        return np.array(
            [routes_length(distance_NN, day) for distance_NN, day in zip(distance_BNN, routes, strict=True)]
        )

    best_routes(policy, days[0])  # the first call pays for what later ones have
    policy_routes, policy_seconds = _timed(lambda: [best_routes(policy, day)[1][0] for day in days])
    start_routes, start_seconds = _timed(
        lambda: [solver_routes(day, 0, None, solver_seconds, policy_routes[row]) for row, day in enumerate(days)]
    )
    total = policy_seconds + solver_seconds
    alone_routes, alone_seconds = _timed(lambda: [solver_routes(day, 0, None, total) for day in days])
    reference_routes = [solver_routes(day, 0, reference_iterations, seed=1) for day in days]
    found = {"solver": costs(alone_routes), "solver_from_policy": costs(start_routes), "policy": costs(policy_routes)}
    seconds = {"solver": alone_seconds, "solver_from_policy": policy_seconds + start_seconds, "policy": policy_seconds}
    if instances.n_stops <= MAX_STOPS:
        for name, learn in (("q_learning", q_learning), ("sarsa", sarsa)):
            learn(days[0])
            table_routes, seconds[name] = _timed(lambda learn=learn: [learn(day).routes[0] for day in days])  # type: ignore[misc]
            found[name] = costs(table_routes)
    least_B = np.minimum.reduce([costs(reference_routes), *found.values()])
    is_start = _is_surely_less(found["solver_from_policy"] / least_B, found["solver"] / least_B)
    rows = [
        RouteMethod(
            size_class(instances.n_stops),
            name,
            is_start and name == "solver_from_policy",
            False,
            float((cost_B / least_B).mean() - 1.0),
            seconds[name],
            n_instances,
        )
        for name, cost_B in found.items()
    ]
    return rows + _prices(policy, instances, reference_iterations)


def _prices(policy: AttentionPolicy, instances: RouteInstances, iterations: int) -> list[RouteMethod]:
    """The price of the last stop beside those before it: true by solving twice, by insertion into the routes without
    it, by the solver from these in the policy's CPU time, and by the policy."""
    n_instances, stop = len(instances.capacity_B), instances.n_stops
    fewer = RouteInstances(instances.place_BN2[:, :-1], instances.demand_BN[:, :-1], instances.capacity_B)
    distance_BNN = instances.distance.cpu().double().numpy()
    demand_BN, capacity_B = instances.demand_BN.cpu().double().numpy(), instances.capacity_B.cpu().double().numpy()
    before = [solver_routes(fewer, row, iterations, seed=1) for row in range(n_instances)]

    def added(row: int, routes: Routes) -> float:
        return routes_length(distance_BNN[row], routes) - routes_length(distance_BNN[row], before[row])

    def inserted(row: int) -> float:
        return insertion_price(distance_BNN[row], demand_BN[row], capacity_B[row], before[row], stop)

    def learned(row: int) -> float:
        one = slice(row, row + 1)
        return float(best_routes(policy, instances.take(one))[0] - best_routes(policy, fewer.take(one))[0])

    def solved(row: int) -> float:
        return added(row, solver_routes(instances, row, None, seconds["policy_price"], [*before[row], [stop]]))

    true_B = np.array([added(row, solver_routes(instances, row, iterations, seed=1)) for row in range(n_instances)])
    error_B, seconds = {}, {}
    for name, price in (("insertion_price", inserted), ("policy_price", learned), ("solver_price", solved)):
        found, seconds[name] = _timed(lambda price=price: [price(row) for row in range(n_instances)])  # type: ignore[misc]
        error_B[name] = np.abs(np.array(found) - true_B)
    others = ("insertion_price", "solver_price")
    is_learned = all(_is_surely_less(error_B["policy_price"], error_B[other]) for other in others)
    used = "policy_price" if is_learned else min(others, key=lambda other: float(error_B[other].mean()))
    return [
        RouteMethod(
            size_class(stop),
            name,
            False,
            name == used,
            float(each_B.mean() / true_B.mean()),
            seconds[name],
            n_instances,
        )
        for name, each_B in error_B.items()
    ]


def _is_surely_less(one_B: FloatArray, other_B: FloatArray) -> bool:
    less_B = other_B - one_B
    return bool(less_B.mean() > _SURE * less_B.std(ddof=1) / np.sqrt(len(less_B))) if len(less_B) > 1 else False


def _timed(call: Callable[[], list[Any]]) -> tuple[list[Any], float]:
    """What a call gives, and its CPU seconds per instance."""
    started = time.process_time()
    found = call()
    return found, (time.process_time() - started) / len(found)
