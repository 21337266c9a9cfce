"""Order: what the policies want becomes what is ordered, within the day's budget and capacity."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

import pyarrow as pa
import pyarrow.compute as pc

from jobs.engine.drive import BucketStage, run_bucket_stage
from jobs.engine.task import BucketTask, KernelResult
from jobs.stages.demand.features import silver_buckets
from jobs.stages.inventory.inventory import PROPOSAL, STEP
from lakehouse.delta.files import PinnedTable
from lakehouse.delta.ledger import StageRecord
from udfs.inventory.kernels.order_bucket import cut_of, order_bucket
from udfs.inventory.kernels.plan_tables import PROPOSAL_SCHEMA, STEP_SCHEMA
from udfs.inventory.orders.budget_cut import Cut

if TYPE_CHECKING:
    from jobs.context import RunContext

_ORDER_PLAN = "inventory.order_plan"


@dataclass(frozen=True, slots=True)
class OrderParameters:
    """`cut`: which packs of all series the budget and the capacity leave; None where there is no limit."""

    cut: Cut | None


def kernel(inputs: dict[str, pa.Table], parameters: OrderParameters) -> KernelResult:
    """One bucket of proposals to order lines."""
    plan = order_bucket(inputs[PROPOSAL], inputs[STEP], parameters.cut)
    return KernelResult({_ORDER_PLAN: plan}, series=plan.num_rows)


def main(context: RunContext, fingerprint: str) -> StageRecord:
    """Write the order plan; only the cut looks at all series at once."""
    lake = context.lakehouse
    lake.ensure(_ORDER_PLAN, context.spark if lake.catalog else None)
    this_run = (("run_id", context.run.run_id),)
    task = BucketTask(
        stage="order",
        run_id=context.run.run_id,
        inputs=(
            PinnedTable(
                PROPOSAL, lake.uri(PROPOSAL), lake.version(PROPOSAL), tuple(PROPOSAL_SCHEMA.names), where=this_run
            ),
            PinnedTable(STEP, lake.uri(STEP), lake.version(STEP), tuple(STEP_SCHEMA.names), where=this_run),
        ),
        kernel=kernel,
        parameters=OrderParameters(_cut(context)),
        outputs=((_ORDER_PLAN, lake.uri(_ORDER_PLAN)),),
    )
    buckets = silver_buckets(context, lake.version("silver.sales_daily"))
    return run_bucket_stage(context, BucketStage(task, buckets, context.settings.runner.order, fingerprint))


def _cut(context: RunContext) -> Cut | None:
    spec = context.settings.inventory
    if math.isinf(spec.budget) and math.isinf(spec.capacity_qty):
        return None
    of_run = pc.field("run_id") == context.run.run_id
    proposal = context.lakehouse.read_arrow(
        PROPOSAL, columns=["order_value", "order_qty", "expected_value"], filters=of_run
    )
    steps = context.lakehouse.read_arrow(STEP, columns=STEP_SCHEMA.names, filters=of_run)
    return cut_of(proposal, steps, spec.budget, spec.capacity_qty)
