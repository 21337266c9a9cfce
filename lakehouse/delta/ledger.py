"""The run ledger: what ran, on which input versions, what is done, what failed. Idempotency rests on it.

`ops.run` holds one row per run and stage, `ops.run_unit` one per run, stage and bucket, `ops.failure` one per failed
series. A unit counts as done only when its row says `succeeded` under the stage's present fingerprint, and that row
is written after the unit's data are committed: a crash in between repeats the unit, which replaces itself.
"""

from __future__ import annotations

import fcntl
import json
import os
import socket
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from lakehouse.delta.files import write_bucket
from lakehouse.delta.io import Lakehouse
from lakehouse.errors import LockedError
from lakehouse.schema.tables import contract


@dataclass(frozen=True, slots=True)
class RunIdentity:
    """What makes a run this run: the same identity is the same run, done again or resumed."""

    run_id: str
    source: str
    as_of: date
    config_hash: str


@dataclass(frozen=True, slots=True)
class StageRecord:
    """How a stage ended, as `ops.run` keeps it."""

    status: str
    rows: int = 0
    series: int = 0
    failed_series: int = 0
    seconds: float = 0.0
    peak_memory_mb: float = 0.0
    error: str | None = None


class Ledger:
    """Reads and writes the `ops` tables of a lakehouse for one run."""

    def __init__(self, lakehouse: Lakehouse, run: RunIdentity) -> None:
        self.lakehouse = lakehouse
        self.run = run
        self._started: dict[str, datetime] = {}

    # -- stages -----------------------------------------------------------------------------------------------------
    def start(self, stage: str, fingerprint: str, inputs: Mapping[str, int]) -> None:
        """Freeze the stage's input versions in `ops.run` before anything is read."""
        self._started[stage] = datetime.now(UTC)
        self._write_stage(stage, fingerprint, inputs, StageRecord("running"), finished=None)

    def finish(self, stage: str, fingerprint: str, inputs: Mapping[str, int], record: StageRecord) -> None:
        self._write_stage(stage, fingerprint, inputs, record, finished=datetime.now(UTC))

    def _write_stage(
        self, stage: str, fingerprint: str, inputs: Mapping[str, int], record: StageRecord, finished: datetime | None
    ) -> None:
        row = {
            "run_id": self.run.run_id,
            "stage": stage,
            "source": self.run.source,
            "as_of": self.run.as_of,
            "config_hash": self.run.config_hash,
            "fingerprint": fingerprint,
            "input_versions": json.dumps(dict(sorted(inputs.items()))),
            "status": record.status,
            "series": record.series,
            "rows": record.rows,
            "failed_series": record.failed_series,
            "seconds": record.seconds,
            "peak_memory_mb": record.peak_memory_mb,
            "started_at": self._started.get(stage),
            "finished_at": finished,
            "error": record.error,
            "host": socket.gethostname(),
        }
        self.lakehouse.upsert("ops.run", [row])

    def succeeded(self, stage: str) -> list[dict[str, Any]]:
        """Every succeeded record of a stage, over all runs, the latest first."""
        rows = self.lakehouse.read_arrow("ops.run").to_pylist()
        done = [row for row in rows if row["stage"] == stage and row["status"] == "succeeded"]
        return sorted(done, key=lambda row: row["finished_at"], reverse=True)

    def find_done(self, stage: str, fingerprint: str, *, any_run: bool = False) -> dict[str, Any] | None:
        """The succeeded record of a stage with this fingerprint, of this run or (if asked) of any run."""
        for row in self.succeeded(stage):
            if row["fingerprint"] == fingerprint and (any_run or row["run_id"] == self.run.run_id):
                return row
        return None

    # -- units ------------------------------------------------------------------------------------------------------
    def units(self, stage: str) -> list[dict[str, Any]]:
        condition = (pc.field("run_id") == self.run.run_id) & (pc.field("stage") == stage)
        return self.lakehouse.read_arrow("ops.run_unit", filters=condition).to_pylist()

    def done_buckets(self, stage: str, fingerprint: str) -> dict[int, dict[str, Any]]:
        """Units of this run that succeeded under this fingerprint, by bucket."""
        return {
            row["bucket"]: row
            for row in self.units(stage)
            if row["status"] == "succeeded" and row["fingerprint"] == fingerprint
        }

    def record_units(self, rows: Sequence[dict[str, Any]]) -> None:
        now = datetime.now(UTC)
        self.lakehouse.upsert("ops.run_unit", [row | {"run_id": self.run.run_id, "finished_at": now} for row in rows])

    # -- failures ---------------------------------------------------------------------------------------------------
    def record_failures(self, stage: str, buckets: Iterable[int], failures: Mapping[int, pa.Table]) -> None:
        """Replace the failures of these buckets; a bucket that now has none is cleared."""
        name = "ops.failure"
        wanted = sorted(set(buckets))
        if not failures and not self._has_failures(stage):
            return
        uri = self.lakehouse.uri(name)
        self.lakehouse.ensure(name)
        files = []
        for bucket, table in failures.items():
            values = {"run_id": self.run.run_id, "stage": stage, "bucket": str(bucket)}
            file = write_bucket(name, uri, with_constants(table, values, name), values)
            if file:
                files.append(file)
        replace = {"run_id": [self.run.run_id], "stage": [stage], "bucket": [str(bucket) for bucket in wanted]}
        self.lakehouse.commit_files(name, files, replace)

    def _has_failures(self, stage: str) -> bool:
        condition = (pc.field("run_id") == self.run.run_id) & (pc.field("stage") == stage)
        return self.lakehouse.read_arrow("ops.failure", columns=["bucket"], filters=condition).num_rows > 0


def with_constants(table: pa.Table, values: Mapping[str, str], name: str) -> pa.Table:
    """The table with columns that it lacks of a contract added: as the constants given, else NULL."""
    for field in contract(name).arrow_schema():
        if field.name not in table.column_names:
            value = values.get(field.name)
            filled = pa.array([value] * table.num_rows, pa.string())
            table = table.append_column(pa.field(field.name, field.type), filled.cast(field.type))
    return table.select(contract(name).columns)


class WriterLock:
    """One writer per local lakehouse: commits of two processes to a local folder can overwrite each other.

    Object stores serialise commits themselves, so only a local root is locked. The lock goes with its process.
    """

    def __init__(self, lakehouse: Lakehouse) -> None:
        self._lakehouse = lakehouse
        self._file: Any = None

    def __enter__(self) -> WriterLock:
        if not self._lakehouse.is_local:
            return self
        os.makedirs(self._lakehouse.base, exist_ok=True)
        path = os.path.join(self._lakehouse.base, ".shelfcast.lock")
        self._file = open(path, "a+", encoding="utf-8")
        try:
            fcntl.flock(self._file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            self._file.seek(0)
            holder = self._file.read().strip() or "unknown"
            self._file.close()
            raise LockedError(
                f"another process (pid {holder}) is writing to {self._lakehouse.base}; wait for it, or stop it"
            ) from None
        self._file.truncate(0)
        self._file.write(str(os.getpid()))
        self._file.flush()
        return self

    def __exit__(self, *_: object) -> None:
        if self._file:
            self._file.close()
