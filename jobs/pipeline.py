"""What runs, in which order, and when a stage has nothing to do.

A stage's fingerprint chains what it depends on: the settings and the code version that it names, the as-of day, and the
fingerprints of the stages that write what it reads. A stage is done while its tables hold that fingerprint now.
"""

from __future__ import annotations

import time
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from functools import cache

from jobs.context import RunContext
from jobs.engine.done import fingerprint_of, is_done, is_idle
from jobs.engine.drive import engine_of, run_unit_stage
from jobs.engine.frames import Frames
from jobs.engine.memory import MemoryWatch
from jobs.engine.runners import let_go_of_workers
from jobs.engine.sales_days import check_as_of, plans_from_sales
from jobs.engine.stage import FrameStage, Stage, UnitStage, in_order, upstream
from jobs.run_settings import record_settings
from jobs.stages import load_stages
from lakehouse.delta.ledger import StageRecord
from lakehouse.delta.stamp import Stamp, stamped
from lakehouse.delta.state import Held
from lakehouse.errors import ConfigError, PromiseError


@cache
def all_stages() -> tuple[Stage, ...]:
    """Every stage of the house, in the order in which they run."""
    return in_order(load_stages())


@dataclass(frozen=True, slots=True)
class StageReport:
    """What a stage did in this call: `status` is done, reused (nothing to do), skipped (no feed) or failed."""

    stage: str
    status: str
    record: StageRecord


def run_stages(
    context: RunContext, names: Sequence[str] | None = None, stages: Iterable[Stage] | None = None
) -> list[StageReport]:
    """Run the named stages (all, where none are named) in the order of what they read and write.

    Raises what a stage raises, after noting it in the ledger.
    """
    ordered = all_stages() if stages is None else in_order(stages)
    known = [stage.name for stage in ordered]
    wanted = known if names is None else list(names)
    if unknown := sorted(set(wanted) - set(known)):
        raise ConfigError(f"unknown stages {unknown}; the stages are {', '.join(known)}")
    context.check_one_source()
    needed = {name for stage in ordered if stage.name in wanted for name in upstream(stage, ordered)}
    reports, is_day_checked = [], False
    fingerprints: dict[str, str] = {}
    try:
        for stage in (stage for stage in ordered if stage.name in wanted or stage.name in needed):
            if not is_day_checked and plans_from_sales(stage, ordered):
                check_as_of(context)  # by now sales are clean, whatever stages this call names
                is_day_checked = True
            fingerprint = fingerprints[stage.name] = fingerprint_of(context, stage, ordered, fingerprints)
            if stage.name in wanted:
                reports.append(_run_stage(context, stage, fingerprint))
            else:
                _require(context, stage, fingerprint)
    finally:
        let_go_of_workers()
    return reports


def _require(context: RunContext, stage: Stage, fingerprint: str) -> None:
    if is_idle(context, stage) or _missing_feed(context, stage):
        return  # who builds on it need not wait for it
    if not is_done(context, stage, fingerprint):
        raise PromiseError(
            f"stage {stage.name!r} has not succeeded yet for run {context.run.run_id}, or its tables hold something "
            f"else by now, and what you ask for builds on it; run `shelfcast {stage.name}` with the same arguments "
            "first, or leave out --stages"
        )


def _run_stage(context: RunContext, stage: Stage, fingerprint: str) -> StageReport:
    ledger = context.ledger
    if not context.force and is_done(context, stage, fingerprint):
        context.progress.say(f"{stage.name}: nothing to do")
        context.progress.event("stage_reused", stage=stage.name)
        if isinstance(stage, FrameStage) and stage.look is not None:
            stage.look(context)
        return StageReport(stage.name, "reused", _known(context, stage))
    if missing := _missing_feed(context, stage):
        context.progress.say(f"{stage.name}: skipped, there is no {missing}: no feed gives it")
        context.progress.event("stage_skipped", stage=stage.name, missing=missing)
        return StageReport(stage.name, "skipped", StageRecord("skipped"))
    inputs = {table: context.lakehouse.version(table) for table in stage.tables_read()}
    context.progress.say(f"{stage.name}: started")
    context.progress.event("stage_begin", stage=stage.name, inputs=inputs)
    record_settings(context)
    ledger.start(stage.name, fingerprint, inputs)
    started = time.perf_counter()
    with MemoryWatch() as memory, stamped(Stamp(stage.name, fingerprint, context.run.run_id)):
        try:
            record = _work(context, stage, fingerprint, inputs)
        except BaseException as error:  # also an interrupt is noted, then passed on
            record = StageRecord("failed", error=f"{type(error).__name__}: {error}"[:2000])
            raise
        finally:
            record = replace(record, seconds=time.perf_counter() - started, peak_memory_mb=memory.peak_mb)
            ledger.finish(stage.name, fingerprint, inputs, record)
            _tell_end(context, stage, record)
    context.progress.say(_summary(stage, record))
    return StageReport(stage.name, "done", record)


def _tell_end(context: RunContext, stage: Stage, record: StageRecord) -> None:
    context.progress.event(
        "stage_end",
        stage=stage.name,
        status=record.status,
        seconds=record.seconds,
        rows=record.rows,
        failed_ids=record.failed_ids,
        peak_memory_mb=record.peak_memory_mb,
        error_class=record.error.partition(":")[0] if record.error else None,
    )


def _work(context: RunContext, stage: Stage, fingerprint: str, inputs: dict[str, int]) -> StageRecord:
    is_asked_for = not is_idle(context, stage)
    if is_asked_for and (isinstance(stage, FrameStage) or engine_of(context, stage) != "ray"):
        let_go_of_workers()  # their memory, and the cores that they hold
    if isinstance(stage, UnitStage):
        return run_unit_stage(context, stage, fingerprint, inputs)
    held, part, lineage = Held(context.lakehouse), stage.part(context), None
    if not is_asked_for:
        record = StageRecord("succeeded")  # without lineage: nobody looked what the rows that are there go back to
    else:
        record = stage.build(context, Frames(context, stage.name, stage.reads, inputs))
        lineage = {part: stage.lineage(context)} if stage.lineage else None
    for table in stage.writes:
        held.record(table, [part], lineage)
    return record


def _missing_feed(context: RunContext, stage: Stage) -> str | None:
    """The first table of a unit stage where it holds nothing: a side branch without its feed does nothing."""
    first = stage.reads[0].table if isinstance(stage, UnitStage) and stage.reads else None
    return first if first is not None and not context.lakehouse.has_rows(first) else None


def _known(context: RunContext, stage: Stage) -> StageRecord:
    """The record of a stage that is done: this run's, or of the run that wrote the shared tables."""
    rows = [row for row in [context.ledger.stage(stage.name), *context.ledger.succeeded(stage.name)] if row]
    if not rows:
        return StageRecord("succeeded")
    return StageRecord("succeeded", rows[0]["rows"], rows[0]["ids"], rows[0]["failed_ids"])


def _summary(stage: Stage, record: StageRecord) -> str:
    parts = [f"{stage.name}: {record.seconds:.1f} s", f"{record.rows:,} rows"]
    if record.ids:
        plural = stage.unit.plural if isinstance(stage, UnitStage) else "series"
        parts.insert(1, f"{record.ids:,} {plural} ({record.failed_ids} failed)")
    return ", ".join([*parts, f"peak {record.peak_memory_mb / 1024:.1f} GiB"])
