"""Drives a stage of unit tasks: what is left to do, who does it, commits, ledger, failures, the stage's promise."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from jobs.engine.rounds import whole_round
from jobs.engine.runners import runner_for
from jobs.engine.stage import UnitStage
from jobs.engine.task import Round, UnitResult
from lakehouse.delta.ledger import StageRecord
from lakehouse.delta.state import ABSENT, Held, digest_of, parts
from lakehouse.errors import PromiseError

if TYPE_CHECKING:
    # The settings know every model; a worker imports only what its kernel needs.
    from jobs.context import RunContext


@dataclass(slots=True)
class _Drive:
    """A stage under way: its ledger rows by unit, as they are to be recorded."""

    context: RunContext
    stage: UnitStage
    fingerprint: str
    rows: dict[str, dict[str, Any]]
    broken: list[UnitResult] = field(default_factory=list)


def run_unit_stage(context: RunContext, stage: UnitStage, fingerprint: str, versions: Mapping[str, int]) -> StageRecord:
    """Run what is not done yet and commit it in batches; raises PromiseError unless every unit ended well.

    A batch's data are committed first, its failures next, its ledger rows last: whatever dies in between is done
    again and replaces itself.
    """
    for table in stage.writes:
        context.lakehouse.ensure(table, context.spark if context.lakehouse.catalog else None)
    rows = {row["unit"]: row for row in context.ledger.units(stage.name)}
    drive = _Drive(context, stage, fingerprint, rows)
    if stage.rounds is not None:
        for each in stage.rounds(context, stage):
            _run_round(drive, each, each.units)
    else:
        each = whole_round(context, stage, versions)
        _clear_gone(drive, each)
        done = set() if context.force else done_units(context, stage, fingerprint)
        _run_round(drive, each, [unit for unit in each.units if unit not in done])
    record = _record(drive)
    _check_rates(context, stage, record, drive.broken)
    return record


def engine_of(context: RunContext, stage: UnitStage) -> str:
    """The runner that the settings name for a stage, else its own."""
    return str(getattr(context.settings.runner, stage.name, stage.engine))


def done_units(context: RunContext, stage: UnitStage, fingerprint: str) -> set[str]:
    """Units of this run that succeeded under this fingerprint and whose files are still those that they left."""
    now = files_of_units(context, stage)
    return {
        row["unit"]
        for row in context.ledger.units(stage.name)
        if row["status"] == "succeeded"
        and row["fingerprint"] == fingerprint
        and row["files"] == _digest([now[table].get(row["unit"], ABSENT) for table in stage.writes])
    }


def files_of_units(context: RunContext, stage: UnitStage) -> dict[str, dict[str, str]]:
    """By table that the stage writes and by unit, the digest of the files that this run's part consists of now."""
    of_run = {"run_id": context.run.run_id}
    return {
        table: {
            unit: part.digest for unit, part in parts(context.lakehouse, table, stage.unit.partition, of_run).items()
        }
        for table in stage.writes
    }


def _digest(digests: Iterable[str]) -> str:
    return digest_of(f"{number} {digest}" for number, digest in enumerate(digests))


def _clear_gone(drive: _Drive, whole: Round) -> None:
    """Units that an earlier try of this run left and that are no more: their series went with a corrected feed."""
    gone = sorted(set(drive.rows) - set(whole.units))
    if not gone:
        return
    for table in drive.stage.writes:
        drive.context.lakehouse.commit_files(table, [], whole.replaces(table, gone))
    drive.context.ledger.record_failures(drive.stage.name, drive.stage.unit.name, gone, {})
    for unit in gone:
        del drive.rows[unit]
    drive.context.ledger.record_units(drive.stage.name, drive.rows.values())


def _run_round(drive: _Drive, each: Round, pending: Sequence[str]) -> None:
    context, stage = drive.context, drive.stage
    name = stage.name
    context.progress.begin_units(name, stage.unit.plural, len(pending), len(each.units) - len(pending))
    if not pending:
        return
    every = stage.commit_every or context.settings.runner.commit_every
    batch: list[UnitResult] = []
    for found in runner_for(engine_of(context, stage), context).run(each.task, pending):
        context.progress.unit(found)
        result = replace(found, attempts=drive.rows.get(found.unit, {}).get("attempts", 0) + 1)
        (drive.broken if result.error else batch).append(result)
        if len(batch) >= every:
            _commit(drive, each, batch)
            batch = []
    _commit(drive, each, batch)
    if drive.broken:
        drive.rows |= {result.unit: _unit_row(drive, result, ABSENT) for result in drive.broken}
        context.ledger.record_units(name, drive.rows.values())


def _commit(drive: _Drive, each: Round, batch: Sequence[UnitResult]) -> None:
    """Commit finished units: their data first, their failures next, their ledger rows last."""
    if not batch:
        return
    lake, stage = drive.context.lakehouse, drive.stage
    units = [result.unit for result in batch]
    for table in stage.writes:
        files = [file for result in batch for file in result.files if file.table == table]
        lake.commit_files(table, files, each.replaces(table, units))
        if each.lineage is not None:
            names = [f"{stage.unit.partition}={unit}" for unit in units]
            Held(lake).record(table, names, each.lineage(names))
    failures = {result.unit: result.failures for result in batch if result.failures is not None}
    drive.context.ledger.record_failures(stage.name, stage.unit.name, units, failures)
    drive.rows |= {result.unit: _unit_row(drive, result, _left(stage, result)) for result in batch}
    drive.context.ledger.record_units(stage.name, drive.rows.values())


def _left(stage: UnitStage, result: UnitResult) -> str:
    """The digest of what a unit has committed, table by table."""
    return _digest(digest_of(f.path for f in result.files if f.table == table) for table in stage.writes)


def _unit_row(drive: _Drive, result: UnitResult, files: str) -> dict[str, Any]:
    return {
        "unit": result.unit,
        "entity": drive.stage.unit.name,
        "fingerprint": drive.fingerprint,
        "status": "failed" if result.error else "succeeded",
        "attempts": result.attempts,
        "ids": result.ids,
        "rows": result.rows,
        "failed_ids": result.failed_ids,
        "seconds": result.seconds,
        "finished_at": datetime.now(UTC),
        "files": files,
        "error_class": result.error_class,
        "error": result.error,
    }


def _record(drive: _Drive) -> StageRecord:
    """What the stage's units add up to; of shared tables, those that this call has seen to."""
    good = [row for row in drive.rows.values() if row["status"] == "succeeded"]
    return StageRecord(
        "succeeded",
        rows=sum(row["rows"] for row in good),
        ids=sum(row["ids"] for row in good),
        failed_ids=sum(row["failed_ids"] for row in good),
    )


def _check_rates(context: RunContext, stage: UnitStage, record: StageRecord, broken: Sequence[UnitResult]) -> None:
    if broken:
        first = broken[0]
        raise PromiseError(
            f"{stage.name}: {len(broken)} of its units failed; {stage.unit.partition} {first.unit}: "
            f"{first.error_class}: {first.error}. The others are committed; the same command again does only what is "
            "missing."
        )
    limit = context.settings.max_failure_rate
    if record.ids and record.failed_ids > limit * record.ids:
        raise PromiseError(
            f"{stage.name}: {record.failed_ids} of {record.ids} {stage.unit.plural} failed, more than max_failure_rate "
            f"= {limit:.2%}; see ops.failure of run {context.run.run_id}. Results and fallbacks are committed."
        )
