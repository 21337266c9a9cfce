"""A silver-like table of seeded, retail-like demand: one Parquet file per bucket, for the benchmarks."""

from __future__ import annotations

from concurrent.futures import ProcessPoolExecutor
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from lakehouse.delta.parquet_options import ROW_GROUP_ROWS, parquet_write_options

FIRST_DAY = 17_897  # 2019-01-01
SERIES_PER_BUCKET = 428  # some 312,000 rows of two years: 64 buckets for 27,400 series
LOCATIONS = [f"S{i:02d}" for i in range(10)]


def bucket_file(folder: Path, bucket: int) -> Path:
    return folder / f"bucket={bucket}" / "part-0.parquet"


def write_input(folder: Path, buckets: int, days: int) -> None:
    """Write `buckets` bucket files and `calendar.parquet`, two processes wide; what is there is kept."""
    folder.mkdir(parents=True, exist_ok=True)
    pq.write_table(_calendar(days), folder / "calendar.parquet")
    missing = [b for b in range(buckets) if not bucket_file(folder, b).exists()]
    with ProcessPoolExecutor(2) as pool:
        list(pool.map(_write_bucket, [folder] * len(missing), missing, [days] * len(missing)))


def _write_bucket(folder: Path, bucket: int, days: int) -> None:
    path = bucket_file(folder, bucket)
    path.parent.mkdir(parents=True, exist_ok=True)
    table = _demand(bucket, days)
    partial = path.with_suffix(".partial")
    pq.write_table(table, partial, row_group_size=ROW_GROUP_ROWS, **parquet_write_options(table.schema))
    partial.rename(path)


def _demand(bucket: int, days: int) -> pa.Table:
    """Negative binomial units with a weekly season (most series sell less than one unit a day), 1% not observed."""
    rng = np.random.default_rng(bucket)
    S, T = SERIES_PER_BUCKET, days
    rate_S = rng.lognormal(-0.5, 1.2, S)
    season_T = 1 + 0.3 * np.sin(2 * np.pi * np.arange(T) / 7)
    y_ST = rng.poisson(rng.gamma(1.5, rate_S[:, None] / 1.5, (S, T)) * season_T).astype(np.float64)
    week_T = np.arange(T) // 7
    cut_SW = np.where(rng.random((S, T // 7 + 1)) < 0.08, 0.8, 1.0)
    price_ST = np.round(rng.lognormal(1.2, 0.6, S)[:, None] * cut_SW[:, week_T], 2)
    ids = [f"SKU{bucket:05d}{i:04d}|{LOCATIONS[i % len(LOCATIONS)]}|store" for i in range(S)]
    return pa.table(
        {
            "unique_id": pa.array(ids).take(pa.array(np.repeat(np.arange(S), T))),
            "location_id": pa.array(LOCATIONS).take(pa.array(np.repeat(np.arange(S) % len(LOCATIONS), T))),
            "ds": pa.array(np.tile(np.arange(FIRST_DAY, FIRST_DAY + T, dtype=np.int32), S)).view(pa.date32()),
            "y": pa.array(y_ST.ravel(), mask=rng.random(S * T) < 0.01),
            "unit_price": pa.array(price_ST.ravel()),
            "is_promo": pa.array((cut_SW < 1.0)[:, week_T].ravel()),
        }
    )


def _calendar(days: int) -> pa.Table:
    rng = np.random.default_rng(7)
    n = len(LOCATIONS) * days
    return pa.table(
        {
            "location_id": pa.array(np.repeat(LOCATIONS, days)),
            "ds": pa.array(np.tile(np.arange(FIRST_DAY, FIRST_DAY + days, dtype=np.int32), len(LOCATIONS))).view(
                pa.date32()
            ),
            "is_holiday": pa.array(rng.random(n) < 0.03),
            "is_event": pa.array(rng.random(n) < 0.08),
        }
    )
