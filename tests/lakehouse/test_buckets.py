"""Buckets: who belongs where, what a pinned version holds, and files that replace a bucket."""

from __future__ import annotations

import json
from datetime import date, timedelta
from pathlib import Path
from typing import TYPE_CHECKING

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
import pytest

from lakehouse.delta.files import PinnedTable, files_of, read_bucket, replace_rows, unit_files, write_bucket
from lakehouse.delta.io import Lakehouse
from lakehouse.errors import ContractError
from lakehouse.schema.entities import SERIES
from lakehouse.schema.tables import contract

if TYPE_CHECKING:
    from pyspark.sql import SparkSession

NAME = "forecast.champion"
COLUMNS = ("unique_id", "cutoff", "model")


def champions(ids: list[str], model: str = "ets", days: int = 1) -> pa.Table:
    cutoffs = [date(2024, 1, 1) + timedelta(days=day) for day in range(days)]
    keys = [(unique_id, cutoff) for unique_id in ids for cutoff in cutoffs]
    count = len(keys)
    return pa.table(
        {
            "unique_id": [key[0] for key in keys],
            "cutoff": pa.array([key[1] for key in keys], pa.date32()),
            "model": [model] * count,
            "rule": ["asked for by name"] * count,
            "runner_up": pa.nulls(count, pa.string()),
            "demand_class": ["smooth"] * count,
            "score": [1.0] * count,
            "runner_up_score": pa.nulls(count, pa.float64()),
            **{f"path_{part}": [0.1] * count for part in ("level", "season", "short", "decay")},
            "doubts": pa.nulls(count, pa.string()),
        }
    )


def commit(lake: Lakehouse, table: pa.Table, run_id: str, bucket: int) -> int:
    lake.ensure(NAME)
    file = write_bucket(NAME, lake.uri(NAME), table, {"run_id": run_id, "bucket": str(bucket)})
    return lake.commit_files(NAME, [file] if file else [], {"run_id": [run_id], "bucket": [str(bucket)]})


def pinned(lake: Lakehouse, version: int, **options: object) -> PinnedTable:
    return PinnedTable(NAME, lake.uri(NAME), version, COLUMNS, **options)  # type: ignore[arg-type]


def test_silver_puts_each_series_into_its_bucket(cleaned: Lakehouse) -> None:
    rows = (
        cleaned.read_arrow("silver.sales_daily", columns=["unique_id", "bucket"])
        .group_by(["unique_id", "bucket"])
        .aggregate([])
    )
    assert rows.num_rows == len(rows["unique_id"].unique()) > 5
    for row in rows.to_pylist():
        assert row["bucket"] == SERIES.bucket_of(row["unique_id"], 10)


def test_doing_a_bucket_again_replaces_it_and_nothing_else(lake: Lakehouse) -> None:
    first = commit(lake, champions(["a", "b"]), "r1", 0)
    commit(lake, champions(["c"]), "r1", 1)
    commit(lake, champions(["a"]), "r2", 0)
    last = commit(lake, champions(["a", "b"], model="tsb"), "r1", 0)
    rows = lake.read_arrow(NAME).to_pylist()
    found = sorted((row["run_id"], row["bucket"], row["unique_id"], row["model"]) for row in rows)
    assert found == [
        ("r1", 0, "a", "tsb"),
        ("r1", 0, "b", "tsb"),
        ("r1", 1, "c", "ets"),
        ("r2", 0, "a", "ets"),
    ]
    assert set(read_bucket(pinned(lake, first), 0)["model"].to_pylist()) == {"ets"}, "the pinned version stands"
    of_run = read_bucket(pinned(lake, last, where=(("run_id", "r2"),)), 0)
    assert of_run.to_pylist() == [{"unique_id": "a", "cutoff": date(2024, 1, 1), "model": "ets"}]


def test_a_bucket_without_rows_clears_what_was_there(lake: Lakehouse) -> None:
    commit(lake, champions(["a"]), "r1", 0)
    version = commit(lake, champions([]), "r1", 0)
    assert lake.rows(NAME) == 0
    assert read_bucket(pinned(lake, version), 0).num_rows == 0


def test_a_bucket_of_several_files_comes_back_in_order_and_within_its_days(lake: Lakehouse) -> None:
    ids = ["b", "a", "a" * 40, "c"]
    parts = [champions([unique_id], days=6) for unique_id in ids]
    for part in parts:
        commit(lake, part, f"r{part['unique_id'][0]}", 3)
    options = {"order_by": ("unique_id", "cutoff"), "dictionary": ("unique_id",)}
    found = read_bucket(pinned(lake, lake.version(NAME), **options), 3)
    expected = pa.concat_tables(parts).select(COLUMNS).sort_by([("unique_id", "ascending"), ("cutoff", "ascending")])
    assert found.to_pylist() == expected.to_pylist()


def test_only_the_days_asked_for_are_read(featured: Lakehouse) -> None:
    name, first, last = "silver.sales_daily", date(2024, 2, 10), date(2024, 2, 12)
    whole = featured.read_arrow(name, columns=["unique_id", "ds", "y", "bucket"])
    bucket = whole["bucket"][0].as_py()
    table = PinnedTable(
        name, featured.uri(name), featured.version(name), ("unique_id", "y"), first_ds=first, last_ds=last
    )
    inside = whole.filter((pc.field("bucket") == bucket) & (pc.field("ds") >= first) & (pc.field("ds") <= last))
    keys = [("unique_id", "ascending"), ("y", "ascending")]
    found, expected = read_bucket(table, bucket), inside.select(["unique_id", "y"])
    assert found.sort_by(keys).to_pylist() == expected.sort_by(keys).to_pylist()
    assert inside.num_rows == 3 * len(inside["unique_id"].unique()) > 0


def test_a_file_says_what_it_holds(lake: Lakehouse) -> None:
    lake.ensure(NAME)
    table = champions(["b", "a"], days=3)
    file = write_bucket(NAME, lake.uri(NAME), table, {"run_id": "r1", "bucket": "4"})
    assert file is not None
    path = Path(lake.uri(NAME)) / file.path
    assert path.parent.relative_to(lake.uri(NAME)).parts == ("run_id=r1", "bucket=4")
    assert (file.size_bytes, file.rows) == (path.stat().st_size, pq.ParquetFile(path).metadata.num_rows)
    statistics = json.loads(file.stats_json)
    assert statistics["numRecords"] == 6
    held = pq.ParquetFile(path).read().to_pydict()
    assert (statistics["minValues"]["unique_id"], statistics["minValues"]["cutoff"]) == ("a", "2024-01-01")
    assert (statistics["maxValues"]["unique_id"], statistics["maxValues"]["cutoff"]) == ("b", "2024-01-03")
    assert statistics["nullCount"] == {name: values.count(None) for name, values in held.items()}
    known = {name for name, values in held.items() if values.count(None) < len(values)}
    assert set(statistics["minValues"]) == set(statistics["maxValues"]) == known, "of every column that has a value"


def test_rows_that_break_the_contract_are_not_written(lake: Lakehouse) -> None:
    lake.ensure(NAME)
    values = {"run_id": "r1", "bucket": "0"}
    with pytest.raises(ContractError, match=r"missing \['score'\]"):
        write_bucket(NAME, lake.uri(NAME), champions(["a"]).drop_columns(["score"]), values)
    broken = champions(["a"]).set_column(0, "unique_id", pa.nulls(1, pa.string()))
    with pytest.raises(ContractError, match=r"NULL in required columns.*'unique_id': 1"):
        write_bucket(NAME, lake.uri(NAME), broken, values)
    assert list(Path(lake.uri(NAME)).rglob("*.parquet")) == []


def test_the_driver_looks_up_the_files_of_all_units_at_once(lake: Lakehouse) -> None:
    for run_id, bucket in (("r1", 0), ("r1", 2), ("r2", 0), ("r2", 2), ("r2", 11)):
        commit(lake, champions([f"{run_id}-{bucket}"]), run_id, bucket)
    version = lake.version(NAME)
    of_run = pinned(lake, version, where=(("run_id", "r2"),))
    other = lake.ensure("forecast.backtest")
    whole = PinnedTable("forecast.backtest", other.table_uri, other.version(), ("unique_id",), is_bucketed=False)
    absent = PinnedTable("silver.stock", lake.uri("silver.stock"), -1, ("unique_id", "ds"))
    found = unit_files([of_run, whole, absent], [0, "1", 2])
    assert list(found) == ["0", "1", "2"]
    for unit, tables in found.items():
        assert tables == {NAME: tuple(files_of(of_run, unit)), "forecast.backtest": ()}
        assert read_bucket(of_run, unit, tables[NAME]).to_pylist() == read_bucket(of_run, unit).to_pylist()
    assert [len(found[unit][NAME]) for unit in found] == [1, 0, 1]
    everything = pinned(lake, version, is_bucketed=False)
    assert {len(tables[NAME]) for tables in unit_files([everything], range(3)).values()} == {5}


def test_a_partition_column_is_read_whether_its_writer_put_it_into_the_file_or_not(
    lake: Lakehouse, spark: SparkSession
) -> None:
    """Spark does, workers do not."""
    commit(lake, champions(["a"]), "r1", 3)
    frame = lake.read_spark(spark, NAME).selectExpr(
        *(name for name in contract(NAME).columns if name not in ("run_id", "unique_id")),
        "'b' AS unique_id",
        "'r2' AS run_id",
    )
    version = lake.append_spark(frame, NAME)
    asked = PinnedTable(NAME, lake.uri(NAME), version, ("unique_id", "run_id", "bucket"), order_by=("unique_id",))
    rows = read_bucket(asked, 3)
    assert rows.to_pylist() == [
        {"unique_id": "a", "run_id": "r1", "bucket": 3},
        {"unique_id": "b", "run_id": "r2", "bucket": 3},
    ]
    assert rows.schema.field("bucket").type == contract(NAME).arrow_schema().field("bucket").type


@pytest.mark.parametrize("dictionary", [(), ("unique_id",)])
def test_a_file_that_somebody_rewrote_reads_as_any_other(lake: Lakehouse, dictionary: tuple[str, ...]) -> None:
    """deltalake's update leaves text of another Arrow type, which kernels refuse."""
    before = read_bucket(pinned(lake, commit(lake, champions(["a", "b"]), "r1", 0), dictionary=dictionary), 0)
    lake.open(NAME).update(updates={"model": "'tsb'"}, predicate="unique_id = 'b'")
    after = read_bucket(pinned(lake, lake.version(NAME), dictionary=dictionary), 0)
    assert after["model"].to_pylist() == ["ets", "tsb"]
    assert after.schema.field("model").type == before.schema.field("model").type == pa.string()
    both = pa.concat_tables([before, after], promote_options="permissive")
    assert both["unique_id"].cast(pa.string()).to_pylist() == ["a", "b", "a", "b"]
    assert after.schema.field("unique_id").type == before.schema.field("unique_id").type


def test_a_table_that_is_not_there_reads_as_empty(lake: Lakehouse) -> None:
    absent = PinnedTable("silver.stock", lake.uri("silver.stock"), lake.version("silver.stock"), ("unique_id", "ds"))
    table = read_bucket(absent, 0)
    assert (table.num_rows, table.column_names) == (0, ["unique_id", "ds"])


def test_rows_replace_all_that_a_small_table_held_whatever_their_partitions(lake: Lakehouse) -> None:
    def rows(*values: tuple[str, int]) -> pa.Table:
        feeds, counts = zip(*values, strict=True)
        columns = {"feed": feeds, "outcome": ["used"] * len(values), "rule_id": [""] * len(values), "rows": counts}
        return pa.table(columns, contract("ops.row_count").arrow_schema())

    first = replace_rows(lake, "ops.row_count", rows(("sales", 3), ("stock", 4)))
    assert sorted(lake.read_arrow("ops.row_count")["feed"].to_pylist()) == ["sales", "stock"]
    assert replace_rows(lake, "ops.row_count", rows(("sales", 5))) == first + 1
    assert lake.read_arrow("ops.row_count").to_pylist() == [
        {"feed": "sales", "outcome": "used", "rule_id": "", "rows": 5}
    ]
    with pytest.raises(ContractError, match="expected one row per key"):
        replace_rows(lake, "ops.row_count", rows(("sales", 5), ("sales", 6)))
    with pytest.raises(ContractError, match="rows"):
        replace_rows(lake, "ops.row_count", rows(("sales", -1)))
    assert lake.version("ops.row_count") == first + 1
