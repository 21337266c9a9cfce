"""Backtest: every candidate forecasts past windows; its scores say, series by series, which one is to be trusted."""

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
    CLASS_SUMMARY,
    EARLIER_CLASSES,
    FITTED,
    HISTORY,
    KnownThen,
    batch_maker,
    cutoffs,
    earlier_runs,
    history_of,
    known_before,
    known_then,
)
from jobs.stages.forecasting.model_archive import candidates_of
from lakehouse.schema.entities import SERIES
from udfs.forecasting.forecast_spec import ForecastSpec
from udfs.forecasting.kernels.backtest_bucket import backtest_bucket

if TYPE_CHECKING:
    # The settings know every model; a worker imports only what its kernel needs.
    from jobs.context import RunContext


@dataclass(frozen=True, slots=True)
class BacktestParameters:
    """`earlier`: the class summary of an earlier day's run, None where there is none."""

    spec: ForecastSpec
    cutoffs: tuple[date, ...]
    horizon: int
    then: KnownThen
    earlier: pa.Table | None = None


def kernel(inputs: dict[str, pa.Table], parameters: BacktestParameters) -> KernelResult:
    """One bucket of history to the scores of its candidates and its share of the class summary."""
    history, horizon = history_of(inputs), parameters.horizon
    result = backtest_bucket(
        history,
        parameters.cutoffs,
        horizon,
        parameters.spec,
        candidates_of(inputs, parameters.spec),
        earlier_summary=parameters.earlier,
        batch_of=batch_maker(inputs, horizon, parameters.then),
    )
    names = ["mean_error" if name == "bias" else name for name in result.backtest.column_names]
    return KernelResult(
        {BACKTEST: result.backtest.rename_columns(names), CLASS_SUMMARY: result.class_summary},
        failures=result.failures,
        ids=len(history["unique_id"].unique()),
    )


def parameters(context: RunContext, sums: Mapping[str, Any]) -> BacktestParameters:
    settings = context.settings
    earlier = known_before(context, sums[EARLIER_CLASSES.key])
    spec, then = contested(settings.forecast), known_then(context)
    return BacktestParameters(spec, cutoffs(context), settings.horizon, then, earlier)


def contested(spec: ForecastSpec) -> ForecastSpec:
    """The spec whose candidates are tested: a model asked for by name has no rival but the benchmark."""
    if spec.model == "auto":
        return spec
    return replace(spec, regular_candidates=(spec.model,), intermittent_candidates=(spec.model,))


STAGE = UnitStage(
    name="backtest",
    version=7,
    unit=SERIES,
    reads=(*HISTORY, *FITTED),
    sums=(EARLIER_CLASSES,),
    writes=(BACKTEST, CLASS_SUMMARY),
    settings=("forecast", "horizon", "replays"),
    identity=earlier_runs,
    kernel=kernel,
    parameters=parameters,
)
