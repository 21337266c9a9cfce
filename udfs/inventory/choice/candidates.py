"""The policies that compete for a series, each made of what is known at a cutoff.

A candidate turns a `Situation` into a `Plan`: an ordering policy for the days after the cutoff, and the levels that a
planner reads. Levels move with the calendar: those of day t look at the demand from day t on.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from scipy import special

from udfs.inventory.choice.situation import Situation
from udfs.inventory.demand_distribution import FloatArray
from udfs.inventory.demand_paths import rolling_sums
from udfs.inventory.simulation.levels import ReorderPoint
from udfs.inventory.simulation.state import OrderingPolicy


@dataclass(frozen=True, slots=True)
class Plan:
    """What a candidate would do for S series.

    policy: orders for the days after the cutoff. reorder_point_SH, order_up_to_SH: its levels, units, that steady
    stock is reckoned from; for a policy without levels those that it was started from.
    """

    policy: OrderingPolicy
    reorder_point_SH: FloatArray
    order_up_to_SH: FloatArray

    @classmethod
    def of_levels(cls, reorder_point_SH: FloatArray, lot_S: FloatArray) -> Plan:
        """(s, S) whose s moves with the calendar and whose S lies `lot_S` units above."""
        order_up_to_SH = reorder_point_SH + lot_S[:, None]
        return cls(ReorderPoint(reorder_point_SH, order_up_to_SH), reorder_point_SH, order_up_to_SH)


def z_sigma(situation: Situation) -> Plan:
    """s = mean + z sigma, with sigma^2 the sum of the days' error variances: normal and independent; S = s + EOQ.

    The textbook's safety stock z sigma sqrt(L + R) (Snyder & Shen 2019, section 4.3), where sigma is the same all days.
    """
    days_S = situation.protection_days
    sigma_SH = np.sqrt(rolling_sums(situation.sd_SH**2, days_S))
    z_S1 = special.ndtri(situation.terms.service_level)[:, None]
    reorder_point_SH = situation.paths.mean_ahead(days_S) + z_S1 * sigma_SH
    return Plan.of_levels(np.maximum(reorder_point_SH, 0.0), economic_lot(situation))


def base_stock(situation: Situation) -> Plan:
    """s = S = the quantile of the protection interval's demand at the cycle service level; every review orders."""
    return Plan.of_levels(_quantile_level(situation), np.zeros(len(situation)))


def s_s(situation: Situation) -> Plan:
    """s = that quantile, S = s + EOQ: an order is placed only when it is worth its cost."""
    return Plan.of_levels(_quantile_level(situation), economic_lot(situation))


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


def _quantile_level(situation: Situation) -> FloatArray:
    return situation.paths.quantile_ahead(situation.protection_days, situation.terms.service_level)


CANDIDATES: dict[str, Callable[[Situation], Plan]] = {
    "z_sigma": z_sigma,
    "base_stock": base_stock,
    "s_s": s_s,
}


def plans_of(names: Sequence[str], situation: Situation) -> dict[str, Plan]:
    """The plans of the named candidates, in that order. Raises ValueError for an unknown name."""
    unknown = [name for name in names if name not in CANDIDATES]
    if unknown:
        raise ValueError(f"expected policies among {', '.join(CANDIDATES)}, found {unknown}")
    return {name: CANDIDATES[name](situation) for name in names}
