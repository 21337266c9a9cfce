"""Orders that planners set in place of the plan's."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from lakehouse.schema.tables import table_of_rows
from udfs.doubts import Doubts
from udfs.inventory.kernels.plan_tables import PROPOSAL
from udfs.inventory.orders.order_headline import LONGEST
from udfs.inventory.orders.order_words import number, order_head, units


def orders_of(decisions: pa.Table) -> pa.Table:
    """The decisions that set an order."""
    return decisions.filter(pc.equal(decisions["decision"], "order"))


def decided_value(decisions: pa.Table, unit_cost: pa.Table) -> tuple[float, float]:
    """(currency, units) that decided orders take of a budget and a capacity; a unit of unknown cost takes no currency.

    unit_cost: unique_id, unit_cost.
    """
    cost = dict(zip(unit_cost["unique_id"].to_pylist(), unit_cost["unit_cost"].to_pylist(), strict=True))
    rows = [row for row in orders_of(decisions).to_pylist() if row["unique_id"] in cost]
    return sum(row["decided_qty"] * (cost[row["unique_id"]] or 0.0) for row in rows), sum(
        row["decided_qty"] for row in rows
    )


def with_decisions(plan: pa.Table, decisions: pa.Table, terms: pa.Table) -> pa.Table:
    """Order lines with the planners' orders in place of the plan's; each line says whose it is and what was planned.

    What a planner's order is expected to earn is not reckoned (NULL).

    Args:
        plan: rows of inventory.order_plan. decisions: rows of planner.decision that count today. terms: unique_id,
            unit_cost, lead_time_days of the lines.
    """
    decided = {row["unique_id"]: row for row in orders_of(decisions).to_pylist()}
    if not any(unique_id in decided for unique_id in plan["unique_id"].to_pylist()):
        return plan
    of = {row["unique_id"]: row for row in terms.to_pylist()}
    rows = [
        _decided(row, decided[row["unique_id"]], of[row["unique_id"]]) if row["unique_id"] in decided else row
        for row in plan.to_pylist()
    ]
    return table_of_rows(PROPOSAL, rows)


def _decided(line: dict[str, Any], decision: dict[str, Any], terms: dict[str, Any]) -> dict[str, Any]:
    quantity, cost, author, note = decision["decided_qty"], terms["unit_cost"], decision["author"], decision["note"]
    head = order_head(quantity, line["pack_qty"] if _is_whole(quantity, line["pack_qty"]) else 1.0)
    headline = f"{head}: {author} decided, the plan wanted {units(line['order_qty'])}; {note}"
    receipt = line["order_date"] + timedelta(days=int(terms["lead_time_days"]))
    return line | {
        "order_qty": quantity,
        "order_value": None if cost is None else quantity * cost,
        "expected_value": None,
        "expected_receipt_ds": receipt if quantity > 0 else None,
        "main_reason": "planner",
        "headline": headline if len(headline) <= LONGEST else headline[: LONGEST - 3] + "...",
        "doubts": _doubts(line, quantity),
        "reason": f"{head}, as {author} decided: {note.rstrip('.')}. The plan: {line['reason']}",
    }


def _is_whole(quantity: float, pack: float) -> bool:
    return abs(quantity / pack - round(quantity / pack)) < 1e-9


def _doubts(line: dict[str, Any], quantity: float) -> str | None:
    doubts, pack, least = Doubts(1), line["pack_qty"], line["moq_qty"]
    doubts.add_text(0, line["doubts"])
    if not _is_whole(quantity, pack):
        doubts.add("decided order", 0, f"{number(quantity)} are no whole packs of {number(pack)}")
    if 0 < quantity < least:
        doubts.add("decided order", 0, f"{number(quantity)} are below the minimum order of {number(least)}")
    return doubts.texts()[0]
