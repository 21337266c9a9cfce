"""Train: trees that learn from all series together, one model per cutoff that they will be asked to forecast from.

A model for a past cutoff has seen nothing after it, so that its backtest is honest. Nothing is trained that no forecast
of this run may use.
"""

from __future__ import annotations

import tempfile
import time
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pyarrow as pa

from jobs.engine.stage import UnitStage
from jobs.engine.task import KernelResult
from jobs.stages.forecasting.forecasting_reads import MODELS, WHOLE_HISTORY, batch_maker, history_of
from jobs.stages.forecasting.model_archive import model_rows, pack
from jobs.stages.forecasting.training_plan import is_long_enough, trees_wanted
from lakehouse.schema.entities import CUTOFF
from udfs.forecasting.models.trees.tree_model import fit_trees
from udfs.forecasting.models.trees.tree_spec import TreeSpec

if TYPE_CHECKING:
    from jobs.context import RunContext


@dataclass(frozen=True, slots=True)
class TrainParameters:
    horizon: int
    max_history: int
    spec: TreeSpec


def kernel(inputs: dict[str, pa.Table], parameters: TrainParameters, unit: str) -> KernelResult:
    """The trees of one cutoff, fitted to the series of all buckets."""
    started = time.perf_counter()
    cutoff, horizon = date.fromisoformat(unit), parameters.horizon
    batch = batch_maker(inputs, horizon)(history_of(inputs), cutoff, parameters.max_history)
    if not is_long_enough(batch, horizon):
        return KernelResult({MODELS: model_rows(MODELS)})
    model = fit_trees(batch, horizon, parameters.spec)
    with tempfile.TemporaryDirectory() as folder:
        model.save(Path(folder))
        row = (model.name, cutoff, len(batch), pack(Path(folder)), time.perf_counter() - started)
    return KernelResult({MODELS: model_rows(MODELS, row)}, ids=len(batch))


def parameters(context: RunContext, _sums: Mapping[str, Any]) -> TrainParameters:
    settings = context.settings
    return TrainParameters(settings.horizon, settings.forecast.max_history_days, settings.trees)


STAGE = UnitStage(
    name="train",
    unit=CUTOFF,
    units=trees_wanted,
    reads=WHOLE_HISTORY,
    writes=(MODELS,),
    settings=("forecast", "trees", "horizon", "replays"),
    libraries=("lightgbm",),
    identity=trees_wanted,
    kernel=kernel,
    parameters=parameters,
)
