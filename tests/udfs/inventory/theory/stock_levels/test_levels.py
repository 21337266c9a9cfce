"""Base stock, safety stock, periodic review, the half-gap rule: against simulations of what they describe."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from scipy import stats

from udfs.inventory.theory.stock_levels.base_stock import base_stock
from udfs.inventory.theory.stock_levels.half_gap import half_gap, half_gap_order
from udfs.inventory.theory.stock_levels.periodic_review import (
    ReviewTerms,
    best_periodic_review,
    periodic_review,
    review_cost,
)
from udfs.inventory.theory.stock_levels.safety_stock import reorder_point, safety_stock

RNG = np.random.default_rng(9)


def _simulated_cost(demand_T: np.ndarray, level: float, lead: int, review: int, terms: tuple[float, ...]) -> float:
    """Period by period: order, receive what is due, serve, pay; backorders wait. Warm-up left out."""
    fixed, holding, backorder = terms
    stock, pipeline, cost = level, [0.0] * (lead + 1), 0.0
    for t, demand in enumerate(demand_T):
        ordered = level - stock - sum(pipeline) if t % review == 0 else 0.0
        pipeline[lead] += ordered
        stock += pipeline.pop(0) - demand
        pipeline.append(0.0)
        if t >= 100:
            cost += fixed * (t % review == 0) + (holding * stock if stock > 0 else -backorder * stock)
    return cost / (len(demand_T) - 100)


@pytest.mark.parametrize(("lead", "review"), [(0, 1), (3, 1), (2, 4), (0, 7)])
def test_the_expected_cost_is_that_of_a_simulated_stock(lead: int, review: int) -> None:
    demand = RNG.poisson(5.0, 100_100).astype(float)
    terms = ReviewTerms(5.0, np.sqrt(5.0), 12.0, 1.0, 9.0, lead, "poisson")
    plan = periodic_review(terms, review)
    simulated = _simulated_cost(demand, plan.order_up_to_S[0], lead, review, (12.0, 1.0, 9.0))
    assert plan.cost_S[0] == pytest.approx(simulated, rel=0.02)
    if review == 1:
        best = base_stock(5.0, np.sqrt(5.0), 1.0, 9.0, lead, "poisson")
        assert best.level_S[0] == plan.order_up_to_S[0]
        assert best.cost_S[0] + 12.0 == pytest.approx(plan.cost_S[0], rel=1e-12)


@pytest.mark.parametrize("distribution", ["normal", "gamma", "poisson", "negative_binomial"])
def test_the_level_has_the_least_cost_in_every_family(distribution: Any) -> None:
    mean, h, p = RNG.uniform(0.5, 30.0, 20), RNG.uniform(0.5, 2.0, 20), RNG.uniform(1.0, 40.0, 20)
    lead, review = RNG.integers(0, 5, 20), RNG.integers(1, 9, 20)
    terms = ReviewTerms(mean, np.sqrt(3.0 * mean), 1.0, h, p, lead, distribution)
    plan = periodic_review(terms, review)
    np.testing.assert_array_equal(plan.cost_S, review_cost(plan.order_up_to_S, review, terms))
    is_count = distribution in ("poisson", "negative_binomial")
    for step in (-1.0, 1.0) if is_count else (-0.02, 0.02):
        moved = review_cost(np.maximum(plan.order_up_to_S + step, 0.0), review, terms)
        assert (moved >= plan.cost_S * (1.0 - 1e-10)).all()
    assert not is_count or (plan.order_up_to_S == np.floor(plan.order_up_to_S)).all()


def test_the_best_review_period_is_the_cheapest_of_all() -> None:
    terms = ReviewTerms([5.0, 5.0, 20.0], [3.0, 3.0, 0.0], [0.0, 100.0, 40.0], 1.0, 9.0, 2)
    best = best_periodic_review(terms, longest=12)
    costs = np.stack([periodic_review(terms, r).cost_S for r in range(1, 13)])
    np.testing.assert_array_equal(best.cost_S, costs.min(axis=0))
    assert best.review_period_S[0] == 1.0
    assert best.review_period_S[1] == pytest.approx(np.sqrt(2 * 100 / 5.0), abs=1.5)
    assert best.review_period_S[2] == pytest.approx(np.sqrt(2 * 40 / 20.0), abs=1.0)


def test_safety_stock_covers_random_lead_times() -> None:
    """Lead time uniform over 2 .. 6 periods; the formula's moments are those of the simulated lead-time demand."""
    lead = RNG.integers(2, 7, 200_000)
    demand = RNG.normal(50.0 * lead, 8.0 * np.sqrt(lead))
    found = safety_stock(0.9, 50, 8, 4, np.sqrt(2.0))[0]
    assert found == pytest.approx(stats.norm.ppf(0.9) * demand.std(), rel=0.01)
    assert reorder_point(0.9, 50, 8, 4, np.sqrt(2.0))[0] == pytest.approx(200.0 + found, rel=1e-12)
    fixed = reorder_point(0.95, 50, 8, 4)[0]
    assert (RNG.normal(200.0, 16.0, 200_000) <= fixed).mean() == pytest.approx(0.95, abs=0.002)


def test_safety_stock_limits() -> None:
    assert safety_stock(0.5, 50, 8, 4).tolist() == [0.0]
    assert safety_stock(0.2, 50, 8, 4)[0] < 0.0
    assert safety_stock(0.99, 0, 0, 4, 2).tolist() == [0.0]
    assert reorder_point(0.01, 1, 50, 1).tolist() == [0.0]


def test_half_gap_closes_half_of_the_gap_each_period() -> None:
    path = half_gap(np.full((2, 30), 100.0), 0.0, start=[0.0, 40.0], buffer=[0.0, 20.0])
    gap = np.array([[100.0], [80.0]]) - path.stock_ST
    np.testing.assert_allclose(gap, np.array([[100.0], [40.0]]) * 0.5 ** np.arange(1, 31), atol=1e-9)


def test_half_gap_settles_at_twice_a_steady_demand_from_any_start() -> None:
    path = half_gap(np.full((3, 60), 100.0), 6.0, start=[0.0, 100.0, 88.0])
    np.testing.assert_allclose(path.stock_ST[:, -1], 88.0, rtol=1e-12)
    np.testing.assert_allclose(path.order_ST[:, -1], 6.0, rtol=1e-12)
    assert (np.diff(np.abs(path.stock_ST - 88.0), axis=1) <= 1e-12).all()


def test_half_gap_smooths_orders_of_a_slow_need() -> None:
    """Where it is sensible: orders vary half as much as those that restore the level at once."""
    demand = RNG.poisson(20.0, (1, 5000)).astype(float)
    path = half_gap(np.full((1, 5000), 200.0), demand, start=160.0)
    assert path.order_ST[0, 100:].std() < 0.65 * demand.std()
    assert path.stock_ST[0, 100:].min() > 100.0


def test_half_gap_is_not_for_lumpy_demand() -> None:
    """Where it is not: after a peak it orders half of what is missing, and at the next one the rest still is."""
    demand = np.zeros((1, 40))
    demand[0, ::2] = 60.0
    path = half_gap(np.full((1, 40), 60.0), demand, start=60.0)
    short_if_restored = np.maximum(demand - 60.0, 0.0).sum()  # base stock of 60 begins each period with 60
    assert -np.minimum(path.stock_ST, 0.0).sum() > 100.0
    assert short_if_restored == 0.0


def test_half_gap_is_not_for_a_lead_time() -> None:
    """The rule fed with stock on hand while orders take four periods swings; base stock stays put."""
    stock, pipeline, path = 40.0, [0.0] * 4, []
    for _ in range(200):
        pipeline.append(half_gap_order(100.0, stock)[0])
        stock += pipeline.pop(0) - 5.0
        path.append(stock)
    assert np.ptp(path[150:]) > 30.0
    direct = half_gap(np.full(200, 100.0), 5.0, start=40.0).stock_ST[0]
    assert np.ptp(direct[50:]) < 1e-9


def test_half_gap_respects_the_limit_of_storage() -> None:
    path = half_gap([200.0] * 10, [0.0] * 10, start=10.0, max_stock=50.0)
    assert path.stock_ST.max() == 50.0
    returns = half_gap([20.0] * 3, [-30.0] * 3, start=20.0, max_stock=60.0)
    assert returns.stock_ST.tolist() == [[50.0, 60.0, 60.0]]


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: base_stock(0, 1, 1, 1), "mean_demand: expected a finite number > 0, found 0 in row 0"),
        (lambda: base_stock(1, 1, -1, 1), "holding_cost"),
        (lambda: base_stock(1, 1, 1, [1, np.nan]), "backorder_cost: .* found nan in row 1"),
        (lambda: base_stock(1, 1, 1, 1, 1.5), "lead_time: expected a whole number >= 0, found 1.5"),
        (lambda: base_stock(1, 1, 1, 1, 0, "cauchy"), "distribution"),  # type: ignore[arg-type]
        (lambda: safety_stock(1.0, 1, 1, 1), "service_level: expected a probability strictly between 0 and 1, found 1"),
        (lambda: safety_stock(0.0, 1, 1, 1), "service_level"),
        (lambda: safety_stock(0.9, -1, 1, 1), "mean_demand"),
        (lambda: safety_stock(0.9, 1, np.nan, 1), "demand_sd"),
        (lambda: safety_stock(0.9, 1, 1, -1), "lead_time"),
        (lambda: reorder_point(0.9, 1, 1, 1, -1), "lead_time_sd"),
        (lambda: ReviewTerms(1, 1, 1, 1, 1, 0, "auto"), "one family for intervals of all lengths"),
        (lambda: ReviewTerms(1, 1, 1, 1, 1, 0, "x"), "distribution"),  # type: ignore[arg-type]
        (lambda: ReviewTerms(1, 1, -1, 1, 1), "fixed_cost"),
        (lambda: periodic_review(ReviewTerms(1, 1, 1, 1, 1), 0), "review_period: expected a whole number >= 1"),
        (lambda: best_periodic_review(ReviewTerms(1, 1, 1, 1, 1), 0), "longest"),
        (lambda: review_cost(-1, 1, ReviewTerms(1, 1, 1, 1, 1)), "order_up_to"),
        (lambda: review_cost([1, 2], 1, ReviewTerms([1, 2, 3], 1, 1, 1, 1)), "one length"),
        (lambda: half_gap_order(np.nan, 1), "need"),
        (lambda: half_gap_order(1, 1, -1), "buffer"),
        (lambda: half_gap(np.zeros((1, 1, 1)), 0, 0), r"need_ST: expected \[S, T\]"),
        (lambda: half_gap([1, np.inf], 0, 0), "need_ST: expected a finite number, found inf in row 0, column 1"),
        (lambda: half_gap([1, 2], [1, 2, 3], 0), "demand_change_ST"),
        (lambda: half_gap([1, 2], 0, 0, max_stock=-1), "max_stock: expected units >= 0, found -1"),
        (lambda: half_gap([1, 2], 0, 5, max_stock=4), "start: expected at most max_stock 4, found 5"),
    ],
)
def test_a_bad_parameter_is_an_error(call: Callable[[], Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        call()
