"""The DAG in Airflow itself, which lives in an environment of its own: SHELFCAST_AIRFLOW names its Python."""

from __future__ import annotations

import json
import os
import subprocess
from datetime import timedelta
from pathlib import Path

import pytest

from jobs.cli import main
from lakehouse.delta.io import Lakehouse
from lakehouse.schema.tables import TABLES
from tests.jobs.run_tool import LOCAL, SMALL, day
from tests.jobs.test_deploy import plan_of_dag

AIRFLOW = os.environ.get("SHELFCAST_AIRFLOW")

DRIVER = """
import json, sys
from importlib.util import module_from_spec, spec_from_file_location

import pendulum

spec = spec_from_file_location("shelfcast_dag", sys.argv[1])
module = module_from_spec(spec)
spec.loader.exec_module(module)
plan = {
    task.task_id: [
        sorted(task.upstream_task_ids), task.bash_command, task.retries, task.execution_timeout.total_seconds()
    ]
    for task in module.dag.tasks
}
print("PLAN", json.dumps(plan), flush=True)
for date in sys.argv[2:]:
    run = module.dag.test(logical_date=pendulum.parse(date))
    print("STATE", str(run.state), flush=True)
"""


def in_airflow(home: Path, *arguments: str) -> list[str]:
    """Lines that Airflow's Python prints; its database lies in `home`."""
    settings = {"AIRFLOW_HOME": str(home), "AIRFLOW__CORE__LOAD_EXAMPLES": "False", "OMP_NUM_THREADS": "1"}
    done = subprocess.run(
        [str(AIRFLOW), *arguments],
        capture_output=True,
        text=True,
        cwd=home,
        env=os.environ | settings | {"AIRFLOW__CORE__DAGS_FOLDER": str(home / "dags")},
        timeout=1800,
        check=False,
    )
    assert done.returncode == 0, done.stdout[-4000:] + done.stderr[-4000:]
    return done.stdout.splitlines()


def contents(lake: Lakehouse) -> dict[str, tuple[int, int]]:
    """Version and rows of every table, those of the ledger too."""
    return {name: (lake.version(name), lake.rows(name)) for name in TABLES if lake.exists(name)}


@pytest.mark.slow
@pytest.mark.skipif(not AIRFLOW, reason="needs SHELFCAST_AIRFLOW, the Python of an environment with apache-airflow 3")
@pytest.mark.timeout(2400)
def test_airflow_runs_the_dag_twice_and_the_second_time_adds_nothing(feeds: Path, tmp_path: Path) -> None:
    lake, dags = Lakehouse(str(tmp_path / "lake")), tmp_path / "dags"
    sets = [part for setting in (*SMALL, *LOCAL) for part in ("--set", setting)]
    request = ["--source", "feed_layout", "--input", str(feeds), "--lakehouse", lake.root, *sets]
    assert main(["deploy", "airflow", "--to", str(dags), *request]) == 0
    file = dags / "shelfcast_dag.py"
    in_airflow(tmp_path, "-m", "airflow", "db", "migrate")
    at_dawn = f"{day(119) + timedelta(days=1)}T04:30:00+00:00"  # the day before is over
    first = in_airflow(tmp_path, "-c", DRIVER, str(file), at_dawn)
    plan = json.loads(next(line for line in first if line.startswith("PLAN ")).removeprefix("PLAN "))
    expected = plan_of_dag(file.read_text(encoding="utf-8"))
    assert {name: (set(task[0]), task[2], task[3]) for name, task in plan.items()} == {
        name: (waits_for, retries, seconds) for name, (waits_for, _, retries, seconds) in expected.items()
    }
    assert [line for line in first if line.startswith("STATE ")] == ["STATE success"]
    made = contents(lake)
    assert made["gold.order_plan"][1] == 12
    again = in_airflow(tmp_path, "-c", DRIVER, str(file), at_dawn, at_dawn)  # both in one process
    assert [line for line in again if line.startswith("STATE ")] == ["STATE success"] * 2
    assert contents(lake) == made
