"""Lost sales with a lead time: Zipkin's instances solved exactly, by levels and by learning.

Run it as `python -m tests.benchmarks.bench_lost_sales [--seeds 5] [--steps N] [--paths 50] [--exact]`. For each of the
16 instances of Zipkin (2008), "Old and new methods for lost-sales inventory systems" (h = 1, mean demand 5), it prints
the published and the found cost per period of the exact methods, then per cent above the optimum of the learned
policies, mean and greatest over seeds. Every cost is that of the Markov chain of the policy's orders, not a sample's.

`--order-cost` prints nothing but, for mean demand 5, lead times 1 to 3, p = 9, 19, 39 and K = 5, 20, 50 per order, by
how many per cent the best (s, S) and the best (s, S, q) cost more than the optimum.

Q-learning and Sarsa learn for `--steps` periods (by default those of their specs), at rates chosen on these instances
with other seeds. The adaptive policy learns from 2,000 periods of sales, beginning at twice the mean demand of L + 1
periods (cap: twice that of one period), with a step chosen on demand of mean 8. It is judged by the exact cost of the
levels learned by then, rounded, and by what it paid on the way.
"""

from __future__ import annotations

import argparse
import csv
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace

import numpy as np

from tests.real_data import ROOT
from udfs.inventory.demand_distribution import FloatArray
from udfs.inventory.learning.adaptive import AdaptivePolicy
from udfs.inventory.learning.adaptive_spec import AdaptiveSpec
from udfs.inventory.learning.q_learning import q_learning
from udfs.inventory.learning.sarsa import SARSA_SPEC, sarsa
from udfs.inventory.learning.tabular import TabularSpec
from udfs.inventory.theory.lost_sales.capped_base_stock import best_capped_base_stock
from udfs.inventory.theory.lost_sales.constant_order import best_constant_order
from udfs.inventory.theory.lost_sales.demand_pmf import geometric_pmf, poisson_pmf
from udfs.inventory.theory.lost_sales.level_search import capped_orders
from udfs.inventory.theory.lost_sales.lost_sales_base_stock import backorder_base_stock, best_base_stock
from udfs.inventory.theory.lost_sales.modified_s_s import best_modified_s_s, best_s_s
from udfs.inventory.theory.lost_sales.myopic import myopic_policy
from udfs.inventory.theory.lost_sales.problem import LostSalesProblem
from udfs.inventory.theory.lost_sales.value_iteration import optimal_policy, policy_cost

MEAN = 5.0
SHORTAGE_COSTS = (4.0, 9.0, 19.0, 39.0)
PMF = {"poisson": poisson_pmf, "geometric": geometric_pmf}
FIRST_SEED = 1_000
ADAPTIVE_PERIODS = 2_000
ADAPTIVE_BLOCKS = 8

LearnedCost = Callable[[LostSalesProblem, int], FloatArray]
"""From instances and a seed to the exact long-run cost of each, [S]."""


@dataclass(frozen=True)
class Group:
    """The instances of one demand and lead time, one per shortage cost."""

    demand: str
    problem: LostSalesProblem
    optimum_S: FloatArray

    def names(self) -> list[str]:
        return [f"{self.demand:9s} p={p:<2.0f} L={self.problem.lead_time}" for p in SHORTAGE_COSTS]


def published() -> dict[tuple[str, float, int, str], float]:
    """(demand, p, lead time, policy) -> cost per period."""
    with (ROOT / "inventory_theory" / "zipkin_2008_lost_sales.csv").open() as file:
        return {
            (row["demand"], float(row["p"]), int(row["lead_time"]), row["policy"]): float(row["avg_cost"])
            for row in csv.DictReader(file)
        }


def groups() -> Iterator[Group]:
    for lead_time in (1, 2):
        for demand, pmf in PMF.items():
            pmf_SN = np.repeat(pmf(MEAN), len(SHORTAGE_COSTS), axis=0)
            problem = LostSalesProblem(pmf_SN, 1.0, np.array(SHORTAGE_COSTS), lead_time)
            yield Group(demand, problem, optimal_policy(problem).cost_S)


def exact_costs(problem: LostSalesProblem) -> dict[str, FloatArray]:
    """The cost of each exact method, by the name of its published column where it has one."""
    return {
        "optimal": optimal_policy(problem).cost_S,
        "best_base_stock": best_base_stock(problem).cost_S,
        "std_base_stock": backorder_base_stock(problem).cost_S,
        "myopic": policy_cost(problem, myopic_policy(problem).order_SX),
        "best_constant": best_constant_order(problem).cost_S,
        "capped": best_capped_base_stock(problem).cost_S,
    }


def print_exact(all_groups: list[Group]) -> None:
    expected = published()
    names = ("optimal", "best_base_stock", "std_base_stock", "myopic", "best_constant")
    print("found / published cost per period; capped base stock: per cent above the optimum")
    print(f"{'':17s}" + "".join(f"{name:>17s}" for name in (*names, "capped")))
    for group in all_groups:
        costs = exact_costs(group.problem)
        for row, name in enumerate(group.names()):
            key = (group.demand, SHORTAGE_COSTS[row], group.problem.lead_time)
            cells = [f"{costs[n][row]:8.3f} /{expected[(*key, n)]:6.2f}" for n in names]
            above = 100.0 * (costs["capped"][row] / group.optimum_S[row] - 1.0)
            print(f"{name:17s}" + "".join(f"{cell:>17s}" for cell in cells) + f"{above:16.2f}%")


def adaptive(problem: LostSalesProblem, seed: int, n_paths: int = 1, with_cap: bool = True) -> tuple[np.ndarray, ...]:
    """Exact costs of the learned levels, [S, P], and what was paid on the way, [S, P, B]."""
    n_series, lead_time = problem.n_series, problem.lead_time
    rng = np.random.default_rng(seed)
    numbers = np.arange(problem.pmf_SN.shape[1])
    draw = [rng.choice(numbers, (n_paths, ADAPTIVE_PERIODS), p=pmf_N) for pmf_N in problem.pmf_SN]
    cap = 2.0 * problem.mean_S if with_cap else np.full(n_series, np.inf)
    level_S = 2.0 * (lead_time + 1.0) * problem.mean_S
    spec = AdaptiveSpec(level_S, cap, problem.holding_cost_S, problem.shortage_cost_S, lead_time)
    policy = AdaptivePolicy(spec, n_paths)
    paid_SPB = policy.run(np.stack(draw).astype(np.float64), ADAPTIVE_BLOCKS)
    most_S = 2 * problem.position_cap_S
    wide = [
        np.repeat(values, n_paths, axis=0)
        for values in (problem.pmf_SN, problem.holding_cost_S, problem.shortage_cost_S, most_S)
    ]
    each = LostSalesProblem(*wide[:3], lead_time, wide[3])
    levels = [np.minimum(np.rint(x).ravel(), wide[3]).astype(np.int64) for x in (policy.level, policy.cap)]
    cost = policy_cost(each, capped_orders(each, *levels), 1e-4)
    return cost.reshape(n_series, n_paths), paid_SPB


def print_learned(all_groups: list[Group], learned: dict[str, LearnedCost], n_seeds: int) -> None:
    """Per cent above the optimum, mean and greatest over seeds, of any learner that gives exact costs."""
    print(f"\nper cent above the optimum over {n_seeds} seeds: mean (greatest)")
    print(f"{'':17s}" + "".join(f"{name:>18s}" for name in learned))
    greatest = dict.fromkeys(learned, 0.0)
    for group in all_groups:
        above = {}
        for name, cost in learned.items():
            cost_RS = np.stack([cost(group.problem, FIRST_SEED + seed) for seed in range(n_seeds)])
            above[name] = 100.0 * (cost_RS / group.optimum_S - 1.0)
            greatest[name] = max(greatest[name], float(above[name].max()))
        for row, instance in enumerate(group.names()):
            cells = [f"{x[:, row].mean():.2f} ({x[:, row].max():.2f})" for x in above.values()]
            print(f"{instance:17s}" + "".join(f"{cell:>18s}" for cell in cells))
    print("greatest: " + ", ".join(f"{name} {value:.2f}%" for name, value in greatest.items()))


def print_adaptive(all_groups: list[Group], n_paths: int) -> None:
    block = ADAPTIVE_PERIODS // ADAPTIVE_BLOCKS
    print(f"\nadaptive policy on {n_paths} paths: levels learned in {ADAPTIVE_PERIODS} periods, % over the optimum,")
    print("mean (standard deviation, greatest, share of paths within 5%), and above the best base stock, mean; level")
    print(f"alone, and level with cap; then what it paid in each {block} periods, per cent above the optimum, with the")
    print("standard error of the last")
    for group in all_groups:
        base_S = best_base_stock(group.problem).cost_S
        alone_SP, _ = adaptive(group.problem, FIRST_SEED, n_paths, with_cap=False)
        cost_SP, paid_SPB = adaptive(group.problem, FIRST_SEED, n_paths)
        for row, instance in enumerate(group.names()):
            optimum = group.optimum_S[row]
            alone, capped = (100.0 * (x[row] / optimum - 1.0) for x in (alone_SP, cost_SP))
            over_base = [100.0 * (x[row].mean() / base_S[row] - 1.0) for x in (alone_SP, cost_SP)]
            paid_PB = 100.0 * (paid_SPB[row] / optimum - 1.0)
            error = paid_PB[:, -1].std() / np.sqrt(n_paths)
            cells = [
                f"{x.mean():5.2f} ({x.std():4.2f}, {x.max():5.2f}, {np.mean(x <= 5.0):4.0%}) base {y:5.2f}"
                for x, y in zip((alone, capped), over_base, strict=True)
            ]
            paid = "".join(f"{x:6.1f}" for x in paid_PB.mean(0))
            print(f"{instance:17s} level {cells[0]} | with cap {cells[1]} | paid{paid} +-{error:.1f}")


def print_order_cost() -> None:
    shortage_S, fixed_S = (x.ravel() for x in np.meshgrid([9.0, 19.0, 39.0], [5.0, 20.0, 50.0], indexing="ij"))
    every = []
    print("per cent above the optimum with a cost per order: (s, S), (s, S, q); mean (greatest) of nine instances")
    for lead_time in (1, 2, 3):
        for demand, pmf in PMF.items():
            pmf_SN = np.repeat(pmf(MEAN), len(fixed_S), axis=0)
            problem = LostSalesProblem(pmf_SN, 1.0, shortage_S, lead_time, order_cost_S=fixed_S)
            optimum_S = optimal_policy(problem, 1e-4).cost_S
            found = np.stack([best(problem).cost_S for best in (best_s_s, best_modified_s_s)])
            every.append(100.0 * (found / optimum_S - 1.0))
            cells = "  ".join(f"{x.mean():.2f} ({x.max():.2f})" for x in every[-1])
            print(f"{demand:9s} L={lead_time}  {cells}")
    print("all        " + "  ".join(f"{x.mean():.2f} ({x.max():.2f})" for x in np.concatenate(every, axis=1)))


def tabular_learners(steps: int | None) -> dict[str, LearnedCost]:
    """Q-learning and Sarsa, each seed's policy at its exact cost."""
    q_spec, sarsa_spec = TabularSpec(), SARSA_SPEC
    if steps is not None:
        q_spec, sarsa_spec = replace(q_spec, steps=steps), replace(sarsa_spec, steps=steps)

    def q_cost(problem: LostSalesProblem, seed: int) -> FloatArray:
        return policy_cost(problem, q_learning(problem, replace(q_spec, seed=seed)).policy.order_SX)

    def sarsa_cost(problem: LostSalesProblem, seed: int) -> FloatArray:
        return policy_cost(problem, sarsa(problem, replace(sarsa_spec, seed=seed)).policy.order_SX)

    return {"Q-learning": q_cost, "Sarsa": sarsa_cost}


def main(others: dict[str, LearnedCost] | None = None) -> None:
    """Print the tables; `others` are learned policies beside those named here."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seeds", type=int, default=5)
    parser.add_argument("--steps", type=int, default=None)
    parser.add_argument("--paths", type=int, default=50)
    parser.add_argument("--exact", action="store_true", help="no learning")
    parser.add_argument("--order-cost", action="store_true", help="reorder points alone")
    arguments = parser.parse_args()
    if arguments.order_cost:
        print_order_cost()
        return
    all_groups = list(groups())
    print_exact(all_groups)
    if arguments.exact:
        return
    print_adaptive(all_groups, arguments.paths)
    started = time.process_time()
    print_learned(all_groups, {**tabular_learners(arguments.steps), **(others or {})}, arguments.seeds)
    print(f"{time.process_time() - started:.0f} s of CPU")


if __name__ == "__main__":
    main()
