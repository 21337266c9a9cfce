"""Demand cumulated day by day: against the planner's own figures, scipy's Poisson, and a simulation."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import stats

from udfs.inventory.demand_path import PolicyDemand, demand_path
from udfs.inventory.lead_time_demand import DailyForecast, lead_time_demand

H = 28
RNG = np.random.default_rng(11)


@pytest.mark.parametrize("distribution", ["auto", "normal", "gamma", "negative_binomial", "poisson"])
@pytest.mark.parametrize("rho", [0.0, 0.3, 1.0])
@pytest.mark.parametrize("scale", [0.2, 30.0])
def test_every_day_is_what_the_planner_would_say_for_that_many_days(
    distribution: str, rho: float, scale: float
) -> None:
    mean_H, sd_H = scale * RNG.uniform(0.5, 1.5, H), scale * RNG.uniform(1.0, 2.0, H)
    forecast = DailyForecast.from_arrays(mean_H[None], sd_H[None])
    terms = {"distribution": distribution, "error_correlation": rho}
    planned = lead_time_demand(forecast, np.array([9.0]), np.array([2.0]), **terms).protection
    given = PolicyDemand(11, float(planned.sd_S[0]), float(planned.quantile(0.9)[0]))
    path = demand_path(mean_H, sd_H, given)
    assert path.p90_H[10] == pytest.approx(given.p90)
    if distribution == "auto":  # the first name that gives p90; another may give the same on this day alone
        is_count = planned.mean_S[0] < 20
        for days in (1, 5, 20, 28):
            name = "negative_binomial" if is_count else "gamma"
            other = lead_time_demand(
                forecast, np.array([days - 1.0]), np.array([1.0]), distribution=name, error_correlation=rho
            ).protection
            assert path.mean_H[days - 1] == pytest.approx(other.mean_S[0])
            assert path.p90_H[days - 1] == pytest.approx(other.quantile(0.9)[0], rel=1e-5, abs=1.0 if is_count else 0.0)


def test_poisson_days_add_up_to_a_poisson() -> None:
    rate = 0.7
    mean_H, sd_H = np.full(H, rate), np.full(H, np.sqrt(rate))
    expected_H = stats.poisson.ppf(0.9, rate * np.arange(1, H + 1))
    path = demand_path(mean_H, sd_H, PolicyDemand(8, np.sqrt(8 * rate), float(expected_H[7])))
    np.testing.assert_array_equal(path.p90_H, expected_H)


def test_gamma_days_lie_where_a_simulation_has_them() -> None:
    mean, sd = 30.0, 25.0
    shape, scale = mean**2 / sd**2, sd**2 / mean
    totals = RNG.gamma(shape, scale, (100_000, H)).cumsum(axis=1)
    p90 = float(stats.gamma.ppf(0.9, 8 * shape, scale=scale))
    path = demand_path(np.full(H, mean), np.full(H, sd), PolicyDemand(8, sd * np.sqrt(8), p90))
    np.testing.assert_allclose(path.p90_H, np.quantile(totals, 0.9, axis=0), rtol=0.01)
    np.testing.assert_allclose(path.mean_H, totals.mean(axis=0), rtol=0.01)


def test_a_protection_interval_beyond_the_horizon_and_no_demand_at_all() -> None:
    mean_H, sd_H = np.full(7, 40.0), np.full(7, 10.0)
    p90 = float(stats.gamma.ppf(0.9, (400 / np.sqrt(1000)) ** 2, scale=1000 / 400))
    path = demand_path(mean_H, sd_H, PolicyDemand(10, np.sqrt(1000.0), p90))
    assert path.mean_H.shape == path.p90_H.shape == (7,)
    none = demand_path(np.zeros(7), np.zeros(7), PolicyDemand(3, 0.0, 0.0))
    assert not none.mean_H.any()
    assert not none.p90_H.any()


@pytest.mark.parametrize(
    ("policy", "message"),
    [
        ((8, 5.0, 0.0), "sd: expected between"),
        ((8, 1e4, 0.0), "sd: expected between"),
        ((8, 80.0, 1.0), "p90: expected"),
    ],
)
def test_a_policy_of_another_forecast_is_refused(policy: tuple[int, float, float], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        demand_path(np.full(H, 30.0), np.full(H, 25.0), PolicyDemand(*policy))


@pytest.mark.parametrize("policy", [(0, 1.0, 1.0), (8, -1.0, 1.0), (8, 1.0, float("nan"))])
def test_impossible_figures_are_refused(policy: tuple[int, float, float]) -> None:
    with pytest.raises(ValueError, match="expected"):
        PolicyDemand(*policy)
