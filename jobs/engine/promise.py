"""The run's promise: every series ends in a result or in a reason. Nothing is lost between the stages."""

from __future__ import annotations

from pyspark.sql import DataFrame
from pyspark.sql import functions as F

from jobs.context import RunContext
from lakehouse.errors import PromiseError


def check_promise(context: RunContext) -> None:
    """Raise PromiseError unless each series known on the as-of day has a forecast and an order line, or a failure."""
    series = known_series(context)
    forecast = _ids(context, "forecast.demand", F.col("cutoff") == F.lit(context.as_of))
    planned = _ids(context, "inventory.order_plan")
    failed_forecast = _ids(context, "ops.failure", F.col("stage") == "forecast")
    failed_inventory = _ids(context, "ops.failure", F.col("stage") == "inventory")
    _check("forecast.demand", series, forecast.union(failed_forecast))
    _check("inventory.order_plan", forecast, planned.union(failed_inventory))


def known_series(context: RunContext) -> DataFrame:
    """unique_id of every series with a day of history on or before the as-of day, as silver knows them."""
    sales = context.lakehouse.read_spark(context.spark, "silver.sales_daily")
    return sales.filter(F.col("ds") <= F.lit(context.as_of)).select("unique_id").distinct()


def _ids(context: RunContext, table: str, *conditions: object) -> DataFrame:
    context.lakehouse.ensure(table, context.spark)
    rows = context.lakehouse.read_spark(context.spark, table).filter(F.col("run_id") == context.run.run_id)
    for condition in conditions:
        rows = rows.filter(condition)  # type: ignore[arg-type]
    return rows.select("unique_id").distinct()


def _check(table: str, expected: DataFrame, accounted: DataFrame) -> None:
    missing = expected.join(accounted, "unique_id", "left_anti")
    count = missing.count()
    if count:
        examples = [row["unique_id"] for row in missing.orderBy("unique_id").limit(5).collect()]
        raise PromiseError(
            f"{count} series are neither in {table} nor in ops.failure, such as {examples}; nothing was published. "
            "Run the stage again with --force; if they are still missing, this is a defect: please report it."
        )
