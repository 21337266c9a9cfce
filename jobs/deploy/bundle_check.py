"""What Databricks would refuse in a bundle, or accept and then not run: said before it is deployed."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from graphlib import CycleError, TopologicalSorter
from typing import Any
from zoneinfo import available_timezones

from jobs.deploy.cron import check_quartz
from lakehouse.errors import ConfigError

_CLUSTER = {
    "spark_version!": str,
    "node_type_id!": str,
    "num_workers!": int,
    "data_security_mode!": {"SINGLE_USER", "DATA_SECURITY_MODE_DEDICATED"},
}
_TASK = {
    "task_key!": str,
    "depends_on": [{"task_key!": str}],
    "job_cluster_key!": str,
    "max_retries": int,
    "retry_on_timeout": bool,
    "timeout_seconds": int,
    "python_wheel_task!": {"package_name!": str, "entry_point!": str, "parameters": [str]},
    "libraries": [{"whl": str, "requirements": str}],
}
_JOB = {
    "name!": str,
    "max_concurrent_runs": int,
    "schedule": {"quartz_cron_expression!": str, "timezone_id!": str, "pause_status": {"PAUSED", "UNPAUSED"}},
    "email_notifications": {"on_failure": [str]},
    "parameters": [{"name!": str, "default!": str}],
    "job_clusters!": [{"job_cluster_key!": str, "new_cluster!": _CLUSTER}],
    "tasks!": [_TASK],
}
"""The fields that a job of ours has; `!` marks those that it must have."""

_VARIABLE = re.compile(r"\$\{var\.(\w+)\}")
_PARAMETER = re.compile(r"\{\{job\.parameters\.(\w+)\}\}")


def check_bundle(bundle: Mapping[str, Any]) -> None:
    """Raise ConfigError that tells all that is wrong with the bundle's jobs, each with its place."""
    faults = [fault for name, job in bundle["resources"]["jobs"].items() for fault in _faults(f"jobs.{name}", job)]
    declared = set(bundle.get("variables", {}))
    unknown = set(_VARIABLE.findall(str(bundle["resources"]))) - declared
    faults += [f"expected a variable that is declared ({_listed(declared)}), found {name}" for name in sorted(unknown)]
    for target, values in bundle.get("targets", {}).items():
        for name in sorted(set(values.get("variables", {})) - declared):
            faults.append(f"targets.{target}: expected a variable that is declared, found {name}")
    if faults:
        raise ConfigError(f"the bundle is not valid: {'; '.join(faults)}")


def _faults(place: str, job: Any) -> list[str]:
    """Of the form; where that holds, of what refers to what."""
    return list(_form(place, job, _JOB)) or [*_references(place, job), *_times(place, job)]


def _form(place: str, value: Any, shape: Any) -> Iterator[str]:
    if isinstance(shape, dict):
        yield from _table(place, value, shape)
    elif isinstance(shape, list):
        if not isinstance(value, list):
            yield f"{place}: expected a list, found {value!r}"
        for number, inner in enumerate(value if isinstance(value, list) else []):
            yield from _form(f"{place}[{number}]", inner, shape[0])
    elif isinstance(shape, set):
        if value not in shape:
            yield f"{place}: expected {_listed(shape)}, found {value!r}"
    elif type(value) is not shape:
        yield f"{place}: expected {shape.__name__}, found {value!r}"


def _table(place: str, value: Any, shape: Mapping[str, Any]) -> Iterator[str]:
    if not isinstance(value, dict):
        yield f"{place}: expected a table, found {value!r}"
        return
    known = {key.rstrip("!"): inner for key, inner in shape.items()}
    for key in value:
        if key not in known:
            yield f"{place}: expected one of {_listed(known)}, found {key}"
        else:
            yield from _form(f"{place}.{key}", value[key], known[key])
    for key in shape:
        if key.endswith("!") and key[:-1] not in value:
            yield f"{place}: expected {key[:-1]}, found none"


def _references(place: str, job: Mapping[str, Any]) -> Iterator[str]:
    tasks = {task["task_key"]: task for task in job["tasks"]}
    clusters = [cluster["job_cluster_key"] for cluster in job["job_clusters"]]
    parameters = {parameter["name"] for parameter in job.get("parameters", [])}
    for names, what in ((clusters, "job_cluster_key"), ([task["task_key"] for task in job["tasks"]], "task_key")):
        if twice := sorted({name for name in names if names.count(name) > 1}):
            yield f"{place}: expected each {what} once, found {_listed(twice)} again"
    graph = {}
    for key, task in tasks.items():
        graph[key] = [each["task_key"] for each in task.get("depends_on", [])]
        for name in (name for name in graph[key] if name not in tasks):
            yield f"{place}.{key}.depends_on: expected a task of the job ({_listed(tasks)}), found {name}"
        if task["job_cluster_key"] not in clusters:
            yield f"{place}.{key}: expected a job_cluster_key of {_listed(clusters)}, found {task['job_cluster_key']}"
        for name in sorted(set(_PARAMETER.findall(str(task))) - parameters):
            yield f"{place}.{key}: expected a parameter of the job ({_listed(parameters)}), found {name}"
    try:
        TopologicalSorter(graph).prepare()
    except CycleError as error:
        yield f"{place}: tasks wait for each other: {' -> '.join(error.args[1])}"


def _times(place: str, job: Mapping[str, Any]) -> Iterator[str]:
    schedule = job.get("schedule")
    if schedule is None:
        return
    try:
        check_quartz(schedule["quartz_cron_expression"])
    except ValueError as error:
        yield f"{place}.schedule: {error}"
    if schedule["timezone_id"] not in available_timezones():
        yield f"{place}.schedule: expected a time zone such as Europe/Berlin, found {schedule['timezone_id']}"


def _listed(names: Any) -> str:
    return ", ".join(sorted(names)) or "none"
