"""The run ledger: what ran, on which input versions, what is done, what failed. Idempotency rests on it.

`ops.run` holds one row per run and stage, `ops.run_unit` one per run, stage and unit, `ops.failure` one per id that
failed. A unit counts as done only when its row says `succeeded` under the stage's present fingerprint and names the
files that its parts of the tables consist of now. The row is written after the unit's data are committed: a crash in
between repeats the unit, which replaces itself.
"""

from __future__ import annotations

import json
import socket
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import UTC, date, datetime
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from lakehouse.delta.files import write_bucket
from lakehouse.delta.io import Lakehouse
from lakehouse.schema.tables import contract

UNITS, FAILURES = "ops.run_unit", "ops.failure"


@dataclass(frozen=True, slots=True)
class RunIdentity:
    """What makes a run this run: the same identity is the same run, done again or resumed."""

    run_id: str
    source: str
    as_of: date
    config_hash: str


@dataclass(frozen=True, slots=True)
class StageRecord:
    """How a stage ended, as `ops.run` keeps it. `ids`: keys of its entity that it saw to."""

    status: str
    rows: int = 0
    ids: int = 0
    failed_ids: int = 0
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
            "ids": record.ids,
            "rows": record.rows,
            "failed_ids": record.failed_ids,
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
        condition = (pc.field("stage") == stage) & (pc.field("status") == "succeeded")
        done = self.lakehouse.read_arrow("ops.run", filters=condition).to_pylist()
        return sorted(done, key=lambda row: row["finished_at"], reverse=True)

    def stage(self, name: str) -> dict[str, Any] | None:
        """This run's record of a stage; None where it never began."""
        condition = (pc.field("run_id") == self.run.run_id) & (pc.field("stage") == name)
        rows = self.lakehouse.read_arrow("ops.run", filters=condition).to_pylist()
        return rows[0] if rows else None

    # -- units ------------------------------------------------------------------------------------------------------
    def units(self, stage: str) -> list[dict[str, Any]]:
        condition = (pc.field("run_id") == self.run.run_id) & (pc.field("stage") == stage)
        return self.lakehouse.read_arrow(UNITS, filters=condition).to_pylist()

    def record_units(self, stage: str, rows: Iterable[dict[str, Any]]) -> None:
        """Put these rows, all there are of the stage, in place of the stage's rows of this run."""
        values = {"run_id": self.run.run_id, "stage": stage}
        self.lakehouse.ensure(UNITS)
        wanted = contract(UNITS)
        table = pa.Table.from_pylist(
            [{name: row.get(name) for name in wanted.columns} | values for row in rows], schema=wanted.arrow_schema()
        )
        file = write_bucket(UNITS, self.lakehouse.uri(UNITS), table.sort_by("unit"), values)
        replaced = {name: [value] for name, value in values.items()}
        self.lakehouse.commit_files(UNITS, [file] if file else [], replaced)

    # -- failures ---------------------------------------------------------------------------------------------------
    def record_failures(self, stage: str, entity: str, units: Iterable[str], failures: Mapping[str, pa.Table]) -> None:
        """Replace the failures of these units; a unit that now has none is cleared.

        failures: by unit, the columns `id`, error_class, error, fallback and, where several things were tried, `model`
        and `cutoff`, which make up the row's `attempt`.
        """
        wanted = sorted(set(units))
        if not failures and not self._has_failures(stage):
            return
        uri = self.lakehouse.uri(FAILURES)
        self.lakehouse.ensure(FAILURES)
        files = []
        for unit, table in failures.items():
            values = {"run_id": self.run.run_id, "stage": stage, "unit": unit}
            rows = with_constants(_with_attempt(table), values | {"entity": entity}, FAILURES)
            file = write_bucket(FAILURES, uri, rows, values)
            if file:
                files.append(file)
        replace = {"run_id": [self.run.run_id], "stage": [stage], "unit": wanted}
        self.lakehouse.commit_files(FAILURES, files, replace)

    def _has_failures(self, stage: str) -> bool:
        condition = (pc.field("run_id") == self.run.run_id) & (pc.field("stage") == stage)
        return self.lakehouse.read_arrow(FAILURES, columns=["unit"], filters=condition).num_rows > 0


def _with_attempt(table: pa.Table) -> pa.Table:
    """The failures with the text that tells several attempts at one id apart: model and cutoff, where there are any."""
    parts = [
        pc.fill_null(table[name].cast(pa.string()), "") for name in ("model", "cutoff") if name in table.column_names
    ]
    words = pc.binary_join_element_wise(*parts, " at ") if parts else pa.array([""] * table.num_rows, pa.string())
    return table.drop_columns([n for n in ("model",) if n in table.column_names]).append_column("attempt", words)


def with_constants(table: pa.Table, values: Mapping[str, str], name: str) -> pa.Table:
    """The table with columns that it lacks of a contract added: as the constants given, else NULL."""
    for field in contract(name).arrow_schema():
        if field.name not in table.column_names:
            value = values.get(field.name)
            filled = pa.array([value] * table.num_rows, pa.string())
            table = table.append_column(pa.field(field.name, field.type), filled.cast(field.type))
    return table.select(contract(name).columns)
