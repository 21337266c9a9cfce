"""Goods that spoil: caps of levels, waste in replays and tuning, beside batches told one by one and all levels."""

from __future__ import annotations

from dataclasses import replace
from itertools import product

import numpy as np
import pytest
import torch
from scipy import stats

from tests.udfs.inventory.policies.situations import situation
from tests.udfs.inventory.simulation.one_path import OnePath
from udfs.inventory.inventory_spec import InventorySpec
from udfs.inventory.level_caps import LevelCaps
from udfs.inventory.policies.policy_registry import plans_of
from udfs.inventory.policies.replay import replay_actual, replay_paths
from udfs.inventory.policies.situation import Situation
from udfs.inventory.simulation.levels import BaseStock
from udfs.inventory.simulation.simulator import simulate
from udfs.inventory.simulation.state import Stock
from udfs.inventory.simulation.terms import SimulationTerms
from udfs.inventory.stock_limits import StockLimits

INF = float("inf")
NAMES = ("tuned_s_s", "tuned_base_stock", "s_s", "base_stock", "z_sigma")
RNG = np.random.default_rng(3)


def limited(here: Situation, **limits: float) -> Situation:
    """The same series with limits."""
    bounds = replace(StockLimits.none(len(here)), **{k: np.full(len(here), v) for k, v in limits.items()})
    return Situation.of(here.paths, here.sd_SH, here.terms, here.unit_price_S, here.spec, bounds)


def poisson(mean: float, n_series: int = 1, n_paths: int = 400, n_days: int = 28, seed: int = 1) -> np.ndarray:
    return np.random.default_rng(seed).poisson(mean, (n_series, n_paths, n_days)).astype(float)


# --------------------------------------------------------------------------------------------------------------- caps
@pytest.mark.parametrize(("life", "lead", "price"), [(1, 0, 4.0), (5, 2, 4.0), (5, 2, 9.0), (3, 1, 30.0)])
def test_a_level_is_the_newsvendors_quantile_of_the_demand_of_lead_time_and_shelf_life(
    life: int, lead: int, price: float
) -> None:
    here = limited(situation(poisson(3.0, n_paths=4000), unit_price=price, lead_time_days=lead), shelf_life_days=life)
    exact = stats.poisson.ppf((price - 3.0) / price, 3.0 * (lead + life))
    assert here.caps.life_SH[0] == pytest.approx(exact, abs=1.0)
    dearer = limited(
        situation(poisson(3.0, n_paths=4000), unit_price=price, lead_time_days=lead),
        shelf_life_days=life,
        waste_cost=2.0,
    )
    exact = stats.poisson.ppf((price - 3.0) / (price + 2.0), 3.0 * (lead + life))
    assert dearer.caps.life_SH[0] == pytest.approx(exact, abs=1.0)


def test_one_period_of_life_is_the_newsvendor_of_stockpyl() -> None:
    newsvendor = pytest.importorskip("stockpyl.newsvendor")
    for mean, price in product((0.7, 4.0, 15.0), (3.5, 5.0, 12.0)):
        here = limited(situation(poisson(mean, n_paths=20_000, n_days=1), unit_price=price, lead_time_days=0.0))
        here = limited(here, shelf_life_days=1.0)
        best, _ = newsvendor.newsvendor_poisson(holding_cost=3.0, stockout_cost=price - 3.0, demand_mean=mean)
        assert abs(here.caps.life_SH[0, 0] - best) <= (1.0 if mean > 1.0 else 0.0), (mean, price)


@pytest.mark.parametrize("pack", [1.0, 4.0, 12.0])
def test_no_pack_is_ordered_that_would_rather_spoil_than_sell(pack: float) -> None:
    """Every whole position is asked whether the least order from it earns more than it loses, on the same paths."""
    path_SNH = poisson(1.2, n_series=2)
    here = limited(situation(path_SNH, unit_price=5.0, pack_qty=pack), shelf_life_days=4.0)
    for s in range(2):
        demand_N = path_SNH[s, :, : 2 + 4].sum(1)
        sold = [np.clip(demand_N - x, 0.0, pack).mean() for x in range(40)]
        pays = [5.0 * units - 3.0 * pack > 1e-9 for units in sold]
        assert here.caps.life_SH[s, 0] <= pays.index(False)
        if pack == 1.0:
            assert here.caps.life_SH[s, 0] == pays.index(False)


def test_cover_and_room_leave_place_for_the_least_order_and_an_empty_shelf_has_one() -> None:
    steady_SNH = np.full((1, 2, 14), 2.0)
    here = situation(steady_SNH, pack_qty=6.0, moq_qty=7.0)
    assert limited(here, most_cover_days=10.0).caps.most[0, 0] == 20.0 - (12.0 - 1.0)
    assert limited(here, most_shelf_qty=30.0).caps.most[0, 0] == 30.0 + 2.0 * 2.0 - 11.0
    assert limited(here, most_cover_days=1.0).caps.most[0, 0] == 1.0
    assert limited(here, most_cover_days=10.0, most_shelf_qty=11.0).caps.most[0, 0] == 15.0 - 11.0


def test_without_limits_every_plan_and_replay_is_the_same_to_the_bit() -> None:
    here = situation(poisson(2.5, n_series=3, n_paths=60), order_cost=1.5, pack_qty=3.0)
    never = limited(here)
    kept = limited(here, shelf_life_days=10_000.0)
    actual = RNG.poisson(2.5, (3, 28)).astype(float)
    first, second, third = (plans_of(NAMES, each) for each in (here, never, kept))
    for name in NAMES:
        for levels in ("reorder_point_SH", "order_up_to_SH"):
            np.testing.assert_array_equal(getattr(first[name], levels), getattr(second[name], levels))
        assert (third[name].order_up_to_SH == first[name].order_up_to_SH).all()
        mine, theirs = (replay_actual({name: plan[name]}, here, actual)[name] for plan in (first, second))
        np.testing.assert_array_equal(mine.cost, theirs.cost)
        assert not mine.waste_S.any()


# ------------------------------------------------------------------------------------------------------------- replay
@pytest.mark.parametrize("name", ["base_stock", "s_s", "tuned_s_s"])
@pytest.mark.parametrize(("life", "pack"), [(1, 1.0), (3, 1.0), (6, 4.0)])
def test_waste_in_a_replay_is_that_of_batches_told_one_by_one(name: str, life: int, pack: float) -> None:
    spec = InventorySpec(n_paths=80, tuning_paths=80)
    here = situation(poisson(2.0, n_paths=80), spec, unit_price=9.0, order_cost=0.4, pack_qty=pack)
    here = limited(here, shelf_life_days=life, waste_cost=0.5)
    plan = plans_of([name], here)[name]
    actual = RNG.poisson(2.0, 28).astype(float)
    found = replay_actual({name: plan}, here, actual[None, :])[name]
    start = here.steady_stock(plan.reorder_point_SH[:, 0], plan.order_up_to_SH[:, 0], 4)
    assert start.aged_SPA is not None
    totals = []
    for p in range(4):
        path = OnePath(lead_time=2, holding_cost=0.0, shortage_cost=6.0, waste_cost=3.5, pack=pack, shelf_life=life)
        path.due = {k: float(units) for k, units in enumerate(start.pipeline_SPL[0, p])}
        path.batches = [[float(units), k] for k, units in enumerate(start.aged_SPA[0, p])]
        assert path.on_hand == pytest.approx(float(start.on_hand_SP[0, p]))

        def wants(t: int, position: float) -> float:
            is_due = position <= plan.reorder_point_SH[0, t] + 1e-9
            return max(plan.order_up_to_SH[0, t] - position, 0.0) if is_due else 0.0

        totals.append(path.run(wants, actual))
    for field, total in (("waste_S", "waste"), ("shortage_S", "shortage")):
        assert getattr(found, field)[0] == pytest.approx(np.mean([each[total] for each in totals]) / 28)
    assert found.wasted_S[0] == pytest.approx(np.mean([each["wasted"] for each in totals]))
    assert found.weekly_waste[0] == pytest.approx(found.wasted_S[0] / 4)
    assert life == 6 or found.wasted_S[0] > 0.0
    parts = (found.holding_S, found.ordering_S, found.shortage_S, found.waste_S)
    assert found.cost[0] == pytest.approx(sum(each[0] for each in parts))


def test_a_start_by_age_is_the_same_in_both_simulators() -> None:
    terms = SimulationTerms(1.0, 0.1, 2.0, waste_cost=1.0, shelf_life=np.array([3.0, 0.0, 5.0]))
    aged_SPA = torch.tensor([[[1.0, 2.0, 0.5]], [[0.0, 0.0, 4.0]], [[0.0, 3.0, 1.0]]], dtype=torch.float64)
    start = Stock(aged_SPA.sum(-1), torch.zeros(3, 1), torch.zeros(3, 1, 1), aged_SPA)
    demand = torch.from_numpy(RNG.poisson(1.0, (3, 6, 20)).astype(float))

    class Opaque:
        def __init__(self, inner: BaseStock) -> None:
            self.order = inner.order

    found = [simulate(policy, demand, terms, start=start) for policy in (BaseStock(5.0), Opaque(BaseStock(5.0)))]
    assert torch.allclose(found[0].waste_cost_SP, found[1].waste_cost_SP)
    assert torch.allclose(found[0].sales_SP, found[1].sales_SP)
    fresh = simulate(BaseStock(5.0), demand, terms, start=replace(start, aged_SPA=None))
    assert (fresh.wasted_SP[0] <= found[0].wasted_SP[0]).all()
    assert torch.equal(fresh.wasted_SP[1], found[0].wasted_SP[1])


# ------------------------------------------------------------------------------------------------------------- tuning
@pytest.mark.parametrize("seed", range(12))
def test_the_best_level_of_all_is_within_the_cap_and_tuning_finds_it(seed: int) -> None:
    """A brute-force search of constant base stocks, over lead times, lives, margins and rates."""
    rng = np.random.default_rng(seed)
    mean, price = float(rng.uniform(0.2, 8.0)), float(rng.uniform(3.4, 9.0))
    lead, review, life = float(rng.integers(0, 4)), float(rng.integers(1, 4)), float(rng.integers(1, 7))
    paths = poisson(mean, n_paths=400, n_days=56, seed=seed)
    spec = InventorySpec(n_paths=400, tuning_paths=400)
    here = limited(
        situation(paths, spec, unit_price=price, lead_time_days=lead, review_days=review), shelf_life_days=life
    )
    terms = here.simulation_terms()
    demand = torch.from_numpy(paths)

    def cost(level: float) -> float:
        found = simulate(BaseStock(level), torch.cat([demand, demand.roll(1, 1)], 2), terms, warm_up=56)
        return float(found.cost_per_period[0])

    costs = [cost(float(level)) for level in range(int(here.level_SH.max() * 2) + 8)]
    best = int(np.argmin(costs))
    cap = float(here.caps.life_SH.min())
    within = min(costs[: int(cap) + 1])
    assert within <= costs[best] * 1.02 + 1e-3, (best, cap)
    plan = plans_of(["tuned_base_stock"], here)["tuned_base_stock"]
    assert (plan.order_up_to_SH <= here.caps.life_SH).all()
    if not here.is_service_required[0]:
        start = here.steady_stock(plan.reorder_point_SH[:, 0], plan.order_up_to_SH[:, 0], 400)
        own = float(simulate(plan.policy, demand, terms, start=start).cost_per_period[0])
        assert own <= cost(cap) * 1.1 + 0.05


def test_a_dear_short_lived_series_is_not_held_to_a_service_that_spoils() -> None:
    slow = limited(situation(poisson(0.05)), shelf_life_days=3.0)
    fast = limited(situation(poisson(60.0)), shelf_life_days=10.0)
    assert slow.is_service_required.tolist() == [False]
    assert fast.is_service_required.tolist() == [True]
    plan = plans_of(NAMES, slow)
    assert all((each.order_up_to_SH == 0.0).all() for each in plan.values())
    assert replay_paths(plan["tuned_s_s"], slow, 100).wasted_S[0] == 0.0


def test_caps_are_taken_row_by_row() -> None:
    here = limited(situation(poisson(2.0, n_series=4)), shelf_life_days=3.0, most_cover_days=6.0)
    part: LevelCaps = here.take(np.array([2, 0])).caps
    np.testing.assert_array_equal(part.most, here.caps.most[[2, 0]])
