"""Q-learning and Sarsa against exact routes."""

from __future__ import annotations

from collections.abc import Callable
from itertools import permutations

import numpy as np
import pytest
import torch

from tests.udfs.fulfilment.learned.shortest_routes import shortest
from udfs.fulfilment.learned.route_instances import RouteInstances, sample_instances
from udfs.fulfilment.learned.tabular import SARSA_SPEC, LearnedRoutes, TabularRouteSpec, q_learning, sarsa

Learn = Callable[[RouteInstances, TabularRouteSpec], LearnedRoutes]


def small(n_instances: int, n_stops: int, seed: int = 0, capacity: float = 15.0) -> RouteInstances:
    instances = sample_instances(n_instances, n_stops, torch.Generator().manual_seed(seed))
    return RouteInstances(instances.place_BN2, instances.demand_BN, torch.full((n_instances,), capacity))


def least(instances: RouteInstances) -> np.ndarray:
    terms = zip(instances.distance.double().numpy(), instances.demand_BN.numpy(), instances.capacity_B, strict=True)
    return np.array([shortest(distance_NN, demand_N, float(capacity)) for distance_NN, demand_N, capacity in terms])


def test_the_exact_routes_are_those_of_brute_force() -> None:
    """Every order of the stops, cut wherever a vehicle is full or not."""
    instances = small(5, 5, capacity=12.0)
    for row, found in enumerate(least(instances)):
        distance_NN, demand_N = instances.distance[row].double().numpy(), instances.demand_BN[row].numpy()
        best = np.inf
        for order in permutations(range(1, 6)):
            for cuts in range(16):
                routes, route = [], [order[0]]
                for place, stop in enumerate(order[1:]):
                    if cuts >> place & 1:
                        routes.append(route)
                        route = []
                    route.append(stop)
                routes.append(route)
                if max(demand_N[list(each)].sum() for each in routes) <= 12.0:
                    ways = [[0, *each, 0] for each in routes]
                    best = min(best, sum(distance_NN[way[:-1], way[1:]].sum() for way in ways))
        assert found == pytest.approx(best)


@pytest.mark.parametrize(("learn", "spec"), [(q_learning, TabularRouteSpec()), (sarsa, SARSA_SPEC)])
def test_learned_routes_are_near_the_shortest(learn: Learn, spec: TabularRouteSpec) -> None:
    instances = small(10, 7)
    found = learn(instances, spec)
    gap_B = found.cost_B / least(instances) - 1.0
    assert gap_B.min() > -1e-9
    assert gap_B.mean() < 0.01
    for row, routes in enumerate(found.routes):
        assert sorted(stop for route in routes for stop in route) == list(range(1, 8))
        assert max(float(instances.demand_BN[row, route].sum()) for route in routes) <= 15.0
        distance_NN = instances.distance[row].double().numpy()
        ways = [[0, *route, 0] for route in routes]
        assert sum(distance_NN[way[:-1], way[1:]].sum() for way in ways) == pytest.approx(found.cost_B[row])


@pytest.mark.parametrize("learn", [q_learning, sarsa])
def test_few_episodes_are_not_enough(learn: Learn) -> None:
    """The figure above is learned, not given by the form of the table."""
    instances = small(10, 7)
    assert (learn(instances, TabularRouteSpec(episodes=5)).cost_B / least(instances) - 1.0).mean() > 0.05


def test_q_learning_and_sarsa_differ_while_they_explore() -> None:
    instances, spec = small(10, 7), TabularRouteSpec(300, 0.5, 0.5)
    assert (q_learning(instances, spec).cost_B != sarsa(instances, spec).cost_B).any()


def test_what_no_table_holds_is_refused() -> None:
    with pytest.raises(ValueError, match="at most 8 stops"):
        q_learning(small(1, 9), TabularRouteSpec())
    with pytest.raises(ValueError, match="whole units"):
        q_learning(small(1, 4, capacity=9.5), TabularRouteSpec())
    with pytest.raises(ValueError, match="larger units"):
        sarsa(small(1, 8, capacity=5_000.0), TabularRouteSpec())
    with pytest.raises(ValueError, match="rate"):
        TabularRouteSpec(rate=0.0)
