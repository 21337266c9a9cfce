"""Small histories and calendars for the tests of the features."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import date, timedelta
from pathlib import Path

import duckdb
import numpy as np
import pyarrow as pa

FIRST_DAY = date(2015, 12, 20)  # over a year's end and into a leap February
LOCATIONS = ("north", "south")


def history_of(series: Iterable[tuple[str, date, Sequence[float | None]]], seed: int = 0) -> pa.Table:
    """Build a history from (unique_id, first day, units per day); prices and promotions are drawn from `seed`."""
    rng = np.random.default_rng(seed)
    parts = []
    for at, (unique_id, first, y) in enumerate(series):
        n = len(y)
        price = np.round(rng.choice([1.0, 1.25, 3.3], n) * (1 + at), 2)
        parts.append(
            pa.table(
                {
                    "unique_id": pa.array([unique_id] * n, pa.string()),
                    "location_id": pa.array([LOCATIONS[at % 2]] * n, pa.string()),
                    "ds": pa.array([first + timedelta(days=i) for i in range(n)], pa.date32()),
                    "y": pa.array(y, pa.float64()),
                    "unit_price": pa.array(price, mask=rng.random(n) < 0.1),
                    "is_promo": pa.array(rng.random(n) < 0.2, mask=rng.random(n) < 0.05),
                }
            )
        )
    return pa.concat_tables(parts).combine_chunks()


def hard_history(days: int = 150, seed: int = 1) -> pa.Table:
    """Return the series that break features: nulls, one row, all null, all zero, 1e9 units, short, fractional."""
    rng = np.random.default_rng(seed)
    gappy = [None if rng.random() < 0.3 else float(rng.poisson(1.5)) for _ in range(days)]
    late = FIRST_DAY + timedelta(days=days - 20)
    return history_of(
        [
            ("a|all_null", FIRST_DAY, [None] * 40),
            ("b|all_zero", FIRST_DAY, [0.0] * days),
            ("c|constant_fraction", FIRST_DAY, [0.1] * 80),
            ("d|gappy", FIRST_DAY, gappy),
            ("e|huge", FIRST_DAY, list(1e9 + rng.integers(-1_000_000, 1_000_000, days).astype(float))),
            ("f|jump", FIRST_DAY, [1.0] * 60 + [1e9] * 20 + [2.0, 3.0] * 35),
            ("g|late", late, list(rng.poisson(2.0, 20).astype(float))),
            ("h|null_end", FIRST_DAY, [2.0, 0.0, None] * 20 + [None] * (days - 60)),
            ("i|one_row", late, [5.0]),
            ("j|one_sale", FIRST_DAY, [0.0, 0.0, 7.5] + [0.0] * (days - 3)),
            ("k|plain", FIRST_DAY, list(rng.poisson(0.7, days).astype(float))),
            ("l|returns", FIRST_DAY, list(rng.integers(-2, 3, days).astype(float))),
        ]
    )


def calendar_of(history: pa.Table, seed: int = 2) -> pa.Table:
    """Return a calendar for the history's days with holes, nulls and both flags at random."""
    rng = np.random.default_rng(seed)
    days = sorted(set(history["ds"].to_pylist()))
    pairs = [(where, day) for where in LOCATIONS for day in days if rng.random() < 0.7]
    return pa.table(
        {
            "location_id": pa.array([where for where, _ in pairs], pa.string()),
            "ds": pa.array([day for _, day in pairs], pa.date32()),
            "is_holiday": pa.array(rng.random(len(pairs)) < 0.1, mask=rng.random(len(pairs)) < 0.1),
            "is_event": pa.array(rng.random(len(pairs)) < 0.2),
        }
    )


def m5_history(folder: Path, items: int = 10) -> tuple[pa.Table, pa.Table]:
    """Return history and calendar of `items` real M5 items in all stores, with prices where one was set."""
    sales, prices, calendar = (
        str(folder / name) for name in ("sales_train_evaluation.csv.gz", "sell_prices.csv.gz", "calendar.csv")
    )
    with duckdb.connect(config={"threads": 1}) as connection:
        history = connection.execute(
            """
            WITH chosen AS (SELECT item_id FROM read_csv(?) GROUP BY item_id ORDER BY md5(item_id) LIMIT ?),
            melted AS (
                UNPIVOT (SELECT * EXCLUDE (id, dept_id, cat_id, state_id) FROM read_csv(?)
                         WHERE item_id IN (FROM chosen)) ON COLUMNS('^d_') INTO NAME d VALUE units
            )
            SELECT item_id || '|' || store_id || '|all' AS unique_id, store_id AS location_id,
                date::DATE AS ds, units::DOUBLE AS y, sell_price::DOUBLE AS unit_price, snap_CA = 1 AS is_promo
            FROM melted JOIN read_csv(?) USING (d) LEFT JOIN read_csv(?) USING (store_id, item_id, wm_yr_wk)
            ORDER BY unique_id, ds
            """,
            [sales, items, sales, calendar, prices],
        ).to_arrow_table()
        events = connection.execute(
            """
            SELECT location_id, date::DATE AS ds, coalesce(event_type_1 = 'National', false) AS is_holiday,
                event_name_1 IS NOT NULL AS is_event
            FROM read_csv(?), (SELECT unnest(?) AS location_id)
            """,
            [calendar, sorted(set(history["location_id"].to_pylist()))],
        ).to_arrow_table()
    return history, events
