"""The seasons that a planner has named, as far as a plan can be made with them, and why not where it cannot."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date

import numpy as np
import pyarrow as pa

from lakehouse.schema.entities import SERIES
from udfs.seasonal.launches import Launch
from udfs.seasonal.sales_panel import SalesPanel
from udfs.seasonal.season_spec import MOST_SEASON_DAYS, SeasonSpec


@dataclass(frozen=True, slots=True)
class Season:
    """One series' season with its money per unit; salvage_value < unit_cost < unit_price."""

    unique_id: str
    name: str | None
    first: date
    last: date
    unit_price: float
    unit_cost: float
    salvage_value: float
    is_salvage_stated: bool

    @property
    def days(self) -> int:
        return (self.last - self.first).days + 1


@dataclass(frozen=True, slots=True)
class Refused:
    """A row of the feed and why there is no plan for it."""

    row: dict[str, object]
    why: str


def read_seasons(
    rows: pa.Table, panel: SalesPanel, as_of: date, spec: SeasonSpec, assumed_margin: float
) -> tuple[list[Season], list[Refused]]:
    """Seasons that lie ahead or run, and those that no plan can be made for; those that are over are neither.

    rows: of silver.season. A price that is not stated is the last one of the series, or of the article elsewhere; a
    cost what the margin leaves of it, a salvage value what `spec.leftover_loss_rate` leaves of the cost.
    """
    good: list[Season] = []
    refused: list[Refused] = []
    for row in rows.sort_by([("unique_id", "ascending"), ("ds_from", "ascending")]).to_pylist():
        if row["ds_to"] <= as_of and row["ds_from"] <= row["ds_to"]:
            continue
        price = row["unit_price"] or _last_price(panel, row["unique_id"])
        cost = row["unit_cost"] if row["unit_cost"] is not None else (price or 0.0) * (1 - assumed_margin)
        is_stated = row["salvage_value"] is not None
        season = Season(
            unique_id=row["unique_id"],
            name=row["season_name"],
            first=row["ds_from"],
            last=row["ds_to"],
            unit_price=price or 0.0,
            unit_cost=cost,
            salvage_value=row["salvage_value"] if is_stated else cost * (1 - spec.leftover_loss_rate),
            is_salvage_stated=is_stated,
        )
        why = _fault(season)
        if why:
            refused.append(Refused(row, why))
        else:
            good.append(season)
    return good, refused


def past_seasons(rows: pa.Table, panel: SalesPanel, days: int) -> list[Launch]:
    """Seasons of `days` days that are over and whose days were all recorded."""
    found = []
    for row in rows.to_pylist():
        first, length = (row["ds_from"] - panel.first_day).days, (row["ds_to"] - row["ds_from"]).days + 1
        is_recorded = first >= 0 and first + days <= panel.units_ST.shape[1] and row["unique_id"] in panel.row_of
        if length == days and is_recorded:
            found.append(Launch(row["unique_id"], first, row["unit_price"] or np.nan))
    return found


def _fault(season: Season) -> str | None:
    if season.last < season.first:
        return f"expected ds_to on or after ds_from, found {season.first} to {season.last}; correct the row"
    if season.days > MOST_SEASON_DAYS:
        return f"expected a season of at most {MOST_SEASON_DAYS} days, found {season.days}; split it into two rows"
    if season.unit_price <= 0:
        return "expected a price > 0, and neither the row nor a sale of the article states one; fill unit_price"
    if not season.salvage_value < season.unit_cost < season.unit_price:
        return (
            f"expected salvage_value < unit_cost < unit_price, found {season.salvage_value:g}, {season.unit_cost:g}, "
            f"{season.unit_price:g}; correct the row"
        )
    return None


def _last_price(panel: SalesPanel, unique_id: str) -> float | None:
    own = panel.row_of.get(unique_id)
    rows = ([] if own is None else [own]) + [int(r) for r in panel.rows_of_sku.get(SERIES.split(unique_id)[0], ())]
    for row in rows:
        known = panel.price_ST[row][panel.price_ST[row] > 0]
        if known.size:
            return float(known[-1])
    return None
