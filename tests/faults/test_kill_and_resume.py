"""Kill -9 of the driver in the middle of forecasting, then the same command again."""

from __future__ import annotations

import contextlib
import json
import os
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import psutil
import pyarrow.compute as pc
import pytest

from lakehouse.delta.io import Lakehouse
from tests.jobs.run_tool import ALL_STAGES, SMALL, WITHOUT_FEED, copied, day, hashes

ROOT = Path(__file__).resolve().parents[2]
ENGINE = ["runner.forecast=ray", "runner.inventory=ray", "ray.workers=2", "runner.commit_every=2"]
COMMITTED = 2


def command(lake: Lakehouse, feeds: Path, log: Path) -> list[str]:
    settings = [*SMALL, *ENGINE, "spark.master=local[2]", "spark.driver_memory=2g", "spark.shuffle_partitions=2"]
    options = ["--source", "feed_layout", "--input", str(feeds), "--lakehouse", lake.root, "--as-of", str(day(119))]
    overrides = [part for setting in settings for part in ("--set", setting)]
    return [sys.executable, "-m", "jobs.cli", "run", *options, *overrides, "--log-json", str(log)]


def wait_until(holds: Callable[[], bool], what: str, seconds: float = 1200.0) -> None:
    deadline = time.monotonic() + seconds
    while not holds():
        assert time.monotonic() < deadline, f"waited {seconds:.0f} s in vain: {what}"
        time.sleep(0.05)


def read_until_units(fifo: Path, driver: subprocess.Popen[bytes], units: int) -> None:
    """Read the driver's events until so many buckets are forecast, then stop reading.

    The log is a FIFO: without a reader the driver stands still at its next event, so that it is killed in the middle
    of the stage however fast or slow the machine is.
    """
    text, deadline = b"", time.monotonic() + 1200.0
    reader = os.open(fifo, os.O_RDONLY | os.O_NONBLOCK)
    try:
        while sum(is_forecast_unit(json.loads(line)) for line in text.splitlines()[: text.count(b"\n")]) < units:
            assert driver.poll() is None, f"the driver ended early: {driver.communicate()[1].decode()[-2000:]}"
            assert time.monotonic() < deadline, f"no {units} buckets in time; events so far: {text.decode()}"
            with contextlib.suppress(BlockingIOError):
                text += os.read(reader, 65536)
            time.sleep(0.01)
    finally:
        os.close(reader)


def is_forecast_unit(event: dict[str, Any]) -> bool:
    return event["event"] == "unit" and event["stage"] == "forecast"


def done_units(lake: Lakehouse) -> set[str]:
    condition = (pc.field("stage") == "forecast") & (pc.field("status") == "succeeded")
    return set(lake.read_arrow("ops.run_unit", filters=condition)["unit"].to_pylist())


def kill_with_children(driver: subprocess.Popen[bytes]) -> None:
    """Kill -9 of the driver, then of what it started: nobody gets to tidy up."""
    family = psutil.Process(driver.pid).children(recursive=True)
    assert family, "the driver runs Ray's processes"
    driver.kill()
    driver.wait()
    for child in family:
        try:
            child.kill()
        except psutil.NoSuchProcess:  # Ray's processes go with their driver
            continue
    psutil.wait_procs(family, timeout=30)


@pytest.mark.slow
def test_a_killed_run_goes_on_where_it_was_and_ends_in_the_same_content(
    calibrated: Lakehouse, finished: Lakehouse, feeds: Path, tmp_path: Path
) -> None:
    lake, log = copied(calibrated, tmp_path / "lake"), tmp_path / "log.jsonl"
    environment = os.environ | {"SPARK_LOCAL_IP": "127.0.0.1"}
    os.mkfifo(log)
    driver = subprocess.Popen(
        command(lake, feeds, log), cwd=ROOT, env=environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE
    )
    try:
        read_until_units(log, driver, COMMITTED)
        wait_until(lambda: len(done_units(lake)) >= COMMITTED, "the first commit of forecasts")
    finally:
        kill_with_children(driver)
    done, buckets = done_units(lake), buckets_of(calibrated)
    assert COMMITTED <= len(done) < len(buckets), "killed in the middle of the stage"
    (stage,) = [row for row in lake.read_arrow("ops.run").to_pylist() if row["stage"] == "forecast"]
    assert stage["status"] == "running", "a killed driver cannot say that it failed"

    log.unlink()
    again = subprocess.run(command(lake, feeds, log), cwd=ROOT, env=environment, capture_output=True, timeout=1500)
    assert again.returncode == 0, again.stderr.decode()[-3000:]
    events = [json.loads(line) for line in log.read_text().splitlines()]
    (begin,) = [event for event in events if event["event"] == "units_begin" and event["stage"] == "forecast"]
    assert (begin["already_done"], begin["units"]) == (len(done), len(buckets) - len(done))
    assert {event["unit"] for event in events if is_forecast_unit(event)} == buckets - done
    reused = [event["stage"] for event in events if event["event"] == "stage_reused"]
    before = ALL_STAGES[: ALL_STAGES.index("forecast")]
    assert reused == [name for name in before if name not in WITHOUT_FEED]
    assert hashes(lake) == hashes(finished)


def buckets_of(lake: Lakehouse) -> set[str]:
    return set(map(str, lake.read_arrow("silver.sales_daily", columns=["bucket"])["bucket"].to_pylist()))
