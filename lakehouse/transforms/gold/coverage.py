"""Calibration of quantiles of counts: days that sold exactly the quantile count in part, as Spark columns.

Of an item that sells on one day in five every quantile up to the 75% one is 0, and four days in five lie at or below
it: a share of days at or below a quantile says nothing of whether it is right. A day that ties with the quantile at
level p counts by the chance that a value drawn at random within the tie lies below it (the randomised probability
integral transform, Brockwell 2007): with F the forecast's distribution, (p - F(y-)) / (F(y) - F(y-)), where y- is
just below y. A calibrated forecast then covers the share p, counts or not. F is known between the levels at which the
quantile moves on, and its middle is taken there.
"""

from __future__ import annotations

from collections.abc import Sequence

from pyspark.sql import Column
from pyspark.sql import functions as F


def level_of(quantile: str) -> float:
    """The level of a quantile column: .05 of p05."""
    return int(quantile.removeprefix("p")) / 100.0


def coverage(actual: Column, quantile: str, quantiles: Sequence[str]) -> Column:
    """From 0 to 1 by how much a day lies below its quantile; its mean over days is the covered share.

    Args:
        actual: units of the day.
        quantile: the column that is asked about, one of `quantiles`.
        quantiles: all of the forecast's columns, by rising level.
    """
    value, level = F.col(quantile), level_of(quantile)

    def levels(which: str) -> list[Column]:
        """The levels at which the quantile lies so to the one asked about, as columns, NULL elsewhere."""
        comparison = {"below": lambda q: q < value, "same": lambda q: q == value, "above": lambda q: q > value}[which]
        return [F.when(comparison(F.col(name)), F.lit(level_of(name))) for name in quantiles]

    zero, one = F.lit(0.0), F.lit(1.0)
    before, first = F.greatest(zero, *levels("below")), F.least(one, *levels("same"))
    last, after = F.greatest(zero, *levels("same")), F.least(one, *levels("above"))
    low = F.when(value <= 0, zero).otherwise((before + first) / 2)
    within = (F.lit(level) - low) / ((last + after) / 2 - low)
    return F.when(actual < value, one).when(actual > value, zero).otherwise(within)


def pinball(actual: Column, quantile: str) -> Column:
    """Twice the pinball loss of a day: |actual - quantile|, weighed by the level above it and the rest below."""
    level, short = level_of(quantile), actual - F.col(quantile)
    return 2 * F.greatest(level * short, (level - 1.0) * short)
