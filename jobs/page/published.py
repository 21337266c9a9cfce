"""The latest day published, in memory: gold's rows once per version, ready to be filtered."""

from __future__ import annotations

import threading
import time
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import date, timedelta
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from jobs.views.decisions import what_text
from jobs.views.plans import Plan, plan_before, value_changes
from jobs.views.series import PLAN, published_day
from lakehouse.delta.decisions import PRICE_DAYS, TABLE, Decision, counting, expecting, record
from lakehouse.delta.io import Lakehouse
from lakehouse.schema.tables import contract
from udfs.doubts import kinds_of

CHECK, RISK = "gold.order_check", "gold.stock_risk"
_LOOK_AGAIN_SECONDS = 2.0
"""A new version is seen so late at most; on an object store each look costs a request per table."""
_LOOK_AHEAD_DAYS = 366
_SEARCHED = ("unique_id", "product_name", "category", "supplier_id")
CHOICES = ("department", "location_id", "supplier_id", "main_reason")


@dataclass(frozen=True)
class Day:
    """What one run published for one day.

    Attributes:
        before: the plan of the latest earlier day.
        lines: rows of gold.order_plan, and: packs' units as there; `change_qty` and `change_value`, units and money
            above the last plan's, and `moved_value`, the size of the latter;
            `value_at_risk` of gold.stock_risk; `rules` that find the line, unconfirmed, and `decided`, what planners
            decided of it, as text; `search`, what is searched for text, in lower case.
        checks: rows of gold.order_check. decisions: rows of planner.decision that count on the day. forecasts: rows of
            those that say what demand to expect after it, as far as no later word has taken all their days.
        choices: values of each column of `CHOICES`, sorted; of `rules` and `doubts` those that there are.
    """

    as_of: date
    run_id: str
    before: Plan | None
    currency: str
    lines: pa.Table
    checks: pa.Table
    decisions: pa.Table
    choices: dict[str, list[str]]
    forecasts: tuple[dict[str, Any], ...] = ()

    @property
    def plan(self) -> Plan:
        return Plan(self.as_of, self.run_id)

    def line(self, unique_id: str) -> dict[str, Any] | None:
        """A series' row; None for a series that the plan does not have."""
        at = pc.index(self.lines["unique_id"], unique_id).as_py()
        return None if at < 0 else self.lines.slice(at, 1).to_pylist()[0]

    def places_of(self, sku: str) -> list[dict[str, Any]]:
        """The rows of a SKU by location, without what is searched."""
        rows = self.lines.filter(pc.equal(self.lines["sku_id"], sku)).drop_columns(["search"])
        return rows.sort_by([("location_id", "ascending"), ("channel_id", "ascending")]).to_pylist()

    def namesakes(self, line: dict[str, Any]) -> int:
        """How many other SKUs have the name of this one's product."""
        same = self.lines.filter(pc.equal(self.lines["product_name"], pa.scalar(line["product_name"], pa.string())))
        return max(0, pc.count_distinct(same["sku_id"]).as_py() - 1)


class Published:
    """Reads the day, and records decisions; safe to ask from several threads."""

    def __init__(self, lake: Lakehouse) -> None:
        self.lake = lake
        self.lock = threading.RLock()
        """To be held by whoever reads `lake`: its opened tables are shared."""
        self._writing = threading.Lock()
        self._looked_at = float("-inf")
        self._gold: list[int] = []
        self._decided = -1
        self._published: Day | None = None
        self._day: Day | None = None

    def day(self) -> Day:
        """The latest day. Raises ConfigError where none is published."""
        with self.lock:
            if self._day is None or time.monotonic() - self._looked_at > _LOOK_AGAIN_SECONDS:
                *gold, decided = (self.lake.version(name) for name in (PLAN, CHECK, RISK, TABLE))
                if self._published is None or gold != self._gold:
                    self._published, self._gold, self._day = _read(self.lake), gold, None
                if self._day is None or decided != self._decided:
                    self._day, self._decided = _with_decisions(self._published, self.lake), decided
                self._looked_at = time.monotonic()
            return self._day

    def decide(self, decisions: list[Decision]) -> None:
        """Record decisions in one commit; the next `day` has them."""
        with self._writing:
            record(Lakehouse(self.lake.root, self.lake.catalog), decisions)
        self._looked_at = float("-inf")


def _read(lake: Lakehouse) -> Day:
    day = published_day(lake, None)
    of_day = pc.field("as_of") == day
    plan = lake.read_arrow(PLAN, filters=of_day).combine_chunks()
    run, before = plan["run_id"][0].as_py(), plan_before(lake, day)
    checks, risk = (lake.read_arrow(name, filters=of_day & (pc.field("run_id") == run)) for name in (CHECK, RISK))
    if before:
        plan = _with_changes(plan, value_changes(lake, Plan(day, run), before))
    else:
        plan = plan.append_column("change_value", pa.nulls(plan.num_rows, pa.float64()))
    found = _texts(checks.filter(pc.invert(checks["is_confirmed"].fill_null(False))), "check_rule")
    columns = {
        "change_qty": pc.subtract(plan["order_qty"], plan["last_order_qty"]),
        "moved_value": pc.abs(plan["change_value"]),
        "value_at_risk": risk["value_at_risk"].take(pc.index_in(plan["unique_id"], risk["unique_id"])),
        "rules": _looked_up(plan, found),
        "search": _search_text(plan),
    }
    for name, values in columns.items():
        plan = plan.append_column(name, values)
    choices = {name: sorted(pc.unique(plan[name]).drop_null().to_pylist()) for name in CHOICES}
    choices["rules"] = sorted(pc.unique(checks["check_rule"]).to_pylist())
    choices["doubts"] = sorted({kind for text in plan["doubts"].drop_null().to_pylist() for kind in kinds_of(text)})
    currencies = sorted(pc.unique(plan["currency"]).drop_null().to_pylist())
    undecided = contract(TABLE).empty(with_partitions=True)
    return Day(day, run, before, " and ".join(currencies), plan, checks, undecided, choices)


def _with_changes(plan: pa.Table, changes: pa.Table) -> pa.Table:
    """The lines beside the plan before; a plan from before its table noted that plan's orders has none of them."""
    found = changes.take(pc.index_in(plan["unique_id"], changes["unique_id"]))
    last = pc.coalesce(plan["last_order_qty"], found["last_order_qty"])
    plan = plan.set_column(plan.column_names.index("last_order_qty"), "last_order_qty", last)
    return plan.append_column("change_value", found["change_value"])


def _with_decisions(day: Day, lake: Lakehouse) -> Day:
    """The day as published, and what was decided of it since."""
    rows = lake.read_arrow(TABLE)
    decisions = counting(rows, day.as_of)
    until = day.as_of + timedelta(days=_LOOK_AHEAD_DAYS)
    ahead = [expecting(rows, day.as_of, until), expecting(rows, day.as_of, until, "price", PRICE_DAYS)]
    named = pa.chunked_array([chunk for each in ahead for chunk in each["decision_id"].chunks], pa.string())
    forecasts = tuple(rows.filter(pc.is_in(rows["decision_id"], named)).to_pylist())
    decided: dict[str, list[str]] = defaultdict(list)
    for row in (*decisions.to_pylist(), *forecasts):
        decided[row["unique_id"]].append(_decision_words(row))
    words = {series: "; ".join(each) for series, each in decided.items()}
    lines = day.lines.append_column("decided", _looked_up(day.lines, words))
    return replace(day, lines=lines, decisions=decisions, forecasts=forecasts)


def _texts(rows: pa.Table, column: str) -> dict[str, str]:
    """A column's values by series, in one text."""
    found: dict[str, list[str]] = defaultdict(list)
    for series, value in zip(rows["unique_id"].to_pylist(), rows[column].to_pylist(), strict=True):
        found[series].append(value)
    return {series: "; ".join(values) for series, values in found.items()}


def _looked_up(plan: pa.Table, words: dict[str, str]) -> pa.Array:
    return pa.array([words.get(series) for series in plan["unique_id"].to_pylist()], pa.string())


def _decision_words(row: dict[str, Any]) -> str:
    what = f"confirmed ({row['check_rule'] or 'all'})" if row["decision"] == "confirm" else what_text(row)
    return f"{what} by {row['author']} until {row['valid_to']}: {row['note']}"


def _search_text(plan: pa.Table) -> Any:
    texts: Sequence[Any] = [pc.fill_null(plan[name], "") for name in _SEARCHED]
    return pc.utf8_lower(pc.binary_join_element_wise(*texts, " "))
