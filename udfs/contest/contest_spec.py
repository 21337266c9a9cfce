"""What a contest is told."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass

from udfs.demand.demand_profile import DEMAND_CLASSES


@dataclass(frozen=True, slots=True)
class ContestSpec:
    """Who competes, and how one is chosen.

    Attributes:
        candidates: per demand class the names that compete, best guess first; it decides ties and stands where there
            is no score. A class that is not named has no contest.
        max_members: candidates that an average may have; 1 always takes the single best.
        tolerance: members score at most this share above the best; learned weights, where there are any, say it else.
        total_weight: exponent of the errors of sums beside the scores of series, where a summary has `total_errors`: 0
            leaves them out, 1 counts both alike.
        prior_series: series without a difference between candidates that are added to every class.
        doubt: squared standard errors that a class's mean difference must exceed to count; see `shrinkage`.
        score_name: what the scores are, for the rule in words.
        evidence: what scores come from, for the rule where there is none: "backtest scores", "replays".
        noun: what a candidate is; the column that holds its name in tables of scores and sums.
    """

    candidates: Mapping[str, tuple[str, ...]]
    max_members: int = 3
    tolerance: float = 0.1
    total_weight: float = 0.0
    prior_series: float = 10.0
    doubt: float = 0.0
    score_name: str = "scaled pinball"
    evidence: str = "backtest scores"
    noun: str = "model"

    def __post_init__(self) -> None:
        for demand_class, names in self.candidates.items():
            if demand_class not in DEMAND_CLASSES or not names or len(set(names)) != len(names):
                raise ValueError(
                    f"expected candidates of the classes {', '.join(DEMAND_CLASSES)}, each named once, found "
                    f"{demand_class!r}: {names}"
                )
        if self.max_members < 1:
            raise ValueError(f"expected max_members of at least one, found {self.max_members}")
        for name in ("tolerance", "total_weight", "prior_series", "doubt"):
            if not 0 <= getattr(self, name) < math.inf:
                raise ValueError(f"expected {name} of at least 0 and finite, found {getattr(self, name)}")
