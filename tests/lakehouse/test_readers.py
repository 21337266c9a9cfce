"""Every table is the same table to Spark, to deltalake and to DuckDB; contracts hold whoever writes."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import duckdb
import pyarrow as pa
import pytest
from py4j.protocol import Py4JJavaError
from pyspark.errors import PySparkException

from jobs.pipeline import run_stages
from lakehouse.delta.content_hash import content_hash
from lakehouse.delta.io import Lakehouse
from lakehouse.errors import ContractError
from lakehouse.schema.tables import TABLES, contract
from tests.jobs.run_tool import copied, day, make_context

if TYPE_CHECKING:
    from pyspark.sql import SparkSession

DUCKDB_TYPES = {
    "string": "VARCHAR",
    "double": "DOUBLE",
    "int": "INTEGER",
    "long": "BIGINT",
    "byte": "TINYINT",
    "boolean": "BOOLEAN",
    "date": "DATE",
    "timestamp": "TIMESTAMP WITH TIME ZONE",
    "binary": "BLOB",
    "array<double>": "DOUBLE[]",
}


def existing(lake: Lakehouse) -> list[str]:
    return [name for name in TABLES if lake.exists(name)]


def test_a_whole_run_makes_every_table_of_the_house_that_its_feeds_allow(finished: Lakehouse) -> None:
    absent = set(TABLES) - set(existing(finished))
    assert absent <= {
        "ops.failure",  # nothing failed
        "features.group_daily",  # trees ask for groups by a setting
        "silver.supplier",  # nobody delivers suppliers to choose from
        "silver.offer",
        "network.purchase_plan",
        "network.purchase_order",
        "network.level",  # no file tells of a network
        "network.allocation",
        "planner.decision",  # nobody has decided anything
        "gold.decision_value",  # and so nothing was gained
        "silver.weather",  # no feed tells of the weather
        "silver.season",  # no feed names a season,
        "seasonal.analogue",
        "seasonal.buy_plan",  # so nothing is bought for one
        "network.production_plan",  # no feed says what is made
        "network.production_sequence",
        "network.exception",
        *(name for name in TABLES if name.startswith("pricing.")),  # prices are planned where a setting asks for it
        *(name for name in TABLES if name.startswith("fulfilment.")),  # no place has coordinates
        "gold.delivery_plan",
        "gold.fulfilment_value",
        "gold.warehouse_day",
        "gold.slot_moves",
        "gold.order_change",  # a change of an order is looked for when somebody asks
    }


def test_three_readers_see_the_same_rows_columns_and_types(
    spark: SparkSession, duck: duckdb.DuckDBPyConnection, finished: Lakehouse
) -> None:
    for name in existing(finished):
        declared = contract(name)
        frame = finished.spark_table(spark, name)
        assert finished.read_spark(spark, name).dtypes == frame.dtypes, name
        assert frame.dtypes == [(column, declared.sql_type(column).lower()) for column in declared.columns], name

        arrow = finished.open(name).to_pyarrow_table()
        expected = declared.arrow_schema()
        assert [(field.name, field.type) for field in arrow.schema] == [(f.name, f.type) for f in expected], name

        scan = f"delta_scan('{finished.uri(name)}')"
        described = duck.execute(f"DESCRIBE SELECT * FROM {scan}").fetchall()
        typed = [(column, DUCKDB_TYPES[declared.type_of(column)]) for column in declared.columns]
        assert [(row[0], row[1]) for row in described] == typed, name

        (in_duckdb,) = duck.execute(f"SELECT count(*) FROM {scan}").fetchone() or (None,)
        assert frame.count() == arrow.num_rows == in_duckdb == finished.rows(name), name


def test_three_readers_see_the_same_values(
    spark: SparkSession, duck: duckdb.DuckDBPyConnection, finished: Lakehouse
) -> None:
    for name in ("silver.sales_daily", "features.sku_daily", "forecast.demand", "gold.order_plan", "bronze.sales"):
        columns = [column for column in contract(name).columns if contract(name).type_of(column) != "timestamp"]
        listed = ", ".join(f'"{column}"' for column in columns)
        in_duckdb = duck.execute(f"SELECT {listed} FROM delta_scan('{finished.uri(name)}')").fetchall()
        in_arrow = [tuple(row.values()) for row in finished.read_arrow(name, columns=columns).to_pylist()]
        assert sorted(in_duckdb, key=repr) == sorted(in_arrow, key=repr), name
        for frame in (finished.spark_table(spark, name), finished.read_spark(spark, name)):
            in_spark = [tuple(row) for row in frame.select(*columns).collect()]
            assert sorted(in_arrow, key=repr) == sorted(in_spark, key=repr), name


def test_every_column_and_table_has_its_comment(spark: SparkSession, finished: Lakehouse) -> None:
    for name in existing(finished):
        comments = {column.name: column.comment for column in contract(name).declared()}
        assert all(comments.values())
        fields = json.loads(finished.open(name).schema().to_json())["fields"]
        assert {field["name"]: field["metadata"].get("comment") for field in fields} == comments, name
        schema = finished.spark_table(spark, name).schema
        assert {field.name: field.metadata.get("comment") for field in schema.fields} == comments, name
        assert finished.open(name).metadata().description == contract(name).comment


def test_a_number_outside_its_range_is_refused(spark: SparkSession, finished: Lakehouse, tmp_path: Path) -> None:
    lake = copied(finished, tmp_path / "lake")
    name, table = "inventory.order_plan", lake.uri("inventory.order_plan")
    before = content_hash(lake, name)
    with pytest.raises((PySparkException, Py4JJavaError), match="order_qty_range"):
        spark.sql(f"UPDATE delta.`{table}` SET order_qty = -1")
    with pytest.raises((PySparkException, Py4JJavaError), match=r"NULL|NOT_NULL"):
        spark.sql(f"UPDATE delta.`{table}` SET unique_id = NULL")
    assert content_hash(lake, name) == before


def test_an_unknown_value_is_in_range_whoever_writes_it(spark: SparkSession, lake: Lakehouse) -> None:
    row = {"unique_id": "s|l|all", "bucket": 0}
    unknown = {name: row.get(name) for name in contract("silver.supply").columns}
    assert {"lead_time_days", "unit_cost"} <= {name for name, value in unknown.items() if value is None}
    lake.upsert("silver.supply", [unknown])
    read = lake.read_spark(spark, "silver.supply")
    lake.append_spark(read, "silver.supply")
    assert lake.read_arrow("silver.supply").to_pylist() == [unknown, unknown]


def test_a_table_or_frame_that_is_not_its_contract_is_refused(
    spark: SparkSession, finished: Lakehouse, tmp_path: Path
) -> None:
    lake = copied(finished, tmp_path / "lake")
    spark.sql(f"ALTER TABLE delta.`{lake.uri('silver.products')}` ADD COLUMN shelf STRING")
    with pytest.raises(
        ContractError,
        match=r"silver\.products was written by another version: column shelf is no longer kept.*shelfcast migrate",
    ):
        lake.ensure("silver.products")
    frame = lake.read_spark(spark, "silver.stock")
    with pytest.raises(ContractError, match=r"missing \['on_hand_qty'\], unexpected \['on_hand'\]"):
        lake.write_spark(frame.withColumnRenamed("on_hand_qty", "on_hand"), "silver.stock")
    with pytest.raises(ContractError, match=r"on_hand_qty.*'float', 'double'"):
        lake.write_spark(frame.withColumn("on_hand_qty", frame.on_hand_qty.cast("float")), "silver.stock")
    spark.sql(
        f"ALTER TABLE delta.`{lake.uri('silver.stock')}` SET TBLPROPERTIES ('delta.enableDeletionVectors' = 'true')"
    )
    with pytest.raises(ContractError, match=r"silver\.stock: reader version 3"):
        lake.ensure("silver.stock")


def test_an_arrow_table_that_is_not_its_contract_is_refused() -> None:
    declared = contract("silver.products")
    schema = declared.arrow_schema()
    good = pa.table({f.name: pa.array(["a"] if f.type == pa.string() else [1.0], f.type) for f in schema})
    assert declared.conform(good).schema == declared.arrow_schema()
    with pytest.raises(ContractError, match=r"missing \['brand'\]"):
        declared.conform(good.drop_columns(["brand"]))
    with pytest.raises(ContractError, match=r"NULL in required columns.*'sku_id': 1"):
        declared.conform(good.set_column(0, "sku_id", pa.array([None], pa.string())))


@pytest.fixture
def catalog(spark: SparkSession) -> Iterator[str]:
    yield "spark_catalog"
    for schema in {name.split(".")[0] for name in TABLES}:
        spark.sql(f"DROP SCHEMA IF EXISTS spark_catalog.{schema} CASCADE")


def test_the_same_stage_with_tables_in_a_catalog(
    spark: SparkSession, cleaned: Lakehouse, finished: Lakehouse, tmp_path: Path, catalog: str
) -> None:
    lake = Lakehouse(copied(cleaned, tmp_path / "lake").root, catalog=catalog)
    for name in ("ops.run_unit", "features.sku_daily"):  # the others were there before, made by path
        assert not lake.exists(name)
        lake.ensure(name, spark)
    run_stages(make_context(spark, lake, None, day(119)), ["features"])
    assert content_hash(lake, "features.sku_daily") == content_hash(finished, "features.sku_daily")
    by_name = spark.table("spark_catalog.features.sku_daily")
    assert by_name.count() == finished.rows("features.sku_daily")
    assert lake.read_spark(spark, "silver.products").count() == finished.rows("silver.products")
    assert spark.catalog.tableExists("spark_catalog.silver.products"), "a table that was there before is registered"


def test_tables_made_by_ddl_and_by_path_are_alike(
    spark: SparkSession, tmp_path: Path, catalog: str, lake: Lakehouse
) -> None:
    named = Lakehouse(str(tmp_path / "named"), catalog=catalog)
    with pytest.raises(ContractError, match="tables --create"):
        named.ensure("inventory.order_plan")
    for name in ("inventory.order_plan", "silver.supply"):
        by_ddl, by_path = named.ensure(name, spark), lake.ensure(name)
        assert json.loads(by_ddl.schema().to_json()) == json.loads(by_path.schema().to_json())
        checks = [
            {k: v for k, v in table.metadata().configuration.items() if k.startswith("delta.constraints.")}
            for table in (by_ddl, by_path)
        ]
        assert len(checks[0]) == len(contract(name).checks()) > 0
        assert set(checks[0]) == set(checks[1])
        assert by_ddl.metadata().partition_columns == by_path.metadata().partition_columns
        assert by_ddl.metadata().description == by_path.metadata().description
