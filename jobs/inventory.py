"""Inventory: forecasts and supply terms become a policy per series and an order plan, bucket by bucket."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date
from typing import TYPE_CHECKING

import pyarrow as pa
import pyarrow.compute as pc

from jobs.bucket_stage import BucketStage, run_bucket_stage
from jobs.bucket_task import BucketTask, KernelResult
from jobs.features import silver_buckets
from lakehouse.buckets import PinnedTable
from lakehouse.ledger import StageRecord
from udfs.inventory.buckets.plan_bucket import plan_bucket
from udfs.inventory.spec import InventorySpec

if TYPE_CHECKING:
    # The settings know every model; a worker imports only what its kernel needs.
    from jobs.context import RunContext

_DEMAND, _CHAMPION, _FEATURES = "forecast.demand", "forecast.champion", "features.sku_daily"
_SUPPLY, _STOCK = "silver.supply", "silver.stock"
_POLICY, _ORDER_PLAN = "inventory.policy", "inventory.order_plan"


@dataclass(frozen=True, slots=True)
class InventoryParameters:
    spec: InventorySpec
    as_of: date


def kernel(inputs: dict[str, pa.Table], parameters: InventoryParameters) -> KernelResult:
    """One bucket of forecasts to policies and orders."""
    forecast = champion_forecast(inputs[_DEMAND], inputs[_CHAMPION], parameters.as_of)
    features = inputs[_FEATURES]
    plan = plan_bucket(
        forecast=forecast,
        supply=inputs[_SUPPLY],
        stock=inputs[_STOCK],
        prices=features.select(["unique_id", "unit_price"]),
        as_of=parameters.as_of,
        spec=parameters.spec,
    )
    return KernelResult(
        {_POLICY: plan.policy, _ORDER_PLAN: plan.order_plan},
        failures=plan.failures,
        series=len(forecast["unique_id"].unique()),
    )


def champion_forecast(demand: pa.Table, champion: pa.Table, as_of: date) -> pa.Table:
    """Rows of the champion's forecast from the as-of day, whatever benchmark is stored beside it.

    `is_fallback` marks series whose model failed, so that the order's reason can say so.
    """
    chosen = champion.filter(pc.equal(champion["cutoff"], as_of))
    is_fallback = pc.fill_null(pc.starts_with(chosen["rule"], "fallback"), False)
    chosen = chosen.select(["unique_id", "model"]).append_column("is_fallback", is_fallback)
    rows = demand.filter(pc.equal(demand["cutoff"], as_of))
    return rows.join(chosen, keys=["unique_id", "model"], join_type="inner").sort_by(
        [("unique_id", "ascending"), ("ds", "ascending")]
    )


def main(context: RunContext, fingerprint: str) -> StageRecord:
    """Plan every series that has a forecast from the as-of day."""
    lake, run_id = context.lakehouse, context.run.run_id
    for table in (_POLICY, _ORDER_PLAN):
        lake.ensure(table, context.spark if lake.catalog else None)
    this_run = (("run_id", run_id),)
    version = {name: lake.version(name) for name in (_DEMAND, _CHAMPION, _FEATURES, _SUPPLY, _STOCK)}

    def pinned(name: str, columns: tuple[str, ...], **options: object) -> PinnedTable:
        return PinnedTable(name, lake.uri(name), version[name], columns, **options)  # type: ignore[arg-type]

    task = BucketTask(
        stage="inventory",
        run_id=run_id,
        inputs=(
            pinned(_DEMAND, ("unique_id", "cutoff", "model", "ds", "mean", "sd"), where=this_run),
            pinned(_CHAMPION, ("unique_id", "cutoff", "model", "rule"), where=this_run),
            # The last known price: silver carries it forward to the as-of day.
            pinned(_FEATURES, ("unique_id", "ds", "unit_price"), first_ds=context.as_of, last_ds=context.as_of),
            pinned(_SUPPLY, ("unique_id", "lead_time_days", "order_cost", "unit_cost", "moq_qty", "pack_qty")),
            pinned(_STOCK, ("unique_id", "ds", "on_hand_qty", "on_order_qty"), last_ds=context.as_of),
        ),
        kernel=kernel,
        parameters=InventoryParameters(context.settings.inventory, context.as_of),
        outputs=((_POLICY, lake.uri(_POLICY)), (_ORDER_PLAN, lake.uri(_ORDER_PLAN))),
    )
    buckets = silver_buckets(context, lake.version("silver.sales_daily"))
    return run_bucket_stage(context, BucketStage(task, buckets, context.settings.runner.inventory, fingerprint))
