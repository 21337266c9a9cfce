"""Inventory: forecasts, terms and replays become a policy per series and what it wants to order, bucket by bucket."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date
from typing import TYPE_CHECKING

import pyarrow as pa
import pyarrow.compute as pc

from jobs.engine.drive import BucketStage, run_bucket_stage
from jobs.engine.task import BucketTask, KernelResult
from jobs.stages.demand.features import silver_buckets
from jobs.stages.inventory.inventory_inputs import (
    PROFILE,
    SUPPLY,
    champion_forecast,
    forecast_inputs,
    path_terms,
    prices,
)
from jobs.stages.inventory.replay import REPLAY, REPLAY_SUMMARY, choices, replays_input
from lakehouse.delta.files import PinnedTable
from lakehouse.delta.ledger import StageRecord
from udfs.inventory.inventory_spec import InventorySpec
from udfs.inventory.kernels.plan_bucket import PolicyEvidence, plan_bucket
from udfs.inventory.kernels.planning_inputs import PathTerms
from udfs.inventory.policies.choose import ReplayEvidence, merge_replay_summaries

if TYPE_CHECKING:
    # The settings know every model; a worker imports only what its kernel needs.
    from jobs.context import RunContext

_STOCK = "silver.stock"
_POLICY, PROPOSAL, STEP = "inventory.policy", "inventory.order_proposal", "inventory.order_step"


@dataclass(frozen=True, slots=True)
class InventoryParameters:
    """`summary` is that of all buckets: a few rows that travel with the task. `windows`, `held_out`: see
    `PolicyEvidence`."""

    spec: InventorySpec
    path_terms: PathTerms
    as_of: date
    summary: pa.Table
    windows: tuple[date, ...]
    held_out: date | None


def kernel(inputs: dict[str, pa.Table], parameters: InventoryParameters) -> KernelResult:
    """One bucket of forecasts to policies and what they want to order."""
    forecast = champion_forecast(inputs, parameters.as_of)
    evidence = PolicyEvidence(
        ReplayEvidence(inputs[REPLAY], parameters.summary), inputs[PROFILE], parameters.windows, parameters.held_out
    )
    plan = plan_bucket(
        forecast=forecast,
        supply=inputs[SUPPLY],
        stock=inputs[_STOCK],
        prices=prices(inputs, parameters.as_of),
        as_of=parameters.as_of,
        spec=parameters.spec,
        path_terms=parameters.path_terms,
        evidence=evidence,
    )
    return KernelResult(
        {_POLICY: plan.policy, PROPOSAL: plan.proposal, STEP: plan.steps},
        failures=plan.failures,
        series=len(forecast["unique_id"].unique()),
    )


def main(context: RunContext, fingerprint: str) -> StageRecord:
    """Plan every series that has a forecast from the as-of day."""
    lake = context.lakehouse
    for table in (_POLICY, PROPOSAL, STEP):
        lake.ensure(table, context.spark if lake.catalog else None)
    stock = PinnedTable(
        _STOCK,
        lake.uri(_STOCK),
        lake.version(_STOCK),
        ("unique_id", "ds", "on_hand_qty", "on_order_qty"),
        last_ds=context.as_of,
    )
    windows = choices(context)
    task = BucketTask(
        stage="inventory",
        run_id=context.run.run_id,
        inputs=(*forecast_inputs(context, first_ds=context.as_of), stock, replays_input(context)),
        kernel=kernel,
        parameters=InventoryParameters(
            context.settings.inventory,
            path_terms(context),
            context.as_of,
            _summary(context),
            windows[context.as_of],
            min(windows) if len(windows) > 1 else None,
        ),
        outputs=tuple((table, lake.uri(table)) for table in (_POLICY, PROPOSAL, STEP)),
    )
    buckets = silver_buckets(context, lake.version("silver.sales_daily"))
    return run_bucket_stage(context, BucketStage(task, buckets, context.settings.runner.inventory, fingerprint))


def _summary(context: RunContext) -> pa.Table:
    """What the replays of all buckets say about each demand class."""
    rows = context.lakehouse.read_arrow(REPLAY_SUMMARY, filters=pc.field("run_id") == context.run.run_id)
    return merge_replay_summaries(rows)
