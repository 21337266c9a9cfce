"""A contract refuses what it does not declare, rows that break its rules, and tables that do not fit it."""

from __future__ import annotations

import math
from datetime import UTC, date, datetime
from decimal import Decimal
from typing import TYPE_CHECKING, Any

import duckdb
import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from jobs.views.reports import describe
from lakehouse.delta.content_hash import content_hash
from lakehouse.delta.files import write_bucket
from lakehouse.delta.io import Lakehouse
from lakehouse.delta.key_guard import is_guarded
from lakehouse.errors import ContractError
from lakehouse.schema.checks import Check, OneOf, Range
from lakehouse.schema.codes import DEMAND_CLASSES
from lakehouse.schema.column_types import arrow_type
from lakehouse.schema.columns import COLUMNS, Column, schema_of
from lakehouse.schema.contract import Contract
from lakehouse.schema.entities import SERIES
from lakehouse.schema.tables import TABLES, contract, table_of

if TYPE_CHECKING:
    from pathlib import Path

    from pyspark.sql import SparkSession

PRICES = Contract("test.prices", "Prices of a day.", ("sku_id", "ds", "unit_price"), ("sku_id", "ds"))
DAYS = [date(2024, 1, 2), date(2024, 1, 3), date(2024, 1, 4)]


def prices(**changed: pa.Array) -> pa.Table:
    columns = {
        "sku_id": pa.array(["a", "b"]),
        "ds": pa.array([date(2024, 1, 1), date(2024, 1, 2)]),
        "unit_price": pa.array([1.5, None]),
    }
    return pa.table(columns | changed)


def demand(**changed: Any) -> pa.Table:
    """Three days of one series' forecast, as a kernel hands it over."""
    columns = {
        "unique_id": ["a|b|all"] * 3,
        "cutoff": [date(2024, 1, 1)] * 3,
        "model": ["ets"] * 3,
        "ds": DAYS,
        "mean": np.full(3, 2.0),
        "sd": np.full(3, 1.0),
        **{name: np.full(3, 2.0) for name in ("p05", "p10", "p25", "p50", "p75", "p90", "p95", "p99")},
    }
    return table_of("forecast.demand", columns | changed)


@pytest.mark.parametrize(
    ("columns", "key", "partitions", "message"),
    [
        (("sku_id", "shelf"), ("sku_id",), (), r"test\.t: columns \['shelf'\] are not declared"),
        (("sku_id",), ("sku_id", "shelf"), (), r"test\.t: columns \['shelf'\] are not declared"),
        (("sku_id",), ("sku_id", "ds"), (), r"key or partition columns \['ds'\] are not among its columns"),
        (("sku_id",), ("sku_id",), ("ds",), r"key or partition columns \['ds'\] are not among its columns"),
        (("sku_id", "ds", "sku_id"), ("sku_id",), (), "a column is named twice"),
    ],
)
def test_a_contract_names_declared_columns_once(
    columns: tuple[str, ...], key: tuple[str, ...], partitions: tuple[str, ...], message: str
) -> None:
    with pytest.raises(ContractError, match=message):
        Contract("test.t", "A table.", columns, key, partitions)


def test_a_table_cut_by_an_entity_has_its_bucket() -> None:
    with pytest.raises(ContractError, match="cut by series, so expected a partition 'bucket'"):
        Contract("test.t", "A table.", ("unique_id",), ("unique_id",), unit=SERIES)
    assert contract("forecast.demand").unit is SERIES
    assert contract("gold.order_plan").unit is None


def test_a_table_that_fits_gets_the_order_and_types_of_the_contract() -> None:
    table = prices(unit_price=pa.array([2, None], pa.int32()))
    assert PRICES.conform(table.select(["unit_price", "ds", "sku_id"])).schema == PRICES.arrow_schema()
    assert PRICES.conform(PRICES.empty()).num_rows == 0


@pytest.mark.parametrize(
    ("table", "message"),
    [
        (prices().drop_columns("unit_price"), r"missing \['unit_price'\], unexpected \[\]"),
        (prices(shelf=pa.array([1, 2])), r"missing \[\], unexpected \['shelf'\]"),
        (prices(unit_price=pa.array(["1.5", "dear"])), "a column does not fit its declared type: .*dear"),
        (prices(unit_price=pa.array([[1.0], [2.0]])), "a column does not fit its declared type"),
        (prices(sku_id=pa.array(["a", None])), r"NULL in required columns \(rows by column\): \{'sku_id': 1\}"),
    ],
)
def test_a_table_that_does_not_fit_is_refused(table: pa.Table, message: str) -> None:
    with pytest.raises(ContractError, match=message):
        PRICES.conform(table)


def test_what_a_worker_writes_keeps_ranges_and_key(tmp_path: Path) -> None:
    """Delta's CHECKs do not see files that workers write: p05 = -7, sd = -1 and a doubled key were once committed."""
    lake = Lakehouse(str(tmp_path))
    uri, values = lake.uri("forecast.demand"), {"run_id": "r1", "bucket": "0"}
    wrong = demand(p05=[-7.0, 2.0, math.nan], sd=[1.0, -1.0, 1.0], ds=[DAYS[0], DAYS[0], DAYS[2]])
    with pytest.raises(ContractError) as refused:
        write_bucket("forecast.demand", uri, wrong, values)
    words = str(refused.value)
    key = "unique_id a|b|all, cutoff 2024-01-01, model ets, ds"
    assert f"sd: expected at least 0, found 1 of 3 rows otherwise: -1.0 at {key} 2024-01-02" in words
    low = f"p05: expected at least 0, found 2 of 3 rows otherwise: -7.0 at {key} 2024-01-02; nan at {key} 2024-01-04"
    assert low in words
    assert f"expected one row per key, found 1 keys on several rows: 2 rows at {key} 2024-01-02" in words
    assert list(tmp_path.rglob("*.parquet")) == []
    assert write_bucket("forecast.demand", uri, demand(), values) is not None


@settings(max_examples=200, deadline=None)
@given(st.lists(st.tuples(st.sampled_from("ab"), st.sampled_from([None, "x", "y"]), st.integers(0, 3)), max_size=8))
@pytest.mark.parametrize("key", [("sku_id", "source_column", "step"), ("sku_id", "step"), ("step",), ("sku_id",)])
def test_a_key_is_on_one_row(key: tuple[str, ...], rows: list[tuple[str, str | None, int]]) -> None:
    """Sorted or not, in runs or not, with NULLs where the key is text."""
    names = ("sku_id", "source_column", "step")
    declared = Contract("test.t", "A table.", names, key, text=frozenset({"source_column"}))
    for order in (rows, sorted(rows, key=str)):
        columns = list(zip(*order, strict=True)) or [(), (), ()]
        table = pa.table([pa.array(column) for column in columns], names=names).cast(declared.arrow_schema())
        keys = [tuple(row[name] for name in key) for row in table.to_pylist()]
        if len(set(keys)) == len(keys):
            assert declared.conform(table).num_rows == len(keys)
        else:
            with pytest.raises(ContractError, match=f"found {sum(keys.count(k) > 1 for k in set(keys))} keys on sev"):
                declared.conform(table)


def test_a_key_of_partitions_alone_is_one_row_a_file() -> None:
    declared = Contract("test.t", "A table.", ("run_id", "y"), ("run_id",), ("run_id",))
    assert declared.conform(pa.table({"y": [1.0]})).num_rows == 1
    with pytest.raises(ContractError, match="found 2 rows in one partition, which is the key"):
        declared.conform(pa.table({"y": [1.0, 2.0]}))


def test_no_more_than_five_offenders_are_shown() -> None:
    names = [f"s{i}" for i in range(9)]
    wrong = table_of("inventory.order_step", {"unique_id": names, "step": [0] * 9, "step_count": [1] * 9,
                     "step_qty": [-1.0] * 9, "step_cost": [1.0] * 9, "expected_value": [1.0] * 9})  # fmt: skip
    with pytest.raises(ContractError, match=r"found 9 of 9 rows otherwise: .*unique_id s4, step 0; \.\.\.$"):
        contract("inventory.order_step").conform(wrong)


def test_the_ledger_is_written_by_contract(lake: Lakehouse) -> None:
    row = {"feed": "sales", "outcome": "used", "rule_id": "", "rows": 3}
    lake.upsert("ops.row_count", [row])
    with pytest.raises(ContractError, match="expected one of used, quarantined, duplicate, out_of_scope, found 1 of 2"):
        lake.upsert("ops.row_count", [row, row | {"outcome": "lost"}])
    with pytest.raises(ContractError, match=r"found 1 keys on several rows: 2 rows at feed sales, outcome used"):
        lake.upsert("ops.row_count", [row, row])
    with pytest.raises(ContractError, match="NULL in required columns"):
        lake.upsert("ops.row_count", [row | {"rule_id": None}])
    assert lake.read_arrow("ops.row_count").to_pylist() == [row]


def test_what_spark_writes_keeps_the_key_of_small_tables(lake: Lakehouse, spark: SparkSession) -> None:
    name = "silver.products"
    declared = contract(name)
    columns = ", ".join(f"{column} {declared.sql_type(column)}" for column in declared.columns)
    nothing = [None] * (len(declared.columns) - 2)
    good = spark.createDataFrame([("a", "Apple", *nothing), ("b", None, *nothing)], columns)
    lake.write_spark(good, name)
    with pytest.raises(ContractError, match=r'silver\.products: expected one row per key, found 2 .*"sku_id":"a"'):
        lake.write_spark(good.unionByName(good.filter("sku_id = 'a'")), name)
    assert lake.read_arrow(name).sort_by("sku_id")["product_name"].to_pylist() == ["Apple", None]
    guarded = {table.name for table in TABLES.values() if is_guarded(table)}
    assert {"silver.calendar", "silver.locations", "gold.order_plan", "ops.quarantine"} <= guarded
    assert not guarded & {"bronze.sales", "silver.sales_daily", "forecast.demand"}


@pytest.mark.parametrize(
    ("check", "sql", "words", "fine", "wrong"),
    [
        (Range(0), "x >= 0", "at least 0", [0.0, 1e300, math.inf], [-1e-300, math.nan, -math.inf]),
        (Range(high=-0.5), "x <= -0.5", "at most -0.5", [-0.5, -math.inf], [-0.4, math.nan]),
        (Range(0, 1), "x BETWEEN 0 AND 1", "from 0 to 1", [0.0, 1.0], [math.nextafter(1.0, 2.0), -1e-9, math.nan]),
        (
            Range(0, 1, low_open=True, high_open=True),
            "x > 0 AND x < 1",
            "above 0 and below 1",
            [5e-324, 0.5],
            [0.0, 1.0, math.nan],
        ),
        (Range(0, 1, high_open=True), "x >= 0 AND x < 1", "at least 0 and below 1", [0.0], [1.0]),
        (OneOf(("new", "o'ld")), "x IN ('new', 'o''ld')", "one of new, o'ld", ["new", "o'ld"], ["", "New"]),
    ],
)
def test_a_check_is_sql_mask_and_words(check: Check, sql: str, words: str, fine: list[Any], wrong: list[Any]) -> None:
    assert (check.sql("x"), check.words()) == (sql, words)
    mask = check.mask(pa.array([*fine, None, *wrong]))
    assert mask.to_pylist() == [True] * len(fine) + [None] + [False] * len(wrong)
    numbers = [value for value in (*fine, *wrong) if value == value]  # SQL engines differ about NaN
    found = duckdb.query(f"SELECT {sql} FROM (SELECT unnest(?) AS x)", params=[numbers]).fetchall()
    assert [row[0] for row in found] == [value in fine for value in numbers]


@pytest.mark.parametrize(("low", "high"), [(1.0, 1.0), (2.0, 1.0), (-math.inf, math.inf), (math.nan, 1.0)])
def test_a_range_must_hold_and_leave_out_something(low: float, high: float) -> None:
    with pytest.raises(ValueError, match="expected a range"):
        Range(low, high)


def test_integers_and_texts_are_checked_as_they_are() -> None:
    assert Range(1, 7).mask(pa.array([0, 1, 7, 8, None], pa.int8())).to_pylist() == [False, True, True, False, None]
    assert Range(0.5).mask(pa.array([0, 1], pa.int32())).to_pylist() == [False, True]
    assert COLUMNS["demand_class"].check == OneOf(DEMAND_CLASSES)


def test_a_table_is_built_by_its_contract() -> None:
    table = demand(model=pa.array(["ets"] * 3).dictionary_encode(), mean=[1, 2, 3])
    assert table.schema == contract("forecast.demand").arrow_schema(with_partitions=False)
    assert table.column_names == [*contract("forecast.demand").file_columns()]
    with pytest.raises(ContractError, match=r"forecast\.demand: expected columns .*unexpected \['run_id'\]"):
        demand(run_id=["r1"] * 3)
    with pytest.raises(ContractError, match=r"forecast\.demand: mean does not fit its declared type"):
        demand(mean=["1", "2", "much"])


def test_a_schema_of_declared_columns() -> None:
    assert schema_of(("ds", "y")) == pa.schema([("ds", pa.date32()), ("y", pa.float64())])
    with pytest.raises(ContractError, match=r"columns \['shelf'\] are not declared"):
        schema_of(("ds", "shelf"))


@pytest.mark.parametrize("type_", ["text", "decimal", "decimal(39,2)", "decimal(4,5)", "array<string>"])
def test_a_type_that_no_engine_shares_is_refused(type_: str) -> None:
    with pytest.raises(ContractError, match=f"no column type '{type_.partition('(')[0]}"):
        Column("x", type_, "Anything")


VALUES: dict[str, list[Any]] = {
    "binary": [b"\x00\xff", None, b""],
    "array<float>": [[0.5, None, -1.0], None, []],
    "array<double>": [[0.1], None, []],
    "decimal(18,6)": [Decimal("0.100000"), None, Decimal("-123456789012.654321")],
    "timestamp": [datetime(2024, 1, 1, 12, 0, 0, 1, tzinfo=UTC), None, datetime(1969, 12, 31, tzinfo=UTC)],
    "float": [0.5, None, -1.0],
    "byte": [-128, None, 127],
}


@pytest.fixture
def every_type(monkeypatch: pytest.MonkeyPatch) -> Contract:
    """A table with a column of each type, declared as any other is."""
    names = {type_: f"x_{k}" for k, type_ in enumerate(VALUES)}
    for type_, name in names.items():
        monkeypatch.setitem(COLUMNS, name, Column(name, type_, f"Values of the type {type_}"))
    columns = ("unique_id", *names.values(), "run_id", "bucket")
    declared = Contract("test.types", "Every type.", columns, ("unique_id",), ("run_id", "bucket"), unit=SERIES)
    monkeypatch.setitem(TABLES, declared.name, declared)
    return declared


def typed_rows(declared: Contract) -> pa.Table:
    arrays = [pa.array(values, arrow_type(type_)) for type_, values in VALUES.items()]
    return table_of(declared.name, dict(zip(declared.file_columns(), [["a", "b", "c"], *arrays], strict=True)))


def test_every_engine_reads_every_type(
    every_type: Contract, lake: Lakehouse, spark: SparkSession, duck: duckdb.DuckDBPyConnection
) -> None:
    name, rows = every_type.name, typed_rows(every_type)
    lake.ensure(name)
    file = write_bucket(name, lake.uri(name), rows, {"run_id": "r1", "bucket": "0"})
    assert file is not None
    lake.commit_files(name, [file], {"run_id": ["r1"], "bucket": ["0"]})
    wanted = rows.sort_by("unique_id").to_pylist()

    names = list(every_type.file_columns())
    by_deltalake = lake.read_arrow(name, columns=names).sort_by("unique_id")
    assert by_deltalake.to_pylist() == wanted

    query = f"SELECT {', '.join(names)} FROM delta_scan('{lake.uri(name)}') ORDER BY unique_id"
    by_duckdb = duck.execute(query).fetch_arrow_table().cast(rows.schema)
    assert by_duckdb.to_pylist() == wanted

    for frame in (lake.spark_table(spark, name), lake.read_spark(spark, name)):
        by_spark = frame.orderBy("unique_id").select(*names).toArrow().cast(rows.schema)
        assert by_spark.to_pylist() == wanted

    lake.append_spark(frame.selectExpr(*names, "'r2' AS run_id", "bucket"), name)
    assert lake.rows(name) == 6


def test_the_hash_sees_every_type(every_type: Contract, tmp_path: Path) -> None:
    rows = typed_rows(every_type)

    def hash_of(folder: str, table: pa.Table) -> str:
        lake = Lakehouse(str(tmp_path / folder))
        lake.ensure(every_type.name)
        file = write_bucket(every_type.name, lake.uri(every_type.name), table, {"run_id": "r1", "bucket": "0"})
        lake.commit_files(every_type.name, [file] if file else [], {"run_id": ["r1"], "bucket": ["0"]})
        return content_hash(lake, every_type.name)

    found = {hash_of("whole", rows)}
    assert hash_of("turned", rows.take([2, 0, 1])) in found
    for at, name in enumerate(rows.column_names[1:], start=1):
        column = rows[name].combine_chunks()
        for order in ([0, 0, 2], [0, 1, 0]):  # NULL becomes a value; the last value becomes the first
            found.add(hash_of(f"{name}-{order}", rows.set_column(at, rows.schema.field(name), column.take(order))))
    assert len(found) == 1 + 2 * len(VALUES)


def test_describe_prints_types_and_rules(every_type: Contract) -> None:
    text = describe(every_type.name)
    for type_ in VALUES:
        assert {"byte": "tinyint"}.get(type_, type_) in text
    assert "from 1 to 7" in describe("features.sku_daily")
    assert "binary" in describe("forecast.model")
