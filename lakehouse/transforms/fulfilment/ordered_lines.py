"""Order lines with the day that they are shipped on, what they weigh, and what demand does until they come."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import date

import pyarrow as pa
from pyspark.sql import DataFrame
from pyspark.sql import functions as F

from lakehouse.schema.entities import DEPOT_DAY, SERIES
from lakehouse.schema.tables import contract
from lakehouse.transforms.keys import bucket_of, key_of, parts_of

EXACT = "decimal(28,9)"
LINE, SHIPMENT = "fulfilment.shipment_line", "fulfilment.shipment"


def ordered_lines(plan: DataFrame) -> DataFrame:
    """Lines of inventory.order_plan that order anything, with the parts of their series."""
    lines = plan.filter("order_qty > 0").select("*", *parts_of(SERIES))
    return lines.withColumn("expected_receipt_ds", F.coalesce("expected_receipt_ds", "order_date"))


def with_days(lines: DataFrame, days: DataFrame, brought_by: Sequence[str]) -> DataFrame:
    """The lines with their depot's day, or with code and words why they have none."""
    found = lines.join(F.broadcast(days), ["location_id", "order_date", "expected_receipt_ds"])
    is_brought = F.coalesce("supplier_id", F.lit("")).isin(*brought_by, "\0")
    code = F.when(is_brought, F.lit("brought_by_supplier")).otherwise(F.col("unshipped_code"))
    words = F.when(is_brought, F.lit("its supplier brings it to the store")).otherwise(F.col("reason_"))
    return found.withColumn("unshipped_code", code).withColumn("reason", words)


def with_size(lines: DataFrame, products: DataFrame, unit_litres: float, unit_kg: float) -> DataFrame:
    """`unit_litres` and `unit_kg` of each line's article, those given where the feed states none, and whether that is
    so."""
    sizes = products.select("sku_id", F.col("unit_litres").alias("_litres"), F.col("unit_kg").alias("_kg"))
    return lines.join(sizes, "sku_id", "left").select(
        *lines.columns,
        F.coalesce("_litres", F.lit(unit_litres)).alias("unit_litres"),
        F.coalesce("_kg", F.lit(unit_kg)).alias("unit_kg"),
        (F.col("_litres").isNull() | F.col("_kg").isNull()).alias("is_load_assumed"),
    )


def with_demand(lines: DataFrame, demand: DataFrame, policy: DataFrame, as_of: date) -> DataFrame:
    """Mean and standard deviation of demand from `as_of` to the evening before `ds` (`_before`) and before
    `wait_until_ds` (`_after`), errors of days apart from each other, and `unit_margin`; 0 where nothing is known.

    demand: unique_id, ds, mean, sd of the models that were chosen.
    """
    wanted = lines.select("unique_id", F.col("ds").alias("_ds"), F.coalesce("wait_until_ds", "ds").alias("_until"))
    ahead = wanted.join(demand, "unique_id").filter((F.col("ds") > F.lit(as_of)) & (F.col("ds") < F.col("_until")))
    early = F.col("ds") < F.col("_ds")
    exact = {name: F.col(name).cast(EXACT) for name in ("mean", "variance")}
    sums = (
        ahead.withColumn("variance", F.col("sd") * F.col("sd"))
        .groupBy("unique_id")
        .agg(
            *(F.sum(F.when(early, value)).cast("double").alias(f"{name}_before") for name, value in exact.items()),
            *(F.sum(value).cast("double").alias(f"{name}_after") for name, value in exact.items()),
        )
    )
    margin = policy.select("unique_id", (F.col("unit_price") - F.col("unit_cost")).alias("unit_margin"))
    joined = lines.join(sums, "unique_id", "left").join(margin, "unique_id", "left")
    zero: dict[str, bool | float | int | str] = {
        f"{name}_{when}": 0.0 for name in ("mean", "variance") for when in ("before", "after")
    }
    zero["unit_margin"] = 0.0
    return joined.fillna(zero)


def in_loads(lines: DataFrame, load: Callable[[pa.Table], pa.Table], buckets: int) -> DataFrame:
    """Rows of fulfilment.shipment_line, with what their shipment has in common; `load` gets a depot-day's lines."""
    day = lines.withColumn(DEPOT_DAY.id, key_of(DEPOT_DAY))
    declared = contract(LINE)
    extra = "location_id string, wait_value double, is_load_assumed boolean"
    names = [name for name in declared.columns if name not in ("is_carried", "run_id", "bucket")]
    schema = ", ".join(f"{name} {declared.sql_type(name)}" for name in names) + f", {extra}"

    def of_day(rows: pa.Table) -> pa.Table:  # Spark reads the annotations
        return load(rows)

    loaded = day.groupBy(DEPOT_DAY.id).applyInArrow(of_day, schema)
    return loaded.withColumn("bucket", bucket_of(DEPOT_DAY, buckets))


def shipments(lines: DataFrame, places: DataFrame, days: DataFrame, visits: DataFrame) -> DataFrame:
    """Rows of fulfilment.shipment from lines in loads. places, visits: by location; days: by location and ds."""
    summed = ("shipped_qty", "order_value", "load_litres", "load_kg", "wait_value")
    by = ["depot_day_id", "shipment_id", "location_id", "bucket"]
    rows = lines.groupBy(*by).agg(
        *(F.sum(F.col(name).cast(EXACT)).cast("double").alias(name) for name in summed),
        *(F.max(name).alias(name) for name in ("is_load_assumed", "is_carried")),
        F.min("expected_receipt_ds").alias("_due"),
    )
    rows = rows.select("*", *parts_of(DEPOT_DAY)).withColumn("ds", F.col("ds").cast("date"))
    rows = rows.withColumn("is_late", F.col("ds") > F.col("_due"))
    rows = rows.join(F.broadcast(places), ["location_id"]).join(F.broadcast(days), ["location_id", "ds"], "left")
    may_wait = F.when(~F.col("is_carried"), F.col("wait_until_ds"))  # what has waited does not wait again
    rows = rows.withColumn("wait_until_ds", may_wait)
    return rows.join(F.broadcast(visits), ["location_id"], "left").fillna({"visit_share": 0.0})


def visit_shares(past: DataFrame, as_of: date, days: int) -> DataFrame:
    """`visit_share` of each location: of the last `days` to `as_of`, on how many something was shipped to it.

    past: what gold.delivery_plan of earlier days says is delivered; where it began later, its first day is the first.
    """
    seen = past.filter((F.col("ds") <= F.lit(as_of)) & (F.col("ds") > F.date_sub(F.lit(as_of), days)))
    begun = seen.agg(F.min("ds").alias("_first"))
    counted = seen.groupBy("location_id").agg(F.countDistinct("ds").alias("_days")).crossJoin(begun)
    share = F.col("_days") / (F.datediff(F.lit(as_of), "_first") + 1)
    return counted.select("location_id", share.alias("visit_share"))
