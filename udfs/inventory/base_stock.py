"""The periodic-review order-up-to policy, (R, S), also called base stock (Snyder & Shen 2019, chapter 4)."""

from __future__ import annotations

import numpy as np

from udfs.inventory.costs import holding_and_order_cost
from udfs.inventory.demand_distribution import FloatArray
from udfs.inventory.lead_time_demand import LeadTimeDemand
from udfs.inventory.policy import PolicyDecision
from udfs.inventory.supply import SupplyTerms


class BaseStock:
    """Every R days, order what lifts the stock position to S.

    S is the quantile of the demand over the protection interval (L + R days) at the cycle service level:
    S = F^-1(service level), units; the safety stock is S less the expected demand of that interval. With normal
    demand S = mu + z sigma (Snyder & Shen 2019, section 4.3). S is negative for no series, but the safety stock
    may be, where the service level lies below the distribution's P(D <= mean).

    An (R, S) policy orders at every review that finds a position below S: its reorder point is S itself. An
    (R, s, S) policy, which saves order costs by waiting until a lower s, is another family.
    """

    name = "base_stock"

    def decide(self, demand: LeadTimeDemand, terms: SupplyTerms) -> PolicyDecision:
        """S, safety stock, expected fill rate and cost per series, [S]."""
        order_up_to_S = demand.protection.quantile(terms.service_level)
        return PolicyDecision(
            reorder_point_S=order_up_to_S,
            order_up_to_S=order_up_to_S,
            safety_stock_S=order_up_to_S - demand.protection.mean_S,
            expected_fill_rate_S=cycle_fill_rate(order_up_to_S, demand),
            expected_cost_S=holding_and_order_cost(order_up_to_S, demand, terms),
        )

    def raw_order(self, decision: PolicyDecision, position_S: FloatArray) -> FloatArray:
        """max(0, S - position), units, [S]."""
        return np.maximum(decision.order_up_to_S - position_S, 0.0)


def cycle_fill_rate(order_up_to_S: FloatArray, demand: LeadTimeDemand) -> FloatArray:
    """Expected share of a cycle's demand served from stock when each review restores the position S, [S].

    The units short at the end of the cycle less those that were short at its start, over the cycle's demand:
    1 - (E[(D_{L+R} - S)+] - E[(D_L - S)+]) / E[D_R] (Hadley & Whitin 1963; Silver, Pyke & Thomas 2017, section
    6.10), with backorders. 1 where no demand is expected. Packs and minimum orders lift the position above S, so
    that the rate is a lower bound for them.
    """
    short_S = demand.protection.loss(order_up_to_S) - demand.lead_time.loss(order_up_to_S)
    review_mean_S = demand.review_mean
    has_demand_S = review_mean_S > 0.0
    rate_S = 1.0 - short_S / np.where(has_demand_S, review_mean_S, 1.0)
    return np.where(has_demand_S, np.clip(rate_S, 0.0, 1.0), 1.0)
