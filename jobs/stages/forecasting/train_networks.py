"""Train networks: LSTM, GRU and Transformer by Ray Train, each cutoff beginning with the weights of the one before.

A training that was killed goes on from its last checkpoint. Units run in this process, since Ray Train spreads the work
of each over its own workers.
"""

from __future__ import annotations

import tempfile
import time
from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import date
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pyarrow as pa

from jobs.engine.stage import Needs, UnitStage
from jobs.engine.task import KernelResult
from jobs.stages.forecasting.forecasting_reads import (
    NETWORKS,
    WHOLE_HISTORY,
    KnownThen,
    batch_maker,
    history_of,
    known_then,
    say_what_is_drawn,
)
from jobs.stages.forecasting.model_archive import model_rows, pack
from jobs.stages.forecasting.training_plan import fitted_as, is_long_enough, networks_wanted, wanted
from lakehouse.errors import ConfigError
from lakehouse.schema.entities import CUTOFF
from udfs.forecasting.models.networks.network_spec import NetworkSpec
from udfs.forecasting.models.networks.windows import NetworkSeries
from udfs.series.sku_batch import SkuBatch

if TYPE_CHECKING:
    from jobs.context import RunContext
    from jobs.settings import RaySettings


@dataclass(frozen=True, slots=True)
class NetworkParameters:
    """`storage`: folder of all trainings of this run; `attempt` names those of this try."""

    horizon: int
    max_history: int
    spec: NetworkSpec
    blocks: tuple[str, ...]
    storage: Path
    attempt: str
    ray: RaySettings
    then: KnownThen


def kernel(inputs: dict[str, pa.Table], parameters: NetworkParameters, unit: str) -> KernelResult:
    """The networks of one cutoff, trained on the series of all buckets."""
    cutoff, horizon = date.fromisoformat(unit), parameters.horizon
    batch = batch_maker(inputs, horizon, parameters.then)(history_of(inputs), cutoff, parameters.max_history)
    if not is_long_enough(batch, horizon):
        return KernelResult({NETWORKS: model_rows(NETWORKS)})
    rows = [_train(batch, cutoff, block, parameters) for block in parameters.blocks]
    return KernelResult({NETWORKS: model_rows(NETWORKS, *rows)}, ids=1)


def _train(
    batch: SkuBatch, cutoff: date, block: str, parameters: NetworkParameters
) -> tuple[str, date, int, Any, float]:
    from jobs.engine.training import train_network

    started = time.perf_counter()
    folder = parameters.storage / f"{block}-{cutoff}-{parameters.attempt}"
    series = NetworkSeries.from_batch(batch)
    series.save(folder / "series")
    spec = replace(parameters.spec, block=block, horizon=parameters.horizon)
    name, earlier = f"{folder.name}-run", _earlier(cutoff, block, parameters)
    train_network(folder / "series", spec, parameters.storage, name, parameters.ray, earlier).model.save(
        folder / "model"
    )
    return block, cutoff, len(batch), pack(folder / "model"), time.perf_counter() - started


def _earlier(cutoff: date, block: str, parameters: NetworkParameters) -> Path | None:
    """The folder of the model of the latest cutoff before, to begin with its weights."""
    prefix, suffix = f"{block}-", f"-{parameters.attempt}"
    days = [
        path.name.removeprefix(prefix).removesuffix(suffix)
        for path in parameters.storage.glob(f"{prefix}*{suffix}")
        if (path / "model").exists()
    ]
    before = [day for day in days if day < cutoff.isoformat()]
    return parameters.storage / f"{prefix}{max(before)}{suffix}" / "model" if before else None


def parameters(context: RunContext, _sums: Mapping[str, Any]) -> NetworkParameters:
    settings = context.settings
    say_what_is_drawn(context, "train_networks")
    return NetworkParameters(
        settings.horizon,
        settings.forecast.max_history_days,
        settings.network,
        fitted_as("network", wanted(context)),
        _training_folder(context),
        context.attempt(),
        settings.ray,
        known_then(context),
    )


def _training_folder(context: RunContext) -> Path:
    """Where networks keep checkpoints: as `conf` says, else in a local lakehouse, else in this machine's own folder.

    Raises ConfigError where the workers may be on other machines, which would not see that folder.
    """
    settings = context.settings.ray
    if settings.training_dir:
        return Path(settings.training_dir) / context.run.run_id
    if context.lakehouse.is_local:
        return Path(context.lakehouse.base) / ".training" / context.run.run_id
    if (settings.address or settings.on_spark) and networks_wanted(context):
        where = f"at {settings.address}" if settings.address else "on Spark"
        raise ConfigError(
            f"training on the Ray cluster {where} needs a folder that every node sees, since the lakehouse "
            f"{context.lakehouse.base} is none: set ray.training_dir to one, such as a mounted volume"
        )
    return Path(tempfile.gettempdir()) / "shelfcast-training" / context.run.run_id


STAGE = UnitStage(
    name="train_networks",
    version=3,
    unit=CUTOFF,
    engine="local",
    keeps_engine=True,
    units=networks_wanted,
    reads=WHOLE_HISTORY,
    writes=(NETWORKS,),
    settings=("forecast", "network", "horizon", "replays"),
    libraries=("torch",),
    identity=networks_wanted,
    kernel=kernel,
    parameters=parameters,
    commit_every=1,
    needs=Needs(timeout_minutes=720, gpu=True),
)
