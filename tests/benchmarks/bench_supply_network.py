"""Suppliers, joint orders and networks: optima against brute force and bounds, peers, and what they save on M5.

Run it as `python -m tests.benchmarks.bench_supply_network [PART ...]`; without a part all, in ten minutes. Prints one
JSON line per finding. Parts: joint (300 random families against the best multiples of every cycle), service (30
networks of 100 stages and 160 lanes), simulator (against stockpyl's), choice (100,000 SKUs x 5 suppliers), and on the
real sales of M5 joint_m5 (orders of a department in a store) and network_m5 (one depot over the stores). On M5 all
terms are made up; levels know the year before the one told of.
"""

from __future__ import annotations

import json
import sys
import time

import numpy as np
import pandas as pd

from tests.real_data import find
from tests.udfs.inventory.theory.lot_sizing.test_eoq import best_cyclic_cost
from tests.udfs.supply_network.sourcing import sourcing_problem
from tests.udfs.supply_network.test_network_simulator import NETWORKS, drawn, stockpyls
from udfs.inventory.theory.lot_sizing.joint_replenishment import joint_replenishment
from udfs.inventory.theory.network.two_echelon import TwoEchelon, optimal_levels
from udfs.supply_network.joint_policy import Family, best_joint_policy, joint_levels, simulate_joint, tuned
from udfs.supply_network.network_simulator import StockedNetwork, simulate
from udfs.supply_network.offers import options
from udfs.supply_network.service_network import ServiceNetwork, place_safety_stock
from udfs.supply_network.supplier_choice import choose

FILL, YEAR = 0.95, 364


def report(what: str, **found: object) -> None:
    print(json.dumps({"what": what} | found, default=float), flush=True)


def bench_joint() -> None:
    rng, off, apart = np.random.default_rng(12), [], []
    for _ in range(300):
        n_items, shared = int(rng.integers(2, 21)), float(rng.uniform(1.0, 400.0))
        item, holding, demand = rng.uniform(0, 60, n_items), rng.lognormal(0, 1, n_items), rng.lognormal(2, 1, n_items)
        plan = joint_replenishment(shared, item, holding, demand)
        best = best_cyclic_cost(shared, item, holding * demand, plan.cycle_S[0])
        off.append(plan.cost_S[0] / best - 1.0)
        apart.append(np.sqrt(2.0 * (shared + item) * holding * demand).sum() / best - 1.0)
    report("joint replenishment, 300 families", mean_off=np.mean(off), worst_off=max(off), separate_eoqs=np.mean(apart))


def layered(rng: np.random.Generator, n_stages: int, n_lanes: int, n_layers: int) -> ServiceNetwork:
    """Stages in layers, each with a supplier in the layer above; the other lanes lead down at random."""
    layer = np.sort(rng.integers(0, n_layers, n_stages))
    layer[0] = 0
    lanes = {
        (int(rng.choice(np.flatnonzero(layer < layer[k])[-30:])), k) for k in range(n_stages) if layer[k] > layer[0]
    }
    while len(lanes) < n_lanes:
        supplier, customer = sorted(rng.integers(0, n_stages, 2).tolist())
        if layer[supplier] < layer[customer]:
            lanes.add((supplier, customer))
    supplies = np.isin(np.arange(n_stages), [a for a, _ in lanes])
    return ServiceNetwork(
        sorted(lanes), rng.integers(1, 6, n_stages).astype(float), np.cumsum(rng.uniform(0.1, 1.0, n_stages)),
        np.where(supplies, 0.0, rng.uniform(1.0, 9.0, n_stages)), 1.645, np.where(supplies, np.inf, 0.0),
    )  # fmt: skip


def bench_service() -> None:
    rng, seconds, gaps = np.random.default_rng(3), [], []
    for _ in range(30):
        system = layered(rng, 100, 160, int(rng.integers(4, 9)))
        start = time.perf_counter()
        gaps.append(place_safety_stock(system, limit_s=10.0).gap)
        seconds.append(time.perf_counter() - start)
    proven = int((np.array(gaps) <= 1e-6).sum())
    report("guaranteed service, 30 networks of 100 stages, 160 lanes", proven=proven, worst_gap=max(gaps),
           median_s=np.median(seconds), worst_s=max(seconds))  # fmt: skip


def bench_simulator(n_runs: int = 4000) -> None:
    for name, lanes in NETWORKS.items():
        system, demand_RTN = drawn(lanes, 1, False)
        start = time.perf_counter()
        stockpyls(system, demand_RTN[0])
        peer_s = (time.perf_counter() - start) / demand_RTN.shape[1]
        many = np.concatenate([demand_RTN] * (n_runs // len(demand_RTN)))
        simulate(system, many)
        start = time.perf_counter()
        simulate(system, many)
        ours_s = (time.perf_counter() - start) / (many.shape[0] * many.shape[1])
        report(f"simulator, {name}", ns_a_period=ours_s * 1e9, times_stockpyl=peer_s / ours_s)


def bench_choice(n_skus: int = 100_000) -> None:
    for order_cost in (100.0, 100_000.0):
        offers, suppliers, need = sourcing_problem(np.random.default_rng(1), n_skus, 5, order_cost)
        start = time.perf_counter()
        ways = options(offers, suppliers, need)
        found = choose(ways, offers, suppliers, 150.0)
        report("supplier choice", skus=n_skus, options=ways.sku.size, order_cost=order_cost, gap=found.gap,
               seconds=time.perf_counter() - start)  # fmt: skip


def m5_sales() -> tuple[pd.DataFrame, np.ndarray]:
    """Traits and units of the item-store series that sold in each of the last two years, [S, 728]."""
    sales = pd.read_csv(find("m5") / "sales_train_evaluation.csv.gz")
    y_ST = sales[[c for c in sales.columns if c.startswith("d_")]].to_numpy(float)[:, -2 * YEAR :]
    sells = (y_ST[:, :YEAR].sum(axis=1) > 0) & (y_ST[:, YEAR:].sum(axis=1) > 0)
    return sales.loc[sells, ["item_id", "dept_id", "store_id"]].reset_index(drop=True), y_ST[sells]


def interval(ours: np.ndarray, others: np.ndarray) -> list[float]:
    """95% interval of the saving in sum, by drawing families anew."""
    rng = np.random.default_rng(0)
    drawn_BF = rng.integers(0, ours.size, (2000, ours.size))
    return (
        np.quantile(1.0 - ours[drawn_BF].sum(axis=1) / others[drawn_BF].sum(axis=1), [0.025, 0.975]).round(4).tolist()
    )


def bench_joint_m5(n_families: int = 60, n_items: int = 30) -> None:
    """Families of a store and department: separate orders against the joint policy that was better the year before.

    Levels know the year before alone; but for the safety factor of the joint policy, which is the one that serves as
    much in the year told of as separate orders do: costs are compared at equal fill.
    """
    traits, y_ST = m5_sales()
    rng = np.random.default_rng(5)
    groups = [rows.to_numpy() for _, rows in traits.groupby(["store_id", "dept_id"]).groups.items()]
    costs, fills, chosen = [], [], []
    for f in range(n_families):
        rows = rng.choice(groups[f % len(groups)], n_items, replace=False)
        past_TI, year_TI = y_ST[rows, :YEAR].T, y_ST[rows, YEAR:].T
        family = Family(past_TI.mean(axis=0), past_TI.std(axis=0), rng.lognormal(1.0, 0.5, n_items) * 0.25 / 365.0,
                        rng.uniform(0.2, 0.6, n_items), float(rng.uniform(5.0, 30.0)), 5)  # fmt: skip
        # Lots of their own may serve more than was asked for, whatever the factor: the family is to serve as much.
        apart = joint_levels(family, "separate", tuned(family, "separate", past_TI, FILL))
        wanted = simulate_joint(family, apart, year_TI).fill_rate
        kind, _ = best_joint_policy(family, past_TI, wanted)
        runs = [simulate_joint(family, each, year_TI)
                for each in (apart, joint_levels(family, kind, tuned(family, kind, year_TI, wanted)))]  # fmt: skip
        costs.append([run.cost for run in runs])
        fills.append([run.fill_rate for run in runs])
        chosen.append(kind)
    apart_F, joint_F = np.array(costs).T
    report("joint orders on M5", families=n_families, saving=1.0 - joint_F.sum() / apart_F.sum(),
           interval=interval(joint_F, apart_F), fill_separate=np.mean(fills, axis=0)[0],
           fill_joint=np.mean(fills, axis=0)[1], can_order=np.mean([k == "can_order" for k in chosen]))  # fmt: skip


def network_run(levels: tuple[np.ndarray, float], supply: int, lane: int, demand_TC: np.ndarray) -> tuple[float, float]:
    """Mean units held, depot included, and units served at once, of one article."""
    store_C, depot = levels
    n_stores = store_C.size
    system = StockedNetwork([(0, c + 1) for c in range(n_stores)], np.array([depot, *store_C]),
                            np.array([supply, *[lane] * n_stores]), 1.0, 0.0)  # fmt: skip
    demand = np.concatenate([np.zeros((len(demand_TC), 1)), demand_TC], axis=1)[None]
    runs = simulate(system, demand, sharing="proportional")
    served = runs.fill_rate_RN[0, 1:] @ demand_TC.sum(axis=0)
    return float(runs.on_hand_RN[0].sum()), float(served)


def bench_network_m5(n_articles: int = 300, supply: int = 14, lane: int = 2) -> None:
    """One depot over the stores that sell an article against stores that wait for the supplier, at equal fill."""
    traits, y_ST = m5_sales()
    groups = [rows.to_numpy() for _, rows in traits.groupby("item_id").groups.items() if len(rows) >= 3]
    picked = [groups[k] for k in np.random.default_rng(6).choice(len(groups), n_articles, replace=False)]

    def levels(rows: np.ndarray, ratio: float, *, with_depot: bool) -> tuple[np.ndarray, float]:
        past = y_ST[rows, :YEAR]
        mean_C = past.mean(axis=1)
        dispersion_C = np.maximum(past.var(axis=1) / np.maximum(mean_C, 1e-9), 1.0)
        days = (float(supply), lane + 1.0) if with_depot else (0.0, supply + lane + 1.0)
        found = optimal_levels(TwoEchelon(mean_C, *days, 1.0, 1.0, ratio, dispersion_C), "negative_binomial")
        return found.store_level_SC[0], float(found.dc_level_S[0]) if with_depot else 0.0

    def runs(ratio: float, part: slice, *, with_depot: bool) -> tuple[np.ndarray, float]:
        way = (supply, lane) if with_depot else (0, supply + lane)
        found = [network_run(levels(rows, ratio, with_depot=with_depot), *way, y_ST[rows, part].T) for rows in picked]
        held_A, served_A = np.array(found).T
        return held_A, served_A.sum() / sum(y_ST[rows, part].sum() for rows in picked)

    held, fills = [], []
    for with_depot in (False, True):
        low, high = 0.5, 2000.0
        for _ in range(14):
            middle = np.sqrt(low * high)
            is_enough = runs(middle, slice(0, YEAR), with_depot=with_depot)[1] >= FILL
            low, high = (low, middle) if is_enough else (middle, high)
        held_A, fill = runs(high, slice(YEAR, 2 * YEAR), with_depot=with_depot)
        held.append(held_A)
        fills.append(fill)
    report("a depot on M5", articles=n_articles, saving=1.0 - held[1].sum() / held[0].sum(),
           interval=interval(held[1], held[0]), fill_alone=fills[0], fill_network=fills[1])  # fmt: skip


def main() -> None:
    parts = sys.argv[1:] or ["joint", "service", "simulator", "choice", "joint_m5", "network_m5"]
    for part in parts:
        globals()[f"bench_{part}"]()


if __name__ == "__main__":
    main()
