"""Rows of a depot's day, as the tables of fulfilment hold them."""

from __future__ import annotations

from datetime import date
from typing import Any

import pyarrow as pa

from lakehouse.schema.tables import contract

MONDAY = date(2024, 1, 1)
SHIPMENT, LINE, VEHICLE = "fulfilment.shipment", "fulfilment.shipment_line", "fulfilment.vehicle"
LEG, SLOT = "fulfilment.leg", "fulfilment.slot"


def shipment(place: str, latitude: float, longitude: float, **more: Any) -> dict[str, Any]:
    row = {
        "depot_day_id": f"dc|{MONDAY}", "depot_id": "dc", "ds": MONDAY, "shipment_id": f"{place}:1",
        "location_id": place, "shipped_qty": 10.0, "order_value": 100.0, "load_litres": 50.0, "load_kg": 10.0,
        "latitude": latitude, "longitude": longitude, "window_from_s": 21600, "window_to_s": 64800, "service_s": 600,
        "wait_until_ds": None, "wait_value": 0.0, "visit_share": 0.0, "is_late": False, "is_carried": False,
        "is_place_assumed": False, "is_load_assumed": False, "is_fleet_assumed": False, "is_travel_assumed": True,
    }  # fmt: skip
    return row | more


def vehicle(**more: Any) -> dict[str, Any]:
    row = {
        "depot_id": "dc", "vehicle_type": "van", "vehicle_count": 2.0, "capacity_litres": 120.0, "capacity_kg": None,
        "fixed_cost": 50.0, "km_cost": 0.5, "hour_cost": 20.0, "shift_from_s": 18000, "shift_to_s": 68400,
        "break_minutes": 30.0, "most_trips": 1.0, "ship_weekdays": "1,2,3,4,5,6,7", "latitude": 48.1,
        "longitude": 11.5, "window_from_s": 0, "window_to_s": 172800, "is_fleet_assumed": False,
    }  # fmt: skip
    return row | more


def leg(start: str, end: str, metres: float = 20_000.0, seconds: float = 1200.0) -> dict[str, Any]:
    same = {"depot_day_id": f"dc|{MONDAY}", "from_location_id": start, "to_location_id": end}
    return same | {"metres": metres, "travel_seconds": seconds}


def table(name: str, rows: list[dict[str, Any]]) -> pa.Table:
    return pa.Table.from_pylist(rows, schema=contract(name).arrow_schema(with_partitions=False))
