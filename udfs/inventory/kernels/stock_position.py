"""Stock on the as-of day: the last count rolled forward to it, and what is on order, own earlier plans included.

All happens at the end of a day, as in the simulator: a day's count holds the day's sales and what was due by that day;
its plan orders after the count; an order that is due on day d can be sold from day d + 1 on.
"""

from __future__ import annotations

from dataclasses import dataclass, fields, replace
from datetime import date

import numpy as np
import pandas as pd
import pyarrow as pa
from numpy.typing import NDArray

from udfs.inventory.demand_distribution import BoolArray, FloatArray
from udfs.inventory.inventory_spec import InventorySpec
from udfs.inventory.kernels.planning_inputs import (
    BadStockError,
    ForecastInput,
    IdArray,
    Problems,
    day_number,
    frame_of,
    mean_daily_demand,
)
from udfs.inventory.kernels.stock_counts import CORRECTED, NO_DAY, Counts, read_counts


@dataclass(frozen=True, slots=True)
class StockTables:
    """What is told about stock.

    counts: unique_id, ds, on_hand_qty, on_order_qty, optionally refused_values. demand: unique_id, ds, y: units sold a
    day, NULL where not observed; of the `max_stock_age_days` up to the as-of day. open_orders: unique_id, order_date,
    order_qty, expected_receipt_ds, optionally on_hand_qty: what earlier plans ordered and reckoned with, of one run for
    each as-of day.
    """

    counts: pa.Table
    demand: pa.Table
    open_orders: pa.Table


@dataclass(frozen=True, slots=True)
class StockInput:
    """Stock per series on the as-of day, units [S]: negative on hand is backorders.

    is_on_hand_assumed_S: no count is young enough. is_on_order_assumed_S: no feed says. is_overdrawn_S: more was sold
    since the count than is known to have been there. age_days_S: days since the count, 0 without one. counted_S,
    sold_S, received_S: what on_hand_S is made of; missing_days_S: days of sold_S that are taken as forecast.
    own_order_S: what of on_order_S comes from earlier plans. planned_days_S: days since the plan whose assumed stock
    was rolled forward where there is no count, 0 without one; where there is neither, on_hand_S is NaN until `placed`.
    doubts_S: tuples of (kind, words), see `udfs.doubts`.
    """

    on_hand_S: FloatArray
    on_order_S: FloatArray
    is_on_hand_assumed_S: BoolArray
    is_on_order_assumed_S: BoolArray
    is_overdrawn_S: BoolArray
    age_days_S: NDArray[np.int64]
    counted_S: FloatArray
    sold_S: FloatArray
    received_S: FloatArray
    missing_days_S: NDArray[np.int64]
    own_order_S: FloatArray
    planned_days_S: NDArray[np.int64]
    doubts_S: NDArray[np.object_]

    def take(self, rows: NDArray[np.int64]) -> StockInput:
        return StockInput(**{field.name: getattr(self, field.name)[rows] for field in fields(self)})

    @property
    def is_placed(self) -> BoolArray:
        """[S]: a count, or an earlier plan, says what is on hand."""
        return np.isfinite(self.on_hand_S)

    def placed(self, position_S: FloatArray) -> StockInput:
        """With the stock on hand that makes the position where nothing says what there is; its pipeline is in it."""
        on_hand_S = np.where(self.is_placed, self.on_hand_S, np.maximum(position_S - self.on_order_S, 0.0))
        return replace(self, on_hand_S=on_hand_S)

    @property
    def is_assumed(self) -> BoolArray:
        """[S]: some part of the position is not what a feed or the sales say."""
        is_estimated_S = (self.missing_days_S > 0) | self.is_overdrawn_S
        is_corrected_S = np.array([any(kind in CORRECTED for kind, _ in found) for found in self.doubts_S], dtype=bool)
        return self.is_on_hand_assumed_S | self.is_on_order_assumed_S | is_estimated_S | is_corrected_S


def read_stock(
    tables: StockTables, forecast: ForecastInput, as_of: date, spec: InventorySpec
) -> tuple[StockInput, Problems]:
    """Stock of the forecast's series at the end of `as_of`, and the unfit series: a count or an open order told twice.

    On hand is the latest count on or before `as_of` (`read_counts`), less what was sold since, plus what earlier plans
    ordered and was due since; not below 0, or below the count where that was negative. A day since the count without an
    observation counts as a day of mean forecast demand. Without a count, what the last of the earlier plans reckoned
    with stands in for one, if it is of the last `max_stock_age_days` days; else on hand is NaN, see `placed`.

    On order is what the count says, plus own orders from its day on; where it says nothing, all own orders that are
    due after `as_of`. Orders of `as_of` and later do not count: they are being made.

    Raises ValueError for a missing column or a NULL unique_id.
    """
    problems: Problems = {}
    today, mean_S = day_number(as_of), mean_daily_demand(forecast)
    counts = read_counts(tables.counts, forecast.unique_id_S, mean_S, as_of, spec, problems)
    is_hand_assumed_S, is_order_assumed_S = np.isnan(counts.on_hand_S), np.isnan(counts.on_order_S)
    age_S = np.where(counts.day_S > NO_DAY, today - counts.day_S, 0)
    counts = _with_planned(counts, tables.open_orders, forecast.unique_id_S, today - spec.max_stock_age_days, today)
    planned_S = np.where(is_hand_assumed_S & np.isfinite(counts.on_hand_S), today - counts.day_S, 0)
    seen_S, seen_days_S = _sold_since(tables.demand, forecast.unique_id_S, counts.day_S, today)
    received_S, own_S = _own_orders(tables.open_orders, forecast.unique_id_S, counts, today, problems)

    is_known_S = np.isfinite(counts.on_hand_S)
    missing_S = np.where(is_known_S, today - counts.day_S - seen_days_S, 0)
    sold_S = seen_S + missing_S * mean_S
    rolled_S = counts.on_hand_S - sold_S + received_S
    least_S = np.minimum(counts.on_hand_S, 0.0)
    result = StockInput(
        on_hand_S=np.maximum(rolled_S, least_S),
        on_order_S=np.where(is_order_assumed_S, 0.0, counts.on_order_S) + own_S,
        is_on_hand_assumed_S=is_hand_assumed_S,
        is_on_order_assumed_S=is_order_assumed_S,
        is_overdrawn_S=~is_hand_assumed_S & (counts.on_hand_S - seen_S + received_S < least_S),
        age_days_S=age_S,
        counted_S=counts.on_hand_S,
        sold_S=sold_S,
        received_S=np.where(is_known_S, received_S, 0.0),
        missing_days_S=missing_S,
        own_order_S=own_S,
        planned_days_S=planned_S,
        doubts_S=counts.doubts_S,
    )
    return result, problems


def _with_planned(counts: Counts, orders: pa.Table, unique_id_S: IdArray, first: int, today: int) -> Counts:
    """The counts; without one, what the last plan from day `first` on reckoned to be on hand, as counted on its day."""
    if "on_hand_qty" not in orders.column_names:
        return counts
    frame = frame_of(orders, "open orders", {"on_hand_qty": pa.float64()}, ("order_date",))
    frame = frame[(frame["order_date"] >= first) & (frame["order_date"] < today) & frame["on_hand_qty"].notna()]
    last = frame.sort_values("order_date", kind="stable").drop_duplicates("unique_id", keep="last")
    at_S = pd.Index(last["unique_id"]).get_indexer(pd.Index(unique_id_S))
    use_S = np.isnan(counts.on_hand_S) & (at_S >= 0)
    day_S, on_hand_S = counts.day_S.copy(), counts.on_hand_S.copy()
    day_S[use_S] = last["order_date"].to_numpy()[at_S[use_S]].astype(np.int64)
    on_hand_S[use_S] = last["on_hand_qty"].to_numpy()[at_S[use_S]]
    return replace(counts, day_S=day_S, on_hand_S=on_hand_S, is_young_S=counts.is_young_S | use_S)


def _sold_since(
    demand: pa.Table, unique_id_S: IdArray, day_S: NDArray[np.int64], today: int
) -> tuple[FloatArray, NDArray[np.int64]]:
    """Units sold after each series' count up to today, and the days of it that were observed."""
    frame = frame_of(demand, "demand", {"y": pa.float64()}, ("ds",))
    row = pd.Index(unique_id_S).get_indexer(pd.Index(frame["unique_id"]))
    day, y = frame["ds"].to_numpy(), frame["y"].to_numpy()
    use = (row >= 0) & np.isfinite(y) & (day <= today)
    use[use] = day[use] > day_S[row[use]]
    # Rows of a series are summed in the order of their days, whatever rows lie between them.
    order = np.flatnonzero(use)[np.argsort(day[use], kind="stable")]
    n_series = len(unique_id_S)
    days_S = np.bincount(row[order], minlength=n_series).astype(np.int64)
    return np.asarray(np.bincount(row[order], y[order], minlength=n_series), dtype=np.float64), days_S


def _own_orders(
    orders: pa.Table, unique_id_S: IdArray, counts: Counts, today: int, problems: Problems
) -> tuple[FloatArray, FloatArray]:
    """Units of earlier plans that came in since each series' count, and units that are still on order, [S] each."""
    frame = frame_of(orders, "open orders", {"order_qty": pa.float64()}, ("order_date", "expected_receipt_ds"))
    frame = frame[(frame["order_qty"] > 0.0) & (frame["order_date"] < today)]
    row = pd.Index(unique_id_S).get_indexer(pd.Index(frame["unique_id"]))
    frame, row = frame[row >= 0], row[row >= 0]
    for unique_id in frame.loc[frame.duplicated(["unique_id", "order_date"]), "unique_id"].unique():
        count = int(frame[frame["unique_id"] == unique_id].groupby("order_date").size().max())
        problems.setdefault(
            str(unique_id),
            BadStockError(f"open orders: expected one order per series and day, found {count}; give one run a day"),
        )
    ordered, due = frame["order_date"].to_numpy(), frame["expected_receipt_ds"].to_numpy()
    day = np.where(counts.is_young_S, counts.day_S, NO_DAY)[row]
    # A feed that says what is on order knows of all that was ordered before the evening of its count.
    is_told = ~np.isnan(counts.on_order_S)[row] & (ordered < day)
    is_pending = ~is_told & ((due > day) | (ordered >= day))
    quantity = frame["order_qty"].to_numpy()

    def total(mask: BoolArray) -> FloatArray:
        return np.asarray(np.bincount(row[mask], quantity[mask], minlength=len(unique_id_S)), dtype=np.float64)

    return total(is_pending & (due <= today)), total(is_pending & (due > today))
