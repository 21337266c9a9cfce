"""What planners decided, and what it gained once its days had come."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import date
from typing import Any

from lakehouse.delta.decisions import TABLE
from lakehouse.delta.io import Lakehouse

_VALUE = "gold.decision_value"
_MOST = 50


def decision_list(lake: Lakehouse) -> str:
    """The last decisions, each with what it gained, and the sums by author."""
    rows = lake.read_arrow(TABLE).sort_by([("recorded_at", "descending"), ("decision_id", "ascending")])
    if not rows.num_rows:
        return "nobody has decided anything yet; `shelfcast override --help` says how\n"
    measured = latest_values(lake)
    gained: dict[str, list[dict[str, Any]]] = {}
    for row in measured:
        gained.setdefault(row["decision_id"], []).append(row)
    head = f"planner.decision: {rows.num_rows:,} decisions, {len(gained):,} measured\n"
    lines = [
        f"  {decided_text(row)}: {_gain(gained.get(row['decision_id'], []))}"
        for row in rows.slice(0, _MOST).to_pylist()
    ]
    more = f"  and {rows.num_rows - _MOST:,} more\n" if rows.num_rows > _MOST else ""
    return head + "\n".join(lines) + "\n" + more + "".join(_by_author(measured))


def latest_values(lake: Lakehouse) -> list[dict[str, Any]]:
    """Rows of gold.decision_value, of each decision and plan the last that was measured."""
    found = {}
    for row in lake.read_arrow(_VALUE).sort_by("as_of").to_pylist():
        found[row["decision_id"], row["order_date"]] = row
    return list(found.values())


def _by_author(measured: Iterable[dict[str, Any]]) -> Iterable[str]:
    groups: dict[tuple[str, str, str], list[dict[str, Any]]] = {}
    for row in measured:
        groups.setdefault((row["author"], row["decision"], row["currency"]), []).append(row)
    for (author, decision, _), rows in sorted(groups.items()):
        better = sum(row["value_added_qty"] > 0.0 for row in rows)
        yield f"{author}, {decision}s: {better} of {len(rows)} came nearer to demand; {_gain(rows)}\n"


def _gain(rows: list[dict[str, Any]]) -> str:
    if not rows:
        return "not measured"
    units = sum(row["value_added_qty"] for row in rows)
    money = [row["value_added_value"] for row in rows if row["value_added_value"] is not None]
    days = sum(row["days"] for row in rows)
    text = f"{units:+,.1f} units nearer over {days} days"
    return f"{text}, {sum(money):+,.2f} {rows[0]['currency']}" if money else text


def what_text(row: dict[str, Any]) -> str:
    """What a row of planner.decision says: order 90, confirm all, forecast x 1.5, forecast 40 a day, withdraw."""
    if row["decision"] == "forecast":
        factor = row["decided_factor"]
        return f"forecast {row['decided_qty']:g} a day" if factor is None else f"forecast x {factor:g}"
    if row["decision"] == "price":
        return f"price {row['decided_price']:g}"
    said = {"order": lambda: f" {row['decided_qty']:g}", "confirm": lambda: f" {row['check_rule'] or 'all'}"}
    return str(row["decision"]) + said.get(row["decision"], str)()


def days_text(first: date, last: date) -> str:
    """One day, or the first and the last of several."""
    return f"{first} to {last}" if last > first else str(first)


def decided_text(row: dict[str, Any]) -> str:
    """A row of planner.decision in words: the series, the days, what, who and why."""
    days = days_text(row["valid_from"], row["valid_to"])
    return f"{row['unique_id']}, {days}: {what_text(row)} ({row['author']}: {row['note']})"
