"""The fewest vehicles, where they are known."""

from __future__ import annotations

import numpy as np
import pytest

from tests.udfs.fulfilment.routing.days import day, van
from udfs.fulfilment.routing.fewest_vehicles import fewest_vehicles
from udfs.fulfilment.routing.pyvrp_routes import RouteEffort, solve_routes
from udfs.fulfilment.routing.route_check import faults_of


def test_vehicles_come_before_cost() -> None:
    """Pairs on opposite sides, of which two are too much for a vehicle: three are cheapest, two are enough."""
    loads = np.array([2200, 2200, 1800, 1800])[:, None] * np.ones((1, 2), dtype=np.int64)
    at = np.array([[0, 0], [9, 1], [9, -1], [-9, 1], [-9, -1]]) * 1000.0
    metres = np.rint(np.hypot(*(at[:, None] - at[None]).transpose(2, 0, 1))).astype(np.int64)
    kinds = (van(number=4, fixed_cost=0.0, hour_cost=0.0),)
    free = np.tile([0, 70_000], (4, 1))
    problem = day(4, 0, kinds, load_NK=loads, metres_PP=metres, seconds_PP=metres // 10, window_N2=free)
    cheap, few = solve_routes(problem, RouteEffort(200)), fewest_vehicles(problem, RouteEffort(200))
    assert len(cheap.routes) == 3
    assert len(few.routes) == 2, "each takes a stop of either side"
    assert few.cost > cheap.cost
    assert faults_of(problem, few) == []


def test_only_one_type() -> None:
    with pytest.raises(ValueError, match="expected one vehicle type, found 2"):
        fewest_vehicles(day(3, 0, (van(), van(vehicle_type="truck"))), RouteEffort(1))
