"""Demand of groups of series by day, and its recent levels: what series share and the noise of each hides."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import date

from pyspark.sql import Column, DataFrame, Window
from pyspark.sql import functions as F

from lakehouse.schema.tables.column_groups import NO_VALUE
from lakehouse.transforms.sums import EXACT

LEVELS: Mapping[str, tuple[str, ...]] = {
    "sku": ("sku_id",),
    "location, department": ("location_id", "department"),
    "location": ("location_id",),
    "all": (),
}
"""What series are summed up by."""
KEYS = ("sku_id", "location_id", "department")
WINDOWS = (7, 28, 112)
SELLING_DAYS = 28
WEEKS = 8
LOOK_BACK_DAYS = max(*WINDOWS, SELLING_DAYS, 7 * WEEKS)
"""Days before a day that its levels need."""
_GROUP = ("level", "group_name", *KEYS)
SUMS = (*_GROUP, "ds", "y_latent", "series", "selling_share")
"""What `group_sums` returns, and `with_levels` needs of earlier days."""


def group_sums(sales: DataFrame, products: DataFrame) -> DataFrame:
    """By level, group and day: demand, the series that were seen, and the share of them that sold.

    Args:
        sales: sku_id, location_id, ds, y, y_latent; a day whose y_latent is NULL was not seen.
        products: sku_id, department.

    Sums are those of decimals with nine places, so that they do not depend on the order of additions.
    """
    named = sales.filter(F.col("y_latent").isNotNull()).join(
        products.select("sku_id", F.coalesce("department", F.lit(NO_VALUE)).alias("department")), "sku_id", "left"
    )
    rows = named.withColumn("department", F.coalesce("department", F.lit(NO_VALUE)))
    finest = {
        name: _added(rows.withColumns({"series": F.lit(1), "sellers": (F.col("y") > 0).cast("int")}), LEVELS[name])
        for name in ("sku", "location, department")
    }
    by_place = finest["location, department"]
    parts = [
        _labelled(finest[name] if name in finest else _added(by_place, by), name, by) for name, by in LEVELS.items()
    ]
    whole = parts[0]
    for part in parts[1:]:
        whole = whole.unionByName(part)
    return whole.withColumns(
        {"y_latent": F.col("y_latent").cast("double"), "selling_share": F.col("sellers") / F.col("series")}
    ).select(*SUMS)


def _added(rows: DataFrame, by: tuple[str, ...]) -> DataFrame:
    return rows.groupBy(*by, "ds").agg(
        F.sum(F.col("y_latent").cast(EXACT)).alias("y_latent"),
        F.sum("series").alias("series"),
        F.sum("sellers").alias("sellers"),
    )


def _labelled(rows: DataFrame, level: str, by: tuple[str, ...]) -> DataFrame:
    """The rows with all of `_GROUP`; a key that the level does not have is NULL."""
    keys = {key: F.lit(None).cast("string") for key in KEYS if key not in by}
    name = F.concat_ws(" / ", *by) if by else F.lit("all")
    return rows.withColumns({**keys, "level": F.lit(level), "group_name": name})


def with_levels(sums: DataFrame, until: date) -> DataFrame:
    """Add to every day from a group's first to `until` what was known of it at the day's end.

    Means are over the days of the window, the day itself included, on which the group was seen; windows that reach
    back before the first day are partial, one without such a day is NULL.
    """
    first = sums.groupBy(*_GROUP).agg(F.min("ds").alias("first"))
    days = first.select(*_GROUP, F.explode(F.sequence("first", F.lit(until))).alias("ds"))
    keys = [F.col(f"s.{name}").eqNullSafe(F.col(f"d.{name}")) for name in ("level", "group_name", "ds")]
    seen = days.alias("d").join(sums.alias("s"), keys, "left")
    rows = seen.select(
        *(f"d.{name}" for name in (*_GROUP, "ds")), *(f"s.{name}" for name in ("y_latent", "series", "selling_share"))
    )
    by_day = Window.partitionBy("level", "group_name").orderBy("ds")
    to_here = by_day.rowsBetween(Window.unboundedPreceding, Window.currentRow)
    counted = {
        "_sum": F.sum(F.coalesce(F.col("y_latent"), F.lit(0.0)).cast(EXACT)).over(to_here),
        "_seen": F.count("y_latent").over(to_here),
        "_share": F.sum(F.coalesce(F.col("selling_share"), F.lit(0.0)).cast(EXACT)).over(to_here),
    }
    weeks = [F.lag("y_latent", 7 * k).over(by_day) for k in range(WEEKS)]
    in_weeks = [each.cast(EXACT) for each in weeks]

    def mean(total: str, days_: int) -> Column:
        def within(name: str) -> Column:
            return F.col(name) - F.coalesce(F.lag(name, days_).over(by_day), F.lit(0))

        return _ratio(within(total), within("_seen"))

    some = sum((F.coalesce(each, F.lit(0).cast(EXACT)) for each in in_weeks), F.lit(0).cast(EXACT))
    number = sum((each.isNotNull().cast("int") for each in weeks), F.lit(0))
    return rows.withColumns(counted).select(
        *SUMS,
        *(mean("_sum", days_).alias(f"trailing_mean_{days_}") for days_ in WINDOWS),
        _ratio(some, number).alias(f"trailing_weekday_mean_{WEEKS}"),
        mean("_share", SELLING_DAYS).alias(f"trailing_selling_share_{SELLING_DAYS}"),
    )


def _ratio(total: Column, number: Column) -> Column:
    return F.when(number > 0, total.cast("double") / number.cast("double"))
