"""What the feeds already say about the days after the last sale: prices and promotions, per series and day."""

from __future__ import annotations

from datetime import date, timedelta

from pyspark.sql import DataFrame
from pyspark.sql import functions as F

from lakehouse.schema.tables import contract
from lakehouse.transforms.silver.sales_daily import price_changes

_KEY = ("sku_id", "location_id", "ds")


def planned_daily(
    series: DataFrame,
    last_day: date,
    days_ahead: int,
    *,
    prices: DataFrame | None = None,
    promotions: DataFrame | None = None,
) -> DataFrame:
    """The rows of silver.planned_daily: `days_ahead` days from the day after `last_day` on, where a feed states any.

    series: (unique_id, bucket, sku_id, location_id); `prices`, `promotions`: accepted rows of these feeds. A day has
    the price of the period that covers it (as in silver.sales_daily), NULL where none does, and is_promo true where a
    promotion covers it. A period without a last day covers every day ahead.
    """
    until = last_day + timedelta(days=days_ahead)
    columns = contract("silver.planned_daily").columns
    stated = _stated_prices(prices, last_day, until, series).join(
        _stated_promotions(promotions, last_day, until, series), list(_KEY), "full"
    )
    keyed = stated.join(series.select("unique_id", "bucket", "sku_id", "location_id"), ["sku_id", "location_id"])
    rows = keyed.withColumn("is_promo", F.coalesce("is_promo", F.lit(False)))
    return rows.select(*columns).sortWithinPartitions("bucket", "unique_id", "ds")


def _stated_prices(prices: DataFrame | None, last_day: date, until: date, series: DataFrame) -> DataFrame:
    if prices is None:
        return _none(series, "unit_price double")
    near = prices.filter((F.col("ds_from") <= F.lit(until)) & (F.coalesce("ds_to", F.lit(until)) > F.lit(last_day)))
    first, last = F.greatest("ds", F.lit(last_day + timedelta(days=1))), F.least("price_until", F.lit(until))
    days = (
        price_changes(near, until)
        .filter(first <= last)
        .select("sku_id", "location_id", F.explode(F.sequence(first, last)).alias("day"), "ds", "period_price")
    )
    # A period without overlap has one row, one with overlaps a row a day: on any day the latest start holds.
    return days.groupBy("sku_id", "location_id", F.col("day").alias("ds")).agg(
        F.max_by("period_price", days["ds"]).cast("double").alias("unit_price")
    )


def _stated_promotions(promotions: DataFrame | None, last_day: date, until: date, series: DataFrame) -> DataFrame:
    if promotions is None:
        return _none(series, "is_promo boolean")
    first = F.greatest("ds_from", F.lit(last_day + timedelta(days=1)))
    last = F.least(F.coalesce("ds_to", F.lit(until)), F.lit(until))
    days = promotions.filter(first <= last).select(
        "sku_id", "location_id", F.explode(F.sequence(first, last)).alias("ds")
    )
    return days.distinct().withColumn("is_promo", F.lit(True))


def _none(series: DataFrame, column: str) -> DataFrame:
    return series.sparkSession.createDataFrame([], f"sku_id string, location_id string, ds date, {column}")
