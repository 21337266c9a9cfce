"""Calibrate: the chosen models' past errors, summed up over all buckets, so that quantiles keep their promise."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date
from typing import TYPE_CHECKING, Any

import pyarrow as pa

from jobs.engine.stage import UnitStage
from jobs.engine.task import KernelResult
from jobs.stages.forecasting.forecasting_reads import (
    BACKTEST,
    CLASSES,
    ERROR_SUMMARY,
    FITTED,
    HISTORY,
    SCORES,
    KnownThen,
    batch_maker,
    cutoffs,
    history_of,
    known_then,
)
from jobs.stages.forecasting.model_archive import candidates_of
from lakehouse.schema.entities import SERIES
from udfs.forecasting.forecast_spec import ForecastSpec
from udfs.forecasting.kernels.calibrate_bucket import calibrate_bucket
from udfs.forecasting.kernels.forecast_bucket import Evidence

if TYPE_CHECKING:
    # The settings know every model; a worker imports only what its kernel needs.
    from jobs.context import RunContext


@dataclass(frozen=True, slots=True)
class CalibrateParameters:
    """`class_summary` is that of all buckets: a few rows that travel with the task."""

    spec: ForecastSpec
    cutoffs: tuple[date, ...]
    horizon: int
    class_summary: pa.Table
    then: KnownThen


def kernel(inputs: dict[str, pa.Table], parameters: CalibrateParameters) -> KernelResult:
    """One bucket of history to its share of the error summary."""
    history, horizon = history_of(inputs), parameters.horizon
    summary = calibrate_bucket(
        history,
        parameters.cutoffs,
        horizon,
        parameters.spec,
        evidence=Evidence(inputs[BACKTEST], parameters.class_summary),
        forecasters=candidates_of(inputs, parameters.spec),
        batch_of=batch_maker(inputs, horizon, parameters.then),
    )
    return KernelResult({ERROR_SUMMARY: summary}, ids=len(history["unique_id"].unique()))


def parameters(context: RunContext, sums: Mapping[str, Any]) -> CalibrateParameters:
    settings = context.settings
    then = known_then(context)
    return CalibrateParameters(settings.forecast, cutoffs(context), settings.horizon, sums[CLASSES.key], then)


STAGE = UnitStage(
    name="calibrate",
    version=7,
    unit=SERIES,
    reads=(*HISTORY, *FITTED, SCORES),
    sums=(CLASSES,),
    writes=(ERROR_SUMMARY,),
    settings=("forecast", "horizon", "replays"),
    kernel=kernel,
    parameters=parameters,
)
