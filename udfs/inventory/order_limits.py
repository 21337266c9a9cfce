"""From what a policy wants to what may be ordered: packs and minimum order, then cover, room and the largest order."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from udfs.inventory.demand_distribution import FloatArray
from udfs.inventory.level_caps import LevelCaps, least_order
from udfs.inventory.order_quantity import round_order
from udfs.inventory.stock_limits import StockLimits
from udfs.inventory.supply import SupplyTerms

_ROUNDING = 1e-9


@dataclass(frozen=True, slots=True)
class LimitedOrder:
    """Units to order, and what they were before the largest order of a planner cut them, [S]."""

    order_S: FloatArray
    uncut_S: FloatArray


def limited_order(
    raw_S: FloatArray, position_S: FloatArray, terms: SupplyTerms, limits: StockLimits, caps: LevelCaps
) -> LimitedOrder:
    """Today's orders of S series, in whole packs, none below the minimum order.

    raw_S: units that the policy wants, [S]. No order lifts the position above cover and room, but for the least order
    of an empty shelf; none is above the largest order, and none is placed where that is below the least.
    """
    pack_S, least_S = terms.pack_qty, least_order(terms)
    # A learned policy has no level that was capped.
    raw_S = np.minimum(raw_S, np.maximum(caps.most[:, 0] - position_S, 0.0))
    order_S = round_order(raw_S, terms.moq_qty, pack_S)
    most_S = np.minimum(caps.cover_SH[:, 0], caps.room_SH[:, 0]) + np.maximum(least_S - 1.0, 0.0)
    room_S = _whole_packs(most_S - position_S, pack_S)
    room_S = np.where(position_S < np.minimum(least_S, 1.0), np.maximum(room_S, least_S), room_S)
    order_S = _at_most(order_S, room_S, least_S)
    return LimitedOrder(_at_most(order_S, _whole_packs(limits.largest_order_qty, pack_S), least_S), order_S)


def _whole_packs(quantity_S: FloatArray, pack_S: FloatArray) -> FloatArray:
    return np.floor(quantity_S / pack_S + _ROUNDING) * pack_S


def _at_most(order_S: FloatArray, most_S: FloatArray, least_S: FloatArray) -> FloatArray:
    return np.where(order_S <= most_S, order_S, np.where(most_S >= least_S - _ROUNDING, most_S, 0.0))
