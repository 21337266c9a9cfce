"""Base stock, capped base stock, myopic and constant orders at their exact cost."""

from __future__ import annotations

import csv
import itertools

import numpy as np
import pytest

from tests.real_data import find
from tests.udfs.inventory.theory.lost_sales import oracle
from udfs.inventory.theory.lost_sales.capped_base_stock import best_capped_base_stock
from udfs.inventory.theory.lost_sales.constant_order import best_constant_order
from udfs.inventory.theory.lost_sales.demand_pmf import geometric_pmf, poisson_pmf
from udfs.inventory.theory.lost_sales.level_search import capped_orders
from udfs.inventory.theory.lost_sales.lost_sales_base_stock import backorder_base_stock, best_base_stock
from udfs.inventory.theory.lost_sales.myopic import myopic_policy
from udfs.inventory.theory.lost_sales.order_table import state_digits
from udfs.inventory.theory.lost_sales.problem import LostSalesProblem
from udfs.inventory.theory.lost_sales.value_iteration import optimal_policy, policy_cost

SMALL = LostSalesProblem(np.array([[0.2, 0.3, 0.3, 0.2], [0.5, 0.0, 0.2, 0.3]]), 1.0, [3.0, 12.0], 2, 7)


def cost_of_levels(row: int, level: int, cap: int) -> float:
    known = oracle.states(7, 2)
    order = {x: min(max(level - sum(x), 0), cap) for x in known}
    return oracle.cost_of(order, SMALL.pmf_SN[row], 1.0, SMALL.shortage_cost_S[row], 2)


def test_no_level_is_cheaper_than_the_best() -> None:
    best = best_base_stock(SMALL)
    for row in range(2):
        costs = [cost_of_levels(row, level, 7) for level in range(8)]
        assert best.cost_S[row] == pytest.approx(min(costs), abs=1e-5)
        assert costs[best.level_S[row]] == pytest.approx(min(costs), abs=1e-5)
    assert policy_cost(SMALL, best.policy.order_SX) == pytest.approx(best.cost_S, abs=1e-5)


def test_no_level_and_cap_are_cheaper_than_the_best() -> None:
    best = best_capped_base_stock(SMALL)
    for row in range(2):
        costs = [cost_of_levels(row, level, cap) for level, cap in itertools.product(range(8), range(8))]
        assert best.cost_S[row] == pytest.approx(min(costs), abs=1e-5)
        assert cost_of_levels(row, best.level_S[row], best.cap_S[row]) == pytest.approx(min(costs), abs=1e-5)
    assert policy_cost(SMALL, best.policy.order_SX) == pytest.approx(best.cost_S, abs=1e-5)
    assert (optimal_policy(SMALL).cost_S <= best.cost_S + 1e-5).all()
    assert (best.cost_S <= best_base_stock(SMALL).cost_S + 1e-5).all()


@pytest.mark.real_data
@pytest.mark.parametrize("lead_time", [1, 2])
@pytest.mark.parametrize("demand", ["poisson", "geometric"])
def test_published_columns(demand: str, lead_time: int) -> None:
    """Zipkin (2008). At p = 39 with geometric demand the table has 24.00 for the best base stock of 24.007."""
    path = find("inventory_theory") / "zipkin_2008_lost_sales.csv"
    with path.open() as file:
        rows = [row for row in csv.DictReader(file) if row["demand"] == demand and int(row["lead_time"]) == lead_time]
    shortage_S = np.array([4.0, 9.0, 19.0, 39.0])
    pmf = poisson_pmf(5.0) if demand == "poisson" else geometric_pmf(5.0)
    problem = LostSalesProblem(np.repeat(pmf, 4, axis=0), 1.0, shortage_S, lead_time)
    costs = {
        "best_base_stock": best_base_stock(problem).cost_S,
        "std_base_stock": backorder_base_stock(problem).cost_S,
        "myopic": policy_cost(problem, myopic_policy(problem).order_SX),
    }
    for name, cost_S in costs.items():
        expected = {float(row["p"]): float(row["avg_cost"]) for row in rows if row["policy"] == name}
        assert cost_S == pytest.approx([expected[p] for p in shortage_S], abs=0.0075)
    assert (best_capped_base_stock(problem).cost_S <= 1.01 * optimal_policy(problem).cost_S).all()


def test_the_myopic_order_is_the_cheapest_for_the_period_of_its_arrival() -> None:
    order_SX = myopic_policy(SMALL).order_SX
    for row in range(2):
        pmf_N, shortage = SMALL.pmf_SN[row], SMALL.shortage_cost_S[row]
        for state, order in zip(map(tuple, state_digits(SMALL, row).tolist()), order_SX[row], strict=True):
            if sum(state) > 7:
                assert order == 0
                continue
            costs = [arrival_cost(state, z, pmf_N, shortage) for z in range(8 - sum(state))]
            assert costs[order] == pytest.approx(min(costs), abs=1e-12)


def arrival_cost(state: oracle.State, order: int, pmf_N: np.ndarray, shortage: float) -> float:
    total = 0.0
    for demands in itertools.product(range(len(pmf_N)), repeat=2):
        arrived = oracle.next_state(oracle.next_state(state, order, demands[0]), 0, demands[1])
        total += pmf_N[demands[0]] * pmf_N[demands[1]] * oracle.period_cost(arrived, pmf_N, 1.0, shortage)
    return total


def test_the_constant_order_agrees_with_spitzers_identity() -> None:
    """Mean stock = sum over n of E[(n q - demand of n periods)+] / n (Spitzer 1956)."""
    problem = LostSalesProblem(poisson_pmf([5.0, 3.5, 0.8]), 1.0, [4.0, 9.0, 2.0], 1)
    best = best_constant_order(problem)
    for row in range(2):
        costs = []
        for quantity in range(1, int(np.ceil(problem.mean_S[row]))):
            stock, demand_pmf = 0.0, np.ones(1)
            for n in range(1, 400):
                demand_pmf = np.convolve(demand_pmf, problem.pmf_SN[row])
                stock += demand_pmf @ np.maximum(n * quantity - np.arange(len(demand_pmf)), 0.0) / n
            costs.append(stock + problem.shortage_cost_S[row] * (problem.mean_S[row] - quantity))
        assert best.cost_S[row] == pytest.approx(min(costs), abs=1e-3)
        assert best.quantity_S[row] == 1 + int(np.argmin(costs))
    # Below a mean of one unit per period nothing can be ordered for ever.
    assert best.quantity_S[2] == 0
    assert best.cost_S[2] == pytest.approx(1.6)


def test_orders_that_near_the_demand_are_beyond_reach() -> None:
    """One unit less than the mean is ordered, but not a thousandth less: the stock would grow without end."""
    pmf_SN = np.array([[0.4995, 0.0, 0.5005]])
    best = best_constant_order(LostSalesProblem(pmf_SN, 1.0, 4.0, 1))
    assert best.quantity_S.tolist() == [0]
    assert best.cost_S == pytest.approx([4.0 * 1.001])


def test_bad_levels_are_refused() -> None:
    with pytest.raises(ValueError, match="level_S: expected whole units from 0 to the position cap, found 8 in row 1"):
        capped_orders(SMALL, np.array([7, 8]), np.array([2, 2]))
    with pytest.raises(ValueError, match=r"level_S: expected .*, found -1 in row 0"):
        capped_orders(SMALL, np.array([-1, 3]), np.array([2, 2]))
    with pytest.raises(ValueError, match="cap_S: expected whole units >= 0, found -1 in row 1"):
        capped_orders(SMALL, np.array([3, 3]), np.array([2, -1]))
    with pytest.raises(ValueError, match=r"cap_S: expected whole units >= 0, found 1\.5 in row 0"):
        capped_orders(SMALL, np.array([3, 3]), np.array([1.5, 1.0]))
    with pytest.raises(ValueError, match="level_S: expected whole units from 0 to the position cap"):
        backorder_base_stock(LostSalesProblem(poisson_pmf(5.0), 1.0, 9.0, 2, position_cap_S=5))
