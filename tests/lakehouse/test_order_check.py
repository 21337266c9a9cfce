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
CONFIRMED = "unique_id string, check_rule string, decided_qty double, author string, note string"
SCHEMA = "unique_id string, " + ", ".join(f"{name} double" for name in LINE if name != "unique_id")


def test_each_rule_finds_its_lines_and_no_other(spark: SparkSession) -> None:
    lines = [LINE | changed | {"unique_id": str(row)} for row, (changed, _) in enumerate(CASES)]
    # Every series but the first has ordered for 10 on the average of two plans.
    earlier = [(str(row), value) for row in range(1, len(CASES)) for value in (5.0, 15.0)]
    found = order_checks(
        spark.createDataFrame([tuple(line.values()) for line in lines], SCHEMA),
        spark.createDataFrame(earlier, "unique_id string, order_value double"),
        spark.createDataFrame([], CONFIRMED),
        OrderCheckSpec(),
    ).toPandas()
    assert not found["is_confirmed"].any()
    by_line = found.groupby("unique_id")["check_rule"].agg(list).to_dict()
    assert {row: sorted(by_line.get(str(row), [])) for row in range(len(CASES))} == {
        row: sorted(rules) for row, (_, rules) in enumerate(CASES)
    }
    assert set(found["check_rule"]) == set(ORDER_RULES)
    bounds = found.set_index("check_rule")
    assert bounds.loc["unusual value", ["found_value", "bound_value"]].tolist() == [31.0, 30.0]
    assert pd.isna(bounds.loc["no price", "bound_value"]).all()


def test_a_confirmed_line_stays_so_until_more_is_ordered(spark: SparkSession) -> None:
    lines = [LINE | {"unique_id": name, "expected_value": 0.0, "cover_after_days": 70.0} for name in "abcd"]
    confirmed = [("a", "no profit", 10.0), ("b", None, 10.0), ("b", "much cover", 12.0), ("c", None, 9.0)]
    found = order_checks(
        spark.createDataFrame([tuple(line.values()) for line in lines], SCHEMA),
        spark.createDataFrame([], "unique_id string, order_value double"),
        spark.createDataFrame([(*row, "Ana", "a fair") for row in confirmed], CONFIRMED),
        OrderCheckSpec(),
    ).toPandas()
    answers = found.set_index(["unique_id", "check_rule"])["is_confirmed"]
    assert answers.index.is_unique
    assert len(answers) == 4 * 3
    assert sorted(answers[answers].index) == [
        ("a", "no profit"), ("b", "beyond shelf life"), ("b", "much cover"), ("b", "no profit")
    ]  # fmt: skip
    assert set(found.loc[found["is_confirmed"], "author"]) == {"Ana"}


def test_thresholds_out_of_range_are_refused() -> None:
    with pytest.raises(ValueError, match="most_cover_days: expected above 0, found 0"):
        OrderCheckSpec(most_cover_days=0)
    with pytest.raises(ValueError, match="least_value: expected at least 0, found -1"):
        OrderCheckSpec(least_value=-1)
