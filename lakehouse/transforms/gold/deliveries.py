"""What is brought where and when, for people: gold.delivery_plan, .fulfilment_value, .warehouse_day and .slot_moves."""

from __future__ import annotations

from collections.abc import Mapping

from pyspark.sql import Column, DataFrame
from pyspark.sql import functions as F

from lakehouse.schema.entities import DEPOT_DAY
from lakehouse.transforms.keys import parts_of

_DAY_S = 86_400


def delivery_plan(tables: Mapping[str, DataFrame], currency: str) -> DataFrame:
    """A row for each shipment, delivered or not. tables: fulfilment.shipment, .shipment_line, .route, .stop, .unserved
    of one run, and silver.locations."""
    lines = tables["fulfilment.shipment_line"].groupBy("shipment_id").agg(F.count("*").alias("line_count"))
    vehicles = tables["fulfilment.route"].select("route_id", "vehicle_type")
    of_stop = ("shipment_id", "route_id", "trip", "stop_position", "arrive_s", "leave_s", "slack_s")
    stops = tables["fulfilment.stop"].select(*of_stop).join(vehicles, "route_id")
    left = tables["fulfilment.unserved"].select("shipment_id", "unserved_code", "reason", "smallest_change")
    names = tables["silver.locations"].select("location_id", "location_name")
    rows = tables["fulfilment.shipment"].join(lines, "shipment_id").join(stops, "shipment_id", "left")
    rows = rows.join(left, "shipment_id", "left").join(names, "location_id", "left")
    # Without a route and without a reason: its depot's day failed, and costs no other.
    failed = F.when(F.col("route_id").isNull(), F.lit("the depot's day was not planned; ops.failure says why"))
    status = F.when(F.col("route_id").isNotNull(), "delivered").when(F.col("unserved_code") == "waits", "waits")
    rows = rows.withColumn("reason", F.coalesce("reason", failed))
    return rows.drop("run_id", "bucket").select(
        "*",
        status.otherwise("not served").alias("delivery_status"),
        _time("arrive_s").alias("arrives_at"),
        _time("leave_s").alias("leaves_at"),
        F.floor(F.col("slack_s") / 60).alias("slack_minutes"),
        F.lit(currency).alias("currency"),
    )


def fulfilment_value(days: DataFrame, shipments: DataFrame, currency: str) -> DataFrame:
    """A row for each depot's day. days: rows of fulfilment.depot_day of one run."""
    counted = shipments.groupBy("depot_day_id").agg(F.count("*").alias("shipment_count"))
    practice = F.least("nearest_neighbour_cost", "savings_cost").alias("practice_cost")
    return (
        days.drop("run_id", "bucket")
        .join(counted, "depot_day_id")
        .select("*", practice, F.lit(currency).alias("currency"))
    )


def warehouse_day(waves: DataFrame, tasks: DataFrame) -> DataFrame:
    """A row for each depot's day with waves. waves, tasks: rows of fulfilment.wave and .task of one run."""
    hours = F.sum((F.col("end_s") - F.col("start_s")) / 3600)
    kinds = {"pick": "pick_hours", "pack": "pack_hours", "load": "load_hours"}
    worked = tasks.groupBy(DEPOT_DAY.id).pivot("task_kind", list(kinds)).agg(hours).withColumnsRenamed(kinds)
    counted = waves.groupBy(DEPOT_DAY.id).agg(
        F.count("*").alias("wave_count"),
        F.count_if(F.col("late_s") > 0).alias("late_wave_count"),
        F.max("late_s").alias("late_s"),
        F.sum("line_count").alias("line_count"),
        F.sum("tour_metres").alias("tour_metres"),
        F.bool_and("is_schedule_proven").alias("is_schedule_proven"),
    )
    return counted.join(worked, DEPOT_DAY.id).select("*", *parts_of(DEPOT_DAY))


def slot_moves(moves: DataFrame, products: DataFrame) -> DataFrame:
    """A row for each move. moves: rows of fulfilment.slot_move of one run."""
    return moves.drop("run_id").join(products, "sku_id", "left")


def _time(name: str) -> Column:
    """hh:mm of seconds from midnight, with +1 after the next midnight, as `time_of` has it."""
    seconds = F.col(name)
    days, rest = F.floor(seconds / _DAY_S), seconds % _DAY_S
    clock = F.format_string("%02d:%02d", F.floor(rest / 3600), F.floor(rest % 3600 / 60))
    return F.when(days > 0, F.concat(clock, F.lit("+"), days.cast("string"))).otherwise(clock)
