"""Forecast: every series by the model that its backtest chose, with quantiles calibrated on that model's past errors.

Beside the forecast from the as-of day, one from `horizon` days earlier is made and kept: its days have all been seen,
so a planner can hold forecast against actual, and against the seasonal naive forecast.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date
from typing import TYPE_CHECKING

import pyarrow as pa

from jobs.engine.drive import BucketStage, run_bucket_stage
from jobs.engine.task import BucketTask, KernelResult
from jobs.stages.demand.features import silver_buckets
from jobs.stages.forecasting.backtest import BACKTEST, backtest_input, class_summary, models_input
from jobs.stages.forecasting.calibrate import error_summaries
from jobs.stages.forecasting.model_archive import fitted
from jobs.stages.forecasting.series_inputs import batch_maker, cutoffs, history_of, series_inputs
from jobs.stages.forecasting.train import MODELS
from lakehouse.delta.ledger import StageRecord
from udfs.forecasting.forecast_spec import ForecastSpec
from udfs.forecasting.kernels.forecast_bucket import Evidence, forecast_bucket
from udfs.forecasting.probability.error_model import ErrorModel

if TYPE_CHECKING:
    # The settings know every model; a worker imports only what its kernel needs.
    from jobs.context import RunContext

_DEMAND, _LEAD_TIME, _CHAMPION = "forecast.demand", "forecast.lead_time_demand", "forecast.champion"
_PROFILE = "features.sku_profile"
_OUTPUTS = (_DEMAND, _LEAD_TIME, _CHAMPION, _PROFILE)


@dataclass(frozen=True, slots=True)
class ForecastParameters:
    """`class_summary` and `errors` are what all buckets together have taught; they travel with the task."""

    spec: ForecastSpec
    cutoffs: tuple[date, ...]
    horizon: int
    class_summary: pa.Table
    errors: dict[date, ErrorModel]


def kernel(inputs: dict[str, pa.Table], parameters: ForecastParameters) -> KernelResult:
    """One bucket of history to forecasts, champions and demand profiles."""
    history, horizon = history_of(inputs), parameters.horizon
    result = forecast_bucket(
        history,
        parameters.cutoffs,
        horizon,
        parameters.spec,
        evidence=Evidence(inputs[BACKTEST], parameters.class_summary, parameters.errors),
        forecasters=fitted(inputs.get(MODELS)),
        batch_of=batch_maker(inputs, horizon),
    )
    tables = (result.demand, result.lead_time, result.champion, result.profile)
    return KernelResult(
        dict(zip(_OUTPUTS, tables, strict=True)),
        failures=result.failures,
        series=len(history["unique_id"].unique()),
    )


def main(context: RunContext, fingerprint: str) -> StageRecord:
    """Forecast every series; what fails is in ops.failure with its reason and fallback."""
    lake, settings = context.lakehouse, context.settings
    for table in _OUTPUTS:
        lake.ensure(table, context.spark if lake.catalog else None)
    spec = settings.forecast
    errors = {cutoff: ErrorModel.fit(summary, spec) for cutoff, summary in error_summaries(context).items()}
    task = BucketTask(
        stage="forecast",
        run_id=context.run.run_id,
        inputs=(*series_inputs(context), models_input(context), backtest_input(context)),
        kernel=kernel,
        parameters=ForecastParameters(spec, cutoffs(context), settings.horizon, class_summary(context), errors),
        outputs=tuple((table, lake.uri(table)) for table in _OUTPUTS),
    )
    buckets = silver_buckets(context, lake.version("silver.sales_daily"))
    return run_bucket_stage(context, BucketStage(task, buckets, settings.runner.forecast, fingerprint))
