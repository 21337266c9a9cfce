"""Runs of the tiny retailer for tests: the shared Spark session, few buckets, in-process runners unless asked."""

from __future__ import annotations

import io
import shutil
from collections.abc import Callable, Iterable
from dataclasses import replace
from datetime import date, timedelta
from pathlib import Path
from typing import TYPE_CHECKING

from jobs.context import RunContext
from jobs.engine.progress import Progress
from jobs.engine.stage import Stage, UnitStage
from jobs.engine.task import Kernel
from jobs.pipeline import all_stages
from jobs.settings import load_mapping, load_settings
from lakehouse.delta.content_hash import content_hash
from lakehouse.delta.io import Lakehouse
from lakehouse.delta.stamp import Stamp, stamped
from lakehouse.delta.state import Held
from lakehouse.schema.tables import TABLES
from tests.tiny_retailer import FIRST_DAY

if TYPE_CHECKING:
    from pyspark.sql import SparkSession

SMALL = [
    "warehouse.pickers=1",
    "warehouse.packers=1",
    "warehouse.doors=1",
    "buckets=10",
    "horizon=14",
    "replays=2",
    "inventory.lead_time_days=5",
    "inventory.tuning_paths=20",
]
ALL_STAGES = [stage.name for stage in all_stages()]
WITHOUT_FEED = ("buy_plan", "route", "slot")
"""Stages that are skipped, for nobody delivers what they read."""
UNCHANGED = {name: "skipped" if name in WITHOUT_FEED else "reused" for name in ALL_STAGES}
"""What each stage says where all has been made already."""
BUCKET_STAGES = [
    stage.name for stage in all_stages() if isinstance(stage, UnitStage) and stage.name != "train_networks"
]
TREES = (
    'forecast.regular_candidates=["trees","ets"]',
    'forecast.intermittent_candidates=["tsb","trees"]',
    "trees.rounds=5",
    "trees.min_rows_per_leaf=5",
    "trees.least_series=1",
    "trees.least_group_series=3",
)
"""Settings by which so few series have trees."""
LOCAL = [f"runner.{stage}=local" for stage in BUCKET_STAGES]


def day(number: int) -> date:
    """The as-of day after `number` days of the tiny retailer's sales."""
    return FIRST_DAY + timedelta(days=number - 1)


def make_context(
    spark: SparkSession | None,
    lake: Lakehouse,
    folder: Path | None,
    as_of: date,
    *overrides: str,
    source: str = "feed_layout",
    force: bool = False,
) -> RunContext:
    return RunContext(
        settings=load_settings(None, [*SMALL, *LOCAL, *overrides]),
        mapping=load_mapping(source),
        lakehouse=lake,
        as_of=as_of,
        input_dir=folder,
        progress=Progress(stream=io.StringIO()),
        force=force,
        _spark=spark,
    )


def with_kernel(name: str, wrap: Callable[[Kernel], Kernel], stages: Iterable[Stage] | None = None) -> list[Stage]:
    """The stages (the house's), the kernel of one of them wrapped: with a fault, or with a note of where it ran."""
    found = {stage.name: stage for stage in stages or all_stages()}
    stage = found[name]
    assert isinstance(stage, UnitStage), f"{name} has no kernel"
    return [*(found | {name: replace(stage, kernel=wrap(stage.kernel))}).values()]


def as_written_by(lake: Lakehouse, stage: str, table: str, part: str = "") -> None:
    """A table that the test changed by hand counts as if the stage had written it so."""
    row = Held(lake).recorded(table)[part]
    assert row["stage"] == stage
    with stamped(Stamp(stage, row["fingerprint"], row["run_id"])):
        Held(lake).record(table, [part], {part: row["lineage"]} if row["lineage"] else None)


def copied(lake: Lakehouse, folder: Path) -> Lakehouse:
    """A copy of a local lakehouse: its tables name their files by relative paths, so a folder is all there is to it."""
    shutil.copytree(lake.base, folder)
    return Lakehouse(str(folder))


def hashes(lake: Lakehouse) -> dict[str, str]:
    """Content hash of every table but those of `ops`."""
    return {name: content_hash(lake, name) for name in TABLES if not name.startswith("ops.")}
