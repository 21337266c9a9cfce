"""A unit is any key: two toy capabilities, by depot and day and by customer, on all that the engine does for series."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pyarrow.compute as pc
import pytest

from jobs.engine.stage import upstream
from jobs.pipeline import all_stages, run_stages
from lakehouse.delta.io import Lakehouse
from lakehouse.errors import PromiseError
from lakehouse.schema.entities import CUSTOMER
from tests.jobs.kernels import Dies, Loses
from tests.jobs.run_tool import UNCHANGED, copied, with_kernel
from tests.jobs.toys import toy_tables
from tests.jobs.toys.toy_feed import BUCKETS
from tests.jobs.toys.toy_tool import (
    BAD_CUSTOMER,
    BAD_DEPOT_DAY,
    CUSTOMERS,
    DAYS,
    DEPOTS,
    TOYS,
    UNIT_TOYS,
    baskets,
    parcels,
    toy_context,
    toy_hashes,
    toys_on,
    write_toys,
)

if TYPE_CHECKING:
    from pyspark.sql import SparkSession

# Importing them has put the toys' tables among the house's; only the tests of this file want them there.
toy_tables.withdraw()
ROOT = Path(__file__).resolve().parents[2]
SOME_ID = {"depot_load": "linz|2024-03-02", "customer_value": "c11"}
BAD_ID = {"depot_load": BAD_DEPOT_DAY, "customer_value": BAD_CUSTOMER}
IDS = {"depot_load": len(DEPOTS) * DAYS, "customer_value": CUSTOMERS}


@pytest.fixture(scope="module", autouse=True)
def toys_declared() -> Iterator[None]:
    toy_tables.declare()
    yield
    toy_tables.withdraw()


@pytest.fixture(scope="module")
def files(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_toys(tmp_path_factory.mktemp("toys"))


@pytest.fixture(scope="module")
def fed(files: Path, tmp_path_factory: pytest.TempPathFactory) -> Lakehouse:
    """A lakehouse with the toys' feed; copy it, do not write to it."""
    lake = Lakehouse(str(tmp_path_factory.mktemp("fed") / "lake"))
    run_stages(toy_context(lake, files), ["toy_feed"], TOYS)
    return lake


@pytest.fixture(scope="module")
def run(fed: Lakehouse, tmp_path_factory: pytest.TempPathFactory) -> Lakehouse:
    """A lakehouse after a run of the toys in this process; copy it, do not write to it."""
    lake = copied(fed, tmp_path_factory.mktemp("run") / "lake")
    run_stages(toy_context(lake, None), stages=toys_on("local"))
    return lake


def rows(lake: Lakehouse, table: str) -> list[dict[str, Any]]:
    return lake.read_arrow(table).to_pylist()


def statuses(lake: Lakehouse, folder: Path | None, **options: Any) -> dict[str, str]:
    reports = run_stages(toy_context(lake, folder, **options), stages=toys_on("local"))
    return {report.stage: report.status for report in reports}


def test_the_results_are_those_of_a_plain_sum(run: Lakehouse) -> None:
    loads = {row["depot_day_id"]: (row["units"], row["trips"]) for row in rows(run, "toy.depot_load")}
    expected: dict[str, float] = {}
    for row in parcels():
        expected[str(row["depot_day_id"])] = expected.get(str(row["depot_day_id"]), 0.0) + float(str(row["units"]))
    del expected[BAD_DEPOT_DAY]
    assert {id_: units for id_, (units, _) in loads.items()} == expected
    assert all((trips - 1) * 40 < units <= trips * 40 for units, trips in loads.values())
    values = {row["customer_id"]: (row["days"], row["basket_value"]) for row in rows(run, "toy.customer_value")}
    assert set(values) == {f"c{c:02d}" for c in range(CUSTOMERS)} - {BAD_CUSTOMER}
    for id_, (days, value) in values.items():
        of_one = [float(str(row["basket_value"])) for row in baskets() if row["customer_id"] == id_]
        assert (days, value) == (len(of_one), pytest.approx(sum(of_one)))


@pytest.mark.parametrize("engine", ["spark", "ray"])
def test_every_engine_gives_the_same_content(
    spark: SparkSession, fed: Lakehouse, run: Lakehouse, tmp_path: Path, engine: str
) -> None:
    lake = copied(fed, tmp_path / "lake")
    run_stages(toy_context(lake, None, "ray.workers=2", spark=spark), stages=toys_on(engine))
    assert toy_hashes(lake) == toy_hashes(run)
    assert "absent" not in toy_hashes(run).values()


@pytest.mark.parametrize("name", UNIT_TOYS)
def test_what_fails_is_named_by_its_entity_and_costs_only_itself(run: Lakehouse, name: str) -> None:
    entity = UNIT_TOYS[name].unit.name
    (failure,) = [row for row in rows(run, "ops.failure") if row["stage"] == name]
    assert (failure["entity"], failure["id"], failure["unit"]) == (entity, BAD_ID[name], str(bucket_of(BAD_ID[name])))
    (stage,) = [row for row in rows(run, "ops.run") if row["stage"] == name]
    assert (stage["status"], stage["ids"], stage["failed_ids"]) == ("succeeded", IDS[name], 1)
    units = [row for row in rows(run, "ops.run_unit") if row["stage"] == name]
    assert {row["entity"] for row in units} == {entity}
    assert sum(row["ids"] for row in units) == IDS[name]
    assert {row["unit"]: row["failed_ids"] for row in units if row["failed_ids"]} == {failure["unit"]: 1}


def test_more_failures_than_the_settings_allow_end_the_stage(fed: Lakehouse, run: Lakehouse, tmp_path: Path) -> None:
    lake = copied(fed, tmp_path / "lake")
    with pytest.raises(PromiseError, match=r"customer_value: 1 of 40 customers failed.*max_failure_rate = 2\.00%"):
        run_stages(toy_context(lake, None, "max_failure_rate=0.02"), stages=toys_on("local"))
    assert toy_hashes(lake)["toy.customer_value"] != "absent"
    assert lake.rows("toy.customer_value") == run.rows("toy.customer_value"), "results are committed all the same"
    with pytest.raises(PromiseError, match=r"depot_load: 1 of 20 depot_days failed"):
        run_stages(toy_context(lake, None, "max_failure_rate=0.02"), ["depot_load"], toys_on("local"))


@pytest.mark.parametrize("name", UNIT_TOYS)
def test_an_id_that_is_lost_without_a_reason_ends_its_unit(
    fed: Lakehouse, run: Lakehouse, tmp_path: Path, name: str
) -> None:
    lake, lost = copied(fed, tmp_path / "lake"), SOME_ID[name]
    careless = with_kernel(name, lambda kernel: Loses(kernel, lost), toys_on("local"))
    message = rf"bucket {bucket_of(lost)}: PromiseError: 1 of \d+ {UNIT_TOYS[name].unit.plural} of toy\.\w+ are neither"
    with pytest.raises(PromiseError, match=rf"{message}.*{lost.replace('|', '.')}"):
        run_stages(toy_context(lake, None), [name], careless)
    (table,) = UNIT_TOYS[name].writes
    bucket = pc.field("bucket") == bucket_of(lost)
    assert lake.read_arrow(table, filters=bucket).num_rows == 0, "nothing of a broken unit is committed"
    assert lake.read_arrow(table, filters=~bucket).num_rows > 0
    run_stages(toy_context(lake, None), stages=toys_on("local"))
    assert toy_hashes(lake) == toy_hashes(run)


def test_a_second_run_has_nothing_to_do_and_writes_nothing(run: Lakehouse, files: Path, tmp_path: Path) -> None:
    lake = copied(run, tmp_path / "lake")
    versions = {table: lake.version(table) for stage in TOYS for table in (*stage.writes, "ops.run_unit", "ops.run")}
    assert set(statuses(lake, files).values()) == {"reused"}
    assert set(statuses(lake, None).values()) == {"reused"}
    assert versions == {table: lake.version(table) for table in versions}


@pytest.mark.parametrize("name", UNIT_TOYS)
def test_a_driver_that_is_killed_goes_on_with_what_is_left(
    fed: Lakehouse, run: Lakehouse, files: Path, tmp_path: Path, name: str
) -> None:
    lake = copied(fed, tmp_path / "lake")
    units = sorted({bucket_of(_id(name, row)) for row in _ids(name)})
    assert len(units) > 2
    last = next(row for row in _ids(name) if bucket_of(_id(name, row)) == units[-1])
    command = [sys.executable, "-m", "tests.jobs.toys.killed", lake.root, str(files), name, _id(name, last)]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=1200, check=False)
    assert done.returncode == -signal.SIGKILL, done.stderr[-2000:]
    (stage,) = [row for row in rows(lake, "ops.run") if row["stage"] == name]
    assert stage["status"] == "running", "a killed driver cannot say that it failed"
    before = {row["unit"] for row in rows(lake, "ops.run_unit") if row["stage"] == name}
    assert before == {str(unit) for unit in units[:-1]}, "one commit a unit; the last was never done"

    again = toy_context(lake, files, "runner.commit_every=1")
    (report,) = run_stages(again, [name], toys_on("local"))
    assert report.record.ids == IDS[name]
    finished = {row["unit"]: row["finished_at"] for row in again.ledger.units(name)}
    assert max(finished, key=lambda unit: finished[unit]) == str(units[-1])
    assert {row["attempts"] for row in again.ledger.units(name)} == {1}, "what was committed is not done again"
    run_stages(again, stages=toys_on("local"))
    assert toy_hashes(lake) == toy_hashes(run)


def test_a_worker_that_dies_is_restarted_whatever_its_unit_is(fed: Lakehouse, run: Lakehouse, tmp_path: Path) -> None:
    lake, deaths = copied(fed, tmp_path / "lake"), tmp_path / "deaths"
    deaths.mkdir()
    deadly = toys_on("ray")
    for name, id_ in SOME_ID.items():
        (deaths / name).mkdir()
        folder = str(deaths / name)
        deadly = with_kernel(name, lambda kernel, id_=id_, folder=folder: Dies(kernel, id_, folder, times=1), deadly)
    run_stages(toy_context(lake, None, "ray.workers=2", "ray.max_restarts=1", "ray.max_task_retries=1"), stages=deadly)
    died = {path.parent.name: int(path.read_text()) for path in deaths.glob("*/*")}
    assert set(died) == set(SOME_ID)
    assert os.getpid() not in died.values()
    assert toy_hashes(lake) == toy_hashes(run)


@pytest.mark.parametrize("name", UNIT_TOYS)
def test_a_unit_without_a_result_is_done_and_one_that_is_gone_is_cleared(
    fed: Lakehouse, tmp_path: Path, name: str
) -> None:
    """A corrected feed: first every id of one bucket fails, then the bucket is no more."""
    gone = bucket_of(SOME_ID[name])
    here = [row for row in _ids(name) if bucket_of(_id(name, row)) == gone]
    bad = {"depot_load": {"units": -2.0}, "customer_value": {"basket_value": None}}[name]
    spoiled = [row | bad if row in here else row for row in _ids(name)]
    part = "parcel" if name == "depot_load" else "basket"
    table, lake = UNIT_TOYS[name].writes[0], copied(fed, tmp_path / "lake")

    def run_on(version: str, changed: list[dict[str, object]] | None = None) -> set[str]:
        folder = write_toys(tmp_path / version, **{part: changed})
        context = toy_context(lake, folder, "max_failure_rate=1.0")
        return {report.status for report in run_stages(context, stages=toys_on("local"))}

    run_on("first")
    before = lake.read_arrow(table).num_rows
    run_on("spoiled", spoiled)
    failed = {row["id"] for row in rows(lake, "ops.failure") if row["stage"] == name}
    assert failed >= {_id(name, row) for row in here}
    assert 0 < lake.read_arrow(table).num_rows < before
    assert all(row["bucket"] != gone for row in rows(lake, table)), "no row of what failed is left"
    assert run_on("spoiled", spoiled) == {"reused"}, "a unit without a row is done all the same"
    run_on("less", [row for row in _ids(name) if row not in here])
    assert str(gone) not in {row["unit"] for row in rows(lake, "ops.run_unit") if row["stage"] == name}
    assert {row["id"] for row in rows(lake, "ops.failure") if row["stage"] == name} <= {BAD_ID[name]}
    run_on("first")
    assert lake.read_arrow(table).num_rows == before


def test_a_toy_whose_feed_is_not_there_is_skipped_and_said_so(lake: Lakehouse) -> None:
    (report,) = run_stages(toy_context(lake, None), ["customer_value"], UNIT_TOYS.values())
    assert report.status == "skipped"
    assert not lake.exists("toy.customer_value")


def test_a_toys_setting_makes_its_stage_again_and_nothing_else(
    finished: Lakehouse, feeds: Path, tmp_path: Path
) -> None:
    lake, folder = copied(finished, tmp_path / "lake"), tmp_path / "feeds"
    shutil.copytree(feeds, folder)
    write_toys(folder, [*filter(_is_good, parcels())], [*filter(_is_good, baskets())])
    both = [*all_stages(), *toys_on("local")]

    def done(capacity_qty: float) -> dict[str, str]:
        context = toy_context(lake, folder, "max_failure_rate=0.01", capacity_qty=capacity_qty)
        return {report.stage: report.status for report in run_stages(context, stages=both)}

    assert done(40.0) == UNCHANGED | dict.fromkeys((stage.name for stage in TOYS), "done")
    assert done(7.0) == UNCHANGED | {"toy_feed": "reused", "customer_value": "reused", "depot_load": "done"}
    trips = {row["depot_day_id"]: row["trips"] for row in rows(lake, "toy.depot_load")}
    assert all(trips[row["depot_day_id"]] == -(-row["units"] // 7) for row in rows(lake, "toy.depot_load"))


def test_no_stage_of_the_house_comes_after_a_toy() -> None:
    both = [*all_stages(), *TOYS]
    for stage in all_stages():
        assert upstream(stage, both) == upstream(stage, all_stages())
    for stage in UNIT_TOYS.values():
        assert upstream(stage, both) == {"toy_feed"}


def bucket_of(id_: str) -> int:
    return CUSTOMER.bucket_of(id_, BUCKETS)  # of any entity alike


def _ids(name: str) -> list[dict[str, object]]:
    return parcels() if name == "depot_load" else baskets()


def _is_good(row: dict[str, object]) -> bool:
    return row.get("depot_day_id") != BAD_DEPOT_DAY and row.get("customer_id") != BAD_CUSTOMER


def _id(name: str, row: dict[str, object]) -> str:
    return str(row[UNIT_TOYS[name].unit.id])
