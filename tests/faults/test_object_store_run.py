"""A run whose lakehouse is a bucket: killed, gone on with, and equal to the local run to the bit."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from jobs.pipeline import run_stages
from lakehouse.delta.io import Lakehouse
from lakehouse.delta.keep import keep
from tests.faults.test_kill_and_resume import COMMITTED, ENGINE, ROOT, kill_with_children, read_until_units, wait_until
from tests.jobs.run_tool import ALL_STAGES, SMALL, WITHOUT_FEED, day, hashes, make_context

if TYPE_CHECKING:
    from pyspark.sql import SparkSession


def command(lake: Lakehouse, log: Path) -> list[str]:
    options = ["--source", "feed_layout", "--lakehouse", lake.root, "--as-of", str(day(119)), "--log-json", str(log)]
    overrides = [part for setting in [*SMALL, *ENGINE] for part in ("--set", setting)]
    return [sys.executable, "-m", "jobs.cli", "forecast", *options, *overrides]


def done_units(lake: Lakehouse) -> set[str]:
    rows = lake.read_arrow("ops.run_unit", columns=["stage", "status", "unit"]).to_pylist()
    return {row["unit"] for row in rows if (row["stage"], row["status"]) == ("forecast", "succeeded")}


@pytest.mark.slow
def test_a_run_on_an_object_store_is_killed_and_ends_in_the_local_runs_content(
    spark: SparkSession, feeds: Path, finished: Lakehouse, store: str, tmp_path: Path
) -> None:
    lake = Lakehouse(f"{store}/run".replace("s3://", "s3a://"))
    before = [name for name in ALL_STAGES[: ALL_STAGES.index("forecast")] if name not in WITHOUT_FEED]
    run_stages(make_context(spark, lake, feeds, day(119), "runner.features=spark"), before)

    log = tmp_path / "log.jsonl"
    os.mkfifo(log)
    driver = subprocess.Popen(command(lake, log), cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    try:
        read_until_units(log, driver, COMMITTED)
        wait_until(lambda: len(done_units(lake)) >= COMMITTED, "the first commit of forecasts")
    finally:
        kill_with_children(driver)
    done = done_units(lake)

    reports = run_stages(make_context(spark, lake, feeds, day(119)))
    assert [report.stage for report in reports if report.status == "reused"] == before
    tried = lake.read_arrow("ops.run_unit", columns=["stage", "unit", "attempts"]).to_pylist()
    attempts = {row["unit"]: row["attempts"] for row in tried if row["stage"] == "forecast"}
    assert len(done) < len(attempts), "killed in the middle of the stage"
    assert {unit for unit in done if attempts[unit] == 1} == done, "what was committed is not done again"
    assert hashes(lake) == hashes(finished)
    keep(lake, keep_days=30)
    assert hashes(lake) == hashes(finished)
