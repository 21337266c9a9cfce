"""The same command on a Spark cluster and on a Ray cluster of two nodes, chosen by settings alone."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pyspark
import pytest

from lakehouse.delta.io import Lakehouse
from tests.jobs.run_tool import SMALL, copied, day, hashes
from tests.tiny_retailer import UNCOMPILED

ROOT = Path(__file__).resolve().parents[2]
pytestmark = pytest.mark.slow


def arguments(lake: Lakehouse, stages: str, *settings: str) -> list[str]:
    overrides = [part for setting in (*SMALL, *settings) for part in ("--set", setting)]
    options = ["--source", "feed_layout", "--lakehouse", lake.root, "--as-of", str(day(119)), "--quiet"]
    return ["run", *options, "--stages", stages, *overrides]


def run(module: str, command: list[str], **environment: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", module, *command],
        cwd=ROOT,
        env=os.environ | {"OMP_NUM_THREADS": "1"} | environment,
        capture_output=True,
        text=True,
        timeout=1500,
        check=False,
    )


def spark_home(folder: Path) -> Path:
    """PySpark's folder by links: a local cluster writes its executors' folders into SPARK_HOME/work."""
    folder.mkdir()
    for path in Path(pyspark.__file__).parent.iterdir():
        if path.name != "work":
            (folder / path.name).symlink_to(path)
    return folder


def test_a_spark_cluster_of_two_executors_and_ray_on_its_machines_give_the_same_content(
    calibrated: Lakehouse, finished: Lakehouse, tmp_path: Path
) -> None:
    lake, home = copied(calibrated, tmp_path / "lake"), spark_home(tmp_path / "spark")
    shutil.rmtree(lake.uri("silver.sales_daily"))
    shutil.rmtree(lake.uri("features.sku_daily"))
    cluster = [
        "spark.master=local-cluster[2,1,1024]",
        "spark.driver_memory=1g",
        'spark.conf."spark.executor.cores"="1"',
        *(f'spark.conf."{key}"="{value}"' for key, value in UNCOMPILED.items()),
    ]
    engines = ["runner.features=spark", "runner.forecast=ray", "ray.on_spark=true"]
    command = arguments(lake, "clean,features,forecast", *cluster, *engines)
    path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"  # of the machines, which start Ray by it
    local = {"SPARK_LOCAL_IP": "127.0.0.1", "SPARK_HOME": str(home), "PYTHONPATH": str(ROOT), "PATH": path}
    waits = {"RAY_ON_SPARK_BACKGROUND_JOB_STARTUP_WAIT": "2", "RAY_ON_SPARK_RAY_WORKER_NODE_STARTUP_INTERVAL": "1"}
    done = run("jobs.cli", command, **local, **waits)
    assert done.returncode == 0, done.stderr[-3000:]
    executors = {path.name for path in home.glob("work/app-*/*")}
    assert {"0", "1"} <= executors, "two executors, in processes of their own, did the work"
    assert any("ray" in path.read_text(errors="replace") for path in home.glob("work/app-*/*/stderr"))
    expected, found = hashes(finished), hashes(lake)
    silver = ("silver.sales_daily", "silver.products", "silver.calendar", "silver.stock")
    for name in (*silver, "features.sku_daily", "features.sku_profile", "forecast.demand", "forecast.champion"):
        assert found[name] == expected[name] != "absent", name


@dataclass(frozen=True)
class OnTwoNodes:
    """What command lines came to on a Ray cluster of two nodes with a CPU and a GPU each, one after another."""

    lake: Lakehouse
    notes: list[str]
    refused: dict[str, dict[str, Any]]
    done: dict[str, Any]


@pytest.fixture(scope="module")
def on_two_nodes(calibrated: Lakehouse, tmp_path_factory: pytest.TempPathFactory) -> OnTwoNodes:
    folder = tmp_path_factory.mktemp("raylets")
    lake, notes = copied(calibrated, folder / "lake"), folder / "notes"
    notes.mkdir()
    wide = ["ray.gpus_per_worker=2", "ray.cpus_per_worker=2"]
    shared = [f"runner.{stage}=ray" for stage in ("forecast", "replay", "inventory")]
    shared += ["ray.cpus_per_worker=0.5", "ray.gpus_per_worker=0.5"]
    commands = [arguments(lake, "forecast", "runner.forecast=ray", request) for request in wide]
    commands.append(arguments(lake, "forecast,replay,inventory,order", *shared))
    ended = run("tests.jobs.two_raylets", [str(notes), json.dumps(commands)])
    assert ended.returncode == 0, ended.stderr[-3000:]
    *refused, done = [json.loads(line) for line in ended.stdout.splitlines() if line.startswith('{"code"')]
    return OnTwoNodes(lake, [note.read_text() for note in notes.iterdir()], dict(zip(wide, refused, strict=True)), done)


def test_two_ray_nodes_with_fractions_of_a_gpu_give_the_same_content(
    on_two_nodes: OnTwoNodes, finished: Lakehouse
) -> None:
    assert on_two_nodes.done["code"] == 0, on_two_nodes.done["said"][-3000:]
    nodes, workers, gpus = zip(*(note.split() for note in on_two_nodes.notes), strict=True)
    assert len(set(nodes)) == 2, "buckets ran on both nodes"
    assert len(set(workers)) > 2, "a node's GPU was shared by workers"
    assert set(gpus) == {"0"}, "each worker was given the one GPU of its node"
    expected, found = hashes(finished), hashes(on_two_nodes.lake)
    for name in ("forecast.demand", "forecast.champion", "features.sku_profile"):
        assert found[name] == expected[name] != "absent", name
    for name in ("inventory.replay", "inventory.policy", "inventory.order_plan"):
        assert found[name] == expected[name] != "absent", name


@pytest.mark.parametrize("request_", ["ray.gpus_per_worker=2", "ray.cpus_per_worker=2"])
def test_a_worker_that_fits_on_no_node_is_refused_although_both_nodes_together_would_do(
    on_two_nodes: OnTwoNodes, request_: str
) -> None:
    refused = on_two_nodes.refused[request_]
    assert refused["code"] == 1, refused["said"][-3000:]
    assert "no node of the Ray cluster has both (all nodes together: 2.0 CPU and 2.0 GPU)" in refused["said"]
    assert "ray.gpus_per_worker" in refused["said"]
