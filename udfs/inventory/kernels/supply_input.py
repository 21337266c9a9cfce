"""The terms of supply of a bucket's series, and the price that their money is reckoned with."""

from __future__ import annotations

import json
from dataclasses import dataclass, replace
from datetime import date

import numpy as np
import pandas as pd
import pyarrow as pa
from numpy.typing import NDArray

from udfs.inventory.demand_distribution import BoolArray, FloatArray
from udfs.inventory.inventory_spec import InventorySpec
from udfs.inventory.kernels.planning_inputs import (
    BadSupplyError,
    ForecastInput,
    IdArray,
    Problems,
    day_number,
    frame_of,
    mean_daily_demand,
    one_row_each,
    values_of,
)
from udfs.inventory.kernels.product_input import read_products
from udfs.inventory.kernels.review_input import assumed_periods, read_reviews, suppliers_of
from udfs.inventory.orders.order_words import number
from udfs.inventory.review_calendar import ReviewCalendar
from udfs.inventory.stated_terms import LIMITS, TERMS, Goods, StatedTerm, usable_terms
from udfs.inventory.stock_limits import StockLimits
from udfs.inventory.supply import MOST, SupplyTerms, find_bad_terms

REFUSED = "refused_values"
"""The column in which a table of stock or supply keeps what its feed stated and no number can be made of, as JSON."""


@dataclass(frozen=True, slots=True)
class SupplyInput:
    """Supply terms [S], for each term that a feed may state where it is the settings', and what became of each
    (tuples of `TermNote`); limits of the stock; the days of review; the selling price, NaN where unknown, with its age
    in days before the as-of day."""

    terms: SupplyTerms
    limits: StockLimits
    calendar: ReviewCalendar
    is_assumed: dict[str, BoolArray]
    notes_S: NDArray[np.object_]
    unit_price_S: FloatArray
    price_age_S: FloatArray

    def take(self, rows: NDArray[np.int64]) -> SupplyInput:
        is_assumed = {name: mask[rows] for name, mask in self.is_assumed.items()}
        return SupplyInput(
            self.terms.take(rows),
            self.limits.take(rows),
            self.calendar.take(rows),
            is_assumed,
            self.notes_S[rows],
            self.unit_price_S[rows],
            self.price_age_S[rows],
        )


def read_supply(
    supply: pa.Table,
    prices: pa.Table,
    forecast: ForecastInput,
    as_of: date,
    spec: InventorySpec,
    products: pa.Table | None = None,
) -> tuple[SupplyInput, Problems]:
    """Supply terms of the forecast's series as a plan can be made with them, see `stated_terms`; and the unfit series.

    supply: unique_id and the columns of `TERMS`, optionally those of `LIMITS`, `REVIEW_COLUMNS` and `REFUSED`. prices:
    unique_id, ds, unit_price, optionally is_fractional, see `last_prices`. products: see `read_products`; what they
    and the groups of the settings say stands in where the supply feed is silent. An unknown unit cost is price x (1 -
    spec.assumed_margin), and stays NaN where there is no positive price. Unfit is a series with several rows alone.
    Raises ValueError for a missing column, a NULL unique_id.
    """
    problems: Problems = {}
    ids = forecast.unique_id_S
    known = (*TERMS, *(name for name in (*LIMITS, "review_days") if name in supply.column_names))
    terms_frame = frame_of(supply, "supply", dict.fromkeys(known, pa.float64()))
    at_S = one_row_each(terms_frame, ids, "supply", BadSupplyError, problems)
    price_S, age_S, is_fractional_S = _prices(prices, ids, as_of, problems)
    refused_S = refused_texts(supply, at_S)
    stated = {name: _stated(terms_frame, name, at_S, refused_S) for name in known}
    goods_S, suppliers_S = read_products(products, ids, spec), suppliers_of(supply, at_S, spec)
    assumed: dict[str, FloatArray | float] = {
        "lead_time_days": goods_S.lead_time_days,
        "order_cost": spec.order_cost,
        "unit_cost": price_S * (1.0 - spec.assumed_margin),
        "moq_qty": spec.moq_qty,
        "pack_qty": spec.pack_qty,
        "review_days": assumed_periods(suppliers_S, spec),
        **{name: getattr(goods_S.limits, name) for name in LIMITS},
    }
    goods = Goods(mean_daily_demand(forecast), price_S, is_fractional_S)
    usable = usable_terms(stated, {k: np.broadcast_to(v, len(ids)) for k, v in assumed.items()}, goods, spec)
    period_S = usable.value.get("review_days", assumed["review_days"])
    is_stated_S = ~usable.is_assumed.get("review_days", np.ones(len(ids), dtype=bool))
    calendar, unread = read_reviews(supply, at_S, suppliers_S, np.asarray(period_S), is_stated_S, spec)
    for row, note in unread.items():
        usable.notes_S[row] += (note,)
    terms = SupplyTerms(
        **{name: usable.value[name] for name in TERMS},
        review_days=calendar.pattern(day_number(as_of), 1).days_SH[:, 0],
        holding_cost_rate=np.full(len(ids), spec.holding_cost_rate),
        service_level=np.full(len(ids), spec.service_level),
    )
    for bad_row, found in find_bad_terms(terms).items():
        problems.setdefault(ids[bad_row], BadSupplyError(found))
    limits = replace(goods_S.limits, **{name: usable.value[name] for name in known if name in LIMITS})
    is_assumed = {name: usable.is_assumed[name] for name in TERMS}
    return SupplyInput(terms, limits, calendar, is_assumed, usable.notes_S, price_S, age_S), problems


def refused_texts(table: pa.Table, at_S: NDArray[np.int64]) -> list[dict[str, str]]:
    """By series, what its feed stated and is no usable number, by column; at_S: its row in the table, -1 for none."""
    if REFUSED not in table.column_names:
        return [{} for _ in at_S]
    texts = [*table[REFUSED].to_pylist(), None]
    return [json.loads(texts[at] or "{}") for at in at_S]


def _stated(frame: pd.DataFrame, name: str, at_S: NDArray[np.int64], refused_S: list[dict[str, str]]) -> StatedTerm:
    value_S, is_null_S = values_of(frame, name, at_S)
    text_S = np.array([refused.get(name) for refused in refused_S], dtype=object)
    text_S[~is_null_S] = [number(value) or "NaN" for value in value_S[~is_null_S].tolist()]
    return StatedTerm(value_S, text_S)


def _prices(
    prices: pa.Table, ids: IdArray, as_of: date, problems: Problems
) -> tuple[FloatArray, FloatArray, BoolArray]:
    """Last price, its age in days (0 where it is unknown), and whether units have parts, [S] each."""
    frame = frame_of(prices, "prices", {"unit_price": pa.float64()}, ("ds",))
    at_S = one_row_each(frame, ids, "prices", BadSupplyError, problems)
    price_S, _ = values_of(frame, "unit_price", at_S)
    with np.errstate(invalid="ignore"):
        price_S = np.where((price_S > 0.0) & (price_S <= MOST), price_S, np.nan)
    today = day_number(as_of)
    age_S = np.where(np.isnan(price_S), 0.0, today - np.append(frame["ds"].to_numpy(), today)[at_S])
    if "is_fractional" not in prices.column_names:
        return price_S, age_S, np.zeros(len(ids), dtype=bool)
    is_fractional = np.append(prices["is_fractional"].to_numpy(), False)
    return price_S, age_S, is_fractional[at_S].astype(bool)
