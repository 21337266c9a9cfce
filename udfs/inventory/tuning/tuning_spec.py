"""How hard levels are tuned on sample paths."""

from __future__ import annotations

import math
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class TuningSpec:
    """Of the grid search.

    unit: smallest step of a level, units > 0; 1 for goods that are counted.
    reach: steps to each side of the start in the first, coarse grid; >= 1. The first step is half a standard
        deviation of the demand that an order covers for the shift, half the lot that is started from for the size.
    most_candidates: the search of a series ends with the round that reaches this many.

    Raises:
        ValueError: a number out of range.
    """

    unit: float = 1.0
    reach: int = 2
    most_candidates: int = 400

    def __post_init__(self) -> None:
        if not (math.isfinite(self.unit) and self.unit > 0.0):
            raise ValueError(f"unit: expected units > 0, found {self.unit:g}")
        for name in ("reach", "most_candidates"):
            value = getattr(self, name)
            if not (math.isfinite(value) and value % 1 == 0 and value >= 1):
                raise ValueError(f"{name}: expected a whole number >= 1, found {value:g}")
