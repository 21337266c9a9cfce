"""Unit tasks on Ray: actors on CPUs or (fractional) GPUs that open the unit's files themselves."""

from __future__ import annotations

import contextlib
import logging
import os
import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import ray
from ray.exceptions import RayError

from jobs.engine.runners.core_share import keep_to_cores
from jobs.engine.task import UnitResult, UnitTask, execute_caught
from jobs.engine.warm_up import wait_for
from jobs.settings import RaySettings
from lakehouse.delta.uri import given_options
from lakehouse.errors import EngineError


class UnitWorker:
    """Runs tasks on the units it is given, within its share of the cores; its process imports the models once.

    Its constructor gets no task: a restarted actor looks for large arguments in vain, for Ray drops them.
    """

    def __init__(self, cores: float) -> None:
        self._cores = cores
        self._held: tuple[str, UnitTask] | None = None

    def run(self, shared: list[Any], unit: str) -> UnitResult:
        """`shared` holds the reference of the task, which is fetched once."""
        name = shared[0].hex()
        if self._held is None or self._held[0] != name:
            self._held = (name, ray.get(shared[0]))
            keep_to_cores(self._cores)  # after the task, whose kernel may have loaded torch
        return execute_caught(self._held[1], unit)

    def process(self) -> int:
        return os.getpid()


@dataclass(frozen=True, slots=True)
class _Hired:
    """An actor, and a reference of the process that it began in: in another one it has been restarted since."""

    actor: Any
    first_process: Any


_idle: dict[tuple[Any, ...], list[_Hired]] = {}
"""Actors that a stage has left for the next one, by what they were asked for: to start one takes seconds."""


@dataclass(frozen=True, slots=True)
class RayRunner:
    """Runs units on a pool of actors. A lost actor is restarted, its unit tried again, as often as `conf` says.

    Actors that came to no harm stay for the next task, until `let_go`.
    """

    settings: RaySettings

    def run(self, task: UnitTask, units: Sequence[str]) -> Iterator[UnitResult]:
        if not units:
            return
        start_ray(self.settings)
        idle = _idle.pop(self._kind(), [])
        let_go()  # others hold what these may need
        workers = min(self._worker_count(), len(units))
        pool, spare, unharmed = idle[:workers], idle[workers:], list[_Hired]()
        try:
            pool += [self._hire() for _ in range(workers - len(pool))]
            # A reference that this process holds to the end, in a list so that Ray passes it on.
            shared = [ray.put(task)]
            wait_for(task.stage)  # meanwhile the workers start
            yield from self._drain(pool, shared, list(units))
            unharmed = _unharmed(pool)
        finally:
            # A stage that is left early leaves units at work behind.
            for hired in (each for each in pool if each not in unharmed):
                ray.kill(hired.actor)
            _idle[self._kind()] = [*unharmed, *spare]

    def _kind(self) -> tuple[Any, ...]:
        asked = self.settings.model_dump(
            include={"cpus_per_worker", "gpus_per_worker", "max_restarts", "max_task_retries"}
        )
        here = ray.get_runtime_context()
        return (here.gcs_address, here.get_job_id(), *asked.values())

    def _hire(self) -> _Hired:
        remote_class = ray.remote(
            num_cpus=self.settings.cpus_per_worker,
            num_gpus=self.settings.gpus_per_worker,
            max_restarts=self.settings.max_restarts,
            max_task_retries=self.settings.max_task_retries,
        )(UnitWorker)
        actor: Any = remote_class.remote(self.settings.cpus_per_worker)
        return _Hired(actor, actor.process.remote())

    def _drain(self, pool: list[_Hired], shared: list[Any], units: list[str]) -> Iterator[UnitResult]:
        """Keep each actor of the pool on one unit; hand the next to whoever is done.

        A unit that kills its worker for good costs itself: a new worker takes the place of the dead one, which
        would otherwise fail every unit it is handed, at once.
        """
        waiting = units[::-1]
        running = {}
        for slot in range(len(pool)):
            unit = waiting.pop()
            running[pool[slot].actor.run.remote(shared, unit)] = (slot, unit)
        while running:
            (done,), _ = ray.wait(list(running), num_returns=1)
            slot, unit = running.pop(done)
            try:
                result = ray.get(done)
            except RayError as error:  # the worker died more often than it may be restarted
                result = UnitResult(unit, error_class=type(error).__name__, error=_first_line(error))
                ray.kill(pool[slot].actor)
                pool[slot] = self._hire()
            yield result
            if waiting:
                unit = waiting.pop()
                running[pool[slot].actor.run.remote(shared, unit)] = (slot, unit)

    def _worker_count(self) -> int:
        """Workers asked for, bounded by what the cluster can hold at once; an impossible request is refused."""
        fits = sum(self._fits_on(node["Resources"]) for node in ray.nodes() if node["Alive"])
        if fits < 1:
            total = ray.cluster_resources()
            raise EngineError(
                f"a worker asks for {self.settings.cpus_per_worker} CPU and {self.settings.gpus_per_worker} GPU; no "
                f"node of the Ray cluster has both (all nodes together: {total.get('CPU', 0)} CPU and "
                f"{total.get('GPU', 0)} GPU); lower ray.cpus_per_worker or ray.gpus_per_worker, or join a larger "
                "cluster with ray.address"
            )
        return min(self.settings.workers, fits) if self.settings.workers else fits

    def _fits_on(self, resources: dict[str, float]) -> int:
        """Workers that fit on one node: a worker never spans nodes, nor does a fraction of a GPU span GPUs."""
        fits = int(resources.get("CPU", 0) / self.settings.cpus_per_worker + 1e-9)
        share = self.settings.gpus_per_worker
        if not share:
            return fits
        gpus = int(resources.get("GPU", 0))
        return min(fits, gpus * int(1 / share + 1e-9) if share < 1 else int(gpus / share + 1e-9))


_is_on_spark = False
"""Whether the cluster in use is one that was started here on Spark's machines."""


def let_go() -> None:
    """End the actors that were left for a next task: what comes needs their cores or their memory."""
    if ray.is_initialized():
        for hired in (hired for kind in _idle.values() for hired in kind):
            ray.kill(hired.actor)
    _idle.clear()


def _unharmed(pool: Sequence[_Hired]) -> list[_Hired]:
    """Those that run in the process that they began in, with all the restarts that they were promised."""
    return [hired for hired in pool if _answers(hired.actor.process.remote()) == _answers(hired.first_process)]


def _answers(reference: Any) -> object:
    try:
        return ray.get(reference)
    except RayError:
        return object()  # equals nothing


def _first_line(error: Exception) -> str:
    lines = str(error).strip().splitlines()
    return lines[0] if lines else "the worker died without a message"


def start_ray(settings: RaySettings) -> None:
    """Join the Ray cluster that `conf` names, or start one here; nothing to do when one is up already."""
    if ray.is_initialized():
        return
    os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")
    address = _on_spark(settings) if settings.on_spark else settings.address
    if address:
        # The cluster's processes do not inherit this one's environment.
        store = {"env_vars": given_options()} if given_options() else None
        ray.init(address=address, log_to_driver=False, runtime_env=store)
        return
    with _working_folder():
        ray.init(
            address="local",  # not whatever cluster runs on this machine or RAY_ADDRESS names: conf alone decides
            include_dashboard=False,
            log_to_driver=False,
            object_store_memory=settings.object_store_mb * 2**20,
            configure_logging=True,
            logging_level=logging.ERROR,
        )


def _on_spark(settings: RaySettings) -> str:
    """Start a Ray node on each machine of the Spark cluster, with all of its cores; returns the cluster's address."""
    from pyspark.sql import SparkSession
    from ray.util.spark import MAX_NUM_WORKER_NODES, setup_ray_cluster

    spark = SparkSession.getActiveSession()
    if spark is None:
        raise EngineError("ray.on_spark needs a Spark session, found none; run it where a platform has started one")
    context = spark.sparkContext
    master = str(context.master)
    if master == "local" or master.startswith("local["):
        raise EngineError(f"ray.on_spark needs a Spark cluster, found {master}; without it Ray starts here")
    if find_spec("grpc") is None:
        raise EngineError("ray.on_spark needs grpcio, found none; install ray[client]")
    # Ray looks for its own command by PATH, which an environment that is not activated does not lead.
    here, path = str(Path(sys.executable).parent), os.environ.get("PATH", "")
    if path.split(os.pathsep)[0] != here:  # each change from Spark's stages to Ray's comes by here
        os.environ["PATH"] = os.pathsep.join([here, path])
    # A token in this user's home would lock the head: the other machines do not have it. Who has put it there says so.
    os.environ.setdefault("RAY_AUTH_MODE", "disabled")
    context.parallelize([0], 1).count()  # machines that have not answered yet would not be counted
    setup_ray_cluster(max_worker_nodes=MAX_NUM_WORKER_NODES, **_worker_node(context, settings))
    global _is_on_spark
    _is_on_spark = True
    return os.environ["RAY_ADDRESS"]


def _worker_node(context: Any, settings: RaySettings) -> dict[str, Any]:
    """What a Ray node takes of a machine: all that an executor has; nothing is said where Spark does not say it."""
    cores = context.getConf().get("spark.executor.cores")
    if cores is None:
        return {}
    gpus = context.getConf().get("spark.executor.resource.gpu.amount", "0") if settings.gpus_per_worker else "0"
    return {"num_cpus_worker_node": int(cores), "num_gpus_worker_node": int(gpus)}


def leave_spark() -> None:
    """End the Ray cluster that was started on Spark's machines: it holds every core that Spark's stages need."""
    global _is_on_spark
    if _is_on_spark:
        from ray.util.spark import shutdown_ray_cluster

        ray.shutdown()
        shutdown_ray_cluster()
        _is_on_spark = False


def _working_folder() -> contextlib.AbstractContextManager[None]:
    """Where Ray starts: its workers look for modules there first, so an unsafe folder is left for that moment."""
    is_unsafe = sys.flags.safe_path or os.environ.get("PYTHONSAFEPATH")
    return contextlib.chdir(Path(sys.executable).parent) if is_unsafe else contextlib.nullcontext()
