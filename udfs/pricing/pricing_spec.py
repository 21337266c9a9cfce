"""The settings of pricing: off unless asked for, what a price must be, and which goods are to be sold off."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import date

from udfs.pricing.regular_price import Guardrails

ACCEPT = ("planner", "auto")


@dataclass(frozen=True, slots=True)
class SellOff:
    """Goods that have to go: until when, at which prices, and what is left worth.

    until: last day of sale. ladder: shares of the usual price, falling. salvage: share of the usual price that a unit
    left over brings. Raises ValueError for what is out of range.
    """

    until: date
    ladder: tuple[float, ...] = (1.0, 0.9, 0.8, 0.7, 0.6, 0.5, 0.4, 0.3)
    salvage: float = 0.0

    def __post_init__(self) -> None:
        is_falling = all(one > other for one, other in zip(self.ladder, self.ladder[1:], strict=False))
        if not (self.ladder and is_falling and self.ladder[-1] > 0.0 and self.ladder[0] <= 1.0):
            raise ValueError(f"ladder: expected shares of the usual price in (0, 1] that fall, found {self.ladder}")
        if not 0.0 <= self.salvage <= self.ladder[-1]:
            raise ValueError(
                f"salvage: expected a share from 0 to the ladder's last price {self.ladder[-1]:g}, found {self.salvage}"
            )


@dataclass(frozen=True, slots=True)
class PricingSpec:
    """Settings of the stages `elasticity` and `price`.

    enabled: whether they do anything. accept: "planner", a price counts when a planner takes it; "auto", at once.
    weeks: of sales that effects are learned from; half_life_weeks: after which a week counts half; level_weeks: for
    which a series keeps a level, so that only prices that change within them tell; least_weeks: of sales, below which a
    series takes its category's values. rivals: the best sellers of the category in the same place whose prices an
    effect is estimated of. largest_step, least_margin, price_step, endings: see `Guardrails`. most_changes_share: of
    the SKUs of a category in a place that may be proposed a new price at once, those that gain most. no_rise_days:
    before a holiday or an event on which no price rises. families: by name SKUs in the order in which their prices must
    not fall. sell_off: by SKU, category or "all" (the first that is found counts), what has to go; level_sd: standard
    deviation of the log of their demand beside the forecast's, as it is for a season's goods.
    Raises ValueError for a value out of range.
    """

    enabled: bool = False
    accept: str = "planner"
    weeks: int = 104
    half_life_weeks: float = 52.0
    level_weeks: int = 26
    least_weeks: int = 13
    rivals: int = 5
    largest_step: float = 0.1
    least_margin: float = 0.0
    price_step: float = 0.01
    endings: tuple[float, ...] = ()
    most_changes_share: float = 1.0
    no_rise_days: int = 0
    families: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    sell_off: Mapping[str, SellOff] = field(default_factory=dict)
    level_sd: float = 0.35

    def __post_init__(self) -> None:
        rules = (
            ("accept", self.accept in ACCEPT, f"one of {', '.join(ACCEPT)}"),
            ("weeks", 4 <= self.weeks <= 520, "weeks from 4 to 520"),
            ("half_life_weeks", 0.0 < self.half_life_weeks < math.inf, "weeks > 0"),
            ("level_weeks", 2 <= self.level_weeks <= 520, "weeks from 2 to 520"),
            ("least_weeks", 1 <= self.least_weeks <= self.weeks, f"1 to weeks = {self.weeks}"),
            ("rivals", 0 <= self.rivals <= 20, "0 to 20 rivals"),
            ("most_changes_share", 0.0 <= self.most_changes_share <= 1.0, "a share in [0, 1]"),
            ("no_rise_days", 0 <= self.no_rise_days <= 366, "days from 0 to 366"),
            ("level_sd", 0.0 <= self.level_sd <= 3.0, "a standard deviation of logs from 0 to 3"),
            ("families", _is_once_each(self.families), "each SKU in one family, and once"),
        )
        for name, is_good, expected in rules:
            if not is_good:
                raise ValueError(f"PricingSpec.{name}: expected {expected}, found {getattr(self, name)!r}")
        _ = self.guardrails

    @property
    def guardrails(self) -> Guardrails:
        return Guardrails(self.largest_step, self.least_margin, self.price_step, self.endings)

    def sell_off_of(self, sku_id: str, category: str | None, as_of: date) -> SellOff | None:
        """What is said of an SKU, where its last day of sale is to come."""
        keys = (key for key in (sku_id, category, "all") if key is not None)
        found = next((self.sell_off[key] for key in keys if key in self.sell_off), None)
        return found if found is not None and found.until > as_of else None


def _is_once_each(families: Mapping[str, tuple[str, ...]]) -> bool:
    skus = [sku for family in families.values() for sku in family]
    return len(skus) == len(set(skus))
