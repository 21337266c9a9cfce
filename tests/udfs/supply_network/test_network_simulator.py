"""The network simulator against stockpyl's, period by period, and its own laws."""

from __future__ import annotations

import numpy as np
import pytest
from stockpyl.policy import Policy
from stockpyl.sim import simulation
from stockpyl.supply_chain_network import network_from_edges

from udfs.supply_network.network_simulator import NetworkRuns, StockedNetwork, simulate

NETWORKS = {
    "one stage": [],
    "line": [(0, 1), (1, 2)],
    "two echelons": [(0, 1), (0, 2), (0, 3)],
    "assembly": [(0, 2), (1, 2), (2, 3)],
    "acyclic": [(0, 1), (0, 2), (1, 3), (2, 3), (2, 4)],
}
N_PERIODS = 60


def drawn(lanes: list[tuple[int, int]], seed: int, is_s_s: bool) -> tuple[StockedNetwork, np.ndarray]:
    rng = np.random.default_rng(seed)
    n_stages = max((max(lane) for lane in lanes), default=0) + 1
    up_to_N = rng.integers(8, 40, n_stages).astype(float)
    system = StockedNetwork(
        lanes, up_to_N, rng.integers(0, 4, n_stages), rng.uniform(0.5, 3.0, n_stages), rng.uniform(0.0, 9.0, n_stages),
        up_to_N - rng.integers(0, 8, n_stages) if is_s_s else None, rng.integers(0, 3, n_stages),
    )  # fmt: skip
    sells_N = ~np.isin(np.arange(n_stages), [a for a, _ in lanes]) | (rng.random(n_stages) < 0.3)
    return system, rng.poisson(5.0, (3, N_PERIODS, n_stages)) * sells_N * 1.0


def stockpyls(system: StockedNetwork, demand_TN: np.ndarray):
    nodes = list(range(system.order_up_to.size))
    attributes = {
        "local_holding_cost": system.holding_cost.tolist(),
        "stockout_cost": system.shortage_cost.tolist(),
        "shipment_lead_time": system.shipment_time.astype(int).tolist(),
        "order_lead_time": system.order_time.astype(int).tolist(),
        "demand_type": ["D" if demand_TN[:, n].any() else None for n in nodes],
        "demand_list": [demand_TN[:, n].tolist() for n in nodes],
        "supply_type": ["U" if n not in [b for _, b in system.lanes] else None for n in nodes],
    }
    net = network_from_edges(edges=list(system.lanes), node_order_in_lists=nodes, **attributes)
    for n in nodes:
        node = net.nodes_by_index[n]
        levels = {"reorder_point": system.reorder_point[n], "order_up_to_level": system.order_up_to[n]}
        if system.reorder_point[n] == system.order_up_to[n]:
            node.inventory_policy = Policy(type="BS", base_stock_level=system.order_up_to[n], node=node)
        else:
            node.inventory_policy = Policy(type="sS", node=node, **levels)
        node.initial_inventory_level = system.order_up_to[n]
    cost = simulation(net, len(demand_TN), progress_bar=False, consistency_checks="E")
    states = [net.nodes_by_index[n].state_vars for n in nodes]
    last = len(demand_TN) - 1
    level_TN = np.array([[state[t].inventory_level[state[t].node.product_indices[0]] for state in states]
                         for t in range(last + 1)])  # fmt: skip
    fill_N = [state[last].fill_rate[state[last].node.product_indices[0]] for state in states]
    return cost, level_TN, fill_N


@pytest.mark.parametrize("is_s_s", [False, True], ids=["base stock", "s S"])
@pytest.mark.parametrize("name", NETWORKS)
def test_it_gives_stockpyls_results(name: str, is_s_s: bool) -> None:
    system, demand_RTN = drawn(NETWORKS[name], len(name), is_s_s)
    runs = simulate(system, demand_RTN)
    for r in range(2):
        cost, level_TN, fill_N = stockpyls(system, demand_RTN[r])
        assert runs.cost_R[r] == pytest.approx(cost, rel=1e-9)
        np.testing.assert_allclose(runs.level_RN[r], level_TN[-1], atol=1e-9)
        np.testing.assert_allclose(runs.on_hand_RN[r], np.maximum(level_TN, 0.0).mean(axis=0), atol=1e-9)
        np.testing.assert_allclose(runs.backorders_RN[r], np.maximum(-level_TN, 0.0).mean(axis=0), atol=1e-9)
        np.testing.assert_allclose(runs.fill_rate_RN[r], fill_N, atol=1e-9)


def alone(runs: NetworkRuns, r: int) -> list[list[float]]:
    return [runs.cost_R[r : r + 1].tolist(), runs.level_RN[r].tolist(), runs.fill_rate_RN[r].tolist()]


def test_a_replication_does_not_depend_on_the_others_and_warm_up_does_not_count() -> None:
    system, demand_RTN = drawn(NETWORKS["acyclic"], 3, True)
    many = simulate(system, np.concatenate([demand_RTN] * 3), sharing="proportional")
    assert [alone(many, r) for r in range(3)] == [alone(many, r) for r in range(6, 9)]
    short = simulate(system, demand_RTN[:, :20], sharing="proportional")
    late = simulate(system, demand_RTN, sharing="proportional", warm_up=20)
    np.testing.assert_allclose(short.cost_R + late.cost_R, many.cost_R[:3], rtol=1e-12)


def test_shares_in_proportion_leave_no_lane_alone_with_a_shortage() -> None:
    system = StockedNetwork([(0, 1), (0, 2)], [10, 30, 30], 1, 1.0, 1.0)
    demand_RTN = np.zeros((1, 2, 3))
    demand_RTN[0, 0, 1:] = 15.0, 5.0
    fair = simulate(system, demand_RTN, sharing="proportional")
    assert fair.level_RN[0].tolist() == [10.0, 22.5, 27.5]  # of 10 units 7.5 and 2.5; the rest comes a period later
    assert simulate(system, demand_RTN).level_RN[0].tolist() == [10.0, 25.0, 25.0]


def test_bad_input_is_an_error() -> None:
    with pytest.raises(ValueError, match=r"order_up_to - reorder_point: expected a finite number >= 0, found -1"):
        StockedNetwork([], [1.0], 0, 1.0, 1.0, [2.0])
    system = StockedNetwork([], [1.0], 0, 1.0, 1.0)
    with pytest.raises(ValueError, match=r"demand_RTN: expected \[R, T, 1\], none empty, found \(1, 2, 2\)"):
        simulate(system, np.ones((1, 2, 2)))
    with pytest.raises(ValueError, match="demand_RTN: expected a finite number >= 0, found -1"):
        simulate(system, -np.ones((1, 2, 1)))
    with pytest.raises(ValueError, match="warm_up: expected 0 to 1 periods, found 2"):
        simulate(system, np.ones((1, 2, 1)), warm_up=2)
