"""Accuracy on the 414 hourly series of the M4 competition: 48 hours ahead, season of 24.

Run it as `python -m tests.benchmarks.bench_m4 [MODEL ...]`, where `a+b` averages two models, with the data beside the
project. Prints a JSON line per model: sMAPE in percent, MASE and OWA relative to Naive2, on windows inside the training
part ("validation", by which settings and the final choice were made) and on the test part. Published: seasonal naive
13.912, 1.193 and .627; the winner of the competition has an OWA of .440, the best of all methods .410.
"""

from __future__ import annotations

import datetime as dt
import json
import sys
import time

import numpy as np
import pandas as pd
import torch

from tests import real_data
from udfs.forecasting import metrics
from udfs.forecasting.choice.ensemble import JOIN, Ensemble
from udfs.forecasting.forecast_spec import QUANTILES, ForecastSpec
from udfs.forecasting.forecaster import Forecaster
from udfs.forecasting.registry import make
from udfs.series.sku_batch import PAD_MULTIPLE_DAYS, SkuBatch

HORIZON, SEASON = 48, 24
VALIDATION = (48, 96, 144, 192)
"""Hours before the end of the training part at which the windows start."""

MODELS = ("seasonal_naive", "naive2", "ets", "theta", "lag_regression", "lag_regression+ets")


def main(wanted: list[str]) -> None:
    batch, actual = load()
    windows = {back: (batch.until(back), batch.ahead(back, HORIZON)[0]) for back in VALIDATION}
    spec = ForecastSpec(season_length=SEASON)
    base = {back: scores(make("naive2", spec), *windows[back]) for back in VALIDATION}
    base_test = scores(make("naive2", spec), batch, actual)
    for name in wanted or list(MODELS):
        members = tuple(make(member, spec) for member in name.split(JOIN))
        model = members[0] if len(members) == 1 else Ensemble(members)
        start = time.perf_counter()
        test = _row(scores(model, batch, actual), base_test)
        seconds = time.perf_counter() - start
        rows = [_row(scores(model, *windows[back]), base[back]) for back in VALIDATION]
        validation = {key: round(float(np.mean([row[key] for row in rows])), 4) for key in rows[0]}
        print(
            json.dumps({"model": name, "validation": validation, "test": test, "seconds": round(seconds, 2)}),
            flush=True,
        )


def load() -> tuple[SkuBatch, torch.Tensor]:
    """The training part as one batch, and (S, H) the test part in its order."""
    folder = real_data.ROOT / "m4_hourly"
    train, test = (
        pd.read_parquet(folder / f"{part}.parquet").sort_values(["unique_id", "step"]) for part in ("train", "test")
    )
    series = {u: y.to_numpy(dtype=float) for u, y in train.groupby("unique_id")["y"]}
    longest = max(map(len, series.values()))
    n_days = -(-longest // PAD_MULTIPLE_DAYS) * PAD_MULTIPLE_DAYS
    y_ST = torch.zeros((len(series), n_days), dtype=torch.float64)
    mask_ST = torch.zeros_like(y_ST, dtype=torch.bool)
    for s, y in enumerate(series.values()):
        y_ST[s, -len(y) :], mask_ST[s, -len(y) :] = torch.from_numpy(y), True
    batch = SkuBatch(np.array(list(series), dtype=object), y_ST, mask_ST, dt.date(2017, 1, 1))
    return batch, torch.from_numpy(test["y"].to_numpy(dtype=float).reshape(len(series), HORIZON))


def scores(model: Forecaster, batch: SkuBatch, actual: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    mean = model.forecast(batch, HORIZON, QUANTILES).mean_SH
    mask = torch.ones_like(actual, dtype=torch.bool)
    scale = metrics.difference_scale(batch, power=1, lag=SEASON)
    return metrics.smape(actual, mean, mask), metrics.mase(actual, mean, mask, scale)


def _row(scores: tuple[torch.Tensor, torch.Tensor], base: tuple[torch.Tensor, torch.Tensor]) -> dict[str, float]:
    smape, mase = (score.nanmean().item() for score in scores)
    return {"smape": round(100 * smape, 3), "mase": round(mase, 4), "owa": round(metrics.owa(*scores, *base).item(), 4)}


if __name__ == "__main__":
    main(sys.argv[1:])
