"""Routes beside published ones: `python -m tests.benchmarks.bench_routes ROW`.

ROW: x, solomon, homberger1000, homberger200, uniform, effort or replan. All go from a `DeliveryProblem` to a
`RoutePlan` that the independent checker has passed. `--seconds` are those of the processor, so that others on the
machine count for little; `--names` takes some instances alone.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Callable, Iterator
from dataclasses import replace

import numpy as np

from tests.benchmarks.routing_instances import uniform, windowed, x_instances
from tests.udfs.fulfilment.routing.days import day, van
from udfs.fulfilment.routing.delivery_problem import DeliveryProblem
from udfs.fulfilment.routing.fewest_vehicles import fewest_vehicles
from udfs.fulfilment.routing.pyvrp_data import solver_data
from udfs.fulfilment.routing.pyvrp_routes import RouteEffort, solve_routes
from udfs.fulfilment.routing.replan import replan
from udfs.fulfilment.routing.route_check import faults_of
from udfs.fulfilment.routing.route_plan import RoutePlan
from udfs.fulfilment.routing.route_search import searched

Case = tuple[str, DeliveryProblem, float, int]  # name, problem, best known distance and vehicles
SECONDS = {"x": 60.0, "solomon": 10.0, "homberger1000": 60.0, "homberger200": 60.0}


def cases(row: str) -> Iterator[Case]:
    """The instances of a row of the issue's table, each with the best known."""
    if row == "x":
        yield from ((name, problem, best, 0) for name, problem, best in x_instances())
        return
    group, scale, column = {
        "solomon": ("solomon_100", 10, "bks_distance_1dec_trunc"),
        "homberger1000": ("homberger_1000", 10, "bks_distance"),
        "homberger200": ("homberger_200", 1000, "bks_distance"),
    }[row]
    for name, problem, best in windowed(group, scale, is_truncated=row != "homberger200"):
        yield name, problem, float(best[column]) * scale, int(best.get("vehicles", 0))


def against_the_best(row: str, seconds: float, names: list[str]) -> None:
    solve: Callable[[DeliveryProblem, RouteEffort], RoutePlan] = solve_routes
    solve = fewest_vehicles if row == "homberger200" else solve
    gaps = []
    for name, problem, best, vehicles in cases(row):
        if names and name not in names:
            continue
        if row == "homberger200":  # The file's number is the best known one: it must be found, not given.
            problem = replace(problem, vehicles=(replace(problem.vehicles[0], number=50),))
        effort, started = RouteEffort(10**9, 0, seconds, time.process_time), time.process_time()
        plan = solve(problem, effort)
        took, faults = time.process_time() - started, faults_of(problem, plan)
        gaps.append(plan.cost / best - 1)
        words = f"{name}: {plan.cost:,.0f}, {gaps[-1]:.3%} above the best known, {len(plan.routes)} vehicles"
        words += f" (best {vehicles})" if vehicles else ""
        words += f", {len(plan.unserved)} unserved, {plan.iterations:,} iterations, {took:.1f} CPU seconds"
        print(words, faults or "", flush=True)
    print(f"{row}: mean {np.mean(gaps):.3%}, worst {max(gaps):.3%} of {len(gaps)}")


def default_effort(problems: dict[str, list[DeliveryProblem]]) -> None:
    """The default effort beside ten times as much, and what the adapter takes of the solve."""
    for name, group in problems.items():
        gaps, took, alone = [], 0.0, 0.0
        for seed, problem in enumerate(group):
            effort, started = RouteEffort.for_stops(len(problem.stops), seed), time.process_time()
            plan = solve_routes(problem, effort)
            took += time.process_time() - started
            found, started = solver_data(problem, range(len(problem.stops)), [0]), time.process_time()
            searched(found, seed, _Count(effort.iterations))
            alone += time.process_time() - started
            longer = solve_routes(problem, replace(effort, iterations=10 * effort.iterations))
            best = min(longer.cost, plan.cost)
            gaps.append(plan.cost / best - 1)
        per = f"{took / len(group):.3f} CPU seconds each, of them {took / alone - 1:.1%} for the adapter"
        print(
            f"{name}: {np.mean(gaps):.3%} above ten times as long (worst {max(gaps):.3%} of {len(gaps)}), {per}",
            flush=True,
        )


class _Count:
    def __init__(self, iterations: int) -> None:
        self.left = iterations

    def __call__(self, best_cost: int) -> bool:
        self.left -= 1
        return self.left < 0


def one_of_forty_changes(days: int) -> None:
    """A store orders half, a tenth more, or closes an hour earlier; its plan before was searched ten times as long."""
    effort = RouteEffort.for_stops(40)
    for what in ("half", "tenth more", "hour earlier"):
        kept, over, took = [], [], []
        for seed in range(days):
            problem = day(40, 100 + seed, (van(number=15),))
            plan = solve_routes(problem, replace(effort, iterations=10 * effort.iterations))
            load_NK, window_N2 = problem.load_NK.copy(), problem.window_N2.copy()
            load_NK[seed] = load_NK[seed] * {"half": 50, "tenth more": 110}.get(what, 100) // 100
            window_N2[seed, 1] -= 3600 * (what == "hour earlier")
            changed, started = replace(problem, load_NK=load_NK, window_N2=window_N2), time.process_time()
            found = replan(problem, plan, changed, 0, effort)
            took.append(time.process_time() - started)
            assert not faults_of(changed, found.plan)
            kept.append(1 - len(found.moved) / 40)
            over.append(found.plan.cost / solve_routes(changed, effort).cost - 1)
        print(
            f"{what}: kept {np.mean(kept):.1%} (least {min(kept):.1%}), {np.mean(over):+.2%} beside from scratch (most "
            f"{max(over):+.2%}), {np.mean(took):.2f} CPU seconds (most {max(took):.2f}), {days} days",
            flush=True,
        )


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("row", choices=[*SECONDS, "uniform", "effort", "replan"])
    parser.add_argument("--seconds", type=float)
    parser.add_argument("--names", nargs="*", default=[])
    parser.add_argument("--count", type=int, default=10)
    asked = parser.parse_args()
    if asked.row in SECONDS:
        against_the_best(asked.row, asked.seconds or SECONDS[asked.row], asked.names)
    elif asked.row == "uniform":
        sizes = ((50, 40), (100, 50))
        default_effort({f"uniform {n}": [uniform(n, c, seed) for seed in range(asked.count)] for n, c in sizes})
    elif asked.row == "effort":
        default_effort(
            {f"windows {n}": [day(n, seed, (van(number=n),)) for seed in range(asked.count)] for n in (20, 50, 120)}
        )
    else:
        one_of_forty_changes(asked.count)


if __name__ == "__main__":
    main()
