"""An order's change as a person reads it."""

from __future__ import annotations

from datetime import date

import pyarrow.compute as pc

from jobs.explain.order_change import OrderChange
from jobs.explain.plan_side import PlanSide
from lakehouse.delta.io import Lakehouse
from lakehouse.errors import ConfigError


def text_of(change: OrderChange) -> str:
    """The change, its parts with their sum, and how they were found."""
    before, after, currency = change.before, change.after, change.after.context.mapping.currency
    head = (
        f"{after.unique_id}: order {after.published['order_qty']:g} in the plan of {_named(after, before)}, "
        f"{before.published['order_qty']:g} in that of {_named(before, after)}: {change.qty:+g} units, "
        f"{_money(change.value)} {currency}"
    )
    rows = [(part.cause, f"{part.qty:+.2f}", _money(part.value), part.words) for part in change.parts]
    held = " then ".join(f"{_units(plan.published['position_qty'])}" for plan in (before, after))
    rows.append(("sum", f"{change.qty:+.2f}", _money(change.value), f"stock position {held}"))
    widths = [max(len(row[k]) for row in [*rows, ("cause", "units", currency, "")]) for k in range(3)]
    lines = [
        f"  {cause:{widths[0]}}  {qty:>{widths[1]}}  {value:>{widths[2]}}  {words}".rstrip()
        for cause, qty, value, words in [("cause", "units", currency, "what differs"), *rows]
    ]
    how = (
        f"Shapley values, exact: the mean over all orders in which the {change.exchanged} causes that differ can be "
        f"exchanged, from {change.reruns} reruns of the series' forecast and order"
        if change.exchanged
        else "The plans were made from the same inputs for this series"
    )
    return "\n".join([head, *lines, f"{how}.", ""])


def _named(plan: PlanSide, other: PlanSide) -> str:
    return f"{plan.as_of} (run {plan.context.run.run_id})" if plan.as_of == other.as_of else str(plan.as_of)


def _units(value: float | None) -> str:
    return "unknown" if value is None else f"{value:g}"


def _money(value: float | None) -> str:
    return "unknown" if value is None else f"{value:+,.2f}"


def plans(lakehouse: Lakehouse, as_of: date | None, against: str | None) -> tuple[tuple[date, str], str]:
    """(day and run of the plan asked for, run of the one it is compared with).

    as_of: None is the latest. against: a day or a run; None is the plan before. Raises ConfigError for one that is not.
    """
    rows = lakehouse.read_arrow("gold.order_plan", columns=["as_of", "run_id"])
    published = dict(zip(rows["as_of"].to_pylist(), rows["run_id"].to_pylist(), strict=True))
    if not published:
        raise ConfigError("no plan is published yet; `shelfcast run` makes one")
    day = as_of or max(published)
    if day not in published:
        raise ConfigError(f"no plan of {day}; there are those of {', '.join(map(str, sorted(published)[-5:]))}")
    if against is None:
        earlier = [each for each in published if each < day]
        if not earlier:
            raise ConfigError(f"no plan is older than that of {day}; name a run with --against (`shelfcast status`)")
        return (day, published[day]), published[max(earlier)]
    run = {str(each): run_id for each, run_id in published.items()}.get(against, against)
    if not lakehouse.read_arrow("ops.run", columns=["run_id"], filters=pc.field("run_id") == run).num_rows:
        raise ConfigError(f"--against {against} is neither a day with a plan nor a run; `shelfcast status` lists runs")
    return (day, published[day]), run
