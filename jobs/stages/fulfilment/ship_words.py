"""What `ship` says while it runs."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING

import pyarrow.compute as pc

from lakehouse.transforms.fulfilment.ordered_lines import SHIPMENT
from udfs.fulfilment.unit_sizes import size_fault

if TYPE_CHECKING:
    from jobs.context import RunContext

_UNSHIPPED, _PRODUCTS = "fulfilment.unshipped", "silver.products"


def ask_about_sizes(context: RunContext, version: int) -> None:
    """Warn of articles whose litres and kilograms cannot both be meant. version: of silver.products."""
    sizes = context.lakehouse.dataset(_PRODUCTS, version).to_table(["unit_litres", "unit_kg"])
    fault = size_fault(*(sizes[name].to_numpy() for name in ("unit_litres", "unit_kg")))
    if fault:
        context.progress.say(f"WARNING: ship: {fault} Loads go by what is stated")


def tell_shipments(context: RunContext) -> None:
    """How much is shipped, and which lines are not."""
    of_run = pc.field("run_id") == context.run.run_id
    loads = context.lakehouse.read_arrow(SHIPMENT, columns=["depot_day_id", "is_late"], filters=of_run)
    days, late = pc.count_distinct(loads["depot_day_id"]).as_py(), pc.sum(loads["is_late"]).as_py() or 0
    words = f"{loads.num_rows:,} shipments on {days:,} depot-days, {late:,} of them later than expected"
    context.progress.say(f"  ship: {words}")
    left = context.lakehouse.read_arrow(_UNSHIPPED, columns=["unshipped_code"], filters=of_run)
    for code, count in sorted(Counter(left["unshipped_code"].to_pylist()).items()):
        context.progress.say(f"  ship: {count:,} order lines are in no shipment: {code}")
