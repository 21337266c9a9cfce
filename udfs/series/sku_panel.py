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
from udfs.series.known_weather import Weather
from udfs.series.location_days import location_days
from udfs.series.sku_batch import SkuBatch

STATED = ("unit_price", "is_promo")
TRAITS = ("sku_id", "location_id", "channel_id", "category", "department", "brand", "region")
_EPOCH = date(1970, 1, 1)


@dataclass(frozen=True, slots=True)
class PlanTables:
    """What is known besides demand, as Arrow tables in any order.

    Attributes:
        planned: unique_id, ds, unit_price, is_promo of days after the history's last.
        calendar: location_id, ds, is_holiday, is_event, is_benefit_day, event_name, is_closed_planned.
        products: sku_id, category, department, brand.
        locations: location_id, region.
        festivals: location_id, ds, festival, festival_day, festival_distance_days; None where nobody looked for any.
        weather: location_id, ds, known_on, is_measured, temperature, precipitation; None where nobody delivers any.
        foreseen: which of unit_price and is_promo are stated ahead of their day. The other is known of days that have
            come alone: ahead, a price stays what it last was, and promotions are as frequent as lately.
    """

    planned: pa.Table
    calendar: pa.Table
    products: pa.Table
    locations: pa.Table
    foreseen: tuple[str, ...] = STATED
    festivals: pa.Table | None = None
    weather: pa.Table | None = None


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

    Covariates are `STATED` of each series and `location_days` of each location. A price is the last one stated up to
    its day, NaN before the first, and a give-away (a price of 0) does not outlast its day; a promotion that nobody
    states is none (0.0). Closed days themselves are no covariate: see `SkuBatch.closed_SH`. Traits are `TRAITS`; a
    model reads them by their values, since a bucket need not hold every channel.

    Raises:
        ValueError: what `SkuBatch.from_arrow` raises.
        ContractError: a unique_id that is not three parts.
    """
    batch = SkuBatch.from_arrow(history, cutoff, max_history)
    parts = SERIES.parts_of(pa.array(batch.unique_ids, pa.string()))
    sku_S, location_S, channel_S = (parts[name].to_pylist() for name in SERIES.parts)
    values_SXK = np.full((len(batch), batch.n_days + horizon, len(STATED)), np.nan)
    for table in (history, plan.planned):
        _place(values_SXK, batch, table, horizon, plan.foreseen)
    values_SXK[:, :, 0] = _prices(values_SXK[:, :, 0])
    values_SXK[:, :, 1] = np.nan_to_num(values_SXK[:, :, 1])
    locations, group_S = np.unique(np.array(location_S, dtype=object), return_inverse=True)
    first = (cutoff - _EPOCH).days - batch.n_days + 1
    names, days_LXK = location_days(plan.calendar, plan.festivals, locations.tolist(), first, values_SXK.shape[1])
    closed = ClosedDays.of(plan.calendar, PLANNED_CLOSURE)
    closed_SH = None if closed is None else closed.ahead(batch.unique_ids, cutoff, horizon)
    return replace(
        batch,
        known=Covariates(
            (*STATED, *names),
            torch.from_numpy(values_SXK),
            carried=tuple({"unit_price"} - {*plan.foreseen}),
            # Where nothing is promoted the mean is what stands there.
            averaged=tuple({"is_promo"} - {*plan.foreseen}) if values_SXK[:, :, 1].any() else (),
            shared_GXK=torch.from_numpy(days_LXK),
            group_S=torch.from_numpy(group_S.astype(np.int64)),
            weather=Weather.of(plan.weather, locations.tolist()),
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
