"""From order lines to stops on a lakehouse: every unit is accounted for, and a day is planned again while it runs."""

from __future__ import annotations

import io
import shutil
from datetime import timedelta
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc
import pytest
from pyspark.sql import SparkSession

from jobs.cli import main
from jobs.pipeline import all_stages, run_stages
from jobs.stages.fulfilment import deliver, ship
from lakehouse.delta.files import replace_rows
from lakehouse.delta.io import Lakehouse
from lakehouse.errors import PromiseError
from lakehouse.schema.entities import SERIES
from tests.jobs.deliveries_tool import ORDERED, RECEIPT
from tests.jobs.run_tool import copied, day, make_context


@pytest.fixture(scope="module")
def lake(delivered: Lakehouse, tmp_path_factory: pytest.TempPathFactory) -> Lakehouse:
    return copied(delivered, tmp_path_factory.mktemp("delivered") / "lake")


def rows(lake: Lakehouse, name: str) -> list[dict[str, object]]:
    return lake.read_arrow(name).to_pylist()


def test_every_ordered_unit_is_on_one_stop_and_picked_once(lake: Lakehouse) -> None:
    lines = rows(lake, "fulfilment.shipment_line")
    assert {line["unique_id"]: line["shipped_qty"] for line in lines} == ORDERED
    assert not rows(lake, "fulfilment.unshipped")
    shipments = {row["shipment_id"] for row in rows(lake, "fulfilment.shipment")}
    assert {line["shipment_id"] for line in lines} == shipments
    assert sorted(str(row["shipment_id"]) for row in rows(lake, "fulfilment.stop")) == sorted(map(str, shipments))
    assert not rows(lake, "fulfilment.unserved")
    picked = {(row["shipment_id"], row["sku_id"]): row["pick_qty"] for row in rows(lake, "fulfilment.pick_line")}
    assert picked == {(row["shipment_id"], SERIES.split(str(row["unique_id"]))[0]): row["shipped_qty"] for row in lines}


def test_a_shipment_comes_on_the_day_on_which_it_is_expected(lake: Lakehouse) -> None:
    found = rows(lake, "fulfilment.shipment")
    assert {row["ds"] for row in found} == {RECEIPT}
    assert not any(row["is_late"] for row in found)
    assert all(row["is_load_assumed"] for row in found)


def test_a_retailer_without_slots_has_its_deliveries(
    lake: Lakehouse, spark: SparkSession, feeds: Path, tmp_path: Path
) -> None:
    """The stage `slot` is skipped there, and leaves no table."""
    other = copied(lake, tmp_path / "lake")
    shutil.rmtree(tmp_path / "lake" / "fulfilment" / "slot_move")
    run_stages(make_context(spark, other, feeds, day(119), force=True), stages=[deliver.STAGE])
    assert rows(other, "gold.delivery_plan") == rows(lake, "gold.delivery_plan")
    assert not rows(other, "gold.slot_moves")


def test_gold_says_when_and_by_which_vehicle(lake: Lakehouse) -> None:
    plan = rows(lake, "gold.delivery_plan")
    assert sum(float(str(row["shipped_qty"])) for row in plan) == sum(ORDERED.values())
    assert {row["delivery_status"] for row in plan} == {"delivered"}
    assert all(str(row["arrives_at"]) >= "06:00" and row["vehicle_type"] in ("van", "truck") for row in plan)
    (value,) = rows(lake, "gold.fulfilment_value")
    assert float(str(value["route_cost"])) <= float(str(value["practice_cost"])) + 1e-6
    (house,) = rows(lake, "gold.warehouse_day")
    assert house["line_count"] == len(ORDERED)
    assert house["late_wave_count"] == 0


def test_a_day_is_planned_again_by_the_command(lake: Lakehouse, capsys: pytest.CaptureFixture[str]) -> None:
    asked = ["replan", "--lakehouse", lake.base, "--depot", "dc", "--day", str(RECEIPT)]
    assert main([*asked, "--now", "01:00", "--cancel", "north"]) == 0
    assert "not served: north" in capsys.readouterr().out
    assert main([*asked, "--now", "02:00", "--window", "south=12:00-13:00"]) == 0
    found = {(row["replan_number"], row["location_id"]): row for row in rows(lake, "fulfilment.replan")}
    assert found[1, "north"]["stop_state"] == "dropped"
    assert (2, "north") not in found  # what was dropped before is not there any more
    assert 12 * 3600 <= int(str(found[2, "south"]["leave_s"])) - 900 <= 13 * 3600
    assert main([*asked, "--now", "25:00"]) == 2


def test_without_coordinates_nothing_is_shipped_and_that_is_said(
    spark: SparkSession, finished: Lakehouse, feeds: Path, tmp_path: Path
) -> None:
    lake = copied(finished, tmp_path / "lake")
    assert not rows(lake, "fulfilment.shipment")
    context = make_context(spark, lake, feeds, day(119), force=True)
    run_stages(context, stages=[stage for stage in all_stages() if stage.name == "ship"])
    assert isinstance(said := context.progress.stream, io.StringIO)
    assert "no location has a latitude and longitude" in said.getvalue()
    assert not rows(lake, "fulfilment.shipment")


def test_a_line_that_is_lost_on_its_way_stops_the_stage(
    spark: SparkSession, lake: Lakehouse, feeds: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    whole = ship.shipment_lines

    def lossy(lines: pa.Table, capacities: Any) -> pa.Table:
        return whole(lines, capacities).slice(1)

    monkeypatch.setattr(ship, "shipment_lines", lossy)
    context = make_context(spark, copied(lake, tmp_path / "lake"), feeds, day(119), force=True)
    with pytest.raises(PromiseError, match=r"132\.0+ ordered units in shipments or unshipped, found 129\.0+ and 0\.0+"):
        run_stages(context, stages=[stage for stage in all_stages() if stage.name == "ship"])


def test_what_waited_comes_with_the_next_plan_and_does_not_wait_again(
    spark: SparkSession, lake: Lakehouse, feeds: Path, tmp_path: Path
) -> None:
    lake = copied(lake, tmp_path / "lake")
    plan = lake.read_arrow("gold.delivery_plan")
    waits = {"delivery_status": "waits", "route_id": None, "wait_until_ds": RECEIPT + timedelta(days=1)}
    told = [row | (waits if row["location_id"] == "north" else {}) for row in plan.to_pylist()]
    replace_rows(lake, "gold.delivery_plan", pa.Table.from_pylist(told, schema=plan.schema))
    context = make_context(spark, lake, feeds, day(120), force=True)
    run_stages(context, stages=[stage for stage in all_stages() if stage.name == "ship"])
    of_run = pc.field("run_id") == context.run.run_id
    lines = lake.read_arrow("fulfilment.shipment_line", filters=of_run).to_pylist()
    assert {row["unique_id"]: row["shipped_qty"] for row in lines} == {
        name: qty for name, qty in ORDERED.items() if SERIES.split(name)[1] == "north"
    }
    (shipment,) = lake.read_arrow("fulfilment.shipment", filters=of_run).to_pylist()
    assert shipment["depot_day_id"] == f"dc|{RECEIPT + timedelta(days=1)}"
    assert (shipment["is_carried"], shipment["is_late"], shipment["wait_until_ds"]) == (True, True, None)
    assert shipment["visit_share"] == pytest.approx(0.0)
