"""The content hash: blind to order and layout, awake to a single bit."""

from __future__ import annotations

import math
from datetime import UTC, date, datetime, timedelta
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest
from deltalake import write_deltalake
from hypothesis import given, settings
from hypothesis import strategies as st

from lakehouse.delta.content_hash import content_hash, row_hashes
from lakehouse.delta.io import Lakehouse
from lakehouse.schema.tables import contract

NAME = "features.sku_daily"


ROWS = st.tuples(st.none() | st.integers(-5, 5), st.none() | st.booleans(), st.none() | st.text())


def rows(count: int = 12) -> pa.Table:
    """Rows of a real table; its nullable doubles, integers and booleans hold NULLs here and there."""
    declared = contract(NAME)
    columns = {}
    for k, field in enumerate(declared.arrow_schema()):
        if field.name == "bucket":
            values: list[object] = [0] * count
        elif field.name == "run_id":
            values = ["r"] * count
        elif pa.types.is_string(field.type):
            values = [f"{field.name}-{i}" for i in range(count)]
        elif pa.types.is_date32(field.type):
            values = [date(2024, 1, 1) + timedelta(days=i) for i in range(count)]
        elif pa.types.is_boolean(field.type):
            values = [i % 2 == 0 for i in range(count)]
        else:
            values = [1 / (1 + i % 5) if pa.types.is_floating(field.type) else 1 + i % 5 for i in range(count)]
        if field.nullable:
            values = [None if i % 4 == k % 4 else value for i, value in enumerate(values)]
        columns[field.name] = pa.array(values, field.type)
    return pa.table(columns, schema=declared.arrow_schema())


def hash_of(lake: Lakehouse, *parts: pa.Table) -> str:
    """The hash of a table whose files hold these parts."""
    lake.ensure(NAME)
    for part in parts:
        write_deltalake(lake.uri(NAME), part, mode="append")
    return content_hash(lake, NAME)


def test_order_of_rows_and_cut_of_files_do_not_matter(tmp_path: Path) -> None:
    table, root = rows(), str(tmp_path)
    whole = hash_of(Lakehouse(f"{root}/whole"), table)
    assert hash_of(Lakehouse(f"{root}/turned"), table.take(list(range(table.num_rows))[::-1])) == whole
    one_by_one = [table.slice(i, 1) for i in np.random.default_rng(1).permutation(table.num_rows)]
    assert hash_of(Lakehouse(f"{root}/cut"), *one_by_one) == whole


def test_rows_count_once_each(tmp_path: Path) -> None:
    table, root = rows(), str(tmp_path)
    seen = {
        hash_of(Lakehouse(f"{root}/all"), table),
        hash_of(Lakehouse(f"{root}/less"), table.slice(1)),
        hash_of(Lakehouse(f"{root}/twice"), table, table.slice(0, 1)),
        hash_of(Lakehouse(f"{root}/none")),
    }
    assert len(seen) == 4
    assert content_hash(Lakehouse(f"{root}/nowhere"), NAME) == "absent"


@pytest.mark.parametrize(
    ("before", "after", "kind"),
    [
        (1.0, math.nextafter(1.0, 2.0), pa.float64()),
        (0.0, None, pa.float64()),
        (0.0, math.nan, pa.float64()),
        (0.0, -0.0, pa.float64()),
        (0, None, pa.int32()),
        (1, 2, pa.int8()),
        (False, None, pa.bool_()),
        (False, True, pa.bool_()),
        ("", None, pa.string()),
        ("", "\0", pa.string()),
        ("None", None, pa.string()),
        (date(1970, 1, 1), None, pa.date32()),
        (date(2024, 2, 29), date(2024, 3, 1), pa.date32()),
        (datetime(2024, 1, 1, tzinfo=UTC), datetime(2024, 1, 1, 0, 0, 0, 1, tzinfo=UTC), pa.timestamp("us", "UTC")),
    ],
)
def test_the_smallest_change_of_a_value_changes_the_row(before: object, after: object, kind: pa.DataType) -> None:
    hashes = row_hashes(pa.table({"x": pa.array([before, after], kind)}))
    assert hashes[0] != hashes[1]


def test_values_that_swap_columns_change_the_row() -> None:
    hashes = row_hashes(pa.table({"a": [1.0, 2.0], "b": [2.0, 1.0]}))
    assert hashes[0] != hashes[1]


@settings(max_examples=60, deadline=None)
@given(
    st.lists(st.tuples(st.none() | st.integers(-5, 5), st.none() | st.booleans(), st.none() | st.text()), min_size=1)
)
def test_a_row_hashes_alone_as_in_company(values: list[tuple[object, object, object]]) -> None:
    schema = pa.schema([("i", pa.int32()), ("b", pa.bool_()), ("s", pa.string())])
    table = pa.table([list(column) for column in zip(*values, strict=True)], schema=schema)
    alone = [row_hashes(table.slice(i, 1))[0] for i in range(table.num_rows)]
    assert row_hashes(table).tolist() == alone
