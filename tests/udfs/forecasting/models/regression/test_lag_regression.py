from __future__ import annotations

import numpy as np
import pytest
import torch

from tests import real_data
from tests.benchmarks import bench_m4
from tests.udfs.forecasting.series import batch_of
from udfs.forecasting import metrics
from udfs.forecasting.models.naive2 import Naive2
from udfs.forecasting.models.regression.lag_kernel import average_coefficients, run_ahead
from udfs.forecasting.models.regression.lags import LEAST_REACH, LagRegression

LEVELS = (0.1, 0.5, 0.9)
SETS = ([1, 2, 3, 6, 7, 8, 14], [1, 2, 7, 8, 9], [1, 2, 3, 5, 6, 7, 8, 9, 14])
"""The three lag sets of a week, written out."""


def _weekly(n_days: int, seed: int = 0, level: float = 20.0) -> np.ndarray:
    rng = np.random.default_rng(seed)
    return level + 6 * np.sin(2 * np.pi * np.arange(n_days) / 7) + rng.normal(0, 1.0, n_days)


def _brute_force(y: np.ndarray, model: LagRegression, horizon: int) -> np.ndarray:
    """The method on one series without gaps, by numpy's least squares on rows stacked with the penalty's."""
    z = np.log1p(y) if (y > 0).all() else y.copy()
    centre, scale = z.mean(), z.std()
    z = (z - centre) / scale
    coefficients: dict[int, float] = {}
    for lags in SETS:
        first = max(lags)
        x = np.column_stack([z[first - k : len(z) - k] for k in lags] + [np.ones(len(z) - first)])
        weight = np.exp(-np.arange(len(x) - 1, -1, -1) / max(model.memory * 7, LEAST_REACH))
        penalty = np.sqrt(np.r_[np.full(len(lags), model.ridge), 1e-9] * weight.sum())
        rows = np.vstack([x * np.sqrt(weight)[:, None], np.diag(penalty)])
        target = np.r_[z[first:] * np.sqrt(weight), np.zeros(len(lags) + 1)]
        solution = np.linalg.lstsq(rows, target, rcond=None)[0]
        for lag, value in zip([*lags, 0], solution, strict=True):
            coefficients[lag] = coefficients.get(lag, 0.0) + value / 3
    path = list(z)
    width = z.max() - z.min()
    for _ in range(horizon):
        ahead = coefficients[0] + sum(c * path[-lag] for lag, c in coefficients.items() if lag)
        path.append(float(np.clip(ahead, z.min() - model.margin * width, z.max() + model.margin * width)))
    plain = centre + scale * np.array(path[-horizon:])
    return np.expm1(plain) if (y > 0).all() else plain


@pytest.mark.parametrize("level", [20.0, 3.0])  # the lower one reaches below zero: no logarithm
def test_the_forecast_equals_a_brute_force_regression(level: float) -> None:
    y = _weekly(120, level=level)
    model = LagRegression(7)
    ours = model.forecast(batch_of({"a": np.r_[y]}), 21, LEVELS).mean_SH[0].numpy()
    kept = y[np.argmax(y > 0) :]  # days before the first sale are not yet listed
    np.testing.assert_allclose(ours, np.maximum(_brute_force(kept, model, 21), 0.0), rtol=1e-7, atol=1e-9)


@pytest.mark.parametrize(("season", "n_steps"), [(1, 24), (7, 60), (12, 36), (52, 50)])
def test_quantiles_stay_near_what_was_sold_however_little_was_seen(season: int, n_steps: int) -> None:
    rng = np.random.default_rng(4)
    series = {f"s{s:02d}": np.r_[1.0, rng.poisson(0.3 + s % 4, n_steps - 1)] for s in range(60)}
    made = LagRegression(season).forecast(batch_of(series), 28, LEVELS)
    most_S = np.array([y.max() for y in series.values()])
    assert (made.quantile_SHQ.amax((1, 2)).numpy() <= 8 * most_S).all()


def test_two_seasons_are_seen_where_the_history_shows_both() -> None:
    """Days of hours whose weekend is quiet: one season alone cannot know when it comes."""
    hour = np.arange(24 * 7 * 6)
    weekend = (hour // 24) % 7 >= 5
    rng = np.random.default_rng(1)
    y = (50 + 20 * np.sin(2 * np.pi * hour / 24)) * np.where(weekend, 0.4, 1.0) * np.exp(rng.normal(0, 0.02, len(hour)))
    batch, actual = batch_of({"a": y[:-96]}), y[-96:]
    error = {
        longer: np.abs(
            LagRegression(24, longer_season=longer).forecast(batch, 96, LEVELS).mean_SH[0].numpy() - actual
        ).mean()
        for longer in (None, 0)
    }
    assert error[None] < 2.0
    assert error[None] < 0.5 * error[0]


def test_a_gap_hardly_moves_the_forecast() -> None:
    y = _weekly(200)
    holes = y.copy()
    holes[[50, 51, 52, 120, 160, 198]] = np.nan
    whole, gaps = (LagRegression(7).forecast(batch_of({"a": x}), 7, LEVELS) for x in (y, holes))
    np.testing.assert_allclose(gaps.mean_SH.numpy(), whole.mean_SH.numpy(), rtol=0.05)
    assert whole.n_obs_S.item() == 200 - 14
    assert gaps.n_obs_S.item() == 200 - 14 - 6


def test_variance_growth_equals_simulated_paths() -> None:
    coefficient_L = np.array([0.1, 0.5, 0.0, 0.3])
    z_N = np.random.default_rng(3).normal(size=30)
    path_H, growth_H = np.empty(10), np.empty(10)
    run_ahead(z_N, np.array([1, 3]), coefficient_L, 100.0, path_H, growth_H)
    rng, n_paths = np.random.default_rng(4), 40000
    paths = np.concatenate([np.tile(z_N, (n_paths, 1)), np.zeros((n_paths, 10))], axis=1)
    for t in range(30, 40):
        paths[:, t] = 0.1 + 0.5 * paths[:, t - 1] + 0.3 * paths[:, t - 3] + rng.normal(size=n_paths)
    np.testing.assert_allclose(paths[:, 30:].var(axis=0), growth_H, rtol=0.05)
    np.testing.assert_allclose(paths[:, 30:].mean(axis=0), path_H, atol=0.05)


def test_intervals_cover() -> None:
    rng = np.random.default_rng(5)
    series = {}
    for s in range(150):
        x = np.zeros(260)
        for t in range(1, 260):
            x[t] = 0.7 * x[t - 1] + rng.normal()
        series[f"s{s:03d}"] = 100 + 3 * x
    full = batch_of(series)
    forecast = LagRegression(7, memory=40).forecast(full.until(14), 14, LEVELS)
    actual_SH, _ = full.ahead(14, 14)
    inside = (actual_SH >= forecast.quantile_SHQ[..., 0]) & (actual_SH <= forecast.quantile_SHQ[..., 2])
    assert inside.double().mean().item() == pytest.approx(0.8, abs=0.04)


def test_short_and_flat_series_have_a_forecast() -> None:
    series = {
        "flat": np.full(60, 4.0),
        "one": np.array([5.0]),
        "short": np.array([2.0, 3.0, 2.0, 4.0]),
        "zero": np.zeros(30),
    }
    forecast = LagRegression(7).forecast(batch_of(series), 5, LEVELS)
    assert forecast.finite_series().all()
    np.testing.assert_allclose(forecast.mean_SH[0].numpy(), 4.0, rtol=1e-9)
    np.testing.assert_allclose(forecast.mean_SH[1].numpy(), 5.0, rtol=1e-9)
    np.testing.assert_allclose(forecast.mean_SH[3].numpy(), 0.0, atol=1e-12)


def test_an_explosive_series_stays_within_the_range_seen() -> None:
    y = 1.1 ** np.arange(80)
    mean_H = LagRegression(1).forecast(batch_of({"a": y}), 60, LEVELS).mean_SH[0].numpy()
    log = np.log1p(y)
    assert mean_H.max() == pytest.approx(np.expm1(log.max() + 0.1 * (log.max() - log.min())))


def test_a_set_without_days_to_learn_from_adds_nothing() -> None:
    coefficient_L = np.ones(4)
    average_coefficients(np.zeros(5), np.zeros(5, dtype=bool), np.array([[1, 3]]), 0.9, 0.1, coefficient_L)
    assert (coefficient_L == 0).all()


@pytest.mark.real_data
def test_m4_hourly_is_forecast_better_than_by_the_competition_s_winner() -> None:
    """OWA .440; seasonal naive has .627."""
    real_data.find("m4_hourly")
    batch, actual_SH = bench_m4.load()
    base = bench_m4.scores(Naive2(24), batch, actual_SH)
    assert metrics.owa(*bench_m4.scores(LagRegression(24), batch, actual_SH), *base).item() < 0.44


def test_settings_are_checked() -> None:
    with pytest.raises(ValueError, match="season_length"):
        LagRegression(0)
    with pytest.raises(ValueError, match="longer_season"):
        LagRegression(24, longer_season=24)
    for field in ("ridge", "memory", "margin"):
        with pytest.raises(ValueError, match=field):
            LagRegression(**{field: 0.0})
    assert torch.equal(
        LagRegression(12).forecast(batch_of({"a": _weekly(60)}), 3, LEVELS).mean_SH,
        LagRegression(12, longer_season=0).forecast(batch_of({"a": _weekly(60)}), 3, LEVELS).mean_SH,
    )
