"""Slots and moves: all placements of few products, sizes and fixed slots kept, moves carried out one by one."""

from __future__ import annotations

from dataclasses import replace
from itertools import permutations

import numpy as np
import pytest

from tests.udfs.fulfilment.warehouse.warehouses import warehouse
from udfs.fulfilment.warehouse.quadratic_assignment import AssignmentEffort
from udfs.fulfilment.warehouse.slot_moves import STAGING, MoveTerms, SlotMove, slot_moves
from udfs.fulfilment.warehouse.slot_problem import NOWHERE, PickHistory, SlotProblem
from udfs.fulfilment.warehouse.slotting import SlotEffort, affinity_slots, assign_slots, swapped_slots
from udfs.fulfilment.warehouse.turnover_slots import turnover_slots

EFFORT = SlotEffort(AssignmentEffort(2_000, 2_000, 1), swaps=4_000, heat=0.01)


def history_of(rng: np.random.Generator, products: int, tours: int) -> PickHistory:
    """Products that go together by threes, the first ones often."""
    kits = [rng.choice(products, 3, replace=False) for _ in range(products // 2)]
    kinds = rng.zipf(1.5, tours) % len(kits)
    picked = [np.unique(np.append(kits[kind], rng.integers(products))) for kind in kinds]
    offset_K = np.concatenate([[0], np.cumsum([len(each) for each in picked])])
    return PickHistory(offset_K, np.concatenate(picked), rng.uniform(0.5, 2.0, tours))


def problem_of(rng: np.random.Generator, aisles: int, depth: int, products: int, tours: int = 60) -> SlotProblem:
    layout = warehouse(aisles, depth)
    n = len(layout.slot_id_L)
    layout = replace(layout, slot_capacity_L=rng.choice([1.0, 2.0, 4.0], n))
    volume_P = np.minimum(rng.choice([0.5, 1.5, 3.0], products, p=[0.6, 0.3, 0.1]), layout.slot_capacity_L[:products])
    return SlotProblem(
        layout, volume_P, np.arange(products), np.zeros(products, bool), history_of(rng, products, tours)
    )


def is_kept(problem: SlotProblem, slot_P: np.ndarray) -> bool:
    used = slot_P[slot_P != NOWHERE]
    fits = problem.layout.slot_capacity_L[used] >= problem.volume_P[slot_P != NOWHERE]
    stays = slot_P[problem.is_fixed_P] == problem.present_P[problem.is_fixed_P]
    return bool(len(set(used.tolist())) == len(used) and fits.all() and stays.all())


def test_few_products_lie_as_well_as_can_be() -> None:
    rng = np.random.default_rng(0)
    for case in range(4):
        problem = problem_of(rng, 3, 1, 5)
        if case % 2:
            problem = replace(problem, is_fixed_P=np.arange(5) == 1)
        placements = [p for p in map(np.array, permutations(range(6), 5)) if is_kept(problem, p)]
        found = assign_slots(problem, EFFORT, seed=case)
        assert is_kept(problem, found)
        assert problem.metres(found) == pytest.approx(min(map(problem.metres, placements))), f"case {case}"


def test_swaps_walk_less_than_turnover_and_keep_sizes_and_fixed_slots() -> None:
    rng = np.random.default_rng(1)
    problem = replace(problem_of(rng, 6, 8, 80, 400), is_fixed_P=np.arange(80) < 6)
    turnover_P, found = turnover_slots(problem), assign_slots(problem, EFFORT)
    assert is_kept(problem, turnover_P)
    assert is_kept(problem, found)
    assert (found != NOWHERE).all()
    assert problem.metres(found) < 0.95 * problem.metres(turnover_P) < 0.95 * problem.metres(problem.present_P)
    assert np.array_equal(found, assign_slots(problem, EFFORT))


def test_slots_are_at_least_as_good_as_from_either_start() -> None:
    rng, is_affinity_better = np.random.default_rng(3), set()
    for case in range(6):
        problem = problem_of(rng, 4, 4, 24, 150)
        turnover_P = turnover_slots(problem)
        affinity_P = affinity_slots(problem, turnover_P, EFFORT.assignment, case)
        parts = [problem.metres(swapped_slots(problem, start, EFFORT, case)) for start in (turnover_P, affinity_P)]
        assert problem.metres(assign_slots(problem, EFFORT, case)) == pytest.approx(min(parts))
        is_affinity_better.add(parts[1] < parts[0])
    assert is_affinity_better == {True, False}


def test_turnover_leaves_large_slots_to_large_products_and_the_nearest_to_what_is_picked_most() -> None:
    layout = replace(warehouse(1, 2), slot_capacity_L=np.array([1.0, 9.0, 1.0, 9.0]))
    history = PickHistory(np.array([0, 1, 2, 3]), np.array([0, 1, 2]), np.array([5.0, 3.0, 1.0]))
    problem = SlotProblem(layout, np.array([1.0, 5.0, 5.0]), np.full(3, NOWHERE), np.zeros(3, bool), history)
    assert turnover_slots(problem).tolist() == [0, 1, 3]
    too_large = replace(problem, volume_P=np.array([5.0, 5.0, 5.0]))
    assert sorted(turnover_slots(too_large).tolist()) == [NOWHERE, 1, 3]
    assert turnover_slots(too_large)[2] == NOWHERE
    beyond = replace(problem, volume_P=np.array([99.0, 1.0, 1.0]))
    assert turnover_slots(beyond)[0] == NOWHERE


def test_a_history_weighed_for_a_forecast_has_its_demand() -> None:
    rng = np.random.default_rng(2)
    history = history_of(rng, 10, 200)
    problem = SlotProblem(warehouse(1, 6), np.zeros(12), np.arange(12), np.zeros(12, bool), history)
    demand_P = problem.picks * rng.uniform(0.8, 1.25, 12)
    demand_P[11] = 3.0
    after = replace(problem, history=history.for_demand(demand_P)).picks
    assert after[11] == 3.0
    picked = problem.picks > 0
    error = np.abs(after - demand_P)[picked].sum() / demand_P[picked].sum()
    assert error < 0.5 * np.abs(problem.picks - demand_P)[picked].sum() / demand_P[picked].sum()


def carried_out(moves: list[SlotMove], present_P: np.ndarray) -> np.ndarray:
    """Where products are after the moves; each finds its slot empty and its product where it is said to be."""
    at = present_P.copy()
    for move in moves:
        assert at[move.product] == (NOWHERE if move.from_slot == STAGING else move.from_slot)
        assert move.to_slot == STAGING or move.to_slot not in at
        at[move.product] = NOWHERE if move.to_slot == STAGING else move.to_slot
    return at


def test_moves_can_be_carried_out_and_each_group_repays_its_labour() -> None:
    rng = np.random.default_rng(3)
    problem = replace(problem_of(rng, 5, 8, 76, 300), is_fixed_P=np.arange(76) < 3)
    terms = MoveTerms(metre_cost=0.02, move_cost=4.0, days=40)
    moves = slot_moves(problem, terms, EFFORT)
    assert moves
    assert {move.from_slot == STAGING for move in moves} == {True, False}
    at_P = problem.present_P
    for group in range(moves[-1].group + 1):
        steps = [move for move in moves if move.group == group]
        after_P = carried_out(steps, at_P)
        assert is_kept(problem, after_P)
        saved = problem.metres(at_P) - problem.metres(after_P)
        assert saved == pytest.approx(steps[0].metres_a_day)
        assert saved * terms.metre_cost * terms.days >= terms.move_cost * len(steps)
        assert steps[0].payback_days == pytest.approx(terms.move_cost * len(steps) / (saved * terms.metre_cost))
        at_P = after_P
    assert slot_moves(problem, replace(terms, move_cost=1e9), EFFORT) == []


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"present_P": np.zeros(2, np.int64)}, "one product a slot"),
        ({"present_P": np.array([0, 99])}, "slots of the layout"),
        ({"is_fixed_P": np.ones(2, bool), "present_P": np.array([0, NOWHERE])}, "products that are somewhere"),
        ({"volume_P": np.array([1.0, np.nan])}, "litres from 0"),
    ],
)
def test_problems_that_cannot_be_say_why(change: dict, words: str) -> None:
    history = PickHistory(np.array([0, 1]), np.array([0]), np.ones(1))
    good = SlotProblem(warehouse(1, 2), np.zeros(2), np.arange(2), np.zeros(2, bool), history)
    with pytest.raises(ValueError, match=words):
        replace(good, **change)
    with pytest.raises(ValueError, match="terms"):
        MoveTerms(0.0, 1.0, 1.0)
