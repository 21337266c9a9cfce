"""What a run says of planned prices, in a line."""

from __future__ import annotations

import math

import pyarrow.compute as pc

from lakehouse.delta.io import Lakehouse


def price_words(lake: Lakehouse, run_id: str, currency: str) -> str:
    """How many prices are to change, what for, and what is assumed of them; '' where none is planned."""
    plan = lake.read_arrow("pricing.price_plan", filters=pc.field("run_id") == run_id)
    if not plan.num_rows:
        return ""
    changed = plan.filter(pc.not_equal(plan["planned_price"], plan["unit_price"]))
    gain = math.fsum(pc.subtract(changed["planned_profit"], changed["kept_profit"]).drop_null().to_pylist())
    text = (
        f"pricing.price_plan: {changed.num_rows:,} of {plan.num_rows:,} prices are to change, for {gain:,.0f} "
        f"{currency} more over the horizon by the effects that they were planned with\n"
    )
    if assumed := int(pc.sum(plan["is_cost_assumed"]).as_py() or 0):
        text += f"WARNING: the unit cost of {assumed:,} of these is assumed (is_cost_assumed), and so are their gains\n"
    return text
