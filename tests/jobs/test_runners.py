"""One bucket task, three engines: the same content; a bucket that raises, a worker that dies."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from jobs.pipeline import run_stages
from lakehouse.delta.io import Lakehouse
from lakehouse.errors import PromiseError
from lakehouse.schema.entities import SERIES
from tests.jobs.kernels import Dies, Raises
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


def by_ray(*names: str) -> list[str]:
    return [f"runner.{name}=ray" for name in names] + ["ray.workers=2", "ray.max_restarts=1", "ray.max_task_retries=1"]


@pytest.mark.parametrize("engine", ["spark", "ray"])
def test_another_engine_gives_the_same_content_as_this_process(
    spark: SparkSession, cleaned: Lakehouse, finished: Lakehouse, tmp_path: Path, engine: str
) -> None:
    lake = copied(cleaned, tmp_path / "lake")
    engines = [f"runner.{stage}={engine}" for stage in BUCKET_STAGES]
    run_stages(make_context(spark, lake, None, day(119), *engines), BUCKET_STAGES)
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
