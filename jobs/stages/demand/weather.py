"""Weather: measured and forecast weather of each location, by the day on which it was known."""

from __future__ import annotations

from typing import TYPE_CHECKING

from jobs.engine.stage import FrameStage, Read
from lakehouse.delta.ledger import StageRecord
from lakehouse.transforms.silver.cleaning import clean_feed
from lakehouse.transforms.silver.weather_days import TABLE, weather_days

if TYPE_CHECKING:
    from jobs.context import RunContext
    from jobs.engine.frames import Frames

_FEED, _LOCATIONS = "bronze.weather", "silver.locations"


def build(context: RunContext, frames: Frames) -> StageRecord:
    """Write silver.weather in place of what it held; nothing where there never was such a feed."""
    lake = context.lakehouse
    is_told = "weather" in context.mapping.feeds and lake.exists(_FEED) and lake.rows(_FEED) > 0
    if not is_told and not lake.exists(TABLE):
        context.progress.say("  weather: no feed tells of it")
        return StageRecord("succeeded")
    if not is_told:
        lake.commit_files(TABLE, [], {})
        return StageRecord("succeeded")
    rows = clean_feed(frames[_FEED], "weather", context.mapping).accepted
    lake.write_spark(weather_days(rows, frames[_LOCATIONS].select("location_id", "region")).coalesce(1), TABLE)
    count, known = lake.rows(TABLE), lake.read_spark(context.spark, TABLE).select("location_id").distinct().count()
    context.progress.say(f"  weather: {count:,} rows of {known:,} of {lake.rows(_LOCATIONS):,} locations")
    return StageRecord("succeeded", rows=count)


STAGE = FrameStage(
    name="weather",
    reads=(Read(_FEED, ()), Read(_LOCATIONS, ("location_id", "region"))),
    writes=(TABLE,),
    is_by_day=False,
    build=build,
)
