from __future__ import annotations

import csv

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.real_data import find
from tests.udfs.inventory.theory.lost_sales import oracle
from udfs.inventory.theory.lost_sales.demand_pmf import geometric_pmf, poisson_pmf
from udfs.inventory.theory.lost_sales.order_table import state_digits
from udfs.inventory.theory.lost_sales.problem import LostSalesProblem
from udfs.inventory.theory.lost_sales.value_iteration import optimal_policy, policy_cost


@st.composite
def small_problems(draw: st.DrawFn) -> LostSalesProblem:
    weights = np.array(draw(st.lists(st.integers(0, 5), min_size=2, max_size=5)), dtype=float)
    weights[draw(st.integers(1, len(weights) - 1))] += 1.0
    lead_time = draw(st.integers(1, 4))
    shortage = draw(st.floats(0.5, 50.0))
    cap = draw(st.integers(1, 8 - lead_time))
    return LostSalesProblem(weights[None] / weights.sum(), 1.0, shortage, lead_time, cap)


@settings(max_examples=40, deadline=None)
@given(small_problems())
def test_the_optimum_is_that_of_the_linear_programme(problem: LostSalesProblem) -> None:
    cap, shortage = int(problem.position_cap_S[0]), float(problem.shortage_cost_S[0])
    found = optimal_policy(problem)
    expected = oracle.least_cost(problem.pmf_SN[0], 1.0, shortage, cap, problem.lead_time)
    assert found.cost_S[0] == pytest.approx(expected, abs=2e-6)
    # The orders attain it, by another way of counting.
    digits = [tuple(x) for x in state_digits(problem, 0).tolist()]
    order = {x: int(z) for x, z in zip(digits, found.policy.order_SX[0], strict=True) if sum(x) <= cap}
    cost = oracle.cost_of(order, problem.pmf_SN[0], 1.0, shortage, problem.lead_time)
    assert cost == pytest.approx(expected, abs=1e-5)


@settings(max_examples=15, deadline=None)
@given(st.lists(st.integers(1, 5), min_size=2, max_size=3), st.integers(1, 3), st.sampled_from([0.7, 4.0, 19.0]))
def test_orders_beyond_the_bounds_find_nothing_cheaper(weights: list[int], lead_time: int, shortage: float) -> None:
    """The linear programme may order up to two units more than any bound allows."""
    problem = LostSalesProblem(np.array([weights]) / sum(weights), 1.0, shortage, lead_time)
    cap = int(problem.backorder_level()[0]) + 2
    expected = oracle.least_cost(problem.pmf_SN[0], 1.0, shortage, cap, lead_time)
    assert optimal_policy(problem).cost_S[0] == pytest.approx(expected, abs=2e-6)


@settings(max_examples=40, deadline=None)
@given(small_problems(), st.integers(0, 2**31))
def test_any_policy_costs_what_its_chain_says(problem: LostSalesProblem, seed: int) -> None:
    cap, rng = int(problem.position_cap_S[0]), np.random.default_rng(seed)
    digits_XL = state_digits(problem, 0)
    order_X = rng.integers(0, np.maximum(cap - digits_XL.sum(1), 0) + 1)
    order = {tuple(x): int(z) for x, z in zip(digits_XL.tolist(), order_X, strict=True) if sum(x) <= cap}
    try:
        found = policy_cost(problem, order_X[None])[0]
    except ValueError as refusal:  # a random policy may end in one of several groups of states
        if "several groups" not in str(refusal):
            raise
        return
    expected = oracle.cost_of(order, problem.pmf_SN[0], 1.0, float(problem.shortage_cost_S[0]), problem.lead_time)
    assert found == pytest.approx(expected, abs=1e-5)


@pytest.mark.real_data
@pytest.mark.parametrize("lead_time", [1, 2])
@pytest.mark.parametrize("demand", ["poisson", "geometric"])
def test_published_optima(demand: str, lead_time: int) -> None:
    """Zipkin (2008): 16 instances, to two decimals."""
    path = find("inventory_theory") / "zipkin_2008_lost_sales.csv"
    with path.open() as file:
        rows = [row for row in csv.DictReader(file) if row["policy"] == "optimal" and row["demand"] == demand]
    expected = {float(row["p"]): float(row["avg_cost"]) for row in rows if int(row["lead_time"]) == lead_time}
    pmf = poisson_pmf(5.0) if demand == "poisson" else geometric_pmf(5.0)
    problem = LostSalesProblem(np.repeat(pmf, 4, axis=0), 1.0, np.array(list(expected)), lead_time)
    assert np.abs(optimal_policy(problem).cost_S - list(expected.values())).max() <= 0.005 + 1e-6


LONGER = {
    ("poisson", 3): [4.60, 6.53, 8.36, 10.04],
    ("poisson", 4): [4.73, 6.84, 8.89, 10.79],
    ("geometric", 3): [10.47, 16.14, 22.06, 27.96],
    ("geometric", 4): [10.61, 16.58, 22.95, 29.36],
}


@pytest.mark.parametrize(("demand", "lead_time"), LONGER)
def test_longer_lead_times_keep_their_optima(demand: str, lead_time: int) -> None:
    """More instances of Zipkin (2008), p = 4, 9, 19, 39, as first solved here; the policy's own chain costs the same.

    That the method finds the optimum is what the linear programmes above say, on smaller instances.
    """
    pmf = poisson_pmf(5.0) if demand == "poisson" else geometric_pmf(5.0)
    problem = LostSalesProblem(np.repeat(pmf, 4, axis=0), 1.0, np.array([4.0, 9.0, 19.0, 39.0]), lead_time)
    found = optimal_policy(problem, 1e-4)
    assert np.abs(found.cost_S - LONGER[demand, lead_time]).max() <= 0.005 + 1e-4
    assert policy_cost(problem, found.policy.order_SX, 1e-4) == pytest.approx(found.cost_S, abs=1e-3)


def test_a_higher_cap_finds_nothing_cheaper() -> None:
    pmf_SN = np.repeat(geometric_pmf(5.0), 3, axis=0)
    default = LostSalesProblem(pmf_SN, 1.0, np.array([1.0, 9.0, 39.0]), 2)
    wider = LostSalesProblem(pmf_SN, 1.0, default.shortage_cost_S, 2, default.position_cap_S + 15)
    narrow = LostSalesProblem(pmf_SN, 1.0, default.shortage_cost_S, 2, default.backorder_level())
    assert optimal_policy(default).cost_S == pytest.approx(optimal_policy(wider).cost_S, abs=1e-6)
    assert optimal_policy(narrow).cost_S == pytest.approx(optimal_policy(wider).cost_S, abs=1e-6)


def test_a_series_stands_alone() -> None:
    pmf_SN = poisson_pmf([2.0, 4.0])
    both = optimal_policy(LostSalesProblem(pmf_SN, 1.0, [4.0, 19.0], 2))
    for row, shortage in enumerate((4.0, 19.0)):
        alone = optimal_policy(LostSalesProblem(poisson_pmf(2.0 + 2.0 * row), 1.0, shortage, 2))
        assert alone.cost_S[0] == both.cost_S[row]
        states = alone.policy.order_SX.shape[1]
        assert (alone.policy.order_SX[0] == both.policy.order_SX[row, :states]).all()


def test_a_policy_with_two_ends_has_no_one_cost() -> None:
    """From 3 units a demand of 2 or 3 leads to 2 units for ever or to 1 unit for ever."""
    problem = LostSalesProblem(np.array([[0.0, 0.0, 0.5, 0.5]]), 1.0, 4.0, 1, position_cap_S=4)
    with pytest.raises(ValueError, match="several groups of states"):
        policy_cost(problem, np.array([[3, 1, 2, 1, 0]]))


@pytest.mark.parametrize("tolerance", [0.0, -1.0, np.nan, np.inf])
def test_a_bad_tolerance_is_refused(tolerance: float) -> None:
    problem = LostSalesProblem(poisson_pmf(1.0), 1.0, 4.0, 1)
    with pytest.raises(ValueError, match="tolerance: expected finite currency per period > 0"):
        optimal_policy(problem, tolerance)
    with pytest.raises(ValueError, match="tolerance: expected finite currency per period > 0"):
        policy_cost(problem, np.zeros((1, problem.n_states), dtype=np.int64), tolerance)
