"""The features of a series: what each means and is worth, what reads it, and that none knows its own day."""

from __future__ import annotations

from collections.abc import Callable
from datetime import date
from typing import Any, Final

import numpy as np
import pandas as pd
import pyarrow.compute as pc

from jobs.views.series import frame_of
from lakehouse.delta.io import Lakehouse
from lakehouse.schema.tables import contract
from lakehouse.schema.tables.column_groups import NO_VALUE

FEATURES, GROUPS = "features.sku_daily", "features.group_daily"
FEATURE_COLUMNS: Final = tuple(name for name in contract(FEATURES).columns if name not in ("bucket", "run_id"))
ALL_READ: Final = ("y_latent", "unit_price", "is_promo")
"""What every model may read of the table; holidays and events of days ahead come from silver.calendar."""
TREES_READ: Final = (
    "lag_",
    "rolling_",
    "zero_share_",
    "weekday_mean_",
    "days_since_sale",
    "price_ratio_",
    "day_of_week",
)
"""Beginnings of the columns that trees read besides, as they are on the day after the last one known."""
_TOLERANCE = 1e-9  # of a value: sums in another order


def feature_values(features: pd.DataFrame) -> pd.DataFrame:
    """One row per column of features.sku_daily: what it means, its value on the last day, and which models read it.

    features: rows of one series, the last day last.
    """
    last = features.iloc[-1]
    comments = {column.name: column.comment for column in contract(FEATURES).declared()}
    rows = [
        {"column": name, "value": _shown(last[name]), "read by": read_by(name), "meaning": comments[name]}
        for name in FEATURE_COLUMNS
        if name not in ("unique_id", "ds")
    ]
    return pd.DataFrame(rows)


def read_by(column: str) -> str:
    """Which forecasting models read a column of features.sku_daily; '' for none."""
    if column in ALL_READ:
        return "all models"
    return "trees" if column.startswith(TREES_READ) else ""


def _shown(value: Any) -> str:
    if pd.isna(value):
        return "not known"
    return f"{value:,.4g}" if isinstance(value, float) else str(value)


def point_in_time(features: pd.DataFrame) -> pd.DataFrame:
    """Features of a series made again from units of earlier days alone: column, days compared, days that differ.

    Any difference means that a feature knows its own day or a later one, or has changed its meaning. features: rows of
    one series without gaps, from the first day of its history on.
    """
    y = features.set_index("ds")["y"].astype(float)
    before = y.shift(1)
    again: dict[str, pd.Series] = {}
    for name in FEATURE_COLUMNS:
        if (rule := _rule(name)) is not None:
            again[name] = rule(y, before)
    rows = []
    for name, expected in again.items():
        found = features.set_index("ds")[name].astype(float)
        same = np.isclose(found, expected, rtol=_TOLERANCE, atol=_TOLERANCE, equal_nan=True)
        rows.append({"column": name, "days": len(found), "differ": int((~same).sum())})
    return pd.DataFrame(rows)


def _rule(name: str) -> Callable[[pd.Series, pd.Series], pd.Series] | None:
    """How a column comes of the units before its day; None where units do not say."""
    stem, _, number = name.rpartition("_")
    windows: dict[str, Callable[[pd.Series, int], pd.Series]] = {
        "rolling_mean": lambda before, n: before.rolling(n, min_periods=1).mean(),
        "rolling_std": lambda before, n: before.rolling(n, min_periods=2).std(),
        "zero_share": lambda before, n: (
            (before == 0.0).where(before.notna()).astype(float).rolling(n, min_periods=1).mean()
        ),
    }
    if stem == "lag":
        return lambda y, _: y.shift(int(number))
    if stem in windows:
        return lambda _, before: windows[stem](before, int(number))
    if stem == "weekday_mean":
        return lambda y, _: pd.concat([y.shift(7 * week) for week in range(1, int(number) + 1)], axis=1).mean(axis=1)
    return None


def read_groups(lake: Lakehouse, row: Any, since: date, until: date) -> pd.DataFrame:
    """features.group_daily of the groups that a row of gold.order_plan belongs to; without rows where none is made.

    Models of all series read them where their settings ask for it, and only then is the table written.
    """
    department = row.department if isinstance(row.department, str) else NO_VALUE
    level = pc.field("level")
    of_series = (
        ((level == "sku") & (pc.field("sku_id") == row.sku_id))
        | (level == "all")
        | ((level == "location") & (pc.field("location_id") == row.location_id))
        | (
            (level == "location, department")
            & (pc.field("location_id") == row.location_id)
            & (pc.field("department") == department)
        )
    )
    columns = ["level", "group_name", "ds", "y_latent", "series", "trailing_mean_28", "selling_share"]
    days = (pc.field("ds") > since) & (pc.field("ds") <= until)
    return frame_of(lake.read_arrow(GROUPS, columns=columns, filters=of_series & days)).sort_values(["level", "ds"])
