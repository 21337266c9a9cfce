"""Per-SKU daily features: one pass over a bucket of series held as Arrow columns.

Each value of a row uses only what was known before its day `ds`: units sold (`y`) up to the day before; price,
promotion and calendar, which are planned ahead, up to `ds` itself. Definitions follow SQL windows
`ROWS BETWEEN n PRECEDING AND 1 PRECEDING` over a gap-free series: partial windows count, nulls are left out,
and a window without a value gives null.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, timedelta
from itertools import pairwise

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from lakehouse.schema.columns import schema_of
from udfs.demand.features import feature_kernel as kernel
from udfs.demand.features.feature_calendar import EPOCH, day_features
from udfs.series.arrow_arrays import nan_for_null, null_for, null_for_nan, one_chunk, runs

HISTORY_TYPES = schema_of(("unique_id", "location_id", "ds", "y", "unit_price", "is_promo"))
CALENDAR_TYPES = schema_of(("location_id", "ds", "is_holiday", "is_event"))
CARRY_TYPES = schema_of(("unique_id", "ds", "history_days", "days_since_sale"))
_NO_LAST_SALE = np.iinfo(np.int64).max


@dataclass(frozen=True, slots=True)
class FeatureSpec:
    """Which windows are computed; all in days, but `weekday_weeks` in weeks. Each tuple ascends strictly."""

    lags: tuple[int, ...] = (1, 7, 14, 28)
    windows: tuple[int, ...] = (7, 28, 56)
    weekday_weeks: tuple[int, ...] = (4, 8)
    price_window: int = 28

    def __post_init__(self) -> None:
        for name in ("lags", "windows", "weekday_weeks"):
            value = getattr(self, name)
            if not value or value[0] < 1 or any(b <= a for a, b in pairwise(value)):
                raise ValueError(f"FeatureSpec.{name}: expected ascending whole numbers >= 1, found {value}")
        if self.price_window < 1:
            raise ValueError(f"FeatureSpec.price_window: expected a day or more, found {self.price_window}")

    @property
    def lookback_days(self) -> int:
        """Days of history before a day that its features need (what needs more is carried)."""
        return max(self.lags[-1], self.windows[-1], 7 * self.weekday_weeks[-1], self.price_window)

    def demand_columns(self) -> list[str]:
        """Names of the columns that come from `y`, in the kernel's order."""
        names = ["y", *(f"lag_{k}" for k in self.lags)]
        for statistic in ("rolling_mean", "rolling_std", "zero_share"):
            names += [f"{statistic}_{w}" for w in self.windows]
        return names + [f"weekday_mean_{w}" for w in self.weekday_weeks]

    def schema(self) -> pa.Schema:
        """Schema of the result of `sku_daily_features`."""
        # Windows may be others than the lakehouse stores: what comes of y or of a price is a number as y is.
        number = schema_of(("y",)).field("y")
        calendar = ("day_of_week", "week_of_year", "month", "is_month_end", "is_holiday", "is_event")
        return pa.schema(
            [
                *schema_of(("unique_id", "ds")),
                *(number.with_name(name) for name in self.demand_columns()),
                *schema_of(("days_since_sale", "history_days", "unit_price")),
                number.with_name(f"price_ratio_{self.price_window}"),
                *schema_of(("is_promo", *calendar)),
            ]
        )


@dataclass(frozen=True, slots=True)
class _Layout:
    """Where each series lies in the rows of the history, and which of its days are emitted.

    Days are whole numbers since 1970-01-01; `begin_S` and `stop_S` count from the first row of the series.
    """

    unique_id: pa.Array
    start_S: np.ndarray
    end_S: np.ndarray
    day_S: np.ndarray
    begin_S: np.ndarray
    stop_S: np.ndarray
    emitted_S: np.ndarray


def sku_daily_features(
    history: pa.Table,
    calendar: pa.Table,
    spec: FeatureSpec = FeatureSpec(),
    *,
    first_ds: date | None = None,
    last_ds: date | None = None,
    carry: pa.Table | None = None,
) -> pa.Table:
    """Return the daily features of a bucket of series for `first_ds <= ds <= last_ds` (None: no bound).

    history: rows sorted by (unique_id, ds), one per day without gaps within a series: `unique_id`,
        `location_id` (string or dictionary), `ds` date32, `y` float64 [units], `unit_price` float64,
        `is_promo` bool. Null and NaN mean not observed.
    calendar: `location_id`, `ds`, `is_holiday`, `is_event`; a missing (location, day) is neither.
    carry: for an incremental run, `unique_id`, `ds` (the day before `first_ds`) and the features
        `history_days`, `days_since_sale` of that day. `history` then needs only `spec.lookback_days` days
        before `first_ds`; the result equals the full rebuild to the bit. A series not in `carry` is new.

    Returns a table of `spec.schema()`, in the order of `history`: rolling_std_n is the sample standard
    deviation (null under two observed days); zero_share_n the share of observed days with y = 0;
    weekday_mean_n the mean of y 7, 14, ... 7n days before; days_since_sale the days since the last earlier
    y > 0; history_days the days of history before ds; price_ratio_n the price over its mean on the n days
    before (null unless that mean is positive).
    Raises TypeError for a column of another type, ValueError for rows out of order, doubled or missing days,
    infinite values, and a carry that does not fit the history.
    """
    _check_types("history", history, HISTORY_TYPES)
    _check_types("calendar", calendar, CALENDAR_TYPES)
    if history.num_rows == 0:
        return spec.schema().empty_table()
    layout = _lay_out(history, first_ds, last_ds)
    location_S, locations = _location_of_series(history, layout)
    days_S, last_sale_S = _carried(carry, layout, spec, first_ds)
    demand, recency = _demand(history, layout, spec, last_sale_S)
    price = _price(history, layout, spec)
    day_S, n_S = layout.day_S + layout.begin_S, layout.emitted_S
    ds = np.empty(int(n_S.sum()), np.int32)
    kernel.count_up(day_S, n_S, ds)
    history_days = np.empty(ds.size, np.int32)
    kernel.count_up(days_S + layout.begin_S, n_S, history_days)
    span = (int(ds.min()), int(ds.max())) if ds.size else (0, 0)
    dates = day_features(calendar, locations, *span)
    columns = [
        layout.unique_id.take(pa.array(np.repeat(np.arange(n_S.size), n_S))),
        pa.array(ds).view(pa.date32()),
        *demand,
        recency,
        pa.array(history_days),
        *price,
        _emitted_rows(one_chunk(history["is_promo"]), layout),
        *dates.gather(location_S, np.where(n_S > 0, day_S, span[0]), n_S),
    ]
    return pa.Table.from_arrays(columns, schema=spec.schema())


def _check_types(what: str, table: pa.Table, types: pa.Schema) -> None:
    missing = [name for name in types.names if name not in table.column_names]
    if missing:
        raise TypeError(f"{what}: expected the columns {types.names}, found no {missing}; select and rename first")
    for name, expected in zip(types.names, types.types, strict=True):
        found = table.schema.field(name).type
        if pa.types.is_dictionary(found) and pa.types.is_string(expected):
            found = found.value_type
        if found != expected and not (pa.types.is_string(expected) and pa.types.is_large_string(found)):
            raise TypeError(f"{what}.{name}: expected {expected}, found {found}; cast it before calling")
    for name in ("unique_id", "ds"):
        if name in types.names and table[name].null_count:
            raise ValueError(f"{what}.{name}: expected no null, found {table[name].null_count}; quarantine them")


def _lay_out(history: pa.Table, first_ds: date | None, last_ds: date | None) -> _Layout:
    ids, end_S = runs(one_chunk(history["unique_id"]))
    ids = ids.cast(pa.string())
    start_S = np.concatenate(([0], end_S[:-1]))
    if len(ids) > 1:
        ascending = pc.less(ids.slice(0, len(ids) - 1), ids.slice(1)).to_numpy(zero_copy_only=False)
        if not ascending.all():
            at = int(np.argmin(ascending))
            raise ValueError(
                f"history: expected rows sorted by (unique_id, ds), found unique_id {ids[at + 1].as_py()!r}"
                f" after {ids[at].as_py()!r}; sort the bucket by unique_id, ds"
            )
    day = one_chunk(history["ds"]).view(pa.int32()).to_numpy()
    row = kernel.first_break(day, start_S, end_S)
    if row >= 0:
        raise ValueError(_order_error(ids[int(np.searchsorted(end_S, row, side="right"))], day[row - 1], day[row]))
    day_S = day[start_S].astype(np.int64)
    stop_S, begin_S = end_S - start_S, np.zeros_like(start_S)
    if last_ds is not None:
        stop_S = np.clip(_day(last_ds) + 1 - day_S, 0, stop_S)
    if first_ds is not None:
        begin_S = np.maximum(_day(first_ds) - day_S, 0)
    return _Layout(ids, start_S, end_S, day_S, begin_S, stop_S, np.maximum(stop_S - begin_S, 0))


def _order_error(unique_id: pa.Scalar, before: int, found: int) -> str:
    day = [EPOCH + timedelta(days=int(x)) for x in (before, found)]
    where = f"history: unique_id {unique_id.as_py()!r}"
    if found == before:
        return f"{where}: expected one row per day, found {day[1]} twice; aggregate to days first"
    if found < before:
        return f"{where}: expected ascending days, found {day[1]} after {day[0]}; sort by unique_id, ds"
    return f"{where}: expected a row for every day, found {day[1]} right after {day[0]}; fill the gap first"


def _location_of_series(history: pa.Table, layout: _Layout) -> tuple[np.ndarray, pa.Array]:
    """Return for each series the index of its location, and the distinct locations."""
    column = one_chunk(history["location_id"])
    names, end = runs(column)
    strays = end[~np.isin(end, layout.end_S)]
    for row in strays:
        if column[int(row) - 1].as_py() != column[int(row)].as_py():
            series = layout.unique_id[int(np.searchsorted(layout.end_S, row, side="right"))]
            raise ValueError(
                f"history: unique_id {series.as_py()!r}: expected one location_id, found"
                f" {column[int(row) - 1]} and {column[int(row)]}; put the location into unique_id"
            )
    name_S = names.take(pa.array(np.searchsorted(end, layout.start_S, side="right"))).cast(pa.string())
    encoded = name_S.dictionary_encode(null_encoding="encode")
    return encoded.indices.to_numpy().astype(np.int64), encoded.dictionary


def _carried(
    carry: pa.Table | None, layout: _Layout, spec: FeatureSpec, first_ds: date | None
) -> tuple[np.ndarray, np.ndarray]:
    """Return per series the history before its first row [days] and its last sale before that row.

    Both count from the first row of the series; the last sale is negative, or `_NO_LAST_SALE`.
    """
    days_S = np.zeros(len(layout.unique_id), np.int64)
    last_sale_S = np.full(days_S.size, _NO_LAST_SALE)
    if carry is None:
        return days_S, last_sale_S
    if first_ds is None:
        raise ValueError("carry: expected first_ds, the first day to compute, found None; pass both or neither")
    _check_types("carry", carry, CARRY_TYPES)
    day, eve = one_chunk(carry["ds"]).view(pa.int32()).to_numpy(), _day(first_ds) - 1
    if (day != eve).any():
        other = EPOCH + timedelta(days=int(day[np.argmax(day != eve)]))
        raise ValueError(f"carry.ds: expected {EPOCH + timedelta(days=eve)}, the day before first_ds, found {other}")
    row_S = pc.index_in(layout.unique_id, value_set=_strings(carry["unique_id"]))
    known_S = row_S.is_valid().to_numpy(zero_copy_only=False) & (layout.emitted_S > 0)
    row_K = row_S.filter(pa.array(known_S))
    history_K = one_chunk(carry["history_days"]).take(row_K).to_numpy(zero_copy_only=False)
    since_K = pc.fill_null(one_chunk(carry["days_since_sale"]), 0).take(row_K).to_numpy(zero_copy_only=False)
    eve_K = eve - layout.day_S[known_S]  # rows of this history before the carried day
    short = ~(eve_K >= np.minimum(history_K, spec.lookback_days - 1))  # a null history_days is NaN: short too
    if short.any():
        at = int(np.argmax(short))
        raise ValueError(
            f"history: unique_id {layout.unique_id.filter(pa.array(known_S))[at].as_py()!r}: expected"
            f" {spec.lookback_days} days before {first_ds} (or all of its {history_K[at]} + 1), found"
            f" {eve_K[at] + 1}; read the whole look-back"
        )
    days_S[known_S] = history_K - eve_K
    # The kernel finds a sale within the rows of this history by itself; only an earlier one is passed on.
    sale_K = eve_K - since_K
    last_sale_S[known_S] = np.where((since_K > 0) & (sale_K < 0), sale_K, _NO_LAST_SALE)
    return days_S, last_sale_S


def _demand(
    history: pa.Table, layout: _Layout, spec: FeatureSpec, last_sale_S: np.ndarray
) -> tuple[list[pa.Array], pa.Array]:
    y = _finite(history, "y", layout)
    rows = int(layout.emitted_S.sum())
    out = np.empty((len(spec.demand_columns()), rows))
    where = (layout.start_S, layout.begin_S, layout.stop_S)
    lags, windows, weeks = (np.array(x, np.int64) for x in (spec.lags, spec.windows, spec.weekday_weeks))
    kernel.demand_features(y, *where, lags, windows, weeks, spec.lookback_days, out)
    since = np.empty(rows, np.int32)
    kernel.sale_recency(y, *where, last_sale_S, since)
    return [null_for_nan(column) for column in out], null_for(since, kernel.NO_SALE)


def _price(history: pa.Table, layout: _Layout, spec: FeatureSpec) -> list[pa.Array]:
    price = _finite(history, "unit_price", layout)
    out = np.empty((2, int(layout.emitted_S.sum())))
    kernel.price_features(price, layout.start_S, layout.begin_S, layout.stop_S, spec.price_window, out)
    return [null_for_nan(column) for column in out]


def _finite(history: pa.Table, name: str, layout: _Layout) -> np.ndarray:
    x = nan_for_null(one_chunk(history[name]))
    row = kernel.first_infinite(x, layout.start_S, layout.stop_S)
    if row >= 0:
        series = layout.unique_id[int(np.searchsorted(layout.end_S, row, side="right"))]
        raise ValueError(
            f"history: unique_id {series.as_py()!r}: expected finite {name}, found {x[row]}; quarantine it"
        )
    return x


def _emitted_rows(column: pa.Array, layout: _Layout) -> pa.Array:
    n_S = layout.emitted_S
    rows = int(n_S.sum())
    if rows == len(column):
        return column
    index = np.empty(rows, np.int64)
    kernel.count_up(layout.start_S + layout.begin_S, n_S, index)
    return column.take(pa.array(index))


def _strings(column: pa.ChunkedArray) -> pa.Array:
    array = one_chunk(column)
    if pa.types.is_dictionary(array.type):
        array = array.dictionary_decode()
    return array.cast(pa.string())


def _day(ds: date) -> int:
    return (ds - EPOCH).days
