"""The weather feed: what is refused, what silver knows of each location and when, and that trees read it."""

from __future__ import annotations

import csv
import shutil
from datetime import date, timedelta
from pathlib import Path
from typing import TYPE_CHECKING

import pyarrow as pa
import pytest

from jobs.engine.rounds import pin
from jobs.pipeline import run_stages
from jobs.stages.forecasting import train
from jobs.stages.forecasting.forecasting_reads import WHOLE_HISTORY
from jobs.stages.forecasting.model_archive import fitted
from lakehouse.delta.files import read_bucket
from lakehouse.delta.io import Lakehouse
from tests.jobs.run_tool import TREES, copied, day, make_context
from udfs.forecasting.forecaster import Forecaster
from udfs.forecasting.weather_adjusted import WeatherAdjusted

if TYPE_CHECKING:
    from pyspark.sql import SparkSession

AS_OF = day(119)
COLUMNS = ("location_id", "region", "ds", "temperature", "precipitation", "issued_at")
BAD = (
    ("north", "", AS_OF, 20.0, "", f"{AS_OF + timedelta(days=1)} 06:00:00"),
    ("north", "", AS_OF, 20.0, "", "last week"),
    ("north", "", date(2999, 1, 1), 20.0, "", ""),
    ("north", "", "yesterday", 20.0, "", ""),
)
SAID = (
    ("", "", day(10), 9.0, 1.0, ""),  # everywhere, where nothing nearer is said
    ("north", "", day(10), 7.0, "", ""),
    ("north", "", day(10), 8.0, "", ""),  # a correction
    ("north", "", day(12), 5.0, "", f"{day(11)} 06:00:00"),
    ("north", "", day(12), 6.0, "", f"{day(11)} 18:00:00"),
    ("north", "", day(12), 104.0, 2.0, ""),  # Fahrenheit: no temperature in degrees Celsius
    ("elsewhere", "", day(12), 30.0, "", ""),
)


def _write(folder: Path, *rows: tuple[object, ...]) -> None:
    with (folder / "weather.csv").open("w", newline="", encoding="utf-8") as file:
        csv.writer(file).writerows([COLUMNS, *rows])


@pytest.fixture(scope="module")
def lake(spark: SparkSession, featured: Lakehouse, feeds: Path, tmp_path_factory: pytest.TempPathFactory) -> Lakehouse:
    """A lakehouse with features, into which the feed of weather came later."""
    folder = tmp_path_factory.mktemp("weather")
    lake, more = copied(featured, folder / "lake"), folder / "feeds"
    shutil.copytree(feeds, more)
    _write(more, *SAID, *BAD, *(("", "", day(k), 10.0 + k % 9, 0.0, "") for k in range(20, 120)))
    run_stages(make_context(spark, lake, more, AS_OF), ["ingest", "clean"])
    return lake


def _trained(lake: Lakehouse) -> tuple[Forecaster | None, list[dict[str, object]]]:
    """The trees of the as-of day by the kernel of `train`, and what they say of weather."""
    context = make_context(None, lake, None, AS_OF, *TREES)
    inputs: dict[str, pa.Table] = {
        read.table: read_bucket(pin(context, train.STAGE, read), "whole") for read in WHOLE_HISTORY
    }
    tables = train.kernel(inputs, train.parameters(context, {}), AS_OF.isoformat()).tables
    source = fitted(tables)["trees"]
    assert callable(source)
    return source(AS_OF), tables["forecast.weather_effect"].to_pylist()


def test_what_nobody_can_have_known_is_set_aside_with_its_reason(lake: Lakehouse) -> None:
    rows = [row for row in lake.read_arrow("ops.quarantine").to_pylist() if row["feed"] == "weather"]
    rules = {row["rule_id"]: row["reason"] for row in rows}
    assert set(rules) == {"issued_after_its_day", "unparseable_issued_at", "measured_ahead", "unparseable_ds"}
    assert "leave issued_at empty for a measurement" in rules["issued_after_its_day"]
    lost = [row for row in lake.read_arrow("ops.value_lost").to_pylist() if row["feed"] == "weather"]
    assert [(row["column_name"], row["rows"]) for row in lost if row["rows"]] == [("temperature", 1)]


def test_each_location_has_the_nearest_statement_by_the_day_it_was_known(lake: Lakehouse) -> None:
    rows = lake.read_arrow("silver.weather").to_pylist()
    assert {row["location_id"] for row in rows} == {"north", "south"}, "others sell nothing"
    found = {
        (row["location_id"], row["ds"], row["known_on"], row["is_measured"]): (row["temperature"], row["precipitation"])
        for row in rows
        if row["ds"] <= day(12)
    }
    assert found == {
        ("north", day(10), day(10), True): (8.0, None),
        ("south", day(10), day(10), True): (9.0, 1.0),
        ("north", day(12), day(11), False): (6.0, None),
        ("north", day(12), day(12), True): (None, 2.0),
    }


def test_trees_read_it_and_say_what_it_gained(lake: Lakehouse) -> None:
    model, effects = _trained(lake)
    assert isinstance(model, WeatherAdjusted)
    assert {row["category"] for row in effects} == {"dairy", "pantry"}
    assert not any(row["uses_weather"] for row in effects), "a season is too short to have shown that it pays"


def test_without_a_feed_nothing_is_written(featured: Lakehouse) -> None:
    assert not featured.exists("silver.weather")
    model, effects = _trained(featured)
    assert not isinstance(model, WeatherAdjusted)
    assert effects == []
