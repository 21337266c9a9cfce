"""Train: models that learn from all series together, one per cutoff that they will be asked to forecast from.

A model for a past cutoff has seen nothing after it, so that its backtest is honest. Trees are fitted by bucket tasks
whose units are cutoffs; networks by Ray Train, one after the other, each beginning with the last one's weights.
Nothing is trained that no forecast of this run may use.
"""

from __future__ import annotations

import tempfile
import time
from dataclasses import dataclass, replace
from datetime import date
from pathlib import Path
from typing import TYPE_CHECKING

import pyarrow as pa

from jobs.engine.drive import BucketStage, commit_units, run_bucket_stage
from jobs.engine.task import BucketTask, KernelResult, UnitResult
from jobs.stages.forecasting.earlier import earlier_summary
from jobs.stages.forecasting.model_archive import LOADERS, pack
from jobs.stages.forecasting.series_inputs import batch_maker, history_of, series_inputs
from jobs.stages.forecasting.series_inputs import cutoffs as forecast_cutoffs
from lakehouse.delta.files import read_bucket, write_bucket
from lakehouse.delta.ledger import StageRecord
from lakehouse.schema.tables import contract
from udfs.forecasting.forecast_spec import ForecastSpec
from udfs.forecasting.kernels.backtest_bucket import contest
from udfs.forecasting.models.networks.network_spec import BLOCKS
from udfs.forecasting.models.networks.windows import NetworkSeries
from udfs.forecasting.models.trees.tree_model import fit_trees
from udfs.forecasting.models.trees.tree_spec import TreeSpec
from udfs.series.sku_batch import SkuBatch

if TYPE_CHECKING:
    from jobs.context import RunContext

MODELS = "forecast.model"
LOOK_BACK_DAYS = 28
"""Days that a series needs before the first day learnt; a shorter history trains no model."""


@dataclass(frozen=True, slots=True)
class TrainParameters:
    """`cutoffs` are the units: unit k trains for the k-th."""

    cutoffs: tuple[date, ...]
    horizon: int
    max_history: int
    spec: TreeSpec


def kernel(inputs: dict[str, pa.Table], parameters: TrainParameters, unit: int) -> KernelResult:
    """The trees of one cutoff, fitted to the series of all buckets."""
    started = time.perf_counter()
    cutoff, horizon = parameters.cutoffs[unit], parameters.horizon
    batch = batch_maker(inputs, horizon)(history_of(inputs), cutoff, parameters.max_history)
    if not is_long_enough(batch, horizon):
        return KernelResult({MODELS: contract(MODELS).arrow_schema(with_partitions=False).empty_table()})
    model = fit_trees(batch, horizon, parameters.spec)
    with tempfile.TemporaryDirectory() as folder:
        model.save(Path(folder))
        row = _model_row(model.name, cutoff, len(batch), pack(Path(folder)), time.perf_counter() - started)
    return KernelResult({MODELS: row}, series=len(batch))


def wanted(spec: ForecastSpec, earlier: pa.Table | None = None) -> list[str]:
    """The models to train: candidates within the budget on rungs that pay, or the one model asked for.

    earlier: the class summary of an earlier run; None knows nothing, and gives every rung the chance to show. A class
    of demand that no series had then is no reason to train.
    """
    if spec.model != "auto":
        return [spec.model] if spec.model in LOADERS else []
    candidates = contest(spec, earlier)
    seen = set(candidates) if earlier is None else set(earlier["demand_class"].to_pylist())
    return [name for name in LOADERS if any(name in names for c, names in candidates.items() if c in seen)]


def cutoffs(context: RunContext) -> tuple[date, ...]:
    """Those of the forecasts to come and of the backtest windows before each of them, oldest first."""
    spec, horizon = context.settings.forecast, context.settings.horizon
    made = forecast_cutoffs(context)
    return tuple(sorted({*made, *(day for last in made for day in spec.backtest().cutoffs(last, horizon))}))


def main(context: RunContext, fingerprint: str) -> StageRecord:
    """Train what the settings ask for; nothing where only local models compete."""
    context.lakehouse.ensure(MODELS, context.spark if context.lakehouse.catalog else None)
    names = wanted(context.settings.forecast, earlier_summary(context))
    records = []
    if "trees" in names:
        records.append(_train_trees(context, fingerprint))
    records += [_train_network(context, name, fingerprint) for name in names if name in BLOCKS]
    return StageRecord("succeeded", rows=sum(r.rows for r in records), series=max([0, *(r.series for r in records)]))


def _train_trees(context: RunContext, fingerprint: str) -> StageRecord:
    settings = context.settings
    days = cutoffs(context)
    task = BucketTask(
        stage="train",
        run_id=context.run.run_id,
        inputs=series_inputs(context, whole=True),
        kernel=kernel,
        parameters=TrainParameters(days, settings.horizon, settings.forecast.max_history_days, settings.trees),
        outputs=((MODELS, context.lakehouse.uri(MODELS)),),
        is_numbered=True,
    )
    stage = BucketStage(task, range(len(days)), settings.runner.train, fingerprint)
    return run_bucket_stage(context, stage)


def _train_network(context: RunContext, block: str, fingerprint: str) -> StageRecord:
    """Train a network for every cutoff, oldest first, each beginning with the weights of the one before.

    A training that was killed goes on from its last checkpoint; one that is done is not begun again.
    """
    from jobs.engine.training import train_network

    settings, days = context.settings, cutoffs(context)
    spec = replace(settings.network, block=block, horizon=settings.horizon)
    inputs = {pinned.name: read_bucket(pinned, 0) for pinned in series_inputs(context, whole=True)}
    make, history = batch_maker(inputs, settings.horizon), history_of(inputs)
    storage = _training_folder(context)
    done = {} if context.force else context.ledger.done_buckets("train", fingerprint)
    first_unit = 1000 * (1 + BLOCKS.index(block))  # other numbers than those of trees and of other blocks
    earlier, n_series, trained = None, 0, 0
    for unit, cutoff in enumerate(days, start=first_unit):
        started = time.perf_counter()
        batch = make(history, cutoff, settings.forecast.max_history_days)
        folder = storage / f"{block}-{cutoff}-{fingerprint}"
        if unit not in done and is_long_enough(batch, settings.horizon):
            series = NetworkSeries.from_batch(batch)
            series.save(folder / "series")
            model = train_network(folder / "series", spec, storage, f"{folder.name}-run", settings.ray, earlier).model
            model.save(folder / "model")
            row = _model_row(block, cutoff, len(batch), pack(folder / "model"), time.perf_counter() - started)
            _commit_model(context, unit, row, fingerprint)
            context.progress.say(f"  train: {block} for {cutoff}, {time.perf_counter() - started:.0f} s")
            n_series, trained = max(n_series, len(batch)), trained + 1
        earlier = folder / "model" if (folder / "model").exists() else earlier
    return StageRecord("succeeded", rows=trained, series=n_series)


def is_long_enough(batch: SkuBatch, horizon: int) -> bool:
    """Whether there are days to learn from: a look-back before the horizon learnt and the one held out."""
    return bool(batch.mask_ST[:, : -(2 * horizon + LOOK_BACK_DAYS)].any())


def _training_folder(context: RunContext) -> Path:
    """Where networks keep checkpoints: as `conf` says, else in a local lakehouse, else in a temporary folder."""
    if context.settings.ray.training_dir:
        return Path(context.settings.ray.training_dir) / context.run.run_id
    base = Path(context.lakehouse.base) if context.lakehouse.is_local else Path(tempfile.gettempdir())
    return base / ".training" / context.run.run_id


def _model_row(model: str, cutoff: date, n_series: int, artifact: str, seconds: float) -> pa.Table:
    schema = contract(MODELS).arrow_schema(with_partitions=False)
    row = {"model": model, "cutoff": cutoff, "series": n_series, "artifact": artifact, "seconds": seconds}
    return pa.Table.from_pylist([row], schema=schema)


def _commit_model(context: RunContext, unit: int, row: pa.Table, fingerprint: str) -> None:
    """What a bucket task's commit is, for a unit that the driver itself has seen to."""
    uri = context.lakehouse.uri(MODELS)
    task = BucketTask("train", context.run.run_id, (), kernel, None, ((MODELS, uri),), is_numbered=True)
    file = write_bucket(MODELS, uri, row, {"run_id": context.run.run_id, "bucket": str(unit)})
    result = UnitResult(unit, () if file is None else (file,), series=row["series"][0].as_py())
    commit_units(context, BucketStage(task, (unit,), "local", fingerprint), [result])
