"""Up to what stock position an order may lift a series: what its shelf life can use, its cover, its room.

A unit that lifts the position from x to x + 1 on day t arrives after the lead time L and can be sold until day
t + L + m, m being the shelf life. Units ahead of it sell first, so it is sold in time where the demand of these L + m
days exceeds x. It earns its margin then, and costs what was paid for it and its disposal otherwise: it is worth
ordering while P(D > x) exceeds loss / (margin + loss), the newsvendor's ratio (Arrow, Harris & Marschak 1951; for goods
that perish Nahmias 2011, Perishable Inventory Systems, chapter 1). A unit that is not ordered today may still be
ordered at the next review, so that this is the most that can pay, and no estimate of the best level. Of a pack, or a
least order, all units are weighed together.
"""

from __future__ import annotations

from dataclasses import dataclass, fields

import numba
import numpy as np

from udfs.inventory.demand_distribution import BoolArray, FloatArray
from udfs.inventory.demand_paths import DemandPaths, path_sums_ahead
from udfs.inventory.order_quantity import round_order
from udfs.inventory.stock_limits import StockLimits
from udfs.inventory.supply import SupplyTerms
from udfs.series.series_threads import over_series


@dataclass(frozen=True, slots=True)
class LevelCaps:
    """The highest levels from which an order does not lift the position too far, by day of the horizon, units, (S, H).

    life_SH: by shelf life, 0 where not even the least order pays. cover_SH, room_SH: by days of cover and by room. inf
    where there is no limit. A level may be reached by a whole pack, or the least order, and then be exceeded: levels
    are capped so low that the position after it is not.
    """

    life_SH: FloatArray
    cover_SH: FloatArray
    room_SH: FloatArray

    @classmethod
    def of(cls, paths: DemandPaths, terms: SupplyTerms, limits: StockLimits, ratio_S: FloatArray) -> LevelCaps:
        """The caps of S series; ratio_S: margin / (margin + loss) of a unit, in [0, 1]."""
        shape, least_S = paths.mean_SH.shape, least_order(terms)
        life_SH, cover_SH, room_SH = np.full((3, *shape), np.inf)
        rows = np.flatnonzero(limits.spoils)
        if rows.size:
            days_S = terms.lead_time_days[rows] + limits.shelf_life_days[rows]
            life_SH[rows] = _paying_levels(paths.take(rows), days_S, least_S[rows], ratio_S[rows])
        rows = np.flatnonzero(np.isfinite(limits.most_cover_days))
        if rows.size:
            most_SH = paths.take(rows).mean_ahead(limits.most_cover_days[rows])
            cover_SH[rows] = _before_order(most_SH, least_S[rows])
        rows = np.flatnonzero(np.isfinite(limits.most_shelf_qty))
        if rows.size:
            # What is sold before the order arrives makes room for it.
            sold_SH = paths.take(rows).mean_ahead(terms.lead_time_days[rows])
            room_SH[rows] = _before_order(sold_SH + limits.most_shelf_qty[rows, None], least_S[rows])
        return cls(life_SH, cover_SH, room_SH)

    @property
    def most(self) -> FloatArray:
        """The lowest of them."""
        return np.minimum(np.minimum(self.life_SH, self.cover_SH), self.room_SH)

    @property
    def is_capped(self) -> BoolArray:
        """[S]: whether there is a limit at all."""
        return np.asarray(np.isfinite(self.most).any(1))

    def take(self, rows: np.ndarray) -> LevelCaps:
        """The caps of the given rows."""
        return LevelCaps(**{field.name: getattr(self, field.name)[rows] for field in fields(self)})


def least_order(terms: SupplyTerms) -> FloatArray:
    """The least that can be ordered, units, [S]."""
    return round_order(terms.pack_qty, terms.moq_qty, terms.pack_qty)


def _before_order(most_SH: FloatArray, least_S: FloatArray) -> FloatArray:
    """The level from which the least order leads to `most_SH` at the most; an empty shelf may always have one."""
    least_S1 = least_S[:, None]
    return np.maximum(most_SH - np.maximum(least_S1 - 1.0, 0.0), np.minimum(least_S1, 1.0))


def _paying_levels(paths: DemandPaths, days_S: FloatArray, least_S: FloatArray, ratio_S: FloatArray) -> FloatArray:
    """Levels below which the least order is expected to pay, (S, H), whole units or quantiles of demand."""
    level_SH = np.empty(paths.mean_SH.shape)

    def kernel(begin: int, end: int) -> None:
        for s in range(begin, end):
            days_H = np.full(paths.n_days, int(days_S[s]))
            sum_HN = path_sums_ahead(paths.path_SNH[s], days_H)
            _paying(sum_HN, float(least_S[s]), float(ratio_S[s]), level_SH[s])

    over_series(kernel, len(paths))
    return level_SH


@numba.njit(cache=True, nogil=True, error_model="numpy")
def _paying(sum_HN: np.ndarray, least: float, ratio: float, level_H: np.ndarray) -> None:
    n_days, n_paths = sum_HN.shape
    for h in range(n_days):
        sum_N = np.sort(sum_HN[h])
        rank = int(np.ceil(ratio * n_paths - 1e-9)) - 1
        quantile = sum_N[min(rank, n_paths - 1)] if rank >= 0 else 0.0
        level_H[h] = quantile if least <= 1.0 else min(quantile, _last_paying(sum_N, least, ratio) + 1.0)


@numba.njit(cache=True, nogil=True, error_model="numpy")
def _last_paying(sum_N: np.ndarray, least: float, ratio: float) -> float:
    """The highest whole position from which `least` units pay, -1 where they do not even from 0."""
    low, high = -1.0, np.floor(sum_N[-1]) + 1.0
    while high - low > 1.0:
        middle = np.floor(0.5 * (low + high))
        sold = 0.0
        for n in range(len(sum_N)):
            sold += min(max(sum_N[n] - middle, 0.0), least)
        if sold > (1.0 - ratio) * least * len(sum_N):
            low = middle
        else:
            high = middle
    return low
