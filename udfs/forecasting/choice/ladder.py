"""Spend computing time only where it pays: cheap models first, dearer ones where the cheaper have shown a gain.

Decisions follow from stored numbers alone, nominal costs and backtest scores, never from a clock, so that a rerun
decides alike on any machine.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import pyarrow as pa

from udfs.contest.shrinkage import total_factors
from udfs.forecasting.registry import RUNGS, cost_of, rung_of


@dataclass(frozen=True, slots=True)
class Ladder:
    """Which candidates a demand class can afford, and which it is worth to try.

    Attributes:
        budget_seconds: what a thousand series may cost, backtest and forecast together; None is no limit.
        min_gain: share by which a rung must have lowered the score of a class for the next to be tried.
        costs: seconds per thousand series and forecast that replace those of the registry.
        total_weight: how much errors of sums count beside the scores of series, as in the contest.
    """

    budget_seconds: float | None = None
    min_gain: float = 0.01
    costs: Mapping[str, float] = field(default_factory=dict)
    total_weight: float = 0.0

    def __post_init__(self) -> None:
        if self.budget_seconds is not None and not self.budget_seconds > 0:
            raise ValueError(
                f"expected a budget of more than 0 seconds, or None for no limit, found {self.budget_seconds}"
            )
        if not -math.inf < self.min_gain < 1:
            raise ValueError(f"expected min_gain below 1, as a share of the score, found {self.min_gain}")
        bad = {name: cost for name, cost in self.costs.items() if not 0 <= cost < math.inf}
        if bad:
            raise ValueError(f"expected costs of at least 0 seconds per thousand series, found {bad}")

    def cost(self, name: str) -> float:
        """Seconds per thousand series and forecast."""
        return self.costs.get(name, cost_of(name))

    def affordable(self, candidates: Mapping[str, tuple[str, ...]], windows: int) -> dict[str, tuple[str, ...]]:
        """The candidates of each class that fit into the budget, in their order.

        Rung by rung, and in the order of the list within a rung, a model is kept if `windows` backtests and one
        forecast of it still fit. The first candidate stays whatever it costs, for without it there is no forecast.
        """
        return {demand_class: self._fitting(names, windows) for demand_class, names in candidates.items()}

    def _fitting(self, names: tuple[str, ...], windows: int) -> tuple[str, ...]:
        left = math.inf if self.budget_seconds is None else self.budget_seconds
        kept = set()
        for name in (names[0], *sorted(names[1:], key=rung_of)):
            cost = self.cost(name) * (windows + 1)
            if cost <= left or name == names[0]:
                kept.add(name)
                left -= cost
        return tuple(name for name in names if name in kept)

    def worth_trying(
        self, candidates: Mapping[str, tuple[str, ...]], summary: pa.Table | None
    ) -> dict[str, tuple[str, ...]]:
        """The candidates of each class on the rungs that pay, going by the scores of a class summary, errors of sums
        counted in: by single series' scores alone the weekdays that all share pay nowhere.

        The naive and the local rung are always tried. A rung beyond is tried if the last rung below that has scores
        lowered the best score of the class by `min_gain` or more, compared with the rungs below that one; where
        nothing is known of a rung below, it is given the chance to show.

        Args:
            summary: `selection.CLASS_SUMMARY_SCHEMA`, of this run's lower rungs or of an earlier run; of several
                cutoffs the last counts. None knows nothing.
        """
        rows = summary.to_pylist() if summary is not None else []
        last = max((row["cutoff"] for row in rows), default=None)
        kept = {}
        for demand_class, names in candidates.items():
            of_class = [row for row in rows if row["cutoff"] == last and row["demand_class"] == demand_class]
            scores = _scores(of_class, self.total_weight)
            top = _highest_rung(scores, self.min_gain)
            kept[demand_class] = tuple(name for name in names if name == names[0] or rung_of(name) <= top)
        return kept


def _scores(rows: list[dict[str, Any]], total_weight: float) -> list[float | None]:
    """The best score of a class per rung; None where the rung has none."""
    best: list[float | None] = [None] * len(RUNGS)
    for row, factor in zip(rows, total_factors(rows, total_weight), strict=True):
        # Models fail on different series; the differences to the first candidate are taken over the same ones.
        first = (row["score_sum"] - row["difference_sum"]) / row["series"]
        share = (row["score_sum"] / row["series"] / first if first > 0 else 1.0) * float(factor)
        rung = rung_of(row["model"])
        known = best[rung]
        best[rung] = share if known is None else min(known, share)
    return best


def _highest_rung(best: list[float | None], min_gain: float) -> int:
    """The highest rung that is worth a try."""
    local = RUNGS.index("local")
    for rung in range(local, len(best) - 1):
        below = [score for score in best[:rung] if score is not None]
        score = best[rung]
        if score is not None and below and score > (1.0 - min_gain) * min(below):
            return rung
    return len(best) - 1
