"""Train: trees that learn from all series together, for the cutoffs that they will be asked to forecast from.

A model for past cutoffs has seen nothing after the first of them, so that its backtest is honest. Nothing is trained
that no forecast of this run may use.
"""

from __future__ import annotations

import tempfile
import time
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pyarrow as pa

from jobs.engine.stage import Read, UnitStage
from jobs.engine.task import KernelResult
from jobs.stages.forecasting.forecasting_reads import (
    FESTIVALS,
    GROUPS,
    MODELS,
    WHOLE_HISTORY,
    KnownThen,
    batch_maker,
    history_of,
    known_then,
    say_what_is_drawn,
)
from jobs.stages.forecasting.model_archive import model_rows, pack
from jobs.stages.forecasting.training_plan import is_long_enough, tree_fits, trees_wanted
from lakehouse.schema.entities import CUTOFF
from lakehouse.schema.tables import contract
from udfs.forecasting.festival_adjusted import lifts_within
from udfs.forecasting.kernels.lift_table import LIFTS, lift_table
from udfs.forecasting.models.trees import tree_totals
from udfs.forecasting.models.trees.group_features import COLUMNS, GroupFeatures
from udfs.forecasting.models.trees.tree_spec import TreeSpec
from udfs.forecasting.weather_adjusted import TABLE as WEATHER_EFFECT
from udfs.forecasting.weather_adjusted import WeatherAdjusted

if TYPE_CHECKING:
    from jobs.context import RunContext


@dataclass(frozen=True, slots=True)
class TrainParameters:
    """`served`: by the cutoff of a fit those that it serves, oldest first."""

    served: Mapping[str, tuple[str, ...]]
    horizon: int
    max_history: int
    spec: TreeSpec
    then: KnownThen


def kernel(inputs: dict[str, pa.Table], parameters: TrainParameters, unit: str) -> KernelResult:
    """The trees of one fit, to the series of all buckets."""
    started = time.perf_counter()
    cutoff, horizon, spec = date.fromisoformat(unit), parameters.horizon, parameters.spec
    cutoffs = [date.fromisoformat(day) for day in parameters.served[unit]]
    whole_days = parameters.max_history + (cutoffs[-1] - cutoff).days
    batch = batch_maker(inputs, horizon, parameters.then)(history_of(inputs), cutoffs[-1], whole_days)
    days_back = [(cutoffs[-1] - day).days for day in cutoffs]
    known = batch.until(days_back[0])
    n_series = int(known.mask_ST.any(1).sum())
    if n_series < spec.least_series or not is_long_enough(known, horizon):
        none = {WEATHER_EFFECT: contract(WEATHER_EFFECT).empty(), LIFTS: lift_table(None, cutoff, inputs[FESTIVALS])}
        return KernelResult({MODELS: model_rows(MODELS)} | none)
    groups = GroupFeatures.from_arrow(inputs[GROUPS]) if spec.group_features else None
    model = tree_totals.fit(batch, horizon, spec, days_back, groups)
    with tempfile.TemporaryDirectory() as folder:
        tree_totals.save(model, Path(folder))
        row = ("trees", cutoff, n_series, pack(Path(folder)), time.perf_counter() - started)
    effects = contract(WEATHER_EFFECT).empty()
    if isinstance(model, WeatherAdjusted):
        effects = model.effects.rows(cutoff)
    lifts = lift_table(lifts_within(model), cutoff, inputs[FESTIVALS])
    return KernelResult({MODELS: model_rows(MODELS, row), LIFTS: lifts, WEATHER_EFFECT: effects}, ids=1)


def parameters(context: RunContext, _sums: Mapping[str, Any]) -> TrainParameters:
    settings, then = context.settings, known_then(context)
    say_what_is_drawn(context, "train")
    days = settings.forecast.max_history_days
    return TrainParameters(tree_fits(context), settings.horizon, days, settings.trees, then)


def _learnt_days(context: RunContext) -> tuple[date | None, date | None]:
    """From the first day that a series of the earliest fit may reach back to; no day where nobody wants them."""
    if not context.settings.trees.group_features:
        return context.as_of + timedelta(days=1), context.as_of
    fits = tree_fits(context)
    earliest = min((date.fromisoformat(day) for day in fits), default=context.as_of)
    return earliest - timedelta(days=context.settings.forecast.max_history_days), context.as_of


STAGE = UnitStage(
    name="train",
    version=8,
    unit=CUTOFF,
    units=trees_wanted,
    reads=(*WHOLE_HISTORY, Read(GROUPS, ("level", "group_name", "ds", *COLUMNS), days=_learnt_days)),
    writes=(MODELS, LIFTS, WEATHER_EFFECT),
    settings=("forecast", "trees", "horizon", "replays"),
    libraries=("lightgbm",),
    identity=tree_fits,
    kernel=kernel,
    parameters=parameters,
)
