"""Whether a stage is done: its fingerprint, and whether its tables hold that now."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import replace
from importlib.metadata import PackageNotFoundError, version
from typing import TYPE_CHECKING

from jobs.engine.drive import done_units
from jobs.engine.hashing import digest
from jobs.engine.rounds import units_of
from jobs.engine.stage import FrameStage, Stage, UnitStage, writers
from lakehouse.delta.state import Held

if TYPE_CHECKING:
    from jobs.context import RunContext


def fingerprint_of(context: RunContext, stage: Stage, stages: Iterable[Stage], known: Mapping[str, str]) -> str:
    """What the stage's result depends on, as a hash; `known` holds the fingerprints of the stages before it.

    A stage whose identity is not to be had (ingest without its folder) has the fingerprint that its tables hold.
    """
    identity = stage.identity(context) if stage.identity else ""
    if identity is None:
        return held_fingerprint(context, stage)
    writer = writers(stages)
    before = sorted({writer[table].name for table in stage.depends_on() if table in writer} - {stage.name})
    return digest(
        stage.name,
        stage.version,
        {name: _release(name) for name in stage.libraries},
        context.settings.named(stage.settings, stage.ignores),
        str(context.as_of) if stage.is_by_day else "",
        identity,
        [known[name] for name in before],
    )


def held_fingerprint(context: RunContext, stage: Stage) -> str:
    """The fingerprint that a stage's shared tables hold by their record; '' where there is none."""
    rows = [row for table in stage.writes for row in Held(context.lakehouse).recorded(table).values()]
    return max(rows, key=lambda row: row["recorded_at"])["fingerprint"] if rows else ""


def is_done(context: RunContext, stage: Stage, fingerprint: str) -> bool:
    """Whether the stage's tables, or this run's part of them, hold this fingerprint now, forced or not."""
    context = replace(context, force=False)
    if isinstance(stage, FrameStage):
        held, part = Held(context.lakehouse), stage.part(context)
        return all(held.holds(table, part, fingerprint) for table in stage.writes)
    if stage.rounds is not None:
        return not any(each.units for each in stage.rounds(context, stage))
    return _units_are_done(context, stage, fingerprint)


def is_idle(context: RunContext, stage: Stage) -> bool:
    """Whether nothing asks for a stage: it lists no unit and had none in this run, or its tables are not wanted."""
    if isinstance(stage, FrameStage):
        return not stage.is_wanted(context)
    if not stage.unit.listed:
        return False
    return not units_of(context, stage) and not context.ledger.units(stage.name)


def _units_are_done(context: RunContext, stage: UnitStage, fingerprint: str) -> bool:
    recorded = {row["unit"] for row in context.ledger.units(stage.name)}
    units = set(units_of(context, stage))
    record = context.ledger.stage(stage.name)
    if record is None or record["status"] != "succeeded" or record["fingerprint"] != fingerprint:
        return False
    if stage.reads and not context.lakehouse.exists(stage.reads[0].table):
        return True
    return recorded == units and units <= done_units(context, stage, fingerprint)


def _release(package: str) -> str:
    try:
        return version(package)
    except PackageNotFoundError:
        return "none"
