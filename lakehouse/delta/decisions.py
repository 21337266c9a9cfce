"""Planners' decisions: an append-only table with a lock of its own, so that a planner need not wait for a run.

A decision is for a series and some days: days on which is ordered, or of a forecast days of demand. The last one
recorded counts on each day; `withdraw` ends what was decided for its days, orders, forecasts and prices alike.
"""

from __future__ import annotations

import uuid
from dataclasses import asdict, dataclass
from datetime import UTC, date, datetime, timedelta
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from lakehouse.delta.io import Lakehouse
from lakehouse.delta.lock import WriterLock
from lakehouse.errors import ConfigError
from lakehouse.schema.codes import DECISIONS, ORDER_RULES
from lakehouse.schema.columns import schema_of
from lakehouse.schema.tables import contract

TABLE = "planner.decision"
_LOCK = ".shelfcast.planner.lock"
_PATIENCE_SECONDS = 10.0
"""A planner's row is written in a fraction of a second: a second planner waits for it."""
_MOST_TEXT = 500
MOST_FACTOR = 100.0
MOST_PRICE = 1e9
_BY_DAY = ("forecast", "price")
"""Decisions that are for days of demand, not for a day on which is ordered."""


FORECAST_DAYS = schema_of(("unique_id", "ds", "decision_id", "decided_factor", "decided_qty", "author", "note"))
"""What counts of forecasts, by series and day of demand."""
PRICE_DAYS = schema_of(("unique_id", "ds", "decision_id", "decided_price", "author", "note"))
"""What counts of prices, by series and day."""


@dataclass(frozen=True, slots=True)
class Decision:
    """What a planner decided.

    Attributes:
        decision: of `DECISIONS`.
        unique_id: the series.
        author, note: who, and why.
        valid_from, valid_to: order days that it is for, of a forecast days of demand, both included.
        decided_qty: units to order instead, of the order that is confirmed, or demand of each day; None with `withdraw`
            and where a factor is decided.
        decided_factor: demand of each day as a multiple of the model's, with a forecast alone.
        decided_price: currency per unit on each day, of a price alone.
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
    decided_factor: float | None = None
    decided_price: float | None = None

    def __post_init__(self) -> None:
        if self.decision not in DECISIONS:
            raise ConfigError(f"decision: expected one of {', '.join(DECISIONS)}, found {self.decision!r}")
        for name in ("author", "note"):
            text = getattr(self, name).strip()
            if not text or len(text) > _MOST_TEXT:
                raise ConfigError(f"{name}: expected 1 to {_MOST_TEXT} characters, found {len(text)}; say who and why")
        if self.valid_to < self.valid_from:
            raise ConfigError(f"valid_to: expected {self.valid_from} or later, found {self.valid_to}")
        self._check_quantity()
        if self.check_rule is not None and self.check_rule not in ORDER_RULES:
            raise ConfigError(f"check_rule: expected one of {', '.join(ORDER_RULES)}, found {self.check_rule!r}")

    def _check_quantity(self) -> None:
        if self.decision == "price" or self.decided_price is not None:
            self._check_price()
        elif self.decided_factor is not None:
            if self.decision != "forecast" or self.decided_qty is not None:
                raise ConfigError(
                    "decided_factor: expected of a forecast alone, and no units beside it; say one of them"
                )
            if not 0 <= self.decided_factor <= MOST_FACTOR:
                raise ConfigError(f"decided_factor: expected 0 to {MOST_FACTOR:g}, found {self.decided_factor}")
        elif self.decision != "withdraw" and not (self.decided_qty is not None and 0 <= self.decided_qty < 1e9):
            raise ConfigError(f"decided_qty: expected units from 0 to a billion, found {self.decided_qty}")

    def _check_price(self) -> None:
        if self.decision != "price" or self.decided_qty is not None or self.decided_factor is not None:
            raise ConfigError("decided_price: expected of a price alone, and no units or factor beside it; say one")
        if not (self.decided_price is not None and 0 < self.decided_price < MOST_PRICE):
            raise ConfigError(f"decided_price: expected above 0 and below a billion, found {self.decided_price}")


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
    last confirmation of each series that was not withdrawn since. Of forecasts see `forecasts_for`."""
    return counting(_recorded(lake, recorded_by), day)


def forecasts_for(lake: Lakehouse, day: date, last: date, recorded_by: datetime | None = None) -> pa.Table:
    """The forecasts that count for the days of demand after `day` until `last`, or did at a moment (UTC): one row of
    `FORECAST_DAYS` for each series and day, in this order; the last word on a day counts, until it is withdrawn."""
    return expecting(_recorded(lake, recorded_by), day, last)


def prices_for(lake: Lakehouse, day: date, last: date, recorded_by: datetime | None = None) -> pa.Table:
    """The same of prices: one row of `PRICE_DAYS` for each series and day after `day` until `last`."""
    return expecting(_recorded(lake, recorded_by), day, last, "price", PRICE_DAYS)


def _recorded(lake: Lakehouse, recorded_by: datetime | None) -> pa.Table:
    """All rows, those until a moment."""
    if not lake.exists(TABLE):
        return contract(TABLE).empty(with_partitions=True)
    rows = lake.read_arrow(TABLE)
    return rows if recorded_by is None else rows.filter(pc.field("recorded_at") <= recorded_by)


def _in_order(rows: pa.Table) -> list[dict[str, Any]]:
    """As they were recorded."""
    found: list[dict[str, Any]] = rows.sort_by([("recorded_at", "ascending"), ("decision_id", "ascending")]).to_pylist()
    return found


def counting(rows: pa.Table, day: date) -> pa.Table:
    """The same as `decisions_for`, of rows at hand."""
    at = pa.scalar(day, pa.date32())
    rows = rows.filter(pc.and_(pc.less_equal(rows["valid_from"], at), pc.greater_equal(rows["valid_to"], at)))
    found: dict[tuple[str, str, str | None], dict[str, object]] = {}
    for row in _in_order(rows):
        if row["decision"] == "withdraw":
            found = {key: each for key, each in found.items() if key[0] != row["unique_id"]}
        elif row["decision"] not in _BY_DAY:
            found[row["unique_id"], row["decision"], row["check_rule"]] = row
    return pa.Table.from_pylist(list(found.values()), schema=rows.schema)


def expecting(
    rows: pa.Table, day: date, last: date, decision: str = "forecast", schema: pa.Schema = FORECAST_DAYS
) -> pa.Table:
    """The same as `forecasts_for`, or as `prices_for`, of rows at hand."""
    found: dict[tuple[str, date], dict[str, Any]] = {}
    for row in _in_order(rows):
        first = max(row["valid_from"], day + timedelta(days=1))
        days = [first + timedelta(days=k) for k in range((min(row["valid_to"], last) - first).days + 1)]
        for ds in days if row["decision"] in (decision, "withdraw") else ():
            if row["decision"] == decision:
                found[row["unique_id"], ds] = row | {"ds": ds}
            else:
                found.pop((row["unique_id"], ds), None)
    return pa.Table.from_pylist([found[key] for key in sorted(found)], schema=schema)
