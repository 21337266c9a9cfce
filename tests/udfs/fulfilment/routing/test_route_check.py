"""The checker finds every sabotage, and nothing where there is none."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from tests.udfs.fulfilment.routing.days import day, van
from udfs.fulfilment.routing.delivery_problem import DeliveryProblem
from udfs.fulfilment.routing.route_check import faults_of
from udfs.fulfilment.routing.route_plan import Route, RoutePlan
from udfs.fulfilment.routing.simple_routes import savings


@pytest.fixture(scope="module")
def sound() -> tuple[DeliveryProblem, RoutePlan]:
    problem = day(16, 3, (van(number=4, capacity_K=(4000, 4000), break_s=1800, most_trips=2),))
    plan = savings(problem)
    assert faults_of(problem, plan) == []
    assert len(plan.routes) >= 2
    return problem, plan


def with_route(plan: RoutePlan, **changes: Any) -> RoutePlan:
    return replace(plan, routes=(replace(plan.routes[0], **changes), *plan.routes[1:]))


def swapped(plan: RoutePlan) -> RoutePlan:
    first, second, *rest = plan.routes[0].trips[0]
    return with_route(plan, trips=((second, first, *rest), *plan.routes[0].trips[1:]))


def dropped(plan: RoutePlan) -> RoutePlan:
    route = plan.routes[0]
    values: dict[str, Any] = {name: getattr(route, name)[:-1] for name in ("arrive_s", "wait_s", "start_s", "leave_s")}
    trips = (*route.trips[:-1], route.trips[-1][:-1])
    return with_route(plan, trips=trips, load_K=route.load_K[:-1], slack_s=route.slack_s[:-1], **values)


def shifted(route: Route, name: str, by: int) -> dict[str, Any]:
    return {name: (getattr(route, name)[0] + by, *getattr(route, name)[1:])}


def test_each_sabotage_is_found(sound: tuple[DeliveryProblem, RoutePlan]) -> None:
    problem, plan = sound
    route = plan.routes[0]
    sabotage = {
        "counted": swapped(plan),
        "found 0 times": dropped(plan),
        "found 2 times": replace(plan, unserved=(route.stops[0],)),
        "states arrival": with_route(plan, **shifted(route, "arrive_s", -60)),
        "a wait of": with_route(plan, **shifted(route, "wait_s", 60)),
        "before its service ends": with_route(plan, **shifted(route, "leave_s", -60)),
        "a slack of": with_route(plan, **shifted(route, "slack_s", 90_000)),
        "returns at": with_route(plan, **shifted(route, "trip_return_s", -60)),
        "a break at": with_route(plan, break_s=route.depart_s + 1),
        "no break": with_route(plan, break_s=None),
        "states": with_route(plan, cost=route.cost - 1.0),
        "load on arrival": with_route(plan, load_K=((1, 1), *route.load_K[1:])),
        "there is none of that row": with_route(plan, vehicle=7),
        "a timetable that is not of its stops": with_route(plan, slack_s=route.slack_s[1:]),
    }
    for words, broken in sabotage.items():
        assert any(words in fault for fault in faults_of(problem, broken)), words


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"load_NK": np.full((16, 2), 3000)}, "overfilled"),
        ({"window_N2": np.tile([0, 60], (16, 1))}, "outside its window"),
        ({"release_N": np.full(16, 80_000)}, "before 80000"),
        ({"depot_window_D2": np.array([[0, 30_000]])}, "its day ends 30000"),
        ({"vehicles": (van(number=1, break_s=1800, most_trips=2),)}, "routes for 1 vehicles"),
        ({"vehicles": (van(number=4, break_s=1800, shift_s=(5 * 3600, 6 * 3600)),)}, "its day ends 21600"),
        ({"metres_PP": day(16, 3).metres_PP * 2}, "counted"),
        ({"metres_PP": np.where(np.eye(17) > 0, 0, 10**9)}, "no way"),
    ],
)
def test_routes_of_another_day_fail(
    sound: tuple[DeliveryProblem, RoutePlan], change: dict[str, Any], words: str
) -> None:
    problem, plan = sound
    assert any(words in fault for fault in faults_of(replace(problem, **change), plan)), words
