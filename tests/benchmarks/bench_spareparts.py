"""Spare parts with real costs: fill rate against money, beside nine published methods and beside Croston.

Run it as `python -m tests.benchmarks.bench_spareparts [settings] [published] [own] [pipeline]`.

`published`: 105 weeks to learn from, 45 to be judged on, each order there before the demand of its week. The published
curves are those of 1,392 parts with at least two weeks of demand in training; negative binomial demand with the mean of
a one-step forecast and the variance of all weeks so far; the least whole level whose expected fill rate meets the
target, at most the largest demand so far. Croston under that reading is printed beside the published Croston. Here
levels are set once, on the training weeks: sample paths by `SmoothedBootstrap`, one budget by `allocate_service`, half
the weight on the fill rate of all units, half on the mean of the parts'. The budget is what the cheapest published
method spent at each target; nothing of the test weeks is used. The bootstrap's settings were chosen on weeks 61 to 105
from weeks 1 to 60, which `settings` prints. The frontier is drawn to artifacts/spareparts_frontier.png.

`own`: the parts' own lead times (7 to 16 weeks), minimum orders, packs, order cost and holding cost; demand waits. Both
policies replay weeks 61 to 150, of which the last 45 count; they begin with their own level less the mean demand of the
lead time on the shelf and that mean demand on order.

`pipeline`: the tuned base stock of the inventory stage, whose levels reach a fill rate each or over all parts together
(`fill_rate_over`): one week of lead time, a quarter of the unit cost a year, a lost unit costs its margin (30%, and 2%
so that the fill rate decides). Levels from weeks 1 to 105, judged on 106 to 150.
"""

from __future__ import annotations

import argparse
from itertools import product
from pathlib import Path

import numpy as np
import pandas as pd
import torch
from scipy import special

from tests.benchmarks.spareparts_data import (
    TEST_WEEKS,
    TRAIN_WEEKS,
    SpareParts,
    croston_forecasts,
    load,
    published,
    replay_published,
)
from udfs.inventory.demand_distribution import DemandDistribution, FloatArray
from udfs.inventory.demand_paths import DemandPaths
from udfs.inventory.inventory_spec import FILL_RATE_OVER, InventorySpec
from udfs.inventory.order_quantity import round_order
from udfs.inventory.policies.situation import Situation
from udfs.inventory.policies.tuned import tuned_base_stock
from udfs.inventory.simulation.levels import BaseStock, ReorderQuantity
from udfs.inventory.simulation.result import SimulationResult
from udfs.inventory.simulation.simulator import simulate
from udfs.inventory.simulation.state import OrderingPolicy, Stock
from udfs.inventory.simulation.terms import SimulationTerms
from udfs.inventory.supply import SupplyTerms
from udfs.inventory.theory.stock_levels.fill_rate_curve import FillRateCurve, level_grid
from udfs.inventory.theory.stock_levels.fill_rate_level import fill_rate_level
from udfs.inventory.theory.stock_levels.service_allocation import allocate_service
from udfs.inventory.theory.stock_levels.smoothed_bootstrap import PooledDemand, SmoothedBootstrap

ARTIFACTS = Path(__file__).resolve().parents[2] / "artifacts"
UNIT_WEIGHT = 0.5
SETTING_WEEKS = 60
N_PATHS = 300
WEEKS_PER_YEAR = 52.0
WARM_UP_WEEKS = 45
OWN_PATHS = 16
OWN_SHARES = (0.6, 0.8, 1.0, 1.2, 1.5, 1.8, 2.2, 2.7, 3.3, 4.0, 5.0, 6.5)
LOT_FACTORS = (1.0, 2.0)
PIPELINE_WEEKS = 26


def run_settings() -> None:
    """What the bootstrap's settings were chosen by: weeks 61 to 105, learned from weeks 1 to 60."""
    parts = load(train_weeks=SETTING_WEEKS)
    past_ST, future_ST = parts.demand_ST[:, :SETTING_WEEKS], parts.demand_ST[:, SETTING_WEEKS:TRAIN_WEEKS]
    pooled, level_SG = PooledDemand.of(past_ST), level_grid(past_ST.max(1))
    cost_SG = 0.25 * parts.unit_cost_S[:, None] * level_SG
    budgets = np.array([0.375, 0.55, 0.75, 0.95]) * float((0.25 * parts.unit_cost_S * past_ST.max(1)).sum())
    demand_S = future_ST.sum(1)
    sells_S = demand_S > 0.0
    print("prior periods, pooled demands, jitter: mean fill of parts / of all units at four budgets, weeks 61 to 105")
    for setting in ((2, 1, 0.05), (2, 1, 0.2), (2, 1, 0.5), (2, 3, 0.5), (2, 3, 1.0), (2, 10, 0.5), (8, 3, 0.5)):
        path_SPT = SmoothedBootstrap(*setting).paths(past_ST, pooled, N_PATHS, TEST_WEEKS)
        value_SG = FillRateCurve.of(path_SPT, level_SG).value(UNIT_WEIGHT)
        level_SB = np.take_along_axis(level_SG, allocate_service(value_SG, cost_SG, budgets), 1)
        served_SB = np.minimum(future_ST[:, :, None], level_SB[:, None, :]).sum(1)
        mean_B = (served_SB[sells_S] / demand_S[sells_S, None]).mean(0)
        units_B = served_SB.sum(0) / demand_S.sum()
        print(*setting, "  ".join(f"{mean:.4f} / {units:.4f}" for mean, units in zip(mean_B, units_B, strict=True)))


def croston_published(parts: SpareParts, target: float, mean_ST: FloatArray) -> FloatArray:
    """(S, T) levels of the published reading for one target fill rate."""
    level_ST = np.empty((len(parts), TEST_WEEKS))
    for t in range(TEST_WEEKS):
        past_ST = parts.demand_ST[:, : TRAIN_WEEKS + t]
        variance_S = past_ST.var(1, ddof=1)
        demand = DemandDistribution.fit(mean_ST[:, t], variance_S, "negative_binomial")
        level_S = np.minimum(fill_rate_level(demand, target), past_ST.max(1))
        # The reference has no level for a forecast that the negative binomial cannot carry.
        level_ST[:, t] = np.where(mean_ST[:, t] < variance_S, level_S, 0.0)
    return level_ST


def curve_of(parts: SpareParts, seed: int = 0) -> FillRateCurve:
    """What each level of each part would serve, from the training weeks alone."""
    pooled = PooledDemand.of(parts.train)
    path_SPT = SmoothedBootstrap().paths(parts.train, pooled, N_PATHS, TEST_WEEKS, seed)
    return FillRateCurve.of(path_SPT, level_grid(parts.train.max(1)))


def allocated(curve: FillRateCurve, parts: SpareParts, budgets: FloatArray, weight: float = UNIT_WEIGHT) -> FloatArray:
    """(S, B) levels under each budget of stock cost."""
    cost_SG = 0.25 * parts.unit_cost_S[:, None] * curve.level_SG
    return np.take_along_axis(curve.level_SG, allocate_service(curve.value(weight), cost_SG, budgets), 1)


def equal_fill(curve: FillRateCurve, parts: SpareParts, budget: float) -> FloatArray:
    """(S,) levels of one fill rate for all parts, as high as the budget allows: what the allocation adds."""
    rates = np.linspace(0.3, 0.9999, 700)
    fill_SG = curve.fill_rate()
    for rate in rates[::-1]:
        enough_SG = fill_SG >= np.minimum(rate, fill_SG[:, -1:])
        level_S = np.take_along_axis(curve.level_SG, enough_SG.argmax(1)[:, None], 1)[:, 0]
        if float((0.25 * parts.unit_cost_S * level_S).sum()) <= budget:
            return level_S
    raise AssertionError("the budget is below the least rate's cost")


def judge(level_S: FloatArray, parts: SpareParts) -> tuple[float, float, float]:
    return replay_published(np.repeat(level_S[:, None], TEST_WEEKS, axis=1), parts)


def run_published() -> None:
    parts, curves = load(), published()
    by_target = curves.groupby("target")
    budgets = by_target["cost"].min()
    mean_ST = croston_forecasts(parts.demand_ST, TRAIN_WEEKS)
    curve = curve_of(parts)
    level_SB = allocated(curve, parts, budgets.to_numpy())
    print(f"\n{len(parts)} parts. Fill rates are mean of parts / all units; cost in EUR.")
    print("target | best published | least cost | ours | dominates all 9 | one fill rate for all parts, same cost")
    ours = []
    for b, target in enumerate(budgets.index):
        best_mean, best_units = by_target["mean_fill"].max()[target], by_target["unit_fill"].max()[target]
        mean_fill, unit_fill, cost = judge(level_SB[:, b], parts)
        ours.append((mean_fill, unit_fill, cost))
        dominates = mean_fill >= best_mean and unit_fill >= best_units and cost <= budgets[target]
        flat = judge(equal_fill(curve, parts, budgets[target]), parts)
        print(
            f"{target:.2f} | {best_mean:.4f} / {best_units:.4f} | {budgets[target]:9,.0f} | "
            f"{mean_fill:.4f} / {unit_fill:.4f} {cost:9,.0f} | {'yes' if dominates else 'no':3} | "
            f"{flat[0]:.4f} / {flat[1]:.4f} {flat[2]:9,.0f}"
        )
    show_every_point(curve, parts, curves)
    show_spread(parts, budgets)
    reproduced = show_croston(parts, curves, mean_ST)
    draw(curves, np.array(ours), reproduced)


def show_every_point(curve: FillRateCurve, parts: SpareParts, curves: pd.DataFrame) -> None:
    """Each published point against ours at that point's own cost."""
    level_SB = allocated(curve, parts, curves["cost"].to_numpy())
    found = np.array([judge(level_SB[:, b], parts) for b in range(len(curves))])
    wins = (found[:, 0] >= curves["mean_fill"]) & (found[:, 1] >= curves["unit_fill"]) & (found[:, 2] <= curves["cost"])
    print(f"\npublished points dominated at their own cost: {int(wins.sum())} of {len(curves)}; least lead in fill:")
    lead = np.minimum(found[:, 0] - curves["mean_fill"], found[:, 1] - curves["unit_fill"])
    print("  ".join(f"{method} {least:+.4f}" for method, least in lead.groupby(curves["method"]).min().items()))


def show_spread(parts: SpareParts, budgets: pd.Series) -> None:
    """Other sample paths, and other weights of the two fill rates."""
    chosen = budgets.loc[[0.75, 0.90, 0.99]]
    print("\nseed, weight of all units: fill at the cost of targets .75, .90, .99")
    for seed, weight in ((0, 0.5), (1, 0.5), (2, 0.5), (0, 0.3), (0, 0.7)):
        level_SB = allocated(curve_of(parts, 10_000 * seed), parts, chosen.to_numpy(), weight)
        print(seed, weight, "  ".join("{:.4f} / {:.4f}".format(*judge(level_S, parts)[:2]) for level_S in level_SB.T))


def show_croston(parts: SpareParts, curves: pd.DataFrame, mean_ST: FloatArray) -> FloatArray:
    """Croston under our reading of the protocol beside the published Croston."""
    croston = curves[curves["method"] == "Croston"].set_index("target")
    print("\nCroston, target: published fill, cost | reproduced")
    found = []
    for target in (0.75, 0.80, 0.85, 0.90, 0.95, 0.99):
        found.append(replay_published(croston_published(parts, target, mean_ST), parts))
        point = croston.loc[target]
        print(
            f"{target:.2f}: {point['mean_fill']:.4f} / {point['unit_fill']:.4f} {point['cost']:9,.0f} | "
            + "{:.4f} / {:.4f} {:9,.0f}".format(*found[-1])
        )
    return np.array(found)


def draw(curves: pd.DataFrame, ours_B3: FloatArray, croston_N3: FloatArray) -> None:
    import matplotlib

    matplotlib.use("Agg")
    from matplotlib import pyplot as plt

    figure, axes = plt.subplots(1, 2, figsize=(13, 5.2), sharex=True)
    for axis, column, k in zip(axes, ("unit_fill", "mean_fill"), (1, 0), strict=True):
        for method, points in curves.groupby("method"):
            axis.plot(points["cost"] / 1e3, points[column], lw=1, marker=".", ms=3, label=method)
        axis.plot(croston_N3[:, 2] / 1e3, croston_N3[:, k], "k:", lw=1, label="Croston, reproduced")
        axis.plot(ours_B3[:, 2] / 1e3, ours_B3[:, k], "k-", lw=2.2, marker="o", ms=3, label="one budget, sample paths")
        axis.set_xlabel("holding cost, thousand EUR per year")
        axis.grid(alpha=0.3)
    axes[0].set_title("Fill rate of all units")
    axes[1].set_title("Mean fill rate of the parts")
    axes[0].legend(fontsize=8, loc="lower right")
    ARTIFACTS.mkdir(exist_ok=True)
    figure.tight_layout()
    figure.savefig(ARTIFACTS / "spareparts_frontier.png", dpi=120)
    print(f"\ndrawn to {ARTIFACTS / 'spareparts_frontier.png'}")


def own_terms(parts: SpareParts) -> SimulationTerms:
    return SimulationTerms(
        lead_time=parts.lead_time_S,
        holding_cost=parts.holding_cost_S / WEEKS_PER_YEAR,
        shortage_cost=0.0,
        order_cost=parts.order_cost_S,
        backorder_share=1.0,
        moq=parts.moq_S,
        pack=parts.pack_S,
    )


def starting_stock(level_S: FloatArray, mean_S: FloatArray, lead_S: FloatArray) -> Stock:
    """The level less the lead time's mean demand on hand, that demand on order, a week's worth a week."""
    on_hand_SP = torch.from_numpy(np.maximum(level_S - mean_S * lead_S, 0.0))[:, None]
    on_order_SL = mean_S[:, None] * (np.arange(int(lead_S.max())) < lead_S[:, None])
    return Stock(on_hand_SP, torch.zeros_like(on_hand_SP), torch.from_numpy(on_order_SL)[:, None, :])


def replay_own(policy: OrderingPolicy, level_S: FloatArray, mean_S: FloatArray, parts: SpareParts) -> SimulationResult:
    """The last 45 weeks, after as many to settle."""
    demand_SPT = torch.from_numpy(np.ascontiguousarray(parts.demand_ST[:, None, TRAIN_WEEKS - WARM_UP_WEEKS :]))
    start = starting_stock(level_S, mean_S, parts.lead_time_S)
    return simulate(policy, demand_SPT, own_terms(parts), start=start, warm_up=WARM_UP_WEEKS)


def fills(result: SimulationResult) -> tuple[float, float]:
    demand_S, sales_S = result.demand_SP.sum(1), result.sales_SP.sum(1)
    sells_S = demand_S > 0.0
    return float((sales_S[sells_S] / demand_S[sells_S]).mean()), float(sales_S.sum() / demand_S.sum())


def yearly(result: SimulationResult) -> tuple[float, float]:
    """EUR per year: holding, ordering."""
    scale = WEEKS_PER_YEAR / result.n_periods / result.cost.shape[1]
    return float(result.holding_cost_SP.sum()) * scale, float(result.order_cost_SP.sum()) * scale


def shown(row: tuple[float, ...]) -> str:
    return "{:.4f} / {:.4f}  holding {:9,.0f}  orders {:9,.0f}".format(*row)


def croston_levels(parts: SpareParts, first: int) -> tuple[FloatArray, FloatArray]:
    """(S, T) mean and standard deviation over lead time + 1 week, at each origin from week `first` on."""
    mean_ST = croston_forecasts(parts.demand_ST, first)
    # Errors of the forecasts so far; before there are any, the spread of demand itself.
    error_ST = parts.demand_ST[:, first:] - mean_ST
    count_T = np.arange(mean_ST.shape[1])
    before_S1 = (parts.demand_ST[:, :first].std(1, ddof=1) ** 2)[:, None]
    squares_ST = np.cumsum(error_ST**2, axis=1) - error_ST**2
    variance_ST = (first * before_S1 + squares_ST) / (first + count_T)
    wait_S1 = parts.lead_time_S[:, None] + 1.0
    return mean_ST * wait_S1, np.sqrt(variance_ST * wait_S1)


def planned_choices(parts: SpareParts) -> tuple[FloatArray, FloatArray, FloatArray, FloatArray]:
    """(S, G) reorder point, lot, value and EUR per year of every choice, simulated on sample paths of the past."""
    pooled = PooledDemand.of(parts.train)
    n_weeks = WARM_UP_WEEKS + TEST_WEEKS
    path_SPT = SmoothedBootstrap().paths(parts.train, pooled, OWN_PATHS, n_weeks)
    mean_S = path_SPT.mean((1, 2))
    wait_S = parts.lead_time_S + 1.0
    spread_S = np.sqrt(path_SPT.var(2).mean(1) * wait_S)
    lot_S = np.sqrt(2.0 * parts.order_cost_S * mean_S * WEEKS_PER_YEAR / parts.holding_cost_S)
    choices = []
    for factor in LOT_FACTORS:
        quantity_S = round_order(factor * lot_S, parts.moq_S, parts.pack_S)
        for share in (-1.0, -0.5, 0.0, 0.3, *OWN_SHARES):
            point_S = np.floor(np.maximum(mean_S * wait_S + share * spread_S, 0.0))
            start = starting_stock(point_S + quantity_S / 2.0, mean_S, parts.lead_time_S)
            policy = ReorderQuantity(point_S, quantity_S)
            result = simulate(policy, torch.from_numpy(path_SPT), own_terms(parts), start=start, warm_up=WARM_UP_WEEKS)
            demand_SP, sales_SP = result.demand_SP.numpy(), result.sales_SP.numpy()
            share_S = np.where(demand_SP > 0.0, sales_SP / np.where(demand_SP > 0.0, demand_SP, 1.0), 0.0).mean(1)
            value_S = UNIT_WEIGHT * sales_SP.mean(1) / demand_SP.mean(1).sum()
            value_S = value_S + (1.0 - UNIT_WEIGHT) * share_S / (demand_SP > 0.0).mean(1).sum()
            choices.append((point_S, quantity_S, value_S, result.cost_per_period.numpy() * WEEKS_PER_YEAR))
    point_SG, lot_SG, value_SG, cost_SG = (np.stack(column, axis=1) for column in zip(*choices, strict=True))
    return point_SG, lot_SG, value_SG, cost_SG


def run_own() -> None:
    parts = load()
    torch.set_num_threads(1)
    print(f"\n{len(parts)} parts on their own terms. Fill rates are mean of parts / all units; EUR per year.")
    print("order-up-to with Croston, mean + z sigma sqrt(L + 1), forecast anew each week")
    first = TRAIN_WEEKS - WARM_UP_WEEKS
    mean_ST, sd_ST = croston_levels(parts, first)
    rows = []
    for service in (0.50, 0.75, 0.85, 0.90, 0.95, 0.98, 0.99):
        level_ST = mean_ST + special.ndtri(service) * sd_ST
        weekly_S = mean_ST[:, 0] / (parts.lead_time_S + 1.0)
        result = replay_own(BaseStock(level_ST), level_ST[:, 0], weekly_S, parts)
        rows.append((*fills(result), *yearly(result)))
        print(f"  service {service:.2f}: {shown(rows[-1])}")
    croston_N4 = np.array(rows)
    point_SG, lot_SG, value_SG, cost_SG = planned_choices(parts)
    most = np.take_along_axis(cost_SG, value_SG.argmax(1)[:, None], 1).sum()
    budgets = np.geomspace(cost_SG.min(1).sum() * 1.05, most, 16)
    choice_SB = allocate_service(value_SG, cost_SG, budgets)
    point_SB, lot_SB = (np.take_along_axis(array_SG, choice_SB, 1) for array_SG in (point_SG, lot_SG))
    mean_S = parts.train.mean(1)
    print("one budget over reorder points and lots, set once on the training weeks")
    ours = []
    for b, budget in enumerate(budgets):
        policy = ReorderQuantity(point_SB[:, b], lot_SB[:, b])
        result = replay_own(policy, point_SB[:, b] + lot_SB[:, b] / 2.0, mean_S, parts)
        ours.append((*fills(result), *yearly(result)))
        print(f"  planned {budget:9,.0f}: {shown(ours[-1])}")
    compare_own(croston_N4, np.array(ours))


def compare_own(croston_N4: FloatArray, ours_B4: FloatArray) -> None:
    """Fill at Croston's cost, and cost at Croston's fill, read off our frontier."""
    cost_B, theirs_N = ours_B4[:, 2:].sum(1), croston_N4[:, 2:].sum(1)
    print("Croston: fill, EUR | our fill at that cost | our EUR at that fill of units (saving)")
    for point, cost in zip(croston_N4, theirs_N, strict=True):
        at_cost = [np.interp(cost, cost_B, ours_B4[:, k]) for k in (0, 1)]
        same = np.interp(point[1], ours_B4[:, 1], cost_B) if point[1] >= ours_B4[0, 1] else np.nan
        print(
            f"  {point[0]:.4f} / {point[1]:.4f} {cost:9,.0f} | {at_cost[0]:.4f} / {at_cost[1]:.4f} | "
            f"{same:9,.0f} ({1.0 - same / cost:+.1%})"
        )


def pipeline_situation(parts: SpareParts, spec: InventorySpec) -> Situation:
    path_SNH = SmoothedBootstrap().paths(parts.train, PooledDemand.of(parts.train), spec.n_paths, PIPELINE_WEEKS)
    one_S, none_S = np.ones(len(parts)), np.zeros(len(parts))
    terms = SupplyTerms(one_S, one_S, none_S, one_S, parts.unit_cost_S, none_S, 0.25 * 7.0 * one_S, 0.9 * one_S)
    price_S = np.full(len(parts), np.nan)
    return Situation.of(DemandPaths(path_SNH, path_SNH.mean(1)), path_SNH.std(1), terms, price_S, spec)


def run_pipeline() -> None:
    parts = load()
    demand_SPT = torch.from_numpy(np.ascontiguousarray(parts.test[:, None, :]))
    print(f"\n{len(parts)} parts. Fill rates are mean of parts / all units; EUR per year: holding, with lost margin")
    for margin, rate in product((0.3, 0.02), (0.8, 0.9, 0.95)):
        for over in FILL_RATE_OVER:
            spec = InventorySpec(
                least_fill_rate=rate, fill_rate_over=over, assumed_margin=margin, n_paths=100, tuning_paths=100
            )
            situation = pipeline_situation(parts, spec)
            level_S = tuned_base_stock(situation).reorder_point_SH[:, 0]
            start = situation.steady_stock(level_S, level_S, 1)
            result = simulate(BaseStock(level_S), demand_SPT, situation.simulation_terms(), start=start)
            lost = float(result.shortage_cost_SP.sum()) * WEEKS_PER_YEAR / TEST_WEEKS
            holding = yearly(result)[0]
            print(
                f"margin {margin:4.0%}, {rate:.0%} over {over}: "
                + "{:.4f} / {:.4f}".format(*fills(result))
                + f"  {holding:9,.0f}  {holding + lost:9,.0f}"
            )


RUNS = {"settings": run_settings, "published": run_published, "own": run_own, "pipeline": run_pipeline}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("parts", nargs="*", choices=list(RUNS), default=["published", "own"])
    for part in parser.parse_args().parts:
        RUNS[part]()


if __name__ == "__main__":
    main()
