"""What a run says of deliveries: what is brought and what is not, for how much, and what was assumed."""

from __future__ import annotations

from collections import Counter
from typing import Any

import pyarrow.compute as pc

from lakehouse.delta.io import Lakehouse

_REASONS_SHOWN = 5
_ASSUMED = {
    "is_place_assumed": "coordinates are made up",
    "is_load_assumed": "a unit's room or weight is that of fulfilment.unit_litres and unit_kg",
    "is_fleet_assumed": "vehicles are those of fulfilment.vehicle_*",
}


def delivery_words(lake: Lakehouse, run_id: str, currency: str) -> str:
    """'' where nothing was shipped."""
    of_run = pc.field("run_id") == run_id
    days = lake.read_arrow("gold.fulfilment_value", filters=of_run).to_pylist()
    rows = lake.read_arrow("gold.delivery_plan", filters=of_run).to_pylist()
    if not rows:
        return ""
    counts = Counter(row["delivery_status"] for row in rows)
    text = f"gold.delivery_plan: {len(rows):,} shipments, {counts['delivered']:,} delivered"
    text += f" on {sum(row['vehicle_used_count'] for row in days):,} routes{_costs(days, currency)}"
    text += f"; {counts['waits']:,} wait for their depot's next day" if counts["waits"] else ""
    late = sum(bool(row["is_late"]) for row in rows)
    text += f"; {late:,} come later than their orders expect" if late else ""
    text += "\n" + _not_served([row for row in rows if row["delivery_status"] == "not served"])
    cut = sum(bool(row["is_cut"]) for row in days)
    text += f"WARNING: on {cut:,} depot-days fulfilment.limit_s ended the search for routes (is_cut)\n" if cut else ""
    return text + _assumed(rows, days)


def _costs(days: list[dict[str, Any]], currency: str) -> str:
    """What routes cost, and the same stops by today's practice, on the days where that serves as many."""
    total = sum(row["route_cost"] for row in days)
    alike = [row for row in days if row["practice_cost"] is not None]
    saved = sum(row["practice_cost"] - row["route_cost"] for row in alike)
    practice = sum(row["practice_cost"] for row in alike)
    text = f" for {total:,.0f} {currency}"
    if practice > 0.0:
        text += f", {saved / practice:.1%} below routes to the nearest place or by savings"
    return text


def _not_served(rows: list[dict[str, Any]]) -> str:
    if not rows:
        return ""
    text = f"WARNING: {len(rows):,} shipments are not served; gold.delivery_plan names the smallest change that would\n"
    for row in rows[:_REASONS_SHOWN]:
        change = f" ({row['smallest_change']})" if row["smallest_change"] else ""
        text += f"  {row['location_id']} on {row['ds']}: {row['reason']}{change}\n"
    return text + ("  ...\n" if len(rows) > _REASONS_SHOWN else "")


def _assumed(rows: list[dict[str, Any]], days: list[dict[str, Any]]) -> str:
    found = [f"{words} (of {count:,})" for name, words in _ASSUMED.items() if (count := sum(map(_flag(name), rows)))]
    if ways := sum(bool(row["is_travel_assumed"]) for row in days):
        found.append(f"ways are the great circle's times fulfilment.circuity (on {ways:,} depot-days)")
    return f"WARNING: deliveries rest on assumptions: {'; '.join(found)}\n" if found else ""


def _flag(name: str) -> Any:
    return lambda row: bool(row[name])
