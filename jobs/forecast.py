"""Forecast: features become demand forecasts with a champion per series, bucket by bucket.

Beside the forecast from the as-of day, one from `horizon` days earlier is made and kept: its days have all been seen,
so a planner can hold forecast against actual, and against the seasonal naive forecast.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, timedelta
from typing import TYPE_CHECKING

import pyarrow as pa

from jobs.bucket_stage import BucketStage, run_bucket_stage
from jobs.bucket_task import BucketTask, KernelResult
from jobs.features import silver_buckets
from lakehouse.buckets import PinnedTable
from lakehouse.ledger import StageRecord
from udfs.forecasting.bucket import ForecastSpec, forecast_bucket

if TYPE_CHECKING:
    # The settings know every model; a worker imports only what its kernel needs.
    from jobs.context import RunContext

_FEATURES, _DEMAND, _CHAMPION = "features.sku_daily", "forecast.demand", "forecast.champion"
_PROFILE = "features.sku_profile"


@dataclass(frozen=True, slots=True)
class ForecastParameters:
    spec: ForecastSpec
    cutoffs: tuple[date, ...]
    horizon: int


def kernel(inputs: dict[str, pa.Table], parameters: ForecastParameters) -> KernelResult:
    """One bucket of history to forecasts, champions and demand profiles."""
    history = inputs[_FEATURES]
    result = forecast_bucket(history, parameters.cutoffs, parameters.horizon, parameters.spec)
    return KernelResult(
        {_DEMAND: result.demand, _CHAMPION: result.champion, _PROFILE: result.profile},
        failures=result.failures,
        series=len(history["unique_id"].unique()),
    )


def cutoffs(context: RunContext) -> tuple[date, ...]:
    """The as-of day, and the last day from which a whole horizon has been seen."""
    return (context.as_of - timedelta(days=context.settings.horizon), context.as_of)


def main(context: RunContext, fingerprint: str) -> StageRecord:
    """Forecast every series; what fails is in ops.failure with its reason and fallback."""
    lake = context.lakehouse
    for table in (_DEMAND, _CHAMPION, _PROFILE):
        lake.ensure(table, context.spark if lake.catalog else None)
    features = PinnedTable(
        _FEATURES,
        lake.uri(_FEATURES),
        lake.version(_FEATURES),
        ("unique_id", "ds", "y"),
        order_by=("unique_id", "ds"),
        last_ds=context.as_of,
        dictionary=("unique_id",),
    )
    task = BucketTask(
        stage="forecast",
        run_id=context.run.run_id,
        inputs=(features,),
        kernel=kernel,
        parameters=ForecastParameters(context.settings.forecast, cutoffs(context), context.settings.horizon),
        outputs=tuple((table, lake.uri(table)) for table in (_DEMAND, _CHAMPION, _PROFILE)),
    )
    buckets = silver_buckets(context, lake.version("silver.sales_daily"))
    return run_bucket_stage(context, BucketStage(task, buckets, context.settings.runner.forecast, fingerprint))
