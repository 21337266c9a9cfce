"""What a stocking policy costs per year."""

from __future__ import annotations

from typing import Final

import numpy as np

from udfs.inventory.demand_distribution import FloatArray
from udfs.inventory.lead_time_demand import LeadTimeDemand
from udfs.inventory.order_quantity import round_order
from udfs.inventory.supply import SupplyTerms

DAYS_PER_YEAR: Final = 365.0


def holding_and_order_cost(order_up_to_S: FloatArray, demand: LeadTimeDemand, terms: SupplyTerms) -> FloatArray:
    """Expected holding and ordering cost of an (R, S) policy, currency per year, [S]; NaN for an unknown unit cost.

    Holding: the mean of the expected stock on hand just after a receipt, E[(S - D_L)+], and just before the next
    one, E[(S - D_{L+R})+] (Snyder & Shen 2019, section 4.3), at unit cost x rate. Ordering: a review orders
    at most once, and no order is smaller than one pack or the minimum order quantity, so that at most
    min(1, E[D_R] / least order) orders fall to one review. Stock above S that packs and minimum order quantities
    leave is not counted; purchase cost and lost margin are not part of it.
    """
    on_hand_S = 0.5 * (demand.lead_time.on_hand(order_up_to_S) + demand.protection.on_hand(order_up_to_S))
    holding_S = on_hand_S * terms.unit_cost * terms.holding_cost_rate
    least_order_S = round_order(np.ones_like(order_up_to_S), terms.moq_qty, terms.pack_qty)
    orders_per_review_S = np.minimum(demand.review_mean / least_order_S, 1.0)
    orders_per_year_S = orders_per_review_S * DAYS_PER_YEAR / terms.review_days
    return holding_S + orders_per_year_S * terms.order_cost
