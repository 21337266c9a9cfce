"""An order's change as a person reads it."""

from __future__ import annotations

from jobs.explain.order_change import OrderChange
from jobs.explain.plan_side import PlanSide


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


def line_of(change: OrderChange) -> str:
    """The change and its parts in money in one line; in units where money is not known."""
    currency = change.after.context.mapping.currency
    parts = ", ".join(
        f"{part.cause} {f'{part.qty:+.2f} units' if part.value is None else _money(part.value)}"
        for part in change.parts
    )
    return f"{change.after.unique_id}: {change.qty:+g} units, {_money(change.value)} {currency}: {parts}"


def _named(plan: PlanSide, other: PlanSide) -> str:
    return f"{plan.as_of} (run {plan.context.run.run_id})" if plan.as_of == other.as_of else str(plan.as_of)


def _units(value: float | None) -> str:
    return "unknown" if value is None else f"{value:g}"


def _money(value: float | None) -> str:
    return "unknown" if value is None else f"{value:+,.2f}"
