"""What a table holds now: the files of its parts, and a record of what they are.

`ops.held` says of each part of the tables that runs share what its last commit was stamped with, and keeps a digest of
the files that the part consisted of then: while the digest is that of the files there now, the part holds what the
record says. Whatever else may have happened to it in between (another run, a crash before the record, somebody's own
statement), the record no longer counts.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import UTC, date, datetime
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from lakehouse.delta.files import DAY_COLUMNS
from lakehouse.delta.io import Lakehouse
from lakehouse.delta.stamp import present_stamp

HELD = "ops.held"
ABSENT = "absent"


@dataclass(frozen=True, slots=True)
class Part:
    """The files that a part of a table consists of: their digest, and the first and last day of their rows."""

    digest: str
    covers_from: date | None = None
    covers_to: date | None = None


def parts(
    lake: Lakehouse, table: str, by: str | None = None, where: Mapping[str, str] | None = None
) -> dict[str, Part]:
    """By value of the partition column `by` ('' for the whole table) what the files of `where` are now.

    Measured from the log alone: no data file is opened.
    """
    if not lake.exists(table):
        return {}
    actions = pa.table(lake.open(table).get_add_actions(flatten=True))
    for column, value in (where or {}).items():
        actions = actions.filter(pc.equal(actions[f"partition.{column}"].cast(pa.string()), value))
    values = actions[f"partition.{by}"].cast(pa.string()).to_pylist() if by else [""] * actions.num_rows
    paths = actions["path"].to_pylist()
    first, last = _days(actions)
    found: dict[str, list[int]] = {}
    for position, value in enumerate(values):
        found.setdefault(value, []).append(position)
    return {
        value: Part(
            digest_of(paths[i] for i in at),
            min((day for i in at if (day := first[i]) is not None), default=None),
            max((day for i in at if (day := last[i]) is not None), default=None),
        )
        for value, at in found.items()
    }


def _days(actions: pa.Table) -> tuple[list[date | None], list[date | None]]:
    """First and last day of each file's rows, by the statistics or the partition of the table's day column."""
    none: list[date | None] = [None] * actions.num_rows
    for name in DAY_COLUMNS:
        if f"min.{name}" in actions.column_names and not pa.types.is_date(actions[f"min.{name}"].type):
            return none, none  # bronze: text that need not be a day
        if f"min.{name}" in actions.column_names:
            first, last = (actions[f"{side}.{name}"].cast(pa.date32()).to_pylist() for side in ("min", "max"))
            return first, last
        if f"partition.{name}" in actions.column_names:
            days = actions[f"partition.{name}"].cast(pa.date32()).to_pylist()
            return days, days
    return none, none


def digest_of(paths: Iterable[str]) -> str:
    """A short hash of the names of files, whatever their order; of no file it is `ABSENT`."""
    listed = sorted(paths)
    return hashlib.sha256("\n".join(listed).encode()).hexdigest()[:16] if listed else ABSENT


class Held:
    """The record of what the parts of shared tables hold."""

    def __init__(self, lake: Lakehouse) -> None:
        self.lake = lake

    def of(self, table: str, by: str | None = None) -> dict[str, dict[str, Any]]:
        """The records of a table that still count, by part: their files are the ones that are there."""
        recorded = self.recorded(table)
        now = parts(self.lake, table, by)
        return {
            name: row
            for name, row in recorded.items()
            if row["files"] == (now[_value(name)].digest if _value(name) in now else ABSENT)
        }

    def recorded(self, table: str) -> dict[str, dict[str, Any]]:
        """All records of a table by part, whether they still count or not."""
        rows = self.lake.read_whole(HELD).filter(pc.field("table_name") == table).to_pylist()
        return {row["part"]: row for row in rows}

    def holds(self, table: str, part: str, fingerprint: str) -> bool:
        """Whether a part ('' or 'column=value') of a table holds this fingerprint now."""
        by = part.partition("=")[0] or None
        row = self.of(table, by).get(part)
        return row is not None and row["fingerprint"] == fingerprint

    def record(self, table: str, names: Iterable[str], lineage: Mapping[str, str] | None = None) -> None:
        """Say that these parts hold what the present stamp made. Call it when their data are committed."""
        stamp = present_stamp()
        if stamp is None:
            raise RuntimeError("a part is recorded inside `stamped` alone")
        wanted = list(names)
        by = wanted[0].partition("=")[0] or None if wanted else None
        now = parts(self.lake, table, by)
        rows = []
        for name in wanted:
            part = now.get(_value(name), Part(ABSENT))
            rows.append(
                {
                    "table_name": table,
                    "part": name,
                    "stage": stamp.stage,
                    "run_id": stamp.run_id,
                    "fingerprint": stamp.fingerprint,
                    "lineage": (lineage or {}).get(name),
                    "covers_from": part.covers_from,
                    "covers_to": part.covers_to,
                    "files": part.digest,
                    "recorded_at": datetime.now(UTC),
                }
            )
        self.lake.upsert(HELD, rows)

    def refresh(self, table: str, before: Mapping[str, Part], by: str | None) -> None:
        """After files were rewritten without a change of rows: records that counted before count again."""
        now = parts(self.lake, table, by)
        rows = [
            row | {"files": now[_value(name)].digest}
            for name, row in self.recorded(table).items()
            if _value(name) in before and _value(name) in now and row["files"] == before[_value(name)].digest
        ]
        self.lake.upsert(HELD, rows)


def _value(part: str) -> str:
    return part.partition("=")[2]
