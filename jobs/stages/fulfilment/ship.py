"""Ship: order lines become shipments by depot, day and location, in loads that the depot's largest vehicle holds.

Without coordinates (of the feed `locations`, or generated ones) it does nothing and says so.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import date, timedelta
from functools import partial, reduce
from typing import TYPE_CHECKING

import pyarrow as pa
from pyspark.sql import DataFrame
from pyspark.sql import functions as F

from jobs.engine.frames import run_part, write_part
from jobs.engine.stage import THIS, FrameStage, Read
from jobs.stages.fulfilment.fulfilment_settings import FULFILMENT
from jobs.stages.fulfilment.ship_network import LEG, SLOT, VEHICLE, ShipNetwork, ship_network
from jobs.stages.fulfilment.ship_words import ask_about_sizes, tell_shipments
from jobs.stages.fulfilment.waiting_lines import DELIVERY_PLAN, with_waiting_lines
from jobs.stages.supply_network.network_file import network_digest
from lakehouse.delta.files import write_bucket
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
    with_days,
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
        _clear(context)
        return StageRecord("succeeded")
    ask_about_sizes(context, frames.version(_PRODUCTS))
    lines = ordered_lines(frames[_PLAN]).persist()
    try:
        days = _days(context, network, lines)
        split = with_days(lines, days, FULFILMENT.of(context.settings).brought_by_suppliers).persist()
        fresh = _loaded(context, frames, network, split.filter("unshipped_code IS NULL"))
        held = with_waiting_lines(context, frames, network, fresh).persist()
        unshipped = split.filter("unshipped_code IS NOT NULL")
        _check(lines, held.filter("NOT is_carried"), unshipped)
        places = context.spark.createDataFrame(network.place_rows())
        of_day = days.filter("unshipped_code IS NULL").select("location_id", "ds", "wait_until_ds").distinct()
        loads = shipments(held, places, of_day, _visits(context, frames)).persist()
        rows = _write(context, frames, {SHIPMENT: loads, LINE: held, _UNSHIPPED: unshipped} | network.legs(loads))
        rows += _write_small(context, network.small_tables())
        tell_shipments(context)
    finally:
        lines.unpersist()
    return StageRecord("succeeded", rows=rows)


def _loaded(context: RunContext, frames: Frames, network: ShipNetwork, lines: DataFrame) -> DataFrame:
    spec = FULFILMENT.of(context.settings)
    sized = with_size(lines, frames[_PRODUCTS], spec.unit_litres, spec.unit_kg)
    known = with_demand(sized, _demand(frames), frames[_POLICY], context.as_of)
    return in_loads(known, partial(shipment_lines, capacities=network.capacities()), context.settings.buckets)


def _demand(frames: Frames) -> DataFrame:
    chosen = frames[_CHAMPION].select("unique_id", "cutoff", "model")
    return frames[_DEMAND].join(chosen, ["unique_id", "cutoff", "model"]).select("unique_id", "ds", "mean", "sd")


def _visits(context: RunContext, frames: Frames) -> DataFrame:
    past = frames[DELIVERY_PLAN].filter(F.col("as_of") < F.lit(context.as_of)).filter("delivery_status = 'delivered'")
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


def _check(lines: DataFrame, held: DataFrame, unshipped: DataFrame) -> None:
    """Ordered units are all there: in lines, or unshipped."""
    sums = [
        frame.agg(F.coalesce(F.sum(F.col(name).cast(EXACT)), F.lit(0)).cast("double").alias(alias))
        for frame, name, alias in (
            (lines, "order_qty", "ordered"),
            (held, "shipped_qty", "in_lines"),
            (unshipped, "order_qty", "outside"),
        )
    ]
    row = reduce(DataFrame.crossJoin, sums).collect()[0]
    if abs(row.ordered - row.in_lines - row.outside) > 1e-6 * max(1.0, row.ordered):
        raise PromiseError(
            f"ship: expected {row.ordered:,.6f} ordered units in shipments or unshipped, found {row.in_lines:,.6f} and "
            f"{row.outside:,.6f}; this is a fault of the program, please report it"
        )


def _write(context: RunContext, frames: Frames, tables: Mapping[str, DataFrame]) -> int:
    """Each table's rows of the run, by Spark."""

    def rows(name: str) -> DataFrame:
        declared = contract(name)
        frame = tables[name].withColumn("run_id", F.lit(context.run.run_id))
        return frame.selectExpr(*declared.casts())

    return write_part(context, frames, run_part(context), {name: partial(rows, name) for name in tables})


def _write_small(context: RunContext, tables: Mapping[str, pa.Table]) -> int:
    """The run's rows of tables that have no other partition."""
    lake, part = context.lakehouse, {"run_id": context.run.run_id}
    for name, rows in tables.items():
        lake.ensure(name)
        file = write_bucket(name, lake.uri(name), rows, part)
        lake.commit_files(name, [file] if file else [], {column: [value] for column, value in part.items()})
    return sum(rows.num_rows for rows in tables.values())


def _clear(context: RunContext) -> None:
    """Take away what other settings left of the same run."""
    for name in _WRITES:
        if context.lakehouse.exists(name):
            context.lakehouse.commit_files(name, [], {"run_id": [context.run.run_id]})


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
        Read(LINE, (), is_past=True),
        Read(DELIVERY_PLAN, ("as_of", "location_id", "ds", "delivery_status"), is_past=True),
        Read(_CALENDAR, ("location_id", "ds", "is_closed_planned"), days=_days_ahead),
        *(Read(f"bronze.{feed}", ()) for feed in _FEEDS),
    ),
    writes=_WRITES,
    settings=("fulfilment", "inventory", "network_plan"),
    identity=network_digest,
    build=build,
    part=run_part,
)
