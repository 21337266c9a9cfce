"""WRMSSE on the four M5 stores: trees, trees scaled towards totals, and peers, on the same windows in one run.

Run it as `python -m tests.benchmarks.bench_m5 [test|tuning] [THREADS] [SERIES]`. Prints one JSON line per window and
model and, last, the mean over the windows of each model's WRMSSE over seasonal naive's. What the settings below are
was chosen on the tuning windows, which end before the test windows begin.
"""

from __future__ import annotations

import json
import resource
import sys
import time
from collections.abc import Callable
from dataclasses import replace

import lightgbm
import numpy as np
import pandas as pd
from mlforecast import MLForecast
from mlforecast.lag_transforms import RollingMean
from statsforecast import StatsForecast
from statsforecast.models import SeasonalExponentialSmoothingOptimized

from tests.benchmarks import m5_data
from tests.benchmarks.m5_data import HORIZON
from tests.benchmarks.m5_wrmsse import Wrmsse
from udfs.demand.features.sku_features import FeatureSpec
from udfs.forecasting.forecast_spec import QUANTILES
from udfs.forecasting.forecaster import Forecaster
from udfs.forecasting.hierarchy.top_down import fit_top_down
from udfs.forecasting.models.ets.ets_model import ExponentialSmoothing
from udfs.forecasting.models.naive import SeasonalNaive
from udfs.forecasting.models.regression.log_totals import LogRegression
from udfs.forecasting.models.trees.tree_model import fit_trees
from udfs.forecasting.models.trees.tree_rows import RowSpec
from udfs.forecasting.models.trees.tree_spec import TreeSpec
from udfs.series.sku_batch import SkuBatch

TREES = TreeSpec(
    categorical_known=("event_code", "event_kind"),
    rows=RowSpec(features=FeatureSpec(lags=(1,), weekday_weeks=(8,))),
)
TOTALS = LogRegression(covariates=("is_snap", "is_event"), level_half_life_days=4.0)
GROUPS = ("store_id", "dept_id")
PEER_DAYS = 196
"""History that the recursive peer learns from: as many rows as the trees see, or more."""


def main(windows: str, threads: int, n_series: int | None) -> None:
    batch = m5_data.with_calendar(m5_data.load(n_series))
    cutoffs = {"test": m5_data.TEST_CUTOFFS, "tuning": m5_data.TUNING_CUTOFFS}[windows]
    ratios: dict[str, list[float]] = {}
    for cutoff in cutoffs:
        back = (batch.cutoff - cutoff).days
        past, judge = batch.until(back), Wrmsse.of(batch, back)
        open_H = batch.ahead(back, HORIZON)[1].numpy().any(0)
        base = judge.score(SeasonalNaive(7).forecast(past, HORIZON, QUANTILES).mean_SH.numpy() * open_H)
        for name, seconds, mean_SH in _forecasts(past, threads):
            levels = judge.level_scores(mean_SH * open_H)
            ratios.setdefault(name, []).append(float(levels.mean() / base))
            line = {"cutoff": str(cutoff), "model": name, "cpu_seconds": round(seconds, 1)}
            line |= {"wrmsse": round(float(levels.mean()), 4), "ratio": round(ratios[name][-1], 4)}
            print(json.dumps(line | {"levels": levels.round(3).tolist()}), flush=True)
    print(json.dumps({"mean_ratio": {name: round(float(np.mean(x)), 4) for name, x in ratios.items()}}))
    print(json.dumps({"peak_memory_gb": round(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20, 2)}))


def _forecasts(past: SkuBatch, threads: int) -> list[tuple[str, float, np.ndarray]]:
    start = time.process_time()
    trees = fit_trees(past, HORIZON, replace(TREES, threads=threads))
    fitted = time.process_time() - start
    scaled = fit_top_down(past, HORIZON, trees, TOTALS, GROUPS)
    out = [
        (name, seconds + fitted, mean_SH)
        for name, seconds, mean_SH in (
            _timed("trees", _mean(trees, past)),
            _timed("trees_top_down", _mean(scaled, past)),
        )
    ]
    out.append(_timed("ets", _mean(ExponentialSmoothing(7), past)))
    out.append(_timed("statsforecast SeasonalESOptimized", lambda: _seasonal_es(past)))
    out.append(_timed("mlforecast LightGBM", lambda: _mlforecast(past, threads)))
    return out


def _timed(name: str, call: Callable[[], np.ndarray]) -> tuple[str, float, np.ndarray]:
    start = time.process_time()
    mean_SH = call()
    return name, time.process_time() - start, mean_SH


def _mean(model: Forecaster, past: SkuBatch) -> Callable[[], np.ndarray]:
    return lambda: model.forecast(past, HORIZON, QUANTILES).mean_SH.numpy()


def _seasonal_es(past: SkuBatch) -> np.ndarray:
    """Closed days count as sales of 0 here, for a series must not have holes."""
    frame = _long(past, past.n_days)
    model = SeasonalExponentialSmoothingOptimized(season_length=7, alias="es")
    result = StatsForecast([model], freq=1, n_jobs=1).forecast(df=frame[["unique_id", "ds", "y"]], h=HORIZON)
    return np.maximum(result["es"].to_numpy().reshape(len(past), HORIZON), 0.0)


def _mlforecast(past: SkuBatch, threads: int) -> np.ndarray:
    """Recursive LightGBM with lags, rolling means, weekday, the same known covariates and the traits but the item."""
    frame = _long(past, PEER_DAYS)
    traits = [name for name in m5_data.TRAITS if name != "item_id"]
    booster = lightgbm.LGBMRegressor(
        objective="tweedie", n_estimators=150, num_leaves=64, learning_rate=0.08, n_jobs=threads, verbose=-1
    )
    windows = [RollingMean(7), RollingMean(28)]
    model = MLForecast({"lgbm": booster}, freq=1, lags=[1, 7, 14, 28], lag_transforms={1: windows, 7: windows})
    model.fit(frame, static_features=traits, dropna=True)
    ahead = _known_frame(past, np.arange(past.n_days, past.n_days + HORIZON))
    result = model.predict(HORIZON, X_df=ahead)
    return np.maximum(result["lgbm"].to_numpy().reshape(len(past), HORIZON), 0.0)


def _long(past: SkuBatch, n_days: int) -> pd.DataFrame:
    """unique_id, ds (number of the day), y, covariates and traits; from the first sale, at least eight weeks."""
    days = np.arange(max(0, past.n_days - n_days), past.n_days)
    frame = _known_frame(past, days)
    frame["y"] = past.y_ST.numpy()[:, days].ravel()
    assert past.traits is not None
    for k, name in enumerate(past.traits.names):
        if name != "item_id":
            frame[name] = np.repeat(past.traits.codes_SC[:, k].numpy(), len(days))
    started = np.maximum.accumulate(past.mask_ST.numpy()[:, days], axis=1)
    started[:, -56:] = True
    return frame[started.ravel()].reset_index(drop=True)


def _known_frame(past: SkuBatch, days: np.ndarray) -> pd.DataFrame:
    assert past.known is not None
    frame = pd.DataFrame({"unique_id": np.repeat(past.unique_ids, len(days)), "ds": np.tile(days, len(past))})
    values = past.known.values_SXK[:, days].numpy().reshape(-1, len(past.known.names))
    for k, name in enumerate(past.known.names):
        frame[name] = values[:, k]
    frame["weekday"] = frame["ds"] % 7
    return frame


if __name__ == "__main__":
    arguments = sys.argv[1:]
    main(
        arguments[0] if arguments else "test",
        int(arguments[1]) if len(arguments) > 1 else 1,
        int(arguments[2]) if len(arguments) > 2 else None,
    )
