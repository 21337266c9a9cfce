"""Gold as a DuckDB file: every value as Delta has it, comments of the contracts, whole or not at all."""

from __future__ import annotations

import sys
from datetime import UTC, date, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

import duckdb
import pyarrow as pa
import pyarrow.compute as pc
import pytest
from deltalake import DeltaTable, write_deltalake

from jobs.cli import main
from jobs.views.duckdb_file import write_duckdb
from jobs.views.measures import VIEWS
from lakehouse.delta.io import Lakehouse
from lakehouse.errors import ConfigError
from lakehouse.schema.columns import COLUMNS, Column
from lakehouse.schema.contract import Contract
from lakehouse.schema.tables import TABLES, contract
from tests.jobs.test_cli import run
from tests.jobs.test_export import line, publish

GOLD = [name for name in TABLES if name.startswith("gold.")]
TOY = "gold.toy"
TOY_TYPES = {
    "toy_name": "string",
    "toy_amount": "decimal(12,3)",
    "toy_day": "date",
    "toy_time": "timestamp",
    "toy_list": "array<double>",
    "toy_byte": "byte",
    "toy_flag": "boolean",
    "toy_bytes": "binary",
}
TOY_ROWS: list[dict[str, Any]] = [
    {
        "toy_name": 'it\'s; \\ "x"',
        "toy_amount": Decimal("123456789.001"),
        "toy_day": date(1969, 2, 28),
        "toy_time": datetime(2024, 3, 31, 1, 30, 0, 1, UTC),
        "toy_list": [0.1, None],
        "toy_byte": -128,
        "toy_flag": False,
        "toy_bytes": b"\x00\xff",
    },
    dict.fromkeys(TOY_TYPES) | {"toy_name": "unknown"},
]


@pytest.fixture
def shop(lake: Lakehouse) -> Lakehouse:
    for name in GOLD:
        lake.ensure(name)
    return publish(lake, line("A"), line("B", order_value=None))


def opened(path: Path) -> duckdb.DuckDBPyConnection:
    return duckdb.connect(str(path), read_only=True)


def same(found: pa.Table, expected: pa.Table, key: tuple[str, ...]) -> bool:
    order = [(name, "ascending") for name in key]
    return bool(found.sort_by(order).equals(expected.sort_by(order).cast(found.schema)))


@pytest.mark.slow
def test_every_gold_table_holds_what_delta_holds(finished: Lakehouse, tmp_path: Path) -> None:
    path = tmp_path / "shop.duckdb"
    assert main(run(finished, "--duckdb", str(path))) == 0
    with opened(path) as connection:
        for name in (each for each in GOLD if finished.exists(each)):
            expected = pa.table(DeltaTable(finished.uri(name)).to_pyarrow_table())
            found = connection.sql(f"FROM {name}").to_arrow_table()
            assert found.num_rows == expected.num_rows
            assert found.num_rows or name == "gold.order_check", "no order need be implausible"
            assert {f.name: f.type for f in found.schema} == {f.name: f.type for f in contract(name).arrow_schema()}
            assert same(found, expected.select(found.column_names), contract(name).key)


def test_types_stay_what_they_are(lake: Lakehouse, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name, type_ in TOY_TYPES.items():
        monkeypatch.setitem(COLUMNS, name, Column(name, type_, f"What {name} is; it's text"))
    monkeypatch.setitem(TABLES, TOY, Contract(TOY, "It's a toy", tuple(TOY_TYPES), ("toy_name",)))
    publish(lake, *TOY_ROWS, name=TOY)
    write_duckdb(lake, str(tmp_path / "shop.duckdb"))
    with opened(tmp_path / "shop.duckdb") as connection:
        types = dict(
            connection.sql("SELECT column_name, data_type FROM duckdb_columns() WHERE NOT internal").fetchall()
        )
        assert types == {
            "toy_name": "VARCHAR",
            "toy_amount": "DECIMAL(12,3)",
            "toy_day": "DATE",
            "toy_time": "TIMESTAMP WITH TIME ZONE",
            "toy_list": "DOUBLE[]",
            "toy_byte": "TINYINT",
            "toy_flag": "BOOLEAN",
            "toy_bytes": "BLOB",
        }
        found = connection.sql(f"FROM {TOY}").to_arrow_table()
        assert found.drop(["toy_time"]).to_pylist() == [
            {name: value for name, value in row.items() if name != "toy_time"} for row in TOY_ROWS
        ]
        # As an instant, whatever zone the reader's session is in.
        assert pc.cast(found["toy_time"], pa.int64()).to_pylist() == [
            int(TOY_ROWS[0]["toy_time"].timestamp()) * 10**6 + 1,
            None,
        ]


def test_tables_columns_and_measures_carry_their_comments(shop: Lakehouse, tmp_path: Path) -> None:
    write_duckdb(shop, str(tmp_path / "shop.duckdb"))
    with opened(tmp_path / "shop.duckdb") as connection:
        tables = dict(connection.sql("SELECT table_name, comment FROM duckdb_tables()").fetchall())
        assert tables == {contract(name).table_name: contract(name).comment for name in GOLD}
        columns = connection.sql("SELECT table_name, column_name, comment FROM duckdb_columns() WHERE NOT internal")
        found = {(table, column): comment for table, column, comment in columns.fetchall()}
        for name in GOLD:
            for column in contract(name).declared():
                assert found.pop((contract(name).table_name, column.name)) == column.comment
        assert all(found.values())
        for view in VIEWS:
            for measure in view.measures:
                assert found[view.name, measure.name] == f"{measure.comment}; unit: {measure.unit}"


def test_the_file_may_be_renamed_and_is_alone(shop: Lakehouse, tmp_path: Path) -> None:
    folder = tmp_path / "out"
    write_duckdb(shop, str(folder / "shop.duckdb"))
    assert [path.name for path in folder.iterdir()] == ["shop.duckdb"]
    (folder / "shop.duckdb").rename(folder / "other.duckdb")
    with opened(folder / "other.duckdb") as connection:
        (row,) = connection.sql("SELECT planned_spend FROM measures.stock_and_orders WHERE level = 'all'").fetchall()
        assert row == (18.0,)


def test_a_write_that_fails_leaves_what_was_there(shop: Lakehouse, tmp_path: Path) -> None:
    path = tmp_path / "shop.duckdb"
    write_duckdb(shop, str(path))
    before = path.read_bytes()
    with pytest.raises(ConfigError, match="is there already; give --overwrite"):
        write_duckdb(shop, str(path))
    publish(shop, line("C"))
    for file in Path(shop.uri("gold.order_plan")).rglob("*.parquet"):
        file.unlink()
    with pytest.raises(ConfigError, match="was not written"):
        write_duckdb(shop, str(path), overwrite=True)
    assert path.read_bytes() == before
    assert [each.name for each in tmp_path.iterdir() if each.name != "lake"] == ["shop.duckdb"]


def test_a_table_from_before_a_column_has_null_there(lake: Lakehouse, tmp_path: Path) -> None:
    declared = contract("gold.stock_risk")
    old = declared.empty(with_partitions=True).drop(["stockout_risk"])
    write_deltalake(lake.uri(declared.name), old, partition_by=list(declared.partitions))
    write_duckdb(lake, str(tmp_path / "shop.duckdb"))
    with opened(tmp_path / "shop.duckdb") as connection:
        assert tuple(connection.sql("FROM gold.stock_risk").columns) == declared.columns
        views = connection.sql("SELECT view_name FROM duckdb_views() WHERE NOT internal").fetchall()
        assert views == [("stock_service",)], "measures of tables that are not there"


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--to", "shop.xlsx"], "expected a name that ends in .duckdb, found shop.xlsx"),
        (["--to", "gold.duckdb"], "would be called as the schema gold in it"),
        (["--to", "measures.duckdb"], "would be called as the schema measures in it"),
        (["--to", "s3://bucket/shop.duckdb"], "an export is written to this machine"),
        (["--to", "shop.duckdb", "--as-of", "2024-03-02"], "gold is exported whole"),
        (["--to", "shop.duckdb", "--by", "supplier"], "gold is exported whole"),
    ],
)
def test_a_wrong_request_is_refused(
    shop: Lakehouse,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    arguments: list[str],
    message: str,
) -> None:
    monkeypatch.chdir(tmp_path)
    assert main(["export", "gold", "--lakehouse", shop.root, *arguments]) == 2
    assert message in capsys.readouterr().err
    assert [path.name for path in tmp_path.iterdir()] == ["lake"]


def test_what_is_missing_is_said(
    lake: Lakehouse, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    lake.ensure("silver.sales_daily")
    command = ["export", "gold", "--lakehouse", lake.root, "--to", str(tmp_path / "shop.duckdb")]
    assert main(command) == 2
    assert "no gold table in" in capsys.readouterr().err
    publish(lake, line("A"))
    monkeypatch.setitem(sys.modules, "duckdb", None)
    assert main(command) == 2
    (said,) = capsys.readouterr().err.splitlines()
    assert said == "shelfcast: a DuckDB file needs the package duckdb; run `pip install 'shelfcast[bi]'`"
    monkeypatch.undo()
    assert main(command) == 0
    assert "gold: 1 tables" in capsys.readouterr().out
