"""Weeks of sales with their prices, and what a price needs to know of a series: relational work alone."""

from __future__ import annotations

from datetime import date, timedelta

from pyspark.sql import DataFrame, Window
from pyspark.sql import functions as F

from lakehouse.transforms.sums import EXACT

_PLACE = ("category", "location_id")
_SAMPLED_PLACES = 500


def weekly_prices(sales: DataFrame, products: DataFrame, as_of: date) -> DataFrame:
    """A row for each series and week before the as-of day: age (0: the last seven days), units (`y_latent` where stock
    ran out), mean price, share of promoted days, days observed; with the category, '' where none is known."""
    units = F.coalesce("y_latent", "y")
    seen = sales.filter((F.col("ds") <= F.lit(as_of)) & units.isNotNull())
    age = F.floor(F.datediff(F.lit(as_of), F.col("ds")) / 7).cast("int")
    price = F.when(F.col("unit_price") > 0, F.col("unit_price")).cast(EXACT)
    weeks = seen.groupBy("unique_id", "sku_id", "location_id", age.alias("age")).agg(
        F.sum(units.cast(EXACT)).cast("double").alias("units"),
        (F.sum(price).cast("double") / F.count(price)).alias("unit_price"),
        (F.sum(F.coalesce(F.col("is_promo"), F.lit(False)).cast("int")) / F.count("*")).alias("promo_share"),
        F.count("*").cast("int").alias("days"),
    )
    return _with_category(weeks, products).drop("sku_id")


def sampled_places(weeks: DataFrame, most_series: int) -> DataFrame:
    """The weeks of some categories in some places, whole ones, of about so many series in all: those of least hash."""
    places = weeks.groupBy("category", "location_id").agg(F.countDistinct("unique_id").alias("series"))
    hashed = F.crc32(F.concat_ws("|", "category", "location_id").cast("binary"))
    first = places.withColumn("hashed", hashed).orderBy("hashed", "category", "location_id").limit(_SAMPLED_PLACES)
    before = Window.orderBy("hashed", "category", "location_id").rowsBetween(Window.unboundedPreceding, -1)
    chosen = first.withColumn("before", F.coalesce(F.sum("series").over(before), F.lit(0)))
    return weeks.join(chosen.filter(F.col("before") < most_series).select(*_PLACE), list(_PLACE))


def series_to_price(
    demand: DataFrame, sales: DataFrame, products: DataFrame, supply: DataFrame, stock: DataFrame, margin: float
) -> DataFrame:
    """A row for each series that is forecast: mean (an array over the days of the horizon), the last price above 0, the
    unit cost (else price x (1 - margin), `is_cost_assumed`), the last count of stock.

    demand: unique_id, ds, mean of its model. sales, stock: of the days that still tell of today.
    """
    by_day = F.sort_array(F.collect_list(F.struct("ds", "mean")))
    means = demand.groupBy("unique_id").agg(by_day.alias("days")).select("unique_id", F.col("days.mean").alias("mean"))
    last = sales.filter(F.col("unit_price") > 0).groupBy("unique_id", "sku_id", "location_id")
    prices = last.agg(F.max_by("unit_price", "ds").alias("unit_price"))
    counts = stock.filter(F.col("on_hand_qty").isNotNull()).groupBy("unique_id")
    counted = counts.agg(F.max_by("on_hand_qty", "ds").alias("on_hand_qty"))
    costs = supply.select("unique_id", F.col("unit_cost").alias("stated_cost"))
    rows = means.join(prices, "unique_id", "left").join(costs, "unique_id", "left").join(counted, "unique_id", "left")
    cost = F.coalesce("stated_cost", F.col("unit_price") * (1.0 - margin))
    costed = rows.withColumns({"unit_cost": cost, "is_cost_assumed": F.col("stated_cost").isNull()})
    known = costed.drop("stated_cost").filter(F.col("sku_id").isNotNull())
    return _with_category(known, products)


def places_before_events(calendar: DataFrame, as_of: date, days: int) -> DataFrame:
    """Locations with a public holiday or an event of the retailer within so many days, as location_id."""
    ahead = F.col("ds").between(F.lit(as_of + timedelta(days=1)), F.lit(as_of + timedelta(days=days)))
    return calendar.filter(ahead & (F.col("is_holiday") | F.col("is_event"))).select("location_id").distinct()


def _with_category(rows: DataFrame, products: DataFrame) -> DataFrame:
    named = products.select("sku_id", "category")
    return rows.join(named, "sku_id", "left").withColumn("category", F.coalesce("category", F.lit("")))
