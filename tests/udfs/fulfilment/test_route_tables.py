"""A bucket of depot-days to rows: everything is served or has its reason, and nobody pays for another's fault."""

from __future__ import annotations

from datetime import date
from typing import Any

import pytest

from tests.udfs.fulfilment.day_rows import LEG, LINE, MONDAY, SHIPMENT, SLOT, VEHICLE, leg, shipment, table, vehicle
from udfs.fulfilment.fulfilment_spec import FulfilmentSpec
from udfs.fulfilment.route_tables import DAY, ROUTE, STOP, UNSERVED, RouteInputs, route_tables
from udfs.fulfilment.routing.route_check import faults_of
from udfs.fulfilment.warehouse_spec import WarehouseSpec
from udfs.fulfilment.wave_rows import PICK, TASK, TOUR, WAVE

NEXT = date(2024, 1, 2)
SPEC = FulfilmentSpec(effort=0.3)
NOBODY = WarehouseSpec()


def routed(
    shipments: list[dict[str, Any]],
    vehicles: list[dict[str, Any]] | None = None,
    legs: list[dict[str, Any]] | None = None,
    lines: list[dict[str, Any]] | None = None,
    slots: list[dict[str, Any]] | None = None,
    warehouse: WarehouseSpec = NOBODY,
) -> tuple[dict[str, list[dict[str, Any]]], list[dict[str, Any]]]:
    fleet = [vehicle()] if vehicles is None else vehicles
    inputs = RouteInputs(
        table(SHIPMENT, [row | {"is_travel_assumed": legs is None} for row in shipments]),
        table(LINE, lines or []),
        table(VEHICLE, fleet),
        table(LEG, legs or []),
        table(SLOT, slots or []),
    )
    tables, failures, _ = route_tables(inputs, SPEC, warehouse)
    return {name: rows.to_pylist() for name, rows in tables.items()}, failures.to_pylist()


GOOD = [shipment("a", 48.2, 11.5), shipment("b", 48.0, 11.6)]


def reasons(found: dict[str, list[dict[str, Any]]]) -> dict[str, tuple[str, str]]:
    return {row["location_id"]: (row["unserved_code"], row["reason"]) for row in found[UNSERVED]}


def test_shipments_become_stops_of_routes_that_add_up() -> None:
    found, failures = routed(GOOD)
    assert not failures
    assert {row["shipment_id"] for row in found[STOP]} == {"a:1", "b:1"}
    (day,) = found[DAY]
    assert day["route_cost"] == pytest.approx(sum(row["route_cost"] for row in found[ROUTE]))
    assert day["shipped_qty"] == 20.0
    assert day["route_cost"] <= min(day["savings_cost"], day["nearest_neighbour_cost"]) + 1e-6
    assert sum(row["load_litres"] for row in found[ROUTE]) == 100.0


@pytest.mark.parametrize(
    ("row", "words"),
    [
        (shipment("bad", 48.1, 11.6, load_litres=121.0), "above the largest vehicle"),
        (shipment("bad", 48.1, 11.6, window_from_s=0, window_to_s=10), "window closed on arrival"),
        (shipment("bad", 48.1, 11.6, window_from_s=68000, window_to_s=90000), "beyond the shift"),
        (shipment("bad", 58.1, 11.6), "window closed on arrival"),
    ],
)
def test_what_no_vehicle_can_do_is_said_and_the_others_are_served(row: dict[str, Any], words: str) -> None:
    found, failures = routed([*GOOD, row])
    assert not failures
    assert {stop["location_id"] for stop in found[STOP]} == {"a", "b"}
    code, reason = reasons(found)["bad"]
    assert code == "impossible"
    assert words in reason


def test_a_window_across_midnight_is_served_after_it() -> None:
    night = vehicle(shift_from_s=72000, shift_to_s=108000)
    found, _ = routed([shipment("a", 48.2, 11.5, window_from_s=86400 + 3600, window_to_s=86400 + 7200)], [night])
    (stop,) = found[STOP]
    assert 86400 + 3600 <= stop["arrive_s"] + stop["wait_s"] <= 86400 + 7200


def test_a_fleet_that_is_too_small_serves_what_it_can_and_says_what_would_help() -> None:
    rows = [shipment(name, 48.1 + 0.02 * n, 11.5) for n, name in enumerate("abcde", 1)]
    found, failures = routed(rows)
    assert not failures
    assert len(found[STOP]) == 4
    (left,) = found[UNSERVED]
    assert left["unserved_code"] == "no_room"
    assert left["smallest_change"]


@pytest.mark.parametrize("fleet", [[vehicle(vehicle_count=0.0)], [vehicle(ship_weekdays="2,3")]])
def test_no_vehicle_serves_nobody_and_says_so(fleet: list[dict[str, Any]]) -> None:
    found, failures = routed(GOOD, fleet)
    assert not failures
    assert not found[STOP]
    assert {code for code, _ in reasons(found).values()} == {"impossible"}
    assert "no vehicle" in reasons(found)["a"][1]


def test_a_depot_that_the_feed_of_vehicles_leaves_out_serves_nobody_and_says_so() -> None:
    other = [shipment("far", 50.0, 8.0, depot_id="dc2", depot_day_id=f"dc2|{MONDAY}", shipment_id="far:1")]
    found, failures = routed([*GOOD, *other])
    assert not failures
    assert {row["location_id"] for row in found[STOP]} == {"a", "b"}
    assert reasons(found)["far"] == (
        "impossible",
        "dc2 has no vehicle: the feed vehicles names those of other depots; add a row for it",
    )
    assert {row["depot_id"]: row["stop_count"] for row in found[DAY]} == {"dc": 2, "dc2": 0}


def test_places_at_the_same_point_and_loads_without_room_are_no_fault() -> None:
    rows = [*GOOD, shipment("twin", 48.2, 11.5, load_litres=0.0), shipment("part", 48.2, 11.51, load_litres=0.4)]
    found, failures = routed(rows)
    assert not failures
    assert len(found[STOP]) == 4


WAYS = [leg("dc", "a"), leg("a", "dc"), leg("dc", "b"), leg("b", "dc")]


@pytest.mark.parametrize(
    ("legs", "words"),
    [
        ([], "states no way from dc to bad"),
        ([leg("dc", "bad")], "states no way from bad to dc"),
        ([leg("dc", "bad", 12.0), leg("bad", "dc")], "are these kilometres"),
        ([leg("dc", "bad", 20_000.0, 20.0), leg("bad", "dc")], "are these minutes"),
    ],
)
def test_ways_that_are_missing_or_cannot_be_cost_their_stop_alone(legs: list[dict[str, Any]], words: str) -> None:
    found, failures = routed([*GOOD, shipment("bad", 48.25, 11.5)], legs=[*WAYS, *legs])
    assert not failures
    assert {stop["location_id"] for stop in found[STOP]} == {"a", "b"}
    assert words in reasons(found)["bad"][1]


def test_a_feed_without_any_way_of_the_day_is_not_one_that_is_missing() -> None:
    found, failures = routed(GOOD, legs=[])
    assert not failures
    assert not found[STOP]
    assert reasons(found)["a"] == ("impossible", "travel states no way from dc to a; add it, or leave the feed out")


def test_a_way_that_is_not_stated_goes_by_the_depot() -> None:
    found, _ = routed(GOOD, legs=WAYS)
    assert not found[ROUTE][0]["is_travel_assumed"]
    assert sum(row["metres"] for row in found[ROUTE]) == 80_000.0


def test_a_depot_day_that_fails_costs_no_other() -> None:
    other = shipment("x", 48.2, 11.5, depot_day_id=f"elsewhere|{MONDAY}", depot_id="elsewhere", shipment_id="x:1")
    found, failures = routed([*GOOD, other, other], [vehicle(), vehicle(depot_id="elsewhere")])
    assert {row["shipment_id"] for row in found[STOP]} == {"a:1", "b:1"}
    assert [row["depot_day_id"] for row in failures] == [f"elsewhere|{MONDAY}"]


def test_a_shipment_waits_where_a_vehicle_comes_anyway_tomorrow() -> None:
    far = {"wait_until_ds": NEXT, "wait_value": 1.0}
    waits, _ = routed([*GOOD, shipment("far", 49.0, 12.5, visit_share=1.0, **far)])
    assert reasons(waits)["far"][0] == "waits"
    # Nobody is known to go there tomorrow, or waiting loses more than the way costs: it is brought today.
    for change in ({"visit_share": 0.0}, {"visit_share": 1.0, "wait_value": 1e4}):
        brought, _ = routed([*GOOD, shipment("far", 49.0, 12.5, **(far | change))])
        assert not brought[UNSERVED]


def test_the_same_input_gives_the_same_routes() -> None:
    rows = [shipment(f"s{n}", 48.1 + 0.01 * (n % 5), 11.5 + 0.013 * n, load_litres=15.0) for n in range(12)]
    assert routed(rows) == routed(rows[::-1])


def test_the_check_of_routes_is_not_skipped(monkeypatch: pytest.MonkeyPatch) -> None:
    def finds_a_fault(*asked: Any) -> list[str]:
        return [*faults_of(*asked), "stop a is there twice"]

    monkeypatch.setattr("udfs.fulfilment.route_tables.faults_of", finds_a_fault)
    found, failures = routed(GOOD)
    assert not found[STOP]
    assert "stop a is there twice" in failures[0]["error"]


def line(place: str, sku: str, **more: Any) -> dict[str, Any]:
    row = {
        "depot_day_id": f"dc|{MONDAY}", "shipment_id": f"{place}:1", "unique_id": f"{sku}|{place}|all",
        "shipped_qty": 5.0, "order_value": 50.0, "load_litres": 25.0, "load_kg": 5.0, "expected_receipt_ds": MONDAY,
    }  # fmt: skip
    return row | more


LINES = [line(place, sku) for place in "ab" for sku in ("x", "y")]
SLOTS = [
    {"depot_id": "dc", "slot_id": f"{aisle}-{bay}", "aisle": aisle, "bay": float(bay), "slot_litres": None,
     "sku_id": sku, "is_slot_fixed": None}
    for aisle, bay, sku in (("A", 1, "x"), ("A", 9, None), ("B", 3, "y"))
]  # fmt: skip
STAFF = WarehouseSpec(pickers=2, packers=1, doors=1)


@pytest.mark.parametrize("slots", [[], SLOTS])
def test_waves_make_every_line_ready_before_its_vehicle_leaves(slots: list[dict[str, Any]]) -> None:
    found, failures = routed(GOOD, lines=LINES, slots=slots, warehouse=STAFF)
    assert not failures
    picked = sorted((row["shipment_id"], row["sku_id"], row["pick_qty"]) for row in found[PICK])
    assert picked == sorted((row["shipment_id"], row["unique_id"][0], 5.0) for row in LINES)
    assert {row["slot_id"] for row in found[PICK]} == ({"A-1", "B-3"} if slots else {None})
    assert all((row["tour_metres"] is not None) == bool(slots) for row in found[TOUR])
    for wave in found[WAVE]:
        own = [row for row in found[TASK] if row["wave_id"] == wave["wave_id"]]
        assert max(row["end_s"] for row in own) == wave["ready_s"] <= wave["depart_s"]
        assert min(row["start_s"] for row in own) >= -2 * 3600
        assert wave["late_s"] == 0


def test_what_cannot_be_ready_makes_its_vehicle_leave_later() -> None:
    slow = WarehouseSpec(pickers=1, packers=1, doors=1, staff_from="05:00", staff_to="18:00", pick_line_s=2400.0)
    early, _ = routed(GOOD, lines=LINES)
    found, failures = routed(GOOD, lines=LINES, warehouse=slow)
    assert not failures
    assert len(found[STOP]) == 2
    assert all(wave["late_s"] == 0 for wave in found[WAVE])
    assert min(row["depart_s"] for row in found[ROUTE]) > min(row["depart_s"] for row in early[ROUTE])
