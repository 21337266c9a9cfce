"""Demand of assortments, places and departments: sums of the series' forecasts, and how such sums erred before."""

from __future__ import annotations

from collections.abc import Mapping

from pyspark.sql import DataFrame
from pyspark.sql import functions as F

from lakehouse.schema.entities import SERIES
from lakehouse.schema.tables import contract
from lakehouse.schema.tables.column_groups import NO_VALUE, QUANTILES
from lakehouse.transforms.gold.demand_plan import GoldInputs, GoldTerms
from lakehouse.transforms.keys import parts_of
from lakehouse.transforms.sums import EXACT

LEVELS: Mapping[str, tuple[str, ...]] = {
    "all": (),
    "location": ("location_id",),
    "department": ("department",),
    "category": ("category",),
    "location, department": ("location_id", "department"),
    "location, category": ("location_id", "category"),
}
"""What series are summed up by. A level adds up to every other one, day by day: what has no department is a group."""
_KEYS = ("location_id", "department", "category")
_DAY = ("cutoff", "ds")
LEAST_RATIOS = 20
"""Days of past sums that a level needs, per week ahead, before it says how far sums stray."""


def forecast_total(inputs: GoldInputs, terms: GoldTerms) -> DataFrame:
    """One row per level, group, cutoff and day: the sum of the champions' means, of the as-of day and of past cutoffs.

    Past cutoffs have the units sold beside it. Quantiles, of the as-of day alone, are the sum times the quantiles of
    actual over forecast sums at past cutoffs, per level and week ahead: errors of sums, with all that series have in
    common, as they were. They are NULL where fewer than `LEAST_RATIOS` days have been seen.
    """
    is_past = F.col("cutoff") < F.lit(terms.as_of)
    sums = _by_level(_finest(inputs)).withColumn("week", F.floor((F.datediff("ds", "cutoff") - 1) / 7))
    shares = ", ".join(f"{int(name.removeprefix('p')) / 100}" for name in QUANTILES)
    ratios = (
        sums.filter(is_past & (F.col("seen") > 0))
        .groupBy("level", "week")
        .agg(
            F.expr(f"percentile(double(actual) / double(seen), array({shares}))").alias("ratio"),
            F.count("*").alias("n"),
        )
        .filter(F.col("n") >= LEAST_RATIOS)
    )
    mean = F.col("mean").cast("double")
    rows = sums.join(F.broadcast(ratios), ["level", "week"], "left").select(
        "level",
        F.when(F.col("level") == "all", "all").otherwise(F.concat_ws(" / ", *_KEYS)).alias("group_name"),
        *_KEYS,
        *_DAY,
        mean.alias("mean"),
        *(F.when(~is_past, F.col("ratio")[k] * mean).alias(name) for k, name in enumerate(QUANTILES)),
        F.when(is_past, F.col("actual").cast("double")).alias("actual"),
        F.when(is_past & (mean > 0), F.col("seen").cast("double") / mean).alias("seen_share"),
        "series",
        F.lit(terms.run_id).alias("run_id"),
        F.lit(terms.as_of).alias("as_of"),
    )
    return rows.select(*contract("gold.forecast_total").columns)


def _finest(inputs: GoldInputs) -> DataFrame:
    """Sums by location, department and category: of means, of units sold, and of the means of days that were seen."""
    champions = inputs.champion.select("unique_id", "cutoff", "model")
    parts = inputs.demand.join(champions, ["unique_id", "cutoff", "model"]).select("unique_id", *_DAY, "mean")
    actual = inputs.actuals.select("unique_id", "ds", F.col("y").alias("actual"))
    named = inputs.products.select("sku_id", "department", "category")
    rows = parts.join(actual, ["unique_id", "ds"], "left").select("*", *parts_of(SERIES)).join(named, "sku_id", "left")
    seen = F.when(F.col("actual").isNotNull(), F.col("mean"))
    return rows.groupBy(*_DAY, *_KEYS).agg(
        F.sum(F.col("mean").cast(EXACT)).alias("mean"),
        F.sum(F.col("actual").cast(EXACT)).alias("actual"),
        F.sum(seen.cast(EXACT)).alias("seen"),
        F.count("*").alias("series"),
    )


def _by_level(finest: DataFrame) -> DataFrame:
    """The same of every level; a key that a level does not have is NULL, one that has no value `NO_VALUE`."""
    rows = finest.withColumn("level", F.explode(F.array(*(F.lit(name) for name in LEVELS))))
    for key in _KEYS:
        having = [name for name, by in LEVELS.items() if key in by]
        rows = rows.withColumn(key, F.when(F.col("level").isin(having), F.coalesce(F.col(key), F.lit(NO_VALUE))))
    return rows.groupBy("level", *_KEYS, *_DAY).agg(
        *(F.sum(name).alias(name) for name in ("mean", "actual", "seen", "series"))
    )
