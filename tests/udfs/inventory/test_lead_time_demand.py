import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from udfs.inventory.lead_time_demand import DailyForecast, days_of_cover, interval_moments, lead_time_demand


def extended(values: np.ndarray, days: int, is_sd: bool) -> np.ndarray:
    """The first `days` days, the mean (of variances, for sd) of the last week standing in beyond the horizon."""
    week = values[-7:]
    tail = np.sqrt(np.mean(week**2)) if is_sd else week.mean()
    return np.concatenate([values, np.full(max(days - len(values), 0), tail)])[:days]


def ragged(rng: np.random.Generator, horizons: list[int]) -> tuple[DailyForecast, list[np.ndarray], list[np.ndarray]]:
    means = [rng.gamma(1.0, 4.0, h) for h in horizons]
    sds = [rng.gamma(2.0, 1.0, h) for h in horizons]
    H = max(horizons)
    padded = [np.stack([np.pad(v, (0, H - len(v)), constant_values=777.0) for v in rows]) for rows in (means, sds)]
    forecast = DailyForecast(*(torch.from_numpy(p) for p in padded), torch.tensor(horizons))
    return forecast, means, sds


@settings(max_examples=50, deadline=None)
@given(
    seed=st.integers(0, 10_000),
    horizons=st.lists(st.integers(1, 20), min_size=1, max_size=4),
    rho=st.sampled_from([0.0, 0.3, 0.9, 1.0]),
    data=st.data(),
)
def test_moments_equal_the_full_covariance_matrix(
    seed: int, horizons: list[int], rho: float, data: st.DataObject
) -> None:
    forecast, means, sds = ragged(np.random.default_rng(seed), horizons)
    days = data.draw(st.lists(st.integers(0, 30), min_size=len(horizons), max_size=len(horizons)))
    mean_S, variance_S = interval_moments(forecast, torch.tensor(days), rho)
    for s, n in enumerate(days):
        sd = extended(sds[s], n, is_sd=True)
        lag = np.abs(np.subtract.outer(np.arange(n), np.arange(n)))
        covariance = np.outer(sd, sd) * np.power(rho, lag)
        assert mean_S[s].item() == pytest.approx(extended(means[s], n, is_sd=False).sum(), rel=1e-12, abs=1e-12)
        assert variance_S[s].item() == pytest.approx(covariance.sum(), rel=1e-10, abs=1e-12)


def test_a_series_does_not_depend_on_its_neighbours() -> None:
    rng = np.random.default_rng(3)
    horizons = rng.integers(1, 40, 23).tolist()
    forecast, _, _ = ragged(rng, horizons)
    days = torch.from_numpy(rng.integers(1, 60, 23))
    together = interval_moments(forecast, days, 0.4)
    for s in range(23):
        h = horizons[s]
        alone = DailyForecast(forecast.mean_SH[s : s + 1, :h], forecast.sd_SH[s : s + 1, :h], torch.tensor([h]))
        for whole, single in zip(together, interval_moments(alone, days[s : s + 1], 0.4), strict=True):
            assert whole[s].item() == single[0].item()


def test_intervals_family_and_extrapolation_flag() -> None:
    forecast = DailyForecast.from_arrays(np.array([[1.0] * 10, [9.0] * 10]), np.array([[1.5] * 10, [3.0] * 10]))
    demand = lead_time_demand(forecast, np.array([3.0, 9.0]), np.array([2.0, 2.0]))
    np.testing.assert_allclose(demand.lead_time.mean_S, [3.0, 81.0])
    np.testing.assert_allclose(demand.protection.mean_S, [5.0, 99.0])
    np.testing.assert_allclose(demand.protection.sd_S, np.sqrt([5 * 2.25, 11 * 9.0]))
    np.testing.assert_allclose(demand.review_mean, [2.0, 18.0])
    assert demand.protection.family_names() == ["negative_binomial", "gamma"]
    assert demand.is_extrapolated_S.tolist() == [False, True]
    assert demand.protection_days_S.tolist() == [5, 11]


def test_both_intervals_of_a_series_are_of_one_kind() -> None:
    # Lead-time demand of 15 units alone would be a count; the protection interval of 24 units decides for gamma.
    forecast = DailyForecast.from_arrays(np.full((1, 10), 3.0), np.full((1, 10), 3.0))
    demand = lead_time_demand(forecast, np.array([5.0]), np.array([3.0]))
    assert demand.lead_time.family_names() == demand.protection.family_names() == ["gamma"]


@settings(max_examples=50, deadline=None)
@given(seed=st.integers(0, 10_000), horizon=st.integers(1, 12), position=st.floats(-5.0, 200.0))
def test_days_of_cover_equal_a_walk_through_the_days(seed: int, horizon: int, position: float) -> None:
    forecast, means, _ = ragged(np.random.default_rng(seed), [horizon, 15])
    left, days, t = position, 0.0, 0
    while left > 0.0 and t < 20_000:
        today = means[0][t] if t < horizon else means[0][-7:].mean()
        days += min(left / today, 1.0)
        left -= today
        t += 1
    assert days_of_cover(forecast, np.array([position, 1.0]))[0] == pytest.approx(days, rel=1e-9, abs=1e-9)


def test_cover_is_infinite_without_demand_and_zero_without_stock() -> None:
    forecast = DailyForecast.from_arrays(np.zeros((2, 5)), np.zeros((2, 5)))
    assert days_of_cover(forecast, np.array([4.0, 0.0])).tolist() == [np.inf, 0.0]


@pytest.mark.parametrize("rho", [-0.1, 1.1, float("nan")])
def test_correlation_out_of_range_is_refused(rho: float) -> None:
    forecast = DailyForecast.from_arrays(np.ones((1, 3)), np.ones((1, 3)))
    with pytest.raises(ValueError, match="0 <= rho <= 1"):
        interval_moments(forecast, torch.tensor([2]), rho)


def test_shapes_are_checked() -> None:
    with pytest.raises(ValueError, match=r"one shape \[S, H\]"):
        DailyForecast(torch.ones(2, 3), torch.ones(2, 4), torch.tensor([3, 3]))
    with pytest.raises(ValueError, match="horizon_S"):
        DailyForecast(torch.ones(2, 3), torch.ones(2, 3), torch.tensor([3]))
