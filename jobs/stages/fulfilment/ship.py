"""Ship: order lines become shipments by depot, day and location, in loads that the depot's largest vehicle holds.

Without coordinates (of the feed `locations`, or generated ones) it does nothing and says so.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import date, timedelta
from functools import partial
from typing import TYPE_CHECKING, Any

from pyspark.sql import DataFrame
from pyspark.sql import functions as F

from jobs.engine.frames import write_part
from jobs.engine.stage import THIS, FrameStage, Read
from jobs.stages.fulfilment.fulfilment_settings import FULFILMENT
from jobs.stages.fulfilment.ship_network import LEG, SLOT, VEHICLE, ShipNetwork, ship_network
from jobs.stages.supply_network.network_file import network_digest
from lakehouse.delta.ledger import StageRecord
from lakehouse.errors import PromiseError
from lakehouse.schema.tables import contract
from lakehouse.transforms.fulfilment.ordered_lines import (
    EXACT,
    LINE,
    SHIPMENT,
    in_loads,
    ordered_lines,
    shipments,
    visit_shares,
    with_demand,
    with_size,
)
from udfs.fulfilment.shipments import shipment_lines

if TYPE_CHECKING:
    from jobs.context import RunContext
    from jobs.engine.frames import Frames

_UNSHIPPED = "fulfilment.unshipped"
_PLAN, _DEMAND, _CHAMPION, _POLICY = "inventory.order_plan", "forecast.demand", "forecast.champion", "inventory.policy"
_LOCATIONS, _PRODUCTS, _CALENDAR = "silver.locations", "silver.products", "silver.calendar"
_VISIT_DAYS = 28
_FEEDS = ("vehicles", "travel", "slots")
_WRITES = (SHIPMENT, LINE, _UNSHIPPED, VEHICLE, LEG, SLOT)


def build(context: RunContext, frames: Frames) -> StageRecord:
    """Write the run's shipments; every ordered unit is in one line, or in fulfilment.unshipped with its reason."""
    network = ship_network(context, frames)
    if network is None:
        context.progress.say("  ship: nothing is shipped, no location has a latitude and longitude")
        if not any(context.lakehouse.has_rows(name) for name in _WRITES if context.lakehouse.exists(name)):
            return StageRecord("succeeded")
        return StageRecord("succeeded", rows=_write(context, {}))  # what settings of the same run left
    spec = FULFILMENT.of(context.settings)
    lines = ordered_lines(frames[_PLAN]).persist()
    try:
        days = _days(context, network, lines)
        split = lines.join(F.broadcast(days), ["location_id", "order_date", "expected_receipt_ds"])
        straight = F.coalesce(F.col("supplier_id"), F.lit("")).isin(*spec.brought_by_suppliers, "\0")
        code = F.when(straight, F.lit("brought_by_supplier")).otherwise(F.col("unshipped_code"))
        words = F.when(straight, F.lit("its supplier brings it to the store")).otherwise(F.col("reason_"))
        split = split.withColumn("unshipped_code", code).withColumn("reason", words).persist()
        shipped = with_size(split.filter("unshipped_code IS NULL"), frames[_PRODUCTS], spec.unit_litres, spec.unit_kg)
        shipped = with_demand(shipped, _demand(frames), frames[_POLICY], context.as_of)
        held = in_loads(shipped, partial(shipment_lines, capacities=network.capacities()), context.settings.buckets)
        held = held.persist()
        places = context.spark.createDataFrame(network.place_rows())
        of_day = days.filter("unshipped_code IS NULL").select("location_id", "ds", "wait_until_ds").distinct()
        late = shipped.groupBy("location_id", "ds").agg(
            F.max(F.col("ds") > F.col("expected_receipt_ds")).alias("is_late")
        )
        of_day = of_day.join(late, ["location_id", "ds"])
        loads = shipments(held, places, of_day, _visits(context, frames)).persist()
        unshipped = split.filter("unshipped_code IS NOT NULL")
        _check(context, lines, held, unshipped)
        own = {SHIPMENT: loads, LINE: held, _UNSHIPPED: unshipped}
        rows = _write(context, own | network.frames(context.spark, loads))
        _tell(context, loads, unshipped)
    finally:
        lines.unpersist()
    return StageRecord("succeeded", rows=rows)


def _demand(frames: Frames) -> DataFrame:
    chosen = frames[_CHAMPION].select("unique_id", "cutoff", "model")
    return frames[_DEMAND].join(chosen, ["unique_id", "cutoff", "model"]).select("unique_id", "ds", "mean", "sd")


def _visits(context: RunContext, frames: Frames) -> DataFrame:
    past = frames[SHIPMENT].filter(F.col("run_id") != F.lit(context.run.run_id))
    return visit_shares(past, context.as_of, _VISIT_DAYS)


def _days(context: RunContext, network: ShipNetwork, lines: DataFrame) -> DataFrame:
    """The depot's day, or why there is none, of each location and receipt; all but a few lines share one."""
    columns = ["location_id", "order_date", "expected_receipt_ds"]
    found = [network.day_of(*row) for row in lines.select(*columns).distinct().orderBy(*columns).collect()]
    schema = (
        "location_id string, order_date date, expected_receipt_ds date, depot_id string, ds date, wait_until_ds date, "
        "unshipped_code string, reason_ string"
    )
    return context.spark.createDataFrame(found, schema)


def _check(context: RunContext, lines: DataFrame, held: DataFrame, unshipped: DataFrame) -> None:
    """Ordered units are all there: in lines, or unshipped."""

    def total(frame: DataFrame, name: str) -> float:
        return float(frame.agg(F.sum(F.col(name).cast(EXACT))).collect()[0][0] or 0)

    ordered, in_lines, outside = total(lines, "order_qty"), total(held, "shipped_qty"), total(unshipped, "order_qty")
    if abs(ordered - in_lines - outside) > 1e-6 * max(1.0, ordered):
        raise PromiseError(
            f"ship: expected {ordered:,.6f} ordered units in shipments or unshipped, found {in_lines:,.6f} and "
            f"{outside:,.6f}; this is a fault of the program, please report it"
        )


def _write(context: RunContext, frames: Mapping[str, DataFrame]) -> int:
    """Each table's rows of the run."""

    def rows(name: str) -> DataFrame:
        declared = contract(name)
        if name not in frames:
            return context.spark.createDataFrame(declared.empty(with_partitions=True))
        frame = frames[name].withColumn("run_id", F.lit(context.run.run_id))
        return frame.select(*(F.col(each).cast(declared.sql_type(each)).alias(each) for each in declared.columns))

    return write_part(context, part_of(context), {name: partial(rows, name) for name in _WRITES})


def part_of(context: RunContext) -> str:
    return f"run_id={context.run.run_id}"


def _tell(context: RunContext, loads: DataFrame, unshipped: DataFrame) -> None:
    row = loads.agg(
        F.count("*").alias("n"), F.countDistinct("depot_day_id").alias("days"), F.count_if("is_late").alias("late")
    ).collect()[0]
    words = f"{row.n:,} shipments on {row.days:,} depot-days, {row.late:,} of them later than expected"
    context.progress.say(f"  ship: {words}")
    for each in unshipped.groupBy("unshipped_code").count().orderBy("unshipped_code").collect():
        context.progress.say(f"  ship: {each['count']:,} order lines are in no shipment: {each.unshipped_code}")


def _identity(context: RunContext) -> Any:
    return network_digest(context)


def _days_ahead(context: RunContext) -> tuple[date | None, date | None]:
    return context.as_of, context.as_of + timedelta(days=365)


STAGE = FrameStage(
    name="ship",
    reads=(
        Read(_PLAN, (), run=THIS),
        Read(_DEMAND, ("unique_id", "cutoff", "model", "ds", "mean", "sd"), run=THIS),
        Read(_CHAMPION, ("unique_id", "cutoff", "model"), run=THIS),
        Read(_POLICY, ("unique_id", "unit_price", "unit_cost"), run=THIS),
        Read(_LOCATIONS, ()),
        Read(_PRODUCTS, ("sku_id", "unit_litres", "unit_kg")),
        Read(SHIPMENT, ("location_id", "ds", "run_id"), is_past=True),
        Read(_CALENDAR, ("location_id", "ds", "is_closed_planned"), days=_days_ahead),
        *(Read(f"bronze.{feed}", ()) for feed in _FEEDS),
    ),
    writes=_WRITES,
    settings=("fulfilment", "inventory", "network_plan"),
    identity=_identity,
    build=build,
    part=part_of,
)
