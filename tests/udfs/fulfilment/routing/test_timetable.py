"""Departures, slacks and breaks against every second tried."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from tests.udfs.fulfilment.routing.days import day, van
from udfs.fulfilment.routing.delivery_problem import DeliveryProblem
from udfs.fulfilment.routing.route_plan import Route
from udfs.fulfilment.routing.timetable import timed_route


def driven(problem: DeliveryProblem, route: Route, depart: int, later: dict[int, int] | None = None) -> int | None:
    """When the vehicle is back if it leaves at a second and reaches some stops later; None where a window is missed."""
    kind, place, clock = problem.vehicles[route.vehicle], 0, depart
    for at, stop in enumerate(route.stops):
        clock += int(problem.seconds_PP[place, problem.place_N[stop]]) + (later or {}).get(at, 0)
        clock, place = max(clock, int(problem.window_N2[stop, 0])), int(problem.place_N[stop])
        if clock > problem.window_N2[stop, 1]:
            return None
        clock += int(problem.service_N[stop]) + (
            kind.break_s if route.leave_s[at] > route.start_s[at] + problem.service_N[stop] else 0
        )
    clock += int(problem.seconds_PP[place, 0])
    return clock if clock <= kind.shift_s[1] else None


def routes(break_s: int = 0) -> list[tuple[DeliveryProblem, Route]]:
    found = []
    for seed in range(40):
        problem = day(4, seed, (van(break_s=break_s),))
        order = np.argsort(problem.window_N2[:, 0], kind="stable").tolist()
        route = timed_route(problem, 0, [order])
        found.extend([(problem, route)] if route is not None else [])
    assert len(found) > 10
    return found


def test_no_departure_takes_less_time_and_none_as_short_is_back_earlier() -> None:
    for problem, route in routes():
        tried = {depart: driven(problem, route, depart) for depart in range(5 * 3600, 16 * 3600, 20)}
        possible = {depart: back for depart, back in tried.items() if back is not None}
        assert route.seconds <= min(back - depart for depart, back in possible.items())
        assert route.trip_return_s[-1] <= min(possible.values())
        assert driven(problem, route, route.depart_s) == route.trip_return_s[-1]


@pytest.mark.parametrize("break_s", [0, 1800])
def test_an_arrival_can_be_later_by_its_slack_and_not_by_a_second_more(break_s: int) -> None:
    for problem, route in routes(break_s):
        for at, slack in enumerate(route.slack_s):
            assert driven(problem, route, route.depart_s, {at: slack}) is not None
            assert driven(problem, route, route.depart_s, {at: slack + 1}) is None


def test_a_break_goes_where_one_waits_anyway() -> None:
    window = np.array([[6 * 3600, 7 * 3600], [12 * 3600, 13 * 3600]])
    problem = day(2, 1, (van(break_s=2700),), window_N2=window, service_N=np.array([600, 600]))
    bare = timed_route(replace(problem, vehicles=(van(),)), 0, [(0, 1)])
    rested = timed_route(problem, 0, [(0, 1)])
    assert bare is not None
    assert rested is not None
    assert rested.break_s == rested.start_s[0] + 600
    assert rested.trip_return_s == bare.trip_return_s
    assert rested.seconds == bare.seconds - 2700, "a break is not paid"


def test_later_trips_wait_for_their_goods_and_the_vehicle() -> None:
    window = np.tile([0, 72_000], (2, 1))
    problem = day(2, 0, (van(most_trips=2),), window_N2=window, release_N=np.array([0, 10 * 3600]))
    route = timed_route(problem, 0, [(0,), (1,)])
    assert route is not None
    assert route.trip_leave_s[1] == 10 * 3600
    assert route.trip_return_s[0] <= route.trip_leave_s[1]
    assert timed_route(problem, 0, [(0,), (1,), ()]) == route, "a trip without stops is none"
    assert timed_route(replace(problem, vehicles=(van(),)), 0, [(0,), (1,)]) is None, "one trip too many"


def test_a_vehicle_that_left_keeps_its_departure() -> None:
    problem = day(3, 2, window_N2=np.tile([0, 72_000], (3, 1)))
    route = timed_route(problem, 0, [(0, 1, 2)], left_s=21_000)
    assert route is not None
    assert route.depart_s == 21_000
