from __future__ import annotations

from typing import Any

import pandas as pd
import pytest
from pyspark.sql import SparkSession

from lakehouse.schema.codes import ORDER_RULES
from lakehouse.transforms.gold.order_check import OrderCheckSpec, order_checks

LINE = {
    "unique_id": "a",
    "order_qty": 10.0,
    "order_value": 20.0,
    "expected_value": 3.0,
    "unit_price": 3.0,
    "unit_cost": 2.0,
    "cover_after_days": 30.0,
    "lead_time_days": 2.0,
    "shelf_life_days": 40.0,
}
CASES: list[tuple[dict[str, Any], list[str]]] = [
    ({}, []),
    ({"unit_price": None}, ["no price"]),
    ({"unit_cost": None, "order_value": None, "expected_value": None}, ["no price"]),
    ({"shelf_life_days": 28.0}, []),
    ({"shelf_life_days": 27.0}, ["beyond shelf life"]),
    ({"cover_after_days": 61.0, "shelf_life_days": None}, ["much cover"]),
    ({"cover_after_days": 61.0, "shelf_life_days": None, "order_value": 4.0}, []),
    ({"cover_after_days": 61.0}, ["beyond shelf life", "much cover"]),
    ({"expected_value": 0.0}, ["no profit"]),
    ({"order_value": 31.0}, ["unusual value"]),
    ({"order_value": 30.0}, []),
    ({"order_qty": 0.0, "unit_price": None, "cover_after_days": 400.0}, []),
]
SCHEMA = "unique_id string, " + ", ".join(f"{name} double" for name in LINE if name != "unique_id")


def test_each_rule_finds_its_lines_and_no_other(spark: SparkSession) -> None:
    lines = [LINE | changed | {"unique_id": str(row)} for row, (changed, _) in enumerate(CASES)]
    # Every series but the first has ordered for 10 on the average of two plans.
    earlier = [(str(row), value) for row in range(1, len(CASES)) for value in (5.0, 15.0)]
    found = order_checks(
        spark.createDataFrame([tuple(line.values()) for line in lines], SCHEMA),
        spark.createDataFrame(earlier, "unique_id string, order_value double"),
        OrderCheckSpec(),
    ).toPandas()
    by_line = found.groupby("unique_id")["check_rule"].agg(list).to_dict()
    assert {row: sorted(by_line.get(str(row), [])) for row in range(len(CASES))} == {
        row: sorted(rules) for row, (_, rules) in enumerate(CASES)
    }
    assert set(found["check_rule"]) == set(ORDER_RULES)
    bounds = found.set_index("check_rule")
    assert bounds.loc["unusual value", ["found_value", "bound_value"]].tolist() == [31.0, 30.0]
    assert pd.isna(bounds.loc["no price", "bound_value"]).all()


def test_thresholds_out_of_range_are_refused() -> None:
    with pytest.raises(ValueError, match="most_cover_days: expected above 0, found 0"):
        OrderCheckSpec(most_cover_days=0)
    with pytest.raises(ValueError, match="least_value: expected at least 0, found -1"):
        OrderCheckSpec(least_value=-1)
