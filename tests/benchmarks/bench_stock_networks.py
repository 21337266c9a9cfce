"""Stock in networks against its peers: the same optimum, and how much sooner.

Run it as `python -m tests.benchmarks.bench_stock_networks [SKUS]` (default 100,000 for channels; a tenth of it for
two echelons and trees, a hundredth for serial systems). Prints one JSON line per finding: SKUs a second here and of
the peer in the same run, and the largest relative difference of cost between both. Peers are stockpyl (serial systems,
trees) and HiGHS (channels), each on a few SKUs, and for two echelons the exact method against its approximations.
stockpyl's serial optimiser fails under NumPy 2 for asking `np.array` not to copy; its search for the nearest point of a
grid is replaced by the same search without that request.
"""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Callable

import numpy as np
from stockpyl import gsm_tree, ssm_serial
from stockpyl.instances import load_instance

from tests.real_data import ROOT
from tests.udfs.inventory.theory.network import test_channel_allocation, test_guaranteed_service, test_serial
from udfs.inventory.theory.network import channel_allocation, guaranteed_service, serial, two_echelon

INSTANCES = str(ROOT / "inventory_theory" / "textbook_instances.json")
TAILS = {f"{name}_tail_prob": 1e-12 for name in ("ltd_lower", "ltd_upper", "sum_ltd_lower", "sum_ltd_upper")}
"""Where stockpyl is to cut Poisson demand; by default at 3e-5, which shows in the fourth digit of a cost."""


def nearest(array, values, sorted=True, index=None):  # stockpyl's name for it
    """Places of the points of a rising array that are nearest to `values`; of two as near the right one."""
    values = np.asarray(values, dtype=float)
    right = np.clip(np.searchsorted(array, values), 0, len(array) - 1)
    left = np.maximum(right - 1, 0)
    found = np.where(np.abs(values - array[left]) < np.abs(values - array[right]), left, right)
    return int(found) if values.ndim == 0 else found


def timed(work: Callable[[], object]) -> tuple[float, object]:
    start = time.perf_counter()
    result = work()
    return time.perf_counter() - start, result


def report(what: str, n_ours: int, ours_s: float, n_peer: int, peer_s: float, **more: object) -> None:
    ours, peer = n_ours / ours_s, n_peer / peer_s
    line = {"what": what, "skus_per_s": round(ours, 1), "peer_skus_per_s": round(peer, 3), "ratio": round(ours / peer)}
    print(json.dumps({**line, **more}), flush=True)


def repeated(system: serial.SerialSystem, n: int) -> serial.SerialSystem:
    demand_sd = None if system.demand == "poisson" else np.repeat(system.demand_sd, n)
    return serial.SerialSystem(
        np.repeat(system.echelon_holding_cost, n, axis=0), np.repeat(system.lead_time, n, axis=0),
        np.repeat(system.shortage_cost, n), np.repeat(system.demand_mean, n), demand_sd, system.demand,
    )  # fmt: skip


def bench_serial(n_skus: int) -> None:
    ssm_serial.find_nearest = nearest
    for name in [*test_serial.POISSON, *test_serial.STOCKPYL_NORMAL]:
        system = test_serial.system_of(name)
        found = serial.optimal_levels(system)
        network = load_instance(name, filepath=INSTANCES)
        tails = TAILS if system.demand == "poisson" else {}
        peer_s, peer = timed(
            lambda network=network, tails=tails: ssm_serial.optimize_base_stock_levels(network=network, **tails)
        )
        levels, cost = peer
        many = repeated(system, n_skus)
        ours_s, _ = timed(lambda many=many: serial.optimal_levels(many))
        peer_N = [float(levels[k]) for k in sorted(levels)]
        more = {
            "levels": found.echelon_SN[0].round(3).tolist(), "peer_levels": np.round(peer_N, 3).tolist(),
            "cost": round(float(found.cost_S[0]), 6), "peer_cost": round(float(cost), 6),
            "peer_levels_cost_here": round(float(serial.levels_cost(system, peer_N).cost_S[0]), 6),
        }  # fmt: skip
        report(f"serial {name}", n_skus, ours_s, 1, peer_s, **more)


def bench_trees(n_skus: int) -> None:
    for name in test_guaranteed_service.INSTANCES:
        network = test_guaranteed_service.network(name)
        system, _ = test_guaranteed_service.system_of(network)
        peer_s, peer = timed(lambda network=network: gsm_tree.optimize_committed_service_times(network))
        scale_S = np.random.default_rng(0).uniform(0.5, 2.0, (n_skus, 1))
        many = guaranteed_service.ServiceTree(
            system.edges, system.processing_time, system.holding_cost * scale_S, system.demand_sd, system.demand_bound,
            system.outbound_service_time, system.inbound_service_time,
        )  # fmt: skip
        ours_s, found = timed(lambda many=many: guaranteed_service.place_safety_stock(many))
        off = float(np.abs(found.cost_S / scale_S[:, 0] / peer[1] - 1.0).max())
        report(f"tree {name}", n_skus, ours_s, 1, peer_s, relative_difference=off)


def bench_channels(n_skus: int, n_channels: int = 5, n_values: int = 50, n_peer: int = 30) -> None:
    rng = np.random.default_rng(0)
    demand_SCK = rng.poisson(rng.gamma(1.0, 4.0, (n_skus, n_channels, 1)), (n_skus, n_channels, n_values)).astype(float)
    pool_S, placed_SC = rng.integers(0, 40, n_skus), rng.integers(0, 8, (n_skus, n_channels))
    margin_SC = rng.uniform(1.0, 10.0, (n_skus, n_channels))
    weight_K, ones = np.full(n_values, 1.0 / n_values), np.ones(n_channels)
    for what, cost in (("pool", np.inf), ("pool and transfers", 1.0)):
        terms = channel_allocation.ChannelTerms(margin_SC, 1.0, 0.1, cost)
        ours_s, found = timed(
            lambda terms=terms: channel_allocation.allocate(demand_SCK, pool_S, terms, placed_SC=placed_SC)
        )
        cost_CC = np.full((n_channels, n_channels), cost)
        peer_s, profits = timed(
            lambda cost_CC=cost_CC: [
                test_channel_allocation.linear_programme(
                    demand_SCK[s], weight_K, pool_S[s], placed_SC[s], margin_SC[s], ones, 0.1 * ones, cost_CC
                )[1]
                for s in range(n_peer)
            ]
        )
        off = float(np.abs(found.expected_profit_S[:n_peer] / profits - 1.0).max())
        report(f"channels: {what}", n_skus, ours_s, n_peer, peer_s, seconds=round(ours_s, 2), relative_difference=off)


def bench_two_echelon(n_skus: int, n_stores: int = 10) -> None:
    rng = np.random.default_rng(1)
    system = two_echelon.TwoEchelon(
        rng.uniform(0.05, 2.0, (n_skus, n_stores)), rng.uniform(1.0, 10.0, n_skus),
        rng.uniform(1.0, 4.0, (n_skus, n_stores)), 1.0, 1.2, rng.uniform(5.0, 50.0, (n_skus, n_stores)),
    )  # fmt: skip
    exact_s, exact = timed(lambda: two_echelon.optimal_levels(system))
    for method in ("negative_binomial", "metric"):
        near_s, near = timed(lambda method=method: two_echelon.optimal_levels(system, method))
        true_S = two_echelon.levels_cost(system, near.dc_level_S, near.store_level_SC).cost_S
        excess_S = true_S / exact.cost_S - 1.0
        more = {"excess_cost_mean": float(excess_S.mean()), "excess_cost_max": float(excess_S.max())}
        report(f"two echelons, exact against {method}", n_skus, exact_s, n_skus, near_s, **more)


def main() -> None:
    n_skus = int(sys.argv[1]) if len(sys.argv) > 1 else 100_000
    small = test_serial.SerialSystem([1.0, 1.0], 1.0, 9.0, 5.0, 1.0)
    serial.optimal_levels(small)  # compiled before any clock starts
    two_echelon.optimal_levels(two_echelon.TwoEchelon([1.0, 2.0], 1.0, 1.0, 1.0, 1.0, 9.0))
    guaranteed_service.place_safety_stock(guaranteed_service.ServiceTree([], [4], [2.0], [3.0], 1.5, [1], 2))
    channel_allocation.allocate([[[1.0, 2.0]]], 2.0, channel_allocation.ChannelTerms([1.0]))
    bench_serial(max(n_skus // 100, 1))
    bench_trees(max(n_skus // 10, 1))
    bench_two_echelon(max(n_skus // 10, 1))
    bench_channels(n_skus)


if __name__ == "__main__":
    main()
