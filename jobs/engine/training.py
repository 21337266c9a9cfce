"""Train a network on one or several workers with Ray Train; a training that was killed goes on where it was.

Workers map the series from disk, so nothing but paths and the spec passes through Ray. Every evaluation leaves a
checkpoint under `<storage>/<name>`; the same name asked for again continues from the newest, or returns what is
finished already.
"""

from __future__ import annotations

import os
import tempfile
from dataclasses import asdict
from pathlib import Path
from typing import Any

import ray
import torch
from ray import train
from ray.train.torch import TorchTrainer, get_device

from jobs.engine.runners.ray import let_go, start_ray
from jobs.settings import RaySettings
from lakehouse.errors import EngineError
from udfs.forecasting.models.networks.network_model import NetworkModel
from udfs.forecasting.models.networks.network_spec import NetworkSpec
from udfs.forecasting.models.networks.training import Checkpoint, Training, finished, fit
from udfs.forecasting.models.networks.training import Report as ReportPoint
from udfs.forecasting.models.networks.windows import NetworkSeries

_FILE = "training.pt"
_KEPT_CHECKPOINTS = 2
_LOOKS = "RAY_TRAIN_HEALTH_CHECK_INTERVAL_S"
"""How often Ray's controller takes what workers report, in seconds; a worker waits until its last report is taken."""


def train_network(
    series: Path,
    spec: NetworkSpec,
    storage: Path,
    name: str,
    settings: RaySettings | None = None,
    warm_start: Path | None = None,
) -> Training:
    """Train under `name`, from the beginning or from the newest checkpoint of that name.

    Args:
        series: folder that `NetworkSeries.save` wrote; every node must see it, as it must see `storage`.
        spec: what to train; its batch is shared out among the workers.
        storage: folder of all trainings.
        name: of this training; another spec or other series need another name.
        settings: `workers` (0 takes one), CPUs and GPUs of each, and how often a lost worker is replaced.
        warm_start: folder of an earlier model, saved by `NetworkModel.save`, to begin with.

    Raises:
        EngineError: the cluster cannot hold the workers at once.
        ray.train.TrainingFailedError: training failed in a worker; its cause says why.
    """
    settings = settings or RaySettings()
    os.environ.setdefault(_LOOKS, "0.1")  # Ray's 2 s are longer than a small network trains between two reports
    start_ray(settings)
    let_go()  # of workers that hold the cores
    workers = max(settings.workers, 1)
    _check_resources(settings, workers)
    trainer = TorchTrainer(
        _train,
        train_loop_config={
            "series": str(series.resolve()),
            "spec": asdict(spec),
            "warm_start": None if warm_start is None else str(warm_start.resolve()),
            "threads": max(1, int(settings.cpus_per_worker)),
        },
        scaling_config=train.ScalingConfig(
            num_workers=workers,
            use_gpu=settings.gpus_per_worker > 0,
            resources_per_worker=_share(settings),
        ),
        run_config=train.RunConfig(
            name=name,
            storage_path=str(storage.resolve()),
            checkpoint_config=train.CheckpointConfig(num_to_keep=_KEPT_CHECKPOINTS),
            failure_config=train.FailureConfig(max_failures=settings.max_restarts),
        ),
    )
    return finished(_read(trainer.fit().checkpoint))


def _train(config: dict[str, Any]) -> None:
    """The loop of one worker."""
    torch.set_num_threads(config["threads"])
    checkpoint, warm_start = train.get_checkpoint(), config["warm_start"]
    fit(
        NetworkSeries.load(Path(config["series"])),
        NetworkSpec(**config["spec"]),
        device=get_device(),
        warm_start=None if warm_start is None else NetworkModel.load(Path(warm_start)),
        resume=None if checkpoint is None else _read(checkpoint),
        on_checkpoint=_report,
    )


def _report(point: ReportPoint) -> None:
    """Hand the evaluation and, from the first worker, a checkpoint to Ray; all workers wait for each other here."""
    metrics = asdict(point.at)
    if train.get_context().get_world_rank() != 0:
        train.report(metrics)
        return
    with tempfile.TemporaryDirectory() as folder:
        torch.save(point.checkpoint(), Path(folder, _FILE))
        train.report(metrics, checkpoint=train.Checkpoint.from_directory(folder))


def _read(checkpoint: Any) -> Checkpoint:
    with checkpoint.as_directory() as folder:
        content: Checkpoint = torch.load(Path(folder, _FILE), map_location="cpu", weights_only=True)
    return content


def _share(settings: RaySettings) -> dict[str, float]:
    """What each worker asks for."""
    share = {"CPU": settings.cpus_per_worker}
    return share | {"GPU": settings.gpus_per_worker} if settings.gpus_per_worker else share


def _check_resources(settings: RaySettings, workers: int) -> None:
    """Ray would wait for ever for what the cluster does not have."""
    total = ray.cluster_resources()
    for what, each in _share(settings).items():
        if workers * each > total.get(what, 0):
            raise EngineError(
                f"{workers} training workers ask for {each:g} {what} each; the Ray cluster has "
                f"{total.get(what, 0):g}; lower ray.workers or ray.{what.lower()}s_per_worker, or join a larger "
                "cluster with ray.address"
            )
