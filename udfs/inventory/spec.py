"""The settings of an inventory run: the service wanted, and what stands in where a feed says nothing."""

from __future__ import annotations

import math
from dataclasses import dataclass

from udfs.inventory.demand_distribution import DISTRIBUTION_NAMES, DistributionName
from udfs.inventory.supply import MAX_PROTECTION_DAYS


@dataclass(frozen=True, slots=True)
class InventorySpec:
    """Settings for all series of a run.

    service_level: wanted probability of no stockout in an order cycle, in (0, 1). review_days: days from one order
    opportunity to the next. lead_time_days, moq_qty, pack_qty, order_cost: used for a series whose supply terms are
    unknown. holding_cost_rate: share of the unit cost per year. assumed_margin: an unknown unit cost is taken as
    price x (1 - margin). assumed_cover_days: unknown stock on hand is taken as this many days of forecast demand.
    distribution, error_correlation: see `lead_time_demand`. Raises ValueError for a value out of range.
    """

    service_level: float = 0.95
    review_days: int = 1
    lead_time_days: int = 7
    moq_qty: float = 1.0
    pack_qty: float = 1.0
    order_cost: float = 0.0
    holding_cost_rate: float = 0.25
    assumed_margin: float = 0.3
    assumed_cover_days: float = 7.0
    distribution: DistributionName = "auto"
    error_correlation: float = 0.0

    def __post_init__(self) -> None:
        lead, review, pack = self.lead_time_days, self.review_days, self.pack_qty
        rules = (
            ("service_level", 0.0 < self.service_level < 1.0, "a probability strictly between 0 and 1"),
            ("review_days", review >= 1 and review % 1 == 0, "whole days >= 1"),
            ("lead_time_days", lead >= 0 and lead % 1 == 0, "whole days >= 0"),
            ("lead_time_days", lead + review <= MAX_PROTECTION_DAYS, f"<= {MAX_PROTECTION_DAYS} with review_days"),
            ("moq_qty", 0.0 <= self.moq_qty < math.inf, "units >= 0"),
            ("pack_qty", 1.0 <= pack < math.inf and pack % 1 == 0, "whole units >= 1"),
            ("order_cost", 0.0 <= self.order_cost < math.inf, "currency per order >= 0"),
            ("holding_cost_rate", 0.0 <= self.holding_cost_rate < math.inf, "a share per year >= 0"),
            ("assumed_margin", 0.0 <= self.assumed_margin < 1.0, "a share of the price in [0, 1)"),
            ("assumed_cover_days", 0.0 <= self.assumed_cover_days < math.inf, "days >= 0"),
            ("distribution", self.distribution in DISTRIBUTION_NAMES, f"one of {DISTRIBUTION_NAMES}"),
            ("error_correlation", 0.0 <= self.error_correlation <= 1.0, "0 <= rho <= 1"),
        )
        for name, is_good, expected in rules:
            if not is_good:
                raise ValueError(f"InventorySpec.{name}: expected {expected}, found {getattr(self, name)!r}")
