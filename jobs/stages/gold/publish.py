"""Publish: check the run's promise, then make the gold tables that a planner or BI tool opens first."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta

from pyspark.sql import DataFrame
from pyspark.sql import functions as F

from jobs.context import RunContext
from jobs.engine.promise import check_promise
from lakehouse.delta.ledger import StageRecord
from lakehouse.transforms.gold.demand_plan import (
    GoldInputs,
    GoldTerms,
    forecast_accuracy,
    order_plan,
    policy_value,
    stock_risk,
)


def main(context: RunContext) -> StageRecord:
    """Write the gold tables of the as-of day, replacing what an earlier run wrote for it."""
    check_promise(context)
    inputs, terms = gold_inputs(context), gold_terms(context)
    benchmark = context.settings.forecast.benchmark
    tables: dict[str, Callable[[], DataFrame]] = {
        "gold.order_plan": lambda: order_plan(inputs, terms),
        "gold.policy_value": lambda: policy_value(inputs, terms),
        "gold.stock_risk": lambda: stock_risk(inputs, terms),
        "gold.forecast_accuracy": lambda: forecast_accuracy(inputs, terms, benchmark),
    }
    rows = 0
    for name, build in tables.items():
        # Adaptive execution makes as few files of it as the size allows.
        frame = build().repartition("unique_id").sortWithinPartitions("unique_id")
        version = context.lakehouse.write_spark(frame, name, replace_where=f"as_of = DATE'{context.as_of}'")
        rows += context.lakehouse.rows(name, version, {"as_of": str(context.as_of)})
    return StageRecord("succeeded", rows=rows)


def gold_inputs(context: RunContext) -> GoldInputs:
    """This run's results, and the features rows of the days that are compared."""
    run_id = context.run.run_id

    def of_run(name: str) -> DataFrame:
        return context.lakehouse.read_spark(context.spark, name).filter(F.col("run_id") == run_id).drop("run_id")

    features = context.lakehouse.read_spark(context.spark, "features.sku_daily")
    since = context.as_of - timedelta(days=context.settings.horizon)
    return GoldInputs(
        demand=of_run("forecast.demand").drop("bucket"),
        champion=of_run("forecast.champion").drop("bucket"),
        profile=of_run("features.sku_profile").drop("bucket"),
        policy=of_run("inventory.policy").drop("bucket"),
        order_plan=of_run("inventory.order_plan"),
        actuals=features.filter(F.col("ds").between(since, context.as_of)).select("unique_id", "ds", "y", "unit_price"),
        products=context.lakehouse.read_spark(context.spark, "silver.products"),
    )


def gold_terms(context: RunContext) -> GoldTerms:
    cutoff = context.as_of - timedelta(days=context.settings.horizon)
    return GoldTerms(context.run.run_id, context.as_of, cutoff, context.mapping.currency)
