"""The order list on the M5 stores: profit on the demand that then came, distance from the optimum, speed.

Run it as `python -m tests.benchmarks.bench_order_list [SERIES]` (default 100,000). Paths are the 200 overlapping sums
of 8 days before the cutoff, 8 days before the last day; the demand judged is that of those last days. Prices are real;
what the files do not hold is assumed: a cost of 70% of the price, packs of 1 to 12, minimum orders, half the mean
demand of the interval in stock, a unit left over worth half its cost. Prints one JSON line per finding:

- value: profit of each rule on the held-out demand, under the same budget; the rules beside the list are "cut alike"
  (every newsvendor's order by the same share) and "least cover first" (whole newsvendor's orders by cover, ascending);
- optimum: the list and one integer programme over all steps of a few series (at most 20 seconds), and the CPU time of
  both; below 0 the list is better than what the programme found in its time;
- speed: CPU seconds for SERIES series drawn with replacement, with their gap to the proven bound.
"""

from __future__ import annotations

import json
import sys
import time

import numpy as np

from tests.benchmarks import m5_data
from tests.udfs.inventory.orders.milp_oracle import Instance, optimum
from udfs.inventory.orders.budget_cut import cut_rate
from udfs.inventory.orders.order_list import order_list
from udfs.inventory.orders.order_terms import OrderTerms

DAYS = 8
N_PATHS = 200
BUDGETS = (0.1, 0.25, 0.5, 0.75)
"""Shares of what the unlimited list costs."""


class Case:
    """Paths, held-out demand and terms of the series of some rows."""

    def __init__(self, demand_SP: np.ndarray, actual_S: np.ndarray, price_S: np.ndarray, seed: int) -> None:
        rng, S = np.random.default_rng(seed), len(actual_S)
        self.demand_SP, self.actual_S, self.price_S = demand_SP, actual_S, price_S
        self.position_S = np.floor(0.5 * demand_SP.mean(1))
        self.size_S = rng.uniform(0.1, 3.0, S)
        self.terms = OrderTerms(
            unit_price=price_S,
            unit_cost=0.7 * price_S,
            carry_value=0.35 * price_S,
            pack=rng.choice([1.0, 2.0, 6.0, 12.0], S),
            moq=rng.choice([0.0, 0.0, 6.0, 24.0], S),
        )

    def take(self, row_K: np.ndarray) -> Case:
        return Case(self.demand_SP[row_K], self.actual_S[row_K], self.price_S[row_K], seed=1)

    def profit(self, order_S: np.ndarray) -> float:
        """Profit on the held-out demand over ordering nothing."""
        need_S = np.maximum(self.actual_S - self.position_S, 0.0)
        sold_S = np.minimum(order_S, need_S)
        return float((sold_S * self.terms.underage() - (order_S - sold_S) * self.terms.overage()).sum())


def main(n_series: int) -> None:
    case = load()
    report_value(case)
    report_optimum(case)
    report_speed(case.take(np.random.default_rng(0).integers(0, len(case.actual_S), n_series)))


def load() -> Case:
    batch = m5_data.load()
    sales_ST = np.nan_to_num(batch.y_ST.numpy().astype(np.float64))
    price_SX = batch.known.values_SXK[:, : batch.n_days, batch.known.names.index("unit_price")].numpy()
    past_ST, price_S = sales_ST[:, :-DAYS], np.nanmean(price_SX[:, -DAYS - 28 : -DAYS], axis=1)
    sums_ST = np.cumsum(np.pad(past_ST, ((0, 0), (1, 0))), axis=1)
    window_SP = (sums_ST[:, DAYS:] - sums_ST[:, :-DAYS])[:, -N_PATHS:]
    is_sold_S = np.isfinite(price_S) & (price_S > 0.0)
    actual_S = sales_ST[:, -DAYS:].sum(1)
    return Case(window_SP[is_sold_S], actual_S[is_sold_S], price_S[is_sold_S].astype(np.float64), seed=1)


def report_value(case: Case) -> None:
    free = order_list(case.demand_SP, case.position_S, case.terms, interval_days_S=DAYS)
    pack_S, least_S, cost_S = np.asarray(case.terms.pack), case.terms.least_order(), np.asarray(case.terms.unit_cost)
    cover_S = case.position_S / np.maximum(case.demand_SP.mean(1), 1e-9)
    for share in BUDGETS:
        budget = share * free.cut.cost
        ranked = order_list(case.demand_SP, case.position_S, case.terms, interval_days_S=DAYS, budget=budget)
        alike_S = np.floor(free.quantity_S * share / pack_S) * pack_S
        alike_S[alike_S < least_S] = 0.0
        turn_S = np.argsort(cover_S, kind="stable")
        cover_first_S = np.zeros_like(alike_S)
        spent_S = np.cumsum((free.quantity_S * cost_S)[turn_S])
        cover_first_S[turn_S] = np.where(spent_S <= budget, free.quantity_S[turn_S], 0.0)
        say(
            "value",
            budget_share=share,
            budget=round(budget),
            expected=round(ranked.cut.value),
            gap=ranked.cut.gap,
            held_out={
                "order_list": round(case.profit(ranked.quantity_S)),
                "cut_alike": round(case.profit(alike_S)),
                "least_cover_first": round(case.profit(cover_first_S)),
                "no_limit": round(case.profit(free.quantity_S)),
            },
        )


def report_optimum(case: Case) -> None:
    for n_series in (20, 100, 400):
        part = case.take(np.random.default_rng(n_series).integers(0, len(case.actual_S), n_series))
        free = order_list(part.demand_SP, part.position_S, part.terms, interval_days_S=DAYS, unit_size_S=part.size_S)
        instance = Instance(free.steps, free.steps.quantity_N * part.size_S[free.steps.row_N])
        budget, capacity = 0.4 * free.cut.cost, 0.3 * free.cut.size
        for limits in ((budget, np.inf), (np.inf, capacity), (budget, capacity)):
            start = time.process_time()
            cut = cut_rate(*instance.runs, count_N=free.steps.count_N, budget=limits[0], capacity=limits[1])
            ours = time.process_time() - start
            start = time.process_time()
            best = optimum(instance, *limits, time_limit=20.0)
            theirs = time.process_time() - start
            say(
                "optimum",
                series=n_series,
                limits=[name for name, limit in zip(("budget", "capacity"), limits, strict=True) if limit < np.inf],
                value=cut.value,
                integer_programme=best,
                short_by=(best - cut.value) / best,
                bound_gap=cut.gap,
                cpu_seconds=[round(ours, 3), round(theirs, 3)],
            )


def report_speed(case: Case) -> None:
    for name, share, room in (("budget", 0.4, np.inf), ("budget and capacity", 0.4, 0.3)):
        options = {"interval_days_S": DAYS, "unit_size_S": case.size_S}
        free = order_list(case.demand_SP, case.position_S, case.terms, **options)  # type: ignore[arg-type]
        limits = {"budget": share * free.cut.cost, "capacity": room * free.cut.size}
        wall, cpu = time.perf_counter(), time.process_time()
        done = order_list(case.demand_SP, case.position_S, case.terms, **options, **limits)  # type: ignore[arg-type]
        say(
            "speed",
            series=len(done.quantity_S),
            limits=name,
            runs=len(done.steps.row_N),
            cpu_seconds=round(time.process_time() - cpu, 2),
            seconds=round(time.perf_counter() - wall, 2),
            gap=done.cut.gap,
            exceptions=len(done.cut.exception_E),
        )


def say(what: str, **numbers: object) -> None:
    print(json.dumps({"what": what, **numbers}), flush=True)


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else 100_000)
