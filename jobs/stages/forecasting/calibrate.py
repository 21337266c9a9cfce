"""Calibrate: the chosen models' past errors, summed up over all buckets, so that quantiles keep their promise."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date
from typing import TYPE_CHECKING

import pyarrow as pa
import pyarrow.compute as pc

from jobs.engine.drive import BucketStage, run_bucket_stage
from jobs.engine.task import BucketTask, KernelResult
from jobs.stages.demand.features import silver_buckets
from jobs.stages.forecasting.backtest import BACKTEST, backtest_input, class_summary, models_input
from jobs.stages.forecasting.model_archive import fitted
from jobs.stages.forecasting.series_inputs import batch_maker, cutoffs, history_of, series_inputs
from jobs.stages.forecasting.train import MODELS
from lakehouse.delta.ledger import StageRecord
from udfs.forecasting.forecast_spec import ForecastSpec
from udfs.forecasting.kernels.calibrate_bucket import calibrate_bucket
from udfs.forecasting.kernels.forecast_bucket import Evidence
from udfs.forecasting.probability.score_summary import ScoreSummary

if TYPE_CHECKING:
    # The settings know every model; a worker imports only what its kernel needs.
    from jobs.context import RunContext

ERROR_SUMMARY = "forecast.error_summary"


@dataclass(frozen=True, slots=True)
class CalibrateParameters:
    """`class_summary` is that of all buckets: a few rows that travel with the task."""

    spec: ForecastSpec
    cutoffs: tuple[date, ...]
    horizon: int
    class_summary: pa.Table


def kernel(inputs: dict[str, pa.Table], parameters: CalibrateParameters) -> KernelResult:
    """One bucket of history to its share of the error summary."""
    history, horizon = history_of(inputs), parameters.horizon
    summary = calibrate_bucket(
        history,
        parameters.cutoffs,
        horizon,
        parameters.spec,
        evidence=Evidence(inputs[BACKTEST], parameters.class_summary),
        forecasters=fitted(inputs.get(MODELS)),
        batch_of=batch_maker(inputs, horizon),
    )
    return KernelResult({ERROR_SUMMARY: summary}, series=len(history["unique_id"].unique()))


def main(context: RunContext, fingerprint: str) -> StageRecord:
    """Sum up how wrong each series' champion was in the windows that it was chosen by."""
    lake, settings = context.lakehouse, context.settings
    lake.ensure(ERROR_SUMMARY, context.spark if lake.catalog else None)
    task = BucketTask(
        stage="calibrate",
        run_id=context.run.run_id,
        inputs=(*series_inputs(context), models_input(context), backtest_input(context)),
        kernel=kernel,
        parameters=CalibrateParameters(settings.forecast, cutoffs(context), settings.horizon, class_summary(context)),
        outputs=((ERROR_SUMMARY, lake.uri(ERROR_SUMMARY)),),
    )
    buckets = silver_buckets(context, lake.version("silver.sales_daily"))
    return run_bucket_stage(context, BucketStage(task, buckets, settings.runner.calibrate, fingerprint))


def error_summaries(context: RunContext) -> dict[date, ScoreSummary]:
    """By cutoff of the forecast, the errors of all buckets."""
    of_run = pc.field("run_id") == context.run.run_id
    rows = context.lakehouse.read_arrow(ERROR_SUMMARY, filters=of_run).sort_by("bucket")
    return {
        cutoff: ScoreSummary.from_arrow(rows.filter(pc.equal(rows["cutoff"], cutoff)), context.settings.horizon)
        for cutoff in cutoffs(context)
    }
