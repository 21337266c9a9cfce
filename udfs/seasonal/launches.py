"""Launches, past and planned, and what is known of each on the eve of its first day."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from lakehouse.schema.entities import SERIES
from udfs.seasonal.sales_panel import FloatArray, SalesPanel

FEATURES = (
    "category",
    "level",
    "price_position",
    "peers",
    "active_peers",
    "best_peer",
    "best_peer_lately",
    "peer_selling_share",
    "fresh_peers",
    "earlier_launches",
    "launches_nearby",
    "brand",
)
_WINDOW, _LATELY = 28, 14


@dataclass(frozen=True, slots=True)
class Launch:
    """A series that begins on a day: column of the panel's days, which may lie ahead of them. price: NaN for none."""

    unique_id: str
    day: int
    price: float = np.nan


def past_launches(panel: SalesPanel, days: int, least_history: int) -> list[Launch]:
    """First sales with `least_history` recorded days before and `days` of sales known after them."""
    first_S = panel.first_sale
    last = panel.units_ST.shape[1] - days
    rows = np.flatnonzero((first_S >= least_history) & (first_S <= last))
    return [Launch(panel.unique_id_S[r], int(first_S[r]), float(panel.price_ST[r, first_S[r]])) for r in rows]


def units_of(panel: SalesPanel, launches: list[Launch], days: int) -> FloatArray:
    """Units sold over the first `days` days of each launch, which must have passed, [L]."""
    rows, first = [panel.row_of[each.unique_id] for each in launches], np.array([each.day for each in launches], int)
    return panel.units_before[rows, first + days] - panel.units_before[rows, first]


def launch_features(panel: SalesPanel, launches: list[Launch], days: int) -> FloatArray:
    """(L, F) of `FEATURES`, from the days before each launch alone; NaN where nothing tells.

    Strengths are logs of units a day over those of the mean series that sells, in the same category and place. Peers
    are the same article elsewhere: of one that has been sold out of everywhere, a straggler says little, and of one
    that has just begun elsewhere its first days say most.
    """
    return np.array([_features(panel, each, days) for each in launches]).reshape(len(launches), len(FEATURES))


def log_level(panel: SalesPanel, launch: Launch) -> float:
    """Log of what a mean series of the launch's category and place sells in 28 days, plus one."""
    group = panel.group(*SERIES.split(launch.unique_id))
    return float(np.log1p(panel.level(group, _known(panel, launch), _WINDOW)))


def _known(panel: SalesPanel, launch: Launch) -> int:
    return min(launch.day, panel.units_ST.shape[1])


def _features(panel: SalesPanel, launch: Launch, days: int) -> list[float]:
    sku, location, channel = SERIES.split(launch.unique_id)
    day, group = _known(panel, launch), panel.group(sku, location, channel)
    own = panel.row_of.get(launch.unique_id, -1)
    peers = [int(row) for row in panel.rows_of_sku.get(sku, ()) if row != own]
    first = {row: int(panel.first_sale[row]) for row in peers}
    seen = [row for row in peers if day - max(first[row], day - _WINDOW) >= 3]
    fresh = [row for row in peers if max(day - _WINDOW, 1) <= first[row] < day]
    done = [row for row in peers if 0 < first[row] <= day - days]
    strengths = [_strength(panel, row, max(first[row], day - _WINDOW), day) for row in seen]
    lately = [_strength(panel, row, max(first[row], day - _LATELY), day) for row in seen]
    shares = [_selling_share(panel, row, max(first[row], day - _WINDOW), day) for row in seen]
    level = log_level(panel, launch)
    nearby = [row for row in panel.rows_of_group.get(group, ()) if max(day - _WINDOW, 1) <= _first(panel, row) < day]
    return [
        panel.category_code.get(panel.category.get(sku, ""), np.nan),
        level,
        panel.price_position(group, min(day, panel.price_ST.shape[1] - 1), launch.price),
        len(seen),
        sum(share > 0.4 for share in shares),
        max(strengths, default=np.nan),
        max(lately, default=np.nan),
        max(shares, default=0.0),
        _log_mean([_WINDOW * _rate(panel, row, first[row], day) for row in fresh]) - level,
        _log_mean([_WINDOW * _rate(panel, row, first[row], first[row] + days) for row in done]) - level,
        len(nearby),
        _brand_strength(panel, sku, own, day),
    ]


def _first(panel: SalesPanel, row: int) -> int:
    return int(panel.first_sale[row])


def _rate(panel: SalesPanel, row: int, start: int, end: int) -> float:
    return float(panel.units_before[row, end] - panel.units_before[row, start]) / max(end - start, 1)


def _log_mean(values: list[float]) -> float:
    return float(np.log1p(np.mean(values))) if values else np.nan


def _strength(panel: SalesPanel, row: int, start: int, end: int) -> float:
    """Half a unit and a day more keep the log of a day or two from running away."""
    rate = (_rate(panel, row, start, end) * (end - start) + 0.5) / (end - start + 1.0)
    level = panel.level(panel.group(*panel.parts[row]), end, _WINDOW) / _WINDOW
    return float(np.log(rate / level))


def _selling_share(panel: SalesPanel, row: int, start: int, end: int) -> float:
    return float(panel.sale_days_before[row, end] - panel.sale_days_before[row, start]) / max(end - start, 1)


def _brand_strength(panel: SalesPanel, sku: str, own: int, day: int) -> float:
    brand = panel.brand.get(sku, "")
    start = max(day - _WINDOW, 0)
    rows = [row for row in panel.rows_of_brand.get(brand, ()) if row != own] if brand else []
    selling = [row for row in rows if panel.units_before[row, day] > panel.units_before[row, start]][:50]
    return float(np.mean([_strength(panel, row, start, day) for row in selling])) if selling else np.nan
