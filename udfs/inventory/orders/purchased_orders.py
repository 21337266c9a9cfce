"""Orders that are bought from chosen suppliers or given by a depot, in place of what the policies wanted."""

from __future__ import annotations

import math
from collections import defaultdict
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from lakehouse.schema.tables import table_of_rows
from udfs.inventory.kernels.plan_tables import PROPOSAL
from udfs.inventory.orders.order_headline import LONGEST
from udfs.inventory.orders.order_words import number, order_head

PURCHASE, ALLOCATION = "network.purchase_order", "network.allocation"
BETWEEN_SUPPLIERS = " + "
"""Between the names of suppliers that share an order."""


def put_off(purchase: pa.Table, proposal: pa.Table, budget: float, capacity_qty: float) -> frozenset[str]:
    """Series whose purchases the day's budget (currency) and capacity (units) do not hold: what lasts least goes first.

    purchase: rows of network.purchase_order. proposal: unique_id and days_of_cover of their lines.
    """
    cover = dict(zip(proposal["unique_id"].to_pylist(), proposal["days_of_cover"].to_pylist(), strict=True))
    totals = purchase.group_by("unique_id").aggregate([("purchase_value", "sum"), ("purchase_qty", "sum")])
    rows = totals.sort_by("unique_id").to_pylist()
    rows.sort(key=lambda row: math.inf if (days := cover.get(row["unique_id"])) is None else days)
    waiting = set()
    for row in rows:
        value, quantity = row["purchase_value_sum"], row["purchase_qty_sum"]
        if value <= budget and quantity <= capacity_qty:
            budget, capacity_qty = budget - value, capacity_qty - quantity
        elif quantity > 0.0:
            waiting.add(row["unique_id"])
    return frozenset(waiting)


def bought_value(purchase: pa.Table, waiting: frozenset[str]) -> tuple[float, float]:
    """(currency, units) of the purchases that do not wait."""
    taken = purchase.filter(pc.invert(pc.is_in(purchase["unique_id"], pa.array(sorted(waiting), pa.string()))))
    return tuple(math.fsum(taken[name].to_pylist()) for name in ("purchase_value", "purchase_qty"))  # type: ignore[return-value]


def with_purchases(
    plan: pa.Table, proposal: pa.Table, purchase: pa.Table | None, waiting: frozenset[str] = frozenset()
) -> pa.Table:
    """Order lines with what is bought in place of what the policy wanted; each says from whom, and what changed it.

    plan: rows of inventory.order_plan. proposal: the lines as their policies want them. purchase: rows of
    network.purchase_order; None for none. waiting: series of `put_off`: they are not ordered.
    """
    if purchase is None or not purchase.num_rows:
        return plan
    wanted = {row["unique_id"]: row for row in proposal.to_pylist()}
    bought = _by_series(purchase)
    if bought.keys().isdisjoint(wanted):
        return plan
    rows = [
        _bought(wanted[key], bought[key], is_waiting=key in waiting) if (key := row["unique_id"]) in bought else row
        for row in plan.to_pylist()
    ]
    return table_of_rows(PROPOSAL, rows)


def suppliers_of(plan: pa.Table, purchase: pa.Table | None) -> pa.Array:
    """By line whom it is bought from: of several that share it all, of one that orders nothing today the one in use;
    NULL where no supplier was chosen."""
    bought = _by_series(purchase) if purchase is not None else {}

    def names(rows: list[dict[str, Any]]) -> str | None:
        some = [row["supplier_id"] for row in rows if row["purchase_qty"] > 0.0]
        return BETWEEN_SUPPLIERS.join(some or [row["supplier_id"] for row in rows]) or None

    return pa.array([names(bought.get(key, [])) for key in plan["unique_id"].to_pylist()], pa.string())


def with_allocations(plan: pa.Table, allocation: pa.Table | None, purchase: pa.Table | None) -> pa.Table:
    """Order lines cut to what their depot gives them, in whole packs; each says so.

    allocation: rows of network.allocation; those of a depot whose stock nobody counts cut nothing, nor are lines cut
    that are bought from a supplier.
    """
    if allocation is None or not allocation.num_rows:
        return plan
    bought = set(purchase["unique_id"].to_pylist()) if purchase is not None else set()
    counted = allocation.filter(pc.invert(allocation["is_pool_assumed"]))
    given = {row["unique_id"]: row for row in counted.to_pylist() if row["unique_id"] not in bought}
    lines = plan.to_pylist()
    rows = [_given(row, given[row["unique_id"]]) if row["unique_id"] in given else row for row in lines]
    if rows == lines:
        return plan
    return table_of_rows(PROPOSAL, rows)


def _by_series(purchase: pa.Table) -> dict[str, list[dict[str, Any]]]:
    found: dict[str, list[dict[str, Any]]] = defaultdict(list)
    for row in purchase.sort_by([("unique_id", "ascending"), ("supplier_id", "ascending")]).to_pylist():
        found[row["unique_id"]].append(row)
    return dict(found)


def _bought(line: dict[str, Any], rows: list[dict[str, Any]], *, is_waiting: bool) -> dict[str, Any]:
    quantity = sum(row["purchase_qty"] for row in rows)
    who = " and ".join(f"{number(row['purchase_qty'])} from {row['supplier_id']}" for row in rows)
    if is_waiting:
        said = f"{who} wait: the day's budget or capacity goes to what lasts less"
        return line | _nothing(line) | {
            "main_reason": "budget and capacity",
            "headline": f"No order: {said}"[:LONGEST],
            "reason": f"No order: {said}. Without the limit: {line['reason']}",
        }  # fmt: skip
    note = next((row["purchase_note"] for row in rows if row["purchase_note"]), None)
    assumed = " on assumed terms" if any(row["is_offer_assumed"] for row in rows) else ""
    said = f"{who}{assumed}{f': {note}' if note else ''}"
    receipts = [row["expected_receipt_ds"] for row in rows if row["purchase_qty"] > 0.0]
    packs = {row["pack_qty"] for row in rows}
    pack = packs.pop() if len(packs) == 1 else 1.0  # two suppliers' packs have no common one to count in
    changed: dict[str, Any] = {"reason": f"{line['reason']} Bought: {said}.", "pack_qty": pack}
    if quantity != line["order_qty"]:
        changed["reason"] = f"{order_head(quantity, pack)}: {said}. The policy by itself: {line['reason']}"
        main = ("minimum order" if note and "minimum" in note else "reorder") if quantity else "no review day"
        main = main if note or quantity else "enough stock"
        changed |= {"main_reason": main, "headline": f"Buy {said}"[:LONGEST], "expected_value": None}
    return line | {
        "order_qty": quantity,
        "order_value": sum(row["purchase_value"] for row in rows),
        "expected_receipt_ds": max(receipts) if receipts else None,
        **changed,
    }


def _given(line: dict[str, Any], share: dict[str, Any]) -> dict[str, Any]:
    wanted, pack = line["order_qty"], line["pack_qty"] or 1.0
    left = math.floor(share["allocated_qty"] / pack + 1e-9) * pack
    if left >= wanted:
        return line
    why = f"{share['depot_name']} has {number(share['pool_qty'])} for all its locations"
    head = f"Order {number(left)} of {number(wanted)}" if left else f"No order of the {number(wanted)} wanted"
    value = line["order_value"]
    of_less = {"order_qty": left, "order_value": None if value is None else value * left / wanted}
    changed = (of_less | {"expected_value": None}) if left else _nothing(line)
    return line | changed | {
        "main_reason": "depot",
        "headline": f"{head}: {why}"[:LONGEST],
        "reason": f"{head}: {why}, and gives them where they earn most. Without that: {line['reason']}",
    }  # fmt: skip


def _nothing(line: dict[str, Any]) -> dict[str, Any]:
    value = None if line["order_value"] is None else 0.0
    return {"order_qty": 0.0, "order_value": value, "expected_value": None, "expected_receipt_ds": None}
