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


def coverage(actual: str, quantile: str, quantiles: Sequence[str]) -> Column:
    """From 0 to 1 by how much a day lies below its quantile; its mean over days is the covered share.

    Args:
        actual: the column with the units of the day.
        quantile: the column that is asked about, one of `quantiles`.
        quantiles: all of the forecast's columns, by rising level.
    """

    def levels(sign: str) -> str:
        """SQL of the levels at which the quantile lies so to the one asked about, NULL elsewhere."""
        return ", ".join(f"CASE WHEN {name} {sign} {quantile} THEN {level_of(name)}D END" for name in quantiles)

    before, first = f"greatest(0D, {levels('<')})", f"least(1D, {levels('=')})"
    last, after = f"greatest(0D, {levels('=')})", f"least(1D, {levels('>')})"
    low = f"CASE WHEN {quantile} <= 0 THEN 0D ELSE ({before} + {first}) / 2 END"
    within = f"({level_of(quantile)}D - {low}) / (({last} + {after}) / 2 - {low})"
    # As text: a call of Spark for each part of it takes longer than what it computes.
    return F.expr(f"CASE WHEN {actual} < {quantile} THEN 1D WHEN {actual} > {quantile} THEN 0D ELSE {within} END")


def pinball(actual: Column, quantile: str) -> Column:
    """Twice the pinball loss of a day: |actual - quantile|, weighed by the level above it and the rest below."""
    level, short = level_of(quantile), actual - F.col(quantile)
    return 2 * F.greatest(level * short, (level - 1.0) * short)
