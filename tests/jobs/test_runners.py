"""One bucket task, three engines: the same content; a bucket that raises, a worker that dies."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING

import psutil
import pytest

from jobs.engine.runners.ray import RayRunner, let_go
from jobs.engine.runners.spark import SparkRunner
from jobs.engine.task import UnitTask
from jobs.pipeline import run_stages
from jobs.settings import RaySettings
from lakehouse.delta.io import Lakehouse
from lakehouse.errors import PromiseError
from lakehouse.schema.entities import SERIES, WHOLE
from tests.jobs.kernels import Begun, Dies, Raises
from tests.jobs.run_tool import BUCKET_STAGES, copied, day, hashes, make_context, with_kernel

if TYPE_CHECKING:
    from pyspark.sql import SparkSession

COMPUTED = (
    "features.sku_daily",
    "features.sku_profile",
    "forecast.backtest",
    "forecast.class_summary",
    "forecast.error_summary",
    "forecast.demand",
    "forecast.lead_time_demand",
    "forecast.champion",
)
PLANNED = (
    "inventory.replay",
    "inventory.replay_summary",
    "inventory.policy",
    "inventory.order_proposal",
    "inventory.order_step",
    "inventory.order_plan",
)
FAULTY = "S03|north|all"
UNITS = [f"{number:03d}" for number in range(40)]


def by_ray(*names: str) -> list[str]:
    return [f"runner.{name}=ray" for name in names] + ["ray.workers=2", "ray.max_restarts=1", "ray.max_task_retries=1"]


@pytest.mark.parametrize("engine", ["spark", "ray"])
def test_another_engine_gives_the_same_content_as_this_process(
    spark: SparkSession, cleaned: Lakehouse, finished: Lakehouse, tmp_path: Path, engine: str
) -> None:
    lake = copied(cleaned, tmp_path / "lake")
    engines = [f"runner.{stage}={engine}" for stage in BUCKET_STAGES]
    stages = ["festivals", "seasons", *BUCKET_STAGES, "train_networks", "ship"]
    run_stages(make_context(spark, lake, None, day(119), *engines), stages)
    expected, found = hashes(finished), hashes(lake)
    for name in (*COMPUTED, *PLANNED):
        assert found[name] == expected[name] != "absent", name


@pytest.mark.parametrize("engine", ["local", "spark", "ray"])
def test_a_bucket_that_raises_is_named_and_costs_only_itself(
    spark: SparkSession,
    cleaned: Lakehouse,
    finished: Lakehouse,
    tmp_path: Path,
    engine: str,
) -> None:
    lake = copied(cleaned, tmp_path / "lake")
    settings = ("runner.features=" + engine, "runner.commit_every=2")
    faulty = with_kernel("features", lambda kernel: Raises(kernel, FAULTY))
    bucket = SERIES.bucket_of(FAULTY, 10)
    message = rf"1 of its units failed; bucket {bucket}: ZeroDivisionError: no kernel for {FAULTY[:3]}"
    with pytest.raises(PromiseError, match=message):
        run_stages(make_context(spark, lake, None, day(119), *settings), ["features"], faulty)
    units = lake.read_arrow("ops.run_unit").to_pylist()
    assert [row["status"] for row in units].count("succeeded") == len(units) - 1 > 0
    (failed,) = [row for row in units if row["status"] == "failed"]
    assert failed["error_class"] == "ZeroDivisionError"
    assert "(at kernels.py:" in failed["error"], "the place of the fault"
    stage = lake.read_arrow("ops.run").to_pylist()
    assert [row["status"] for row in stage if row["stage"] == "features"] == ["failed"]

    context = make_context(spark, lake, None, day(119), *settings)
    run_stages(context, ["features"])
    assert sorted(row["attempts"] for row in context.ledger.units("features")) == [1] * (len(units) - 1) + [2]
    assert hashes(lake)["features.sku_daily"] == hashes(finished)["features.sku_daily"]


def test_a_ray_worker_that_dies_is_restarted_and_its_bucket_done(
    finished: Lakehouse, calibrated: Lakehouse, tmp_path: Path
) -> None:
    lake, deaths = copied(calibrated, tmp_path / "lake"), tmp_path / "deaths"
    deaths.mkdir()
    deadly = with_kernel("forecast", lambda kernel: Dies(kernel, FAULTY, str(deaths), times=1))
    report = run_stages(make_context(None, lake, None, day(119), *by_ray("forecast")), ["forecast"], deadly)[0]
    (death,) = deaths.iterdir()
    assert int(death.read_text()) != os.getpid(), "the worker died, not this process"
    assert report.record.status == "succeeded"
    assert hashes(lake)["forecast.demand"] == hashes(finished)["forecast.demand"]


def test_a_bucket_that_kills_every_worker_costs_only_itself(calibrated: Lakehouse, tmp_path: Path) -> None:
    lake, deaths = copied(calibrated, tmp_path / "lake"), tmp_path / "deaths"
    deaths.mkdir()
    deadly = with_kernel("forecast", lambda kernel: Dies(kernel, FAULTY, str(deaths), times=99))
    context = make_context(None, lake, None, day(119), *by_ray("forecast"), "ray.workers=1")
    with pytest.raises(PromiseError, match=r"1 of its units failed.*ActorDiedError"):
        run_stages(context, ["forecast"], deadly)
    assert len(list(deaths.iterdir())) == 2, "the worker was started again once, as conf says"
    units = context.ledger.units("forecast")
    assert [row["status"] for row in units].count("succeeded") == len(units) - 1 > 3


def task_without_tables(kernel: Begun | Dies) -> UnitTask:
    """Units that read and write nothing, so that only the runner is looked at."""
    return UnitTask("begun", WHOLE, "run", (), kernel, None, ())


def noted(folder: Path) -> list[list[int]]:
    """By unit: process, torch's threads, Arrow's threads."""
    return [[int(word) for word in path.read_text().split()] for path in sorted(folder.iterdir())]


def test_ray_workers_use_the_cores_that_they_were_given_and_nothing_is_said(
    tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    """Ray warned of workers with large constructor arguments, a danger that there was not."""
    runner = RayRunner(RaySettings(workers=1, cpus_per_worker=2))
    assert [r.error for r in runner.run(task_without_tables(Begun(str(tmp_path))), ["0", "1"])] == [None, None]
    assert [threads for _, *threads in noted(tmp_path)] == [[2, 2], [2, 2]]
    assert capfd.readouterr().err == ""


def test_ray_workers_stay_for_the_next_task_unless_they_were_restarted(
    tmp_path: Path,
) -> None:
    runner = RayRunner(RaySettings(workers=2, max_restarts=1, max_task_retries=1))
    seen = []
    for number, units in enumerate((UNITS[:4], UNITS[:4], UNITS[:1])):
        (folder := tmp_path / str(number)).mkdir()
        assert [r.error for r in runner.run(task_without_tables(Begun(str(folder))), units)] == [None] * len(units)
        seen.append({process for process, *_ in noted(folder)})
    first, second, third = seen
    assert len(first) == 2
    assert third < second == first

    (deaths := tmp_path / "deaths").mkdir()
    (between := tmp_path / "between").mkdir()
    deadly = task_without_tables(Dies(Begun(str(between)), None, str(deaths), times=1))
    assert [r.error for r in runner.run(deadly, UNITS[:1])] == [None], "restarted, and tried again"
    (died,) = (int(path.read_text()) for path in deaths.iterdir())
    (after := tmp_path / "after").mkdir()
    list(runner.run(task_without_tables(Begun(str(after))), UNITS[:4]))
    left = {process for process, *_ in noted(after)}
    assert died in first
    assert len(left & first) == 1, "the one beside it; the restarted one has used up its restarts"
    let_go()
    psutil.wait_procs([psutil.Process(process) for process in left if psutil.pid_exists(process)], timeout=30)
    assert not any(psutil.pid_exists(process) for process in left)


def test_spark_workers_use_one_core_whatever_ran_in_them_before(spark: SparkSession, tmp_path: Path) -> None:
    before, after = tmp_path / "before", tmp_path / "after"
    for folder, is_greedy in ((before, True), (after, False)):
        folder.mkdir()
        task = task_without_tables(Begun(str(folder), greedy=is_greedy))
        assert len(list(SparkRunner(spark, commit_every=2).run(task, UNITS[:4]))) == 4
    assert [threads for _, *threads in noted(before)] == [[3, 3]] * 4
    assert {process for process, *_ in noted(after)} & {process for process, *_ in noted(before)}, "a worker stayed"
    assert [threads for _, *threads in noted(after)] == [[1, 1]] * 4


def test_spark_hands_over_results_while_later_buckets_wait(spark: SparkSession, tmp_path: Path) -> None:
    """What a crash can cost: what is being worked on, not a wave of sixty buckets."""
    results = SparkRunner(spark, commit_every=2).run(task_without_tables(Begun(str(tmp_path))), UNITS)
    first = next(results)
    assert first.error is None
    assert len(list(tmp_path.iterdir())) <= 2 * 2, "two jobs of two buckets keep two cores busy"
    assert sorted([first.unit, *(result.unit for result in results)]) == UNITS


def test_a_spark_run_that_is_left_stops_its_jobs(spark: SparkSession, tmp_path: Path) -> None:
    results = SparkRunner(spark, commit_every=2).run(task_without_tables(Begun(str(tmp_path))), UNITS)
    next(results)
    results.close()
    assert len(list(tmp_path.iterdir())) <= 2 * 2
    assert spark.range(3).count() == 3, "the session goes on"
