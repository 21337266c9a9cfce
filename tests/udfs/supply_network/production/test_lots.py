"""Lots: the same as all plans tried one by one, levels tied together, and late demand that names what binds it."""

from __future__ import annotations

import itertools

import numpy as np
import pytest
from scipy.optimize import linprog

from udfs.supply_network.production.bill_of_materials import Need, exploded, in_order, needs_matrix
from udfs.supply_network.production.fix_and_optimise import solve
from udfs.supply_network.production.lot_model import lot_model
from udfs.supply_network.production.lot_problem import LotProblem, lot_problem
from udfs.supply_network.production.production_plan import production_plan
from udfs.supply_network.production.production_spec import ProductionSpec

SPEC = ProductionSpec(seconds=20.0, rounds=60)


def one_level(rng: np.random.Generator, items: int = 2, periods: int = 4) -> LotProblem:
    demand_IT = rng.integers(0, 60, (items, periods)).astype(float)
    terms = {
        "unit_time_I": rng.uniform(0.5, 1.5, items),
        "setup_time_I": rng.uniform(2, 10, items),
        "setup_cost_I": rng.uniform(20, 200, items),
        "holding_cost_I": rng.uniform(0.5, 3, items),
        "late_cost_I": np.full(items, 50.0),
        "stock_I": rng.uniform(0, 20, items),
        "resource_I": np.zeros(items),
    }
    hours = {"capacity_RT": np.full((1, periods), 30.0 * items), "overtime_RT": np.full((1, periods), 15.0)}
    names = [f"item{k}" for k in range(items)]
    return lot_problem(names, demand_IT, [], terms, resource_R=("line",), overtime_cost_R=np.array([4.0]), **hours)


def cheapest_by_trying_all(problem: LotProblem) -> float:
    """Every choice of set-ups, each with the best lots in terms of stock: another model than the one under test."""
    n, periods = problem.demand_IT.shape
    net_IT = problem.net_echelon_demand()
    best = np.inf
    for choice in itertools.product((0.0, 1.0), repeat=n * periods):
        setup_IT = np.array(choice).reshape(n, periods)
        # Columns: lots, stock [I, T] each, overtime [T].
        size = n * periods
        balance = np.hstack([np.eye(size), np.zeros((size, size + periods))])
        for row in range(size):
            balance[row, size + row] = -1.0
            if row % periods:
                balance[row, size + row - 1] = 1.0
        hours = np.zeros((periods, 2 * size + periods))
        for i, t in itertools.product(range(n), range(periods)):
            hours[t, i * periods + t] = problem.unit_time_I[i]
        hours[np.arange(periods), 2 * size + np.arange(periods)] = -1.0
        room_T = problem.capacity_RT[0] - problem.setup_time_I @ setup_IT
        cost = np.r_[
            np.zeros(size), problem.holding_cost_I.repeat(periods), np.full(periods, problem.overtime_cost_R[0])
        ]
        bounds = [(0, 1e6 * up) for up in choice] + [(0, None)] * size + [(0, o) for o in problem.overtime_RT[0]]
        found = linprog(cost, hours, room_T, balance, net_IT.ravel(), bounds)
        if found.status == 0:
            best = min(best, found.fun + float(problem.setup_cost_I @ setup_IT.sum(1)))
    return best


@pytest.mark.parametrize("seed", range(4))
def test_a_plan_costs_as_little_as_the_best_of_all(seed: int) -> None:
    problem = one_level(np.random.default_rng(seed))
    model = lot_model(problem)
    found, best = solve(model, 20.0, rounds=60), cheapest_by_trying_all(problem)
    assert found.bound <= found.cost + 1e-6
    if np.isfinite(best):
        assert found.cost == pytest.approx(best, rel=1e-4)
    else:
        assert found.value_N[model.missing].sum() > 0, "no plan in full is found where there is none"


def two_levels(capacity: float, periods: int = 4) -> LotProblem:
    """A bike of a frame and two bolts, a frame with four more; bolts are sold as well."""
    needs = [Need("bike", "frame", 1), Need("frame", "bolt", 4), Need("bike", "bolt", 2)]
    terms = {
        "unit_time_I": np.array([1.0, 0.1, 2.0]),
        "setup_time_I": np.array([2.0, 1.0, 4.0]),
        "setup_cost_I": np.array([50.0, 20.0, 80.0]),
        "holding_cost_I": np.array([3.0, 0.1, 2.0]),
        "late_cost_I": np.array([30.0, 1.0, 20.0]),
        "stock_I": np.array([0.0, 10.0, 5.0]),
        "resource_I": np.array([0, 1, 1]),
    }
    demand_IT = np.array([[10.0, 20, 30, 20], [0, 30, 0, 0], [0, 0, 0, 0]])
    return lot_problem(
        ["bike", "bolt", "frame"],
        demand_IT,
        needs,
        terms,
        resource_R=("line", "press"),
        capacity_RT=np.full((2, periods), capacity),
        overtime_RT=np.full((2, periods), 10.0),
        overtime_cost_R=np.array([20.0, 20.0]),
    )


@pytest.mark.parametrize("capacity", [100.0, 40.0])
def test_no_component_is_used_before_it_is_made_and_no_hour_twice(capacity: float) -> None:
    problem = two_levels(capacity)
    plan = production_plan(problem, SPEC)
    used_IT = problem.needs_II.T @ plan.lot_IT
    stock_IT = problem.stock_I[:, None] + (plan.lot_IT - used_IT).cumsum(axis=1)
    assert (stock_IT[problem.is_component] > -1e-6).all()
    assert (plan.hours_RT <= problem.capacity_RT + problem.overtime_RT + 1e-6).all()
    assert ((plan.lot_IT > 0) <= (plan.setup_IT > 0)).all()
    short_IT = problem.demand_IT.cumsum(1) - stock_IT
    short = {(late.item, late.wanted): late.unmet_qty for late in plan.late}
    unmet = sum(short.values())
    assert short_IT[~problem.is_component, -1].clip(0).sum() == pytest.approx(unmet, abs=1e-6)
    assert plan.free_cost <= plan.cost + 1e-6


def test_late_demand_names_the_resource_that_has_no_hours_left() -> None:
    assert production_plan(two_levels(100.0), SPEC).late == ()
    problem = two_levels(40.0)
    late = production_plan(problem, SPEC).late
    assert late
    assert {problem.item_I[each.item] for each in late} == {"bike"}
    assert all({resource for resource, _, _ in each.full} == {1} for each in late), "the press, not the line, is full"
    assert all(first <= last <= each.wanted for each in late for _, first, last in each.full)


def test_out_of_time_the_best_plan_is_kept_with_its_gap() -> None:
    problem = one_level(np.random.default_rng(3), items=5, periods=8)
    short, long = (solve(lot_model(problem), 60.0, rounds=rounds) for rounds in (1, 8))
    assert short.bound <= long.cost <= short.cost
    assert short.value_N[lot_model(problem).missing].sum() < 1e-6
    again = solve(lot_model(problem), 60.0, rounds=8)
    assert np.array_equal(long.value_N, again.value_N), "rounds end the search at the same plan anywhere"


def test_a_bill_that_contains_itself_is_refused_with_its_loop() -> None:
    loop = [Need("a", "b", 1), Need("b", "c", 1), Need("c", "a", 1)]
    with pytest.raises(ValueError, match=r"bom: an item is a part of itself: .* > .* > .* > "):
        in_order(loop)
    with pytest.raises(ValueError, match=r"a quantity > 0 of b in a, found 0"):
        in_order([Need("a", "b", 0)])


def test_demand_reaches_every_level() -> None:
    needs = [Need("bike", "frame", 1), Need("frame", "bolt", 4), Need("bike", "bolt", 2)]
    order = in_order(needs)
    assert order == ["bike", "frame", "bolt"]
    total = exploded(np.array([[10.0], [1.0], [0.0]]), needs_matrix(needs, order))
    assert total[:, 0].tolist() == [10.0, 11.0, 64.0]


def test_values_that_no_plan_can_be_made_with_are_refused() -> None:
    problem = one_level(np.random.default_rng(0))
    for name, value in (("unit_time_I", np.array([-1.0, 1.0])), ("capacity_RT", np.full((1, 4), np.nan))):
        with pytest.raises(ValueError, match=rf"{name}: expected finite numbers >= 0, found"):
            LotProblem(**{**{k: getattr(problem, k) for k in problem.__dataclass_fields__}, name: value})
    with pytest.raises(ValueError, match=r"ProductionSpec.period_days: expected days from 1 to 92, found 0"):
        ProductionSpec(period_days=0)
