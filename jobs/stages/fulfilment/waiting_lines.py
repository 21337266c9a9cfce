"""Lines that the plan of the day before let wait: they come with this plan's shipments, and do not wait again."""

from __future__ import annotations

from datetime import date, timedelta
from typing import TYPE_CHECKING, Any

import pyarrow.compute as pc

from jobs.stages.fulfilment.ship_network import ShipNetwork
from lakehouse.schema.column_types import sql_type
from lakehouse.schema.columns import COLUMNS
from lakehouse.schema.entities import DEPOT_DAY
from lakehouse.transforms.fulfilment.ordered_lines import LINE

if TYPE_CHECKING:
    from pyspark.sql import DataFrame

    from jobs.context import RunContext
    from jobs.engine.frames import Frames

DELIVERY_PLAN = "gold.delivery_plan"
_SUMMED = ("shipped_qty", "order_value", "load_litres", "load_kg")


def with_waiting_lines(context: RunContext, frames: Frames, network: ShipNetwork, held: DataFrame) -> DataFrame:
    """`held`, and what has waited since the plan before; `is_carried` tells which."""
    found = _waiting(context, frames, network)
    fresh = held.selectExpr("*", "false AS is_carried")
    if not found:
        return fresh
    context.progress.say(f"  ship: {len(found):,} lines have waited since the plan before, and are shipped now")
    schema = ", ".join(f"{name} {sql_type(COLUMNS[name].type)}" for name in fresh.columns)
    rows = [tuple(row[name] for name in fresh.columns) for row in found]
    return fresh.unionByName(context.spark.createDataFrame(rows, schema))


def _waiting(context: RunContext, frames: Frames, network: ShipNetwork) -> list[dict[str, Any]]:
    plan = _last_plan(context, frames)
    if not plan:
        return []
    ids, runs = [row["shipment_id"] for row in plan], sorted({row["run_id"] for row in plan})
    of_plan = pc.field("run_id").isin(runs) & pc.field("shipment_id").isin(ids)
    lines = context.lakehouse.dataset(LINE, frames.version(LINE)).to_table(filter=of_plan).to_pylist()
    shipment = {row["shipment_id"]: row for row in plan}
    found = []
    for line in lines:
        load = shipment[line["shipment_id"]]
        first = max(load["wait_until_ds"], context.as_of + timedelta(days=1))
        *_, depot, ds, _wait, code, words = network.day_of(load["location_id"], first, first)
        if code:
            context.progress.say(f"WARNING: ship: {line['shipment_id']} waited, and cannot be shipped now: {words}")
            continue
        found.append(_carried(line, load, depot, ds, context.settings.buckets))
    return found


def _carried(line: dict[str, Any], load: dict[str, Any], depot: str, ds: date, buckets: int) -> dict[str, Any]:
    day = DEPOT_DAY.key(depot, ds)
    return {
        **{name: line[name] for name in ("unique_id", "expected_receipt_ds", *_SUMMED)},
        "depot_day_id": day,
        # Apart from the day's own shipments, which have a number behind the day.
        "shipment_id": f"{load['location_id']}:{ds}:since {load['ds']}:{line['shipment_id'].rpartition(':')[2]}",
        "location_id": load["location_id"],
        "wait_value": 0.0,
        "is_load_assumed": load["is_load_assumed"],
        "is_carried": True,
        "bucket": DEPOT_DAY.bucket_of(day, buckets),
    }


def _last_plan(context: RunContext, frames: Frames) -> list[dict[str, Any]]:
    """What waits by the plan of the last day before this one."""
    if frames.version(DELIVERY_PLAN) < 0:
        return []
    data = context.lakehouse.dataset(DELIVERY_PLAN, frames.version(DELIVERY_PLAN))
    before = data.to_table(["as_of"], filter=pc.field("as_of") < context.as_of)
    if not before.num_rows:
        return []
    of_day = pc.field("as_of") == pc.max(before["as_of"]).as_py()
    rows: list[dict[str, Any]] = data.to_table(filter=of_day & (pc.field("delivery_status") == "waits")).to_pylist()
    return rows
