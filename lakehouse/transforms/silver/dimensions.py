"""Dimensions: products, locations, calendar, stock and supply, one row per key, complete for what was sold.

`feed` arguments are splits of `silver.clean_feed`, None where the source has no such feed.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import date, timedelta

from pyspark.sql import DataFrame, SparkSession
from pyspark.sql import functions as F

from lakehouse.feeds.quality import SOURCE_ORDER, QualityRule, Split, lost_sql
from lakehouse.schema.entities import SERIES
from lakehouse.schema.tables import contract
from lakehouse.transforms.keys import parts_of
from lakehouse.transforms.silver.holiday_calendar import public_holidays, supported_countries
from lakehouse.transforms.silver.weather_days import TABLE as WEATHER
from lakehouse.transforms.silver.weather_days import weather_days

EVERYWHERE = "*"  # as the location of terms: wherever the article is sold
CALENDAR_DAYS_AHEAD = 366  # the longest horizon plus look-ahead that a forecast may ask of the calendar


def country_rule() -> QualityRule:
    """Locations whose country has no known public holidays are quarantined, rather than left without holidays."""
    known = ", ".join(f"'{code}'" for code in sorted(supported_countries()))
    reason = "expected an ISO 3166 alpha-2 country whose public holidays are known"
    return QualityRule("unknown_country", f"country NOT IN ({known})", reason, ("country",))


def frames(
    feeds: Mapping[str, Split],
    series: DataFrame,
    places: DataFrame,
    closed: DataFrame,
    span: tuple[date, date],
    *,
    everywhere: bool = False,
) -> dict[str, Callable[[], DataFrame]]:
    """What makes each dimension, by table.

    series: unique_id, its parts and bucket of all that was sold; places: what `locations` gives; closed: what
    `closed_days` gives; span: first and last day with a sale; everywhere: whether terms hold wherever their article is
    sold.
    """
    spark = series.sparkSession
    return {
        "silver.products": lambda: products(feeds.get("products"), series),
        "silver.locations": lambda: places,
        "silver.calendar": lambda: calendar(feeds.get("calendar"), places, closed, *span),
        "silver.stock": lambda: stock(feeds.get("stock"), spark),
        "silver.supply": lambda: supply(feeds.get("supply"), spark, series if everywhere else None),
        **(_of_suppliers(feeds, spark, series if everywhere else None) if "suppliers" in feeds else {}),
        **({WEATHER: lambda: weather_days(feeds["weather"].accepted, places)} if "weather" in feeds else {}),
    }


def days_known(first: date, last: date) -> int:
    """Days from the first sale to the end of the calendar."""
    return (last - first).days + 1 + CALENDAR_DAYS_AHEAD


def products(feed: Split | None, series: DataFrame) -> DataFrame:
    """silver.products: each attribute is the first that the feed states for the SKU; sold SKUs are never missing."""
    return _first_stated(feed, series, "silver.products", "sku_id")


def locations(feed: Split | None, series: DataFrame, country: str | None) -> DataFrame:
    """silver.locations: as products; `country` (of the mapping) where the feed states none."""
    stated = _first_stated(feed, series, "silver.locations", "location_id")
    return stated.withColumn("country", F.coalesce("country", F.lit(country).cast("string")))


def calendar(feed: Split | None, locations: DataFrame, closed: DataFrame, first: date, last: date) -> DataFrame:
    """silver.calendar: every location on every day from `first`, the first sale, to a year after `last`, the last.

    An event without a location is for all. Names of events and public holidays of a day are joined by ' + ', sorted.
    is_benefit_day: the day's benefit_regions name the location's region.
    is_holiday is NULL where the location's country is not known. is_closed and is_closed_planned: as
    `closed` says.
    """
    spark = locations.sparkSession
    ahead = last + timedelta(days=CALENDAR_DAYS_AHEAD)
    days = spark.range(1).select(F.explode(F.sequence(F.lit(first), F.lit(ahead))).alias("ds"))
    grid = locations.select("location_id", "country", "region").crossJoin(days)
    holidays = _holidays(spark, locations, first, ahead)
    with_holidays = grid.join(
        F.broadcast(holidays),
        (grid.country == holidays.holiday_country)
        & grid.region.eqNullSafe(holidays.holiday_region)
        & (grid.ds == holidays.holiday_ds),
        "left",
    )
    events = _events(feed, spark)
    chain = events.filter("location_id IS NULL").select(
        "ds", F.col("events").alias("chain_events"), F.col("regions").alias("chain_regions")
    )
    own = events.filter("location_id IS NOT NULL").withColumnsRenamed(
        {"events": "own_events", "regions": "own_regions"}
    )
    key = ["location_id", "ds"]
    joined = with_holidays.join(chain, "ds", "left").join(own, key, "left").join(closed, key, "left")
    none = F.array().cast("array<string>")
    named = F.array_union(F.coalesce("chain_events", none), F.coalesce("own_events", none))
    regions = F.array_union(F.coalesce("chain_regions", none), F.coalesce("own_regions", none))
    holiday = F.when(F.col("holiday_name").isNull(), none).otherwise(F.array("holiday_name"))
    names = F.array_join(F.sort_array(F.array_union(named, holiday)), " + ")
    return joined.select(
        "location_id",
        "ds",
        F.when(F.col("country").isNotNull(), F.col("holiday_name").isNotNull()).alias("is_holiday"),
        (F.size(named) > 0).alias("is_event"),
        F.coalesce(F.array_contains(regions, F.col("region")), F.lit(False)).alias("is_benefit_day"),
        F.coalesce("is_closed", F.lit(False)).alias("is_closed"),
        F.coalesce("is_closed_planned", F.lit(False)).alias("is_closed_planned"),
        F.when(names != "", names).alias("event_name"),
    )


def stock(feed: Split | None, spark: SparkSession) -> DataFrame:
    """silver.stock: the last count stated for each series and day, what is no number apart; empty without a feed."""
    return _by_series(feed, spark, "silver.stock")


def supply(feed: Split | None, spark: SparkSession, series: DataFrame | None = None) -> DataFrame:
    """silver.supply: the last terms stated for each series, NULL where none or no number is; empty without a feed.

    Terms for `EVERYWHERE` hold for each of `series` of the article for which none are stated.
    """
    return _spread(_by_series(feed, spark, "silver.supply"), series if feed else None)


def _of_suppliers(
    feeds: Mapping[str, Split], spark: SparkSession, series: DataFrame | None
) -> dict[str, Callable[[], DataFrame]]:
    """What makes silver.supplier and silver.offer; a retailer with one supplier an article needs neither."""

    def suppliers() -> DataFrame:
        declared = contract("silver.supplier")
        rows = feeds["suppliers"].accepted
        return rows.selectExpr(*declared.casts())

    return {"silver.supplier": suppliers, "silver.offer": lambda: offers(feeds.get("supply"), spark, series)}


def offers(feed: Split | None, spark: SparkSession, series: DataFrame | None = None) -> DataFrame:
    """silver.offer: the last terms that each named supplier states for a series, as `supply` has those of one."""
    declared = contract("silver.offer")
    if feed is None:
        return spark.createDataFrame([], ", ".join(f"{name} {declared.sql_type(name)}" for name in declared.columns))
    rows = feed.rows.filter("(outcome = 'used' OR rule_id = 'repeated_key') AND supplier_id IS NOT NULL")
    key, order = ["unique_id", "supplier_id"], F.struct(*SOURCE_ORDER)
    values = [name for name in declared.columns if name not in key]
    last = rows.groupBy(*key).agg(F.max_by(F.struct(*values), order).alias("last")).select(*key, "last.*")
    typed = last.selectExpr(*declared.casts())
    return _spread(typed, series)


def _spread(stated: DataFrame, series: DataFrame | None) -> DataFrame:
    """Terms of `EVERYWHERE` for each of `series` of the article for which none are stated; as they are without it."""
    if series is None:
        return stated
    parted = stated.select("*", *parts_of(SERIES))
    own = parted.filter(F.col("location_id") != EVERYWHERE).select(*stated.columns)
    general = parted.filter(F.col("location_id") == EVERYWHERE).drop("unique_id", "bucket", "location_id", "channel_id")
    spread = general.join(series.select("sku_id", "unique_id", "bucket"), "sku_id")
    return own.unionByName(spread.join(own, "unique_id", "left_anti").select(*stated.columns))


def _first_stated(feed: Split | None, series: DataFrame, table: str, key: str) -> DataFrame:
    declared = contract(table)
    columns = declared.columns
    attributes = [name for name in columns if name != key]
    sold = series.select(key).distinct()
    if feed is None:
        return sold.selectExpr(key, *(f"CAST(NULL AS {declared.sql_type(name)}) AS {name}" for name in attributes))
    order = f"struct({', '.join(SOURCE_ORDER)})"
    rows = feed.rows.filter("outcome = 'used' OR rule_id = 'repeated_key'")
    stated = rows.groupBy(key).agg(
        *(F.expr(f"min_by({name}, CASE WHEN {name} IS NOT NULL THEN {order} END) AS {name}") for name in attributes)
    )
    return stated.join(sold, key, "full").selectExpr(*declared.casts())


def _by_series(feed: Split | None, spark: SparkSession, table: str) -> DataFrame:
    declared = contract(table)
    if feed is None:
        return spark.createDataFrame([], ", ".join(f"{name} {declared.sql_type(name)}" for name in declared.columns))
    refused = [f"CASE WHEN {lost_sql(name)} THEN raw.{name} END AS {name}" for name in feed.optional]
    stated = f"nullif(to_json(struct({', '.join(refused)})), '{{}}')" if refused else "NULL"
    rows = feed.accepted.withColumn("refused_values", F.expr(stated))
    return rows.selectExpr(*declared.casts())


def _holidays(spark: SparkSession, locations: DataFrame, first: date, last: date) -> DataFrame:
    """Public holidays of each country and region that a location lies in: a handful of rows, made on the driver."""
    places = locations.filter("country IS NOT NULL").select("country", "region").distinct().collect()
    rows = [
        (place["country"], place["region"], day, name)
        for place in places
        for day, name in public_holidays(place["country"], place["region"], first, last).items()
    ]
    schema = "holiday_country string, holiday_region string, holiday_ds date, holiday_name string"
    return spark.createDataFrame(rows, schema)


def _events(feed: Split | None, spark: SparkSession) -> DataFrame:
    """Event names and regions with benefits, as sets per location (NULL for all) and day."""
    if feed is None:
        return spark.createDataFrame([], "location_id string, ds date, events array<string>, regions array<string>")
    named = feed.accepted.filter("event_name IS NOT NULL OR benefit_regions IS NOT NULL")
    listed = F.split("benefit_regions", r"\s*,\s*")
    return named.groupBy("location_id", "ds").agg(
        F.collect_set("event_name").alias("events"), F.flatten(F.collect_set(listed)).alias("regions")
    )
