"""A depot's day planned again: what has left stays, the rest stays near, and the changes hold."""

from __future__ import annotations

from typing import Any

import pytest

from tests.udfs.fulfilment.test_route_tables import MONDAY, SPEC, routed, shipment, vehicle
from udfs.fulfilment.day_changes import DayChanges
from udfs.fulfilment.replanned_day import RunningDay, replanned
from udfs.fulfilment.route_tables import ROUTE, STOP

PLACES = [shipment(f"s{n:02}", 48.1 + 0.03 * (n % 6), 11.3 + 0.02 * n, load_litres=20.0) for n in range(20)]
FLEET = [vehicle(vehicle_count=6.0)]


@pytest.fixture(scope="module")
def running() -> RunningDay:
    found, failures = routed(PLACES, FLEET)
    assert not failures
    routes = {row["route_id"]: row for row in found[ROUTE]}
    of_route = ("vehicle_type", "depart_s")
    stops = [row | {name: routes[row["route_id"]][name] for name in of_route} for row in found[STOP]]
    return RunningDay(MONDAY, PLACES, FLEET, None, DayChanges(), stops)


def states(rows: list[dict[str, Any]]) -> dict[str, str]:
    return {row["location_id"]: row["stop_state"] for row in rows}


def test_nothing_changed_nothing_moves(running: RunningDay) -> None:
    rows = replanned(running, DayChanges(), 0, SPEC)
    was = {row["location_id"]: row["arrive_s"] for row in running.stops}
    assert set(states(rows).values()) == {"kept"}
    assert {row["location_id"]: row["arrive_s"] for row in rows} == was


def test_a_cancelled_stop_is_dropped_and_most_others_stay(running: RunningDay) -> None:
    found = states(replanned(running, DayChanges(cancelled=("s03",)), 0, SPEC))
    assert found["s03"] == "dropped"
    assert sum(state == "kept" for state in found.values()) >= 0.8 * len(PLACES)


def test_what_has_left_stays_whatever_changes(running: RunningDay) -> None:
    now = min(row["depart_s"] for row in running.stops) + 60
    gone = {row["location_id"] for row in running.stops if row["depart_s"] < now}
    rows = replanned(running, DayChanges(vehicles=(("van", 6),), windows=(("s01", "12:00", "14:00"),)), now, SPEC)
    assert gone
    assert {place for place, state in states(rows).items() if state == "departed"} == gone
    if "s01" not in gone:
        (row,) = (row for row in rows if row["location_id"] == "s01")
        assert row["leave_s"] - 600 >= 12 * 3600
        assert row["arrive_s"] <= 14 * 3600


def test_changes_of_a_day_add_up(running: RunningDay) -> None:
    first, second = DayChanges(cancelled=("s01",)), DayChanges(loads=(("s02", 1.0, 1.0),))
    both = first.then(second)
    assert DayChanges.of(both.plain()) == both
    rows = both.shipments(PLACES)
    assert len(rows) == len(PLACES) - 1
    assert {row["location_id"]: row["load_litres"] for row in rows}["s02"] == 1.0


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        (DayChanges(cancelled=("nowhere",)), "expected locations of the day, found 'nowhere'"),
        (DayChanges(windows=(("s01", "25:00", "26:00"),)), "expected times as hh:mm"),
        (DayChanges(vehicles=(("tank", 1),)), "expected vehicles of the depot, found 'tank'"),
    ],
)
def test_changes_that_do_not_fit_are_refused(running: RunningDay, changes: DayChanges, words: str) -> None:
    with pytest.raises(ValueError, match=words):
        replanned(running, changes, 0, SPEC)
