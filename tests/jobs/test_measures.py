"""Each measure is the same in Spark, in DuckDB and counted by hand."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator, Sequence
from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any

import duckdb
import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc
import pytest
import yaml
from deltalake import write_deltalake

from jobs.cli import main
from jobs.serve.sql_server import BI, register
from jobs.views.duckdb_file import published, write_duckdb
from jobs.views.measure_sql import level_name, statements
from jobs.views.measures import VIEWS, Measure, MeasureView, measure_table
from lakehouse.delta.io import Lakehouse
from lakehouse.errors import ContractError
from lakehouse.schema.tables import contract
from lakehouse.schema.tables.column_groups import NO_VALUE
from tests.jobs.run_tool import copied, day
from tests.jobs.test_export import line, publish

if TYPE_CHECKING:
    from pyspark.sql import SparkSession

DOCS = Path(__file__).resolve().parents[2] / "docs" / "bi.md"
MEASURES = [(view, measure) for view in VIEWS for measure in view.measures]


# -- by hand --------------------------------------------------------------------------------------------------------
def bias(rows: pd.DataFrame) -> float:
    return rows["forecast"].sum() / rows["actual"].sum() - 1.0


def wape(rows: pd.DataFrame) -> float:
    errors = [row.forecast if row.actual == 0 else row.wape * row.actual for row in rows.itertuples()]
    return sum(errors) / rows["actual"].sum()


def stock_value(rows: pd.DataFrame) -> float:
    by_day = (rows["position_qty"].clip(lower=0.0) * rows["unit_cost"]).groupby(rows["as_of"]).sum()
    return float(by_day.mean())


def days_of_cover(rows: pd.DataFrame) -> float:
    known = rows[rows["daily_demand_qty"].notna()]
    daily = (known["daily_demand_qty"] * known["unit_cost"]).sum()
    return float((known["position_qty"].clip(lower=0.0) * known["unit_cost"]).sum() / daily) if daily else np.nan


def planned_spend(rows: pd.DataFrame) -> float:
    return float((rows["order_qty"] * rows["unit_cost"]).sum())


def service_level(rows: pd.DataFrame) -> float:
    return float((1.0 - rows["stockout_risk"]).mean())


BY_HAND: dict[str, Callable[[pd.DataFrame], float]] = {
    function.__name__: function for function in (bias, wape, stock_value, days_of_cover, planned_spend, service_level)
}


def rows_of(lake: Lakehouse, view: MeasureView) -> pd.DataFrame:
    rows = lake.read_arrow(view.source).to_pandas()
    return rows.dropna(subset=["unit_cost"]) if view.name == "stock_and_orders" else rows


# -- a lakehouse with two days and everything that may be missing ---------------------------------------------------
@pytest.fixture(scope="module")
def two_days(finished: Lakehouse, tmp_path_factory: pytest.TempPathFactory) -> Lakehouse:
    """The finished lakehouse, and the day after it with other figures, some of them unknown, some of them nothing."""
    lake = copied(finished, tmp_path_factory.mktemp("measures") / "lake")
    for name in {view.source for view in VIEWS}:
        rows = lake.read_arrow(name).to_pandas()
        assert len(rows) > 5
        rows["as_of"] += timedelta(days=1)
        last = rows.columns.get_loc
        for column in {"forecast", "position_qty", "order_qty", "order_value", "stockout_risk"} & {*rows}:
            rows[column] *= 0.75
        for column in {"category", "unit_cost", "order_value", "stockout_risk", "supplier_id"} & {*rows}:
            rows.iloc[0, last(column)] = None
        if "wape" in rows:
            rows.iloc[1, [last("actual"), last("wape"), last("bias")]] = [0.0, None, None]
        if name == "gold.order_plan":
            rows.iloc[2, last("position_qty")] = -3.0
            rows.iloc[3, last("daily_demand_qty")] = None
        schema = contract(name).arrow_schema()
        write_deltalake(lake.open(name), pa.Table.from_pandas(rows, schema, preserve_index=False), mode="append")
    return lake


@pytest.fixture(scope="module")
def duck(two_days: Lakehouse, tmp_path_factory: pytest.TempPathFactory) -> Iterator[duckdb.DuckDBPyConnection]:
    path = tmp_path_factory.mktemp("file") / "shop.duckdb"
    write_duckdb(two_days, str(path))
    with duckdb.connect(str(path), read_only=True) as connection:
        yield connection


@pytest.fixture(scope="module")
def spark_views(two_days: Lakehouse, spark: SparkSession) -> Iterator[SparkSession]:
    register(spark, two_days, published(two_days))
    yield spark
    for schema in ("measures", BI, "gold"):
        spark.sql(f"DROP DATABASE {schema} CASCADE")


def test_every_measure_is_counted_by_hand_too() -> None:
    assert [measure.name for _, measure in MEASURES] == [*BY_HAND], "or two have one name"


@pytest.mark.slow
@pytest.mark.parametrize(("view", "measure"), MEASURES, ids=[measure.name for _, measure in MEASURES])
def test_a_measure_is_one_figure_everywhere(
    view: MeasureView, measure: Measure, two_days: Lakehouse, duck: duckdb.DuckDBPyConnection, spark_views: SparkSession
) -> None:
    rows, count = rows_of(two_days, view), BY_HAND[measure.name]
    levels = {level_name(column): rows[column].fillna(NO_VALUE) for column in view.levels}
    levels["all"] = pd.Series("all", rows.index)
    expected = {
        (level, *key): count(part)
        for level, groups in levels.items()
        for key, part in rows.groupby([groups.rename("group_name"), "as_of"])
    }
    figure = f"MEASURE({measure.name}) FROM measures.{view.name}"
    in_duckdb = by_key(
        duck.sql(f"SELECT level, group_name, as_of, {measure.name} FROM measures.{view.name}").fetchall()
    )
    assert in_duckdb == pytest.approx(expected, rel=1e-12, nan_ok=True)
    assert len({value for value in expected.values() if value == value}) > 2, "or nothing is told apart"

    in_spark = by_key(spark_views.sql(f"SELECT 'all', 'all', as_of, {figure} GROUP BY as_of").collect())
    category = f"COALESCE(category, '{NO_VALUE}')"
    by_category = f"SELECT 'category', {category}, as_of, {figure} GROUP BY {category}, as_of"
    in_spark |= by_key(spark_views.sql(by_category).collect())
    of_both_levels = {key: value for key, value in expected.items() if key[0] in ("all", "category")}
    assert in_spark == pytest.approx(of_both_levels, rel=1e-12, nan_ok=True)
    ((of_both_days,),) = spark_views.sql(f"SELECT {figure}").collect()
    assert of_both_days == pytest.approx(count(rows), rel=1e-12)


def by_key(rows: Sequence[Sequence[Any]]) -> dict[tuple[Any, ...], float]:
    """Figures by (level, group, day), each of them once."""
    found = {tuple(key): np.nan if value is None else value for *key, value in map(tuple, rows)}
    assert len(found) == len(rows)
    return found


@pytest.mark.slow
def test_wape_is_the_error_of_every_series_and_day(finished: Lakehouse, tmp_path: Path) -> None:
    """From the forecasts and sales themselves, not from what gold made of them."""
    write_duckdb(finished, str(tmp_path / "shop.duckdb"))
    with duckdb.connect(str(tmp_path / "shop.duckdb")) as connection:
        query = "SELECT bias, wape FROM measures.forecast_quality WHERE level = 'all'"
        (found,) = connection.sql(query).fetchall()
    cutoff = finished.read_arrow("gold.forecast_accuracy")["cutoff"][0].as_py()
    at_cutoff = pc.field("cutoff") == cutoff
    demand, champion = (
        finished.read_arrow(name, filters=at_cutoff).to_pandas() for name in ("forecast.demand", "forecast.champion")
    )
    chosen = demand.merge(champion[["unique_id", "model"]], on=["unique_id", "model"])
    sales = finished.read_arrow("features.sku_daily", columns=["unique_id", "ds", "y"]).to_pandas().dropna()
    days = chosen.merge(sales, on=["unique_id", "ds"])
    assert days["ds"].max() == day(119)
    error, sold = days["mean"] - days["y"], days["y"].sum()
    assert found == pytest.approx((error.sum() / sold, error.abs().sum() / sold), rel=1e-6)


# -- the renderings -------------------------------------------------------------------------------------------------
def definitions(script: str) -> list[dict]:
    return [yaml.safe_load(part) for part in script.split("$$")[1::2]]


def test_sparks_metric_views_have_no_field_that_its_version_refuses() -> None:
    for view, found in zip(VIEWS, definitions(statements("spark")), strict=True):
        assert str(found["version"]) == "0.1"
        assert {*found} - {"filter"} == {"version", "source", "dimensions", "measures"}
        assert found["source"] == view.source
        assert {key for kind in ("dimensions", "measures") for entry in found[kind] for key in entry} == {
            "name",
            "expr",
        }


def test_databricks_metric_views_carry_comments_and_their_catalog() -> None:
    script = statements("databricks", "main")
    assert script.startswith("CREATE SCHEMA IF NOT EXISTS main.measures;\n")
    for view, found in zip(VIEWS, definitions(script), strict=True):
        assert f"CREATE OR REPLACE VIEW main.measures.{view.name}\nWITH METRICS\nLANGUAGE YAML\nAS $$\n" in script
        assert str(found["version"]) == "1.1"
        assert found["source"] == f"main.{view.source}"
        assert found["comment"] == view.comment
        assert found.get("filter", "") == view.filter
        assert [entry["name"] for entry in found["dimensions"]] == [*view.dimensions]
        assert [(entry["name"], entry["expr"]) for entry in found["measures"]] == [
            (measure.name, measure.expression) for measure in view.measures
        ]
        assert all(entry["comment"] for kind in ("dimensions", "measures") for entry in found[kind])


def test_the_script_for_duckdb_runs(duck_tables: duckdb.DuckDBPyConnection) -> None:
    duck_tables.execute(statements("duckdb"))
    for view in VIEWS:
        assert duck_tables.sql(f"FROM measures.{view.name}").fetchall() == []


@pytest.fixture
def duck_tables() -> duckdb.DuckDBPyConnection:
    connection = duckdb.connect()
    connection.execute("CREATE SCHEMA gold")
    for name in sorted({view.source for view in VIEWS}):
        columns = ", ".join(f"{column} {contract(name).sql_type(column)}" for column in contract(name).columns)
        connection.execute(f"CREATE TABLE {name} ({columns})")
    return connection


def test_the_command_prints_them(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["measures"]) == 0
    assert capsys.readouterr().out.strip() == measure_table()
    assert main(["measures", "--sql", "databricks", "--catalog", "main"]) == 0
    assert capsys.readouterr().out.strip() == statements("databricks", "main").strip()
    for wrong in (["--catalog", "main"], ["--sql", "spark", "--catalog", "main"]):
        assert main(["measures", *wrong]) == 2
        assert "--catalog is for --sql databricks" in capsys.readouterr().err


def test_the_docs_show_the_measures_as_they_are() -> None:
    assert measure_table() in DOCS.read_text(encoding="utf-8"), "put what `shelfcast measures` prints into docs/bi.md"
    assert measure_table().count("\n") == len(MEASURES) + 1


def test_the_docs_way_to_read_live_works(lake: Lakehouse) -> None:
    publish(lake, line("A"), line("B"))
    (snippet,) = re.findall(r"```python\n(.+?)```", DOCS.read_text(encoding="utf-8"), re.DOTALL)
    assert "'lake/demo/" in snippet
    names: dict = {}
    exec(snippet.replace("'lake/demo/", f"'{lake.base}/"), names)
    assert len(names["plan"].fetchall()) == 2


def test_a_level_that_the_source_does_not_have_is_refused() -> None:
    with pytest.raises(ContractError, match=r"expected columns of gold.stock_risk, found \['shelf'\]"):
        MeasureView("wrong", "gold.stock_risk", "", ("shelf",), ())


def test_names_are_said_in_json_and_yaml_alike() -> None:
    """Texts are quoted as JSON does: a colon, a quote or a sign of YAML in a comment stays a text."""
    texts = [text for view in VIEWS for _, text in view.comments()]
    assert any(":" in text for text in texts)
    assert [yaml.safe_load(json.dumps(text)) for text in texts] == texts
