from itertools import product

import numpy as np
import pytest
from stockpyl import gsm_serial, gsm_tree
from stockpyl.instances import load_instance

from tests.real_data import find
from udfs.inventory.theory.network.guaranteed_service import ServiceTree, place_safety_stock, service_cost
from udfs.inventory.theory.network.tree import Tree

INSTANCES = ["example_6_3", "problem_6_7", "problem_6_8", "problem_6_9", "example_6_5", "figure_6_14"]
SERIAL = ["example_6_3", "problem_6_7", "problem_6_8"]


def network(name: str):
    return load_instance(name, filepath=str(find("inventory_theory") / "textbook_instances.json"))


def or_else(value, default):
    return default if value is None else value


def system_of(net) -> tuple[ServiceTree, list[int]]:
    names = [node.index for node in net.nodes]
    place = {name: k for k, name in enumerate(names)}
    system = ServiceTree(
        edges=[(place[a], place[b]) for a, b in net.edges],
        processing_time=[node.processing_time for node in net.nodes],
        holding_cost=[node.local_holding_cost for node in net.nodes],
        demand_sd=[or_else(node.demand_source and node.demand_source.standard_deviation, 0.0) for node in net.nodes],
        demand_bound=[node.demand_bound_constant for node in net.nodes],
        outbound_service_time=[or_else(node.external_outbound_cst, np.inf) for node in net.nodes],
        inbound_service_time=[or_else(node.external_inbound_cst, 0) for node in net.nodes],
    )
    return system, names


@pytest.mark.real_data
@pytest.mark.parametrize("name", INSTANCES)
def test_textbook_trees_have_stockpyls_optimum(name: str) -> None:
    net = network(name)
    system, names = system_of(net)
    found = place_safety_stock(system)
    times, cost = gsm_tree.optimize_committed_service_times(net)
    assert found.cost_S[0] == pytest.approx(cost, rel=1e-9)
    assert found.outbound_SN[0].tolist() == [times[k] for k in names]
    assert service_cost(system, found.outbound_SN).cost_S[0] == pytest.approx(cost, rel=1e-9)


@pytest.mark.real_data
@pytest.mark.parametrize("name", SERIAL)
def test_serial_systems_have_the_optimum_of_inderfurths_recursion(name: str) -> None:
    net = network(name)
    _, cost = gsm_serial.optimize_committed_service_times(network=net)
    assert place_safety_stock(system_of(net)[0]).cost_S[0] == pytest.approx(cost, rel=1e-9)


@pytest.mark.real_data
@pytest.mark.parametrize("seed", range(5))
def test_the_tree_of_figure_6_12_has_stockpyls_optimum(seed: int) -> None:
    """The figure gives the shape alone: five drawings of times, costs and demands on it."""
    rng, net = np.random.default_rng(seed), network("figure_6_12")
    for node in net.nodes:
        node.processing_time, node.local_holding_cost = int(rng.integers(1, 6)), float(rng.uniform(1.0, 9.0))
        node.demand_bound_constant = 1.5
        if not node.successors():
            node.external_outbound_cst = int(rng.integers(0, 3))
            node.demand_source.type, node.demand_source.mean = "N", 20.0
            node.demand_source.standard_deviation = float(rng.uniform(1.0, 5.0))
    _, cost = gsm_tree.optimize_committed_service_times(net)
    assert place_safety_stock(system_of(net)[0]).cost_S[0] == pytest.approx(cost, rel=1e-9)


def random_system(rng: np.random.Generator, n_nodes: int, n_series: int) -> ServiceTree:
    """A tree that grows at random, with edges in either direction."""
    edges = []
    for k in range(1, n_nodes):
        other = int(rng.integers(0, k))
        edges.append((k, other) if rng.random() < 0.5 else (other, k))
    supplies = {a for a, _ in edges}
    has_demand_N = np.array([k not in supplies or rng.random() < 0.2 for k in range(n_nodes)])
    limit_N = np.where(has_demand_N | (rng.random(n_nodes) < 0.3), rng.integers(0, 3, n_nodes).astype(float), np.inf)
    return ServiceTree(
        edges,
        rng.integers(0, 3, n_nodes).astype(float),
        rng.uniform(0.0, 5.0, (n_series, n_nodes)),
        rng.uniform(0.5, 5.0, (n_series, n_nodes)) * has_demand_N,
        rng.uniform(1.0, 3.0, (n_series, 1)),
        limit_N,
        rng.integers(0, 3, n_nodes) * (rng.random(n_nodes) < 0.5),
    )


@pytest.mark.parametrize("seed", range(25))
def test_no_other_service_times_cost_less(seed: int) -> None:
    rng = np.random.default_rng(seed)
    system = random_system(rng, int(rng.integers(1, 6)), 1)
    n_nodes = system.processing_time.size
    longest = system.tree().longest_time(system.processing_time, np.asarray(system.inbound_service_time))
    choices = [range(int(min(longest[k], system.outbound_service_time[k])) + 1) for k in range(n_nodes)]
    tried = np.array(list(product(*choices)), dtype=float)
    many = ServiceTree(
        system.edges,
        system.processing_time,
        np.repeat(system.holding_cost, len(tried), axis=0),
        system.demand_sd,
        system.demand_bound,
        system.outbound_service_time,
        system.inbound_service_time,
    )
    found = place_safety_stock(system)
    assert found.cost_S[0] == pytest.approx(service_cost(many, tried).cost_S.min(), rel=1e-12, abs=1e-12)
    assert (found.net_lead_time_SN >= 0.0).all()
    assert (found.outbound_SN <= system.outbound_service_time).all()
    for supplier, customer in system.edges:
        assert (found.outbound_SN[:, supplier] <= found.inbound_SN[:, customer]).all()


def test_a_series_does_not_depend_on_the_others() -> None:
    system = random_system(np.random.default_rng(3), 8, 40)
    found = place_safety_stock(system)
    for s in (0, 21, 39):
        alone = ServiceTree(
            system.edges, system.processing_time, system.holding_cost[s], system.demand_sd[s], system.demand_bound[s],
            system.outbound_service_time, system.inbound_service_time,
        )  # fmt: skip
        assert np.array_equal(place_safety_stock(alone).outbound_SN[0], found.outbound_SN[s])
        assert place_safety_stock(alone).cost_S[0] == found.cost_S[s]


def test_one_stage_covers_its_replenishment_less_what_it_may_promise() -> None:
    found = place_safety_stock(ServiceTree([], [4], [2.0], [3.0], 1.5, [1], 2))
    assert found.net_lead_time_SN.tolist() == [[5.0]]
    assert found.safety_stock_SN[0, 0] == pytest.approx(1.5 * 3.0 * 5.0**0.5)
    patient = place_safety_stock(ServiceTree([], [4], [2.0], [3.0], 1.5, [99], 2))
    assert patient.outbound_SN.tolist() == [[6.0]]  # it takes no longer than that
    assert patient.cost_S.tolist() == [0.0]


GOOD = {
    "edges": [(0, 1), (1, 2)],
    "processing_time": [1, 2, 1],
    "holding_cost": [1.0, 2.0, 3.0],
    "demand_sd": [0.0, 0.0, 4.0],
    "demand_bound": 1.6,
    "outbound_service_time": [np.inf, np.inf, 0],
}


@pytest.mark.parametrize(
    ("changes", "match"),
    [
        ({"edges": [(0, 1)]}, "edges: expected 2 for a tree of 3 stages, found 1"),
        ({"edges": [(0, 1), (1, 0)]}, "edges: expected a connected tree without a cycle, found stage"),
        ({"edges": [(0, 1), (0, 1)]}, "edges: expected a connected tree without a cycle, found stage 2"),
        ({"edges": [(0, 1), (2, 2)]}, r"edges: expected two different stages of 0 to 2, found \(2, 2\)"),
        ({"edges": [(0, 1), (1, 3)]}, r"edges: expected two different stages of 0 to 2, found \(1, 3\)"),
        ({"edges": [], "processing_time": []}, "broadcast"),
        ({"processing_time": [1, 1.5, 1]}, r"processing_time: expected a whole number >= 0, found 1.5 at \[1\]"),
        ({"processing_time": [1, 1e9, 1]}, "processing_time: expected at most 5000 periods along a path"),
        ({"holding_cost": [1.0, -2.0, 3.0]}, r"holding_cost: .* found -2 at \[0, 1\]"),
        ({"demand_sd": [0.0, np.nan, 3.0]}, "demand_sd: .* found nan"),
        ({"demand_bound": 0.0}, "demand_bound: expected a finite number > 0"),
        ({"inbound_service_time": [0, -1, 0]}, "inbound_service_time"),
        ({"outbound_service_time": [0, 0, 0.5]}, "outbound_service_time: expected a whole number >= 0, or inf"),
        ({"outbound_service_time": np.inf}, r"outbound_service_time: .* stage with demand, found inf at \[2\]"),
        ({"holding_cost": np.ones((2, 4))}, "broadcast"),
    ],
)
def test_bad_parameters_are_named(changes: dict, match: str) -> None:
    with pytest.raises(ValueError, match=match):
        ServiceTree(**{**GOOD, **changes})


def test_a_tree_has_a_stage() -> None:
    with pytest.raises(ValueError, match="stages: expected at least 1, found 0"):
        Tree.of([], 0)


def test_service_times_beyond_their_limit_are_refused() -> None:
    system = ServiceTree(**GOOD)
    with pytest.raises(ValueError, match=r"outbound_SN: expected at most 0 at stage 2, found 1 at \[0, 2\]"):
        service_cost(system, [0, 0, 1])
    with pytest.raises(ValueError, match="outbound_SN: expected a whole number"):
        service_cost(system, [0, 0.5, 0])
    assert service_cost(system, [9, 9, 0]).outbound_SN.tolist() == [[1.0, 3.0, 0.0]]
