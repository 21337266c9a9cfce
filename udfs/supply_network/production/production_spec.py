"""How production is planned: the length of a period, and how long a plan is looked for."""

from __future__ import annotations

import math
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class ProductionSpec:
    """Settings of the production plan.

    period_days: days of a period, into which the horizon is cut. rounds: times that a part of the plan is set free and
    made anew, after which the search ends; seconds: after which it ends before, with the plan that it has then.
    late_cost_rate: of a unit that is late, as a share of its unit cost a day. holding_cost_rate: share of the unit cost
    a year. sequence_work: of the search for a sequence, for each resource and aim, in CP-SAT's deterministic time
    (about seconds). seed: of the searches. Raises ValueError for a value out of range.
    """

    period_days: int = 7
    rounds: int = 150
    seconds: float = 60.0
    late_cost_rate: float = 0.05
    holding_cost_rate: float = 0.25
    sequence_work: float = 10.0
    seed: int = 0

    def __post_init__(self) -> None:
        rules = (
            ("period_days", 1 <= self.period_days <= 92, "days from 1 to 92"),
            ("rounds", self.rounds >= 1, "at least 1"),
            ("seconds", 0.0 < self.seconds < math.inf, "seconds > 0"),
            ("late_cost_rate", 0.0 < self.late_cost_rate < math.inf, "a share a day > 0"),
            ("holding_cost_rate", 0.0 <= self.holding_cost_rate < math.inf, "a share a year >= 0"),
            ("sequence_work", 0.0 < self.sequence_work < math.inf, "work > 0"),
            ("seed", self.seed >= 0, "a whole number >= 0"),
        )
        for name, is_good, expected in rules:
            if not is_good:
                raise ValueError(f"ProductionSpec.{name}: expected {expected}, found {getattr(self, name)!r}")
