"""Nearest neighbour and savings: known routes on a line, and every rule kept."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from tests.udfs.fulfilment.routing.days import day, van
from udfs.fulfilment.routing.delivery_problem import DeliveryProblem
from udfs.fulfilment.routing.route_check import faults_of
from udfs.fulfilment.routing.simple_routes import nearest_neighbour, savings


def on_a_line(km: list[float]) -> DeliveryProblem:
    at = np.array([0.0, *km])
    metres = np.rint(np.abs(at[:, None] - at[None]) * 1000).astype(np.int64)
    free = np.tile([0, 86_000], (len(km), 1))
    loads = np.full((len(km), 2), 1000)
    return day(len(km), 0, (van(number=4),), metres_PP=metres, seconds_PP=metres // 20, window_N2=free, load_NK=loads)


def test_the_nearest_next_and_what_joining_saves() -> None:
    # One side has five stops, a vehicle takes four.
    problem = on_a_line([1.0, 2.0, 3.0, 4.0, -1.5])
    assert [route.trips for route in nearest_neighbour(problem).routes] == [((0, 1, 2, 3),), ((4,),)]
    joined = {frozenset(route.stops) for route in savings(problem).routes}
    assert joined == {frozenset({0, 1, 2, 3}), frozenset({4})}
    assert savings(problem).cost == pytest.approx(
        2 * 60 + 0.4 * 11 + 22 * sum(r.seconds for r in savings(problem).routes) / 3600
    )


@pytest.mark.parametrize("seed", range(5))
def test_every_rule_is_kept_and_savings_are_cheaper_on_the_whole(seed: int) -> None:
    kinds = (
        van(number=4, most_trips=2, break_s=1800),
        van(vehicle_type="truck", number=3, capacity_K=(9000, 9000), fixed_cost=90.0),
    )
    problem = day(30, seed, kinds)
    for plan in (nearest_neighbour(problem), savings(problem)):
        assert faults_of(problem, plan) == []
        assert len(plan.unserved) <= 1


def test_savings_beat_the_nearest_on_average() -> None:
    days = [day(30, seed, window_N2=np.tile([0, 72_000], (30, 1))) for seed in range(5)]
    assert sum(savings(each).cost for each in days) < sum(nearest_neighbour(each).cost for each in days)


def test_stops_go_to_their_nearest_depot() -> None:
    base = on_a_line([1.0, 2.0, 8.0, 9.0, 10.0])
    kinds = (van(number=2), van(depot=1, number=2))
    problem = replace(
        base,
        depots=("west", "east"),
        depot_place_D=np.array([0, 5]),
        depot_window_D2=np.array([[0, 86_400]] * 2),
        vehicles=kinds,
    )
    assert {(route.vehicle, frozenset(route.stops)) for route in savings(problem).routes} == {
        (0, frozenset({0, 1})),
        (1, frozenset({2, 3, 4})),
    }
