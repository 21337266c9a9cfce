"""Series per second of the batched forecasters against statsforecast, one process, one thread, same series, same run.

Run it as `python -m tests.benchmarks.bench_forecasting [SERIES]` (default 12196: every item and store of the M5 sample
beside the project; generated counts where that is absent). Prints one JSON line per model, ratios last. Both sides
forecast 28 days from 335 days of history; ours also makes eight quantiles, theirs the mean alone.
"""

from __future__ import annotations

import datetime as dt
import json
import sys
import time
from collections.abc import Callable
from typing import TypeVar

import numpy as np
import pandas as pd
import pyarrow as pa
import torch
from statsforecast import StatsForecast
from statsforecast.models import AutoETS, CrostonSBA, SeasonalExponentialSmoothingOptimized

from tests import real_data
from tests.udfs.forecasting.series import long_table, m5_table, mixed_series
from udfs.forecasting import metrics, registry
from udfs.forecasting.bucket import forecast_bucket
from udfs.forecasting.spec import QUANTILES, ForecastSpec
from udfs.sku_batch import SkuBatch

HORIZON = 28
AUTO_ETS_SERIES = 150  # it takes tens of milliseconds a series; a sample tells the rate
M5_CUTOFF = dt.date(2016, 1, 31)

T = TypeVar("T")


def main(n_series: int) -> None:
    torch.set_num_threads(1)
    if (real_data.ROOT / "m5").exists():
        table, cutoff = m5_table(n_series), M5_CUTOFF
    else:
        table, cutoff = long_table(mixed_series(n_series, n_days=363)), dt.date(2024, 3, 3)
    batch = SkuBatch.from_arrow(table, cutoff)
    actual = _actual(table, batch)
    rates: dict[str, float] = {}
    for name in ("seasonal_naive", "croston", "sba", "tsb", "ets", "auto"):
        model = registry.make(name, ForecastSpec())
        model.forecast(batch.select(slice(0, 64)), HORIZON, QUANTILES)  # compile outside the clock
        forecast, seconds = _timed(lambda model=model: model.forecast(batch, HORIZON, QUANTILES))  # type: ignore[misc]
        rates[name] = _report(name, batch, forecast.mean_SH, actual, seconds)
    cutoffs = [cutoff - dt.timedelta(days=HORIZON), cutoff]
    _, seconds = _timed(lambda: forecast_bucket(table, cutoffs, HORIZON))
    print(json.dumps({"kernel": "forecast_bucket, two cutoffs, tables built", "seconds": round(seconds, 2)}))

    sample = batch.select(np.linspace(0, len(batch) - 1, min(AUTO_ETS_SERIES, len(batch))).astype(int))
    ets = registry.make("ets", ForecastSpec())
    forecast, seconds = _timed(lambda: ets.forecast(sample, HORIZON, QUANTILES))
    rates["ets, AutoETS's series"] = _report("ets, AutoETS's series", sample, forecast.mean_SH, actual, seconds)
    for peer, part in (
        (SeasonalExponentialSmoothingOptimized(season_length=7, alias="SeasonalESOptimized"), batch),
        (CrostonSBA(alias="CrostonSBA"), batch),
        (AutoETS(season_length=7, alias="AutoETS"), sample),
    ):
        frame = _frame(part)
        engine = StatsForecast([peer], freq=1, n_jobs=1)
        engine.forecast(df=frame.head(50), h=1)
        result, seconds = _timed(lambda engine=engine, frame=frame: engine.forecast(df=frame, h=HORIZON))  # type: ignore[misc]
        mean = result.set_index("unique_id")[peer.alias].to_numpy().reshape(len(part), HORIZON)
        rates[peer.alias] = _report(peer.alias, part, torch.from_numpy(mean).double(), actual, seconds)
    pairs = [("ets, AutoETS's series", "AutoETS"), ("ets", "SeasonalESOptimized"), ("sba", "CrostonSBA")]
    print(json.dumps({"ratio": {f"{ours} / {peer}": round(rates[ours] / rates[peer], 2) for ours, peer in pairs}}))


def _timed(call: Callable[[], T]) -> tuple[T, float]:
    start = time.perf_counter()
    result = call()
    return result, time.perf_counter() - start


def _actual(table: pa.Table, batch: SkuBatch) -> dict[str, np.ndarray]:
    frame = table.to_pandas()
    frame = frame[(frame["ds"] > batch.cutoff) & (frame["ds"] <= batch.horizon_dates(HORIZON)[-1])]
    grouped = frame.groupby("unique_id")["y"]
    return {unique_id: y.to_numpy() for unique_id, y in grouped if len(y) == HORIZON}


def _frame(batch: SkuBatch) -> pd.DataFrame:
    """Observed days, numbered, as statsforecast wants them; a series must not have holes there."""
    rows, columns = np.nonzero(batch.mask_ST.numpy())
    y = batch.y_ST.numpy()[rows, columns]
    return pd.DataFrame({"unique_id": batch.unique_ids[rows], "ds": columns, "y": y})


def _report(name: str, batch: SkuBatch, mean_SH: torch.Tensor, actual: dict[str, np.ndarray], seconds: float) -> float:
    known = np.array([u in actual for u in batch.unique_ids])
    actual_SH = torch.from_numpy(np.stack([actual[u] for u in batch.unique_ids[known]]))
    scale_S = metrics.difference_scale(batch, power=2)[known]
    mask_SH = actual_SH.isfinite()
    rmsse = metrics.rmsse(actual_SH, mean_SH[known].clamp(min=0), mask_SH, scale_S).nanmean().item()
    rate = len(batch) / seconds
    line = {"model": name, "series": len(batch), "seconds": round(seconds, 3), "series_per_s": round(rate)}
    print(json.dumps(line | {"rmsse": round(rmsse, 4)}), flush=True)
    return rate


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else 12196)
