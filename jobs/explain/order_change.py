"""Why a series' order is another than in an earlier plan, in units and money, cause by cause."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from fractions import Fraction
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from jobs.explain.plan_side import INVENTORY, PlanSide
from jobs.explain.rerun import Outcome, Rerun
from jobs.run_settings import flat
from lakehouse.delta.io import Lakehouse
from lakehouse.delta.lock import WriterLock
from udfs.explain.shapley import in_floats, shapley
from udfs.inventory.decided_demand import DecidedDays

_TABLE = "gold.order_change"
_OTHER = "other"
_LOCK = ".shelfcast.explain.lock"
_PATIENCE_SECONDS = 10.0
"""A lock of its own: no run writes to the table, and neither waits for the other."""


@dataclass(frozen=True, slots=True)
class Part:
    """What one cause bears of the change. `value`: None where money is not known. `words`: what differs."""

    cause: str
    qty: float
    value: float | None
    words: str


@dataclass(frozen=True, slots=True)
class OrderChange:
    """An order of one plan beside another's; the parts sum to the change. `reruns`: lines made to find them."""

    before: PlanSide
    after: PlanSide
    parts: tuple[Part, ...]
    exchanged: int
    reruns: int

    @property
    def qty(self) -> float:
        return float(self.after.published["order_qty"] - self.before.published["order_qty"])

    @property
    def value(self) -> float | None:
        values = _value_of(self.before.published), _value_of(self.after.published)
        return None if None in values else float(values[1] - values[0])  # type: ignore[operator]

    def rows(self) -> list[dict[str, Any]]:
        """As rows of gold.order_change."""
        shared = {
            "as_of": self.after.as_of,
            "unique_id": self.after.unique_id,
            "against_as_of": self.before.as_of,
            "currency": self.after.context.mapping.currency,
            "run_id": self.after.context.run.run_id,
            "against_run_id": self.before.context.run.run_id,
            "recorded_at": datetime.now(UTC),
        }
        return [
            shared | {"cause": p.cause, "order_qty_change": p.qty, "order_value_change": p.value, "words": p.words}
            for p in self.parts
        ]


def explain(before: PlanSide, after: PlanSide) -> OrderChange:
    """Exchange every cause in which the plans differ, in every order, and give each its mean part.

    What the plans' lines differ by beyond what rerunning gives is the part of `other`.
    """
    rerun = Rerun(before, after)
    together = rerun.differing()
    made: dict[frozenset[str], Outcome] = {}

    def line(exchanged: frozenset[str]) -> Outcome:
        if exchanged not in made:
            made[exchanged] = rerun.order(cause for name in exchanged for cause in together[name])
        return made[exchanged]

    def numbers(exchanged: frozenset[str]) -> tuple[float, float]:
        found = line(exchanged)
        return found.qty, found.value or 0.0

    parts = shapley(sorted(together), numbers)
    change = OrderChange(before, after, (), len(together), len(made))
    whole_qty, whole_value = change.qty, change.value
    quantities = _completed({name: part[0] for name, part in parts.items()}, whole_qty)
    values = None if whole_value is None else _completed({name: part[1] for name, part in parts.items()}, whole_value)
    words = _words(rerun, together, line(frozenset()), line(frozenset(together)))
    names = sorted({*quantities, *(values or {})}, key=lambda name: (-abs(quantities.get(name, 0.0)), name))
    found = tuple(
        Part(name, quantities.get(name, 0.0), None if values is None else values.get(name, 0.0), words.get(name, ""))
        for name in names
    )
    return OrderChange(before, after, found, len(together), len(made))


def save(lakehouse: Lakehouse, change: OrderChange) -> None:
    """Put the parts into gold.order_change, in place of what was said of the same two plans.

    Raises LockedError where another process has been writing to it for longer than a change takes.
    """
    rows, key = change.rows(), ("unique_id", "run_id", "against_run_id")
    if not rows:
        return
    same = " AND ".join(f"{name} = {_quoted(rows[0][name])}" for name in key)
    causes = ", ".join(_quoted(row["cause"]) for row in rows)
    with WriterLock(lakehouse, _PATIENCE_SECONDS, name=_LOCK):
        if lakehouse.exists(_TABLE):
            lakehouse.open(_TABLE).delete(f"{same} AND cause NOT IN ({causes})")
        lakehouse.upsert(_TABLE, rows)


def _quoted(text: str) -> str:
    return "'" + text.replace("'", "''") + "'"


def _completed(parts: Mapping[str, Fraction], whole: float) -> dict[str, float]:
    """The parts with that of `other`, which sum to the whole."""
    rest = Fraction(whole) - sum(parts.values(), Fraction(0))
    is_rounding = abs(rest) <= Fraction(1, 10**9) * max(Fraction(1), abs(Fraction(whole)))
    if is_rounding and (parts or not whole):
        return in_floats(parts, whole)
    return in_floats({**parts, _OTHER: rest}, whole)


def _value_of(line: Mapping[str, Any]) -> float | None:
    value = line["order_value"]
    return 0.0 if value is None and not line["order_qty"] else value


def _words(rerun: Rerun, together: Mapping[str, tuple[str, ...]], one: Outcome, other: Outcome) -> dict[str, str]:
    """What differs, in the words of each cause."""
    found = dict.fromkeys(together, "")
    found["sales"] = f"{sold_words(rerun.before)}, then {sold_words(rerun.after)}"
    found["supply"] = f"position {_number(one.position_qty)}, then {_number(other.position_qty)}"
    found["choice"] = f"{one.model} and {one.policy}, then {other.model} and {other.policy}"
    found["pooled"] = "class sums, past errors and trained models of all series"
    found["plan"] = "prices, promotions, holidays and closures ahead"
    found["settings"] = settings_words(rerun.before, rerun.after)
    if "choice" in together.get("settings", ()) or "pooled" in together.get("settings", ()):
        found["settings"] += "; with the scores and sums that follow from them"
    found["purchase"] = "what is bought of the chosen suppliers, or given by the depot, in place of what is wanted"
    found["budget"] = "the day's limits, and what other series want of them"
    found["override"] = "; ".join(filter(None, map(_decided_words, (rerun.before, rerun.after))))
    found[_OTHER] = "what rerunning does not give: a correction by hand, or another version of the code"
    return found


def _decided_words(side: PlanSide) -> str:
    """What planners decided of a side's order and of the demand that it is for."""
    orders = [row for row in side.decisions.to_pylist() if row["decision"] == "order"]
    said = [f"{row['author']} on {side.as_of}: {row['decided_qty']:g}, {row['note']}" for row in orders]
    days = side.forecasts(side.context)
    said += DecidedDays.of(days, np.array([side.unique_id]), side.as_of, side.context.settings.horizon).notes(
        side.as_of
    )
    return "; ".join(words.strip() for words in said if words)


def settings_words(before: PlanSide, after: PlanSide) -> str:
    """Every setting that differs, as `key: before -> after`."""
    one, other = (dict(flat(side.context.settings.without_limits().result_settings())) for side in (before, after))
    keys = [key for key in sorted({*one, *other}) if one.get(key) != other.get(key)]
    return (
        ", ".join(f"{key}: {one.get(key, 'none')} -> {other.get(key, 'none')}" for key in keys) or "rules of cleaning"
    )


def sold_words(plan: PlanSide) -> str:
    """What was sold in the last four weeks that a plan knew."""
    read = next(read for read in INVENTORY.reads if read.table == "features.sku_daily")
    daily = plan.table(INVENTORY, read, plan.context)
    lately = daily.filter(pc.greater(daily["ds"], pa.scalar(plan.as_of - timedelta(days=28), pa.date32())))
    return f"{pc.sum(lately['y']).as_py() or 0.0:g} sold in the 28 days to {plan.as_of}"


def _number(value: float | None) -> str:
    return "unknown" if value is None else f"{value:g}"
