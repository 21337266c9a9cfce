"""A set-up matrix that has lost a row, or states one twice, is refused with the row."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from jobs.stages.supply_network.production import refuse_losses
from lakehouse.errors import SourceError
from lakehouse.transforms.silver.cleaning import clean_feed
from tests.lakehouse.bronze_rows import bronze, mapping

if TYPE_CHECKING:
    from pyspark.sql import SparkSession

PAIR: dict[str, Any] = {"resource_id": "oven", "from_sku_id": "A", "to_sku_id": "B", "setup_hours": "1"}


def refused(spark: SparkSession, *rows: dict[str, Any]) -> str:
    matrix = clean_feed(bronze(spark, "changeovers", list(rows)), "changeovers", mapping("changeovers"))
    try:
        refuse_losses(matrix)
    except SourceError as error:
        return str(error)
    return ""


@pytest.mark.parametrize(
    ("change", "fault"),
    [
        ({"from_sku_id": "B", "setup_hours": "-1"}, "breaks the rule out_of_range_setup_hours"),
        ({"from_sku_id": "B", "setup_hours": "NaN"}, "breaks the rule unparseable_setup_hours"),
        ({"resource_id": ""}, "breaks the rule missing_resource_id"),
        ({"setup_hours": "2"}, "states a pair that another row of the file states"),
    ],
)
def test_a_row_that_is_set_aside_or_said_twice_stops_the_stage(
    spark: SparkSession, change: dict[str, Any], fault: str
) -> None:
    said = refused(spark, PAIR, PAIR | change)
    assert f"of changeovers.csv {fault}; correct the file" in said


def test_a_later_file_corrects_an_earlier_one(spark: SparkSession) -> None:
    assert refused(spark, PAIR, PAIR | {"setup_hours": "2", "batch_id": "b2"}) == ""
