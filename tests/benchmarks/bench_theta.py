"""The Theta models against statsforecast's: series per second and mean RMSSE, same series, same run.

Run it as `python -m tests.benchmarks.bench_theta [M5_SERIES]`. Ours forecasts all series with two threads, eight
quantiles included; the peers a sample of them with n_jobs=2, the mean alone. Repeats alternate; medians are printed.
"""

from __future__ import annotations

import datetime as dt
import json
import sys
import time
from collections.abc import Callable
from statistics import median

import numpy as np
import pandas as pd
import torch
from statsforecast import StatsForecast
from statsforecast.models import AutoTheta, DynamicOptimizedTheta

from tests import real_data
from tests.udfs.forecasting.series import m5_table
from udfs.forecasting import metrics
from udfs.forecasting.spec import QUANTILES
from udfs.forecasting.theta import Theta
from udfs.sku_batch import PAD_MULTIPLE_DAYS, SkuBatch

REPEATS = 3
PEER_SERIES = 60
THREADS = 2


def main(n_series: int) -> None:
    torch.set_num_threads(THREADS)
    m5 = SkuBatch.from_arrow(m5_table(n_series), dt.date(2016, 2, 28))
    m5 = m5.select(m5.until(28).mask_ST.sum(1).numpy() >= 28)
    for name, full, season, horizon in (("m5", m5, 7, 28), ("carparts", _carparts(), 12, 12)):
        compare(name, full, season, horizon)


def compare(name: str, full: SkuBatch, season: int, horizon: int) -> None:
    """Print a line per model, and the ratios of the medians of their rates."""
    batch = full.until(horizon)
    sample = np.linspace(0, len(full) - 1, PEER_SERIES).astype(int)
    frame = _frame(batch.select(sample))
    ours = Theta(season)
    runs: dict[str, Callable[[], torch.Tensor]] = {"theta": lambda: ours.forecast(batch, horizon, QUANTILES).mean_SH}
    for peer in (AutoTheta(season), DynamicOptimizedTheta(season)):
        runs[peer.alias] = lambda peer=peer: _peer(peer, frame, horizon)  # type: ignore[misc]
    runs["theta"]()
    rates: dict[str, list[float]] = {model: [] for model in runs}
    means = {}
    for _ in range(REPEATS):
        for model, run in runs.items():
            start = time.perf_counter()
            means[model] = run()
            rates[model].append(len(means[model]) / (time.perf_counter() - start))
    means["theta"] = means["theta"][torch.from_numpy(sample)]
    actual_SH, mask_SH = (x_SH[torch.from_numpy(sample)] for x_SH in full.ahead(horizon, horizon))
    scale_S = metrics.difference_scale(batch.select(sample), power=2)
    for model, mean_SH in means.items():
        rmsse = metrics.rmsse(actual_SH, mean_SH.clamp(min=0.0), mask_SH, scale_S).nanmean().item()
        rate = median(rates[model])
        line = {"data": name, "model": model, "series_per_s": round(rate, 1), "rmsse": round(rmsse, 4)}
        print(json.dumps(line | {"theta_is_faster_by": round(median(rates["theta"]) / rate)}), flush=True)


def _peer(model: AutoTheta, frame: pd.DataFrame, horizon: int) -> torch.Tensor:
    result = StatsForecast([model], freq=1, n_jobs=THREADS).forecast(df=frame, h=horizon)
    return torch.from_numpy(result[model.alias].to_numpy(dtype=float).reshape(-1, horizon))


def _frame(batch: SkuBatch) -> pd.DataFrame:
    rows, columns = np.nonzero(batch.mask_ST.numpy())
    ids = np.array([f"{k:05d}" for k in range(len(batch))])
    return pd.DataFrame({"unique_id": ids[rows], "ds": columns, "y": batch.y_ST.numpy()[rows, columns]})


def _carparts() -> SkuBatch:
    frame = pd.read_parquet(real_data.find("carparts") / "carparts.parquet")
    wide = frame.pivot_table(index="unique_id", columns="ds", values="y", sort=True)
    n_days = -(-wide.shape[1] // PAD_MULTIPLE_DAYS) * PAD_MULTIPLE_DAYS
    y_ST = torch.full((len(wide), n_days), torch.nan, dtype=torch.float64)
    y_ST[:, -wide.shape[1] :] = torch.from_numpy(wide.to_numpy(dtype=float))
    mask_ST = y_ST.isfinite()
    return SkuBatch(wide.index.to_numpy(dtype=object), y_ST.nan_to_num(0.0), mask_ST, dt.date(2024, 1, 1))


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else 2000)
