"""What a run says of deliveries."""

from __future__ import annotations

from datetime import date
from pathlib import Path
from typing import Any

import pyarrow as pa

from jobs.views.delivery_words import delivery_words
from lakehouse.delta.io import Lakehouse
from lakehouse.schema.tables import contract

DAY, SUNDAY = date(2024, 5, 1), date(2024, 5, 5)


def wrote(lake: Lakehouse, name: str, *rows: dict[str, Any]) -> None:
    schema = contract(name).arrow_schema()
    same = {"as_of": DAY, "run_id": "r", "ds": SUNDAY, "depot_id": "dc"}
    lake.append(name, pa.Table.from_pylist([dict.fromkeys(schema.names) | same | row for row in rows], schema=schema))


def shipment(place: str, status: str, **more: Any) -> dict[str, Any]:
    same = {"shipment_id": place, "location_id": place, "delivery_status": status, "is_late": False}
    return same | {"is_place_assumed": False, "is_load_assumed": False, "is_fleet_assumed": False} | more


def test_what_is_brought_what_is_not_and_what_was_assumed_is_said(tmp_path: Path) -> None:
    lake = Lakehouse(str(tmp_path / "lake"))
    assert delivery_words(lake, "r", "USD") == ""
    wrote(
        lake,
        "gold.delivery_plan",
        shipment("a", "delivered", is_load_assumed=True),
        shipment("b", "delivered", is_load_assumed=True, is_late=True),
        shipment("c", "waits"),
        shipment("d", "not served", reason="no way leads there", smallest_change="one vehicle more"),
    )
    value = {"stop_count": 2, "vehicle_used_count": 1, "route_cost": 80.0, "practice_cost": 100.0, "is_cut": True}
    wrote(lake, "gold.fulfilment_value", value | {"is_travel_assumed": True})
    words = delivery_words(lake, "r", "USD")
    assert words.splitlines() == [
        "gold.delivery_plan: 4 shipments, 2 delivered on 1 routes for 80 USD, 20.0% below routes to the nearest place "
        "or by savings; 1 wait for their depot's next day; 1 come later than their orders expect",
        "WARNING: 1 shipments are not served; gold.delivery_plan names the smallest change that would",
        "  d on 2024-05-05: no way leads there (one vehicle more)",
        "WARNING: on 1 depot-days fulfilment.limit_s ended the search for routes (is_cut)",
        "WARNING: deliveries rest on assumptions: a unit's room or weight is that of fulfilment.unit_litres and "
        "unit_kg (of 2); ways are the great circle's times fulfilment.circuity (on 1 depot-days)",
    ]
