"""The finite horizon's levels against a dynamic programme written out in plain Python."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from scipy import stats

from udfs.inventory.theory.stock_levels.base_stock import base_stock
from udfs.inventory.theory.stock_levels.finite_horizon import FiniteHorizon, finite_horizon


def _by_definition(mean: list[float], k: float, c: float, h: float, p: float, gamma: float) -> tuple[list, list, dict]:
    """s_t, S_t and V_1 on stocks -120 .. 120; what falls below the grid pays for its way back into it."""
    low, high, n = -120, 120, np.arange(60)
    later = dict.fromkeys(range(low, high + 1), 0.0)
    reorder, level = [], []
    for mu in reversed(mean):
        pmf = stats.poisson.pmf(n, mu)
        kept = {}
        for y in range(low, high + 1):
            stage = (pmf * (h * np.maximum(y - n, 0) + p * np.maximum(n - y, 0))).sum()
            ends = [
                later[y - d] if y - d >= low else later[low] + (low - y + d) * (later[low] - later[low + 1]) for d in n
            ]
            kept[y] = stage + gamma * float(np.dot(pmf, ends))
        best, now = {}, {}
        for x in range(low, high + 1):
            costs = {y: kept[y] + (k + c * (y - x) if y > x else 0.0) for y in range(x, high + 1)}
            best[x] = min(costs, key=costs.__getitem__)
            now[x] = costs[best[x]]
        level.insert(0, best[low])
        reorder.insert(0, max(x for x in best if all(best[z] == best[low] for z in range(low, x + 1))))
        later = now
    return reorder, level, later


def test_levels_and_costs_are_those_of_the_definition() -> None:
    mean = [4.0, 9.0, 2.0]
    reorder, level, cost = _by_definition(mean, k=12.0, c=1.0, h=1.0, p=6.0, gamma=0.95)
    found = finite_horizon(FiniteHorizon(3, [mean], [np.sqrt(mean)], 12.0, 1.0, 1.0, 6.0, 0.95, distribution="poisson"))
    assert found.reorder_point_ST[0].tolist() == reorder
    assert found.order_up_to_ST[0].tolist() == level
    for stock in (-30, -3, 0, 5, 20):
        assert found.cost_at(stock)[0] == pytest.approx(cost[stock], rel=1e-9)


def test_a_long_horizon_without_order_costs_has_the_base_stock_level() -> None:
    mean = np.array([3.0, 11.0])
    found = finite_horizon(FiniteHorizon(40, mean, np.sqrt(mean), 0.0, 0.0, 1.0, 9.0, distribution="poisson"))
    level_S = base_stock(mean, np.sqrt(mean), 1.0, 9.0, 0, "poisson").level_S
    np.testing.assert_array_equal(found.order_up_to_ST, np.repeat(level_S[:, None], 40, axis=1))


def test_an_order_that_never_pays_has_no_level() -> None:
    found = finite_horizon(FiniteHorizon(2, 5.0, 2.0, [0.0, 1e9], 0.0, 1.0, 1.0))
    assert np.isfinite(found.reorder_point_ST[0]).all()
    assert found.reorder_point_ST[1].tolist() == [-np.inf, -np.inf]
    assert np.isnan(found.order_up_to_ST[1]).all()


def test_a_level_above_the_first_grid_is_found_on_a_larger_one_and_alone_as_in_a_batch() -> None:
    """Buying all of the horizon at once is best where the price rises a hundredfold."""
    unit = [[1.0] + [100.0] * 19, [1.0] * 20]
    problem = FiniteHorizon(20, 10.0, 3.0, 0.0, unit, 0.1, 50.0)
    both = finite_horizon(problem)
    assert both.order_up_to_ST[0, 0] > 190.0
    for row in range(2):
        alone = finite_horizon(FiniteHorizon(20, 10.0, 3.0, 0.0, [unit[row]], 0.1, 50.0))
        np.testing.assert_array_equal(alone.order_up_to_ST[0], both.order_up_to_ST[row])
        assert alone.cost_at(0)[0] == both.cost_at(0)[row]


def test_holding_at_next_to_no_cost_ends_the_search_at_the_demand_of_the_horizon() -> None:
    """At most 32 units a period, so 192 in all; the grid's top is two periods and two such lots."""
    found = finite_horizon(FiniteHorizon(6, 10.0, 3.0, 5.0, 0.0, 1e-300, 50.0))
    assert 60.0 < found.order_up_to_ST[0, 0] <= 2 * 32 + 2 * 192


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: FiniteHorizon(0, 1, 1, 0, 0, 1, 1), "n_periods: expected a whole number >= 1, found 0"),
        (lambda: FiniteHorizon(1, 0, 1, 0, 0, 1, 1), "mean_demand: expected a finite number > 0, found 0"),
        (lambda: FiniteHorizon(1, 1, -1, 0, 0, 1, 1), "demand_sd"),
        (lambda: FiniteHorizon(1, 1, 1, np.nan, 0, 1, 1), "fixed_cost"),
        (lambda: FiniteHorizon(1, 1, 1, 0, 0, 1, 1, 1.5), r"discount: expected a factor in \(0, 1\], found 1.5"),
        (lambda: FiniteHorizon(1, 1, 1, 0, 0, 1, 1, 1, -1), "terminal_holding_cost"),
        (lambda: FiniteHorizon(2, [[1, 2, 3]], 1, 0, 0, 1, 1), r"mean_demand: expected a number, \[1\] or \[1, 2\]"),
        (lambda: FiniteHorizon(1, 1, 1, 0, 0, 1, 1, distribution="auto"), "one family for all periods"),
        (lambda: _plan().cost_at(0.5), "stock: expected a whole number"),
        (lambda: _plan().cost_at(10**6), "stock: expected a stock within the plan's grid, found 1e"),
        (lambda: FiniteHorizon(1, 30_000, 1, 0, 0, 1, 1), "mean_demand: expected units that make .* found 30008"),
    ],
)
def test_a_bad_problem_is_an_error(call: Callable[[], Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        call()


def _plan() -> Any:
    return finite_horizon(FiniteHorizon(1, 5.0, 2.0, 0.0, 0.0, 1.0, 1.0))
