"""The last count of each series, and what of it can be planned with."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import date
from typing import Final

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from udfs.inventory.demand_distribution import BoolArray, FloatArray
from udfs.inventory.inventory_spec import InventorySpec
from udfs.inventory.kernels.planning_inputs import (
    BadStockError,
    IdArray,
    Problems,
    day_number,
    frame_of,
    one_row_each,
    values_of,
)
from udfs.inventory.kernels.supply_input import refused_texts
from udfs.inventory.orders.order_words import number
from udfs.inventory.plausible import LEAST_DOUBTFUL_QTY, days_of_demand, is_impossible

NO_DAY: Final = -(10**9)
CORRECTED: Final = ("stock negative", "stock unusable")
"""Doubts about a quantity that the position does not take as it is stated."""

_QUANTITIES: Final = {"on_hand_qty": "on hand", "on_order_qty": "on order"}
_NOTHING: Final = ", taken as unknown"


def last_on_hand(counts: pa.Table) -> dict[str, float]:
    """By series the last stock on hand that was counted. counts: unique_id, ds, on_hand_qty, in any order."""
    rows = counts.sort_by("ds").to_pylist()
    return {row["unique_id"]: row["on_hand_qty"] for row in rows if row["on_hand_qty"] is not None}


@dataclass(frozen=True, slots=True)
class Counts:
    """The latest count of each series, [S]: its day (a day number, `NO_DAY` for none) and whether that is young enough;
    on hand and on order, NaN where nothing that can be planned with is said; doubts_S: tuples of (kind, words)."""

    day_S: NDArray[np.int64]
    is_young_S: BoolArray
    on_hand_S: FloatArray
    on_order_S: FloatArray
    doubts_S: NDArray[np.object_]


def read_counts(
    table: pa.Table, unique_id_S: IdArray, mean_S: FloatArray, as_of: date, spec: InventorySpec, problems: Problems
) -> Counts:
    """The latest count of each series on or before `as_of`; series with several go to `problems`.

    table: see `StockTables`. mean_S: expected demand in units a day.

    A count that is too old says nothing but its day. A quantity below 0 is a slip of bookkeeping and counts as 0; where
    unmet demand waits (`spec.backorder_share`), stock on hand below 0 is what is owed. One that `is_impossible` says
    nothing.
    """
    frame = frame_of(table, "stock", {name: pa.float64() for name in _QUANTITIES}, ("ds",))
    frame["row"] = np.arange(len(frame))
    frame = frame[frame["ds"] <= day_number(as_of)]
    latest = frame[frame["ds"] == frame.groupby("unique_id", sort=False)["ds"].transform("max")]
    latest = latest.reset_index(drop=True)
    at_S = one_row_each(latest, unique_id_S, "stock", BadStockError, problems)
    day_S = np.full(len(at_S), NO_DAY)
    day_S[at_S >= 0] = latest["ds"].to_numpy()[at_S[at_S >= 0]].astype(np.int64)
    age_S = day_number(as_of) - day_S
    is_young_S = age_S <= spec.max_stock_age_days

    doubts: list[list[tuple[str, str]]] = [[] for _ in at_S]
    refused_S = refused_texts(table, np.append(latest["row"].to_numpy(np.int64), -1)[at_S])
    for at in np.flatnonzero(is_young_S):
        for name, text in refused_S[at].items():
            doubts[at].append(("stock unusable", f"'{text}' {_QUANTITIES[name]}{_NOTHING}"))
    on_hand_S, is_null_S = values_of(latest, "on_hand_qty", at_S)
    for at in np.flatnonzero(~is_young_S & ~is_null_S):
        doubts[at].append(("stock old", f"{number(on_hand_S[at])} counted {age_S[at]} days before, too long ago"))
    usable = {}
    for name, words in _QUANTITIES.items():
        value_S, is_null_S = values_of(latest, name, at_S)
        is_owed = name == "on_hand_qty" and spec.backorder_share > 0.0
        usable[name], found = _usable(value_S, ~is_null_S & is_young_S, mean_S, spec, is_owed=is_owed)
        for row, kind, what in found:
            doubts[row].append((kind, f"{number(value_S[row]) or 'NaN'} {words}{what}"))
    doubts_S = np.empty(len(doubts), dtype=object)
    doubts_S[:] = [tuple(each) for each in doubts]
    return Counts(day_S, is_young_S, usable["on_hand_qty"], usable["on_order_qty"], doubts_S)


def _usable(
    value_S: FloatArray, is_said_S: BoolArray, mean_S: FloatArray, spec: InventorySpec, *, is_owed: bool
) -> tuple[FloatArray, Iterable[tuple[int, str, str]]]:
    """What can be planned with of a quantity, NaN for nothing; and (row, kind, words) of what is doubtful about it."""
    finite_S = np.where(is_said_S & np.isfinite(value_S), value_S, np.nan)
    with np.errstate(invalid="ignore"):
        is_negative_S = (finite_S < 0.0) & (not is_owed)
        is_impossible_S = is_impossible(finite_S, mean_S)
        is_much_S = (finite_S > LEAST_DOUBTFUL_QTY) & (days_of_demand(finite_S, mean_S) > spec.doubtful_stock_days)
    found = (
        ("stock negative", is_negative_S, ", taken as 0"),
        ("stock unusable", is_impossible_S, f", the demand of more than a hundred years{_NOTHING}"),
        ("stock unusable", is_said_S & np.isnan(finite_S), _NOTHING),
        ("stock doubtful", is_much_S & ~is_impossible_S, f", more than {spec.doubtful_stock_days:g} days of demand"),
    )
    usable_S = np.where(is_impossible_S, np.nan, np.where(is_negative_S, 0.0, finite_S))
    return usable_S, [(int(row), kind, words) for kind, at_S, words in found for row in np.flatnonzero(at_S)]
