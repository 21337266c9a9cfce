"""Reorder points with a cost per order, against every triple of numbers and against linear programming."""

from __future__ import annotations

import itertools

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.udfs.inventory.theory.lost_sales import oracle
from udfs.inventory.learning.q_learning import q_learning
from udfs.inventory.theory.lost_sales.capped_base_stock import best_capped_base_stock
from udfs.inventory.theory.lost_sales.constant_order import best_constant_order
from udfs.inventory.theory.lost_sales.demand_pmf import geometric_pmf, poisson_pmf
from udfs.inventory.theory.lost_sales.modified_s_s import best_modified_s_s, best_s_s
from udfs.inventory.theory.lost_sales.myopic import myopic_policy
from udfs.inventory.theory.lost_sales.order_table import state_digits
from udfs.inventory.theory.lost_sales.problem import LostSalesProblem
from udfs.inventory.theory.lost_sales.value_iteration import optimal_policy, policy_cost


@settings(max_examples=20, deadline=None)
@given(
    st.lists(st.integers(0, 5), min_size=1, max_size=3), st.integers(1, 3), st.floats(1.0, 30.0), st.floats(0.0, 9.0)
)
def test_the_optimum_with_a_cost_per_order_is_that_of_the_linear_programme(
    weights: list[int], lead_time: int, shortage: float, order_cost: float
) -> None:
    pmf_SN = np.array([[*weights, 1.0]]) / (sum(weights) + 1.0)
    problem = LostSalesProblem(pmf_SN, 1.0, shortage, lead_time, 8 - lead_time, order_cost)
    found = optimal_policy(problem)
    expected = oracle.least_cost(pmf_SN[0], 1.0, shortage, 8 - lead_time, lead_time, order_cost)
    assert found.cost_S[0] == pytest.approx(expected, abs=2e-6)
    assert policy_cost(problem, found.policy.order_SX)[0] == pytest.approx(expected, abs=1e-5)


@pytest.mark.parametrize(("pmf_SN", "lead_time"), [(poisson_pmf(2.0), 2), (geometric_pmf(1.0), 3)])
def test_no_triple_is_cheaper(pmf_SN: np.ndarray, lead_time: int) -> None:
    """Every s < S and q, each at its exact cost; the default cap of the position is not what holds S back."""
    problem = LostSalesProblem(pmf_SN, 1.0, 9.0, lead_time, order_cost_S=5.0)
    most, position_X = int(problem.position_cap_S[0]), state_digits(problem, 0).sum(1)
    cost = {}
    for q in range(1, most + 1):
        pairs = list(itertools.combinations(range(most + 1), 2))
        order_SX = np.stack([np.where(position_X <= s, np.minimum(level - position_X, q), 0) for s, level in pairs])
        same = LostSalesProblem(np.repeat(pmf_SN, len(pairs), 0), 1.0, 9.0, lead_time, most, 5.0)
        cost.update({(*pair, q): c for pair, c in zip(pairs, policy_cost(same, order_SX), strict=True)})
    plain, modified = best_s_s(problem), best_modified_s_s(problem)
    assert plain.cost_S[0] == pytest.approx(min(c for (_, _, q), c in cost.items() if q == most), abs=2e-6)
    assert modified.cost_S[0] == pytest.approx(min(cost.values()), abs=2e-6)
    assert modified.cost_S[0] < plain.cost_S[0] - 1e-3
    assert optimal_policy(problem).cost_S[0] <= modified.cost_S[0] + 1e-6
    assert policy_cost(problem, modified.policy.order_SX)[0] == pytest.approx(modified.cost_S[0], abs=2e-6)
    assert plain.level_S[0] < most


def test_a_wider_position_finds_nothing_cheaper() -> None:
    terms = (np.repeat(poisson_pmf(3.0), 3, axis=0), 1.0, np.array([4.0, 19.0, 19.0]), 2)
    fixed_S = np.array([40.0, 40.0, 5.0])
    default = LostSalesProblem(*terms, order_cost_S=fixed_S)
    wider = LostSalesProblem(*terms, default.position_cap_S + 12, fixed_S)
    assert optimal_policy(default).cost_S == pytest.approx(optimal_policy(wider).cost_S, abs=1e-6)


def test_where_an_order_never_pays_none_is_placed() -> None:
    best = best_modified_s_s(LostSalesProblem(poisson_pmf(1.0), 1.0, 2.0, 1, position_cap_S=8, order_cost_S=1e4))
    assert best.reorder_point_S.tolist() == [-1]
    assert best.cost_S == pytest.approx([2.0])
    assert not best.policy.order_SX.any()


def test_without_a_cost_per_order_it_is_no_dearer_than_capped_base_stock() -> None:
    problem = LostSalesProblem(poisson_pmf([2.0, 3.0]), 1.0, [4.0, 19.0], 2)
    assert best_modified_s_s(problem).cost_S == pytest.approx(best_capped_base_stock(problem).cost_S, abs=1e-5)


def test_methods_without_a_cost_per_order_refuse_it() -> None:
    problem = LostSalesProblem(poisson_pmf([2.0, 2.0]), 1.0, 4.0, 1, order_cost_S=[0.0, 3.0])
    for method in (myopic_policy, best_constant_order, q_learning):
        with pytest.raises(ValueError, match=r"order_cost_S: expected 0 for .*, found 3 in row 1"):
            method(problem)
    with pytest.raises(ValueError, match="order_cost_S: expected currency >= 0, found -1 in row 0"):
        LostSalesProblem(poisson_pmf(2.0), 1.0, 4.0, 1, order_cost_S=-1.0)
