"""A lakehouse of an older version under newer contracts, and one that was moved."""

from __future__ import annotations

import dataclasses
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pyarrow as pa
import pytest

from jobs.cli import main
from lakehouse.delta.files import PinnedTable, read_bucket, write_bucket
from lakehouse.delta.io import SMALL_ROWS, Lakehouse
from lakehouse.errors import ContractError
from lakehouse.schema import columns as schema_columns
from lakehouse.schema.checks import Range
from lakehouse.schema.contract import Contract
from lakehouse.schema.tables import TABLES, contract

if TYPE_CHECKING:
    from pyspark.sql import SparkSession

NAME = "silver.supply"
NOW = contract(NAME)
GAINED = ("order_cost", "pack_qty")
TERMS = {"lead_time_days": 3.0, "order_cost": 10.0, "unit_cost": 1.5, "moq_qty": 6.0, "pack_qty": 6.0}
LIMITS = {
    "shelf_life_days": 9.0,
    "most_shelf_qty": 40.0,
    "largest_order_qty": 90.0,
    "review_days": 7.0,
    "review_weekdays": "1,4",
}
VALUES: dict[str, Any] = {"supplier_id": "acme", **TERMS, **LIMITS, "refused_values": '{"moq_qty":"six"}'}


@pytest.fixture
def declare(monkeypatch: pytest.MonkeyPatch) -> Any:
    """Change the contract that the house goes by: `declare(columns=...)`; `declare()` is the present one."""

    def declare(**changes: Any) -> Contract:
        declared = dataclasses.replace(NOW, **changes)
        monkeypatch.setitem(TABLES, NAME, declared)
        return declared

    return declare


def write(lake: Lakehouse, unique_id: str, bucket: int = 0, **values: Any) -> int:
    declared = contract(NAME)
    row = {"unique_id": unique_id} | {name: VALUES[name] for name in declared.columns if name in VALUES} | values
    lake.ensure(NAME)
    file = write_bucket(NAME, lake.uri(NAME), pa.Table.from_pylist([row]), {"bucket": str(bucket)})
    return lake.commit_files(NAME, [file] if file else [], {"bucket": [str(bucket)]})


def without(*names: str) -> tuple[str, ...]:
    return tuple(name for name in NOW.columns if name not in names)


def rows(lake: Lakehouse, *columns: str) -> list[dict[str, Any]]:
    return lake.read_arrow(NAME).sort_by("unique_id").select(columns).to_pylist()


def test_gained_columns_come_by_themselves_and_are_null_in_old_rows(lake: Lakehouse, declare: Any) -> None:
    declare(columns=without(*GAINED))
    old = write(lake, "a")
    declare()
    before = PinnedTable(NAME, lake.uri(NAME), old, ("unique_id", "pack_qty"))
    assert read_bucket(before, 0).to_pylist() == [{"unique_id": "a", "pack_qty": None}]
    assert (
        lake.read_arrow(NAME, old).select(["unique_id", "pack_qty"]).to_pylist() == read_bucket(before, 0).to_pylist()
    )
    new = write(lake, "b", bucket=1)
    assert lake.read_arrow(NAME).schema.names == list(NOW.columns), "in the contract's order, wherever they were added"
    assert rows(lake, "unique_id", *GAINED) == [
        {"unique_id": "a", "order_cost": None, "pack_qty": None},
        {"unique_id": "b", "order_cost": 10.0, "pack_qty": 6.0},
    ]
    found = {b: read_bucket(PinnedTable(NAME, lake.uri(NAME), new, NOW.file_columns()), b).to_pylist() for b in (0, 1)}
    assert found == {
        0: [{"unique_id": "a", **VALUES, "order_cost": None, "pack_qty": None}],
        1: [{"unique_id": "b", **VALUES}],
    }
    with pytest.raises(ContractError, match="NULL in required"):
        write(lake, None)  # type: ignore[arg-type]


@pytest.mark.parametrize("small_rows", [-1, SMALL_ROWS])
def test_spark_reads_and_writes_a_table_whose_columns_stand_in_another_order(
    spark: SparkSession, lake: Lakehouse, declare: Any, monkeypatch: pytest.MonkeyPatch, small_rows: int
) -> None:
    monkeypatch.setattr("lakehouse.delta.io.SMALL_ROWS", small_rows)
    declare(columns=without(*GAINED))
    old = write(lake, "a")
    declare()
    for frame in (lake.read_spark(spark, NAME), lake.read_spark(spark, NAME, old)):  # before anything has grown it
        assert [tuple(row) for row in frame.select("supplier_id", *GAINED).collect()] == [("acme", None, None)]
    lake.ensure(NAME, spark)
    frame = lake.read_spark(spark, NAME).select(*NOW.columns).fillna(2.0)
    lake.write_spark(frame, NAME)
    lake.append_spark(frame.selectExpr("'b' AS unique_id", *NOW.columns[1:]), NAME)
    expected = VALUES | dict.fromkeys(GAINED, 2.0)
    assert rows(lake, *NOW.file_columns()) == [{"unique_id": "a"} | expected, {"unique_id": "b"} | expected]


def test_a_small_table_of_the_ledger_grows_too(lake: Lakehouse, monkeypatch: pytest.MonkeyPatch) -> None:
    now = TABLES["ops.run"]
    monkeypatch.setitem(
        TABLES, now.name, dataclasses.replace(now, columns=tuple(c for c in now.columns if c not in ("host", "series")))
    )
    lake.upsert(now.name, [{"run_id": "r", "stage": "s", "status": "running"}])
    monkeypatch.setitem(TABLES, now.name, now)
    assert lake.read_arrow(now.name)["host"].to_pylist() == [None]
    lake.upsert(now.name, [{"run_id": run, "stage": "s", "status": "succeeded", "host": "h"} for run in "rq"])
    found = lake.read_arrow(now.name).sort_by("run_id").select(["run_id", "status", "host"]).to_pylist()
    assert found == [{"run_id": run, "status": "succeeded", "host": "h"} for run in "qr"]


def with_check(monkeypatch: pytest.MonkeyPatch, check: Range) -> None:
    column = dataclasses.replace(schema_columns.COLUMNS["moq_qty"], check=check)
    monkeypatch.setitem(schema_columns.COLUMNS, "moq_qty", column)


def checks_of(lake: Lakehouse) -> dict[str, str]:
    properties = lake.open(NAME).metadata().configuration
    return {
        k.removeprefix("delta.constraints."): v for k, v in properties.items() if k.startswith("delta.constraints.")
    }


def test_new_checks_are_added_where_the_rows_satisfy_them(lake: Lakehouse, monkeypatch: pytest.MonkeyPatch) -> None:
    lake.ensure(NAME)
    lake.open(NAME).alter.drop_constraint("moq_qty_range")
    write(lake, "a")
    assert checks_of(lake).keys() == NOW.checks().keys(), "what a crash between two commits left out is made good"
    with_check(monkeypatch, Range(1, 100))
    version = lake.ensure(NAME).version()
    assert "100" in checks_of(lake)["moq_qty_range"]
    assert lake.ensure(NAME).version() == version, "once"
    with_check(monkeypatch, Range(50))
    with pytest.raises(ContractError, match=r"silver\.supply: rows that are there break one of the new rules.*50"):
        lake.ensure(NAME)
    assert "100" in checks_of(lake)["moq_qty_range"], "the old rule stands"
    assert rows(lake, "moq_qty") == [{"moq_qty": 6.0}]


def test_other_differences_are_refused_and_migrated_on_request(
    lake: Lakehouse, declare: Any, capsys: pytest.CaptureFixture[str]
) -> None:
    old = dataclasses.replace(NOW, columns=(*without("pack_qty"), "region"), text=frozenset({"lead_time_days"}))
    declare(columns=old.columns, text=old.text)
    for bucket in (0, 1):
        write(lake, "ab"[bucket], bucket, lead_time_days="4", region="west")
    declare(partitions=("bucket", "unique_id"))
    differences = (
        r"pack_qty is missing; column lead_time_days is string, "
        r"expected double; column region is no longer kept; it is partitioned by \['bucket'\], expected \['bucket', "
        r"'unique_id'\]\. `shelfcast migrate"
    )
    with pytest.raises(ContractError, match=differences):
        lake.ensure(NAME)
    assert main(["migrate", "--lakehouse", lake.root]) == 0
    assert "silver.supply: column lead_time_days is string, expected double" in capsys.readouterr().out
    table = lake.ensure(NAME)
    assert table.metadata().partition_columns == ["bucket", "unique_id"]
    assert checks_of(lake).keys() == NOW.checks().keys()
    migrated = {**VALUES, "lead_time_days": 4.0, "pack_qty": None}
    assert rows(lake, *NOW.columns) == [{"unique_id": "ab"[b], **migrated, "bucket": b} for b in (0, 1)]
    assert main(["migrate", "--lakehouse", lake.root]) == 0
    assert capsys.readouterr().out == "silver.supply: as its contract says\n"


def test_a_value_that_does_not_fit_stops_a_migration_and_changes_nothing(
    lake: Lakehouse, declare: Any, capsys: pytest.CaptureFixture[str]
) -> None:
    declare(text=frozenset({"lead_time_days"}))
    write(lake, "a", lead_time_days="soon")
    version = lake.version(NAME)
    declare()
    assert main(["migrate", "--lakehouse", lake.root]) == 1
    assert "silver.supply: column lead_time_days does not fit double" in capsys.readouterr().err
    declare(text=frozenset({"lead_time_days"}))
    lake.ensure(NAME)
    assert rows(lake, "lead_time_days") == [{"lead_time_days": "soon"}]
    assert lake.read_arrow(NAME, version)["lead_time_days"].to_pylist() == ["soon"]


def test_a_required_column_without_values_cannot_be_migrated(
    lake: Lakehouse, declare: Any, capsys: pytest.CaptureFixture[str]
) -> None:
    declare()
    write(lake, "a")
    declare(columns=(*NOW.columns, "run_id"), key=("unique_id", "run_id"))
    with pytest.raises(ContractError, match=r"column run_id is required and there is no value for it\. Use a new"):
        lake.ensure(NAME)
    assert main(["migrate", "--lakehouse", lake.root]) == 1
    assert "no value for it" in capsys.readouterr().err


@pytest.fixture
def catalog(spark: SparkSession) -> Iterator[str]:
    yield "spark_catalog"
    spark.sql("DROP SCHEMA IF EXISTS spark_catalog.silver CASCADE")


def test_tables_are_found_where_the_lakehouse_was_moved(spark: SparkSession, tmp_path: Path, catalog: str) -> None:
    first = Lakehouse(str(tmp_path / "first"), catalog)
    first.ensure(NAME, spark)
    version = write(first, "a")
    copy = Lakehouse(str(shutil.copytree(first.base, tmp_path / "copy")), catalog)
    with pytest.raises(ContractError, match=rf"is the table at {first.uri(NAME)}.*both are there"):
        copy.ensure(NAME, spark)
    moved = Lakehouse(str(shutil.move(first.base, tmp_path / "moved")), catalog)
    moved.ensure(NAME, spark)
    write(moved, "b", bucket=1)
    assert moved.read_spark(spark, NAME).count() == spark.table(f"{catalog}.{NAME}").count() == 2
    pinned = PinnedTable(NAME, moved.uri(NAME), version, ("unique_id",))
    assert read_bucket(pinned, 0).to_pylist() == [{"unique_id": "a"}]
    assert rows(moved, "unique_id") == [{"unique_id": "a"}, {"unique_id": "b"}]
