"""How long a policy of routes is learned, and on how many held-out days it is compared."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class LearnSpec:
    """steps: of the optimiser, 0: no policy is learned; 3,000 take half an hour of one core. days: held out in each
    class of sizes. solver_s: CPU seconds that the solver gets for 50 stops, fewer or more in their proportion. seed: of
    training and of the held-out days.

    Raises ValueError for a value out of range.
    """

    steps: int = 0
    days: int = 20
    solver_s: float = 0.1
    seed: int = 0

    def __post_init__(self) -> None:
        rules = (
            ("steps", self.steps == 0 or self.steps >= 10, "0, or at least 10"),
            ("days", self.days >= 2, "at least 2"),
            ("solver_s", 0.0 < self.solver_s < 1e6, "seconds > 0"),
            ("seed", self.seed >= 0, "a whole number >= 0"),
        )
        for name, is_good, expected in rules:
            if not is_good:
                raise ValueError(f"LearnSpec.{name}: expected {expected}, found {getattr(self, name)!r}")
