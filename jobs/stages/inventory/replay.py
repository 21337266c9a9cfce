"""Replay: every candidate policy orders for past days, on forecasts of then, and meets the demand that came."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date
from typing import TYPE_CHECKING

import pyarrow as pa

from jobs.engine.drive import BucketStage, run_bucket_stage
from jobs.engine.task import BucketTask, KernelResult
from jobs.stages.demand.features import silver_buckets
from jobs.stages.forecasting.series_inputs import replay_cutoffs
from jobs.stages.inventory.inventory_inputs import (
    FEATURES,
    PROFILE,
    SUPPLY,
    champion_forecast,
    forecast_inputs,
    path_terms,
    prices,
)
from lakehouse.delta.files import PinnedTable
from lakehouse.delta.ledger import StageRecord
from udfs.inventory.inventory_spec import InventorySpec
from udfs.inventory.kernels.planning_inputs import PathTerms
from udfs.inventory.kernels.replay_bucket import replay_bucket

if TYPE_CHECKING:
    # The settings know every model; a worker imports only what its kernel needs.
    from jobs.context import RunContext

REPLAY, REPLAY_SUMMARY = "inventory.replay", "inventory.replay_summary"


@dataclass(frozen=True, slots=True)
class ReplayParameters:
    """`choices`: by day of a choice, the cutoffs whose replays it may use."""

    spec: InventorySpec
    path_terms: PathTerms
    cutoffs: tuple[date, ...]
    as_of: date
    choices: dict[date, tuple[date, ...]]


def kernel(inputs: dict[str, pa.Table], parameters: ReplayParameters) -> KernelResult:
    """One bucket of past forecasts and the demand that came to the money that each policy would have cost."""
    features = inputs[FEATURES]
    found = replay_bucket(
        forecasts={cutoff: champion_forecast(inputs, cutoff) for cutoff in parameters.cutoffs},
        actual=features.select(["unique_id", "ds", "y_latent"]).rename_columns(["unique_id", "ds", "y"]),
        supply=inputs[SUPPLY],
        prices=prices(inputs, parameters.as_of),
        classes=inputs[PROFILE],
        choices=parameters.choices,
        spec=parameters.spec,
        path_terms=parameters.path_terms,
    )
    return KernelResult(
        {REPLAY: found.replay, REPLAY_SUMMARY: found.summary}, series=len(found.replay["unique_id"].unique())
    )


def main(context: RunContext, fingerprint: str) -> StageRecord:
    """Replay all candidates of all series; a series that cannot be replayed is chosen for by its class."""
    lake, cutoffs = context.lakehouse, replay_cutoffs(context)
    for table in (REPLAY, REPLAY_SUMMARY):
        lake.ensure(table, context.spark if lake.catalog else None)
    task = BucketTask(
        stage="replay",
        run_id=context.run.run_id,
        inputs=forecast_inputs(context, first_ds=cutoffs[0]),
        kernel=kernel,
        parameters=ReplayParameters(
            context.settings.inventory, path_terms(context), cutoffs, context.as_of, choices(context)
        ),
        outputs=tuple((table, lake.uri(table)) for table in (REPLAY, REPLAY_SUMMARY)),
    )
    buckets = silver_buckets(context, lake.version("silver.sales_daily"))
    return run_bucket_stage(context, BucketStage(task, buckets, context.settings.runner.replay, fingerprint))


def choices(context: RunContext) -> dict[date, tuple[date, ...]]:
    """The choice for the plan, by all replays, and one that is tested on the last replay, by those before it."""
    cutoffs = replay_cutoffs(context)
    return {cutoffs[-1]: cutoffs[:-1], context.as_of: cutoffs} if len(cutoffs) > 1 else {context.as_of: cutoffs}


def replays_input(context: RunContext) -> PinnedTable:
    """The replays of this run, a bucket of them."""
    lake = context.lakehouse
    columns = ("unique_id", "cutoff", "policy", "replay_cost", "demand_qty", "sales_qty", "score")
    return PinnedTable(REPLAY, lake.uri(REPLAY), lake.version(REPLAY), columns, where=(("run_id", context.run.run_id),))
