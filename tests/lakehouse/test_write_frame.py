"""Rows of a frame of Spark are the same in a table whoever commits them."""

from __future__ import annotations

from datetime import date
from typing import TYPE_CHECKING

import pyarrow as pa
import pytest

from lakehouse.delta.content_hash import content_hash
from lakehouse.delta.io import Lakehouse
from lakehouse.delta.write_frame import FEW_ROWS, write_frame
from lakehouse.errors import ContractError
from lakehouse.schema.tables import contract

if TYPE_CHECKING:
    from pyspark.sql import DataFrame, SparkSession

NAME, PLANNED = "forecast.festival_lift", "silver.planned_daily"
FIRST, SECOND = "r1", "r2"


def frame_of(spark: SparkSession, lines: list[tuple[str, str]]) -> DataFrame:
    """A category of a run each."""
    rows = [
        {
            "cutoff": date(2024, 1, 1),
            "category": category,
            "day_kind": "before",
            "lift_factor": 1.5,
            "run_id": run,
            "unit": "whole",
        }
        for category, run in lines
    ]
    return spark.createDataFrame(pa.Table.from_pylist(rows, contract(NAME).arrow_schema()))


def keys(lake: Lakehouse) -> list[tuple[str, str]]:
    return sorted((row["category"], row["run_id"]) for row in lake.read_arrow(NAME).to_pylist())


def test_all_rows_or_a_part_of_them_are_replaced_or_some_are_added(
    spark: SparkSession, tmp_path_factory: pytest.TempPathFactory
) -> None:
    found = set()
    for most_rows in (FEW_ROWS, FEW_ROWS + 1):
        lake = Lakehouse(str(tmp_path_factory.mktemp("lake")))
        write_frame(lake, frame_of(spark, [("old", FIRST)]), NAME, most_rows)
        write_frame(lake, frame_of(spark, [("a", FIRST), ("a", SECOND), ("b", SECOND)]), NAME, most_rows)
        write_frame(lake, frame_of(spark, [("c", SECOND)]), NAME, most_rows, {"run_id": [SECOND]})
        version = write_frame(lake, frame_of(spark, [("d", SECOND)]), NAME, most_rows, None)
        assert version == lake.version(NAME)
        assert keys(lake) == [("a", FIRST), ("c", SECOND), ("d", SECOND)]
        found.add(content_hash(lake, NAME))
        write_frame(lake, frame_of(spark, []), NAME, most_rows, {"run_id": [SECOND]})
        assert keys(lake) == [("a", FIRST)]
    assert len(found) == 1


@pytest.mark.parametrize("most_rows", [FEW_ROWS, FEW_ROWS + 1])
def test_wrong_rows_are_refused_and_nothing_is_written(spark: SparkSession, lake: Lakehouse, most_rows: int) -> None:
    write_frame(lake, frame_of(spark, [("a", FIRST)]), NAME, most_rows)
    with pytest.raises(ContractError, match="expected one row per key, found"):
        write_frame(lake, frame_of(spark, [("b", FIRST), ("b", FIRST)]), NAME, most_rows)
    with pytest.raises(ContractError, match="missing"):
        write_frame(lake, frame_of(spark, [("b", FIRST)]).drop("lift_factor"), NAME, most_rows)
    assert keys(lake) == [("a", FIRST)]


def planned_of(spark: SparkSession, lines: list[tuple[str, int, float]]) -> DataFrame:
    """A planned day each, by series and bucket."""
    rows = [
        {"unique_id": series, "ds": date(2024, 1, 1), "unit_price": price, "is_promo": False, "bucket": bucket}
        for series, bucket, price in lines
    ]
    return spark.createDataFrame(pa.Table.from_pylist(rows, contract(PLANNED).arrow_schema()))


@pytest.mark.parametrize("most_rows", [FEW_ROWS, FEW_ROWS + 1])
def test_a_bucket_is_replaced_by_its_number(spark: SparkSession, lake: Lakehouse, most_rows: int) -> None:
    write_frame(lake, planned_of(spark, [("a", 1, 1.0), ("b", 2, 1.0), ("c", 11, 1.0)]), PLANNED, most_rows)
    write_frame(lake, planned_of(spark, [("a", 1, 2.0), ("c", 11, 2.0)]), PLANNED, most_rows, {"bucket": ["1", "11"]})
    found = {row["unique_id"]: row["unit_price"] for row in lake.read_arrow(PLANNED).to_pylist()}
    assert found == {"a": 2.0, "b": 1.0, "c": 2.0}


def test_few_rows_lie_in_the_order_of_the_key_whatever_order_they_came_in(spark: SparkSession, lake: Lakehouse) -> None:
    write_frame(lake, planned_of(spark, [("c", 1, 1.0), ("a", 1, 1.0), ("b", 1, 1.0)]).coalesce(1), PLANNED, FEW_ROWS)
    assert lake.read_arrow(PLANNED)["unique_id"].to_pylist() == ["a", "b", "c"]
