"""A year of daily runs of the tiny retailer: `python -m tests.benchmarks.bench_daily_runs [--days N] [--keep-every N]`.

Each day a file of sales and a count of stock arrive and the whole job runs, ingest to gold, in one process; every few
days `keep` folds, expires and vacuums. Measured are a day's wall clock and processor time (this process and its JVM:
other work on the machine does not count) and the lakehouse's files and bytes. A day shall cost at the end what it cost
at the beginning, and files and bytes shall stay within bounds.
"""

from __future__ import annotations

import argparse
import statistics
import tempfile
import time
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path

import psutil

from jobs.pipeline import run_stages
from lakehouse.delta.io import Lakehouse
from lakehouse.delta.keep import keep
from lakehouse.delta.session import SparkSettings, build_session
from tests.jobs.run_tool import day, make_context
from tests.tiny_retailer import UNCOMPILED, write_feeds, write_sales, write_stock

HISTORY_DAYS = 120
KEEP_DAYS = 28


@dataclass(frozen=True, slots=True)
class Day:
    """What a day's run cost and left: times in seconds."""

    number: int
    wall: float
    processor: float
    stages: dict[str, float]
    files: int
    size_bytes: int


def daily_runs(folder: Path, days: int, keep_every: int) -> Iterator[Day]:
    """Run `days` as-of days, one after another, on a lakehouse below `folder`."""
    feeds = write_feeds(folder / "feeds", HISTORY_DAYS)
    (feeds / "stock").mkdir()
    (feeds / "stock.csv").rename(feeds / "stock" / "first.csv")
    lake = Lakehouse(str(folder / "lake"))
    spark = build_session(SparkSettings(master="local[2]", shuffle_partitions=2, conf=UNCOMPILED))
    for number in range(1, days + 1):
        of_sales = HISTORY_DAYS + number - 1
        write_sales(feeds / "sales" / f"day_{of_sales:04d}.csv", of_sales, of_sales + 1)
        write_stock(feeds / "stock" / f"day_{of_sales:04d}.csv", of_sales)
        context = make_context(spark, lake, feeds, day(of_sales + 1))
        started, used = time.perf_counter(), processor_seconds()
        reports = run_stages(context)
        wall, used = time.perf_counter() - started, processor_seconds() - used
        if number % keep_every == 0:
            keep(lake, KEEP_DAYS, grace=timedelta(0))
        paths = [path for path in Path(lake.base).rglob("*") if path.is_file()]
        stages = {report.stage: report.record.seconds for report in reports}
        yield Day(number, wall, used, stages, len(paths), sum(path.stat().st_size for path in paths))
    spark.stop()


def processor_seconds() -> float:
    """Of this process and those that it started, the JVM among them."""
    here = psutil.Process()
    times = [each.cpu_times() for each in (here, *here.children(recursive=True))]
    return sum(each.user + each.system for each in times)


def median_around(days: list[Day], number: int) -> tuple[float, float]:
    """Median wall clock and processor time of the eleven days around one (fewer at the ends)."""
    near = [each for each in days if abs(each.number - number) <= 5]
    return statistics.median(each.wall for each in near), statistics.median(each.processor for each in near)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--days", type=int, default=365)
    parser.add_argument("--keep-every", type=int, default=7)
    asked = parser.parse_args()
    days = []
    with tempfile.TemporaryDirectory() as folder:
        for each in daily_runs(Path(folder), asked.days, asked.keep_every):
            days.append(each)
            dearest = sorted(each.stages.items(), key=lambda item: -item[1])[:4]
            listed = ", ".join(f"{name} {seconds:.2f}" for name, seconds in dearest)
            print(
                f"day {each.number:3d}: {each.wall:6.2f} s, processor {each.processor:6.2f} s, {each.files:6d} files, "
                f"{each.size_bytes / 2**20:7.1f} MiB   {listed}",
                flush=True,
            )
    early, late = median_around(days, 10), median_around(days, asked.days)
    for what, first, last in zip(("wall clock", "processor"), early, late, strict=True):
        print(f"{what}: around day 10 {first:.2f} s, around day {asked.days} {last:.2f} s, {last / first:.2f} times")


if __name__ == "__main__":
    main()
