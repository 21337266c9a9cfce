"""Cleaned sales lines become one row per series and day, every gap filled by rule.

Lines, price changes, promotion periods and stock counts are brought together as events of a series and a day, and meet
in one shuffle, by bucket. After it a day is a sum over its events, and a gap is what lies between two events.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from datetime import date

import pyarrow as pa
from pyspark.sql import Column, DataFrame, Window
from pyspark.sql import functions as F

from lakehouse.feeds.quality import EXACT, SOURCE_ORDER
from lakehouse.feeds.sources import SourceMapping
from lakehouse.schema.entities import SERIES
from lakehouse.schema.tables import contract
from lakehouse.transforms.keys import parts_of
from lakehouse.transforms.silver.believed import Judge, judged
from lakehouse.transforms.silver.cleaning import NEGATIVE, delivered

_OPEN_END = date(9999, 12, 31)  # a period without a last day
CLOSED = "closed"
_LATENT = ("y_latent", "y_latent_low", "y_latent_high")
_JUDGED = ("y_bound", "price_bound", "price_stated")

# (rows of whole series, sorted: unique_id, ds, y, is_censored, ...) -> the columns of `_LATENT`, row by row.
EstimateLatent = Callable[[pa.Table], pa.Table]


def sales_daily(
    lines: DataFrame,
    series: DataFrame,
    mapping: SourceMapping,
    last_day: date,
    n_buckets: int,
    *,
    prices: DataFrame | None = None,
    promotions: DataFrame | None = None,
    stock: DataFrame | None = None,
    masks: DataFrame | None = None,
    closed: DataFrame | None = None,
    judge: Judge | None = None,
    latent: EstimateLatent | None = None,
) -> DataFrame:
    """The rows of silver.sales_daily, sorted by series and day within their bucket.

    lines, series: from `CleanedSales`; last_day: the last day of the feed, to which every series is filled. `prices`,
    `promotions`: accepted rows of these feeds; `stock`: rows in the shape of silver.stock. `masks`: (unique_id, bucket,
    ds, masked_by, y_stated) of days whose demand is unknown; `closed`: (location_id, ds) of days without trade.

    - y: sum of the net units; on a day without a line 0 or NULL by the mapping's `gap_fill`, with is_filled true; NULL
      on a day that is masked, and on one without a sale on which the location was closed, with the reason in masked_by
      and what the rows say in y_stated.
    - unit_price: of the price period that covers the day, else the mean price of the day's lines weighted by units
      sold, else the last price known before that was above 0: a give-away does not outlast its day. Never a later one;
      NULL before the first.
    - is_promo: a line says so, or a promotion period covers the day; false where no feed says so.
    - on_hand_qty: the last count of the day on a line, else in the stock feed; is_censored: that count is 0 or less.
    - what cannot be believed, by `judge`: see `judged`; nothing is without it.
    - y_latent, its low and its high: by `latent`, which sees whole buckets; without it demand is what was sold; a usual
      day's where the units cannot be believed.

    Every sum is exact (DECIMAL), so the result does not depend on the partitioning, to the bit.
    """
    events = _line_events(lines, delivered(mapping, "sales"))
    if prices is not None:
        events = events.unionByName(_price_events(prices, series, last_day), allowMissingColumns=True)
    if promotions is not None:
        events = events.unionByName(_promotion_events(promotions, series), allowMissingColumns=True)
    if stock is not None:
        events = events.unionByName(_stock_events(stock), allowMissingColumns=True)
    if masks is not None:
        events = events.unionByName(masks, allowMissingColumns=True)
    by_bucket = _by_bucket(events.filter(F.col("ds") <= F.lit(last_day)), n_buckets)
    known = _carry_forward(_sum_days(by_bucket))
    filled = _masked(_fill_gaps(known, last_day, 0.0 if mapping.clean.gap_fill == "zero" else None), closed)
    columns = contract("silver.sales_daily").columns
    known_columns = [name for name in columns if name not in (*_LATENT, *_JUDGED)]
    rows = filled.select(*known_columns).sortWithinPartitions("bucket", "unique_id", "ds")
    if judge is None:
        rows = rows.withColumns({name: F.lit(None).cast("double") for name in (*_JUDGED, "y_usual")})
    else:
        rows = judged(rows, judge, is_masked=mapping.clean.implausible == "mask")
    rows = _with_latent(rows, latent) if latent else rows.withColumns({name: F.col("y") for name in _LATENT})
    return rows.withColumn("y_latent", F.coalesce("y_latent", "y_usual")).select(*columns)


def _by_bucket(events: DataFrame, n_buckets: int) -> DataFrame:
    """A partition for each bucket; in Spark 4.0, which knows hashes alone, some hold several."""
    if hasattr(events, "repartitionById"):
        return events.repartitionById(n_buckets, F.col("bucket"))
    return events.repartition(n_buckets, F.col("bucket"))


def _with_latent(rows: DataFrame, latent: EstimateLatent) -> DataFrame:
    """`rows` with the columns of `_LATENT`; a partition holds whole buckets, and so whole series."""

    def of_partition(batches: Iterator[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
        parts = list(batches)
        if not parts:
            return
        table = pa.Table.from_batches(parts)
        estimated = latent(table)
        for name in _LATENT:
            table = table.append_column(name, estimated[name])
        yield from table.combine_chunks().to_batches(max_chunksize=1 << 16)

    schema = ", ".join(f"{f.name} {f.dataType.simpleString()}" for f in rows.schema)
    return rows.mapInArrow(of_partition, schema + "".join(f", {name} double" for name in _LATENT))


def _line_events(lines: DataFrame, given: set[str]) -> DataFrame:
    """Columns that the feed lacks are left out: they would be shuffled for nothing."""
    optional = [name for name in ("unit_price", "discount_value", "is_promo") if name in given]
    key = ("unique_id", "bucket", "ds")
    return lines.select(*key, F.lit(True).alias("is_line"), "units", "net_units", *optional, *_count_of(given))


def _count_of(given: set[str]) -> list[Column]:
    if "on_hand_qty" not in given:
        return []
    *order, column = SOURCE_ORDER
    at = F.struct("sold_at", *order, F.coalesce(column, F.lit("")).alias(column))
    return [F.col("on_hand_qty"), F.when(F.col("on_hand_qty").isNotNull(), at).alias("counted_at")]


def _price_events(prices: DataFrame, series: DataFrame, last_day: date) -> DataFrame:
    """A price that starts on `ds` and holds until `price_until`, per series of its SKU and location."""
    changes = price_changes(prices.filter(F.col("ds_from") <= F.lit(last_day)), last_day)
    keys = series.select("unique_id", "bucket", "sku_id", "location_id")
    return changes.join(keys, ["sku_id", "location_id"]).select(
        "unique_id", "bucket", "ds", "period_price", "price_until"
    )


def price_changes(prices: DataFrame, last_day: date) -> DataFrame:
    """Price periods without overlap: (sku_id, location_id, ds, price_until, period_price).

    Where periods of a SKU and location overlap, each day has the price of the period that started last (by source
    order where they start together), and the longer period's price returns when the shorter one ends.
    """
    key = Window.partitionBy("sku_id", "location_id")
    before = key.orderBy("ds_from", *SOURCE_ORDER).rowsBetween(Window.unboundedPreceding, -1)
    periods = (
        prices.withColumn("until", F.coalesce("ds_to", F.lit(_OPEN_END)))
        .withColumn("overlaps", F.max("until").over(before) >= F.col("ds_from"))
        .withColumn("has_overlap", F.coalesce(F.max("overlaps").over(key), F.lit(False)))
    )
    # Few keys have overlaps: only theirs are laid out day by day.
    every_day = F.sequence("ds_from", F.least("until", F.lit(last_day)))
    days = F.when(F.col("has_overlap"), every_day).otherwise(F.array("ds_from"))
    laid_out = periods.select("*", F.explode(days).alias("ds"))
    started = F.struct("ds_from", *SOURCE_ORDER)
    return laid_out.groupBy("sku_id", "location_id", "ds").agg(
        F.max_by("unit_price", started).alias("period_price"),
        F.max(F.when(F.col("has_overlap"), F.col("ds")).otherwise(F.col("until"))).alias("price_until"),
    )


def _promotion_events(promotions: DataFrame, series: DataFrame) -> DataFrame:
    """A promotion that starts on `ds` and holds until `promo_until`; many rows may say the same of one period."""
    keys = series.select("unique_id", "bucket", "sku_id", "location_id")
    periods = promotions.select("sku_id", "location_id", F.col("ds_from").alias("ds"), "ds_to")
    return (
        periods.join(keys, ["sku_id", "location_id"])
        .groupBy("unique_id", "bucket", "ds")
        .agg(F.max(F.coalesce("ds_to", F.lit(_OPEN_END))).alias("promo_until"))
    )


def _stock_events(stock: DataFrame) -> DataFrame:
    """A count in the stock feed; `counted_at` stays NULL, so a count on a sales line of the day goes first."""
    return stock.select("unique_id", "bucket", "ds", F.col("on_hand_qty").cast(EXACT).alias("stock_qty"))


def _sum_days(events: DataFrame) -> DataFrame:
    """One row per series and day with an event. What no feed delivers is NULL, and costs nothing."""
    delivered = set(events.columns)

    def value(name: str, of: Callable[[], Column], type_: str = "double") -> Column:
        return (of() if name in delivered else F.lit(None)).cast(type_).alias(name)

    return (
        events.groupBy("bucket", "unique_id", "ds")
        .agg(
            F.max("is_line").alias("has_line"),
            F.sum("net_units").cast("double").alias("y"),
            value("unit_price", _line_price).alias("line_price"),
            value("discount_value", lambda: F.sum("discount_value")),
            value("is_promo", lambda: F.max("is_promo"), "boolean").alias("line_promo"),
            value("on_hand_qty", lambda: F.max_by("on_hand_qty", "counted_at")),
            value("stock_qty", lambda: F.max("stock_qty")),
            value("period_price", lambda: F.max("period_price")),
            value("price_until", lambda: F.max("price_until"), "date"),
            value("promo_until", lambda: F.max("promo_until"), "date"),
            value("masked_by", lambda: F.max("masked_by"), "string"),
        )
        .withColumn("on_hand_qty", F.coalesce("on_hand_qty", "stock_qty"))
    )


def _line_price() -> Column:
    """Mean price of the day's lines, weighted by units sold; where nothing was sold the plain mean of the prices."""
    is_sale = (F.col("units") > 0) & F.col("unit_price").isNotNull()
    sold_units = F.sum(F.when(is_sale, F.col("units")))
    sold_value = F.sum(F.when(is_sale, F.col("units") * F.col("unit_price")))
    weighted = sold_value.cast("double") / sold_units.cast("double")
    plain = F.sum("unit_price").cast("double") / F.count("unit_price")
    return F.when(sold_units > 0, weighted).when(F.count("unit_price") > 0, plain)


def _carry_forward(days: DataFrame) -> DataFrame:
    """What each event day knows from the days before it: price, promotion in force, whether sales have begun."""
    ordered = Window.partitionBy("bucket", "unique_id").orderBy("ds")
    so_far = ordered.rowsBetween(Window.unboundedPreceding, Window.currentRow)
    in_force = days.select(
        "*",
        F.last("period_price", ignorenulls=True).over(so_far).alias("last_period_price"),
        F.last("price_until", ignorenulls=True).over(so_far).alias("last_price_until"),
        F.max("promo_until").over(so_far).alias("promo_in_force_until"),
        F.coalesce(F.max("has_line").over(so_far), F.lit(False)).alias("has_begun"),
        F.lead("ds").over(ordered).alias("next_ds"),
    )
    period_price = F.when(F.col("ds") <= F.col("last_price_until"), F.col("last_period_price"))
    stated = in_force.withColumn("stated_price", F.coalesce(period_price, F.col("line_price")))
    positive = F.when(F.col("stated_price") > 0, F.col("stated_price"))
    last_price, last_stated = (F.last(price, ignorenulls=True).over(so_far) for price in (positive, "stated_price"))
    return stated.withColumn("carried_price", F.coalesce(last_price, last_stated))


def _fill_gaps(days: DataFrame, last_day: date, fill: float | None) -> DataFrame:
    """Every day from a series' first line to `last_day`: an event day stands for itself and the gap that follows."""
    until = F.coalesce(F.date_sub("next_ds", 1), F.lit(last_day))
    spread = days.filter("has_begun").select(
        "*", F.col("ds").alias("event_ds"), F.explode(F.sequence("ds", until)).alias("day")
    )
    is_event = F.col("day") == F.col("event_ds")
    has_line = is_event & F.coalesce("has_line", F.lit(False))
    on_hand = F.when(is_event, F.col("on_hand_qty"))
    is_stated = is_event | F.coalesce(F.col("day") <= F.col("last_price_until"), F.lit(False))
    is_promo = F.coalesce(has_line & F.col("line_promo"), F.lit(False)) | F.coalesce(
        F.col("day") <= F.col("promo_in_force_until"), F.lit(False)
    )
    return spread.select(
        "bucket",
        "unique_id",
        *parts_of(SERIES),
        F.col("day").alias("ds"),
        F.when(has_line, F.col("y")).otherwise(F.lit(fill).cast("double")).alias("y"),
        F.coalesce(F.when(is_stated, F.col("stated_price")), "carried_price").alias("unit_price"),
        F.when(has_line, F.col("discount_value")).alias("discount_value"),
        is_promo.alias("is_promo"),
        on_hand.alias("on_hand_qty"),
        (~has_line).alias("is_filled"),
        F.coalesce(on_hand <= 0, F.lit(False)).alias("is_censored"),
        # A row below zero leaves a day that has sales besides what these say.
        F.when(is_event & ~(has_line & (F.col("masked_by") == NEGATIVE)), F.col("masked_by")).alias("masked_by"),
    )


def _masked(days: DataFrame, closed: DataFrame | None) -> DataFrame:
    """The days with demand that is not known as NULL, and why."""
    if closed is not None:
        days = days.join(F.broadcast(closed.withColumn("is_closed", F.lit(True))), ["location_id", "ds"], "left")
        is_shut = F.coalesce("is_closed", F.lit(False)) & (F.coalesce("y", F.lit(0.0)) <= 0)
        days = days.withColumn("masked_by", F.coalesce("masked_by", F.when(is_shut, CLOSED))).drop("is_closed")
    is_masked = F.col("masked_by").isNotNull()
    return days.select(
        *(name for name in days.columns if name not in ("y", "is_filled")),
        F.when(~is_masked, F.col("y")).alias("y"),
        F.when(is_masked & ~F.col("is_filled"), F.col("y")).alias("y_stated"),
        (F.col("is_filled") & ~is_masked).alias("is_filled"),
    )
