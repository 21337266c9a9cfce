"""Routes as cheap as the best of all plans, with every rule at once, and the same on every run."""

from __future__ import annotations

import sys
from dataclasses import replace

import numpy as np
import pytest

from tests.udfs.fulfilment.routing.days import day, van
from tests.udfs.fulfilment.routing.every_plan import GRID, least_cost
from udfs.fulfilment.routing.delivery_problem import NO_WAY, DeliveryProblem
from udfs.fulfilment.routing.pyvrp_routes import RouteEffort, solve_routes
from udfs.fulfilment.routing.route_check import faults_of
from udfs.fulfilment.routing.route_plan import RoutePlan
from udfs.fulfilment.routing.route_search import few_vehicles
from udfs.fulfilment.routing.simple_routes import savings

SMALL = RouteEffort(400)


def worth(problem: DeliveryProblem, plan: RoutePlan) -> float:
    return plan.cost + float(problem.prize_N[list(plan.unserved)].sum())


def small(seed: int) -> DeliveryProblem:
    """Five stops, two types of vehicle at two depots, one of them with two trips, releases, and prizes."""
    rng = np.random.default_rng(seed)
    kinds = (
        van(number=2, capacity_K=(1500, 1500), most_trips=2, shift_s=(5 * 3600, 14 * 3600)),
        van(
            vehicle_type="truck",
            depot=1,
            number=1,
            capacity_K=(2500, 2500),
            fixed_cost=75.0,
            km_cost=0.7,
            hour_cost=25.0,
        ),
    )
    base = day(5, seed)
    return replace(
        base,
        seconds_PP=np.ceil(base.seconds_PP / GRID).astype(np.int64) * GRID,
        service_N=np.full(5, GRID),
        release_N=rng.integers(0, 2, 5) * 8 * 3600,
        prize_N=np.where(rng.random(5) < 0.4, rng.uniform(20, 120, 5), np.inf),
        depots=("one", "two"),
        depot_place_D=np.array([0, 3]),
        depot_window_D2=np.array([[0, 86_400]] * 2),
        vehicles=kinds,
    )


@pytest.mark.parametrize("seed", range(6))
def test_routes_cost_as_little_as_the_best_of_all_plans(seed: int) -> None:
    problem = small(seed)
    found, best = solve_routes(problem, SMALL), least_cost(problem)
    assert faults_of(problem, found) == []
    if np.isfinite(best):
        assert worth(problem, found) == pytest.approx(best, rel=1e-4)
    else:
        assert np.isinf(worth(problem, found)), "not all can be served, and the plan says so"


def test_the_same_routes_on_every_run_and_none_by_the_clock() -> None:
    problem = day(25, 3)
    first, again = (solve_routes(problem, RouteEffort(150, seed=7)) for _ in range(2))
    assert first == again
    assert not first.is_cut
    ticks = iter(range(10_000))
    cut = solve_routes(problem, RouteEffort(150, 7, deadline_s=20.0, clock=lambda: float(next(ticks))))
    assert cut.is_cut, "a deadline that was met is said"
    assert cut.iterations < 150


def test_no_dearer_than_the_routes_that_it_starts_from() -> None:
    problem = day(30, 5)
    start = savings(problem)
    assert solve_routes(problem, RouteEffort(1), start).cost <= start.cost + 0.01


def test_one_bad_stop_costs_no_other_its_delivery() -> None:
    base = day(12, 1)
    metres, seconds, load, window = (
        array.copy() for array in (base.metres_PP, base.seconds_PP, base.load_NK, base.window_N2)
    )
    metres[base.place_N[0], :] = seconds[base.place_N[0], :] = NO_WAY
    metres[base.place_N[0], base.place_N[0]] = seconds[base.place_N[0], base.place_N[0]] = 0
    load[1] = 5000
    window[2] = (0, 60)
    problem = replace(base, metres_PP=metres, seconds_PP=seconds, load_NK=load, window_N2=window)
    found = solve_routes(problem, SMALL)
    assert found.unserved == (0, 1, 2)
    assert faults_of(problem, found) == []


def test_too_small_a_fleet_leaves_the_fewest_behind() -> None:
    loads = np.tile([1000, 1000], (10, 1))
    problem = day(
        10, 2, (van(number=2, capacity_K=(4000, 4000)),), load_NK=loads, window_N2=np.tile([0, 72_000], (10, 1))
    )
    found = solve_routes(problem, SMALL)
    assert faults_of(problem, found) == []
    assert len(found.unserved) == 2, "two vehicles take four stops each"


def test_loads_that_do_not_fit_together_get_more_vehicles_than_they_fill() -> None:
    """Twelve vehicles would hold the loads of twenty stops, but no two stops fit into one."""
    problem = day(
        20,
        3,
        (van(number=30, capacity_K=(1000, 1000)),),
        load_NK=np.full((20, 2), 600),
        window_N2=np.tile([0, 86_400], (20, 1)),
    )
    few = few_vehicles(problem, range(20))
    assert few is not None
    assert few.vehicles[0].number == 14
    found = solve_routes(problem, SMALL)
    assert found.unserved == ()
    assert len(found.routes) == 20


def test_no_vehicle_no_route() -> None:
    problem = day(4, 0, (van(number=0),))
    assert solve_routes(problem, SMALL).unserved == (0, 1, 2, 3)


def test_a_prize_decides_who_waits() -> None:
    problem = day(8, 4)
    none = solve_routes(replace(problem, prize_N=np.zeros(8)), SMALL)
    assert none.routes == ()
    far = solve_routes(replace(problem, prize_N=np.where(np.arange(8) == 3, 1e6, 0.0)), SMALL)
    assert [route.stops for route in far.routes] == [(3,)]


def test_breaks_always_fit() -> None:
    """A day so full that the search without breaks leaves no room for one."""
    kinds = (van(number=6, capacity_K=(9000, 9000), break_s=2700, shift_s=(6 * 3600, 11 * 3600)),)
    problem = day(14, 6, kinds, window_N2=np.tile([6 * 3600, 11 * 3600], (14, 1)))
    without = solve_routes(replace(problem, vehicles=(replace(kinds[0], break_s=0),)), SMALL)
    longest = max(route.trip_return_s[-1] - route.depart_s for route in without.routes)
    assert longest > 5 * 3600 - 2700, "the test's own premise"
    found = solve_routes(problem, SMALL)
    assert faults_of(problem, found) == []
    assert found.unserved == ()
    assert all(route.break_s is not None for route in found.routes)


def test_a_window_and_a_shift_over_midnight() -> None:
    night = van(shift_s=(22 * 3600, 30 * 3600))
    window = np.tile([23 * 3600, 28 * 3600], (6, 1))
    problem = day(6, 0, (night,), window_N2=window, depot_window_D2=np.array([[0, 2 * 86_400]]))
    found = solve_routes(problem, SMALL)
    assert found.unserved == ()
    assert faults_of(problem, found) == []
    assert max(route.trip_return_s[-1] for route in found.routes) > 23 * 3600


def test_without_pyvrp_it_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "pyvrp", None)
    with pytest.raises(ValueError, match=r"pip install 'shelfcast\[fulfilment\]'"):
        solve_routes(day(3), SMALL)
