"""Lots for known demand: Wagner-Whitin against every possible plan, Silver-Meal against its rule in plain Python."""

from __future__ import annotations

from itertools import product
from typing import Any

import numpy as np
import pytest
from stockpyl.wagner_whitin import wagner_whitin as reference

from udfs.inventory.theory.lot_sizing.lot_plan import DynamicDemand, plan_cost
from udfs.inventory.theory.lot_sizing.silver_meal import silver_meal
from udfs.inventory.theory.lot_sizing.wagner_whitin import wagner_whitin

RNG = np.random.default_rng(11)
S, T = 12, 8


def _problem() -> DynamicDemand:
    demand = RNG.poisson(30.0, (S, T)) * (RNG.uniform(size=(S, T)) < 0.7)
    return DynamicDemand(
        demand, RNG.uniform(10, 200, (S, T)), RNG.uniform(0.1, 3.0, (S, T)), RNG.uniform(0.0, 4.0, (S, T))
    )


def _least_cost_of_all_plans(problem: DynamicDemand, s: int) -> float:
    """Every set of order periods; each order covers the demand until the next one."""
    demand, fixed, holding, unit = (table[s] for table in problem.tables())
    costs = []
    for orders in product((False, True), repeat=T):
        quantity, at = np.zeros(T), -1
        for t in range(T):
            at = t if orders[t] else at
            if at >= 0:
                quantity[at] += demand[t]
            elif demand[t] > 0:
                break
        else:
            stock = np.cumsum(quantity - demand)
            costs.append(float((fixed * (quantity > 0) + unit * quantity + holding * stock).sum()))
    return min(costs)


def test_wagner_whitin_finds_the_least_cost_of_all_plans() -> None:
    problem = _problem()
    plan = wagner_whitin(problem)
    np.testing.assert_allclose(plan.cost_S, plan_cost(plan.quantity_ST, problem), rtol=1e-12)
    for s in range(S):
        assert plan.cost_S[s] == pytest.approx(_least_cost_of_all_plans(problem, s), rel=1e-12)


def test_wagner_whitin_equals_stockpyl_where_holding_cost_is_constant() -> None:
    demand = RNG.poisson(50.0, (6, 15)).astype(float)
    demand[2, 3:7] = 0.0
    fixed, unit = RNG.uniform(50, 400, (6, 15)), RNG.uniform(1, 3, (6, 15))
    plan = wagner_whitin(DynamicDemand(demand, fixed, 1.5, unit))
    for s in range(6):
        quantities, cost, _, _ = reference(15, 1.5, fixed[s].tolist(), demand[s].tolist(), unit[s].tolist())
        np.testing.assert_allclose(plan.quantity_ST[s], quantities[1:], rtol=1e-12)
        assert plan.cost_S[s] == pytest.approx(cost, rel=1e-12)


def test_zeros_that_pad_a_shorter_series_change_nothing() -> None:
    demand = np.array([90.0, 120.0, 80.0, 70.0])
    for solve in (wagner_whitin, silver_meal):
        short, padded = (solve(DynamicDemand(d, 500, 2)) for d in (demand, np.concatenate([demand, np.zeros(5)])))
        np.testing.assert_array_equal(padded.quantity_ST[0, :4], short.quantity_ST[0])
        assert padded.quantity_ST[0, 4:].sum() == 0.0
        np.testing.assert_array_equal(padded.cost_S, short.cost_S)


def _silver_meal_in_words(demand: np.ndarray, fixed: float, holding: float) -> list[float]:
    quantity, t = [0.0] * len(demand), 0
    while t < len(demand):
        if demand[t] == 0:
            t += 1
            continue
        averages = [
            (fixed + sum(holding * k * demand[t + k] for k in range(m))) / m for m in range(1, len(demand) - t + 1)
        ]
        m = next((m for m in range(1, len(averages)) if averages[m] > averages[m - 1]), len(averages))
        quantity[t] = float(sum(demand[t : t + m]))
        t += m
    return quantity


def test_silver_meal_follows_its_rule_and_costs_no_less_than_the_optimum() -> None:
    demand = RNG.poisson(20.0, (30, 20)) * (RNG.uniform(size=(30, 20)) < 0.8)
    problem = DynamicDemand(demand, 60.0, 1.0)
    plan, best = silver_meal(problem), wagner_whitin(problem)
    for s in range(30):
        assert plan.quantity_ST[s].tolist() == _silver_meal_in_words(demand[s], 60.0, 1.0)
    assert (plan.cost_S >= best.cost_S - 1e-9).all()
    assert 1.0 < plan.cost_S.sum() / best.cost_S.sum() < 1.1


def test_silver_meal_on_the_textbook_year() -> None:
    """Silver, Pyke & Thomas (2017), section 5.6: the replenishments and the total of their table."""
    year = [10, 62, 12, 130, 154, 129, 88, 52, 124, 160, 238, 41]
    plan = silver_meal(DynamicDemand(year, 54, 0.4))
    assert plan.quantity_ST[0].tolist() == [84, 0, 0, 130, 283, 0, 140, 0, 124, 160, 279, 0]
    assert plan.cost_S[0] == pytest.approx(501.20, abs=1e-9)


@pytest.mark.parametrize(
    ("given", "message"),
    [
        (([1, -1], 1, 1), "demand_ST: expected a finite number >= 0, found -1 in row 0, column 1"),
        (([1, np.nan], 1, 1), "demand_ST: .* found nan"),
        (([1, 2], -1, 1), "fixed_cost: expected a finite number >= 0, found -1"),
        (([1, 2], 1, [1, 2, 3]), r"holding_cost: expected a number, \[1\] or \[1, 2\], found shape \(3,\)"),
        (([[]], 1, 1), r"demand_ST: expected \[S, T\] with T >= 1"),
        (([1, 2], 1, 1, -3), "unit_cost"),
    ],
)
def test_a_bad_problem_is_an_error(given: tuple[Any, ...], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        DynamicDemand(*given)


def test_a_plan_that_does_not_serve_the_demand_is_an_error() -> None:
    problem = DynamicDemand([10, 20], 5, 1)
    with pytest.raises(ValueError, match="5 units short in row 0, period 1"):
        plan_cost(np.array([[10.0, 15.0]]), problem)
    with pytest.raises(ValueError, match="expected shape"):
        plan_cost(np.zeros((1, 3)), problem)
    with pytest.raises(ValueError, match="quantity_ST"):
        plan_cost(np.array([[30.0, -1.0]]), problem)
