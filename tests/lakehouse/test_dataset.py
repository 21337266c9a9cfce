"""Filters on a Delta table find the rows that there are, whoever wrote the file and whatever statistics it has."""

from __future__ import annotations

from datetime import UTC, date, datetime

import pyarrow as pa
import pyarrow.compute as pc
import pytest
from deltalake import DeltaTable, write_deltalake

from lakehouse.delta.content_hash import content_hash
from lakehouse.delta.dataset import batches_of, dataset_of
from lakehouse.delta.files import write_bucket
from lakehouse.delta.io import Lakehouse
from lakehouse.schema.tables import contract

UNITS = "ops.run_unit"
LONG = "x" * 40


def committed(lake: Lakehouse) -> DeltaTable:
    """A table that a worker wrote: two units, one of which failed."""
    when = datetime(2026, 1, 2, 3, 4, 5, 678901, tzinfo=UTC)
    rows = [
        {"unit": "0", "status": "succeeded", "rows": 3, "seconds": 0.5, "finished_at": when},
        {"unit": "1", "status": "failed", "rows": 0, "seconds": 1.5, "finished_at": when, "error": LONG},
    ]
    declared = contract(UNITS)
    table = pa.Table.from_pylist(
        [{name: row.get(name) for name in declared.file_columns()} for row in rows],
        schema=declared.arrow_schema(with_partitions=False),
    )
    lake.ensure(UNITS)
    file = write_bucket(UNITS, lake.uri(UNITS), table, {"run_id": "r1", "stage": "forecast"})
    assert file is not None
    lake.commit_files(UNITS, [file], {"run_id": ["r1"], "stage": ["forecast"]})
    return lake.open(UNITS)


@pytest.mark.parametrize(
    ("condition", "units"),
    [
        (pc.field("status") == "succeeded", ["0"]),
        (pc.field("rows") == 0, ["1"]),
        (pc.field("seconds") > 1.0, ["1"]),
        (pc.field("error") == LONG, ["1"]),
        (pc.field("error").is_null(), ["0"]),
        (pc.field("finished_at") > datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC), ["0", "1"]),
        ((pc.field("run_id") == "r1") & (pc.field("status") == "failed"), ["1"]),
        (pc.field("run_id") == "r2", []),
    ],
)
def test_a_filter_on_any_column_finds_its_rows_by_our_reading_and_by_deltalakes(
    lake: Lakehouse, condition: pc.Expression, units: list[str]
) -> None:
    """A filter on a column that is no key found nothing: the file had no statistics of it."""
    table = committed(lake)
    assert lake.read_arrow(UNITS, filters=condition)["unit"].to_pylist() == units
    assert dataset_of(table).to_table(filter=condition)["unit"].to_pylist() == units
    batches = batches_of(lake.dataset(UNITS), contract(UNITS).columns, condition)
    assert [row["unit"] for batch in batches for row in batch.to_pylist()] == units
    assert table.to_pyarrow_dataset().to_table(filter=condition)["unit"].to_pylist() == units


def test_a_boolean_of_a_file_without_its_statistics_is_found(lake: Lakehouse) -> None:
    """As Spark writes it; deltalake's own dataset finds neither the true nor the false ones."""
    name = "silver.planned_daily"
    rows = {"unique_id": ["a", "b"], "ds": [date(2026, 1, 1)] * 2, "unit_price": [1.0, 2.0], "is_promo": [True, False]}
    table = pa.table(rows, schema=contract(name).arrow_schema(with_partitions=False))
    lake.ensure(name)
    file = write_bucket(name, lake.uri(name), table, {"bucket": "0"})
    assert file is not None
    bare = file.__class__(**{key: getattr(file, key) for key in file.__slots__} | {"stats_json": '{"numRecords": 2}'})
    lake.commit_files(name, [bare], {"bucket": ["0"]})
    for is_promo, unique_id in ((True, "a"), (False, "b")):
        assert lake.read_arrow(name, filters=pc.field("is_promo") == is_promo)["unique_id"].to_pylist() == [unique_id]
    assert lake.read_arrow(name, filters=pc.field("bucket") == 0).num_rows == 2
    assert content_hash(lake, name) != "absent"


@pytest.mark.parametrize(
    "where", [None, pc.field("y") > 150_000, pc.field("bucket") == 1, pc.field("bucket").is_null()]
)
def test_batches_are_the_rows_of_the_table_whatever_their_partition_and_age(
    lake: Lakehouse, where: pc.Expression | None
) -> None:
    """A file of one row group comes in pieces; partitions may be NULL, and columns younger than the file."""
    name, n = "silver.sales_daily", 320_000
    values = {"unique_id": [f"s{i % 7}" for i in range(n)], "y": range(n), "bucket": [1, 2, None, 4] * (n // 4)}
    rows = pa.table(values, pa.schema([("unique_id", pa.string()), ("y", pa.float64()), ("bucket", pa.int32())]))
    write_deltalake(lake.uri(name), rows, partition_by=["bucket"])
    dataset, columns = lake.dataset(name), ["y", "is_promo", "bucket", "unique_id"]
    batches = list(batches_of(dataset, columns, where))
    assert max(batch.num_rows for batch in batches) <= 65_536 < n // 4
    key = [("y", "ascending")]
    assert pa.Table.from_batches(batches).sort_by(key).equals(dataset.to_table(columns, filter=where).sort_by(key))
