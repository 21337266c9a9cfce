"""Decision value: what planners' orders and forecasts added, once the days that they were for have come."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import date
from typing import TYPE_CHECKING, Any

import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc

from jobs.engine.frames import as_of_part, write_part
from jobs.engine.stage import FrameStage, Read
from jobs.stages.inventory.planning_reads import (
    CALENDAR,
    DECIDED,
    FEATURES,
    ORDER_PLAN,
    PROPOSAL,
    demand_on_open_days,
    plans_by_day,
)
from lakehouse.delta.decisions import TABLE as DECISIONS
from lakehouse.delta.decisions import decisions_for
from lakehouse.delta.ledger import StageRecord
from lakehouse.schema.tables import contract
from udfs.inventory.orders.decided_orders import orders_of
from udfs.inventory.orders.decision_value import forecast_values, order_values

if TYPE_CHECKING:
    from jobs.context import RunContext
    from jobs.engine.frames import Frames

_VALUE, _POLICY = "gold.decision_value", "inventory.policy"
_DAYS = 182
"""How far back plans are looked at: of older decisions the rows of their own days stay."""
_TERMS = ("lead_time_days", "review_days", "shelf_life_days", "unit_cost", "unit_price")


def build(context: RunContext, frames: Frames) -> StageRecord:
    """Write what can be said as of the day, of the plans of the last half year."""
    plans = _plans(context)
    decided = _rows(context, frames, DECIDED, plans, ("decision_id", "unique_id", "cutoff", "ds", "mean", "model_mean"))
    decided = decided.filter(decided["decision_id"].is_valid())
    orders = _orders(context, frames, plans)
    ids = sorted({*decided["unique_id"].to_pylist(), *orders["unique_id"].to_pylist()})
    demand = _demand(context, frames, ids, min(plans, default=context.as_of))
    values = [forecast_values(decided, demand), order_values(orders, demand, context.settings.inventory)]
    rows = _published(context, pd.concat([each for each in values if len(each)] or values[:1]))
    if not rows.num_rows and not context.lakehouse.exists(_VALUE):
        return StageRecord("succeeded")
    tables = {_VALUE: lambda: context.spark.createDataFrame(rows)}
    return StageRecord("succeeded", rows=write_part(context, frames, as_of_part(context), tables))


def _plans(context: RunContext) -> dict[date, str]:
    """By day the run of its last plan; this day's has no demand after it."""
    return {day: run for day, (run, _) in _published_plans(context).items()}


def _published_plans(context: RunContext) -> dict[date, tuple[str, str]]:
    return plans_by_day(context.ledger.succeeded("publish"), context.as_of, _DAYS)


def _rows(
    context: RunContext,
    frames: Frames,
    table: str,
    plans: Mapping[date, str],
    columns: tuple[str, ...],
    where: Any = True,
) -> pa.Table:
    """Rows of the plans' runs at the version that the stage reads."""
    condition = pc.field("run_id").isin(pa.array(list(plans.values()), pa.string())) & where
    version = frames.version(table)
    if version < 0:
        return contract(table).empty(with_partitions=True).select(columns)
    return context.lakehouse.read_arrow(table, version, columns, condition)


def _orders(context: RunContext, frames: Frames, plans: Mapping[date, str]) -> pa.Table:
    """What `order_values` asks for, of the orders that planners set."""
    plan_columns = ("run_id", "unique_id", "order_date", "order_qty", "position_qty", "daily_demand_qty")
    is_decided = pc.field("main_reason") == "planner"
    orders = _rows(context, frames, ORDER_PLAN, plans, plan_columns, is_decided).rename_columns(
        [*plan_columns[:3], "decided_qty", *plan_columns[4:]]
    )
    of_series = pc.field("unique_id").isin(pc.unique(orders["unique_id"]))
    wanted = _rows(context, frames, PROPOSAL, plans, ("run_id", "unique_id", "order_qty"), of_series)
    wanted = wanted.rename_columns(["run_id", "unique_id", "planned_qty"])
    terms = _rows(context, frames, _POLICY, plans, ("run_id", "unique_id", *_TERMS), of_series)
    key = ["run_id", "unique_id"]
    said = _said(context, {day: run for day, run in plans.items() if run in set(orders["run_id"].to_pylist())})
    found = orders.join(wanted, key, join_type="inner").join(terms, key, join_type="inner")
    return found.join(said, key, join_type="inner").sort_by([("order_date", "ascending"), ("unique_id", "ascending")])


def _said(context: RunContext, plans: Mapping[date, str]) -> pa.Table:
    """run_id, unique_id, decision_id of the orders that the plans' runs went by."""
    begun = {row["run_id"]: row["started_at"] for row in context.ledger.succeeded("order")}
    rows = [
        {"run_id": run, "unique_id": row["unique_id"], "decision_id": row["decision_id"]}
        for day, run in plans.items()
        for row in orders_of(decisions_for(context.lakehouse, day, begun.get(run))).to_pylist()
    ]
    names = ("run_id", "unique_id", "decision_id")
    return pa.Table.from_pylist(rows, schema=pa.schema([(name, pa.string()) for name in names]))


def _demand(context: RunContext, frames: Frames, ids: list[str], after: date) -> pa.Table:
    """unique_id, ds, y of the days after one: demand, latent where stock ran out, 0 on closed days."""
    lake, days = context.lakehouse, (pc.field("ds") > after) & (pc.field("ds") <= context.as_of)
    daily = lake.read_arrow(
        FEATURES,
        frames.version(FEATURES),
        ("unique_id", "ds", "y", "y_latent"),
        days & pc.field("unique_id").isin(pa.array(ids, pa.string())),
    )
    daily = daily.set_column(3, "y_latent", pc.coalesce(daily["y_latent"], daily["y"]))
    closed = lake.read_arrow(CALENDAR, frames.version(CALENDAR), ("location_id", "ds", "is_closed"), days)
    return demand_on_open_days({FEATURES: daily, CALENDAR: closed}, "y_latent")


def _published(context: RunContext, values: pd.DataFrame) -> pa.Table:
    """Rows of the table, with what was said of the decisions."""
    said = context.lakehouse.read_arrow(DECISIONS).to_pandas()
    said = said[["decision_id", "decision", "author", "note", "decided_factor"]]
    rows = values.merge(said, on="decision_id")
    rows = rows.assign(as_of=context.as_of, currency=context.mapping.currency, run_id=context.run.run_id)
    declared = contract(_VALUE)
    table = pa.Table.from_pandas(rows[list(declared.columns)], declared.arrow_schema(), preserve_index=False)
    return declared.conform(table, with_partitions=True)


def _is_wanted(context: RunContext) -> bool:
    return context.lakehouse.has_rows(DECISIONS)


def _identity(context: RunContext) -> list[object]:
    if not _is_wanted(context):
        return []
    # Of the settings only what prices a unit; while nobody decides, no setting makes the stage anew.
    spec = context.settings.inventory
    money = [context.mapping.currency, spec.holding_cost_rate, spec.assumed_margin, spec.backorder_share]
    return [[str(day), *plan] for day, plan in _published_plans(context).items()] + money


STAGE = FrameStage(
    name="decision_value",
    reads=(
        Read(FEATURES, ("unique_id", "ds", "y", "y_latent")),
        Read(CALENDAR, ("location_id", "ds", "is_closed")),
        Read(DECIDED, (), is_past=True),
        Read(ORDER_PLAN, (), is_past=True),
        Read(PROPOSAL, (), is_past=True),
        Read(_POLICY, (), is_past=True),
    ),
    writes=(_VALUE,),
    identity=_identity,
    part=as_of_part,
    build=build,
    is_wanted=_is_wanted,
)
