"""Guaranteed service in acyclic networks: against every choice of service times, against trees, and its errors."""

from __future__ import annotations

from itertools import product

import numpy as np
import pytest

from udfs.inventory.theory.network import guaranteed_service
from udfs.supply_network.lanes import Lanes
from udfs.supply_network.service_network import ServiceNetwork, place_safety_stock


def random_network(rng: np.random.Generator, n_stages: int, n_lanes: int) -> ServiceNetwork:
    lanes = {(int(rng.integers(0, k)), k) for k in range(1, n_stages)}
    while len(lanes) < min(n_lanes, n_stages * (n_stages - 1) // 2):
        supplier, customer = sorted(rng.choice(n_stages, 2, replace=False).tolist())
        lanes.add((supplier, customer))
    supplies_N = np.isin(np.arange(n_stages), [a for a, _ in lanes])
    has_demand_N = ~supplies_N | (rng.random(n_stages) < 0.2)
    return ServiceNetwork(
        sorted(lanes),
        rng.integers(0, 3, n_stages).astype(float),
        rng.uniform(0.2, 5.0, n_stages),
        np.where(has_demand_N, rng.uniform(0.5, 5.0, n_stages), 0.0),
        1.6,
        np.where(has_demand_N, rng.integers(0, 3, n_stages).astype(float), np.inf),
        rng.integers(0, 2, n_stages).astype(float),
    )


def least_cost(system: ServiceNetwork) -> float:
    """The cheapest of all outbound times that no stage exceeds its replenishment time with, tried one by one."""
    n_stages = system.processing_time.size
    suppliers = [[a for a, b in system.lanes if b == k] for k in range(n_stages)]  # numbered suppliers first
    longest, units = np.zeros(n_stages), np.eye(n_stages)
    for k in range(n_stages):
        longest[k] = max([system.inbound_service_time[k], *longest[suppliers[k]]]) + system.processing_time[k]
    for k in reversed(range(n_stages)):
        for supplier in suppliers[k]:
            units[supplier] += units[k]
    weight = system.holding_cost * system.demand_bound * np.sqrt((units**2 * system.demand_sd**2).sum(axis=1))
    choices = [range(int(min(longest[k], system.outbound_service_time[k])) + 1) for k in range(n_stages)]
    tried_CN = np.array(list(product(*choices)), dtype=float)
    cost_C = np.zeros(len(tried_CN))
    for k in range(n_stages):
        inbound_C = np.maximum(tried_CN[:, suppliers[k]].max(axis=1, initial=0.0), system.inbound_service_time[k])
        net_C = inbound_C + system.processing_time[k] - tried_CN[:, k]
        cost_C += np.where(net_C < 0.0, np.inf, weight[k] * np.sqrt(np.maximum(net_C, 0.0)))
    return float(cost_C.min())


def test_no_other_service_times_cost_less_in_a_hundred_networks() -> None:
    rng = np.random.default_rng(5)
    for _ in range(100):
        n_stages = int(rng.integers(2, 7))
        system = random_network(rng, n_stages, n_stages + int(rng.integers(0, 4)))
        found = place_safety_stock(system)
        assert found.cost == pytest.approx(least_cost(system), rel=1e-9, abs=1e-9)
        assert found.gap <= 1e-6
        assert (found.outbound_N <= system.outbound_service_time).all()
        assert all(found.outbound_N[a] <= found.inbound_N[b] for a, b in system.lanes)


def test_a_tree_has_the_optimum_of_the_dynamic_programme() -> None:
    rng = np.random.default_rng(6)
    for _ in range(3):
        net = random_network(rng, 20, 19)
        tree = guaranteed_service.ServiceTree(
            net.lanes, net.processing_time, net.holding_cost, net.demand_sd, net.demand_bound,
            net.outbound_service_time, net.inbound_service_time,
        )  # fmt: skip
        known = guaranteed_service.place_safety_stock(tree).cost_S[0]
        assert place_safety_stock(net).cost == pytest.approx(known, rel=1e-9)


def test_out_of_time_the_best_plan_and_its_gap_are_kept() -> None:
    rng = np.random.default_rng(0)
    system = random_network(rng, 60, 140)
    hurried, patient = place_safety_stock(system, limit_s=0.01), place_safety_stock(system, limit_s=5.0)
    assert hurried.bound <= patient.cost * (1.0 + 1e-9)
    assert patient.bound <= hurried.cost * (1.0 + 1e-9)
    assert hurried.gap >= patient.gap
    assert hurried.cost == pytest.approx(hurried.bound * (1.0 + hurried.gap))


def test_demand_that_comes_by_two_paths_counts_twice() -> None:
    diamond = Lanes.of([("mill", "a"), ("mill", "b"), ("a", "shop"), ("b", "shop")], ["mill", "a", "b", "shop"])
    assert diamond.pooled_sd(np.array([0.0, 0.0, 3.0, 4.0])).tolist() == [np.hypot(8.0, 3.0), 4.0, 5.0, 4.0]


@pytest.mark.parametrize(
    ("lanes", "message"),
    [
        ([("a", "b"), ("b", "a")], "network: expected no cycle, found a -> b -> a"),
        ([("a", "a")], "network: expected no cycle, found a -> a"),
        ([("a", "x")], "lane a -> x leads to nowhere: expected two of the stages .* found 'x'"),
        ([("a", "b"), ("a", "b")], "lane a -> b: expected it once, found it twice"),
    ],
)
def test_what_is_no_network_is_an_error(lanes: list[tuple[str, str]], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        Lanes.of(lanes, ["a", "b"])


def test_a_stage_with_demand_needs_a_limit_and_times_a_sensible_unit() -> None:
    with pytest.raises(ValueError, match="expected a finite time at a stage with demand, found inf at 1"):
        ServiceNetwork([(0, 1)], [1, 1], [1, 1], [0, 1], 1.0, [np.inf, np.inf])
    with pytest.raises(ValueError, match="expected at most 300 periods along a path, found 400"):
        ServiceNetwork([(0, 1)], [200, 200], [1, 1], [0, 1], 1.0, [np.inf, 0])
    with pytest.raises(ValueError, match="stages: expected at least one, each named once"):
        ServiceNetwork([], [1, 1], [1, 1], [1, 1], 1.0, [0, 0], names=["a", "a"])
