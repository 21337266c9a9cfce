"""Places, times of day, vehicles and made-up coordinates."""

from __future__ import annotations

from typing import Any

import pytest

from udfs.fulfilment.fleet import fleets_of
from udfs.fulfilment.fulfilment_spec import FulfilmentSpec
from udfs.fulfilment.made_up_places import made_up_network, made_up_places
from udfs.fulfilment.places import places_of
from udfs.fulfilment.time_of_day import seconds_of, span_of, time_of

SPEC = FulfilmentSpec()


def row(location_id: str, latitude: float | None, longitude: float | None, **more: Any) -> dict[str, Any]:
    blank = {"depot_id": "dc", "region": None, "receives_from": None, "receives_to": None, "service_minutes": None}
    return (
        blank
        | {"location_id": location_id, "latitude": latitude, "longitude": longitude, "is_place_assumed": False}
        | more
    )


DEPOT = row("dc", 48.14, 11.58)


@pytest.mark.parametrize(
    ("text", "seconds"),
    [("06:00", 21600), ("6:05", 21900), ("24:00", 86400), ("23:59:59", 86399), ("25:00", None), ("24:01", None)],
)
def test_times_of_day(text: str, seconds: int | None) -> None:
    assert seconds_of(text) == seconds


def test_a_window_across_midnight_ends_on_the_next_day() -> None:
    assert span_of("22:00", "04:30") == (79200, 102600)
    assert (time_of(79200), time_of(102600)) == ("22:00", "04:30+1")
    assert span_of("06:00", "06:00") is None


@pytest.mark.parametrize(
    ("place", "code", "words"),
    [
        (row("s", None, 11.0), "no_coordinates", "no latitude"),
        (row("s", 0.0, 0.0), "no_coordinates", "in the sea"),
        (row("s", 11.6, 48.1), "bad_place", "the other way round"),
        (row("s", -33.9, 151.2), "bad_place", "further than fulfilment.most_km"),
        (row("s", 48.2, 11.6, receives_from="25:00"), "bad_place", "expected times to receive as hh:mm"),
        (row("s", 48.2, 11.6, depot_id=None), "no_depot", "names no depot"),
        (row("s", 48.2, 11.6, depot_id="elsewhere"), "no_depot", "is no location"),
    ],
)
def test_what_is_wrong_with_a_place_is_said_and_costs_no_other(place: dict[str, Any], code: str, words: str) -> None:
    found = places_of([DEPOT, place, row("good", 48.3, 11.7)], {}, SPEC)
    fault = found["s"].fault
    assert fault is not None
    assert fault[0] == code
    assert words in fault[1]
    assert found["good"].fault is None
    assert found["good"].window == (21600, 64800)
    assert found["good"].service_s == 900


def test_a_depot_without_coordinates_ships_to_nobody() -> None:
    found = places_of([row("dc", None, None), row("s", 48.2, 11.6)], {}, SPEC)
    assert found["s"].fault is not None
    assert "its depot cannot ship: dc has no latitude" in found["s"].fault[1]


def test_a_network_names_the_depot_where_the_feed_does_not() -> None:
    found = places_of([DEPOT, row("s", 48.2, 11.6, depot_id=None, region="BY")], {"BY": "dc"}, SPEC)
    assert found["s"].depot_id == "dc"
    assert found["s"].fault is None


def vehicle(**more: Any) -> dict[str, Any]:
    blank = dict.fromkeys(
        ("capacity_litres", "capacity_kg", "fixed_cost", "km_cost", "hour_cost", "shift_from", "shift_to",
         "break_minutes", "most_trips", "ship_weekdays")
    )  # fmt: skip
    return blank | {"depot_id": "dc", "vehicle_type": "van", "vehicle_count": 3.0} | more


def test_vehicles_take_what_the_feed_does_not_state_from_the_settings() -> None:
    (van,) = fleets_of([vehicle(ship_weekdays="1-3, 5", break_minutes=45.0)], SPEC)["dc"]
    assert (van.count, van.weekdays, van.break_s, van.km_cost) == (3, {1, 2, 3, 5}, 2700, SPEC.vehicle_km_cost)
    assert van.litres == float("inf")
    assert not van.is_assumed


@pytest.mark.parametrize(
    ("fault", "words"),
    [({"ship_weekdays": "0-6"}, "ship_weekdays"), ({"shift_from": "soon"}, "hh:mm"), ({"vehicle_count": 1.5}, "whole")],
)
def test_a_vehicle_that_cannot_be_read_is_refused(fault: dict[str, Any], words: str) -> None:
    with pytest.raises(ValueError, match=words):
        fleets_of([vehicle(**fault)], SPEC)


def test_made_up_places_are_cities_of_their_region_and_say_so() -> None:
    rows = [
        row(f"{state}_{n}", None, None, depot_id=None, region=state, country="US")
        for state in ("CA", "TX")
        for n in (1, 2)
    ]
    stated = row("CA_3", 37.77, -122.42, depot_id="own", region="CA", country="US")
    found = {each["location_id"]: each for each in made_up_places([*rows, stated], {"TX": "dc_tx"}, "US")}
    assert set(found) == {"CA_1", "CA_2", "CA_3", "TX_1", "TX_2", "depot_CA", "dc_tx", "own"}
    assert not found["CA_3"]["is_place_assumed"]
    assert found["CA_3"]["latitude"] == 37.77
    assert all(found[name]["is_place_assumed"] for name in ("CA_1", "TX_2", "depot_CA"))
    # The largest city of California is Los Angeles, of Texas Houston.
    assert abs(found["CA_1"]["latitude"] - 34.05) < 0.1
    assert abs(found["TX_1"]["longitude"] + 95.37) < 0.1
    assert all(place.fault is None for place in places_of(found.values(), {}, SPEC).values())


def test_a_network_of_any_size_is_made_of_cities() -> None:
    rows = made_up_network(300, "DE", 3)
    assert rows == made_up_network(300, "DE", 3)
    assert len(rows) == 303
    assert all(row["is_place_assumed"] and 47 < row["latitude"] < 56 and 5 < row["longitude"] < 16 for row in rows)
    depots = {row["location_id"] for row in rows if row["location_id"].startswith("depot_")}
    assert len(depots) == 3
    assert {row["depot_id"] for row in rows} == depots
    with pytest.raises(ValueError, match=r"1 to 16 regions of 'DE', found 300 and 40"):
        made_up_network(300, "DE", 40)
