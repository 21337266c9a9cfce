"""The daily features as plain SQL for DuckDB: an oracle for the kernel, and a competitor in the benchmark."""

from __future__ import annotations

import duckdb
import numpy as np
import pyarrow as pa


def feature_sql(history: str, calendar: str) -> str:
    """Return the query over the relations `history` and `calendar`; columns as `FeatureSpec().schema()`."""
    ahead = "PARTITION BY unique_id ORDER BY ds"
    windows = ", ".join(f"w{n} AS ({ahead} ROWS BETWEEN {n} PRECEDING AND 1 PRECEDING)" for n in (7, 28, 56))
    lags = ", ".join(f"lag(y, {k}) OVER w AS lag_{k}" for k in (1, 7, 14, 28))
    rolling = ", ".join(
        f"{call} OVER w{n} AS {name}_{n}"
        for name, call in (
            ("rolling_mean", "avg(y)"),
            ("rolling_std", "stddev_samp(y)"),
            ("zero_share", "avg(CASE WHEN y = 0 THEN 1.0::DOUBLE WHEN y IS NOT NULL THEN 0.0::DOUBLE END)"),
        )
        for n in (7, 28, 56)
    )
    weekdays = ", ".join(f"lag(y, {7 * k}) OVER w AS week_{k}" for k in range(1, 9))
    weekday_means = ", ".join(
        f"list_avg([{', '.join(f'week_{k}' for k in range(1, n + 1))}]) AS weekday_mean_{n}" for n in (4, 8)
    )
    return f"""
    WITH windowed AS (
        SELECT unique_id, location_id, ds, y, {lags}, {rolling}, {weekdays},
            (ds - max(CASE WHEN y > 0 THEN ds END)
                OVER ({ahead} ROWS BETWEEN UNBOUNDED PRECEDING AND 1 PRECEDING))::INTEGER AS days_since_sale,
            (row_number() OVER w - 1)::INTEGER AS history_days,
            unit_price, unit_price / avg(unit_price) OVER w28 AS price_ratio_28, is_promo
        FROM {history} WINDOW w AS ({ahead}), {windows}
    )
    SELECT unique_id, ds, y, lag_1, lag_7, lag_14, lag_28, {
        ", ".join(f"{name}_{n}" for name in ("rolling_mean", "rolling_std", "zero_share") for n in (7, 28, 56))
    }, {weekday_means}, days_since_sale, history_days, unit_price, price_ratio_28, is_promo,
        isodow(ds)::TINYINT AS day_of_week, weekofyear(ds)::TINYINT AS week_of_year, month(ds)::TINYINT AS month,
        ds = last_day(ds) AS is_month_end,
        coalesce(is_holiday, false) AS is_holiday, coalesce(is_event, false) AS is_event
    FROM windowed LEFT JOIN {calendar} USING (location_id, ds)
    """


def features_by_sql(history: pa.Table, calendar: pa.Table) -> pa.Table:
    with duckdb.connect(config={"threads": 1}) as connection:
        connection.register("history", history)
        connection.register("calendar", calendar)
        return connection.execute(feature_sql("history", "calendar") + " ORDER BY unique_id, ds").to_arrow_table()


def differences(found: pa.Table, expected: pa.Table, tolerance: float = 1e-9) -> list[str]:
    """Return, per column, what differs: rows, nulls, or values by more than `tolerance` (relative or absolute)."""
    if found.column_names != expected.column_names or found.num_rows != expected.num_rows:
        return [f"columns {found.column_names} x {found.num_rows}, {expected.column_names} x {expected.num_rows}"]
    wrong = []
    for name in expected.column_names:
        a, b = found[name].combine_chunks(), expected[name].combine_chunks()
        if not a.is_null().equals(b.is_null()):
            wrong.append(f"{name}: nulls differ")
        elif pa.types.is_floating(b.type):
            x, z = (np.asarray(c.drop_null().to_numpy(zero_copy_only=False)) for c in (a, b))
            gap = np.abs(x - z) / np.maximum(np.abs(z), 1.0)
            if not (gap <= tolerance).all():
                wrong.append(f"{name}: differs by {np.nanmax(gap):.3g}, NaN {np.isnan(gap).sum()}")
        elif not a.cast(b.type).equals(b):
            wrong.append(f"{name}: values differ")
    return wrong
