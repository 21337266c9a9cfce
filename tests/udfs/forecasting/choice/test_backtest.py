from __future__ import annotations

import datetime as dt
from dataclasses import dataclass, replace

import numpy as np
import pandas as pd
import pytest
import torch
from utilsforecast import losses

from tests.udfs.forecasting.series import CUTOFF, batch_of, mixed_series
from udfs.forecasting.choice.backtest import Backtest, BacktestSpec, Windows, backtest
from udfs.forecasting.choice.backtest_scores import SCORES, score_windows
from udfs.forecasting.forecaster import Forecast
from udfs.forecasting.models.ets.ets_model import ExponentialSmoothing
from udfs.forecasting.models.naive import HistoricMean, SeasonalNaive
from udfs.series.sku_batch import SkuBatch

LEVELS = (0.05, 0.1, 0.25, 0.5, 0.75, 0.9, 0.95)
HORIZON = 7


@dataclass(frozen=True)
class Awkward:
    """The historic mean, except that one series makes the call raise and another gets NaN."""

    name: str = "awkward"

    def forecast(self, batch: SkuBatch, horizon: int, quantiles: tuple[float, ...]) -> Forecast:
        if "s004" in batch.unique_ids:
            raise ArithmeticError("does not converge")
        forecast = HistoricMean().forecast(batch, horizon, quantiles)
        forecast.mean_SH[torch.from_numpy(batch.unique_ids == "s007")] = torch.nan
        return forecast


def test_every_window_is_a_forecast_from_its_cutoff_and_what_came_after() -> None:
    batch = batch_of(mixed_series(20))
    result = backtest(ExponentialSmoothing(), batch, HORIZON, LEVELS, BacktestSpec(windows=3, step=5, min_history=30))
    assert result.model == "ets"
    assert result.windows.days_back == (17, 12, 7)
    assert result.windows.cutoffs == tuple(CUTOFF - dt.timedelta(days=d) for d in (17, 12, 7))
    for w, days in enumerate((17, 12, 7)):
        known = batch.until(days)
        expected = ExponentialSmoothing().forecast(known, HORIZON, LEVELS)
        old = known.mask_ST.sum(1) >= 30
        assert 0 < int(old.sum()) < 20
        torch.testing.assert_close(result.mean_WSH[w][old], expected.mean_SH[old], rtol=0, atol=0)
        torch.testing.assert_close(result.quantile_WSHQ[w][old], expected.quantile_SHQ[old], rtol=0, atol=0)
        torch.testing.assert_close(result.sd_WSH[w][old], expected.sd_SH[old], rtol=0, atol=0)
        assert result.mean_WSH[w][~old].isnan().all()
        first = batch.n_days - days
        assert torch.equal(result.windows.actual_WSH[w], batch.y_ST[:, first : first + HORIZON])
        assert torch.equal(result.mask_WSH[w], batch.mask_ST[:, first : first + HORIZON] & old[:, None])


def test_what_comes_after_a_window_s_cutoff_does_not_reach_its_forecast() -> None:
    batch = batch_of(mixed_series(20))
    y_ST = batch.y_ST.clone()
    y_ST[:, -14:] = 500.0
    spec = BacktestSpec(windows=2, step=HORIZON)
    before = backtest(ExponentialSmoothing(), batch, HORIZON, LEVELS, spec)
    after = backtest(ExponentialSmoothing(), replace(batch, y_ST=y_ST), HORIZON, LEVELS, spec)
    assert torch.equal(before.mean_WSH[0].nan_to_num(-1), after.mean_WSH[0].nan_to_num(-1))
    assert not torch.equal(before.mean_WSH[1].nan_to_num(-1), after.mean_WSH[1].nan_to_num(-1))
    assert torch.equal(
        before.windows.pinball_scale_WS[0].nan_to_num(-1), after.windows.pinball_scale_WS[0].nan_to_num(-1)
    )


def _long(batch: SkuBatch, result: Backtest, window: int) -> tuple[pd.DataFrame, pd.DataFrame]:
    """One window as utilsforecast wants it: training rows, and rows of actuals with forecasts."""
    days = result.windows.days_back[window]
    train, test = [], []
    for s, unique_id in enumerate(batch.unique_ids):
        known = batch.until(days)
        y = known.y_ST[s][known.mask_ST[s]].numpy()
        train.append(pd.DataFrame({"unique_id": unique_id, "ds": np.arange(len(y)), "y": y}))
        seen = result.mask_WSH[window, s]
        rows = {"unique_id": unique_id, "ds": 1000 + np.arange(HORIZON), "y": result.windows.actual_WSH[window, s]}
        rows["model"] = result.mean_WSH[window, s].numpy()
        for q, level in enumerate(LEVELS):
            rows[f"model-{level}"] = result.quantile_WSHQ[window, s, :, q].numpy()
        test.append(pd.DataFrame(rows)[seen.numpy()])
    return pd.concat(train), pd.concat(test)


def test_scores_agree_with_utilsforecast() -> None:
    rng = np.random.default_rng(5)
    batch = batch_of({f"s{s:02d}": rng.poisson(4 + s, 80).astype(float) for s in range(6)})
    result = backtest(HistoricMean(), batch, HORIZON, LEVELS, BacktestSpec(windows=2))
    scores = score_windows(result)
    assert list(scores) == list(SCORES)
    for w in range(2):
        train, test = _long(batch, result, w)
        columns = {f"model-{level}": f"model-{level}" for level in LEVELS}
        expected = {
            "rmsse": losses.rmsse(test, ["model"], 1, train)["model"],
            "mase": losses.mase(test, ["model"], 7, train)["model"],
            "bias": losses.bias(test, ["model"])["model"],
            "coverage_50": losses.coverage(
                test.rename(columns={"model-0.25": "model-lo-50", "model-0.75": "model-hi-50"}), ["model"], 50
            )["model"],
            "coverage_90": losses.coverage(
                test.rename(columns={"model-0.05": "model-lo-90", "model-0.95": "model-hi-90"}), ["model"], 90
            )["model"],
        }
        pinballs = [
            losses.scaled_quantile_loss(test, {"model": column}, 1, train, q=level)["model"]
            for level, column in zip(LEVELS, columns, strict=True)
        ]
        expected["scaled_pinball"] = sum(pinballs) / len(LEVELS)
        sold = test.groupby("unique_id")["y"].sum().to_numpy()
        expected["wape"] = losses.mae(test, ["model"])["model"] * HORIZON / sold
        for name, values in expected.items():
            np.testing.assert_allclose(
                scores[name][w].numpy(), np.asarray(values, dtype=float), rtol=1e-9, err_msg=name
            )


def test_scores_that_are_not_defined_are_nan() -> None:
    batch = batch_of({"flat": np.full(60, 3.0), "young": np.arange(12.0) + 1})
    result = backtest(SeasonalNaive(), batch, HORIZON, (0.1, 0.5, 0.9), BacktestSpec(windows=1))
    scores = score_windows(result)
    assert scores["rmsse"].isnan().all()
    assert scores["coverage_50"].isnan().all()
    assert scores["coverage_80"][0].tolist()[0] == 1.0
    assert scores["coverage_80"][0][1].isnan()
    assert scores["bias"][0][0] == 0.0


def test_a_series_that_fails_costs_itself_and_is_named() -> None:
    batch = batch_of(mixed_series(12))
    spec = BacktestSpec(windows=2)
    result = backtest(Awkward(), batch, HORIZON, LEVELS, spec)
    plain = backtest(HistoricMean(), batch, HORIZON, LEVELS, spec)
    others = ~np.isin(batch.unique_ids, ["s004", "s007"])
    assert torch.equal(result.mean_WSH[:, others].nan_to_num(-1), plain.mean_WSH[:, others].nan_to_num(-1))
    assert not result.mask_WSH[:, ~others].any()
    failed = {(f.window, batch.unique_ids[f.series.position], f.series.error_class) for f in result.failures}
    assert failed == {
        (w, unique_id, error)
        for w in (0, 1)
        for unique_id, error in (("s004", "ArithmeticError"), ("s007", "NonFiniteForecast"))
    }


def test_a_source_gives_the_model_fitted_for_each_cutoff() -> None:
    batch = batch_of(mixed_series(10))
    asked = []

    def fitted(cutoff: dt.date) -> SeasonalNaive | None:
        asked.append(cutoff)
        return None if cutoff == CUTOFF - dt.timedelta(days=14) else SeasonalNaive(name=f"until {cutoff}")

    result = backtest(fitted, batch, HORIZON, LEVELS, BacktestSpec(windows=3))
    assert asked == list(result.windows.cutoffs)
    assert result.mask_WSH.flatten(1).any(1).tolist() == [True, False, True]
    assert not result.failures


def test_windows_beyond_the_first_day_are_left_out() -> None:
    batch = batch_of({"a": np.arange(50.0)})
    assert batch.n_days == 56
    assert Windows.of(batch, (60, 56, 40, 20), 20).days_back == (40, 20)
    result = backtest(SeasonalNaive(), batch, 60, LEVELS)
    assert result.mean_WSH.shape == (0, 1, 60)
    assert score_windows(result)["rmsse"].shape == (0, 1)


def test_windows_of_some_series_are_those_of_the_whole() -> None:
    batch = batch_of(mixed_series(10))
    index = np.array([7, 2])
    chosen, alone = Windows.of(batch, (14, 7), 7).select(index), Windows.of(batch.select(index), (14, 7), 7)
    for name in ("actual_WSH", "mask_WSH", "pinball_scale_WS", "rmsse_scale_WS", "mase_scale_WS"):
        torch.testing.assert_close(getattr(chosen, name), getattr(alone, name), rtol=0, atol=0, equal_nan=True)
    assert chosen.batch.unique_ids.tolist() == ["s007", "s002"]
    spread = Windows.of(batch, (14, 7), 7).spread(chosen.actual_WSH, index)
    assert torch.equal(spread[:, index], chosen.actual_WSH)
    assert spread[:, [0, 1, 3]].isnan().all()


def test_a_history_not_longer_than_a_season_has_no_seasonal_scale() -> None:
    batch = batch_of({"a": np.arange(28.0)})
    windows = Windows.of(batch, (7,), 7, min_history=2, season_length=24)
    assert windows.mase_scale_WS.isnan().all()
    assert windows.pinball_scale_WS.isfinite().all()


def test_requests_are_checked() -> None:
    batch = batch_of({"a": np.arange(50.0)})
    for wrong in ({"windows": 0}, {"step": 0}, {"min_history": 0}):
        with pytest.raises(ValueError, match="at least one"):
            BacktestSpec(**wrong)
    with pytest.raises(ValueError, match="expected a horizon"):
        Windows.of(batch, (7,), 8)
    with pytest.raises(ValueError, match="horizon"):
        backtest(SeasonalNaive(), batch, 0, LEVELS)
    with pytest.raises(ValueError, match="increasing"):
        backtest(SeasonalNaive(), batch, 7, (0.9, 0.1))
