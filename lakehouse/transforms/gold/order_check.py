"""Order lines that a planner should look at before signing, by rule."""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import reduce
from typing import Any

from pyspark.sql import Column, DataFrame
from pyspark.sql import functions as F


def _threshold(default: Any) -> Any:
    """A field that lists more or fewer lines, and gives no run another name."""
    return field(default=default, metadata={"role": "limit"})


@dataclass(frozen=True, slots=True)
class OrderCheckSpec:
    """When a line of the order plan is implausible.

    Attributes:
        most_cover_days: stock and order should not last longer.
        most_usual_ratio: an order's value over the mean of the series' earlier orders.
        least_value: currency below which an order is small change, and only checked for a price.
        usual_days: days before the as-of day whose plans say what is usual.
    """

    most_cover_days: float = _threshold(60.0)
    most_usual_ratio: float = _threshold(3.0)
    least_value: float = _threshold(5.0)
    usual_days: int = _threshold(91)

    def __post_init__(self) -> None:
        for name in ("most_cover_days", "most_usual_ratio", "usual_days"):
            if not getattr(self, name) > 0:
                raise ValueError(f"OrderCheckSpec.{name}: expected above 0, found {getattr(self, name)}")
        if not self.least_value >= 0:
            raise ValueError(f"OrderCheckSpec.least_value: expected at least 0, found {self.least_value}")


def order_checks(plan: DataFrame, earlier: DataFrame, confirmed: DataFrame, spec: OrderCheckSpec) -> DataFrame:
    """A row for each line that a rule of `ORDER_RULES` finds, with what was found and the bound that it is beyond.

    A confirmation stands, however often the plan is made again, while the order is no larger than what was confirmed.

    Args:
        plan: rows of gold.order_plan of the day.
        earlier: unique_id, order_value of the earlier orders that are compared with, those above 0.
        confirmed: unique_id, check_rule (NULL: every rule), decided_qty, author, note of the day's confirmations.
    """
    usual = earlier.groupBy("unique_id").agg(F.expr("avg(order_value)").alias("usual_value"))
    lines = plan.filter("order_qty > 0").join(usual, "unique_id", "left")
    is_large = F.col("order_value") >= spec.least_value
    # (rule, whether it is met, found, bound)
    life = F.col("lead_time_days") + F.col("shelf_life_days")
    rules: list[tuple[str, Column, Column, Column]] = [
        ("no price", F.expr("unit_price IS NULL OR unit_cost IS NULL"), F.lit(None), F.lit(None)),
        ("beyond shelf life", F.col("cover_after_days") > life, F.col("cover_after_days"), life),
        (
            "much cover",
            is_large & (F.col("cover_after_days") > spec.most_cover_days),
            F.col("cover_after_days"),
            F.lit(spec.most_cover_days),
        ),
        ("no profit", is_large & (F.col("expected_value") <= 0), F.col("expected_value"), F.lit(0.0)),
        (
            "unusual value",
            is_large & (F.col("order_value") > spec.most_usual_ratio * F.col("usual_value")),
            F.col("order_value"),
            spec.most_usual_ratio * F.col("usual_value"),
        ),
    ]
    found = [
        lines.filter(is_met).withColumns(
            {"check_rule": F.lit(name), "found_value": value.cast("double"), "bound_value": bound.cast("double")}
        )
        for name, is_met, value, bound in rules
    ]
    rows = reduce(DataFrame.unionByName, found)
    said = confirmed.select(
        F.col("unique_id").alias("of_id"), F.col("check_rule").alias("of_rule"), "decided_qty", "author", "note"
    )
    is_said = (F.col("unique_id") == F.col("of_id")) & (F.col("check_rule").eqNullSafe(F.col("of_rule")))
    is_all = (F.col("unique_id") == F.col("of_id")) & F.col("of_rule").isNull()
    holds = F.col("order_qty") <= F.col("decided_qty")
    answered = rows.join(said, (is_said | is_all) & holds, "left").withColumn(
        "is_confirmed", F.col("of_id").isNotNull()
    )
    # A rule may be confirmed by itself and with all others.
    return answered.dropDuplicates(["unique_id", "check_rule"])
