"""Policies whose levels follow from the service level alone.

Levels move with the calendar: those of day t look at the demand from day t on.
"""

from __future__ import annotations

import numpy as np
from scipy import special

from udfs.inventory.demand_paths import rolling_sums
from udfs.inventory.policies.plan import Plan, economic_lot
from udfs.inventory.policies.situation import Situation


def z_sigma(situation: Situation) -> Plan:
    """s = mean + z sigma, with sigma^2 the sum of the days' error variances: normal and independent; S = s + EOQ.

    The textbook's safety stock z sigma sqrt(L + R) (Snyder & Shen 2019, section 4.3), where sigma is the same all days.
    """
    days_SH = situation.protection_by_day
    sigma_SH = np.sqrt(rolling_sums(situation.sd_SH**2, days_SH))
    z_S1 = special.ndtri(situation.terms.service_level)[:, None]
    reorder_point_SH = situation.paths.mean_ahead(days_SH) + z_S1 * sigma_SH
    return Plan.of_levels(np.maximum(reorder_point_SH, 0.0), economic_lot(situation))


def base_stock(situation: Situation) -> Plan:
    """s = S = the quantile of the protection interval's demand at the cycle service level; every review orders."""
    return Plan.of_levels(situation.level_SH, np.zeros(len(situation)))


def s_s(situation: Situation) -> Plan:
    """s = that quantile, S = s + EOQ: an order is placed only when it is worth its cost."""
    return Plan.of_levels(situation.level_SH, economic_lot(situation))
