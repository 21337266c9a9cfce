"""What every inventory policy answers: the levels it keeps, and what it would order at a given position."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

from udfs.inventory.demand_distribution import FloatArray
from udfs.inventory.lead_time_demand import LeadTimeDemand
from udfs.inventory.supply import SupplyTerms


@dataclass(frozen=True, slots=True)
class PolicyDecision:
    """The parameters a policy chose for S series and what it expects of them, float64 [S] each.

    reorder_point_S: a review orders when the stock position is below this, units.
    order_up_to_S: the position that an order restores, units, before packs and minimum order quantity.
    safety_stock_S: order-up-to level (or reorder point) less the expected demand of the protection interval, units.
    expected_fill_rate_S: share of demand served from stock, in [0, 1].
    expected_cost_S: holding and ordering cost, currency per year; NaN where the unit cost is unknown.
    """

    reorder_point_S: FloatArray
    order_up_to_S: FloatArray
    safety_stock_S: FloatArray
    expected_fill_rate_S: FloatArray
    expected_cost_S: FloatArray


class InventoryPolicy(Protocol):
    """A policy family. One file each; it decides for all series of a bucket at once."""

    name: str

    def decide(self, demand: LeadTimeDemand, terms: SupplyTerms) -> PolicyDecision:
        """Choose the parameters of every series; `terms` have passed `find_bad_terms`."""
        ...

    def raw_order(self, decision: PolicyDecision, position_S: FloatArray) -> FloatArray:
        """Units to order now, before packs and minimum order quantity, >= 0, [S]."""
        ...
