"""Forecast: every series by the model that its backtest chose, with quantiles calibrated on that model's past errors.

Beside the forecast from the as-of day, `replays` earlier ones are made and kept, a horizon apart: their days have all
been seen, so that a planner can hold forecast against actual, and policies can be replayed on what was known then.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import date
from typing import TYPE_CHECKING, Any

import pyarrow as pa

from jobs.engine.stage import UnitStage
from jobs.engine.task import KernelResult
from jobs.stages.forecasting.forecasting_reads import (
    BACKTEST,
    CLASSES,
    ERRORS,
    FEATURES,
    FITTED,
    HISTORY,
    SCORES,
    KnownThen,
    batch_maker,
    cutoffs,
    error_summaries,
    history_of,
    known_then,
)
from jobs.stages.forecasting.model_archive import candidates_of
from lakehouse.schema.entities import SERIES
from udfs.forecasting.forecast_spec import ForecastSpec
from udfs.forecasting.kernels.forecast_bucket import Evidence, forecast_bucket
from udfs.forecasting.probability.error_model import ErrorModel

if TYPE_CHECKING:
    # The settings know every model; a worker imports only what its kernel needs.
    from jobs.context import RunContext

_DEMAND, _LEAD_TIME, _CHAMPION = "forecast.demand", "forecast.lead_time_demand", "forecast.champion"
_OUTPUTS = (_DEMAND, _LEAD_TIME, _CHAMPION, "features.sku_profile")


@dataclass(frozen=True, slots=True)
class ForecastParameters:
    """`class_summary` and `errors` are what all buckets together have taught; they travel with the task."""

    spec: ForecastSpec
    cutoffs: tuple[date, ...]
    horizon: int
    class_summary: pa.Table
    errors: dict[date, ErrorModel]
    then: KnownThen


def kernel(inputs: dict[str, pa.Table], parameters: ForecastParameters) -> KernelResult:
    """One bucket of history to forecasts, champions and demand profiles."""
    history, horizon = history_of(inputs), parameters.horizon
    result = forecast_bucket(
        history,
        parameters.cutoffs,
        horizon,
        parameters.spec,
        evidence=Evidence(inputs[BACKTEST], parameters.class_summary, parameters.errors),
        forecasters=candidates_of(inputs, parameters.spec),
        batch_of=batch_maker(inputs, horizon, parameters.then),
    )
    tables = (result.demand, result.lead_time, result.champion, result.profile)
    return KernelResult(
        dict(zip(_OUTPUTS, tables, strict=True)),
        failures=result.failures,
        ids=len(history["unique_id"].unique()),
    )


def parameters(context: RunContext, sums: Mapping[str, Any]) -> ForecastParameters:
    spec, horizon = context.settings.forecast, context.settings.horizon
    summaries = error_summaries(sums[ERRORS.key], cutoffs(context), horizon)
    errors = {cutoff: ErrorModel.fit(summary, spec) for cutoff, summary in summaries.items()}
    then = replace(known_then(context), planned_day=context.as_of)
    return ForecastParameters(spec, cutoffs(context), horizon, sums[CLASSES.key], errors, then)


STAGE = UnitStage(
    name="forecast",
    version=8,
    unit=SERIES,
    reads=(*HISTORY, *FITTED, SCORES),
    sums=(CLASSES, ERRORS),
    writes=_OUTPUTS,
    settings=("forecast", "horizon", "replays"),
    kernel=kernel,
    parameters=parameters,
    promise=(FEATURES, _DEMAND),
)
