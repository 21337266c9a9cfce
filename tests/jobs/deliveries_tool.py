"""A lakehouse whose places have coordinates and on which every series orders, shipped and routed."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING

import pyarrow as pa
import pyarrow.compute as pc

from jobs.pipeline import all_stages, run_stages
from lakehouse.delta.files import replace_rows, write_bucket
from lakehouse.delta.io import Lakehouse
from lakehouse.schema.entities import SERIES
from lakehouse.schema.tables import contract
from tests.jobs.run_tool import day, make_context
from tests.tiny_retailer import PLACES, SKUS, STORES

if TYPE_CHECKING:
    from pathlib import Path

    from pyspark.sql import SparkSession

STAGES = ["ship", "slot", "route", "deliver"]
RECEIPT = day(119) + timedelta(days=3)
ORDERED = {
    SERIES.key(sku, store, "all"): 3.0 * n + at for n, sku in enumerate(SKUS, 1) for at, store in enumerate(STORES)
}
"""Units by series."""
_PLAN, _PLACES = "inventory.order_plan", "silver.locations"


def deliver(spark: SparkSession, lake: Lakehouse, feeds: Path) -> None:
    """Run the stages of deliveries by themselves: the orders are not those that the stages before made."""
    context = make_context(spark, lake, feeds, day(119), force=True)
    _order(lake, context.run.run_id)
    _place(lake)
    run_stages(context, stages=[stage for stage in all_stages() if stage.name in STAGES])


def _order(lake: Lakehouse, run: str) -> None:
    plan = lake.read_arrow(_PLAN, filters=pc.field("run_id") == run)
    units = pa.array([ORDERED[name] for name in plan["unique_id"].to_pylist()])
    changed = {
        "order_qty": units,
        "order_value": pc.multiply(units, 2.0),
        "expected_receipt_ds": pa.repeat(RECEIPT, len(units)),
    }
    for name, values in changed.items():
        at = plan.schema.get_field_index(name)
        plan = plan.set_column(at, name, values.cast(plan.schema.field(name).type))
    files = []
    for bucket in sorted(set(plan["bucket"].to_pylist())):
        rows = plan.filter(pc.equal(plan["bucket"], bucket))
        files.append(write_bucket(_PLAN, lake.uri(_PLAN), rows, {"run_id": run, "bucket": str(bucket)}))
    lake.commit_files(_PLAN, [file for file in files if file], {"run_id": [run]})


def _place(lake: Lakehouse) -> None:
    known = {row["location_id"]: row for row in lake.read_arrow(_PLACES).to_pylist()}
    schema = contract(_PLACES).arrow_schema()
    rows = [
        dict.fromkeys(schema.names)
        | known.get(name, {"location_id": name, "country": "US"})
        | {"latitude": latitude, "longitude": longitude, "depot_id": None if name == "dc" else "dc"}
        for name, (latitude, longitude) in PLACES.items()
    ]
    replace_rows(lake, _PLACES, pa.Table.from_pylist(rows, schema=schema))
