"""An Airflow 3 DAG: one file of bash tasks that call our script; it imports Airflow alone."""

from __future__ import annotations

import json
import shlex
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from jobs.deploy.deploy_settings import DeploySettings
from jobs.deploy.plan import NAME, Request, tasks_of
from jobs.engine.stage import Stage
from lakehouse.errors import ConfigError

_TEMPLATES = ("{{", "{%", "{#")

_FILE = '''"""Written by `shelfcast deploy airflow` from the stages and the settings: change those and write it again.

Airflow runs in an environment of its own; each task calls the script of Shelfcast's.
"""

from datetime import timedelta

import pendulum
from airflow.providers.standard.operators.bash import BashOperator
from airflow.sdk import DAG

TASKS = {tasks}

with DAG(
    dag_id={name},
    schedule={cron},
    start_date=pendulum.datetime(2024, 1, 1, tz={timezone}),
    catchup=False,
    max_active_runs=1,
    max_active_tasks=1,  # a lakehouse has one writer
) as dag:
    operators = {{
        task["name"]: BashOperator(
            task_id=task["name"],
            bash_command=task["command"],
            retries=task["retries"],
            execution_timeout=timedelta(minutes=task["timeout_minutes"]),
        )
        for task in TASKS
    }}
    for task in TASKS:
        for name in task["waits_for"]:
            operators[name] >> operators[task["name"]]
'''


def dag_file(stages: Sequence[Stage], request: Request, settings: DeploySettings, script: Path) -> str:
    """The file's text. `request.as_of` does not count: the logical date says it.

    Raises ConfigError where a value holds what Airflow would take for a template.
    """
    words = [request.source, request.input, request.lakehouse, request.conf or "", *request.set]
    if wrong := [word for word in words if any(mark in word for mark in _TEMPLATES)]:
        raise ConfigError(f"expected no {', '.join(_TEMPLATES)} (Airflow's templates) in {wrong[0]!r}; rename it")
    told = replace(request, as_of=f"{{{{ ts }}}}[{settings.timezone}]")
    tasks = [
        {
            "name": task.name,
            "waits_for": list(task.waits_for),
            "command": shlex.join([str(script), *task.arguments]),
            "retries": task.needs.retries,
            "timeout_minutes": task.timeout_minutes,
        }
        for task in tasks_of(stages, told)
    ]
    return _FILE.format(
        tasks=json.dumps(tasks, indent=4, ensure_ascii=False),
        name=json.dumps(NAME),
        cron=json.dumps(settings.cron),
        timezone=json.dumps(settings.timezone),
    )
