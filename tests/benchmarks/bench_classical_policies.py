"""Series solved a second, beside stockpyl on the same random instances in the same run; the optima are compared too.

Run as `python -m tests.benchmarks.bench_classical_policies`. Both sides are counted in CPU seconds.
"""

from __future__ import annotations

import time
from collections.abc import Callable

import numpy as np
from stockpyl.rq import r_q_cost, r_q_optimal_r_for_q, r_q_poisson_exact
from stockpyl.wagner_whitin import wagner_whitin as stockpyl_wagner_whitin

from udfs.inventory.theory.lot_sizing.lot_plan import DynamicDemand
from udfs.inventory.theory.lot_sizing.wagner_whitin import wagner_whitin
from udfs.inventory.theory.stock_levels.r_q_normal import NormalTerms, r_q_normal
from udfs.inventory.theory.stock_levels.r_q_poisson import PoissonTerms, r_q_poisson

N_OURS, N_THEIRS, PERIODS = 100_000, 30, 26


def _cpu_seconds(call: Callable[[], object]) -> tuple[float, object]:
    start = time.process_time()
    answer = call()
    return time.process_time() - start, answer


def _report(name: str, ours_seconds: float, theirs_seconds: float, difference: float) -> None:
    ours, theirs = N_OURS / ours_seconds, N_THEIRS / theirs_seconds
    print(f"{name:24}{ours:>14,.0f}{theirs:>14,.1f}{ours / theirs:>12,.0f}{difference:>16.1e}")


def main() -> None:
    """Print one line per model: series a second here and there, the ratio, the greatest relative difference of cost."""
    rng = np.random.default_rng(1)
    demand, fixed = rng.uniform(0.5, 20.0, N_OURS), rng.uniform(1.0, 100.0, N_OURS)
    h, p, lead = rng.uniform(0.5, 3.0, N_OURS), rng.uniform(5.0, 50.0, N_OURS), rng.uniform(0.1, 3.0, N_OURS)
    sd = demand * rng.uniform(0.1, 1.0, N_OURS)
    demand_ST = rng.poisson(30.0, (N_OURS, PERIODS)).astype(float)
    print(f"{'':24}{'here, 1/s':>14}{'stockpyl, 1/s':>14}{'ratio':>12}{'cost differs':>16}")

    r_q_poisson(PoissonTerms(1.0, 1.0, 1.0, 1.0, 1.0))  # compile
    seconds, best = _cpu_seconds(lambda: r_q_poisson(PoissonTerms(demand, fixed, h, p, lead)))
    theirs, costs = _cpu_seconds(
        lambda: [r_q_poisson_exact(h[s], p[s], fixed[s], demand[s], lead[s])[2] for s in range(N_THEIRS)]
    )
    _report("(r, Q), Poisson", seconds, theirs, _difference(best.cost_S, costs))  # type: ignore[attr-defined]

    r_q_normal(NormalTerms(1.0, 1.0, 1.0, 1.0, 1.0, 1.0))
    seconds, plan = _cpu_seconds(lambda: r_q_normal(NormalTerms(demand, sd, fixed, h, p, lead)))
    quantity = plan.quantity_S  # type: ignore[attr-defined]
    theirs, costs = _cpu_seconds(
        lambda: [_cost_of_q(quantity, h, p, fixed, demand, sd, lead, s) for s in range(N_THEIRS)]
    )
    _report("(r, Q), normal *", seconds, theirs, _difference(plan.cost_S, costs))  # type: ignore[attr-defined]

    wagner_whitin(DynamicDemand([1.0], 1.0, 1.0))
    seconds, lots = _cpu_seconds(lambda: wagner_whitin(DynamicDemand(demand_ST, 20.0 * fixed, h)))
    theirs, costs = _cpu_seconds(
        lambda: [
            stockpyl_wagner_whitin(PERIODS, h[s], 20.0 * fixed[s], demand_ST[s].tolist())[1] for s in range(N_THEIRS)
        ]
    )
    _report(f"Wagner-Whitin, T = {PERIODS}", seconds, theirs, _difference(lots.cost_S, costs))  # type: ignore[attr-defined]
    print("* stockpyl has no optimum there: it is given the best Q, and finds r and the cost.")


def _cost_of_q(quantity: np.ndarray, *columns: np.ndarray | int) -> float:
    *parameters, s = columns
    h, p, fixed, demand, sd, lead = (float(column[s]) for column in parameters)  # type: ignore[index]
    r = r_q_optimal_r_for_q(quantity[s], h, p, demand, sd, lead, tol=1e-7)
    return float(r_q_cost(r, quantity[s], h, p, fixed, demand, sd, lead))


def _difference(ours_S: np.ndarray, theirs: object) -> float:
    expected = np.asarray(theirs)
    return float(np.abs(ours_S[:N_THEIRS] / expected - 1.0).max())


if __name__ == "__main__":
    main()
