"""The stages of seasons and of production: with feeds in a run, without them nothing at all."""

from __future__ import annotations

import csv
import json
import shutil
from datetime import date, timedelta
from pathlib import Path
from typing import TYPE_CHECKING

import pyarrow as pa
import pytest

from jobs.context import RunContext
from jobs.engine.frames import Frames
from jobs.engine.rounds import pin
from jobs.pipeline import run_stages
from jobs.stages.seasonal import buy_plan, seasons
from jobs.stages.supply_network import production
from lakehouse.delta.files import read_bucket
from lakehouse.delta.io import Lakehouse
from lakehouse.errors import SourceError
from tests.jobs.run_tool import copied, day, hashes, make_context

if TYPE_CHECKING:
    from pyspark.sql import SparkSession

AS_OF = day(119)
STAGES = ["seasons", "buy_plan", "production"]
NEXT = AS_OF + timedelta(days=1)
EASY = ("season.least_analogues=10", "season.trees=20")


def write(folder: Path, feed: str, *rows: dict[str, object]) -> None:
    with (folder / f"{feed}.csv").open("w", newline="", encoding="utf-8") as file:
        writer = csv.DictWriter(file, list(rows[0]))
        writer.writeheader()
        writer.writerows(rows)


def resource(hours: float) -> dict[str, object]:
    return {"resource_id": "oven", "ds_from": NEXT, "ds_to": AS_OF + timedelta(days=14), "capacity_hours": hours}


@pytest.fixture(scope="module")
def more(feeds: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The feeds of a finished run, and those of seasons and of production beside them."""
    more = tmp_path_factory.mktemp("production") / "feeds"
    shutil.copytree(feeds, more)
    routing = {"resource_id": "oven", "unit_hours": 0.1, "setup_hours": 1.0, "setup_cost": 5.0, "unit_cost": 1.0}
    write(more, "routings", *({"sku_id": sku} | routing for sku in ("S05", "S06")))
    write(more, "bom", {"sku_id": "S06", "component_sku_id": "flour", "component_qty": 0.5})
    write(more, "resources", resource(15.0))
    season = {"location_id": "north", "season_name": "Spring", "unit_price": 5.0, "unit_cost": 3.0}
    spring = {"ds_from": NEXT, "ds_to": AS_OF + timedelta(days=14)}
    write(more, "seasons", {"sku_id": "S09"} | season | spring, {"sku_id": "S05"} | season | spring | {"unit_cost": 9})
    return more


@pytest.fixture(scope="module")
def lake(spark: SparkSession, finished: Lakehouse, more: Path, tmp_path_factory: pytest.TempPathFactory) -> Lakehouse:
    """A finished run, then the further feeds taken in."""
    lake = copied(finished, tmp_path_factory.mktemp("planned") / "lake")
    run_stages(make_context(spark, lake, more, AS_OF), ["ingest"])
    built(make_context(spark, lake, None, AS_OF))
    return lake


def built(context: RunContext) -> None:
    """The stages of Spark on the tables as they are: what they build on need not be run anew for feeds beside it."""
    for stage in (seasons.STAGE, production.STAGE):
        versions = {table: context.lakehouse.version(table) for table in stage.tables_read()}
        stage.build(context, Frames(context, stage.name, stage.reads, versions))


def rows(lake: Lakehouse, table: str) -> list[dict[str, object]]:
    return lake.read_arrow(table).to_pylist()


def test_without_feeds_the_stages_say_so_and_change_nothing(
    spark: SparkSession, finished: Lakehouse, tmp_path: Path
) -> None:
    lake = copied(finished, tmp_path / "lake")
    before = hashes(lake)
    context = make_context(spark, lake, None, AS_OF, force=True)
    reports = run_stages(context, STAGES)
    assert hashes(lake) == before
    said = context.progress.stream.getvalue()  # type: ignore[attr-defined]
    assert "seasons: no feed names one" in said
    assert "production: nothing is planned, there are no rows of routings and of resources" in said
    assert {report.stage: report.status for report in reports}["buy_plan"] == "skipped"


def test_lots_fit_the_hours_and_late_demand_names_the_resource(lake: Lakehouse) -> None:
    plan = rows(lake, "network.production_plan")
    by_period: dict[object, float] = {}
    for row in plan:
        if row["resource_id"] == "oven":
            by_period[row["ds_from"]] = by_period.get(row["ds_from"], 0.0) + float(str(row["lot_hours"]))
    assert set(by_period) <= {NEXT, NEXT + timedelta(days=7)}
    assert all(hours <= 7.5 + 1e-6 for hours in by_period.values())
    assert {row["sku_id"] for row in plan} == {"S05", "S06", "flour"}
    served = [json.loads(str(row["serves"])) for row in plan if row["lot_qty"]]
    assert all(date.fromisoformat(wanted) >= NEXT for each in served for wanted in each)
    late = rows(lake, "network.exception")
    assert late
    assert all("oven from" in str(row["binds"]) for row in late)
    assert all("no hours are left on oven" in str(row["words"]) for row in late)


def test_a_season_is_bought_for_and_a_row_below_cost_is_refused(spark: SparkSession, lake: Lakehouse) -> None:
    context = make_context(spark, lake, None, AS_OF, *EASY)
    inputs: dict[str, pa.Table] = {
        read.table: read_bucket(pin(context, buy_plan.STAGE, read), "whole") for read in buy_plan.STAGE.reads
    }
    result = buy_plan.kernel(inputs, buy_plan.parameters(context, {}), "whole")
    by_series = {row["unique_id"]: row for row in result.tables["seasonal.buy_plan"].to_pylist()}
    assert set(by_series) == {"S05|north|all", "S09|north|all"}
    assert {row["season_phase"] for row in by_series.values()} == {"refused"}
    assert "expected salvage_value < unit_cost < unit_price" in by_series["S05|north|all"]["words"]
    assert "expected at least 10 launches" in by_series["S09|north|all"]["words"], "there have been none"


def test_built_again_the_tables_are_equal(spark: SparkSession, lake: Lakehouse) -> None:
    before = hashes(lake)
    built(make_context(spark, lake, None, AS_OF))
    assert hashes(lake) == before


def test_lots_are_in_sequence_and_a_matrix_changes_it(
    spark: SparkSession, lake: Lakehouse, more: Path, tmp_path: Path
) -> None:
    own = rows(lake, "network.production_sequence")
    assert {row["setup_source"] for row in own} <= {"routings", "same_item"}
    assert [row["position"] for row in own if row["ds_from"] == NEXT] == list(range(1, len(own) // 2 + 1))
    assert all(row["done_ds"] >= row["ds_from"] and row["sequence_gap"] is None for row in own)  # type: ignore[operator]
    pytest.importorskip("ortools")
    pair = {"resource_id": "oven", "from_sku_id": "S05", "to_sku_id": "S06"}
    back = pair | {"from_sku_id": "S06", "to_sku_id": "S05", "setup_hours": 4.0}
    lake, feeds = copied(lake, tmp_path / "lake"), tmp_path / "feeds"
    shutil.copytree(more, feeds)
    write(feeds, "changeovers", pair | {"setup_hours": 0.25}, back)
    run_stages(make_context(spark, lake, feeds, AS_OF), ["ingest"])
    context = make_context(spark, lake, None, AS_OF)
    built(context)
    told = rows(lake, "network.production_sequence")
    stated = {
        ("S05", "S06"): (0.25, "changeovers"),
        ("S06", "S05"): (4.0, "changeovers"),
        (None, "S05"): (1.0, "routings"),
    }
    pairs = {(row["from_sku_id"], row["sku_id"]): (row["setup_hours"], row["setup_source"]) for row in told}
    same = {(sku, sku): (0.0, "same_item") for sku in ("S05", "S06")} | {(None, "S06"): (1.0, "routings")}
    assert pairs.items() <= (stated | same).items()
    assert "changeovers" in {source for _, source in pairs.values()}
    assert {row["sequence_gap"] for row in told} == {0.0}
    assert "set-ups at most 0.0% above the least" in context.progress.stream.getvalue()  # type: ignore[attr-defined]


def test_a_resource_that_has_no_hours_ahead_is_refused(spark: SparkSession, lake: Lakehouse) -> None:
    context = make_context(spark, lake, None, AS_OF + timedelta(days=60))
    with pytest.raises(SourceError, match=r"routings: expected a resource with hours from .*, found 'oven' for S05"):
        built(context)
