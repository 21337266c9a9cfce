"""Newsvendors: the level and its cost against numerical integration, sums over all outcomes, and limits."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from scipy import stats
from stockpyl.newsvendor import newsvendor_poisson_explicit

from udfs.inventory.demand_distribution import DemandDistribution
from udfs.inventory.theory.stock_levels.newsvendor import (
    newsvendor,
    newsvendor_cost,
    newsvendor_lognormal,
    newsvendor_negative_binomial,
    newsvendor_normal,
    newsvendor_poisson,
    newsvendor_profit,
    newsvendor_quantity,
)
from udfs.inventory.theory.stock_levels.newsvendor_discrete import newsvendor_paths, newsvendor_pmf
from udfs.inventory.theory.stock_levels.newsvendor_supply import (
    newsvendor_disruptions,
    newsvendor_normal_yield,
    newsvendor_uniform_yield,
)

RNG = np.random.default_rng(7)
S = 30
H, P = RNG.uniform(0.1, 5.0, S), RNG.uniform(0.5, 30.0, S)
MEAN = RNG.uniform(0.3, 40.0, S)


def _best_by_sums(pmf: np.ndarray, h: float, p: float) -> tuple[int, float]:
    n = np.arange(pmf.size)
    costs = [(pmf * (h * np.maximum(y - n, 0) + p * np.maximum(n - y, 0))).sum() for y in range(200)]
    return int(np.argmin(costs)), float(min(costs))


def test_counts_have_the_least_cost_of_all_levels() -> None:
    n, sd = np.arange(900), np.sqrt(MEAN * 3.0)
    for s in range(S):
        r = MEAN[s] ** 2 / (sd[s] ** 2 - MEAN[s])
        for best, pmf in (
            (newsvendor_poisson(MEAN, H, P), stats.poisson.pmf(n, MEAN[s])),
            (newsvendor_negative_binomial(MEAN, sd, H, P), stats.nbinom.pmf(n, r, MEAN[s] / sd[s] ** 2)),
        ):
            level, cost = _best_by_sums(pmf, H[s], P[s])
            assert best.level_S[s] == level
            assert best.cost_S[s] == pytest.approx(cost, rel=1e-9)


@pytest.mark.parametrize("family", ["normal", "lognormal"])
def test_continuous_demand_has_the_cost_of_a_numerical_integral(family: str) -> None:
    for s in range(5):
        demand: Any
        if family == "normal":
            demand, best = stats.norm(50, 8), newsvendor_normal(50, 8, H[s], P[s])
        else:
            demand, best = stats.lognorm(s=0.3, scale=np.exp(6)), newsvendor_lognormal(6, 0.3, H[s], P[s])
        level = best.level_S[0]
        assert demand.cdf(level) == pytest.approx(P[s] / (P[s] + H[s]), rel=1e-9)
        short = demand.expect(lambda x: x - level, lb=level)  # noqa: B023 - called at once
        cost = H[s] * (level - demand.mean() + short) + P[s] * short
        assert best.cost_S[0] == pytest.approx(cost, rel=1e-6)


def test_every_family_of_the_forecast_is_taken_for_its_own_series() -> None:
    mean, variance = np.array([30.0, 3.0, 3.0, 0.0, 12.0]), np.array([100.0, 9.0, 3.0, 0.0, 0.0])
    demand = DemandDistribution.fit(mean, variance, "auto")
    assert demand.family_names() == ["gamma", "negative_binomial", "poisson", "point", "poisson"]
    best = newsvendor(demand, 1.0, 9.0)
    assert best.level_S[3] == best.cost_S[3] == 0.0
    for step in (-1.0, 1.0):
        assert (newsvendor_cost(best.level_S + step, demand, np.ones(5), np.full(5, 9.0)) > best.cost_S).all()
    np.testing.assert_array_equal(newsvendor_quantity(mean, np.sqrt(variance), 1.0, 9.0), best.level_S)


def test_demand_without_deviation_is_stocked_exactly() -> None:
    best = newsvendor_normal(50, 0, 1, 9)
    assert (best.level_S[0], best.cost_S[0]) == (50.0, 0.0)


def test_profit_equals_a_sum_over_outcomes_and_stockpyls() -> None:
    demand = DemandDistribution.fit(np.array([12.0]), np.array([12.0]), "poisson")
    best = newsvendor_profit(demand, 10.0, 4.0, 1.0, holding_cost=0.5, shortage_cost=2.0)
    n, pmf = np.arange(200), stats.poisson.pmf(np.arange(200), 12.0)

    def profit(x: int) -> float:
        sold, left, short = np.minimum(n, x), np.maximum(x - n, 0), np.maximum(n - x, 0)
        return float((pmf * (10.0 * sold + left - 4.0 * x - 0.5 * left - 2.0 * short)).sum())

    assert best.profit_S[0] == pytest.approx(max(profit(x) for x in range(60)), rel=1e-9)
    theirs = newsvendor_poisson_explicit(10.0, 4.0, 1.0, 12.0, holding_cost=0.5, stockout_cost=2.0)
    np.testing.assert_allclose([best.quantity_S[0], best.profit_S[0]], theirs, rtol=1e-9)


def test_a_pmf_gives_what_the_sums_give() -> None:
    pmf = RNG.dirichlet(np.full(15, 0.5), S)
    best = newsvendor_pmf(pmf, H, P)
    for s in range(S):
        level, cost = _best_by_sums(pmf[s], H[s], P[s])
        assert best.level_S[s] == level
        assert best.cost_S[s] == pytest.approx(cost, rel=1e-12)


def test_a_critical_ratio_met_exactly_takes_the_lower_level() -> None:
    """.1 + .2 is not .3 in floating point; the least level that reaches the ratio is still 1."""
    assert newsvendor_pmf([0.1, 0.2, 0.7], holding_cost=7, shortage_cost=3).level_S.tolist() == [1.0]
    assert newsvendor_paths(np.arange(10), holding_cost=7, shortage_cost=3).level_S.tolist() == [2.0]


def test_paths_have_the_least_mean_cost_and_approach_the_family() -> None:
    paths = RNG.negative_binomial(3, 0.2, (S, 41)).astype(float)
    best = newsvendor_paths(paths, H, P)
    for s in range(S):
        costs = [(H[s] * np.maximum(y - paths[s], 0) + P[s] * np.maximum(paths[s] - y, 0)).mean() for y in range(120)]
        assert best.cost_S[s] == pytest.approx(min(costs), rel=1e-12)
        assert costs[int(best.level_S[s])] == pytest.approx(min(costs), rel=1e-12)
    many = newsvendor_paths(RNG.normal(500.0, 20.0, (1, 200_000)), 1.0, 9.0)
    assert many.level_S[0] == pytest.approx(newsvendor_normal(500, 20, 1, 9).level_S[0], rel=1e-3)


def test_one_pmf_serves_many_costs() -> None:
    assert newsvendor_pmf([0.25, 0.5, 0.25], 1.0, [0.1, 1.0, 9.0]).level_S.tolist() == [0.0, 1.0, 2.0]
    assert newsvendor_paths([1, 2, 3, 4], 1.0, [0.1, 1.0, 9.0]).level_S.tolist() == [1.0, 2.0, 4.0]


def test_disruptions_equal_a_search_over_levels() -> None:
    alpha, beta = RNG.uniform(0.01, 0.5, S), RNG.uniform(0.2, 0.9, S)
    best = newsvendor_disruptions(10.0, H, P, alpha, beta)
    n = np.arange(2000)
    for s in range(S):
        pmf = alpha[s] * beta[s] / (alpha[s] + beta[s]) * (1 - beta[s]) ** np.maximum(n - 1.0, 0.0)
        pmf[0] = beta[s] / (alpha[s] + beta[s])
        level, cost = _best_by_sums(pmf, 10.0 * H[s], 10.0 * P[s])
        assert best.level_S[s] == 10.0 * (level + 1)
        assert best.cost_S[s] == pytest.approx(cost, rel=1e-9)


def test_random_yields_equal_a_simulation() -> None:
    draws = RNG.uniform(-5.0, 1.0, 400_000)
    for best, missing in (
        (newsvendor_uniform_yield(25, 150, 1200, -5, 1), draws),
        (newsvendor_normal_yield(25, 150, 1200, -2, 1.5), RNG.normal(-2.0, 1.5, 400_000)),
    ):
        end = best.level_S[0] + missing - 25.0
        assert np.where(end > 0, 150.0 * end, -1200.0 * end).mean() == pytest.approx(best.cost_S[0], rel=5e-3)
    assert newsvendor_normal_yield(25, 1, 9, -2, 0).level_S.tolist() == [27.0]


@pytest.mark.parametrize("bad", [0.0, -1.0, np.nan])
@pytest.mark.parametrize(
    ("call", "name"),
    [
        (lambda x: newsvendor_normal(50, 8, x, 1), "holding_cost"),
        (lambda x: newsvendor_normal(x, 8, 1, 1), "mean_demand"),
        (lambda x: newsvendor_poisson(50, 1, x), "shortage_cost"),
        (lambda x: newsvendor_poisson(x, 1, 1), "mean_demand"),
        (lambda x: newsvendor_lognormal(1, x, 1, 1), "sigma"),
        (lambda x: newsvendor_pmf([0.5, 0.5], x, 1), "holding_cost"),
        (lambda x: newsvendor_paths([1.0], 1, x), "shortage_cost"),
        (lambda x: newsvendor_quantity(1, 1, x, 1), "holding_cost"),
        (lambda x: newsvendor_disruptions(x, 1, 1, 0.1, 0.1), "demand"),
        (lambda x: newsvendor_disruptions(1, 1, 1, x, 0.1), "disruption_prob"),
        (lambda x: newsvendor_normal_yield(x, 1, 1, 0, 1), "demand"),
    ],
)
def test_a_parameter_out_of_range_is_named(call: Callable[[Any], Any], name: str, bad: float) -> None:
    with pytest.raises(ValueError, match=rf"{name}: expected .* found {bad:g} in row 1"):
        call([0.5, bad])


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: newsvendor_normal(1, -1, 1, 1), "demand_sd: expected a finite number >= 0, found -1 in row 0"),
        (lambda: newsvendor_pmf([0.5, 0.4], 1, 1), "pmf_SN: expected a sum of 1, found 0.9 in row 0"),
        (lambda: newsvendor_pmf([1.5, -0.5], 1, 1), "pmf_SN: expected a finite number >= 0, found -0.5"),
        (lambda: newsvendor_pmf([[]], 1, 1), r"expected \[S, N\]"),
        (lambda: newsvendor_paths([[]], 1, 1), r"expected \[S, P\]"),
        (lambda: newsvendor_paths([1, np.nan], 1, 1), "demand_SP: .* found nan in row 0, column 1"),
        (lambda: newsvendor_uniform_yield(1, 1, 1, 2, 2), "yield_high: expected more than 2, found 2 in row 0"),
        (lambda: newsvendor_quantity(1, 1, 1, 1, "gauss"), "distribution: expected one of"),  # type: ignore[arg-type]
        (lambda: newsvendor(_two(), [1, 2, 3], 1), "one length"),
        (lambda: newsvendor(_two(1), [1, 2, 3], 1), "demand: expected 3 series, found 1"),
        (lambda: newsvendor_cost([1, np.nan], _two(), 1, 1), "level_S: expected a finite number, found nan in row 1"),
        (lambda: newsvendor_cost(1, _two(), [1, -1], 1), "holding_cost_S: expected a finite number >= 0, found -1"),
        (lambda: newsvendor_cost(1, _two(), 1, np.nan), "shortage_cost_S: expected a finite number >= 0, found nan"),
        (lambda: newsvendor_cost([1, 2], _two(1), 1, 1), "demand: expected 2 series, found 1"),
        (lambda: newsvendor_profit(_two(), 1, 1, 0), "revenue: expected more than the purchase cost 1, found 1"),
        (lambda: newsvendor_profit(_two(), 2, 1, 1), "purchase_cost: expected more than the salvage value 1, found 1"),
        (lambda: newsvendor_profit(_two(), 2, -1, -2), "purchase_cost: expected a finite number >= 0"),
    ],
)
def test_other_bad_parameters_are_errors(call: Callable[[], Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        call()


def _two(n_series: int = 2) -> DemandDistribution:
    return DemandDistribution.fit(np.ones(n_series), np.ones(n_series), "poisson")
