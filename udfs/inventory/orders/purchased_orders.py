"""Orders that are bought from chosen suppliers, in place of what the policies wanted."""

from __future__ import annotations

from typing import Any

import pyarrow as pa

from lakehouse.schema.tables import table_of
from udfs.inventory.kernels.plan_tables import PROPOSAL
from udfs.inventory.orders.order_headline import LONGEST


def with_purchases(plan: pa.Table, proposal: pa.Table, purchase: pa.Table | None) -> pa.Table:
    """Order lines with what is bought in place of what the policy wanted; each says from whom, and what changed it.

    plan: rows of inventory.order_plan, cut or not; a line that the budget or capacity cut below its proposal keeps the
    cut where that is less. proposal: the lines before the cut. purchase: rows of network.purchase_order; None for none.
    """
    if purchase is None or not purchase.num_rows:
        return plan
    wanted = dict(zip(proposal["unique_id"].to_pylist(), proposal["order_qty"].to_pylist(), strict=True))
    bought: dict[str, list[dict[str, Any]]] = {}
    for row in purchase.sort_by([("unique_id", "ascending"), ("supplier_id", "ascending")]).to_pylist():
        bought.setdefault(row["unique_id"], []).append(row)
    if bought.keys().isdisjoint(wanted):
        return plan
    rows = [
        _bought(row, bought[row["unique_id"]], wanted[row["unique_id"]]) if row["unique_id"] in bought else row
        for row in plan.to_pylist()
    ]
    return table_of(PROPOSAL, {name: [row[name] for row in rows] for name in plan.column_names})


def _bought(line: dict[str, Any], rows: list[dict[str, Any]], wanted: float) -> dict[str, Any]:
    quantity = sum(row["purchase_qty"] for row in rows)
    is_cut = line["order_qty"] < min(wanted, quantity)
    share = line["order_qty"] / quantity if is_cut else 1.0
    who = " and ".join(f"{row['purchase_qty'] * share:g} from {row['supplier_id']}" for row in rows)
    note = next((row["purchase_note"] for row in rows if row["purchase_note"]), None)
    said = f"{who}{f': {note}' if note else ''}"
    receipts = [row["expected_receipt_ds"] for row in rows if row["purchase_qty"] > 0.0]
    changed: dict[str, Any] = {"reason": f"{line['reason']} Bought: {said}."}
    if quantity * share != line["order_qty"]:
        main = ("minimum order" if note and "minimum" in note else "reorder") if quantity else "no review day"
        main = main if note or quantity else "enough stock"
        changed |= {"main_reason": main, "headline": f"Buy {said}"[:LONGEST], "expected_value": None}
    return line | {
        "order_qty": quantity * share,
        "order_value": sum(row["purchase_value"] for row in rows) * share,
        "expected_receipt_ds": max(receipts) if receipts and quantity * share > 0.0 else None,
        **changed,
    }
