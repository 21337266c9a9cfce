"""One Spark session and one Ray instance per test process; small data; engines on two cores."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from lakehouse.delta_io import Lakehouse
from lakehouse.session import SparkSettings, build_session

if TYPE_CHECKING:
    from pyspark.sql import SparkSession

os.environ.setdefault("OMP_NUM_THREADS", "1")
os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")


@pytest.fixture(scope="session")
def spark() -> Iterator[SparkSession]:
    session = build_session(
        SparkSettings(
            master="local[2]",
            app_name="shelfcast-tests",
            driver_memory="3g",
            shuffle_partitions=2,
            conf={"spark.driver.host": "127.0.0.1", "spark.driver.bindAddress": "127.0.0.1"},
        )
    )
    yield session
    session.stop()


@pytest.fixture
def lake(tmp_path: Path) -> Lakehouse:
    return Lakehouse(str(tmp_path / "lake"))
