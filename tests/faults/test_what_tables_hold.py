"""Done means that the tables hold it now: late feeds, A-B-A, rows taken away by hand, another code, a vacuum.

Each fault was a silent wrong result once: exit code 0, and a table that held something else than the run said.
"""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pyarrow as pa
import pyarrow.compute as pc
import pytest
from deltalake import write_deltalake

from jobs.context import RunContext
from jobs.engine.frames import Frames
from jobs.engine.stage import FrameStage, Stage, UnitStage, upstream
from jobs.pipeline import all_stages, run_stages
from jobs.stages.forecasting import train_networks
from jobs.stages.gold import publish
from lakehouse.delta.io import Lakehouse
from lakehouse.delta.stamp import Stamp, stamped
from lakehouse.errors import ContractError
from lakehouse.schema.tables import TABLES
from tests.jobs.run_tool import ALL_STAGES, UNCHANGED, WITHOUT_FEED, as_written_by, copied, day, hashes, make_context
from tests.tiny_retailer import SKUS, STORES

if TYPE_CHECKING:
    from pyspark.sql import SparkSession

SERIES = len(SKUS) * len(STORES)
AS_OF = day(119)
STAGES = {stage.name: stage for stage in all_stages()}
WITH_UNITS = [stage.name for stage in all_stages() if isinstance(stage, UnitStage)]
FEATURES, PLAN = "features.sku_daily", "gold.order_plan"
DATA = [table for stage in all_stages() for table in stage.writes if not table.startswith("ops.")]


def features_of(lake: Lakehouse) -> pa.Table:
    """All features in order, whichever run made them."""
    table = lake.read_arrow(FEATURES).drop_columns(["run_id"])
    return table.sort_by([("unique_id", "ascending"), ("ds", "ascending")])


def with_clean(context: RunContext, **changed: Any) -> RunContext:
    """The same run under a mapping that cleans otherwise."""
    clean = context.mapping.clean.model_copy(update=changed)
    return replace(context, mapping=context.mapping.model_copy(update={"clean": clean}))


def statuses(context: RunContext, names: list[str], stages: list[Stage] | None = None) -> dict[str, str]:
    return {report.stage: report.status for report in run_stages(context, names, stages)}


def raised(name: str) -> list[Stage]:
    """The stages of the house, one of them with the next version."""
    return [replace(stage, version=stage.version + 1) if stage.name == name else stage for stage in all_stages()]


def writes_of(stage: str) -> list[str]:
    return [table for table in STAGES[stage].writes if not table.startswith("ops.")]


def without_publish() -> list[str]:
    return [name for name in ALL_STAGES if name != "publish"]


# ---------------------------------------------------------------------------------------------------------- late feeds
def test_a_day_that_came_late_is_not_missing_from_features_for_ever(
    spark: SparkSession, hundred_days: Path, two_days_more: Path, tmp_path: Path
) -> None:
    """Data until day 100 and features as of day 101: that day was taken for done, and nothing ever computed it."""
    late = copied(Lakehouse(str(hundred_days / "lake")), tmp_path / "late")
    run_stages(make_context(spark, late, two_days_more / "feeds", day(102)), ["ingest", "clean", "features"])
    found, expected = features_of(late), features_of(Lakehouse(str(two_days_more / "lake")))
    assert found.num_rows == expected.num_rows == SERIES * 102
    assert pc.max(found["history_days"]).as_py() == pc.max(expected["history_days"]).as_py()
    assert found.equals(expected)


# --------------------------------------------------------------------------------------------------------------- A-B-A
def test_a_mapping_that_comes_back_is_cleaned_again(spark: SparkSession, featured: Lakehouse, tmp_path: Path) -> None:
    """A, B, A: the third was taken for done, and features were built on B's silver, with NULL where A has 0."""
    lake, names = copied(featured, tmp_path / "lake"), ["clean", "features"]
    first = make_context(spark, lake, None, AS_OF)
    assert first.mapping.clean.gap_fill == "zero"
    before = hashes(lake)
    assert statuses(with_clean(first, gap_fill="unknown"), names) == dict.fromkeys(names, "done")
    until_as_of = pc.field("ds") <= pa.scalar(AS_OF)
    unknown = lake.read_arrow("silver.sales_daily", columns=["y"], filters=until_as_of)["y"].null_count
    assert 0 < unknown == lake.read_arrow(FEATURES, columns=["y"])["y"].null_count
    assert statuses(first, names) == dict.fromkeys(names, "done")
    assert hashes(lake) == before


def test_settings_that_come_back_publish_their_own_orders_again(
    spark: SparkSession, feeds: Path, finished: Lakehouse, tmp_path: Path
) -> None:
    """A, B, A on one day: the third had "nothing to do", and gold still showed B's orders."""
    lake = copied(finished, tmp_path / "lake")
    first = make_context(spark, lake, feeds, AS_OF)
    before = lake.read_arrow(PLAN).sort_by("unique_id")
    run_stages(make_context(spark, lake, feeds, AS_OF, "inventory.service_level=0.8"))
    other = lake.read_arrow(PLAN).sort_by("unique_id")
    assert set(other["run_id"].to_pylist()).isdisjoint(before["run_id"].to_pylist())
    done = statuses(first, ALL_STAGES)
    assert done == UNCHANGED | {"publish": "done", "deliver": "done"}, "its own results stood beside B's"
    assert lake.read_arrow(PLAN).sort_by("unique_id").equals(before)
    assert {name: found for name, found in hashes(lake).items() if name.startswith("gold.")} == {
        name: found for name, found in hashes(finished).items() if name.startswith("gold.")
    }
    assert statuses(first, ALL_STAGES) == UNCHANGED


# ------------------------------------------------------------------------------------------------------- other hands
@pytest.mark.parametrize("name", WITH_UNITS)
def test_rows_that_somebody_deleted_are_made_again_and_no_other_unit(
    finished: Lakehouse, tmp_path: Path, name: str
) -> None:
    lake = copied(finished, tmp_path / "lake")
    filled = [table for table in writes_of(name) if lake.exists(table) and lake.rows(table)]
    if not filled:
        pytest.skip(f"{name} has nothing to do for the tiny retailer: no candidate is trained")
    buckets = lake.read_arrow(filled[0], columns=["bucket"])["bucket"].unique().sort()
    gone = buckets[0].as_py()
    for table in filled:
        key = TABLES[table].key[0] if TABLES[table].key[0] != "run_id" else TABLES[table].key[1]
        rows = lake.read_arrow(table, filters=pc.field("bucket") == gone)
        if rows.num_rows:  # not every bucket has steps
            lake.open(table).delete(f"bucket = {gone} AND {key} = '{rows[key][0].as_py()}'")
    context = make_context(None, lake, None, AS_OF)
    before = {row["unit"]: row["attempts"] for row in context.ledger.units(name)}
    assert statuses(context, [name]) == {name: "done"}
    assert hashes(lake) == hashes(finished)
    again = {row["unit"] for row in context.ledger.units(name) if row["attempts"] > before[row["unit"]]}
    assert again == {str(gone)}
    assert statuses(context, [name]) == {name: "reused"}


def test_a_partition_that_was_dropped_is_made_again(finished: Lakehouse, tmp_path: Path) -> None:
    lake = copied(finished, tmp_path / "lake")
    buckets = lake.read_arrow("forecast.demand", columns=["bucket"])["bucket"].unique().to_pylist()
    lake.open("forecast.demand").delete(f"bucket = {buckets[0]}")
    # What builds on it is not done again: the same inputs give the same results, and those are there.
    expected = UNCHANGED | {"forecast": "done"}
    del expected["publish"]
    assert statuses(make_context(None, lake, None, AS_OF), without_publish()) == expected
    assert hashes(lake) == hashes(finished)


def test_a_table_that_a_foreign_commit_has_overwritten_is_made_again(finished: Lakehouse, tmp_path: Path) -> None:
    lake, table = copied(finished, tmp_path / "lake"), "inventory.order_plan"
    rows = lake.read_arrow(table)
    at = rows.column_names.index("order_qty")
    write_deltalake(lake.uri(table), rows.set_column(at, "order_qty", pc.add(rows["order_qty"], 6.0)), mode="overwrite")
    with pytest.raises(Exception, match=r"'order' has not succeeded yet .* or its tables hold something else by now"):
        run_stages(make_context(None, lake, None, AS_OF), ["publish"])
    assert statuses(make_context(None, lake, None, AS_OF), ["order"]) == {"order": "done"}
    assert hashes(lake) == hashes(finished)


def test_silver_and_gold_that_somebody_changed_are_made_again(
    spark: SparkSession, feeds: Path, finished: Lakehouse, tmp_path: Path
) -> None:
    lake = copied(finished, tmp_path / "lake")
    lake.open("silver.products").update(updates={"category": "'toys'"}, predicate=f"sku_id = '{SKUS[0]}'")
    lake.open(PLAN).delete("unique_id LIKE 'S03%'")
    done = statuses(make_context(spark, lake, feeds, AS_OF), ALL_STAGES)
    assert {name for name, status in done.items() if status == "done"} == {"clean", "publish"}
    assert hashes(lake) == hashes(finished)


# ---------------------------------------------------------------------------------------------------------- the stamps
def commits(lake: Lakehouse, table: str) -> list[dict[str, Any]]:
    """What commits of data say of themselves, the latest first; Spark has it as one text."""
    kept = [each for each in lake.open(table).history() if each["operation"] in ("WRITE", "MERGE", "DELETE", "UPDATE")]
    return [each | json.loads(each.get("userMetadata") or "{}") for each in kept]


def test_every_commit_of_data_says_who_made_it_for_which_run_and_days(finished: Lakehouse) -> None:
    runs = {row["run_id"] for row in finished.read_arrow("ops.run").to_pylist()}
    assert len(DATA) > 25
    for stage in all_stages():
        for table in writes_of(stage.name):
            if not finished.exists(table):
                continue
            for commit in commits(finished, table):
                assert commit["stage"] == stage.name, table
                assert commit["run"] in runs, table
                assert len(commit["fingerprint"]) == 16, table
    for table, first, last in (
        (FEATURES, day(1), AS_OF),
        ("forecast.demand", day(119 - 28 + 1), day(119 + 14)),
        ("inventory.replay", day(119 - 28), day(119 - 14)),
    ):
        found = commits(finished, table)
        assert min(commit["covers_from"] for commit in found) == str(first), table
        assert max(commit["covers_to"] for commit in found) == str(last), table


def test_what_a_part_holds_is_recorded_with_the_days_of_its_rows(finished: Lakehouse) -> None:
    rows = [row for row in finished.read_arrow("ops.held").to_pylist() if row["table_name"] == FEATURES]
    buckets = finished.read_arrow(FEATURES, columns=["bucket"])["bucket"].unique().to_pylist()
    assert {row["part"] for row in rows} == {f"bucket={bucket}" for bucket in buckets}
    assert {(row["stage"], row["covers_from"], row["covers_to"]) for row in rows} == {("features", day(1), AS_OF)}


# ---------------------------------------------------------------------------------------------------------- the code
@pytest.mark.parametrize("name", ["backtest", "replay", "order"])
def test_a_raised_version_does_its_stage_again_and_what_builds_on_it(
    finished: Lakehouse, tmp_path: Path, name: str
) -> None:
    """An upgrade used to reuse what an older code had left."""
    lake, names = copied(finished, tmp_path / "lake"), without_publish()
    context = make_context(None, lake, None, AS_OF)
    after = {stage.name for stage in all_stages() if name in upstream(stage, all_stages())} | {name}
    assert "features" not in after
    found = statuses(context, names, raised(name))
    assert {stage for stage, status in found.items() if status == "done"} == after - {"publish", *WITHOUT_FEED}
    assert {stage for stage, status in found.items() if status == "skipped"} == set(WITHOUT_FEED)
    assert set(found.values()) == {"done", "reused", "skipped"}
    assert hashes(lake) == hashes(finished)
    assert set(statuses(context, names, raised(name)).values()) == {"reused", "skipped"}
    assert statuses(context, [name]) == {name: "done"}, "the older code again: its fingerprint is not what is there"


def test_another_version_of_features_rebuilds_them(featured: Lakehouse, tmp_path: Path) -> None:
    lake = copied(featured, tmp_path / "lake")
    (report,) = run_stages(make_context(None, lake, None, AS_OF), ["features"], raised("features"))
    assert (report.status, report.record.rows) == ("done", featured.rows(FEATURES))
    assert features_of(lake).equals(features_of(featured))


# ------------------------------------------------------------------------------------------------- what is recorded
@pytest.mark.parametrize("name", [name for name in ALL_STAGES if name not in WITHOUT_FEED])
def test_the_versions_that_are_recorded_are_of_what_the_stage_declares(finished: Lakehouse, name: str) -> None:
    """publish declared five tables and read nine; what was recorded was not what was read."""
    row = next(row for row in finished.read_arrow("ops.run").to_pylist() if row["stage"] == name)
    recorded = json.loads(row["input_versions"])
    assert set(recorded) == set(STAGES[name].tables_read())
    stage = STAGES[name]
    sums = stage.sums if isinstance(stage, UnitStage) else ()
    later = {read.table for read in (*stage.reads, *sums) if read.is_past}
    for table, version in recorded.items():
        assert version <= finished.version(table)
        assert version >= 0 or table in later or not finished.exists(table), table


def test_a_table_that_changes_meanwhile_is_read_as_it_was_recorded(finished: Lakehouse, tmp_path: Path) -> None:
    lake, table = copied(finished, tmp_path / "lake"), "inventory.order_proposal"
    stage = STAGES["order"]
    assert isinstance(stage, UnitStage)

    def meanwhile(context: RunContext, sums: Any) -> Any:
        context.lakehouse.open(table).update(updates={"order_qty": "order_qty + 6"})
        return stage.parameters(context, sums)

    seen = lake.version(table)
    stages = [replace(stage, parameters=meanwhile) if each.name == "order" else each for each in all_stages()]
    context = make_context(None, lake, None, AS_OF, force=True)
    run_stages(context, ["order"], stages)
    assert lake.version(table) == seen + 1
    recorded = json.loads((context.ledger.stage("order") or {})["input_versions"])
    assert recorded == {name: seen if name == table else lake.version(name) for name in stage.tables_read()}
    assert hashes(lake)["inventory.order_plan"] == hashes(finished)["inventory.order_plan"]


def test_gold_is_of_the_versions_that_are_recorded(spark: SparkSession, finished: Lakehouse, tmp_path: Path) -> None:
    lake, table = copied(finished, tmp_path / "lake"), "inventory.order_plan"

    def meanwhile(context: RunContext, frames: Frames) -> Any:
        context.lakehouse.open(table).update(updates={"order_qty": "order_qty + 6"})
        return publish.build(context, frames)

    seen = lake.version(table)
    stages = [
        replace(stage, build=meanwhile) if isinstance(stage, FrameStage) and stage.name == "publish" else stage
        for stage in all_stages()
    ]
    context = make_context(spark, lake, None, AS_OF, force=True)
    run_stages(context, ["publish"], stages)
    assert json.loads((context.ledger.stage("publish") or {})["input_versions"])[table] == seen < lake.version(table)
    assert hashes(lake)[PLAN] == hashes(finished)[PLAN]


def test_a_frame_stage_cannot_read_what_it_does_not_declare(lake: Lakehouse) -> None:
    frames = Frames(make_context(None, lake, None, AS_OF), publish.STAGE.name, publish.STAGE.reads, {})
    with pytest.raises(ContractError, match=r"'publish' reads silver\.stock, which it does not declare; add a Read"):
        frames["silver.stock"]


# -------------------------------------------------------------------------------------------------------------- force
def test_a_stage_that_is_forced_alone_builds_on_what_is_there(finished: Lakehouse, tmp_path: Path) -> None:
    lake = copied(finished, tmp_path / "lake")
    context = make_context(None, lake, None, AS_OF, force=True)
    assert statuses(context, ["order"]) == {"order": "done"}
    assert hashes(lake) == hashes(finished)


def test_force_trains_networks_anew_and_a_second_try_goes_on(lake: Lakehouse) -> None:
    """The folder of checkpoints was named by the fingerprint alone, so that a forced training returned the old one."""

    def attempt(*, force: bool, fingerprint: str = "f1") -> str:
        context = make_context(None, lake, None, AS_OF, force=force)
        with stamped(Stamp("train_networks", fingerprint, context.run.run_id)):
            return str(train_networks.parameters(context, {}).attempt)

    assert attempt(force=False) == attempt(force=False), "the same training, tried again"
    assert attempt(force=False) != attempt(force=False, fingerprint="f2")
    assert len({attempt(force=True), attempt(force=True), attempt(force=False)}) == 3


# ----------------------------------------------------------------------------------------------------------- calendar
def test_an_event_that_was_entered_for_a_past_day_rebuilds_features(featured: Lakehouse, tmp_path: Path) -> None:
    lake, past = copied(featured, tmp_path / "lake"), day(60)
    lake.open("silver.calendar").update(updates={"is_event": "true"}, predicate=f"ds = '{past}'")
    as_written_by(lake, "clean", "silver.calendar")
    context = make_context(None, lake, None, AS_OF)
    (report,) = run_stages(context, ["features"])
    assert (report.status, report.record.rows) == ("done", featured.rows(FEATURES))
    found = features_of(lake)
    assert not found.equals(features_of(featured))
    at_day = found.filter(pc.equal(found["ds"], past))
    assert at_day["is_event"].to_pylist() == [True] * SERIES
    assert statuses(context, ["features"]) == {"features": "reused"}


def test_an_event_that_was_entered_for_a_day_to_come_rebuilds_nothing(featured: Lakehouse, tmp_path: Path) -> None:
    lake = copied(featured, tmp_path / "lake")
    lake.open("silver.calendar").update(updates={"is_event": "true"}, predicate=f"ds > '{AS_OF}'")
    as_written_by(lake, "clean", "silver.calendar")
    assert statuses(make_context(None, lake, None, AS_OF), ["features"]) == {"features": "reused"}


def test_a_vacuum_between_two_days_does_not_break_features(featured: Lakehouse, tmp_path: Path) -> None:
    """Features compared the calendar with the data of an old version, which a vacuum takes away."""
    lake = copied(featured, tmp_path / "lake")
    old = lake.open("silver.calendar").file_uris()
    write_deltalake(lake.uri("silver.calendar"), lake.read_arrow("silver.calendar"), mode="overwrite")
    as_written_by(lake, "clean", "silver.calendar")
    taken = lake.open("silver.calendar").vacuum(retention_hours=0, enforce_retention_duration=False, dry_run=False)
    assert len(taken) == len(old) > 0
    assert not any(Path(path).exists() for path in old)
    (report,) = run_stages(make_context(None, lake, None, day(120)), ["features"])
    assert (report.status, report.record.rows) == ("done", SERIES), "one new day per series, nothing rebuilt"
