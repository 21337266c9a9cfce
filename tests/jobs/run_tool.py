"""Runs of the tiny retailer for tests: the shared Spark session, few buckets, in-process runners unless asked."""

from __future__ import annotations

import io
import shutil
from datetime import date, timedelta
from pathlib import Path
from typing import TYPE_CHECKING

from jobs.context import RunContext
from jobs.engine.progress import Progress
from jobs.engine.stage import UnitStage
from jobs.pipeline import all_stages
from jobs.settings import load_mapping, load_settings
from lakehouse.delta.content_hash import content_hash
from lakehouse.delta.io import Lakehouse
from lakehouse.schema.tables import TABLES
from tests.tiny_retailer import FIRST_DAY

if TYPE_CHECKING:
    from pyspark.sql import SparkSession

SMALL = [
    "buckets=10",
    "horizon=14",
    "replays=2",
    "inventory.lead_time_days=5",
    "inventory.tuning_paths=20",
]
ALL_STAGES = [stage.name for stage in all_stages()]
BUCKET_STAGES = [
    stage.name for stage in all_stages() if isinstance(stage, UnitStage) and stage.name != "train_networks"
]
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


def copied(lake: Lakehouse, folder: Path) -> Lakehouse:
    """A copy of a local lakehouse: its tables name their files by relative paths, so a folder is all there is to it."""
    shutil.copytree(lake.base, folder)
    return Lakehouse(str(folder))


def hashes(lake: Lakehouse) -> dict[str, str]:
    """Content hash of every table but those of `ops`."""
    return {name: content_hash(lake, name) for name in TABLES if not name.startswith("ops.")}
