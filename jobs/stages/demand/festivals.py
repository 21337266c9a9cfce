"""Festivals: which days of each location are near one, until a year after the last sale."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pyarrow.compute as pc

from jobs.engine.stage import FrameStage, Read
from jobs.stages.demand.demand_settings import FESTIVALS
from lakehouse.delta.files import write_bucket
from lakehouse.delta.ledger import StageRecord
from lakehouse.transforms.silver.festivals import TABLE, festivals

if TYPE_CHECKING:
    from jobs.context import RunContext
    from jobs.engine.frames import Frames

_LOCATIONS, _CALENDAR = "silver.locations", "silver.calendar"


def build(context: RunContext, frames: Frames) -> StageRecord:
    """Write silver.festival whole: a few rows for each location and festival, made on the driver."""
    lake = context.lakehouse
    days = lake.read_arrow(_CALENDAR, frames.version(_CALENDAR), ["ds"])["ds"]
    places = lake.read_arrow(_LOCATIONS, frames.version(_LOCATIONS), ["location_id", "country", "region"])
    span = pc.min_max(days).as_py()
    rows = festivals(places, FESTIVALS.of(context.settings), span["min"], span["max"])
    lake.ensure(TABLE)
    file = write_bucket(TABLE, lake.uri(TABLE), rows, {})
    lake.commit_files(TABLE, [file] if file else [], {})
    return StageRecord("succeeded", rows=rows.num_rows)


STAGE = FrameStage(
    name="festivals",
    reads=(Read(_LOCATIONS, ("location_id", "country", "region")), Read(_CALENDAR, ("ds",))),
    writes=(TABLE,),
    settings=("festivals",),
    libraries=("holidays",),
    is_by_day=False,
    build=build,
)
