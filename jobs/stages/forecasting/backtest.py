"""Backtest: every candidate forecasts past windows; its scores say, series by series, which one is to be trusted."""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import date
from typing import TYPE_CHECKING

import pyarrow as pa

from jobs.engine.drive import BucketStage, run_bucket_stage
from jobs.engine.task import BucketTask, KernelResult
from jobs.stages.demand.features import silver_buckets
from jobs.stages.forecasting.earlier import CLASS_SUMMARY, class_summary_of, earlier_summary
from jobs.stages.forecasting.model_archive import fitted
from jobs.stages.forecasting.series_inputs import batch_maker, cutoffs, history_of, series_inputs
from jobs.stages.forecasting.train import MODELS
from lakehouse.delta.files import PinnedTable
from lakehouse.delta.ledger import StageRecord
from udfs.forecasting.forecast_spec import ForecastSpec
from udfs.forecasting.kernels.backtest_bucket import backtest_bucket

if TYPE_CHECKING:
    # The settings know every model; a worker imports only what its kernel needs.
    from jobs.context import RunContext

BACKTEST = "forecast.backtest"


@dataclass(frozen=True, slots=True)
class BacktestParameters:
    """`earlier`: the class summary of an earlier day's run, None where there is none."""

    spec: ForecastSpec
    cutoffs: tuple[date, ...]
    horizon: int
    earlier: pa.Table | None = None


def kernel(inputs: dict[str, pa.Table], parameters: BacktestParameters) -> KernelResult:
    """One bucket of history to the scores of its candidates and its share of the class summary."""
    history, horizon = history_of(inputs), parameters.horizon
    result = backtest_bucket(
        history,
        parameters.cutoffs,
        horizon,
        parameters.spec,
        fitted(inputs.get(MODELS)),
        earlier_summary=parameters.earlier,
        batch_of=batch_maker(inputs, horizon),
    )
    names = ["mean_error" if name == "bias" else name for name in result.backtest.column_names]
    return KernelResult(
        {BACKTEST: result.backtest.rename_columns(names), CLASS_SUMMARY: result.class_summary},
        failures=result.failures,
        series=len(history["unique_id"].unique()),
    )


def main(context: RunContext, fingerprint: str) -> StageRecord:
    """Test every candidate on every window of every series."""
    lake, settings = context.lakehouse, context.settings
    for table in (BACKTEST, CLASS_SUMMARY):
        lake.ensure(table, context.spark if lake.catalog else None)
    task = BucketTask(
        stage="backtest",
        run_id=context.run.run_id,
        inputs=(*series_inputs(context), models_input(context)),
        kernel=kernel,
        parameters=BacktestParameters(
            contested(settings.forecast), cutoffs(context), settings.horizon, earlier_summary(context)
        ),
        outputs=tuple((table, lake.uri(table)) for table in (BACKTEST, CLASS_SUMMARY)),
    )
    buckets = silver_buckets(context, lake.version("silver.sales_daily"))
    return run_bucket_stage(context, BucketStage(task, buckets, settings.runner.backtest, fingerprint))


def contested(spec: ForecastSpec) -> ForecastSpec:
    """The spec whose candidates are tested: a model asked for by name has no rival but the benchmark."""
    if spec.model == "auto":
        return spec
    return replace(spec, regular_candidates=(spec.model,), intermittent_candidates=(spec.model,))


def models_input(context: RunContext) -> PinnedTable:
    """The models that this run has trained."""
    lake = context.lakehouse
    return PinnedTable(
        MODELS,
        lake.uri(MODELS),
        lake.version(MODELS),
        ("model", "cutoff", "artifact"),
        where=(("run_id", context.run.run_id),),
        is_bucketed=False,
    )


def backtest_input(context: RunContext) -> PinnedTable:
    """The scores of this run."""
    lake = context.lakehouse
    columns = ("unique_id", "cutoff", "model", context.settings.forecast.score)
    run = (("run_id", context.run.run_id),)
    return PinnedTable(BACKTEST, lake.uri(BACKTEST), lake.version(BACKTEST), columns, where=run)


def class_summary(context: RunContext) -> pa.Table:
    """What this run's backtest of all buckets says about each demand class."""
    return class_summary_of(context, context.run.run_id)
