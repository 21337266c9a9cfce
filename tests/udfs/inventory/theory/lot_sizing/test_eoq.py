"""Lot sizes of a constant demand: each formula against a search of its cost, its limits, and its errors."""

from __future__ import annotations

from collections.abc import Callable
from itertools import product
from typing import Any

import numpy as np
import pytest
from scipy import optimize
from stockpyl.eoq import (
    economic_order_quantity_with_all_units_discounts,
    economic_order_quantity_with_incremental_discounts,
    joint_replenishment_problem_silver_heuristic,
)

from udfs.inventory.theory.lot_sizing.eoq import eoq, eoq_cost
from udfs.inventory.theory.lot_sizing.eoq_backorders import eoq_backorders
from udfs.inventory.theory.lot_sizing.eoq_disruptions import eoq_disruptions
from udfs.inventory.theory.lot_sizing.eoq_yield import eoq_additive_yield, eoq_multiplicative_yield
from udfs.inventory.theory.lot_sizing.epq import epq
from udfs.inventory.theory.lot_sizing.joint_replenishment import joint_replenishment
from udfs.inventory.theory.lot_sizing.quantity_discounts import (
    PriceBreaks,
    eoq_all_units_discounts,
    eoq_incremental_discounts,
)

RNG = np.random.default_rng(3)
S = 25
K, H, P = RNG.uniform(1.0, 100.0, S), RNG.uniform(0.1, 5.0, S), RNG.uniform(1.0, 20.0, S)
DEMAND = RNG.uniform(1.0, 2000.0, S)


def test_the_eoq_has_the_least_cost() -> None:
    best = eoq(K, H, DEMAND)
    np.testing.assert_allclose(eoq_cost(best.quantity_S, K, H, DEMAND), best.cost_S, rtol=1e-12)
    for factor in (0.5, 0.99, 1.01, 2.0):
        assert (eoq_cost(best.quantity_S * factor, K, H, DEMAND) > best.cost_S).all()


def test_planned_backorders_have_the_least_cost_and_tend_to_the_eoq() -> None:
    best = eoq_backorders(K, H, P, DEMAND)
    q, x = best.quantity_S, best.backorder_share_S

    def cost(quantity: np.ndarray, share: np.ndarray) -> np.ndarray:
        return 0.5 * quantity * (H * (1.0 - share) ** 2 + P * share**2) + K * DEMAND / quantity

    np.testing.assert_allclose(cost(q, x), best.cost_S, rtol=1e-12)
    for quantity, share in ((q * 1.01, x), (q * 0.99, x), (q, x * 1.05), (q, x * 0.95)):
        assert (cost(quantity, share) > best.cost_S).all()
    np.testing.assert_allclose(eoq_backorders(K, H, 1e9, DEMAND).quantity_S, eoq(K, H, DEMAND).quantity_S, rtol=1e-6)


def test_the_epq_tends_to_the_eoq() -> None:
    np.testing.assert_allclose(epq(K, H, DEMAND, 1e12).cost_S, eoq(K, H, DEMAND).cost_S, rtol=1e-6)
    slow = epq(K, H, DEMAND, DEMAND * 1.5)
    assert (slow.quantity_S > eoq(K, H, DEMAND).quantity_S).all()
    np.testing.assert_allclose(slow.cost_S, np.sqrt(2.0 * K * DEMAND * H / 3.0), rtol=1e-12)


@pytest.mark.parametrize("solve", [eoq, lambda k, h, d: eoq_backorders(k, h, 5, d), lambda k, h, d: epq(k, h, d, 9e9)])
def test_no_fixed_cost_or_no_demand_is_the_limit_of_no_lot(solve: Callable[..., Any]) -> None:
    for k, demand in ((0.0, 100.0), (5.0, 0.0)):
        lot = solve(k, 1.0, demand)
        assert lot.quantity_S.tolist() == [0.0]
        assert lot.cost_S.tolist() == [0.0]


def _price_lists() -> PriceBreaks:
    breaks = np.cumsum(RNG.uniform(20.0, 400.0, (S, 4)), axis=1)
    breaks[:, 0] = 0.0
    breaks[::3, 3] = np.inf
    return PriceBreaks(breaks, 5.0 * np.cumprod(RNG.uniform(0.85, 1.0, (S, 4)), axis=1))


def test_discounts_equal_stockpyls_on_random_price_lists_some_of_them_shorter() -> None:
    prices = _price_lists()
    for ours, theirs in (
        (eoq_all_units_discounts, economic_order_quantity_with_all_units_discounts),
        (eoq_incremental_discounts, economic_order_quantity_with_incremental_discounts),
    ):
        lot = ours(prices, K, 0.3, DEMAND)
        for s in range(S):
            n = 3 if s % 3 == 0 else 4
            lists = [table[s, :n].tolist() for table in (prices.breakpoint_SJ, prices.unit_cost_SJ)]
            expected = theirs(K[s], 0.3, DEMAND[s], *lists)
            np.testing.assert_allclose([lot.quantity_S[s], lot.tier_S[s], lot.cost_S[s]], expected, rtol=1e-9)


def test_discounts_equal_a_search_over_quantities() -> None:
    prices = PriceBreaks([0, 400, 800], [0.75, 0.72, 0.68])
    quantity = np.arange(1.0, 3000.0)
    tier = np.searchsorted([400.0, 800.0], quantity, side="right")
    price = np.array([0.75, 0.72, 0.68])[tier]
    paid = (
        0.75 * np.minimum(quantity, 400)
        + 0.72 * np.clip(quantity - 400, 0, 400)
        + 0.68 * np.clip(quantity - 800, 0, None)
    )
    all_units = price * 1300 + 8 * 1300 / quantity + 0.5 * 0.3 * price * quantity
    incremental = paid / quantity * 1300 + 8 * 1300 / quantity + 0.5 * 0.3 * paid
    assert eoq_all_units_discounts(prices, 8, 0.3, 1300).cost_S[0] == pytest.approx(all_units.min(), rel=1e-6)
    assert eoq_incremental_discounts(prices, 8, 0.3, 1300).cost_S[0] == pytest.approx(incremental.min(), rel=1e-6)


@pytest.mark.parametrize(
    ("breaks", "costs", "message"),
    [
        ([0, 1], [1.0], "expected one shape"),
        ([5, 10], [2, 1], "expected 0 for the first tier"),
        ([0, 10, 5], [3, 2, 1], "expected rising quantities"),
        ([0, np.nan], [2, 1], "expected rising quantities"),
        ([0, 10], [1, 2], "expected prices that do not rise"),
        ([0, 10], [1, -1], "expected finite numbers > 0"),
        ([0, 10], [np.nan, 1], "expected finite numbers > 0"),
    ],
)
def test_a_senseless_price_list_is_an_error(breaks: list[float], costs: list[float], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        PriceBreaks(breaks, costs)


def best_cyclic_cost(shared: float, item_I: np.ndarray, value_I: np.ndarray, near: float) -> float:
    """Every multiple up to 30 for three items, and for more the best multiples of each of 20,001 cycles."""
    if item_I.size <= 3:
        multiple_NI = np.array(list(product(range(1, 31), repeat=item_I.size)), dtype=float)
    else:
        cycle_N1 = np.geomspace(near / 20.0, near * 20.0, 20_001)[:, None]
        wanted_NI = 2.0 * item_I / (value_I * cycle_N1**2)
        multiple_NI = np.maximum(np.ceil(np.sqrt(0.25 + wanted_NI) - 0.5), 1.0)
    ordering_N, holding_N = shared + (item_I / multiple_NI).sum(axis=1), (value_I * multiple_NI).sum(axis=1)
    return float(np.sqrt(2.0 * ordering_N * holding_N).min())


def test_joint_replenishment_is_the_best_cyclic_policy() -> None:
    rng = np.random.default_rng(12)
    for _ in range(300):
        n_items, shared = int(rng.integers(2, 8)), float(rng.uniform(1.0, 400.0))
        item, holding, demand = rng.uniform(0, 60, n_items), rng.lognormal(0, 1, n_items), rng.lognormal(2, 1, n_items)
        plan = joint_replenishment(shared, item, holding, demand)
        best = best_cyclic_cost(shared, item, holding * demand, plan.cycle_S[0])
        assert plan.cost_S[0] == pytest.approx(best, rel=1e-9)


def test_joint_replenishment_of_many_families_is_never_dearer_than_stockpyls_one_by_one() -> None:
    item, holding, demand = (RNG.uniform(1.0, 50.0, (S, 5)) for _ in range(3))
    plan = joint_replenishment(K, item, holding, demand)
    for s in range(S):
        family = item[s].tolist(), holding[s].tolist(), demand[s].tolist()
        heuristic = joint_replenishment_problem_silver_heuristic(K[s], *family)[-1]
        assert plan.cost_S[s] <= heuristic * (1.0 + 1e-12)
        assert plan.cost_S[s] == joint_replenishment(K[s], *family).cost_S[0]
    alone = joint_replenishment(3.0, K[:, None], H[:, None], DEMAND[:, None])
    np.testing.assert_allclose(alone.cost_S, eoq(K + 3.0, H, DEMAND).cost_S, rtol=1e-12)
    free = joint_replenishment(0.0, item, holding, demand).cost_S  # what costs nothing to share is bought item by item
    np.testing.assert_allclose(free, np.sqrt(2.0 * item * holding * demand).sum(axis=1), rtol=1e-3)


def test_joint_replenishment_refuses_what_makes_no_sense() -> None:
    with pytest.raises(ValueError, match=r"one shape \[S, I\]"):
        joint_replenishment(1, [1, 2], [1, 2, 3], [1, 2])
    with pytest.raises(ValueError, match="demand_rate_SI: expected a finite number > 0, found 0 in row 0, column 1"):
        joint_replenishment(1, [1, 2], [1, 2], [1, 0])
    with pytest.raises(ValueError, match=r"shared_fixed_cost \+ item_fixed_cost_SI: expected a finite number > 0"):
        joint_replenishment(0, [0, 2], [1, 2], [1, 1])


def test_disruptions_equal_a_bounded_search_and_tend_to_the_eoq() -> None:
    down, up = RNG.uniform(0.1, 3.0, S), RNG.uniform(5.0, 40.0, S)
    lot = eoq_disruptions(K, H, P, DEMAND, down, up)
    for s in range(S):

        def cost(q: float, s: int = s) -> float:
            psi = down[s] / (down[s] + up[s]) * (1.0 - np.exp(-(down[s] + up[s]) * q / DEMAND[s]))
            spent = K[s] + H[s] * q * q / (2.0 * DEMAND[s]) + P[s] * DEMAND[s] * psi / up[s]
            return float(spent / (q / DEMAND[s] + psi / up[s]))

        near = lot.quantity_S[s]
        found = optimize.minimize_scalar(cost, bounds=(near / 5, near * 5), method="bounded", options={"xatol": 1e-9})
        assert lot.cost_S[s] <= found.fun * (1.0 + 1e-12)
        assert lot.cost_S[s] == pytest.approx(found.fun, rel=1e-9)
    safe = eoq_disruptions(K, H, P, DEMAND, 1e-9, 1e6)
    np.testing.assert_allclose(safe.quantity_S, eoq(K, H, DEMAND).quantity_S, rtol=1e-4)


def test_a_certain_yield_is_the_eoq() -> None:
    plain = eoq(K, H, DEMAND)
    for lot in (eoq_additive_yield(K, H, DEMAND, 0, 0), eoq_multiplicative_yield(K, H, DEMAND, 1, 0)):
        np.testing.assert_allclose(lot.quantity_S, plain.quantity_S, rtol=1e-12)
        np.testing.assert_allclose(lot.cost_S, plain.cost_S, rtol=1e-12)
    with pytest.raises(ValueError, match="yield_mean: expected less than the best receipt"):
        eoq_additive_yield(1, 1, 1, 100, 0)


@pytest.mark.parametrize("bad", [-1.0, np.nan, np.inf])
@pytest.mark.parametrize(
    ("call", "name"),
    [
        (lambda x: eoq(x, 1, 1), "fixed_cost"),
        (lambda x: eoq(1, x, 1), "holding_cost"),
        (lambda x: eoq(1, 1, x), "demand_rate"),
        (lambda x: eoq_cost(x, 1, 1, 1), "quantity"),
        (lambda x: eoq_backorders(1, 1, x, 1), "backorder_cost"),
        (lambda x: epq(1, 1, 1, x), "production_rate"),
        (lambda x: eoq_disruptions(1, 1, 1, 1, x, 1), "disruption_rate"),
        (lambda x: eoq_additive_yield(1, 1, 1, 0, x), "yield_sd"),
        (lambda x: eoq_multiplicative_yield(1, 1, 1, x, 0), "yield_mean"),
        (lambda x: eoq_all_units_discounts(PriceBreaks([0], [1]), 1, x, 1), "holding_cost_rate"),
        (lambda x: joint_replenishment(x, [1], [1], [1]), "shared_fixed_cost"),
    ],
)
def test_a_parameter_out_of_range_is_named_with_its_row(call: Callable[..., Any], name: str, bad: float) -> None:
    with pytest.raises(ValueError, match=rf"{name}: expected a finite number .* found {bad:g} in row 1"):
        call(np.array([1.0, bad]) if name != "shared_fixed_cost" else [1.0, bad])


def test_production_no_faster_than_demand_and_zero_holding_cost_are_errors() -> None:
    with pytest.raises(ValueError, match="production_rate: expected more than the demand rate 10, found 10 in row 0"):
        epq(1, 1, 10, 10)
    with pytest.raises(ValueError, match="holding_cost"):
        eoq(1, 0, 1)
    with pytest.raises(ValueError, match="one length"):
        eoq([1, 2], [1, 2, 3], 1)
    with pytest.raises(ValueError, match=r"fixed_cost: expected a number or \[S\]"):
        eoq([[1]], 1, 1)


def test_no_series_gives_none() -> None:
    assert eoq([], 1, 1).quantity_S.shape == (0,)
