"""The settings of an inventory run: the service wanted, and what stands in where a feed says nothing."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import date

from udfs.inventory.group_terms import GroupTerms
from udfs.inventory.policies.names import BENCHMARK
from udfs.inventory.review_calendar import SupplierTerms
from udfs.inventory.supply import MAX_PROTECTION_DAYS

FILL_RATE_OVER = ("series", "bucket")


@dataclass(frozen=True, slots=True)
class InventorySpec:
    """Settings for all series of a run.

    service_level: wanted probability of no stockout in an order cycle, in (0, 1). least_fill_rate: share of demand
    that a policy must serve from stock to be chosen, in (0, 1). fill_rate_over: what tuned levels have to reach it
    over, each "series", or those of a "bucket" together, so that service goes where it costs least.
    review_days: days from one order opportunity to the next; first_review is one of them, the others lie whole
    reviews before and after it. lead_time_days, moq_qty, pack_qty, order_cost: used for a series whose supply terms
    are unknown; order_cost is that of one order line.
    holding_cost_rate: share of the unit cost per year. assumed_margin: an unknown unit cost is taken as price x (1 -
    margin).
    max_stock_age_days: a count is rolled forward by sales so many days; an older one is no stock known.
    max_price_age_days: a price holds for so many days after it was last stated or paid; an older one is unknown.
    doubtful_lead_days, doubtful_lot_days, doubtful_stock_days, doubtful_cost_ratio: a stated lead time of more days, a
    pack, a minimum order or stock of more days of expected demand, and a unit cost of more times the selling price are
    used and said to be doubtful. most_lot_days:
    what is ordered beyond the need of the moment, to save order costs, covers at most so many days. backorder_share:
    share of unmet demand that waits for the next receipt, the rest is lost.
    candidates: names of the policies that compete, see `policies.policy_registry`; the first decides where
    nothing else does. n_paths, tuning_paths: sample paths of demand, in all and for tuning.
    groups: by name of a category, a department, or `all`, the terms of its goods where no feed states them; a category
    counts before its department. suppliers: by name, the days on which a supplier takes orders, else review_days.
    budget: currency that one day's orders may cost; capacity_qty: units that they may bring; inf is no limit.
    Raises ValueError for a value out of range.
    """

    service_level: float = 0.95
    least_fill_rate: float = 0.95
    fill_rate_over: str = "series"
    review_days: int = 1
    first_review: date = date(2024, 1, 1)
    lead_time_days: int = 7
    moq_qty: float = 1.0
    pack_qty: float = 1.0
    order_cost: float = 0.0
    holding_cost_rate: float = 0.25
    assumed_margin: float = 0.3
    max_stock_age_days: int = 31
    max_price_age_days: int = 366
    doubtful_lead_days: float = 180.0
    doubtful_lot_days: float = 365.0
    doubtful_stock_days: float = 3650.0
    doubtful_cost_ratio: float = 20.0
    most_lot_days: float = 28.0
    backorder_share: float = 0.0
    candidates: tuple[str, ...] = ("tuned_s_s", "tuned_base_stock", "s_s", "base_stock", BENCHMARK)
    n_paths: int = 300
    tuning_paths: int = 100
    groups: Mapping[str, GroupTerms] = field(default_factory=dict)
    suppliers: Mapping[str, SupplierTerms] = field(default_factory=dict)
    budget: float = field(default=math.inf, metadata={"role": "limit"})
    capacity_qty: float = field(default=math.inf, metadata={"role": "limit"})

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
            ("max_stock_age_days", 0 <= self.max_stock_age_days <= 366, "days from 0 to 366"),
            ("max_price_age_days", 0 <= self.max_price_age_days <= 3660, "days from 0 to 3660"),
            ("doubtful_lead_days", self.doubtful_lead_days > 0.0, "days > 0"),
            ("doubtful_lot_days", self.doubtful_lot_days > 0.0, "days > 0"),
            ("doubtful_stock_days", self.doubtful_stock_days > 0.0, "days > 0"),
            ("doubtful_cost_ratio", self.doubtful_cost_ratio > 0.0, "a number > 0"),
            ("first_review", type(self.first_review) is date, "a date such as 2024-01-01"),
            ("least_fill_rate", 0.0 < self.least_fill_rate < 1.0, "a share strictly between 0 and 1"),
            ("fill_rate_over", self.fill_rate_over in FILL_RATE_OVER, f"one of {', '.join(FILL_RATE_OVER)}"),
            ("most_lot_days", 0.0 <= self.most_lot_days < math.inf, "days >= 0"),
            ("backorder_share", 0.0 <= self.backorder_share <= 1.0, "a share in [0, 1]"),
            ("candidates", _is_contest(self.candidates), "names of policies, each once"),
            ("n_paths", self.n_paths >= 2 and self.n_paths % 1 == 0, "at least 2 paths"),
            ("tuning_paths", 2 <= self.tuning_paths <= self.n_paths, f"2 to n_paths = {self.n_paths}"),
            ("budget", self.budget >= 0.0, "currency >= 0"),
            ("capacity_qty", self.capacity_qty >= 0.0, "units >= 0"),
        )
        for name, is_good, expected in rules:
            if not is_good:
                raise ValueError(f"InventorySpec.{name}: expected {expected}, found {getattr(self, name)!r}")


def _is_contest(names: tuple[str, ...]) -> bool:
    return bool(names) and len(set(names)) == len(names)
