"""Planners' decisions: an append-only table with a lock of its own, so that a planner need not wait for a run.

A decision is for a series and some order days. The last one recorded counts; `withdraw` ends those before it.
"""

from __future__ import annotations

import uuid
from dataclasses import asdict, dataclass
from datetime import UTC, date, datetime

import pyarrow as pa
import pyarrow.compute as pc

from lakehouse.delta.io import Lakehouse
from lakehouse.delta.lock import WriterLock
from lakehouse.errors import ConfigError
from lakehouse.schema.codes import DECISIONS, ORDER_RULES
from lakehouse.schema.tables import contract

TABLE = "planner.decision"
_LOCK = ".shelfcast.planner.lock"
_PATIENCE_SECONDS = 10.0
"""A planner's row is written in a fraction of a second: a second planner waits for it."""
_MOST_TEXT = 500


@dataclass(frozen=True, slots=True)
class Decision:
    """What a planner decided.

    Attributes:
        decision: of `DECISIONS`.
        unique_id: the series.
        author, note: who, and why.
        valid_from, valid_to: order days that it is for, both included.
        decided_qty: units to order instead, or of the order that is confirmed; None with `withdraw`.
        check_rule: the rule of gold.order_check that is answered; None with an order, or for all of them.

    Raises:
        ConfigError: a field that says nothing, or nothing possible.
    """

    decision: str
    unique_id: str
    author: str
    note: str
    valid_from: date
    valid_to: date
    decided_qty: float | None = None
    check_rule: str | None = None

    def __post_init__(self) -> None:
        if self.decision not in DECISIONS:
            raise ConfigError(f"decision: expected one of {', '.join(DECISIONS)}, found {self.decision!r}")
        for name in ("author", "note"):
            text = getattr(self, name).strip()
            if not text or len(text) > _MOST_TEXT:
                raise ConfigError(f"{name}: expected 1 to {_MOST_TEXT} characters, found {len(text)}; say who and why")
        if self.valid_to < self.valid_from:
            raise ConfigError(f"valid_to: expected {self.valid_from} or later, found {self.valid_to}")
        if self.decision != "withdraw" and not (self.decided_qty is not None and 0 <= self.decided_qty < 1e9):
            raise ConfigError(f"decided_qty: expected units from 0 to a billion, found {self.decided_qty}")
        if self.check_rule is not None and self.check_rule not in ORDER_RULES:
            raise ConfigError(f"check_rule: expected one of {', '.join(ORDER_RULES)}, found {self.check_rule!r}")


def record(lake: Lakehouse, decisions: list[Decision]) -> None:
    """Add decisions in one commit.

    Raises:
        LockedError: somebody else has been writing to the table for longer than a row takes.
    """
    if not decisions:
        return
    now, declared = datetime.now(UTC).replace(tzinfo=None), contract(TABLE)
    rows = [asdict(each) | {"decision_id": uuid.uuid4().hex, "recorded_at": now} for each in decisions]
    table = declared.conform(pa.Table.from_pylist(rows, schema=declared.arrow_schema()), with_partitions=True)
    with WriterLock(lake, _PATIENCE_SECONDS, name=_LOCK):
        lake.append(TABLE, table)


def decisions_for(lake: Lakehouse, day: date, recorded_by: datetime | None = None) -> pa.Table:
    """Rows of planner.decision that count on an order day, or did at a moment (UTC): the last order and, per rule, the
    last confirmation of each series that was not withdrawn since."""
    if not lake.exists(TABLE):
        return contract(TABLE).empty(with_partitions=True)
    rows = lake.read_arrow(TABLE)
    return counting(rows if recorded_by is None else rows.filter(pc.field("recorded_at") <= recorded_by), day)


def counting(rows: pa.Table, day: date) -> pa.Table:
    """The same of rows at hand."""
    at = pa.scalar(day, pa.date32())
    rows = rows.filter(pc.and_(pc.less_equal(rows["valid_from"], at), pc.greater_equal(rows["valid_to"], at)))
    found: dict[tuple[str, str, str | None], dict[str, object]] = {}
    ordered = rows.sort_by([("recorded_at", "ascending"), ("decision_id", "ascending")])
    for row in ordered.to_pylist():
        if row["decision"] == "withdraw":
            found = {key: each for key, each in found.items() if key[0] != row["unique_id"]}
        else:
            found[row["unique_id"], row["decision"], row["check_rule"]] = row
    return pa.Table.from_pylist(list(found.values()), schema=rows.schema)
