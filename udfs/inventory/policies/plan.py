"""What a candidate policy would do, and the levels that plans begin from."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from udfs.inventory.demand_distribution import FloatArray
from udfs.inventory.level_caps import LevelCaps
from udfs.inventory.policies.situation import Situation
from udfs.inventory.simulation.levels import ReorderPoint
from udfs.inventory.simulation.state import OrderingPolicy


@dataclass(frozen=True, slots=True)
class Plan:
    """What a candidate would do for S series.

    policy: orders for the days after the cutoff. reorder_point_SH, order_up_to_SH: its levels, units, that steady
    stock is reckoned from; for a policy without levels those that it was started from. wanted_S: the level of the
    first day to which it would order without caps, [S].
    shared_fill_S: the fill rate that a service budget over the bucket gave each series, 0 for none beyond what pays,
    NaN where none is asked for, [S]; None where every series has its own.
    """

    policy: OrderingPolicy
    reorder_point_SH: FloatArray
    order_up_to_SH: FloatArray
    wanted_S: FloatArray
    shared_fill_S: FloatArray | None = None

    @classmethod
    def of_levels(cls, reorder_point_SH: FloatArray, lot_S: FloatArray) -> Plan:
        """(s, S) whose s moves with the calendar and whose S lies `lot_S` units above."""
        order_up_to_SH = reorder_point_SH + lot_S[:, None]
        policy = ReorderPoint(reorder_point_SH, order_up_to_SH)
        return cls(policy, reorder_point_SH, order_up_to_SH, order_up_to_SH[:, 0])

    def within(self, caps: LevelCaps) -> Plan:
        """The same with levels that no cap is below. A learned policy has none: what it orders is cut when it does."""
        if not caps.is_capped.any():
            return self
        first_SH, second_SH = np.minimum(self.reorder_point_SH, caps.most), np.minimum(self.order_up_to_SH, caps.most)
        policy = ReorderPoint(first_SH, second_SH) if isinstance(self.policy, ReorderPoint) else self.policy
        return Plan(policy, first_SH, second_SH, self.wanted_S, self.shared_fill_S)


def economic_lot(situation: Situation) -> FloatArray:
    """Units ordered beyond the need of the moment: the economic order quantity, [S].

    sqrt(2 K lambda / h) (Harris 1913; Snyder & Shen 2019, section 3.2), at most `most_lot_days` days of demand. What
    demand brings within a review is ordered anyway, so that much is taken off. 0 where the unit cost is unknown.
    """
    demand_S, h_S = situation.daily_mean, situation.daily_holding_cost
    with np.errstate(divide="ignore", invalid="ignore"):
        eoq_S = np.sqrt(2.0 * situation.terms.order_cost * demand_S / h_S)
    most_S = situation.spec.most_lot_days * demand_S
    eoq_S = np.where(situation.has_money, np.where(h_S > 0.0, np.minimum(eoq_S, most_S), most_S), 0.0)
    return np.maximum(eoq_S - situation.terms.review_days * demand_S, 0.0)
