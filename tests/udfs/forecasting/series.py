"""Series that the forecasting tests share."""

from __future__ import annotations

import datetime as dt

import numpy as np
import pandas as pd
import pyarrow as pa

from tests import real_data
from udfs.series.sku_batch import SkuBatch

CUTOFF = dt.date(2024, 3, 31)


def long_table(series: dict[str, np.ndarray], last_day: dt.date = CUTOFF) -> pa.Table:
    """unique_id, ds, y of arrays that all end on `last_day`; ids come out sorted."""
    ids, days, values = [], [], []
    for unique_id in sorted(series):
        y = np.asarray(series[unique_id], dtype=float)
        ids += [unique_id] * len(y)
        days += [last_day - dt.timedelta(days=len(y) - 1 - t) for t in range(len(y))]
        values.append(y)
    y = np.concatenate(values) if values else np.empty(0)
    return pa.table({"unique_id": pa.array(ids, pa.string()), "ds": pa.array(days, pa.date32()), "y": y})


def batch_of(series: dict[str, np.ndarray], max_history: int | None = None) -> SkuBatch:
    return SkuBatch.from_arrow(long_table(series), CUTOFF, max_history)


def mixed_series(n_series: int, n_days: int = 120, seed: int = 7) -> dict[str, np.ndarray]:
    """Counts of many levels and kinds: weekly seasons, sparse sales, missing days, short histories."""
    rng = np.random.default_rng(seed)
    series = {}
    for s in range(n_series):
        level = rng.choice([0.1, 0.4, 1.0, 4.0, 30.0])
        week = 1 + 0.6 * np.sin(2 * np.pi * np.arange(n_days) / 7 + s)
        y = rng.poisson(level * week).astype(float)
        y[rng.random(n_days) < 0.05] = np.nan
        series[f"s{s:03d}"] = y[-int(rng.integers(5, n_days + 1)) :]
    return series


def m5_table(n_series: int) -> pa.Table:
    """A fixed sample of M5 item-store series, sorted, daily from 2015-03-03 to 2016-03-27."""
    wide = pd.read_csv(real_data.find("m5") / "sales_train_evaluation.csv.gz").sort_values("id")
    wide = wide.iloc[np.linspace(0, len(wide) - 1, n_series).astype(int)]
    day_columns = [c for c in wide.columns if c.startswith("d_")]
    start = dt.date(2011, 1, 29)
    days = [start + dt.timedelta(days=int(c[2:]) - 1) for c in day_columns]
    return pa.table(
        {
            "unique_id": pa.array(np.repeat(wide["id"].to_numpy(), len(days)), pa.string()),
            "ds": pa.array(days * len(wide), pa.date32()),
            "y": wide[day_columns].to_numpy().astype(float).ravel(),
        }
    )
