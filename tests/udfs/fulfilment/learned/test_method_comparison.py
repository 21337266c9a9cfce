"""The comparison of methods on instances whose shortest routes are known."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch

from tests.udfs.fulfilment.learned.shortest_routes import shortest
from udfs.fulfilment.learned import method_comparison
from udfs.fulfilment.learned.attention_policy import AttentionPolicy, PolicySpec
from udfs.fulfilment.learned.method_comparison import compare_methods, size_class
from udfs.fulfilment.learned.route_instances import sample_instances
from udfs.fulfilment.learned.solver_routes import insertion_price, routes_length, solver_routes

DAYS = sample_instances(4, 7, torch.Generator().manual_seed(0))


def test_the_solver_finds_the_shortest_routes_from_scratch_and_from_given_ones() -> None:
    for row in range(4):
        distance_NN = DAYS.distance[row].double().numpy()
        exact = shortest(distance_NN, DAYS.demand_BN[row].numpy(), float(DAYS.capacity_B[row]))
        for start in (None, [[stop] for stop in range(1, 8)]):
            routes = solver_routes(DAYS, row, iterations=200, start=start)
            assert routes_length(distance_NN, routes) == pytest.approx(exact, rel=1e-4)


def test_iterations_say_what_is_found() -> None:
    assert solver_routes(DAYS, 0, iterations=20, seed=3) == solver_routes(DAYS, 0, iterations=20, seed=3)
    with pytest.raises(ValueError, match="iterations or CPU seconds"):
        solver_routes(DAYS, 0)


def test_one_more_stop_costs_its_cheapest_way_round() -> None:
    corner = np.array([[0.0, 0.0], [0.0, 1.0], [1.0, 1.0], [0.0, 0.5]])
    distance_NN = np.hypot(*(corner[:, None] - corner[None]).transpose(2, 0, 1))
    assert insertion_price(distance_NN, np.ones(4), 9.0, [[1, 2]], 3) == pytest.approx(0.0)
    assert insertion_price(distance_NN, np.ones(4), 2.0, [[1, 2]], 3) == pytest.approx(1.0)
    assert insertion_price(distance_NN, np.ones(4), 9.0, [[2]], 3) == pytest.approx(
        0.5 + math.hypot(1.0, 0.5) - math.sqrt(2.0)
    )


def test_every_method_has_a_row_and_none_is_used_without_being_better() -> None:
    policy = AttentionPolicy(PolicySpec(width=16, heads=2, layers=1))
    rows = compare_methods(policy, DAYS, solver_seconds=0.02, reference_iterations=100)
    gap = {row.method: row.gap for row in rows}
    routing, pricing = {"solver", "solver_from_policy", "policy"}, {"insertion_price", "solver_price", "policy_price"}
    assert set(gap) == routing | pricing | {"q_learning", "sarsa"}
    assert all(row.size_class == 8 and row.n_instances == 4 and row.gap >= 0.0 for row in rows)
    # At 7 stops the solver is exact with and without a start: no start can be better.
    assert gap["solver"] == pytest.approx(0.0, abs=1e-4)
    assert not any(row.is_used_as_start for row in rows)
    assert gap["solver_price"] < gap["insertion_price"]
    assert [row.method for row in rows if row.is_used_as_price] == ["solver_price"]


def test_better_is_what_two_standard_errors_say() -> None:
    one = np.linspace(1.0, 2.0, 20)
    assert method_comparison._is_surely_less(one, one + np.tile([0.1, 0.2], 10))
    assert not method_comparison._is_surely_less(one, one + np.tile([-0.3, 0.31], 10))
    assert not method_comparison._is_surely_less(one, one)


def test_sizes_fall_into_classes() -> None:
    assert [size_class(n_stops) for n_stops in (1, 8, 9, 20, 21, 100, 500)] == [8, 8, 20, 20, 50, 100, 100]
