"""Lost sales on real weekly demand: 288 items in 21 stores, base stock, a neural policy, and the champion of the two.

Run it as `python -m tests.benchmarks.bench_favorita [--steps N] [--items N]`. Weeks before 90 are for learning, weeks
90 to 117 judge. Holding costs 1 per unit and week, a lost unit 9 or 4; orders come after one or two weeks. Every replay
begins with the base-stock level less the mean demand of the lead time on the shelf and that mean demand on order, and
four weeks before the first that counts. Returns (weeks below zero) are no demand. What was asked for in the weeks
before an order is known in full, lost units included, to every policy alike.

- fixed base stock: one level per series, tuned on the year before the judged weeks.
- tuned base stock: the level is a factor times smoothed demand, the factor tuned per series.
- neural: one network for all series (`train_neural_policy`) that starts from the tuned base stock.
- champion: the tuned base stock, but the network on the series where it saved most money on weeks 54 to 89, having
  learned on weeks before 54. How many these are is the most of which a choice made on weeks 54 to 71 would have left
  97% of all series no worse off on weeks 72 to 89. The network that then orders has learned up to week 89. Money and
  not per cent says which: a series is harmed by chance about as often if it is large, and saves more.

Intervals are 95% bootstraps over items, as the stores of an item sell alike.
"""

from __future__ import annotations

import argparse
import time
from dataclasses import dataclass

import numpy as np
import pandas as pd
import torch

from tests.real_data import ROOT
from udfs.inventory.demand_distribution import BoolArray, FloatArray
from udfs.inventory.learning.neural import NeuralPolicy
from udfs.inventory.learning.neural_features import PolicyFeatures
from udfs.inventory.learning.neural_spec import NeuralPolicySpec
from udfs.inventory.learning.neural_training import train_neural_policy
from udfs.inventory.simulation.levels import BaseStock
from udfs.inventory.simulation.result import SimulationResult
from udfs.inventory.simulation.simulator import simulate
from udfs.inventory.simulation.state import OrderingPolicy, Stock
from udfs.inventory.simulation.terms import SimulationTerms

FIRST_WEEK = 16  # smoothing has settled
HELD_OUT = 54
CUTOFF = 90
END = 118
WARM_UP = 4
WINDOW = 26
SMOOTHING = 0.2
FACTORS = np.concatenate([np.linspace(0.6, 1.5, 19), np.linspace(1.6, 2.4, 5)])
WORSE = 0.03
"""Share of the series that a choice may harm on the weeks that check it. Chosen on weeks 44 to 61 and judged on 62 to
89, it harms as many as .04 with the series ranked by per cent, 2.2 and 1.2%, and keeps 32 and 29% of the network's
saving where that kept 18 and 11%."""


@dataclass(frozen=True)
class Shop:
    """Weekly demand, and what is known of it as each week begins.

    demand_ST: units. smooth_ST: smoothed demand of the weeks before. known_STK: features. item_S: code of the item.
    """

    demand_ST: FloatArray
    smooth_ST: FloatArray
    known_STK: FloatArray
    item_S: np.ndarray


@dataclass(frozen=True)
class Setting:
    """What one comparison charges, and how long orders take."""

    shortage_cost: float
    lead_time: int

    @property
    def terms(self) -> SimulationTerms:
        return SimulationTerms(self.lead_time, 1.0, self.shortage_cost)


def load(n_items: int | None) -> Shop:
    sales = pd.read_parquet(ROOT / "favorita_weekly" / "sales.parquet").sort_values(
        ["item_id", "store_id", "week_start"]
    )
    wide = sales.pivot(index=["item_id", "store_id"], columns="week_start", values="units")
    item_S = wide.index.codes[0]
    rows = item_S < (n_items or item_S.max() + 1)
    demand_ST = np.maximum(wide.to_numpy(np.float64)[rows], 0.0)
    smooth_ST, spread_ST = smoothed(demand_ST, SMOOTHING), smoothed_error(demand_ST)
    recent_ST = smoothed(demand_ST, 0.5)
    last_ST = np.concatenate([demand_ST[:, :1], demand_ST[:, :-1]], axis=1)
    own = [recent_ST / smooth_ST, last_ST / smooth_ST, spread_ST / smooth_ST]
    calendar_TK = calendar(pd.DatetimeIndex(wide.columns))
    same = [np.broadcast_to(column_T, demand_ST.shape) for column_T in calendar_TK.T]
    return Shop(demand_ST, smooth_ST, np.stack([*own, *same], axis=-1), item_S[rows])


def smoothed(demand_ST: FloatArray, alpha: float) -> FloatArray:
    """(S, T) exponential smoothing of the weeks before each, > 0."""
    level_ST = np.empty(demand_ST.shape)
    level_S = demand_ST[:, :4].mean(1)
    for t in range(demand_ST.shape[1]):
        level_ST[:, t] = level_S
        level_S = level_S + max(alpha, 1.0 / (t + 2)) * (demand_ST[:, t] - level_S)
    return np.maximum(level_ST, 0.1)


def smoothed_error(demand_ST: FloatArray) -> FloatArray:
    """(S, T) smoothed absolute error of the smoothed demand, known as each week begins."""
    error_ST = np.abs(demand_ST - smoothed(demand_ST, SMOOTHING))
    return smoothed(error_ST, 0.1)


def calendar(week_T: pd.DatetimeIndex) -> FloatArray:
    """(T, 6): share of each of the next three weeks within the first week of a month, and within 11 to 31 December."""
    columns = []
    for ahead in range(3):
        days = [week_T + pd.Timedelta(days=7 * ahead + day) for day in range(7)]
        columns.append(np.mean([day.day <= 7 for day in days], axis=0))
        columns.append(np.mean([(day.month == 12) & (day.day >= 11) for day in days], axis=0))
    return np.stack(columns, axis=1)


def replay(
    policy: OrderingPolicy, level_ST: FloatArray, shop: Shop, setting: Setting, weeks: slice
) -> SimulationResult:
    """The given weeks and, uncounted, the four before; the policy's period 0 is the first of these."""
    first = weeks.start - WARM_UP
    lead, mean_S = setting.lead_time, shop.smooth_ST[:, first]
    on_hand_SP = torch.from_numpy(np.maximum(level_ST[:, first] - lead * mean_S, 0.0))[:, None]
    on_order_SPL = torch.from_numpy(np.repeat(mean_S[:, None, None], lead, axis=2))
    start = Stock(on_hand_SP, torch.zeros_like(on_hand_SP), on_order_SPL)
    demand_SPT = torch.from_numpy(np.ascontiguousarray(shop.demand_ST[:, None, first : weeks.stop]))
    with torch.no_grad():
        return simulate(policy, demand_SPT, setting.terms, start=start, warm_up=WARM_UP)


def replay_levels(level_ST: FloatArray, shop: Shop, setting: Setting, weeks: slice) -> SimulationResult:
    return replay(BaseStock(level_ST[:, weeks.start - WARM_UP : weeks.stop]), level_ST, shop, setting, weeks)


def tune(base_ST: FloatArray, shop: Shop, setting: Setting, weeks: slice) -> FloatArray:
    """(S, T) levels: `base_ST` times the factor that cost each series least in the given weeks."""
    cost_SF = np.stack(
        [replay_levels(factor * base_ST, shop, setting, weeks).cost_per_period.numpy() for factor in FACTORS], axis=1
    )
    tuned_ST: FloatArray = base_ST * FACTORS[cost_SF.argmin(1)][:, None]
    return tuned_ST


def features(level_ST: FloatArray, shop: Shop, windows: list[slice]) -> PolicyFeatures:
    """Each window is a path."""
    scale_SPT, level_SPT = (np.stack([array[:, w] for w in windows], 1) for array in (shop.smooth_ST, level_ST))
    return PolicyFeatures(scale_SPT, level_SPT, np.stack([shop.known_STK[:, w] for w in windows], 1))


def train(level_ST: FloatArray, shop: Shop, setting: Setting, end: int, spec: NeuralPolicySpec) -> NeuralPolicy:
    """A network that has seen the weeks before `end`, in windows of half a year."""
    starts = [*range(end - WINDOW, FIRST_WEEK, -(WINDOW - WARM_UP)), FIRST_WEEK]
    windows = [slice(first, first + WINDOW) for first in starts]
    mean_SP = torch.from_numpy(np.stack([shop.smooth_ST[:, w.start] for w in windows], 1))
    level_SP = torch.from_numpy(np.stack([level_ST[:, w.start] for w in windows], 1))
    on_hand_SP = (level_SP - setting.lead_time * mean_SP).clamp(min=0.0)
    start = Stock(on_hand_SP, torch.zeros_like(on_hand_SP), mean_SP[:, :, None].expand(-1, -1, setting.lead_time))
    demand_SPT = torch.from_numpy(np.stack([shop.demand_ST[:, w] for w in windows], 1)).float()
    described = features(level_ST, shop, windows)
    return train_neural_policy(demand_SPT, setting.terms, described, spec, start=start, warm_up=WARM_UP)


def replay_network(
    policy: NeuralPolicy, level_ST: FloatArray, shop: Shop, setting: Setting, weeks: slice
) -> SimulationResult:
    seen = slice(weeks.start - WARM_UP, weeks.stop)
    return replay(policy.for_series(setting.terms, features(level_ST, shop, [seen])), level_ST, shop, setting, weeks)


def cost(result: SimulationResult) -> FloatArray:
    return result.cost_per_period.numpy().astype(np.float64)


def choose(base_S2: FloatArray, network_S2: FloatArray) -> tuple[BoolArray, float]:
    """Where the network orders, and the least saving in money that it has shown there.

    base_S2, network_S2: cost of the two halves of the held-out weeks.
    """
    saving_S2 = base_S2 - network_S2
    best_first = np.argsort(-saving_S2[:, 0], kind="stable")
    harmed = np.cumsum((saving_S2[:, 1] < 0.0)[best_first]) / len(saving_S2)
    n_chosen = int(np.searchsorted(harmed, WORSE, side="right"))
    whole_S, is_chosen_S = saving_S2.sum(1), np.zeros(len(saving_S2), dtype=np.bool_)
    is_chosen_S[np.argsort(-whole_S, kind="stable")[:n_chosen]] = True
    is_chosen_S &= whole_S > 0.0
    return is_chosen_S, float(whole_S[is_chosen_S].min(initial=np.inf))


def compare(shop: Shop, setting: Setting, spec: NeuralPolicySpec) -> None:
    began, protection = time.perf_counter(), setting.lead_time + 1.0
    moving_ST = protection * shop.smooth_ST
    half = (CUTOFF - HELD_OUT) // 2
    halves = [slice(HELD_OUT, HELD_OUT + half), slice(HELD_OUT + half, CUTOFF)]
    early_ST = tune(moving_ST, shop, setting, slice(FIRST_WEEK + WARM_UP, HELD_OUT))
    early = train(early_ST, shop, setting, HELD_OUT, spec)
    base_S2 = np.stack([cost(replay_levels(early_ST, shop, setting, w)) for w in halves], 1)
    network_S2 = np.stack([cost(replay_network(early, early_ST, shop, setting, w)) for w in halves], 1)
    uses_network_S, least = choose(base_S2, network_S2)
    print(f"\nlost unit {setting.shortage_cost:g}, lead time {setting.lead_time}")
    print(
        f"held out: base stock {base_S2.sum():,.0f}, network {network_S2.sum():,.0f}; it orders for "
        f"{uses_network_S.mean():.1%} of the series, those where it saved at least {least:.2f} a week"
    )
    judged = slice(CUTOFF, END)
    fixed_ST = np.repeat(protection * shop.demand_ST[:, CUTOFF - 52 : CUTOFF].mean(1)[:, None], END, axis=1)
    fixed_ST = tune(fixed_ST, shop, setting, slice(CUTOFF - 52, CUTOFF))
    level_ST = tune(moving_ST, shop, setting, slice(FIRST_WEEK + WARM_UP, CUTOFF))
    network = train(level_ST, shop, setting, CUTOFF, spec)
    found = {
        "fixed base stock": replay_levels(fixed_ST, shop, setting, judged),
        "tuned base stock": replay_levels(level_ST, shop, setting, judged),
        "neural": replay_network(network, level_ST, shop, setting, judged),
    }
    show(found, uses_network_S, shop.item_S)
    print(f"seconds: {time.perf_counter() - began:.0f}")


def show(found: dict[str, SimulationResult], uses_network_S: BoolArray, item_S: np.ndarray) -> None:
    weeks = END - CUTOFF
    columns = {
        name: (cost(result) * weeks, result.sales_SP[:, 0].numpy().astype(np.float64), result.demand_SP[:, 0].numpy())
        for name, result in found.items()
    }
    base, network = columns["tuned base stock"], columns["neural"]
    columns["champion"] = tuple(np.where(uses_network_S, n, b) for b, n in zip(base, network, strict=True))
    print(f"{'policy':18} cost per unit sold      fill   against tuned base stock      series no worse")
    for name, (cost_S, sold_S, demand_S) in columns.items():
        # Single precision replays the network: a difference below a millionth is none.
        no_worse_S = cost_S <= base[0] * (1.0 + 1e-6)
        low, mid, high = interval(lambda rows, c=cost_S, s=sold_S: c[rows].sum() / s[rows].sum(), item_S)
        ratio = interval(
            lambda rows, c=cost_S, s=sold_S: (
                c[rows].sum() / s[rows].sum() / (base[0][rows].sum() / base[1][rows].sum()) - 1.0
            ),
            item_S,
        )
        share = interval(lambda rows, n=no_worse_S: n[rows].mean(), item_S)
        print(
            f"{name:18} {mid:.4f} [{low:.4f}, {high:.4f}] {sold_S.sum() / demand_S.sum():.4f}  "
            f"{ratio[1]:+7.2%} [{ratio[0]:+.2%}, {ratio[2]:+.2%}]  {share[1]:.1%} [{share[0]:.1%}, {share[2]:.1%}]"
        )


def interval(statistic, item_S: np.ndarray, n_samples: int = 300) -> tuple[float, float, float]:  # type: ignore[no-untyped-def]
    """Lower bound, value, upper bound; items are drawn with all their stores."""
    random = np.random.default_rng(0)
    rows_of = [np.flatnonzero(item_S == item) for item in np.unique(item_S)]
    drawn = [
        statistic(np.concatenate([rows_of[k] for k in random.integers(len(rows_of), size=len(rows_of))]))
        for _ in range(n_samples)
    ]
    low, high = np.quantile(drawn, [0.025, 0.975])
    return float(low), float(statistic(np.arange(len(item_S)))), float(high)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--steps", type=int, default=300, help="of the network's training")
    parser.add_argument("--items", type=int, help="only the first N items")
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    shop = load(arguments.items)
    spec = NeuralPolicySpec(steps=arguments.steps, batch_series=256, width=24, learning_rate=5e-3)
    print(f"{len(shop.demand_ST)} series, {shop.demand_ST.shape[1]} weeks")
    for setting in (Setting(9.0, 1), Setting(4.0, 2)):
        compare(shop, setting, spec)


if __name__ == "__main__":
    main()
