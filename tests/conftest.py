"""One Spark session and one Ray instance per test process; small data; engines on two cores."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from lakehouse.delta.io import Lakehouse
from lakehouse.delta.session import SparkSettings, build_session

if TYPE_CHECKING:
    from pyspark.sql import SparkSession

from tests.object_store import environment, free_port, served

# Before any JVM or worker starts, so that all of them know the store; the server starts when a test asks for it.
_S3_PORT = free_port()
os.environ.update(environment(_S3_PORT))
os.environ.setdefault("OMP_NUM_THREADS", "1")
os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")


@pytest.fixture(scope="session")
def spark(tmp_path_factory: pytest.TempPathFactory) -> Iterator[SparkSession]:
    session = build_session(
        SparkSettings(
            master="local[2]",
            app_name="shelfcast-tests",
            driver_memory="3g",
            shuffle_partitions=2,
            conf={
                "spark.driver.host": "127.0.0.1",
                "spark.driver.bindAddress": "127.0.0.1",
                "spark.sql.warehouse.dir": str(tmp_path_factory.mktemp("warehouse")),
            },
        ),
        "s3://shelfcast-tests",
    )
    yield session
    session.stop()


@pytest.fixture(scope="session")
def store() -> Iterator[str]:
    """The address of a bucket on an S3 server of this machine."""
    with served(_S3_PORT) as bucket:
        yield bucket


@pytest.fixture
def lake(tmp_path: Path) -> Lakehouse:
    return Lakehouse(str(tmp_path / "lake"))


@pytest.fixture(scope="session")
def feeds(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The tiny retailer's files, 120 days of them; read them, do not write to them."""
    from tests.tiny_retailer import write_feeds

    return write_feeds(tmp_path_factory.mktemp("feeds"))


@pytest.fixture(scope="session")
def cleaned(spark: SparkSession, feeds: Path, tmp_path_factory: pytest.TempPathFactory) -> Lakehouse:
    """A lakehouse through `clean` as of day 119; copy it (`copied`), do not write to it."""
    from jobs.pipeline import run_stages
    from tests.jobs.run_tool import day, make_context

    lake = Lakehouse(str(tmp_path_factory.mktemp("cleaned") / "lake"))
    run_stages(make_context(spark, lake, feeds, day(119)), ["ingest", "clean"])
    return lake


@pytest.fixture(scope="session")
def featured(spark: SparkSession, cleaned: Lakehouse, tmp_path_factory: pytest.TempPathFactory) -> Lakehouse:
    """A lakehouse through `features` as of day 119; copy it, do not write to it. From here on no stage needs Spark."""
    from jobs.pipeline import run_stages
    from tests.jobs.run_tool import copied, day, make_context

    lake = copied(cleaned, tmp_path_factory.mktemp("featured") / "lake")
    run_stages(make_context(spark, lake, None, day(119)), ["features"])
    return lake


@pytest.fixture(scope="session")
def calibrated(featured: Lakehouse, tmp_path_factory: pytest.TempPathFactory) -> Lakehouse:
    """A lakehouse through `calibrate` as of day 119; copy it, do not write to it."""
    from jobs.pipeline import run_stages
    from tests.jobs.run_tool import copied, day, make_context

    lake = copied(featured, tmp_path_factory.mktemp("calibrated") / "lake")
    run_stages(make_context(None, lake, None, day(119)), ["train", "train_networks", "backtest", "calibrate"])
    return lake


@pytest.fixture(scope="session")
def finished(
    spark: SparkSession, feeds: Path, calibrated: Lakehouse, tmp_path_factory: pytest.TempPathFactory
) -> Lakehouse:
    """A lakehouse with one whole run as of day 119; what runs on it again must leave its content as it is."""
    from jobs.pipeline import run_stages
    from tests.jobs.run_tool import copied, day, make_context

    lake = copied(calibrated, tmp_path_factory.mktemp("finished") / "lake")
    run_stages(make_context(spark, lake, feeds, day(119)))
    return lake
