"""The simulator beside stockpyl's and beside its own tensor operations, demand by table look-up, tuning.

Driven by `python -m tests.benchmarks.bench_inventory simulation`. Base stock with backorders, lead time 2, Poisson
demand, which stockpyl replays too; its rate does not depend on the number of periods. Rates are of the best of some
calls after one that loads the compiled kernels, demand already in memory unless it says otherwise; those "by the clock"
take all threads, those by processor time one. A million series are replayed over 28 and 112 days of one path each.
"""

from __future__ import annotations

import resource
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from stockpyl.sim import simulation
from stockpyl.supply_chain_network import single_stage_system
from torch import Tensor

from udfs.inventory.simulation.demand_samples import CountDemand
from udfs.inventory.simulation.levels import BaseStock, ReorderPoint
from udfs.inventory.simulation.simulator import simulate
from udfs.inventory.simulation.terms import SimulationTerms
from udfs.inventory.tuning.tune import tune

MEAN, LEVEL, LEAD_TIME, BACKORDER = 5.0, 20.0, 2, 9.0
STOCKPYL_PERIODS, STOCKPYL_RUNS = 6_000, 4
TERMS = SimulationTerms(LEAD_TIME, 1.0, BACKORDER, backorder_share=1.0)
BEST_OF = 5


@dataclass(frozen=True)
class Opaque:
    """Base stock that the compiled loop does not know."""

    policy: Any

    def order(self, state: Any) -> Tensor:
        return self.policy.order(state)


def timed(call: Callable[[], object], best_of: int = BEST_OF) -> tuple[float, float]:
    """Least seconds by the clock, and of processor time."""
    clock, cpu = [], []
    for _ in range(best_of):
        begin, cpu_begin = time.perf_counter(), time.process_time()
        call()
        clock.append(time.perf_counter() - begin)
        cpu.append(time.process_time() - cpu_begin)
    return min(clock), min(cpu)


def stockpyl_cost(periods: int, seed: int) -> float:
    """stockpyl's mean cost per period over one run; it orders after the demand, so that its lead time is one longer."""
    system = single_stage_system(
        holding_cost=1.0, stockout_cost=BACKORDER, demand_type="P", mean=MEAN, policy_type="BS",
        base_stock_level=LEVEL, shipment_lead_time=LEAD_TIME + 1,
    )  # fmt: skip
    return float(simulation(system, periods, rand_seed=seed, progress_bar=False)) / periods


def report(threads: int) -> None:
    """Print the tables."""
    del threads  # set by the caller
    costs: list[float] = []
    seconds, cpu = timed(lambda: costs.append(stockpyl_cost(STOCKPYL_PERIODS, len(costs))), STOCKPYL_RUNS)
    peer, peer_cpu = STOCKPYL_PERIODS / seconds, STOCKPYL_PERIODS / cpu
    print(f"stockpyl: {peer:,.0f} periods a second by the clock, {peer_cpu:,.0f} by processor time")
    compare_costs(float(np.mean(costs)))
    print("\nsimulator: periods a second    by the clock     x stockpyl     by processor time     x stockpyl")
    for dtype in (torch.float32, torch.float64):
        for n_series, n_paths, n_periods in ((400, 320, 28), (80, 320, 140)):
            demand = CountDemand(np.full(n_series, MEAN)).draw(n_paths, n_periods, dtype=dtype)
            policies = {"base stock": BaseStock(LEVEL), "(s, S)": ReorderPoint(12.0, 24.0)}
            for name, policy in (policies | {"tensor operations": Opaque(BaseStock(LEVEL))}).items():
                simulate(policy, demand[:2], TERMS)
                clock, cpu = timed(lambda p=policy, d=demand: simulate(p, d, TERMS), BEST_OF)  # type: ignore[misc]
                rate, rate_cpu = demand.numel() / clock, demand.numel() / cpu
                label = f"{name}, {str(dtype)[6:]}, {n_series} x {n_paths} x {n_periods}"
                print(f"{label:44s} {rate:15,.0f} {rate / peer:12,.0f} {rate_cpu:18,.0f} {rate_cpu / peer_cpu:12,.0f}")
    compare_draws()
    scale_up()
    tune_many()


def compare_costs(of_stockpyl: float) -> None:
    """Mean cost per period beside stockpyl's, with the 95% interval of as many periods as stockpyl's."""
    demand = CountDemand(MEAN).draw(2000, STOCKPYL_PERIODS // 10, dtype=torch.float64)
    found = simulate(BaseStock(LEVEL), demand, TERMS, warm_up=10)
    per_path = found.cost[0] / found.n_periods
    half = 1.96 * float(per_path.std()) / np.sqrt(10 * STOCKPYL_RUNS)
    print(f"mean cost per period: stockpyl {of_stockpyl:.3f}, ours {float(per_path.mean()):.3f} +- {half:.3f} "
          f"(95% of {STOCKPYL_RUNS * STOCKPYL_PERIODS:,} periods)")  # fmt: skip


def compare_draws() -> None:
    demand = CountDemand(np.full(400, MEAN))
    mean = torch.full((400, 64, 28), MEAN)
    ours, ours_cpu = timed(lambda: demand.draw(64, 28))
    peers, peers_cpu = timed(lambda: torch.poisson(mean))
    n = mean.numel() / 1e6
    print(f"\ndraws, millions a second by the clock (processor): table {n / ours:.0f} ({n / ours_cpu:.0f}), "
          f"torch.poisson {n / peers:.0f} ({n / peers_cpu:.0f})")  # fmt: skip


def scale_up() -> None:
    print("\nseries      periods   draw s   simulate s   peak memory MiB more")
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    for n_series in (10_000, 100_000, 1_000_000):
        for n_periods in (28, 112):
            mean = np.random.default_rng(3).uniform(0.2, 9.0, n_series)
            begin = time.perf_counter()
            demand = CountDemand(mean).draw(1, n_periods)
            drawn = time.perf_counter() - begin
            seconds, _ = timed(lambda m=mean, d=demand: simulate(BaseStock(4.0 * m), d, TERMS), 1)  # type: ignore[misc]
            more = (resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) / 1024
            print(f"{n_series:9,d} {n_periods:9d} {drawn:9.2f} {seconds:11.2f} {more:15,.0f}")


def tune_many() -> None:
    """(s, S) for 12,196 series on 300 paths of 28 days, a bucket of about 380 at a time."""
    rng, total, clock, tried = np.random.default_rng(1), 0.0, 0.0, 0.0
    for _ in range(4):
        mean = rng.gamma(0.8, 2.5, 381) + 0.05
        demand = CountDemand(mean, mean * 2.0).draw(300, 28)
        terms = SimulationTerms(5, 0.01, rng.uniform(0.2, 4.0, 381), order_cost=0.5, review_period=2)
        begin, cpu = time.perf_counter(), time.process_time()
        tried += float(tune("s_s", demand, terms, mean * 8.0).candidates_S.mean()) / 4
        clock += time.perf_counter() - begin
        total += time.process_time() - cpu
    print(f"\n(s, S) tuned, 4 buckets of 381 series x 300 paths x 28 days, {tried:.0f} candidates a series: "
          f"{clock:.1f} s by the clock, {total:.1f} of processor; 32 buckets: {8 * clock:.0f} s")  # fmt: skip
