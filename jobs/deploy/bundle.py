"""A Databricks bundle: the job of all stages, its clusters and schedule, and a target for each engine."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

from jobs.deploy.cron import quartz
from jobs.deploy.deploy_settings import DeploySettings
from jobs.deploy.plan import NAME, Request, Task, tasks_of
from jobs.engine.stage import Stage, UnitStage
from lakehouse.errors import ConfigError

FILES = "${workspace.file_path}"
"""Where the bundle's own files lie once it is deployed."""

_MAIN, _GPU = "main", "gpu"
_PARAMETERS = ("source", "input", "lakehouse", "as_of")


def bundle_of(stages: Sequence[Stage], request: Request, settings: DeploySettings) -> dict[str, Any]:
    """The bundle as plain values. `request.as_of` does not count: the time of the trigger says it.

    Raises ConfigError where Quartz cannot say when the schedule is to run.
    """
    source, folder, lakehouse, as_of = (f"{{{{job.parameters.{name}}}}}" for name in _PARAMETERS)
    sets = (*request.set, "${var.engines}")
    told = Request(source, folder, lakehouse, as_of, conf=request.conf, set=sets)
    defaults = (request.source, request.input, request.lakehouse, _as_of(settings))
    has_gpu = bool(settings.gpu_node_type)
    job: dict[str, Any] = {
        "name": NAME,
        "max_concurrent_runs": 1,
        "schedule": _schedule(settings),
        "parameters": [{"name": n, "default": d} for n, d in zip(_PARAMETERS, defaults, strict=True)],
        "job_clusters": _clusters(settings),
        "tasks": [_task(task, _GPU if has_gpu and task.needs.gpu else _MAIN) for task in tasks_of(stages, told)],
    }
    if settings.emails:
        job["email_notifications"] = {"on_failure": list(settings.emails)}
    engines = {"spark": on_spark(stages), "ray": "ray={on_spark=true}"}
    return {
        "bundle": {"name": NAME},
        "variables": _variables(settings),
        "resources": {"jobs": {NAME: job}},
        "targets": {
            name: {"variables": {"engines": value}} | ({"default": True} if name == "spark" else {})
            for name, value in engines.items()
        },
    }


def _as_of(settings: DeploySettings) -> str:
    return f"{{{{job.trigger.time.iso_datetime}}}}[{settings.timezone}]"


def on_spark(stages: Iterable[Stage]) -> str:
    """The setting by which every stage that can choose runs on Spark."""
    units = (stage for stage in stages if isinstance(stage, UnitStage) and not stage.keeps_engine)
    chosen = ", ".join(f'{stage.name}="spark"' for stage in units if stage.engine != "local")
    return f"runner={{{chosen}}}"


def _schedule(settings: DeploySettings) -> dict[str, Any]:
    try:
        line = quartz(settings.cron)
    except ValueError as error:
        raise ConfigError(f"deploy.cron: {error}") from None
    return {"quartz_cron_expression": line, "timezone_id": settings.timezone, "pause_status": "UNPAUSED"}


def _variables(settings: DeploySettings) -> dict[str, Any]:
    node_type: dict[str, Any] = {"description": "type of the clusters' machines, by the cloud's own name"}
    if settings.node_type:
        node_type["default"] = settings.node_type
    return {
        "node_type": node_type,
        "engines": {"description": "a setting: what runs the stages of buckets; each target has its own"},
    }


def _clusters(settings: DeploySettings) -> list[dict[str, Any]]:
    """Dedicated access: a shared cluster's sessions have no SparkContext, which both engines need."""
    shared = {"num_workers": settings.workers, "data_security_mode": "SINGLE_USER"}
    main = {"spark_version": settings.runtime, "node_type_id": "${var.node_type}", **shared}
    gpu = {
        "spark_version": settings.runtime.replace("-cpu-ml-", "-gpu-ml-"),
        "node_type_id": settings.gpu_node_type,
        **shared,
    }
    clusters = {_MAIN: main} | ({_GPU: gpu} if settings.gpu_node_type else {})
    return [{"job_cluster_key": key, "new_cluster": cluster} for key, cluster in clusters.items()]


def _task(task: Task, cluster: str) -> dict[str, Any]:
    return {
        "task_key": task.name,
        "depends_on": [{"task_key": name} for name in task.waits_for],
        "job_cluster_key": cluster,
        "max_retries": task.needs.retries,
        "retry_on_timeout": False,
        "timeout_seconds": task.timeout_minutes * 60,
        "python_wheel_task": {"package_name": NAME, "entry_point": NAME, "parameters": list(task.arguments)},
        "libraries": [{"whl": "./dist/*.whl"}, {"requirements": f"{FILES}/requirements.txt"}],
    }
