"""Why a stop stays behind, and the smallest change that serves it, where both are known."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from tests.udfs.fulfilment.routing.days import day, van
from udfs.fulfilment.routing.delivery_problem import NO_WAY, DeliveryProblem
from udfs.fulfilment.routing.pyvrp_routes import RouteEffort, solve_routes
from udfs.fulfilment.routing.route_check import faults_of
from udfs.fulfilment.routing.smallest_change import smallest_change
from udfs.fulfilment.routing.unserved_reason import impossible

EFFORT = RouteEffort(60)


def line(minutes: list[int], **changes: object) -> DeliveryProblem:
    """Stops on a line, so many minutes from the depot, ten minutes of service, loads of 1,000, open from 6 to 18."""
    at = np.array([0, *minutes]) * 60
    seconds, n = np.abs(at[:, None] - at[None]).astype(np.int64), len(minutes)
    fields = {
        "metres_PP": seconds * 10,
        "seconds_PP": seconds,
        "service_N": np.full(n, 600),
        "load_NK": np.full((n, 2), 1000),
    }
    fields |= {"window_N2": np.tile([6 * 3600, 18 * 3600], (n, 1)), "vehicles": (van(number=1),)}
    return day(n, 0, **(fields | changes))


def test_what_no_vehicle_can_do_has_its_reason() -> None:
    problem = line([30, 30, 30, 30, 30])
    load, window, way = problem.load_NK.copy(), problem.window_N2.copy(), problem.seconds_PP.copy()
    load[0] = 4001
    window[1] = (0, 5 * 3600 + 1799)
    way[0, 3] = NO_WAY
    window[3] = (72_000 - 2399, 80_000)
    window[4] = (72_000 - 2400, 80_000)
    found = impossible(replace(problem, load_NK=load, window_N2=window, seconds_PP=way))
    assert sorted(found) == [0, 1, 2, 3]
    assert found[0].startswith("load above the largest vehicle: 4,001")
    assert found[1].startswith("window closed on arrival: the earliest is 05:30")
    assert found[2].startswith("unreachable")
    assert found[3].startswith("beyond the shift: van is back 20:00")
    assert impossible(replace(problem, vehicles=()))[0].startswith("no vehicle")


def test_a_release_counts_as_a_late_departure() -> None:
    problem = line([30], release_N=np.array([18 * 3600]))
    assert impossible(problem)[0].startswith("window closed on arrival: the earliest is 18:30")


def test_minutes_of_a_window() -> None:
    """Two stops an hour apart that are both open at 8 sharp: the second needs 70 minutes more, service and way."""
    window = np.array([[8 * 3600, 8 * 3600], [8 * 3600, 8 * 3600]])
    problem = line([60, 120], window_N2=window)
    plan = solve_routes(problem, EFFORT)
    assert len(plan.unserved) == 1
    change = smallest_change(problem, plan, plan.unserved[0], EFFORT)
    assert change is not None
    assert (change.kind, change.amount) == ("window", (70.0,))
    assert faults_of(change.problem, change.plan) == []
    assert change.plan.unserved == ()


def test_a_load_or_a_vehicle_whichever_costs_less() -> None:
    problem = line([30, 31, 32, 33, 34])
    plan = solve_routes(problem, EFFORT)
    assert len(plan.unserved) == 1
    change = smallest_change(problem, plan, plan.unserved[0], EFFORT)
    assert change is None or change.kind == "vehicle", "no part of a fifth load of 1,000 fits a van of 4,000"
    loads = np.full((5, 2), 900)
    part = replace(problem, load_NK=loads)
    plan = solve_routes(part, EFFORT)
    change = smallest_change(part, plan, plan.unserved[0], EFFORT)
    assert change is not None
    assert change.kind == "load", "400 are left beside four loads of 900, and a vehicle costs 60"
    assert change.amount == (504.0, 504.0), "hundredths of its load: 56% less"
    assert change.plan.unserved == ()


def test_what_is_not_worth_its_way() -> None:
    problem = line([30, 60], prize_N=np.array([np.inf, 5.0]))
    plan = solve_routes(problem, EFFORT)
    assert plan.unserved == (1,)
    change = smallest_change(problem, plan, 1, EFFORT)
    assert change is not None
    assert change.kind == "prize"
    # 36 km and 70 minutes more, less the prize.
    assert change.amount[0] == pytest.approx(0.4 * 36 + 22 * 70 / 60 - 5.0)


def test_a_stop_that_is_served_has_no_reason() -> None:
    problem = line([30])
    with pytest.raises(ValueError, match="found s0 in a route"):
        smallest_change(problem, solve_routes(problem, EFFORT), 0, EFFORT)
