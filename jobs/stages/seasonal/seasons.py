"""Seasons: the launches and once-a-year items that a planner names in a feed."""

from __future__ import annotations

from typing import TYPE_CHECKING

from jobs.engine.stage import FrameStage, Read
from lakehouse.delta.ledger import StageRecord
from lakehouse.delta.write_frame import write_frame
from lakehouse.schema.tables import contract
from lakehouse.transforms.silver.cleaning import clean_feed

if TYPE_CHECKING:
    from jobs.context import RunContext
    from jobs.engine.frames import Frames

_FEED, _SEASON = "bronze.seasons", "silver.season"


def build(context: RunContext, frames: Frames) -> StageRecord:
    """Write silver.season in place of what it held; nothing where there never was such a feed."""
    lake = context.lakehouse
    if not lake.has_rows(_FEED) and not lake.exists(_SEASON):
        context.progress.say("  seasons: no feed names one")
        return StageRecord("succeeded")
    declared = contract(_SEASON)
    rows = clean_feed(frames[_FEED], "seasons", context.mapping).accepted
    typed = rows.selectExpr(*declared.casts())
    write_frame(lake, typed.coalesce(1), _SEASON, frames.rows())
    return StageRecord("succeeded", rows=lake.rows(_SEASON))


STAGE = FrameStage(name="seasons", reads=(Read(_FEED, ()),), writes=(_SEASON,), is_by_day=False, build=build)
