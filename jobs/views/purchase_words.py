"""What a run says of suppliers and depots, in a line each."""

from __future__ import annotations

import math
import re

import pyarrow.compute as pc

from lakehouse.delta.io import Lakehouse

_AMOUNT = re.compile(r"\d[\d.,]*")


def purchase_words(lake: Lakehouse, run_id: str, currency: str) -> str:
    """From how many suppliers what is bought, and what the others wait for; '' where no supplier was chosen."""
    rows = lake.read_arrow("network.purchase_order", filters=pc.field("run_id") == run_id)
    if not rows.num_rows:
        return ""
    bought = rows.filter(pc.greater(rows["purchase_qty"], 0.0))
    text = (
        f"network.purchase_order: {len(bought['unique_id'].unique()):,} of {len(rows['unique_id'].unique()):,} series "
        f"are bought today, from {len(bought['supplier_id'].unique())} suppliers for "
        f"{math.fsum(bought['purchase_value'].to_pylist()):,.0f} {currency}"
    )
    notes = [_AMOUNT.sub("...", note) for note in rows["purchase_note"].drop_null().to_pylist()]
    counts = sorted(((notes.count(note), note) for note in set(notes)), reverse=True)
    text += "".join(f"; {note}: {count:,}" for count, note in counts) + "\n"
    if pc.any(rows["is_offer_assumed"]).as_py():
        text += "WARNING: no feed states suppliers' terms (is_offer_assumed): those of the network's file stand in\n"
    return text


def depot_words(lake: Lakehouse, run_id: str) -> str:
    """How many locations get less from their depot than they want, and whether it was counted; '' without depots."""
    rows = lake.read_arrow("network.allocation", filters=pc.field("run_id") == run_id)
    if not rows.num_rows:
        return ""
    short = rows.filter(pc.less(rows["allocated_qty"], rows["wanted_qty"]))
    text = (
        f"network.allocation: of {rows.num_rows:,} series {short.num_rows:,} get less from their depot than they want"
    )
    guessed = int(pc.sum(rows["is_pool_assumed"]).as_py() or 0)
    counted = f"; the depots' stock of {guessed:,} is not counted: their orders stay" if guessed else ""
    return f"{text}{counted}\n"
