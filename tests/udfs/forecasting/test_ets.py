from __future__ import annotations

import datetime as dt

import numpy as np
import pandas as pd
import pytest
import torch
from statsforecast import StatsForecast
from statsforecast.models import SeasonalExponentialSmoothingOptimized
from statsmodels.tsa.exponential_smoothing.ets import ETSModel

from tests.udfs.forecasting.series import batch_of, m5_table, mixed_series
from udfs.forecasting.ets import (
    EtsGrid,
    ExponentialSmoothing,
    initial_states,
    point_forecast,
    variance_growth,
)
from udfs.forecasting.ets_recursion import SmoothingParams, States, filter_errors, grid_sse
from udfs.forecasting.masked import time_major
from udfs.forecasting.metrics import difference_scale, rmsse
from udfs.sku_batch import SkuBatch

ALPHA, BETA, GAMMA, PHI = 0.3, 0.04, 0.12, 0.93
SEASON = np.array([1.5, -0.5, 0.7, -1.2, 0.1, -0.9, 0.3])


def _point(alpha: float, beta: float, gamma: float, phi: float, seasonal: bool) -> SmoothingParams:
    return SmoothingParams(
        *(torch.tensor([[float(v)]], dtype=torch.float64) for v in (alpha, beta, gamma, phi, seasonal))
    )


@pytest.mark.parametrize("trend", ["none", "additive", "damped"])
@pytest.mark.parametrize("seasonal", [False, True])
def test_recursion_and_forecast_equal_statsmodels(trend: str, seasonal: bool) -> None:
    y = np.random.default_rng(1).gamma(3, 4, 70)
    has_trend = trend != "none"
    peer = ETSModel(
        pd.Series(y, index=pd.date_range("2024-01-01", periods=70, freq="D")),
        error="add",
        trend="add" if has_trend else None,
        damped_trend=trend == "damped",
        seasonal="add" if seasonal else None,
        seasonal_periods=7 if seasonal else None,
        initialization_method="known",
        initial_level=10.0,
        initial_trend=0.2 if has_trend else None,
        initial_seasonal=SEASON if seasonal else None,
    )
    values = {
        "smoothing_level": ALPHA,
        "smoothing_trend": BETA,
        "smoothing_seasonal": GAMMA,
        "damping_trend": PHI,
        "initial_level": 10.0,
        "initial_trend": 0.2,
    } | {f"initial_seasonal.{k}": SEASON[k] for k in range(7)}
    fit = peer.smooth([values[name] for name in peer.param_names])

    params = _point(
        ALPHA,
        BETA if has_trend else 0,
        GAMMA if seasonal else 0,
        {"none": 0, "additive": 1, "damped": PHI}[trend],
        seasonal,
    )
    initial = States(
        torch.tensor([10.0], dtype=torch.float64),
        torch.tensor([0.2 if has_trend else 0.0], dtype=torch.float64),
        torch.from_numpy(SEASON[:, None].copy()),
    )
    y_TS = torch.from_numpy(y[:, None].copy())
    mask_TS = torch.ones_like(y_TS, dtype=torch.bool)
    error_TS, last = filter_errors(y_TS, mask_TS, initial, params)
    np.testing.assert_allclose(error_TS[:, 0].numpy(), fit.resid.to_numpy(), atol=1e-9)
    np.testing.assert_allclose(point_forecast(last, params, 20)[0].numpy(), fit.forecast(20).to_numpy(), atol=1e-9)
    sse = grid_sse(y_TS, mask_TS, initial, params)
    assert sse.item() == pytest.approx(float((fit.resid**2).sum()), rel=1e-12)

    variance = np.asarray(fit.get_prediction(start=70, end=89).forecast_variance)
    growth = variance_growth(params, 20, 7)[0].numpy()
    np.testing.assert_allclose(growth, variance / variance[0], rtol=1e-9)


def test_numba_and_torch_agree_to_the_last_bit_with_missing_days() -> None:
    batch = batch_of(mixed_series(30))
    y_TS, mask_TS = time_major(batch.y_ST), time_major(batch.mask_ST)
    initial, _ = initial_states(y_TS, mask_TS, 7)
    initial = States(initial.level_S, torch.linspace(-0.1, 0.1, len(batch), dtype=torch.float64), initial.season_MS)
    points, _ = EtsGrid().points()
    by_numba = grid_sse(y_TS, mask_TS, initial, points, backend="numba")
    by_torch = grid_sse(y_TS, mask_TS, initial, points, backend="torch")
    assert torch.equal(by_numba, by_torch)

    own = points.take(torch.arange(len(batch)) * 5)  # each series its own point
    one_by_one = (filter_errors(y_TS, mask_TS, initial, own)[0] ** 2).sum(0)
    for backend in ("numba", "torch"):
        torch.testing.assert_close(grid_sse(y_TS, mask_TS, initial, own, backend)[:, 0], one_by_one, rtol=1e-12, atol=0)


def test_a_missing_day_moves_the_states_by_their_own_prediction() -> None:
    y = np.random.default_rng(5).gamma(3, 4, 40)
    params, season = _point(ALPHA, BETA, GAMMA, PHI, True), torch.from_numpy(SEASON[:, None].copy())
    initial = States(torch.full((1,), 10.0, dtype=torch.float64), torch.full((1,), 0.2, dtype=torch.float64), season)
    mask_TS = torch.ones((40, 1), dtype=torch.bool)
    mask_TS[25] = False
    y_TS = torch.from_numpy(y[:, None].copy())
    error_TS, last = filter_errors(y_TS, mask_TS, initial, params)

    # Filling the hole with the model's own forecast from the day before must change nothing. Phases count from the
    # end of what is filtered, and 25 days end on another phase than 40, so the season is turned for them.
    start = States(initial.level_S, initial.trend_S, season.roll((40 - 25) % 7, 0))
    _, before = filter_errors(y_TS[:25], mask_TS[:25], start, params)
    filled_TS = y_TS.clone()
    filled_TS[25] = point_forecast(before, params, 1)[0, 0]
    full_error_TS, full_last = filter_errors(filled_TS, torch.ones_like(mask_TS), initial, params)
    torch.testing.assert_close(last.level_S, full_last.level_S)
    torch.testing.assert_close(last.season_MS, full_last.season_MS)
    torch.testing.assert_close(error_TS, full_error_TS, atol=1e-12, rtol=0)


def test_selection_finds_the_form_that_made_the_series() -> None:
    rng = np.random.default_rng(11)
    t = np.arange(200)
    noise = rng.normal(0, 1, (3, 200))
    series = {
        "level": 50 + noise[0],
        "season": 50 + 8 * np.sin(2 * np.pi * t / 7) + noise[1],
        "trend": 20 + 2.0 * t + noise[2],
    }
    forecast = ExponentialSmoothing().forecast(batch_of(series), 14, (0.1, 0.5, 0.9))
    forms = [rule.split("ETS(")[1].split(")")[0] for rule in forecast.choice.rule_S]
    assert forms[0] == "A,N,N"
    assert forms[1] == "A,N,A"
    assert forms[2] in ("A,A,N", "A,Ad,N")
    ahead = np.arange(200, 214)
    np.testing.assert_allclose(forecast.mean_SH[1].numpy(), 50 + 8 * np.sin(2 * np.pi * ahead / 7), atol=1.0)
    np.testing.assert_allclose(forecast.mean_SH[2].numpy(), 20 + 2.0 * ahead, rtol=0.02)
    # The noise has standard deviation 1, and the one-step error can hardly be below it.
    assert 0.8 < forecast.sd_SH[0, 0] < 1.3


def test_no_season_with_less_than_two_weeks_and_no_trend_with_less_than_four() -> None:
    t = np.arange(27)
    series = {
        "season": 50 + 20 * np.sin(2 * np.pi * t / 7),
        "short": 50 + 20 * np.sin(2 * np.pi * t[:13] / 7),
        "trend": 5 + 3.0 * t,
    }
    forecast = ExponentialSmoothing().forecast(batch_of(series), 7, (0.5,))
    rules = dict(zip(series, forecast.choice.rule_S, strict=True))
    assert "A,N,A" in rules["season"]
    assert "A,N,N" in rules["short"]
    assert "A,A" not in rules["trend"]


def test_settings_are_checked() -> None:
    with pytest.raises(ValueError, match="forms"):
        ExponentialSmoothing(forms=("A,N,A",))
    with pytest.raises(ValueError, match="alphas"):
        EtsGrid(alphas=(1.5,))
    with pytest.raises(ValueError, match="horizon"):
        ExponentialSmoothing().forecast(batch_of({"a": np.ones(5)}), 0, (0.5,))
    with pytest.raises(ValueError, match="quantile"):
        ExponentialSmoothing().forecast(batch_of({"a": np.ones(5)}), 1, (0.9, 0.5))


@pytest.mark.real_data
def test_accuracy_on_m5_against_optimised_seasonal_smoothing() -> None:
    """28 days after 2016-01-31, 500 series: the mean RMSSE is not worse by more than 2%."""
    cutoff = dt.date(2016, 1, 31)
    table = m5_table(500)
    batch = SkuBatch.from_arrow(table, cutoff)
    frame = table.to_pandas()
    frame["ds"] = pd.to_datetime(frame["ds"])
    actual = frame[(frame["ds"] > pd.Timestamp(cutoff)) & (frame["ds"] <= pd.Timestamp("2016-02-28"))]
    actual_SH = torch.from_numpy(actual["y"].to_numpy().reshape(len(batch), 28))
    ours_SH = ExponentialSmoothing().forecast(batch, 28, (0.5,)).mean_SH

    sold = frame["y"].gt(0).groupby(frame["unique_id"]).cummax()
    train = frame[sold & (frame["ds"] <= pd.Timestamp(cutoff))]
    peer = StatsForecast([SeasonalExponentialSmoothingOptimized(season_length=7, alias="peer")], freq="D", n_jobs=1)
    peer_frame = peer.forecast(df=train, h=28).set_index("unique_id")["peer"]
    known = [u in peer_frame.index for u in batch.unique_ids]
    peer_SH = np.stack([peer_frame.loc[u].to_numpy() for u in batch.unique_ids[known]])

    mask_SH, scale_S = torch.ones_like(actual_SH, dtype=torch.bool), difference_scale(batch, power=2)
    ours = rmsse(actual_SH, ours_SH, mask_SH, scale_S)[torch.tensor(known)].nanmean()
    peers = rmsse(actual_SH[known], torch.from_numpy(peer_SH).double(), mask_SH[known], scale_S[known]).nanmean()
    assert ours < 1.02 * peers
