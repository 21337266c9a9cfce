"""Rows of sales that sum up a week or a month, spread over its days: every sum stays what it was, to the unit."""

from __future__ import annotations

from pyspark.sql import Column, DataFrame
from pyspark.sql import functions as F

from lakehouse.feeds.quality import EXACT
from lakehouse.feeds.sources import Cleaning


def first_day(clean: Cleaning, ds: str = "ds") -> Column:
    """First day of the period in which the day `ds` lies; the day itself for daily rows."""
    day = F.col(ds)
    if clean.period in (None, "day") or clean.period_day == "first":
        return day
    if clean.period_day == "last":
        return F.date_sub(day, 6) if clean.period == "week" else F.date_add(F.add_months(day, -1), 1)
    return F.trunc(day, str(clean.period))


def last_day(clean: Cleaning, ds: str = "ds") -> Column:
    """Last day of that period."""
    day = F.col(ds)
    if clean.period in (None, "day") or clean.period_day == "last":
        return day
    first = first_day(clean, ds)
    return F.date_add(first, 6) if clean.period == "week" else F.date_sub(F.add_months(first, 1), 1)


def spread(lines: DataFrame, clean: Cleaning) -> DataFrame:
    """Lines of days, from lines of periods: units and discounts by share, a count of stock on the last day alone."""
    if clean.period in (None, "day"):
        return lines
    days = F.sequence(first_day(clean), last_day(clean))
    summed = [name for name in ("units", "net_units", "discount_value") if name in lines.columns]
    parts = [_parts(name, clean, days).alias(name) for name in summed]
    laid_out = lines.select(
        *(name for name in lines.columns if name not in (*summed, "ds")),
        F.arrays_zip(days.alias("ds"), *parts).alias("part"),
    ).select("*", F.posexplode("part").alias("_at", "_day"), F.size("part").alias("_count"))
    kept = [
        F.when(F.col("_at") == F.col("_count") - 1, F.col(name)).alias(name) if name == "on_hand_qty" else F.col(name)
        for name in lines.columns
        if name not in (*summed, "ds")
    ]
    of_day = [F.col(f"_day.{name}").alias(name) for name in ("ds", *summed)]
    return laid_out.select(*kept, *of_day).select(*lines.columns)


def _parts(name: str, clean: Cleaning, days: Column) -> Column:
    """The value by day; what rounding leaves goes to the last day that has a share."""
    count = F.size(days)
    if clean.weekday_shares:
        table = F.array(*(F.lit(share).cast(EXACT) for share in clean.weekday_shares))
        shares = F.transform(days, lambda day: F.element_at(table, F.weekday(day) + 1))
    else:
        shares = F.transform(days, lambda _: (F.lit(1) / count).cast("DECIMAL(18,17)"))
    value = F.col(name).cast(EXACT)
    rounded = F.transform(shares, lambda share: (value * share).cast(EXACT))
    zero = F.lit(0).cast("DECIMAL(28,6)")
    rest = value - F.aggregate(rounded, zero, lambda total, part: (total + part).cast("DECIMAL(28,6)"))
    at = F.array_position(F.reverse(F.transform(shares, lambda share: share > 0)), True)
    last = F.size(shares) - at
    return F.transform(rounded, lambda part, i: F.when(i == last, (part + rest).cast(EXACT)).otherwise(part))
