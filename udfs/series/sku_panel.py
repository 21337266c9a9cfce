"""A bucket's tables as one batch with all that is known ahead: prices, promotions, calendar, and the series' traits."""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import date

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import torch

from lakehouse.schema.entities import SERIES
from udfs.series.closed_days import PLANNED_CLOSURE, ClosedDays
from udfs.series.covariates import Covariates, Traits
from udfs.series.sku_batch import SkuBatch

STATED = ("unit_price", "is_promo")
FLAGS = ("is_holiday", "is_event", "is_benefit_day")
NEAR = ("since_holiday", "until_holiday", "benefit_before")
KNOWN = (*STATED, *FLAGS, "event_code", *NEAR)
TRAITS = ("sku_id", "location_id", "channel_id", "category", "department", "brand", "region")
_EPOCH = date(1970, 1, 1)
_FAR = 8
"""Days from a holiday that count as any day."""


@dataclass(frozen=True, slots=True)
class PlanTables:
    """What is known besides demand, as Arrow tables in any order.

    Attributes:
        planned: unique_id, ds, unit_price, is_promo of days after the history's last.
        calendar: location_id, ds, is_holiday, is_event, is_benefit_day, event_name, is_closed_planned.
        products: sku_id, category, department, brand.
        locations: location_id, region.
        foreseen: which of unit_price and is_promo are stated ahead of their day. The other is known of days that have
            come alone: ahead, a price stays what it last was, and promotions are as frequent as lately.
    """

    planned: pa.Table
    calendar: pa.Table
    products: pa.Table
    locations: pa.Table
    foreseen: tuple[str, ...] = STATED


def sku_panel(
    history: pa.Table, cutoff: date, horizon: int, plan: PlanTables, max_history: int | None = None
) -> SkuBatch:
    """The batch of `SkuBatch.from_arrow`, with covariates over its days and `horizon` more, and traits.

    Args:
        history: unique_id (see `entities.SERIES`), ds, y, unit_price, is_promo, sorted by (unique_id, ds).
            Of rows after the cutoff the prices and promotions that `plan.foreseen` names are planned ones; nothing
            else of them is looked at.
        cutoff, max_history: see `SkuBatch.from_arrow`.
        horizon: days after the cutoff that covariates reach.
        plan: tables that hold at least the batch's locations and products; what they lack is unknown.

    Covariates are `KNOWN`: a price is the last one stated up to its day, NaN before the first, and a give-away (a price
    of 0) does not outlast its day; a promotion that nobody states is none (0.0); events carry the number of their name
    in the calendar's sorted names from 1, 0 for none; days since and until a holiday count up to 8, and
    `benefit_before` is yesterday's benefit day: people shop around such days, not on them alone. Closed days are no
    covariate: see `SkuBatch.closed_SH`. Traits are `TRAITS`; a model reads them by their values, since a bucket need
    not hold every channel.

    Raises:
        ValueError: what `SkuBatch.from_arrow` raises.
        ContractError: a unique_id that is not three parts.
    """
    batch = SkuBatch.from_arrow(history, cutoff, max_history)
    parts = SERIES.parts_of(pa.array(batch.unique_ids, pa.string()))
    sku_S, location_S, channel_S = (parts[name].to_pylist() for name in SERIES.parts)
    values_SXK = np.full((len(batch), batch.n_days + horizon, len(KNOWN)), np.nan)
    for table in (history, plan.planned):
        _place(values_SXK, batch, table, horizon, plan.foreseen)
    values_SXK[:, :, 0] = _prices(values_SXK[:, :, 0])
    values_SXK[:, :, 1] = np.nan_to_num(values_SXK[:, :, 1])
    values_SXK[:, :, 2:] = _calendar(batch, plan.calendar, location_S, values_SXK.shape[1])
    closed = ClosedDays.of(plan.calendar, PLANNED_CLOSURE)
    closed_SH = None if closed is None else closed.ahead(batch.unique_ids, cutoff, horizon)
    return replace(
        batch,
        known=Covariates(
            KNOWN,
            torch.from_numpy(values_SXK),
            carried=tuple({"unit_price"} - {*plan.foreseen}),
            # Where nothing is promoted the mean is what stands there.
            averaged=tuple({"is_promo"} - {*plan.foreseen}) if values_SXK[:, :, 1].any() else (),
        ),
        traits=_traits(plan, sku_S, location_S, channel_S),
        closed_SH=None if closed_SH is None else torch.from_numpy(closed_SH),
    )


def _place(values_SXK: np.ndarray, batch: SkuBatch, table: pa.Table, horizon: int, foreseen: tuple[str, ...]) -> None:
    """Write the price and promotion of each row at its series and day, where the batch has them and they are known."""
    ids = table["unique_id"].combine_chunks()
    ids = ids.cast(pa.string()) if pa.types.is_dictionary(ids.type) else ids
    series = pc.fill_null(pc.index_in(ids, value_set=pa.array(batch.unique_ids, pa.string())), -1).to_numpy()
    day = table["ds"].cast(pa.date32()).cast(pa.int32()).to_numpy().astype(np.int64)
    at = day - (batch.cutoff - _EPOCH).days + batch.n_days - 1
    within = (series >= 0) & (at >= 0) & (at < batch.n_days + horizon)
    for k, name in enumerate(STATED):
        use = within if name in foreseen else within & (at < batch.n_days)
        values = pc.fill_null(table[name].cast(pa.float64()), float("nan")).to_numpy()
        values_SXK[series[use], at[use], k] = values[use]


def _prices(stated_SX: np.ndarray) -> np.ndarray:
    """The price stated for a day, else the last one above 0 before it, else the last one at all."""
    usual_SX = _carried_forward(np.where(stated_SX > 0, stated_SX, np.nan))
    carried_SX = np.where(np.isnan(usual_SX), _carried_forward(stated_SX), usual_SX)
    return np.where(np.isnan(stated_SX), carried_SX, stated_SX)


def _carried_forward(x_SX: np.ndarray) -> np.ndarray:
    """Each value, or the last one before it; NaN before the first."""
    seen_SX = np.where(np.isnan(x_SX), 0, np.arange(x_SX.shape[1]))
    return np.take_along_axis(x_SX, np.maximum.accumulate(seen_SX, axis=1), axis=1)


def _calendar(batch: SkuBatch, calendar: pa.Table, location_S: list[str], n_days: int) -> np.ndarray:
    """(S, X, 7) `FLAGS`, the code of the event's name, and `NEAR`; 0 where the calendar has no such day."""
    locations = sorted(set(location_S))
    place = pc.fill_null(pc.index_in(calendar["location_id"].combine_chunks(), pa.array(locations, pa.string())), -1)
    day = calendar["ds"].cast(pa.date32()).cast(pa.int32()).to_numpy().astype(np.int64)
    # A holiday shortly before the first day or after the last one has been, or is to be, as well.
    at = day - (batch.cutoff - _EPOCH).days + batch.n_days - 1 + _FAR
    n_wide = n_days + 2 * _FAR
    use = (place.to_numpy() >= 0) & (at >= 0) & (at < n_wide)
    values_LXK = np.zeros((len(locations), n_wide, len(FLAGS) + 1))
    for k, name in enumerate(FLAGS):
        flag = pc.fill_null(calendar[name], False).cast(pa.float64()).to_numpy()
        values_LXK[place.to_numpy()[use], at[use], k] = flag[use]
    names = pa.array(sorted(n for n in pc.unique(calendar["event_name"]).to_pylist() if n is not None), pa.string())
    code = pc.add(pc.fill_null(pc.index_in(calendar["event_name"].combine_chunks(), names), -1), 1).to_numpy()
    values_LXK[place.to_numpy()[use], at[use], len(FLAGS)] = code[use]
    inner_LXK = np.concatenate([values_LXK, _near(values_LXK)], axis=2)[:, _FAR:-_FAR]
    return inner_LXK[[locations.index(name) for name in location_S]]


def _near(values_LXK: np.ndarray) -> np.ndarray:
    """(L, X, 3) `NEAR` of what `FLAGS` say of the days."""
    holiday_LX, _, benefit_LX = (values_LXK[:, :, k] for k in range(len(FLAGS)))
    before_LX = np.concatenate([benefit_LX[:, :1], benefit_LX[:, :-1]], axis=1)
    return np.stack([_since(holiday_LX), _since(holiday_LX[:, ::-1])[:, ::-1], before_LX], axis=2)


def _since(flag_LX: np.ndarray) -> np.ndarray:
    """Days since a flagged day, 0 on it, at most `_FAR`."""
    day_X = np.arange(flag_LX.shape[1])
    last_LX = np.maximum.accumulate(np.where(flag_LX > 0, day_X, -_FAR), axis=1)
    return np.minimum(day_X - last_LX, _FAR).astype(np.float64)


def _traits(plan: PlanTables, sku_S: list[str], location_S: list[str], channel_S: list[str]) -> Traits:
    wanted = pc.is_in(plan.products["sku_id"], pa.array(sorted(set(sku_S)), pa.string()))
    product = {row["sku_id"]: row for row in plan.products.filter(wanted).to_pylist()}
    region = {row["location_id"]: row["region"] for row in plan.locations.to_pylist()}
    columns: dict[str, list[str | None]] = {
        "sku_id": list(sku_S),
        "location_id": list(location_S),
        "channel_id": list(channel_S),
        **{n: [product.get(sku, {}).get(n) for sku in sku_S] for n in ("category", "department", "brand")},
        "region": [region.get(location) for location in location_S],
    }
    stated = {name: plan.products[name] for name in ("sku_id", "category", "department", "brand")}
    stated |= {name: plan.locations[name] for name in ("location_id", "region")}
    values = [
        sorted({v for v in stated[name].to_pylist() if v is not None}) if name in stated else sorted(set(channel_S))
        for name in TRAITS
    ]
    return Traits.from_columns({name: columns[name] for name in TRAITS}, values)
