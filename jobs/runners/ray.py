"""Bucket tasks on Ray: actors on CPUs or (fractional) GPUs that open the bucket's files themselves."""

from __future__ import annotations

import logging
import os
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import ray
from ray.exceptions import RayError

from jobs.bucket_task import BucketTask, UnitResult, execute_caught
from jobs.settings import RaySettings
from lakehouse.errors import EngineError


class BucketWorker:
    """Holds a task and runs it on the buckets it is given; its process imports the models once."""

    def __init__(self, task: BucketTask) -> None:
        import torch

        torch.set_num_threads(1)  # one worker per core: threads would fight, and reductions would change their order
        self._task = task

    def run(self, bucket: int) -> UnitResult:
        return execute_caught(self._task, bucket)


@dataclass(frozen=True, slots=True)
class RayRunner:
    """Runs buckets on a pool of actors. A lost actor is restarted, its bucket tried again, as often as `conf` says."""

    settings: RaySettings

    def run(self, task: BucketTask, buckets: Sequence[int]) -> Iterator[UnitResult]:
        if not buckets:
            return
        start_ray(self.settings)
        workers = min(self._worker_count(), len(buckets))
        remote_class = ray.remote(
            num_cpus=self.settings.cpus_per_worker,
            num_gpus=self.settings.gpus_per_worker,
            max_restarts=self.settings.max_restarts,
            max_task_retries=self.settings.max_task_retries,
        )(BucketWorker)
        # By value: an argument in the object store may be gone when an actor is restarted.
        actors: list[Any] = [remote_class.remote(task) for _ in range(workers)]
        try:
            yield from self._drain(actors, list(buckets))
        finally:
            for actor in actors:
                ray.kill(actor)

    def _drain(self, actors: list[Any], buckets: list[int]) -> Iterator[UnitResult]:
        """Keep each actor on one bucket; hand the next to whoever is done."""
        waiting = buckets[::-1]
        running = {}
        for actor in actors:
            bucket = waiting.pop()
            running[actor.run.remote(bucket)] = (actor, bucket)
        while running:
            (done,), _ = ray.wait(list(running), num_returns=1)
            actor, bucket = running.pop(done)
            try:
                yield ray.get(done)
            except RayError as error:  # the worker died more often than it may be restarted
                yield UnitResult(bucket, error_class=type(error).__name__, error=str(error).strip().splitlines()[0])
            if waiting:
                bucket = waiting.pop()
                running[actor.run.remote(bucket)] = (actor, bucket)

    def _worker_count(self) -> int:
        """Workers asked for, bounded by what the cluster can hold at once; an impossible request is refused."""
        resources = ray.cluster_resources()
        fits = int(resources.get("CPU", 0) / self.settings.cpus_per_worker + 1e-9)
        if self.settings.gpus_per_worker:
            fits = min(fits, int(resources.get("GPU", 0) / self.settings.gpus_per_worker + 1e-9))
        if fits < 1:
            raise EngineError(
                f"a worker asks for {self.settings.cpus_per_worker} CPU and {self.settings.gpus_per_worker} GPU, but "
                f"the Ray cluster has {resources.get('CPU', 0)} CPU and {resources.get('GPU', 0)} GPU; lower "
                "ray.cpus_per_worker or ray.gpus_per_worker, or join a larger cluster with ray.address"
            )
        return min(self.settings.workers, fits) if self.settings.workers else fits


def start_ray(settings: RaySettings) -> None:
    """Join the Ray cluster that `conf` names, or start one here; nothing to do when one is up already."""
    if ray.is_initialized():
        return
    os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")
    if settings.address:
        ray.init(address=settings.address, log_to_driver=False)
        return
    ray.init(
        include_dashboard=False,
        log_to_driver=False,
        object_store_memory=settings.object_store_mb * 2**20,
        configure_logging=True,
        logging_level=logging.ERROR,
    )
