"""From order lines to stops on a lakehouse: every unit is accounted for, and a day is planned again while it runs."""

from __future__ import annotations

from datetime import date, timedelta
from pathlib import Path

import pyarrow as pa
import pyarrow.compute as pc
import pytest
from pyspark.sql import SparkSession

from jobs.cli import main
from jobs.pipeline import all_stages, run_stages
from lakehouse.delta.files import replace_rows, write_bucket
from lakehouse.delta.io import Lakehouse
from lakehouse.schema.entities import SERIES
from tests.jobs.run_tool import copied, day, make_context

STAGES = ["ship", "slot", "route", "deliver"]
_PLAN = "inventory.order_plan"


def order_everything(lake: Lakehouse, run: str, receipt: date) -> dict[str, float]:
    """Let each series of the plan order some units; returns them."""
    plan = lake.read_arrow(_PLAN, filters=pc.field("run_id") == run).sort_by("unique_id")
    qty = pa.array([float(3 + n) for n in range(plan.num_rows)])
    columns = {
        "order_qty": qty,
        "order_value": pc.multiply(qty, 2.0),
        "expected_receipt_ds": pa.repeat(receipt, len(qty)),
    }
    for name, values in columns.items():
        at = plan.schema.get_field_index(name)
        plan = plan.set_column(at, name, values.cast(plan.schema.field(name).type))
    files = []
    for bucket in sorted(set(plan["bucket"].to_pylist())):
        rows = plan.filter(pc.equal(plan["bucket"], bucket))
        files.append(write_bucket(_PLAN, lake.uri(_PLAN), rows, {"run_id": run, "bucket": str(bucket)}))
    lake.commit_files(_PLAN, [file for file in files if file], {"run_id": [run]})
    return dict(zip(plan["unique_id"].to_pylist(), qty.to_pylist(), strict=True))


@pytest.fixture(scope="module")
def shipped(
    spark: SparkSession, finished: Lakehouse, feeds: Path, tmp_path_factory: pytest.TempPathFactory
) -> tuple[Lakehouse, str, dict[str, float]]:
    """A lakehouse on which everything is ordered, the run, and the units by series."""
    lake = copied(finished, tmp_path_factory.mktemp("shipped") / "lake")
    context = make_context(spark, lake, feeds, day(119), force=True)
    ordered = order_everything(lake, context.run.run_id, day(119) + timedelta(days=3))
    # By themselves: the orders are not those that the stages before made.
    run_stages(context, stages=[stage for stage in all_stages() if stage.name in STAGES])
    return lake, context.run.run_id, ordered


def rows(lake: Lakehouse, name: str) -> list[dict[str, object]]:
    return lake.read_arrow(name).to_pylist()


def test_every_ordered_unit_is_on_one_stop_and_picked_once(shipped: tuple[Lakehouse, str, dict[str, float]]) -> None:
    lake, _, ordered = shipped
    lines = rows(lake, "fulfilment.shipment_line")
    assert {line["unique_id"]: line["shipped_qty"] for line in lines} == ordered
    assert not rows(lake, "fulfilment.unshipped")
    shipments = {row["shipment_id"] for row in rows(lake, "fulfilment.shipment")}
    assert {line["shipment_id"] for line in lines} == shipments
    assert sorted(str(row["shipment_id"]) for row in rows(lake, "fulfilment.stop")) == sorted(map(str, shipments))
    assert not rows(lake, "fulfilment.unserved")
    picked = {(row["shipment_id"], row["sku_id"]): row["pick_qty"] for row in rows(lake, "fulfilment.pick_line")}
    assert picked == {(row["shipment_id"], SERIES.split(str(row["unique_id"]))[0]): row["shipped_qty"] for row in lines}


def test_a_shipment_comes_on_the_day_on_which_it_is_expected(shipped: tuple[Lakehouse, str, dict[str, float]]) -> None:
    found = rows(shipped[0], "fulfilment.shipment")
    assert {row["ds"] for row in found} == {day(119) + timedelta(days=3)}
    assert not any(row["is_late"] for row in found)
    assert all(row["is_load_assumed"] for row in found)


def test_gold_says_when_and_by_which_vehicle(shipped: tuple[Lakehouse, str, dict[str, float]]) -> None:
    lake, run, ordered = shipped
    plan = [row for row in rows(lake, "gold.delivery_plan") if row["run_id"] == run]
    assert sum(float(str(row["shipped_qty"])) for row in plan) == sum(ordered.values())
    assert {row["delivery_status"] for row in plan} == {"delivered"}
    assert all(str(row["arrives_at"]) >= "06:00" and row["vehicle_type"] in ("van", "truck") for row in plan)
    (value,) = rows(lake, "gold.fulfilment_value")
    assert float(str(value["route_cost"])) <= float(str(value["practice_cost"])) + 1e-6
    (house,) = rows(lake, "gold.warehouse_day")
    assert house["line_count"] == len(ordered)
    assert house["late_wave_count"] == 0


def test_a_day_is_planned_again_by_the_command(
    shipped: tuple[Lakehouse, str, dict[str, float]], capsys: pytest.CaptureFixture[str]
) -> None:
    lake, when = shipped[0], str(day(119) + timedelta(days=3))
    asked = ["replan", "--lakehouse", lake.base, "--depot", "dc", "--day", when]
    assert main([*asked, "--now", "01:00", "--cancel", "north"]) == 0
    assert "not served: north" in capsys.readouterr().out
    assert main([*asked, "--now", "02:00", "--window", "south=12:00-13:00"]) == 0
    found = {(row["replan_number"], row["location_id"]): row for row in rows(lake, "fulfilment.replan")}
    assert found[1, "north"]["stop_state"] == "dropped"
    assert (2, "north") not in found  # what was dropped before is not there any more
    assert 12 * 3600 <= int(str(found[2, "south"]["leave_s"])) - 900 <= 13 * 3600
    assert main([*asked, "--now", "25:00"]) == 2


def test_without_coordinates_nothing_is_shipped_and_that_is_said(
    spark: SparkSession, shipped: tuple[Lakehouse, str, dict[str, float]], feeds: Path, tmp_path: Path
) -> None:
    lake = copied(shipped[0], tmp_path / "lake")
    places = lake.read_arrow("silver.locations")
    at = places.schema.get_field_index("latitude")
    replace_rows(lake, "silver.locations", places.set_column(at, "latitude", pa.nulls(places.num_rows, pa.float64())))
    context = make_context(spark, lake, feeds, day(119), force=True)
    run_stages(context, stages=[stage for stage in all_stages() if stage.name == "ship"])
    assert "no location has a latitude and longitude" in str(getattr(context.progress.stream, "getvalue")())
    assert not rows(lake, "fulfilment.shipment")
