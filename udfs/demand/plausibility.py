"""Days whose units or price can only be a typing error: a barcode in the quantity, x100, a misplaced decimal.

A series is judged by itself. The largest usual day is the largest one that is left when as many sale days as could be
in error are set aside; a day beyond a multiple of it is implausible. Two or three errors cannot hide each other so, and
what real demand does (promotions, Christmas, a rare large order) lies within the multiple: no assumption is made on
how sizes are distributed, for the tails of retail and of wholesale have little in common. Measured against Hampel's
rule (median and MAD of logs) and Weissman's extrapolation of the tail (1978) in `tests.benchmarks.bench_plausibility`.

Two things make a large day believable. It does not stand alone: `errors + 1` days alike within a week of sale days are
a change of level, of unit or of currency, or a season. Or its price says so: a bulk order has a bulk price, a typing
error has the usual one. Where the feed divides value by units, an error in the units lowers the price too; but then
the day's value stays what it always was, while that of a bulk order does not. Promotions need no word of their own:
what they sell lies within the multiple.

This is cleaning, not forecasting: a day's verdict may lean on later days, and may change when they come. A large day is
implausible while it is alone and believed once others like it followed. Units that are too small, zero or negative
are no errors here.
"""

from __future__ import annotations

from dataclasses import dataclass, fields
from functools import cached_property
from typing import Final, NamedTuple

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc

from udfs.series.arrow_arrays import bools, check_sorted, null_for_nan, one_chunk, runs

TOGETHER_DAYS: Final = 7
"""Sale days within which large days stand together."""
BULK_VALUE: Final = 2.0
"""A bulk order is worth more than so many times the largest usual day at the usual price."""
GIVE_AWAY_SHARE: Final = 0.1
"""A give-away costs at most this share of the usual price: an article of a cent sells at a cent."""


@dataclass(frozen=True, slots=True)
class PlausibilitySpec:
    """What is beyond belief. The defaults were chosen on M5, The Complete Journey and Online Retail II.

    Attributes:
        ratio: units beyond so many times the largest usual day are implausible.
        young_ratio: the ratio grows by the share young_ratio / (sale days - 1): few days show little of what is usual.
        smallest_sales: the largest usual day is taken to be at least so many times the smallest sale: where articles
            sell one by one, an order of ten is no error.
        errors: so many of a series' days can be in error, fewer than half of its sale days; one more of them together
            is believed.
        days_per_error: and a further one for each so many sale days.
        most_qty: units a day beyond which no series gets, however short: barcodes have 8 to 14 digits. A source that
            counts in grams may need more.
        price_elasticity: a price p below the usual price u allows for (u / p) ** price_elasticity times the units; 0
            for none.
        price_ratio: prices beyond so many times the highest or lowest usual price are implausible.
        give_away_price: prices up to this are give-aways where the usual price is far above.
    """

    ratio: float = 6.0
    young_ratio: float = 3.0
    smallest_sales: float = 3.0
    errors: int = 3
    days_per_error: int = 100
    most_qty: float = 1e8
    price_elasticity: float = 2.5
    price_ratio: float = 20.0
    give_away_price: float = 0.01

    def __post_init__(self) -> None:
        least = {"ratio": 1.0, "smallest_sales": 1.0, "price_ratio": 1.0, "errors": 1, "days_per_error": 1}
        for name in (field.name for field in fields(self)):
            value = getattr(self, name)
            if not value >= least.get(name, 0.0) or not np.isfinite(value):
                raise ValueError(f"expected a finite {name} of at least {least.get(name, 0.0):g}, found {value}")

    def set_aside(self, n_S: np.ndarray) -> np.ndarray:
        """How many of n sale days can be in error: at least one, and else fewer than half."""
        return np.maximum(np.minimum(self.errors + n_S // self.days_per_error, (n_S - 1) // 2), 1)


class Implausible(NamedTuple):
    """What cannot be believed of R rows, all (R,).

    Attributes:
        y_bound: units that the day exceeds; NaN where y is plausible or unknown.
        y_usual: median units of the series' plausible days with a sale where y is implausible, else NaN; NaN also
            where there is no such day. Something was sold, so it is nearer to the truth than taking the day out.
        price_bound: the price that unit_price exceeds, or falls short of; NaN where it is plausible or unknown.
        is_give_away: True where the price is zero or next to nothing beside the usual one: no price to plan with.
    """

    y_bound: np.ndarray
    y_usual: np.ndarray
    price_bound: np.ndarray
    is_give_away: np.ndarray


def implausible(
    y: np.ndarray, unit_price: np.ndarray, length_S: np.ndarray, spec: PlausibilitySpec | None = None
) -> Implausible:
    """Find the rows of S series whose units or price can only be a typing error.

    Args:
        y: (R,) units a day, NaN where not observed; series after series, days in order.
        unit_price: (R,) money per unit, NaN where unknown.
        length_S: (S,) rows of each series, at least one.
        spec: None takes the defaults.

    Prices are judged by those of days with a sale; on other days stands what was stated or carried there, and a price
    carried from a day with a sale is believed if it was there.

    Raises:
        ValueError: lengths that do not fit.
    """
    spec = spec or PlausibilitySpec()
    if not len(y) == len(unit_price) == int(np.sum(length_S)) or (len(length_S) and np.min(length_S) < 1):
        raise ValueError(
            f"expected y and unit_price of as many rows as the series have, each one or more; found {len(y)}, "
            f"{len(unit_price)} and {int(np.sum(length_S))}"
        )
    rows = _Rows(np.asarray(y, np.float64), np.asarray(unit_price, np.float64), np.asarray(length_S, np.int64))
    prices = _Ranked.of(rows.price, rows.is_priced, rows)
    usual_S = prices.median()
    is_give_away = (rows.price <= 0) | (
        (rows.price <= spec.give_away_price) & (rows.price <= rows.each(GIVE_AWAY_SHARE * usual_S))
    )
    if (rows.is_priced & is_give_away).any():
        prices = _Ranked.of(rows.price, rows.is_priced & ~is_give_away, rows)
    price_bound = _price_bound(rows, prices, is_give_away, spec)
    is_usable = ~is_give_away & np.isnan(price_bound)
    return Implausible(*_quantities(rows, usual_S, is_usable, spec), price_bound, is_give_away)


def plausibility_table(sales: pa.Table, spec: PlausibilitySpec | None = None) -> pa.Table:
    """The table with what cannot be believed added, rows in their order.

    Args:
        sales: columns unique_id, ds (date), y (units, NULL where not observed) and unit_price (NULL where unknown),
            rows of whole series sorted by (unique_id, ds).
        spec: None takes the defaults.

    Added are is_y_implausible, y_bound and y_usual (units), is_price_implausible, price_bound and is_give_away as in
    `Implausible`, NULL for NaN. Every series depends on itself alone.

    Raises:
        ValueError: missing columns, rows out of order, twice the same day, or a NULL id or day.
    """
    wanted = ("unique_id", "ds", "y", "unit_price")
    missing = set(wanted) - set(sales.column_names)
    if missing:
        raise ValueError(f"expected columns {', '.join(wanted)}, found none called {sorted(missing)}")
    if sales["unique_id"].null_count or sales["ds"].null_count:
        raise ValueError("expected unique_id and ds on every row, found NULLs; drop or quarantine these rows")
    ids, end_S = runs(one_chunk(sales["unique_id"]))
    length_S = np.diff(end_S, prepend=0)
    day = sales["ds"].cast(pa.date32()).cast(pa.int32()).to_numpy()
    check_sorted(
        np.asarray(ids.to_pylist(), object), np.repeat(np.arange(len(length_S), dtype=np.int32), length_S), day
    )
    y, price = (pc.fill_null(sales[name].cast(pa.float64()), np.nan).to_numpy() for name in ("y", "unit_price"))
    found = implausible(y, price, length_S, spec)
    for name, bound in (("y", found.y_bound), ("price", found.price_bound)):
        sales = sales.append_column(f"is_{name}_implausible", bools(~np.isnan(bound)))
        sales = sales.append_column(f"{name}_bound", null_for_nan(bound))
    sales = sales.append_column("y_usual", null_for_nan(found.y_usual))
    return sales.append_column("is_give_away", bools(found.is_give_away))


def verdicts(
    series: np.ndarray, y: np.ndarray, unit_price: np.ndarray, is_stated: np.ndarray, spec: PlausibilitySpec
) -> pd.DataFrame:
    """What cannot be believed of R rows, and what to take in its place.

    Args:
        series: (R,) a number for each series, whose rows follow each other in order of days.
        y, unit_price: as in `implausible`.
        is_stated: (R,) False where the day has no row and its price was carried there.
        spec: what is beyond belief.

    Returns:
        (R,) y_bound, y_usual and price_bound as in `Implausible`, and price_usual: the last price before that can be
        believed, where the day's own cannot or where a give-away was carried; NaN elsewhere and where there is none.
    """
    start = np.flatnonzero(np.diff(series, prepend=series[:1] - 1)) if len(series) else np.empty(0, np.int64)
    length_S = np.diff(start, append=len(series))
    found = implausible(y, unit_price, length_S, spec)
    is_refused = ~np.isnan(found.price_bound) | (found.is_give_away & ~is_stated.astype(np.bool_))
    is_believed = np.isfinite(unit_price) & np.isnan(found.price_bound) & ~found.is_give_away
    last = np.maximum.accumulate(np.where(is_believed, np.arange(len(series)), -1)) if len(series) else start
    has_one = is_refused & (last >= np.repeat(start, length_S))
    price_usual = np.where(has_one, unit_price[last], np.nan)
    return pd.DataFrame(
        {
            "y_bound": found.y_bound,
            "y_usual": found.y_usual,
            "price_bound": found.price_bound,
            "price_usual": price_usual,
        }
    )


@dataclass(frozen=True)
class _Rows:
    y: np.ndarray
    price: np.ndarray
    length_S: np.ndarray

    @cached_property
    def is_sold(self) -> np.ndarray:
        return self.y > 0

    @cached_property
    def is_priced(self) -> np.ndarray:
        """Days with a sale that say what was paid."""
        return self.is_sold & (self.price > 0) & (self.price < np.inf)

    @cached_property
    def series(self) -> np.ndarray:
        return self.each(np.arange(len(self.length_S), dtype=np.int32))

    @cached_property
    def price_run(self) -> np.ndarray:
        """Number of the run of one price within one series."""
        is_new = (self.series[1:] != self.series[:-1]) | (self.price[1:] != self.price[:-1])
        return np.concatenate([[0], np.cumsum(is_new)])

    def each(self, x_S: np.ndarray) -> np.ndarray:
        return np.repeat(x_S, self.length_S)

    def stand_alone(self, at: np.ndarray, x: np.ndarray, ratio: float, days: int) -> np.ndarray:
        """True for those of the rows `at`, which have a sale, that are not one of `days` alike in x.

        Alike are values within `ratio` of each other, among some TOGETHER_DAYS sale days in a row. (A,) of A rows.
        """
        sale = np.flatnonzero(self.is_sold) if at.size else at
        near_AK = np.searchsorted(sale, at)[:, None] + np.arange(1 - TOGETHER_DAYS, TOGETHER_DAYS)
        is_there_AK = (near_AK >= 0) & (near_AK < len(sale))
        row_AK = sale[np.where(is_there_AK, near_AK, 0)]
        is_there_AK &= self.series[row_AK] == self.series[at][:, None]
        low_A1, high_A1 = (x[at] / ratio)[:, None], (x[at] * ratio)[:, None]
        is_alike_AK = is_there_AK & (x[row_AK] >= low_A1) & (x[row_AK] <= high_A1)
        so_far_AK = np.cumsum(np.pad(is_alike_AK, ((0, 0), (1, 0))), axis=1)
        return (so_far_AK[:, TOGETHER_DAYS:] - so_far_AK[:, :-TOGETHER_DAYS]).max(axis=1, initial=0) < days


class _Ranked(NamedTuple):
    """Values of some rows, ascending within each series."""

    x: np.ndarray
    end_S: np.ndarray
    n_S: np.ndarray

    @classmethod
    def of(cls, x: np.ndarray, is_taken: np.ndarray, rows: _Rows) -> _Ranked:
        taken = x[is_taken]
        n_S = np.bincount(rows.series[is_taken], minlength=len(rows.length_S))
        end_S = np.cumsum(n_S)
        several_S = n_S > 1
        for end, n in zip(end_S[several_S].tolist(), n_S[several_S].tolist(), strict=True):
            taken[end - n : end].sort()
        return cls(taken, end_S, n_S)

    def from_top(self, k_S: np.ndarray) -> np.ndarray:
        """(S,) the value with k larger ones; NaN without so many."""
        return np.append(self.x, np.nan)[np.where(k_S < self.n_S, self.end_S - 1 - k_S, self.x.size)]

    def from_bottom(self, k_S: np.ndarray) -> np.ndarray:
        """(S,) the value with k smaller ones; NaN without so many."""
        return self.from_top(np.where(k_S < self.n_S, self.n_S - 1 - k_S, self.n_S))

    def median(self) -> np.ndarray:
        """(S,) the upper one of two: an error in the units can lower a price that was derived from them."""
        return self.from_top(np.maximum(self.n_S - 1, 0) // 2)


def _price_bound(rows: _Rows, ranked: _Ranked, is_give_away: np.ndarray, spec: PlausibilitySpec) -> np.ndarray:
    # Of two prices nobody can say which one is wrong.
    aside_S = np.where(ranked.n_S > 2, spec.set_aside(ranked.n_S), ranked.n_S)
    high_S, low_S = ranked.from_top(aside_S) * spec.price_ratio, ranked.from_bottom(aside_S) / spec.price_ratio
    bound, price = np.full(len(rows.y), np.nan), np.where(is_give_away, np.nan, rows.price)
    is_low = (rows.price < rows.each(low_S)) & ~is_give_away
    for beyond, limit_S in ((rows.price > rows.each(high_S), high_S), (is_low, low_S)):
        at = np.flatnonzero(beyond)
        sale = at[rows.is_sold[at]]
        believed = sale[~rows.stand_alone(sale, price, spec.price_ratio, spec.errors + 1)]
        if believed.size:
            at = at[~np.isin(rows.price_run[at], rows.price_run[believed])]
        bound[at] = limit_S[rows.series[at]]
    return bound


def _quantities(
    rows: _Rows, usual_price_S: np.ndarray, is_usable: np.ndarray, spec: PlausibilitySpec
) -> tuple[np.ndarray, np.ndarray]:
    """(R,) bound and usual units where y is implausible, else NaN; `is_usable` tells prices that can be trusted."""
    is_beyond = rows.y > spec.most_qty
    ranked = _Ranked.of(rows.y, rows.is_sold & ~is_beyond, rows)
    largest_S = ranked.from_top(spec.set_aside(ranked.n_S))
    largest_S = np.maximum(largest_S, spec.smallest_sales * ranked.from_bottom(np.zeros_like(ranked.n_S)))
    limit_S = spec.ratio * (1 + spec.young_ratio / np.maximum(ranked.n_S - 1, 1)) * largest_S

    at = np.flatnonzero((rows.y > rows.each(limit_S)) & ~is_beyond)
    of, price = rows.series[at], np.where(is_usable[at], rows.price[at], np.nan)
    limit = limit_S[of] * _bulk_factor(rows.y[at], price, largest_S[of], usual_price_S[of], spec)
    is_above = rows.y[at] > limit
    at, limit = at[is_above], limit[is_above]
    is_alone = rows.stand_alone(at, rows.y, spec.ratio, spec.errors + 1)
    bound, usual = np.full(len(rows.y), np.nan), np.full(len(rows.y), np.nan)
    bound[at[is_alone]], bound[is_beyond] = limit[is_alone], spec.most_qty

    # Days above the limit were set aside, so they are fewer than the plausible ones and all above their median.
    is_bad = ~np.isnan(bound)
    bad_S = np.bincount(rows.series[is_bad & ~is_beyond], minlength=len(ranked.n_S))
    usual_S = ranked.from_bottom((ranked.n_S - bad_S - 1).clip(0) // 2)
    usual[is_bad] = usual_S[rows.series[is_bad]]
    return bound, usual


def _bulk_factor(
    y: np.ndarray, price: np.ndarray, largest_qty: np.ndarray, usual_price: np.ndarray, spec: PlausibilitySpec
) -> np.ndarray:
    """What a price below the usual one allows for, beside the units; 1 where it is not below or not known."""
    is_bulk = (price < usual_price) & (y * price > BULK_VALUE * largest_qty * usual_price)
    return np.divide(usual_price, price, out=np.ones(len(y)), where=is_bulk) ** spec.price_elasticity
