from __future__ import annotations

import numpy as np
import pandas as pd
import torch

from udfs.forecasting import forecast, metrics
from udfs.forecasting.choice.stacking import SERIES, sample, stacked_weights
from udfs.forecasting.forecast_spec import quantile_column
from udfs.forecasting.frames import REGULAR

LEVELS = (0.1, 0.3, 0.5, 0.7, 0.9)
HORIZON, CUTOFFS = 14, (168, 182)


def _loss(weight_K: np.ndarray, quantile_KWSHQ: np.ndarray, actual_WSH: np.ndarray) -> float:
    error = actual_WSH[..., None] - np.tensordot(weight_K, quantile_KWSHQ, 1)
    return float(np.maximum(np.array(LEVELS) * error, (np.array(LEVELS) - 1.0) * error).mean())


def test_models_that_err_apart_are_averaged_and_one_that_is_off_is_left_out() -> None:
    rng = np.random.default_rng(2)
    actual_WSH = rng.normal(50, 10, (3, 200, 7))
    spread_Q = np.array([-6.0, -2.5, 0.0, 2.5, 6.0])
    errors = (rng.normal(0, 4, actual_WSH.shape), rng.normal(0, 4, actual_WSH.shape), 30.0)
    quantile_KWSHQ = np.stack([(actual_WSH + error)[..., None] + spread_Q for error in errors])
    weight_K = stacked_weights(quantile_KWSHQ, actual_WSH, np.ones((3, 200)), LEVELS)
    assert weight_K is not None
    np.testing.assert_allclose(weight_K, [0.5, 0.5, 0.0], atol=0.05)
    best = min(_loss(one, quantile_KWSHQ, actual_WSH) for one in np.eye(3))
    assert _loss(weight_K, quantile_KWSHQ, actual_WSH) < 0.95 * best


def test_a_model_without_forecasts_has_no_weight_and_no_common_day_no_answer() -> None:
    actual_WSH = np.ones((2, 4, 3))
    quantile_KWSHQ = np.ones((2, 2, 4, 3, 5))
    quantile_KWSHQ[1] = np.nan
    weight_K = stacked_weights(quantile_KWSHQ, actual_WSH, np.ones((2, 4)), LEVELS)
    assert weight_K is not None
    assert weight_K.tolist() == [1.0, 0.0]
    assert stacked_weights(quantile_KWSHQ, actual_WSH, np.zeros((2, 4)), LEVELS) is None
    assert stacked_weights(quantile_KWSHQ[1:], actual_WSH, np.ones((2, 4)), LEVELS) is None
    assert len(sample(np.arange(5 * SERIES))) == SERIES
    assert sample(np.arange(3)).tolist() == [0, 1, 2]


def _history() -> pd.DataFrame:
    """Steady, seasonal, trending and wandering demand: no model suits all."""
    rng = np.random.default_rng(6)
    day = np.arange(CUTOFFS[-1] + HORIZON)
    week = 1.0 + 0.5 * np.sin(2 * np.pi * day / 7)
    walk = np.cumsum(rng.normal(0, 0.03, (60, len(day))), axis=1)
    kinds = (np.ones(len(day)) * 30, 30 * week, 20 * week * (1 + day / 150), 40 * week * np.exp(walk[0]))
    rows = [
        pd.DataFrame({"unique_id": f"s{s:02d}", "ds": day, "y": rng.poisson(kinds[s % 4] * np.exp(walk[s, 0] * 5))})
        for s in range(60)
    ]
    return pd.concat(rows).assign(ds=lambda d: pd.Timestamp(2024, 1, 1) + pd.to_timedelta(d["ds"], unit="D"))


def test_auto_is_no_worse_than_its_best_part_on_held_back_windows() -> None:
    rows = _history()
    loss: dict[str, float] = {}
    columns = [quantile_column(level) for level in LEVELS]
    for cutoff in CUTOFFS:
        last = pd.Timestamp(2024, 1, 1) + pd.Timedelta(cutoff - 1, "D")
        history = rows[rows["ds"] <= last]
        ahead = rows[(rows["ds"] > last) & (rows["ds"] <= last + pd.Timedelta(HORIZON, "D"))]
        actual = torch.from_numpy(ahead.sort_values(["unique_id", "ds"])["y"].to_numpy(float))[:, None]
        for model in ("auto", *REGULAR):
            made = forecast(history, model, HORIZON, quantiles=LEVELS, device="cpu")
            quantile = torch.from_numpy(made[columns].to_numpy())[:, None]
            wql = metrics.pooled_wql(actual, quantile, LEVELS, torch.ones_like(actual, dtype=torch.bool))
            loss[model] = loss.get(model, 0.0) + float(wql)
    assert loss["auto"] <= 1.01 * min(loss[model] for model in REGULAR), loss
