"""Publish: the gold tables that a planner or BI tool opens first, of the as-of day."""

from __future__ import annotations

from collections.abc import Callable
from datetime import date, timedelta
from typing import TYPE_CHECKING

from pyspark.sql import DataFrame

from jobs.engine.frames import as_of_part, write_part
from jobs.engine.sales_days import sales_days
from jobs.engine.stage import THIS, FrameStage, Read
from jobs.stages.inventory.planning_reads import plans_on_order
from lakehouse.delta.decisions import decisions_for
from lakehouse.delta.ledger import StageRecord
from lakehouse.errors import PromiseError
from lakehouse.transforms.gold.demand_plan import (
    GoldInputs,
    GoldTerms,
    forecast_accuracy,
    order_check,
    order_plan,
    policy_value,
    stock_risk,
)
from lakehouse.transforms.gold.forecast_total import forecast_total

if TYPE_CHECKING:
    from jobs.context import RunContext
    from jobs.engine.frames import Frames


def build(context: RunContext, frames: Frames) -> StageRecord:
    """Write the gold tables of the as-of day, replacing what an earlier run wrote for it."""
    inputs, terms = gold_inputs(context, frames), gold_terms(context)
    benchmark = context.settings.forecast.benchmark
    tables: dict[str, Callable[[], DataFrame]] = {
        "gold.order_plan": lambda: order_plan(inputs, terms),
        "gold.order_check": lambda: order_check(order_plan(inputs, terms), inputs, context.settings.order_check),
        "gold.policy_value": lambda: policy_value(inputs, terms),
        "gold.stock_risk": lambda: stock_risk(inputs, terms),
        "gold.forecast_accuracy": lambda: forecast_accuracy(inputs, terms, benchmark),
        "gold.forecast_total": lambda: forecast_total(inputs, terms),
    }
    rows = write_part(context, frames, as_of_part(context), tables)
    check_promise(context, frames)
    return StageRecord("succeeded", rows=rows)


def check_promise(context: RunContext, frames: Frames) -> None:
    """Raise PromiseError unless each order line of the run is in gold: nothing is lost on the last step."""
    lake, run_id = context.lakehouse, context.run.run_id
    planned = lake.rows("inventory.order_plan", frames.version("inventory.order_plan"), {"run_id": run_id})
    published = lake.rows("gold.order_plan", None, {"as_of": str(context.as_of)})
    if not planned:
        raise PromiseError(
            f"no series has an order line for {context.as_of}, so nothing is published; `shelfcast status` says what "
            "became of the source's rows"
        )
    if planned != published:
        raise PromiseError(
            f"{planned} order lines were planned, {published} are in gold.order_plan of {context.as_of}: a line lost "
            "its policy or product. This is a defect: please report it"
        )


def gold_inputs(context: RunContext, frames: Frames) -> GoldInputs:
    """This run's results, and the features rows of the days that are compared."""
    return GoldInputs(
        demand=frames["forecast.demand"].drop("run_id", "bucket"),
        champion=frames["forecast.champion"].drop("run_id", "bucket"),
        profile=frames["features.sku_profile"].drop("run_id", "bucket"),
        policy=frames["inventory.policy"].drop("run_id", "bucket"),
        order_plan=frames["inventory.order_plan"].drop("run_id"),
        actuals=frames["features.sku_daily"],
        products=frames["silver.products"],
        supply=frames["silver.supply"],
        earlier_orders=frames["gold.order_plan"],
        decisions=context.spark.createDataFrame(decisions_for(context.lakehouse, context.as_of)),
        implausible=frames["silver.sales_daily"],
    )


def gold_terms(context: RunContext) -> GoldTerms:
    cutoff = context.as_of - timedelta(days=context.settings.horizon)
    known = sales_days(context.lakehouse)
    sales_until = min(known.last, context.as_of) if known else None
    return GoldTerms(context.run.run_id, context.as_of, cutoff, context.mapping.currency, sales_until)


def _compared_days(context: RunContext) -> tuple[date, date]:
    settings = context.settings
    return context.as_of - timedelta(days=settings.horizon * settings.replays), context.as_of


def _doubtful_days(context: RunContext) -> tuple[date, date]:
    return context.as_of - timedelta(days=90), context.as_of


def _identity(context: RunContext) -> list[object]:
    decisions = decisions_for(context.lakehouse, context.as_of)["decision_id"].to_pylist()
    return [context.mapping.currency, _usual_plans(context), sorted(decisions)]


def _usual_plans(context: RunContext) -> list[tuple[str, str]]:
    published = context.ledger.succeeded("publish")
    return plans_on_order(published, context.as_of, context.settings.order_check.usual_days)


def _usual_days(context: RunContext) -> tuple[date, date]:
    """The days before this one whose plans say what is usual."""
    return context.as_of - timedelta(days=context.settings.order_check.usual_days), context.as_of - timedelta(days=1)


STAGE = FrameStage(
    name="publish",
    version=11,
    reads=(
        Read("forecast.demand", (), run=THIS),
        Read("forecast.champion", (), run=THIS),
        Read("features.sku_profile", (), run=THIS),
        Read("inventory.policy", (), run=THIS),
        Read("inventory.order_plan", (), run=THIS),
        Read("features.sku_daily", ("unique_id", "ds", "y"), days=_compared_days),
        Read("silver.products", ()),
        Read("silver.sales_daily", ("unique_id", "ds", "y", "y_stated", "y_bound"), days=_doubtful_days),
        Read("silver.supply", ("unique_id", "supplier_id")),
        Read("gold.order_plan", ("unique_id", "as_of", "order_qty", "order_value"), days=_usual_days, is_past=True),
    ),
    writes=(
        "gold.order_plan",
        "gold.order_check",
        "gold.policy_value",
        "gold.stock_risk",
        "gold.forecast_accuracy",
        "gold.forecast_total",
    ),
    settings=("horizon", "forecast", "replays", "order_check"),
    identity=_identity,
    part=as_of_part,
    build=build,
)
