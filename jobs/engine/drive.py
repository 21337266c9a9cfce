"""Drives a stage of bucket tasks: what is left to do, who does it, commits, ledger, failures, the stage's promise."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from jobs.engine.runners import runner_for
from jobs.engine.task import BucketTask, UnitResult
from lakehouse.delta.ledger import StageRecord
from lakehouse.errors import PromiseError

if TYPE_CHECKING:
    # The settings know every model; a worker imports only what its kernel needs.
    from jobs.context import RunContext

# Which partitions a batch of buckets replaces, by table; by default those of (run, bucket).
Replace = Callable[[str, list[str]], dict[str, list[str]]]


@dataclass(frozen=True, slots=True)
class BucketStage:
    """A task, the buckets to run it on, the engine, and what its results replace."""

    task: BucketTask
    buckets: Sequence[int]
    runner: str
    fingerprint: str
    replaces: Replace | None = None

    def replaced_by(self, table: str, buckets: list[str]) -> dict[str, list[str]]:
        if self.replaces:
            return self.replaces(table, buckets)
        return {"run_id": [self.task.run_id], "bucket": buckets}


def run_bucket_stage(context: RunContext, stage: BucketStage) -> StageRecord:
    """Run what is not done yet and commit it in batches; raises PromiseError unless every bucket ended well.

    A batch's data are committed first, its failures next, its ledger rows last: whatever dies in between is done
    again and replaces itself.
    """
    name = stage.task.stage
    attempts = {row["bucket"]: row["attempts"] for row in context.ledger.units(name)}
    done = {} if context.force else context.ledger.done_buckets(name, stage.fingerprint)
    pending = [bucket for bucket in stage.buckets if bucket not in done]
    context.progress.begin_units(name, len(pending), len(stage.buckets) - len(pending))
    batch: list[UnitResult] = []
    broken: list[UnitResult] = []
    for found in runner_for(stage.runner, context).run(stage.task, pending):
        context.progress.unit(found)
        result = replace(found, attempts=attempts.get(found.bucket, 0) + 1)
        (broken if result.error else batch).append(result)
        if len(batch) >= context.settings.runner.commit_every:
            commit_units(context, stage, batch)
            batch = []
    commit_units(context, stage, batch)
    context.ledger.record_units([_unit_row(stage, result) for result in broken])
    units = [row for row in context.ledger.units(name) if row["bucket"] in set(stage.buckets)]
    record = StageRecord(
        "succeeded",
        rows=sum(row["rows"] for row in units if row["status"] == "succeeded"),
        series=sum(row["series"] for row in units if row["status"] == "succeeded"),
        failed_series=sum(row["failed_series"] for row in units if row["status"] == "succeeded"),
    )
    _check_promise(context, name, record, broken)
    return record


def commit_units(context: RunContext, stage: BucketStage, batch: Sequence[UnitResult]) -> None:
    """Commit finished units: their data first, their failures next, their ledger rows last."""
    if not batch:
        return
    buckets = [str(result.bucket) for result in batch]
    for table, _ in stage.task.outputs:
        files = [file for result in batch for file in result.files if file.table == table]
        context.lakehouse.commit_files(table, files, stage.replaced_by(table, buckets))
    failures = {result.bucket: result.failures for result in batch if result.failures is not None}
    context.ledger.record_failures(stage.task.stage, [result.bucket for result in batch], failures)
    context.ledger.record_units([_unit_row(stage, result) for result in batch])


def _unit_row(stage: BucketStage, result: UnitResult) -> dict[str, object]:
    return {
        "stage": stage.task.stage,
        "bucket": result.bucket,
        "fingerprint": stage.fingerprint,
        "status": "failed" if result.error else "succeeded",
        "attempts": result.attempts,
        "series": result.series,
        "rows": result.rows,
        "failed_series": result.failed_series,
        "seconds": result.seconds,
        "error_class": result.error_class,
        "error": result.error,
    }


def _check_promise(context: RunContext, stage: str, record: StageRecord, broken: Sequence[UnitResult]) -> None:
    if broken:
        first = broken[0]
        raise PromiseError(
            f"{stage}: {len(broken)} buckets failed; bucket {first.bucket}: {first.error_class}: {first.error}. "
            "The others are committed; the same command again does only what is missing."
        )
    limit = context.settings.max_failure_rate
    if record.series and record.failed_series > limit * record.series:
        raise PromiseError(
            f"{stage}: {record.failed_series} of {record.series} series failed, more than max_failure_rate = "
            f"{limit:.2%}; see ops.failure of run {context.run.run_id}. Results and fallbacks are committed."
        )
