"""How launches and seasons are forecast and bought, and what stands in where the feed is silent."""

from __future__ import annotations

import math
from dataclasses import dataclass

MOST_SEASON_DAYS = 182


@dataclass(frozen=True, slots=True)
class SeasonSpec:
    """Settings for all seasons of a run.

    least_history_days: a first sale counts as a launch where so many days before it were recorded. max_history_days:
    how far back analogues are looked for. least_analogues: with fewer there is no forecast. trees, leaves,
    least_leaf_rows, feature_share, seed: of the forest that says which launches are alike. own_weight: share of the
    forecast that the series' own past seasons bear, where the feed names any; an assumption, for no open data tell.
    analogues_told: how many are named beside a plan. early_share: share of a season's demand that is expected before
    the reorder arrives. signal_sd: relative error with which early sales tell of the whole season. leftover_loss_rate:
    share of the unit cost that a leftover loses where the feed states no salvage value, nor is known how demand
    answers prices; where it is, leftovers are sold off within sell_off_weeks, with a demand that is fading_rate of the
    week before's. reorder_capacity_qty: units that all reorders together may bring. largest_price_step: share of the
    stated price within which another one is looked for. Raises ValueError for a value out of range.
    """

    least_history_days: int = 14
    max_history_days: int = 800
    least_analogues: int = 30
    trees: int = 300
    leaves: int = 63
    least_leaf_rows: int = 3
    feature_share: float = 0.4
    seed: int = 0
    own_weight: float = 0.7
    analogues_told: int = 5
    early_share: float = 0.2
    signal_sd: float = 0.15
    leftover_loss_rate: float = 0.5
    reorder_capacity_qty: float = math.inf
    largest_price_step: float = 0.2
    sell_off_weeks: int = 4
    fading_rate: float = 0.5

    def __post_init__(self) -> None:
        rules = (
            ("least_history_days", self.least_history_days >= 7, "days >= 7"),
            ("max_history_days", self.max_history_days > self.least_history_days, "more days than least_history_days"),
            ("least_analogues", self.least_analogues >= 10, "launches >= 10"),
            ("trees", 10 <= self.trees <= 5000, "trees from 10 to 5000"),
            ("leaves", 2 <= self.leaves <= 1024, "leaves from 2 to 1024"),
            ("least_leaf_rows", self.least_leaf_rows >= 1, "launches >= 1"),
            ("feature_share", 0.0 < self.feature_share <= 1.0, "a share in (0, 1]"),
            ("seed", self.seed >= 0, "a whole number >= 0"),
            ("own_weight", 0.0 <= self.own_weight <= 1.0, "a share in [0, 1]"),
            ("analogues_told", self.analogues_told >= 0, "a whole number >= 0"),
            ("early_share", 0.0 < self.early_share < 1.0, "a share strictly between 0 and 1"),
            ("signal_sd", 0.0 < self.signal_sd < math.inf, "a relative error > 0"),
            ("leftover_loss_rate", 0.0 < self.leftover_loss_rate <= 1.0, "a share in (0, 1]"),
            ("largest_price_step", 0.0 < self.largest_price_step < 1.0, "a share strictly between 0 and 1"),
            ("sell_off_weeks", 1 <= self.sell_off_weeks <= 26, "weeks from 1 to 26"),
            ("fading_rate", 0.0 <= self.fading_rate <= 1.0, "a share in [0, 1]"),
            ("reorder_capacity_qty", self.reorder_capacity_qty >= 0.0, "units >= 0"),
        )
        for name, is_good, expected in rules:
            if not is_good:
                raise ValueError(f"SeasonSpec.{name}: expected {expected}, found {getattr(self, name)!r}")
