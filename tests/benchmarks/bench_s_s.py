"""(s, S) by Zheng and Federgruen: the batched solver beside stockpyl's, on instances drawn alike.

Driven by `python -m tests.benchmarks.bench_inventory s_s`. stockpyl solves one instance after another, so that its rate
does not depend on how many there are: 200 of them, in one thread. Ours solves them too, and both optima are compared;
its rate is that of a million instances from the same distribution, best of three, after one call that loads the
compiled kernel. Rates by the clock take all threads, those by processor time one. Memory is what the process' peak
resident set has grown by since that first call, sizes ascending.
"""

from __future__ import annotations

import resource
import time
from collections.abc import Callable

import numpy as np
import torch
from numpy.typing import NDArray
from stockpyl.ss import s_s_discrete_exact

from udfs.inventory.theory.s_s.zheng_federgruen import SSPolicy, s_s_negative_binomial, s_s_poisson

SEED = 1991
N_COMPARED = 200
SIZES = (10_000, 100_000, 1_000_000)
BEST_OF = 3


def draw(n: int, seed: int = SEED) -> NDArray[np.float64]:
    """Instances [n, 4]: Poisson mean 1 to 60, K 1 to 100, h .2 to 2, p 2 to 40, each uniform."""
    rng = np.random.default_rng(seed)
    return np.stack([rng.uniform(low, high, n) for low, high in ((1, 60), (1, 100), (0.2, 2), (2, 40))], axis=1)


def timed(call: Callable[[], object], best_of: int = BEST_OF) -> tuple[float, float]:
    """Least seconds by the clock, and of processor time, of some calls."""
    clock, cpu = [], []
    for _ in range(best_of):
        start, cpu_start = time.perf_counter(), time.process_time()
        call()
        clock.append(time.perf_counter() - start)
        cpu.append(time.process_time() - cpu_start)
    return min(clock), min(cpu)


def solve_by_stockpyl(instances: NDArray[np.float64]) -> NDArray[np.float64]:
    """s, S and cost, [n, 3]."""
    return np.array([s_s_discrete_exact(h, p, fixed, True, mean) for mean, fixed, h, p in instances.tolist()])


def report(threads: int) -> None:
    """Print the comparison and the slope; fail where an optimum differs."""
    s_s_poisson(*draw(1000).T)
    s_s_poisson(*draw(1000).T, 1)
    before = _peak_mib()
    instances = draw(N_COMPARED)
    expected = np.empty((0, 3))

    def by_stockpyl() -> None:
        nonlocal expected
        expected = solve_by_stockpyl(instances)

    peer, peer_cpu = timed(by_stockpyl, best_of=1)
    _compare(s_s_poisson(*instances.T), expected)
    print(f"stockpyl   {N_COMPARED:>9,} instances  {peer:8.2f} s  {N_COMPARED / peer:12,.2f} SKUs/s")
    peer_rate, peer_cpu_rate = N_COMPARED / peer, N_COMPARED / peer_cpu
    for size in SIZES:
        columns = draw(size, SEED + 1).T
        _print_row("Poisson", size, lambda columns=columns: s_s_poisson(*columns), peer_rate, peer_cpu_rate, before)
    lead_time = np.random.default_rng(SEED).integers(1, 9, SIZES[-1])
    _print_row("L 1 to 8", SIZES[-1], lambda: s_s_poisson(*columns, lead_time), peer_rate, peer_cpu_rate, before)
    mean, fixed, holding, backorder = columns[:, : SIZES[1]]
    _print_row(
        "neg. bin.",
        SIZES[1],
        lambda: s_s_negative_binomial(mean, 3.0 * mean, fixed, holding, backorder),
        peer_rate,
        peer_cpu_rate,
        before,
    )
    print(f"threads {threads}; the last column is by processor time: one thread of ours to one of stockpyl's")


def _compare(found: SSPolicy, expected: NDArray[np.float64]) -> None:
    """Raise unless s and S are those of `expected`, or another pair of the same cost."""
    same = (found.reorder_point == expected[:, 0]) & (found.order_up_to == expected[:, 1])
    error = np.abs(found.cost / expected[:, 2] - 1.0)
    if not ((error < 1e-12) | (same & (error < 1e-9))).all():
        raise AssertionError(f"expected the optima of stockpyl, found others at {np.flatnonzero(~same)}")
    print(f"identical s and S: {same.sum()} of {len(same)}; greatest relative difference of cost: {error.max():.1e}")


def _peak_mib() -> float:
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


def _print_row(
    name: str, size: int, call: Callable[[], object], peer_rate: float, peer_cpu_rate: float, before: float
) -> None:
    clock, cpu = timed(call)
    print(
        f"{name:<10} {size:>9,} instances  {clock:8.3f} s  {size / clock:12,.0f} SKUs/s  "
        f"{size / clock / peer_rate:10,.0f}x  {_peak_mib() - before:.0f} MiB  {size / cpu / peer_cpu_rate:10,.0f}x"
    )


if __name__ == "__main__":
    report(torch.get_num_threads())
