"""The neural ordering policy: Zipkin's lost-sales instances, and weekly demand of Favorita.

Run it as `python -m tests.benchmarks.bench_neural_policy [zipkin] [favorita] [--networks own|shared ...]
[--seeds N] [--held-out]`.

zipkin: per instance of Zipkin (2008) the published optimum, the exact one, and by how much the best base stock and the
trained policy (mean and worst over seeds) cost more; every cost is exact. Two ways: a network for each instance, and
one for all sixteen.

favorita: one network for all series, trained on the weeks before the cutoff, judged on the weeks after it by cost per
unit sold and by each series' cost relative to that of its tuned base stock. `--held-out` judges weeks 70 to 89 after
training on those before 70, which is how the settings were chosen; otherwise weeks 90 to 117 are judged. Features see
the demand of past weeks, that of stock-outs included.
"""

from __future__ import annotations

import argparse
import time
from dataclasses import dataclass, replace

import numpy as np
import pandas as pd
import torch

from tests import real_data
from udfs.inventory.demand_distribution import FloatArray
from udfs.inventory.learning.neural import NeuralPolicy
from udfs.inventory.learning.neural_features import PolicyFeatures
from udfs.inventory.learning.neural_history import HistoryFeatures
from udfs.inventory.learning.neural_spec import NeuralPolicySpec
from udfs.inventory.learning.neural_training import Replay, train_neural_policy
from udfs.inventory.learning.order_tabulation import tabulate_policy
from udfs.inventory.simulation.levels import BaseStock
from udfs.inventory.simulation.simulator import simulate
from udfs.inventory.simulation.state import OrderingPolicy
from udfs.inventory.simulation.terms import SimulationTerms
from udfs.inventory.theory.lost_sales.demand_pmf import geometric_pmf, poisson_pmf
from udfs.inventory.theory.lost_sales.lost_sales_base_stock import best_base_stock
from udfs.inventory.theory.lost_sales.problem import LostSalesProblem
from udfs.inventory.theory.lost_sales.value_iteration import optimal_policy, policy_cost

MEAN = 5.0
PMFS = {"poisson": poisson_pmf(MEAN), "geometric": geometric_pmf(MEAN)}
WARM_UP = 10

OWN = NeuralPolicySpec(own_weights=True, whole_units=True, steps=400)
SHARED = NeuralPolicySpec(whole_units=True, steps=1000, learning_rate=0.02)
WEEKLY = NeuralPolicySpec(width=24, steps=300, learning_rate=5e-3, batch_series=256)


@dataclass(frozen=True)
class Instances:
    """Instances of Zipkin (2008), those of one demand and lead time side by side. published: long-run costs."""

    table: pd.DataFrame
    problems: tuple[LostSalesProblem, ...]
    level_S: FloatArray
    base_S: FloatArray
    optimum_S: FloatArray

    @classmethod
    def read(cls) -> Instances:
        table = pd.read_csv(real_data.find("inventory_theory") / "zipkin_2008_lost_sales.csv")
        table = table.pivot(index=["demand", "lead_time", "p"], columns="policy", values="avg_cost").reset_index()
        problems = tuple(
            LostSalesProblem(np.repeat(PMFS[str(demand)], len(part), 0), 1.0, part["p"].to_numpy(float), int(lead))
            for (demand, lead), part in table.groupby(["demand", "lead_time"])
        )
        base = [best_base_stock(problem) for problem in problems]
        level_S, base_S = (np.concatenate([getattr(found, name) for found in base]) for name in ("level_S", "cost_S"))
        optimum_S = np.concatenate([optimal_policy(problem).cost_S for problem in problems])
        return cls(table, problems, level_S.astype(float), base_S, optimum_S)

    @property
    def terms(self) -> SimulationTerms:
        return SimulationTerms(
            lead_time=self.table["lead_time"].to_numpy(float),
            holding_cost=1.0,
            shortage_cost=self.table["p"].to_numpy(float),
        )

    @property
    def features(self) -> PolicyFeatures:
        pmf_SN = [PMFS[demand][0] for demand in self.table["demand"]]
        second_S = np.array([pmf_N @ np.arange(len(pmf_N)) ** 2 for pmf_N in pmf_SN])
        deviation_S = np.sqrt(second_S - MEAN**2)
        return PolicyFeatures(np.full(len(pmf_SN), MEAN), self.level_S, deviation_S[:, None] / MEAN)

    def sample(self, n_paths: int, n_periods: int, random: np.random.Generator) -> torch.Tensor:
        """The same draws for all instances of a distribution."""
        drawn = {
            name: random.choice(pmf_SN.shape[1], (n_paths, n_periods), p=pmf_SN[0]) for name, pmf_SN in PMFS.items()
        }
        return torch.as_tensor(np.stack([drawn[name] for name in self.table["demand"]]), dtype=torch.float32)

    def train(self, spec: NeuralPolicySpec) -> NeuralPolicy:
        """Train on sampled demand, which the seed decides."""
        random, features = np.random.default_rng(spec.seed), self.features
        held_out = Replay(self.sample(1024, 100, random), features, warm_up=WARM_UP)
        demand_SPT = self.sample(1024, 40, random)
        return train_neural_policy(demand_SPT, self.terms, features, spec, warm_up=WARM_UP, validation=held_out)

    def cost(self, policy: OrderingPolicy) -> FloatArray:
        """The exact long-run cost of a policy on each instance."""
        costs, row = [], 0
        for problem in self.problems:
            costs.append(policy_cost(problem, tabulate_policy(policy, problem, row).order_SX))
            row += problem.n_series
        return np.concatenate(costs)


def zipkin(seeds: int, networks: list[str]) -> None:
    instances = Instances.read()
    table = instances.table[["demand", "lead_time", "p"]].copy()
    table["published"], table["optimum"] = instances.table["optimal"], instances.optimum_S.round(3)
    above = {"base stock": 100.0 * (instances.base_S / instances.optimum_S - 1.0)}
    for name in networks:
        spec = {"own": OWN, "shared": SHARED}[name]
        began = time.process_time()
        policies = [instances.train(replace(spec, seed=seed)) for seed in range(seeds)]
        seconds = (time.process_time() - began) / seeds
        cost_RS = np.stack([instances.cost(policy) for policy in policies])
        above_RS = 100.0 * (cost_RS / instances.optimum_S - 1.0)
        table[f"{name} cost"] = cost_RS.mean(0).round(3)
        above[f"{name} mean"], above[f"{name} worst"] = above_RS.mean(0), above_RS.max(0)
        print(
            f"{name}: {seconds:.0f} s of CPU per training of all {len(table)}, worst by seed {above_RS.max(1).round(3)}"
        )
    print("\n% above the optimum:")
    print(table.assign(**{name: values.round(3) for name, values in above.items()}).to_string(index=False))


@dataclass(frozen=True)
class WeeklySales:
    """demand_ST: units a week. item_S, store_S: numbers of item and store. week_start: of the T weeks."""

    demand_ST: FloatArray
    item_S: np.ndarray
    store_S: np.ndarray
    week_start: pd.DatetimeIndex

    @classmethod
    def read(cls) -> WeeklySales:
        sales = pd.read_parquet(real_data.find("favorita_weekly") / "sales.parquet")
        wide = sales.pivot(index=["item_id", "store_id"], columns="week_start", values="units")
        item_S, store_S = (wide.index.codes[k].astype(np.int64) for k in (0, 1))
        return cls(np.maximum(wide.to_numpy(float), 0.0), item_S, store_S, pd.DatetimeIndex(wide.columns))


def calendar(week_start: pd.DatetimeIndex, cover: int) -> FloatArray:
    """Of each week that an order covers, the share in the first week of a month (pay day) and in 11 to 31 December."""
    columns = []
    for ahead in range(cover):
        days = [week_start + pd.Timedelta(days=7 * ahead + day) for day in range(7)]
        columns.append(np.mean([day.day <= 7 for day in days], axis=0))
        columns.append(np.mean([(day.month == 12) & (day.day >= 11) for day in days], axis=0))
    return np.stack(columns, -1)


def weekly_policy(
    sales: WeeklySales, terms: SimulationTerms, cutoff: int, spec: NeuralPolicySpec = WEEKLY
) -> tuple[NeuralPolicy, PolicyFeatures]:
    """A policy trained on the weeks before the cutoff, ordering in all weeks, and its features of all weeks."""
    past_ST = sales.demand_ST[:, :cutoff]
    history = HistoryFeatures(season=52).tuned(past_ST, terms)
    groups, known_TK = (sales.item_S, sales.store_S), calendar(sales.week_start, 1 + int(terms.lead_time))
    known = history.of(past_ST, terms, groups=groups, known_TK=known_TK[:cutoff])
    policy = train_neural_policy(
        torch.as_tensor(past_ST, dtype=torch.float32)[:, None], terms, known, spec, warm_up=history.first
    )
    # Features of a week follow from the weeks before it, so those of later weeks leave these as they are.
    features = history.of(sales.demand_ST, terms, groups=groups, known_TK=known_TK)
    return policy.for_series(terms, features), features


def tuned_base_stock(demand_ST: FloatArray, terms: SimulationTerms, warm_up: int) -> FloatArray:
    """The level of each series, among 60 multiples of its mean demand, that costs least, [S]."""
    demand_SPT, mean_S = torch.as_tensor(demand_ST)[:, None], demand_ST.mean(1)
    levels_GS = [share * mean_S for share in np.linspace(0.25, 10.0, 60)]
    costs_GS = [
        simulate(BaseStock(level_S), demand_SPT, terms, warm_up=warm_up).cost_per_period for level_S in levels_GS
    ]
    best_S = torch.stack(costs_GS).argmin(0).numpy()
    return np.stack(levels_GS)[best_S, np.arange(len(mean_S))]


def favorita(held_out: bool, seeds: int) -> None:
    sales = WeeklySales.read()
    cutoff, end = (70, 90) if held_out else (90, sales.demand_ST.shape[1])
    seen = WeeklySales(sales.demand_ST[:, :end], sales.item_S, sales.store_S, sales.week_start[:end])
    demand_SPT = torch.as_tensor(seen.demand_ST)[:, None]
    print(f"{len(seen.demand_ST)} series, trained on weeks before {cutoff}, judged on {cutoff} to {end - 1}")
    for lead, shortage in ((1, 4.0), (1, 9.0), (2, 4.0), (2, 9.0)):
        terms = SimulationTerms(lead_time=lead, holding_cost=1.0, shortage_cost=shortage)
        level_S = tuned_base_stock(seen.demand_ST[:, :cutoff], terms, HistoryFeatures().first)
        policies: dict[str, OrderingPolicy] = {"tuned base stock": BaseStock(level_S)}
        for seed in range(seeds):
            spec = replace(WEEKLY, seed=seed)
            began = time.process_time()
            policies[f"neural, seed {seed}"], features = weekly_policy(seen, terms, cutoff, spec)
            seconds = time.process_time() - began
            policies["moving base stock"] = BaseStock(features.level[:, 0].double())
        base_S = None
        for name, policy in policies.items():
            found = simulate(policy, demand_SPT, terms, warm_up=cutoff)
            cost_S, per_unit = found.cost[:, 0].numpy(), float(found.cost.sum() / found.sales_SP.sum())
            base_S = cost_S if base_S is None else base_S
            relative_S = cost_S / np.maximum(base_S, 1e-9)
            print(
                f"L={lead} p={shortage:g} {name:18} cost per unit sold {per_unit:.4f}, fill "
                f"{float(found.sales_SP.sum() / found.demand_SP.sum()):.3f}, cost relative to tuned base stock: mean "
                f"{relative_S.mean():.3f}, no worse in {100.0 * (relative_S <= 1.0).mean():.1f}%"
            )
        print(f"  {seconds:.0f} s of CPU to train a network")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("what", nargs="*", choices=("zipkin", "favorita", []), default=[])
    parser.add_argument("--seeds", type=int, default=0, help="default 3 for zipkin, 1 for favorita")
    parser.add_argument("--networks", nargs="+", choices=("own", "shared"), default=["own", "shared"])
    parser.add_argument("--held-out", action="store_true")
    given = parser.parse_args()
    if "zipkin" in given.what or not given.what:
        zipkin(given.seeds or 3, given.networks)
    if "favorita" in given.what or not given.what:
        favorita(given.held_out, given.seeds or 1)


if __name__ == "__main__":
    main()
