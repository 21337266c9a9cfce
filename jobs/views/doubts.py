"""What a person should look at before the orders are believed: late sales, what decided, doubts by kind."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Collection, Iterable, Sequence
from datetime import date
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from jobs.engine.sales_days import sales_days
from lakehouse.delta.io import Lakehouse
from lakehouse.errors import ConfigError
from lakehouse.faults import nearest
from lakehouse.schema.codes import BETWEEN_DOUBTS, ORDER_RULES, POLICY_DECIDERS
from udfs.doubts import KINDS, kinds_of
from udfs.inventory.group_terms import ALL
from udfs.inventory.inventory_spec import InventorySpec

_COLUMNS = ["unique_id", "sku_id", "location_id", "order_qty", "order_value", "position_qty", "supply_notes", "doubts"]
_WITHOUT = {
    "no price or cost": "neither unit cost nor price is known",
    "unit cost of 0": "a unit costs nothing",
    "lead time": "lead time and review exceed what a replay can show",
    "no replays": "there is no replay to choose by",
}
# What a feed states stands in quotes, and may be any text.
_CHANGE = re.compile(r"(?:^|; )(\w+) (?:(assumed)|'.*?' (replaced) by|\S+ (rounded) to) ([^;]+)")


def late_words(lake: Lakehouse, as_of: date) -> str:
    """That the sales feed ends before the as-of day, in a line of its own; '' where it does not."""
    known = sales_days(lake)
    words = known.lag_words(as_of) if known else None
    return f"WARNING: {words}; the days since are taken as forecast, in stock as in demand\n" if words else ""


def policy_words(policies: Sequence[str], deciders: Sequence[str]) -> str:
    """How many policies money chose, and what else chose the others, with the policies by number of series."""
    parts = []
    for decider in POLICY_DECIDERS:
        counts = Counter(name for name, by in zip(policies, deciders, strict=True) if by == decider)
        if counts:
            names = ", ".join(
                f"{name} {n:,}" for name, n in sorted(counts.items(), key=lambda each: (-each[1], each[0]))
            )
            how = "chosen by money" if decider == "money" else f"not chosen by money, since {_WITHOUT[decider]}"
            parts.append(f"{counts.total():,} {how} ({names})")
    return "; ".join(parts) or "none"


def doubt_words(plan: pa.Table, lakehouse: str) -> str:
    """Doubts and changed supply terms of gold.order_plan by kind, and the command that shows all; '' for none."""
    doubtful = plan.filter(plan["doubts"].is_valid())
    text = ""
    if doubtful.num_rows:
        ordered = int(pc.sum(pc.greater(doubtful["order_qty"], 0)).as_py())
        counts = Counter(kind for doubt in doubtful["doubts"].to_pylist() for kind in kinds_of(doubt))
        known = [*KINDS, *sorted(set(counts) - set(KINDS))]
        kinds = ", ".join(f"{kind} {counts[kind]:,}" for kind in known if kind in counts)
        text += f"gold.order_plan: {doubtful.num_rows:,} series are doubtful, {ordered:,} with an order: {kinds}\n"
        text += "".join(f"  {_line(row)}\n" for row in _gravest(doubtful, 5))
        text += f"  `shelfcast doubts --lakehouse {lakehouse}` shows all\n"
    changed = _changes(plan["supply_notes"].drop_null().to_pylist())
    if changed:
        terms = ", ".join(
            # A value that all have can be told; where each has its own, the table does.
            f"{words} {values[0] if len(set(values)) == 1 else ''}".rstrip() + f" for {len(values):,}"
            for words, values in sorted(changed.items(), key=lambda each: (-len(each[1]), each[0]))
        )
        text += f"series whose supply terms are not as stated (supply_notes of gold.order_plan): {terms}\n"
    return text


def check_words(checks: pa.Table) -> str:
    """The order lines that rules find implausible (gold.order_check), by rule, with the largest; '' for none."""
    confirmed = pc.count_distinct(checks.filter(checks["is_confirmed"])["unique_id"]).as_py()
    checks = checks.filter(pc.invert(checks["is_confirmed"]))
    if not checks.num_rows:
        return ""
    counts = Counter(checks["check_rule"].to_pylist())
    rules = ", ".join(f"{rule} {counts[rule]:,}" for rule in ORDER_RULES if rule in counts)
    lines = pc.count_distinct(checks["unique_id"]).as_py()
    text = f"gold.order_check: {lines:,} orders to look at before they are signed: {rules}"
    text += f"; {confirmed:,} confirmed\n" if confirmed else "\n"
    largest = checks.sort_by([("order_value", "descending"), ("unique_id", "ascending"), ("check_rule", "ascending")])
    for row in largest.slice(0, 5).to_pylist():
        bound = (
            f" ({row['found_value']:,.1f} against {row['bound_value']:,.1f})" if row["bound_value"] is not None else ""
        )
        text += f"  {row['sku_id']} at {row['location_id']}: {row['check_rule']}{bound}: {row['headline']}\n"
    return text


def decision_words(plan: pa.Table, decisions: pa.Table, forecasts: pa.Table | None = None) -> str:
    """Orders and forecasts that planners set, and those of them for series that gold.order_plan has no line of; '' for
    none.

    decisions: rows of planner.decision that count on the day. forecasts: unique_id, a row for each day decided.
    """
    orders = decisions.filter(pc.equal(decisions["decision"], "order"))["unique_id"].to_pylist()
    known, text = set(plan["unique_id"].to_pylist()), ""
    for ids, what in (
        (set(orders), "orders are as planners set them"),
        (set(forecasts["unique_id"].to_pylist()) if forecasts else set(), "series are forecast as planners set it"),
    ):
        lost = sorted(ids - known)
        text += f"planner.decision: {len(ids) - len(lost):,} {what}\n" if ids else ""
        if lost:
            text += f"WARNING: {len(lost):,} more are for series without a line today: {', '.join(lost[:5])}\n"
    return text


def stock_words(plan: pa.Table, later_counts: int = 0) -> str:
    """Of how many series of gold.order_plan nobody states the stock, or what is on order; '' where all is known.

    later_counts: counts of stock of days after the plan's, which it does not look at.
    """
    assumed = [set(codes.split(BETWEEN_DOUBTS)) for codes in plan["assumptions"].drop_null().to_pylist()]
    uncounted, unknown = (sum(code in codes for codes in assumed) for code in ("stock", "open orders"))
    text = ""
    if uncounted:
        text += (
            f"WARNING: the stock of {uncounted:,} of {plan.num_rows:,} series is not stated (assumptions): their "
            "orders rest on a position that their own policy would bring about\n"
        )
        if later_counts:
            text += f"  {later_counts:,} counts are of days after --as-of, and were not looked at\n"
    if unknown:
        text += (
            f"what is on order is not stated for {unknown:,} of {plan.num_rows:,} series: what earlier plans ordered "
            "counts until its day\n"
        )
    return text


def unused_words(plan: pa.Table, spec: InventorySpec) -> str:
    """The groups and suppliers that settings have terms for and no series of gold.order_plan has, a line each."""
    stated = {"groups": (spec.groups, ("category", "department")), "suppliers": (spec.suppliers, ("supplier_id",))}
    text = ""
    for key, (terms, columns) in stated.items():
        known = sorted({name for column in columns for name in plan[column].to_pylist() if name})
        used = {ALL, *(name.strip().casefold() for name in known)}
        for name in terms:
            if name.strip().casefold() not in used:
                what = " or ".join(columns)
                text += f"WARNING: inventory.{key}: no series has the {what} {name!r}{nearest(name, known)}\n"
    return text


def doubts(lake: Lakehouse, as_of: date | None) -> str:
    """Every doubtful series of a day (the last one published), the largest orders first."""
    plan = lake.read_arrow("gold.order_plan", columns=["as_of", *_COLUMNS])
    if not plan.num_rows:
        raise ConfigError(f"no order plan yet in {lake.base}; `shelfcast run --lakehouse {lake.root} ...` makes one")
    day = as_of or pc.max(plan["as_of"]).as_py()
    of_day = plan.filter(pc.equal(plan["as_of"], day))
    if not of_day.num_rows:
        known = ", ".join(str(each) for each in sorted(set(plan["as_of"].to_pylist())))
        raise ConfigError(f"no order plan of {day} in {lake.base}; there are those of {known}")
    doubtful = of_day.filter(of_day["doubts"].is_valid())
    head = f"gold.order_plan of {day}: {doubtful.num_rows:,} of {of_day.num_rows:,} series are doubtful\n"
    return head + "".join(f"{_line(row)}\n" for row in _gravest(doubtful, doubtful.num_rows))


def _gravest(doubtful: pa.Table, most: int) -> list[dict[str, Any]]:
    """The largest orders first, then the largest positions: an order that is not placed may be the fault."""
    keys = [("order_value", "descending"), ("order_qty", "descending"), ("position_qty", "descending")]
    ordered = doubtful.sort_by([*keys, ("unique_id", "ascending")])
    return list(ordered.slice(0, most).to_pylist())


def _line(row: dict[str, Any]) -> str:
    value = "value unknown" if row["order_value"] is None else f"{row['order_value']:,.2f}"
    order = f"order {row['order_qty']:,.12g} ({value})" if row["order_qty"] else "no order"
    return f"{row['sku_id']} at {row['location_id']}: {order}, position {row['position_qty']:,.4g}: {row['doubts']}"


def _changes(notes: Iterable[str]) -> dict[str, list[str]]:
    """By term and kind of change, such as `pack_qty rounded to`, the values taken instead, one of each series."""
    found: dict[str, list[str]] = {}
    for note in notes:
        for term, *kinds, value in _CHANGE.findall(note):
            kind = {"assumed": "assumed", "replaced": "replaced by", "rounded": "rounded to"}["".join(kinds)]
            found.setdefault(f"{term} {kind}", []).append(value)
    return found


def past_words(foreseen: Collection[str], *, is_realised: bool, has_supply: bool) -> str:
    """What past cutoffs take as known that no feed dates, a line.

    foreseen: of unit_price and is_promo those that are known ahead, see `known_then`; is_realised: they are because the
    settings say so; has_supply: a feed states terms.
    """
    feed = "as they came (future_prices)" if is_realised else "as their feed states them"
    price = f"prices ahead {feed}" if "unit_price" in foreseen else "the last price for all days ahead"
    promo = f"promotions ahead {feed}" if "is_promo" in foreseen else "promotions ahead as frequent as lately"
    terms = "today's terms of supply, for their feed bears no dates" if has_supply else "the settings' terms of supply"
    return f"past cutoffs know {price} and {promo}; replays have {terms}\n"
