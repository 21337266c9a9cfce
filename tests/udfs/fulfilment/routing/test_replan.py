"""A change in the day: what has left stays, most of the rest too, and it costs hardly more than starting over."""

from __future__ import annotations

from dataclasses import replace

import pytest

from tests.udfs.fulfilment.routing.days import day, van
from udfs.fulfilment.routing.delivery_problem import DeliveryProblem
from udfs.fulfilment.routing.pyvrp_routes import RouteEffort, solve_routes
from udfs.fulfilment.routing.replan import LATER_S, replan
from udfs.fulfilment.routing.route_check import faults_of
from udfs.fulfilment.routing.route_plan import RoutePlan

EFFORT = RouteEffort(1200)
LONG = RouteEffort(4000)


@pytest.fixture(scope="module")
def before() -> tuple[DeliveryProblem, RoutePlan]:
    problem = day(20, 11, (van(number=8, most_trips=2, break_s=1800),))
    return problem, solve_routes(problem, LONG)


def wider(problem: DeliveryProblem, stop: int, window: tuple[int, int]) -> DeliveryProblem:
    window_N2 = problem.window_N2.copy()
    window_N2[stop] = window
    return replace(problem, window_N2=window_N2)


def test_without_a_change_nothing_moves(before: tuple[DeliveryProblem, RoutePlan]) -> None:
    problem, plan = before
    found = replan(problem, plan, problem, 0, EFFORT)
    assert found.frozen == ()
    assert found.moved == ()
    assert [route.trips for route in found.plan.routes] == [route.trips for route in plan.routes]


def test_what_has_left_stays_in_order_and_time(before: tuple[DeliveryProblem, RoutePlan]) -> None:
    problem, plan = before
    now = min(route.depart_s for route in plan.routes) + 1
    gone = [route for route in plan.routes if route.depart_s < now]
    late = max(stop for route in plan.routes if route.depart_s >= now for stop in route.stops)
    changed = wider(problem, late, (12 * 3600, 18 * 3600))
    found = replan(problem, plan, changed, now, EFFORT)
    assert faults_of(changed, found.plan) == []
    assert len(gone) == 1
    for route in gone:
        same = next(each for each in found.plan.routes if each.depart_s == route.depart_s)
        assert same.trips[0] == route.trips[0]
        assert same.arrive_s[: len(route.trips[0])] == route.arrive_s[: len(route.trips[0])]
        assert set(route.trips[0]) <= set(found.frozen)
    others = [route for route in found.plan.routes if not set(route.stops) & set(found.frozen)]
    assert all(route.depart_s >= now for route in others)


def test_a_new_a_dropped_and_a_changed_stop_are_named(before: tuple[DeliveryProblem, RoutePlan]) -> None:
    problem, plan = before
    names = list(problem.stops)
    names[0], names[5] = "another", "s5"
    changed = wider(replace(problem, stops=tuple(names)), 5, (14 * 3600, 15 * 3600))
    found = replan(problem, plan, changed, 0, EFFORT)
    assert faults_of(changed, found.plan) == []
    reasons = dict(found.moved)
    assert reasons[0] == "new"
    assert "its own order, window or way changed" in reasons[5]


def test_a_vehicle_less_moves_its_stops(before: tuple[DeliveryProblem, RoutePlan]) -> None:
    problem, plan = before
    fewer = replace(problem, vehicles=(replace(problem.vehicles[0], number=len(plan.routes) - 1),))
    found = replan(problem, plan, fewer, 0, EFFORT)
    assert faults_of(fewer, found.plan) == []
    assert any("vehicle" in reason or "not served" in reason for _, reason in found.moved)


def test_a_departed_stop_that_can_not_be_kept_is_dropped_and_no_other(
    before: tuple[DeliveryProblem, RoutePlan],
) -> None:
    problem, plan = before
    first = min(plan.routes, key=lambda route: route.depart_s)
    stop = first.trips[0][-1]
    changed = wider(problem, stop, (0, 60))
    found = replan(problem, plan, changed, first.depart_s + 1, EFFORT)
    assert faults_of(changed, found.plan) == []
    assert found.plan.unserved == (stop,)
    assert stop not in found.frozen


@pytest.mark.parametrize("what", ["less", "earlier"])
def test_most_stops_stay_and_it_costs_hardly_more_than_starting_over(what: str) -> None:
    problem = day(30, 21, (van(number=12),))
    plan = solve_routes(problem, LONG)
    load_NK = problem.load_NK.copy()
    load_NK[0] //= 2
    early, late = problem.window_N2[0].tolist()
    changed = replace(problem, load_NK=load_NK) if what == "less" else wider(problem, 0, (early, late - 1800))
    found, anew = replan(problem, plan, changed, 0, EFFORT), solve_routes(changed, EFFORT)
    assert faults_of(changed, found.plan) == []
    assert found.plan.cost <= 1.01 * anew.cost
    assert len(found.moved) <= 0.2 * 30
    kept = set(range(30)) - {stop for stop, _ in found.moved}
    before, after = (
        {n: second for route in each.routes for n, second in zip(route.stops, route.arrive_s, strict=True)}
        for each in (plan, found.plan)
    )
    assert max(abs(before[n] - after[n]) for n in kept) <= LATER_S
