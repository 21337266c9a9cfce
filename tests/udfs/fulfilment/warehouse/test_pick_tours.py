"""Pick tours: Held and Karp on small ones, exact ones on large, rules drawn by hand, layouts that cannot be."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from tests.udfs.fulfilment.warehouse.warehouses import held_karp, warehouse
from udfs.fulfilment.warehouse.heuristic_tours import Rule, heuristic_lengths
from udfs.fulfilment.warehouse.layout import layout_from_rows
from udfs.fulfilment.warehouse.pick_tour import tour_lengths, tours, walked_lengths


def test_a_thousand_small_tours_are_the_shortest_there_are_and_walked_so() -> None:
    rng = np.random.default_rng(0)
    for case in range(1000):
        aisles, depth = int(rng.integers(1, 7)), int(rng.integers(1, 9))
        layout = warehouse(aisles, depth, float(rng.choice([0.5, 1.0, 3.0, 7.0])), int(rng.integers(aisles)))
        slot_N = rng.choice(2 * aisles * depth, min(int(rng.integers(1, 9)), 2 * aisles * depth), replace=False)
        offset_K = np.array([0, len(slot_N)])
        shortest = held_karp(layout, slot_N)
        assert tour_lengths(layout, offset_K, slot_N)[0] == pytest.approx(shortest), f"case {case}"
        order_K, order_N = tours(layout, offset_K, slot_N)
        assert sorted(order_N) == sorted(slot_N)
        assert walked_lengths(layout, order_K, order_N)[0] == pytest.approx(shortest), f"case {case}"


def test_long_tours_visit_each_slot_once_and_are_as_long_as_said() -> None:
    rng, layout = np.random.default_rng(1), warehouse(12, 30, depot=5)
    size_K = rng.integers(0, 120, 200)
    offset_K = np.concatenate([[0], np.cumsum(size_K)])
    slot_N = rng.integers(0, len(layout.slot_id_L), offset_K[-1])
    order_K, order_N = tours(layout, offset_K, slot_N)
    for k in range(200):
        assert sorted(order_N[order_K[k] : order_K[k + 1]]) == sorted(set(slot_N[offset_K[k] : offset_K[k + 1]]))
    length_K = tour_lengths(layout, offset_K, slot_N)
    assert np.allclose(walked_lengths(layout, order_K, order_N), length_K)
    assert (length_K[size_K == 0] == 0).all()


def test_tours_of_several_blocks_are_within_three_per_cent_of_the_shortest() -> None:
    rng, gaps = np.random.default_rng(2), []
    for case in range(60):
        layout = warehouse(int(rng.integers(2, 9)), 12, cross_after=((6,), (4, 8))[case % 2])
        slot_N = rng.choice(len(layout.slot_id_L), 10, replace=False)
        offset_K = np.array([0, 10])
        length = tour_lengths(layout, offset_K, slot_N)[0]
        gaps.append(length / held_karp(layout, slot_N) - 1)
        assert walked_lengths(layout, *tours(layout, offset_K, slot_N))[0] == pytest.approx(length)
    assert min(gaps) > -1e-9
    assert max(gaps) < 0.03


def test_long_tours_of_several_blocks_are_near_the_exact_ones_of_one() -> None:
    rng, one = np.random.default_rng(3), warehouse(8, 25)
    several = replace(one, cross_C=(0.0, 26.0 - 1e-9, 26.0))  # a second back aisle on the first: the same ways
    offset_K, slot_N = np.arange(0, 1001, 20), rng.integers(0, 400, 1000)
    found, exact = tour_lengths(several, offset_K, slot_N), tour_lengths(one, offset_K, slot_N)
    assert (found > exact - 1e-6).all()
    assert (found < exact * 1.03).all()


@pytest.mark.parametrize(
    ("rule", "metres"),
    [
        # Aisles of 10 m, 2 m apart; picks at 2 | 3, 7 | 9. Cross ways 2 * 2 * 2 m.
        ("s_shape", 8.0 + 10.0 + 10.0 + 18.0),
        ("largest_gap", 8.0 + 10.0 + 12.0 + 10.0),
        ("combined", 8.0 + 4.0 + 10.0 + 10.0),
    ],
)
def test_rules_walk_as_drawn_by_hand(rule: Rule, metres: float) -> None:
    layout = layout_from_rows(
        ["a", "b", "c", "d", "end"], [1, 2, 2, 3, 3], [2, 3, 7, 9, 1], [1.0] * 5, bay_length=1.0, aisle_pitch=2.0
    )
    assert layout.cross_C == (0.0, 10.0)
    assert heuristic_lengths(layout, np.array([0, 4]), np.array([3, 2, 1, 0]), rule)[0] == metres


def test_no_rule_beats_the_shortest_tour() -> None:
    rng, layout = np.random.default_rng(4), warehouse(10, 25, depot=3)
    offset_K, slot_N = np.arange(0, 4001, 8), rng.integers(0, 500, 4000)
    exact_K = tour_lengths(layout, offset_K, slot_N)
    rules: tuple[Rule, ...] = ("s_shape", "largest_gap", "combined")
    for rule in rules:
        assert (heuristic_lengths(layout, offset_K, slot_N, rule) >= exact_K - 1e-9).all()


def test_rows_become_metres_and_cross_aisles() -> None:
    layout = layout_from_rows(
        ["x", "y", "z"], ["B", "A", "B"], [11, 14, 12], [1.0, 2.0, 3.0],
        bay_length=2.0, aisle_pitch=4.0, cross_after=(11,), depot_aisle="B",
    )  # fmt: skip
    assert layout.slot_aisle_L.tolist() == [1, 0, 1]
    assert layout.slot_position_L.tolist() == [2.0, 10.0, 6.0]
    assert layout.cross_C == (0.0, 4.0, 12.0)
    distance = layout.distances(np.arange(3))
    assert distance[0, 2] == 4.0
    assert distance[0, 1] == 4.0 + 8.0
    assert distance[1, 3] == 4.0 + 10.0
    assert np.array_equal(distance, distance.T)


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"capacity": [1.0, 0.0]}, "above 0, found 0.0 for b"),
        ({"capacity": [1.0, float("nan")]}, "above 0, found nan for b"),
        ({"slot_id": ["a", "a"]}, "each slot once"),
        ({"aisle_pitch": 0.0}, "aisle_pitch"),
        ({"cross_after": (9,)}, "cross_after: expected bays from 1 to 1"),
        ({"depot_aisle": 7}, "depot_aisle: expected an aisle"),
        ({"slot_id": [], "aisle": [], "position": [], "capacity": []}, "at least one row"),
    ],
)
def test_layouts_that_cannot_be_say_why(change: dict, words: str) -> None:
    rows = {"slot_id": ["a", "b"], "aisle": [1, 1], "position": [1, 2], "capacity": [1.0, 1.0]}
    with pytest.raises(ValueError, match=words):
        layout_from_rows(**{**rows, "bay_length": 1.0, "aisle_pitch": 1.0, **change})


def test_tours_of_slots_that_are_not_there_are_refused() -> None:
    with pytest.raises(ValueError, match="from 0 to 3"):
        tour_lengths(warehouse(1, 2), np.array([0, 1]), np.array([4]))
    with pytest.raises(ValueError, match="rise from 0 to 2"):
        tour_lengths(warehouse(1, 2), np.array([0, 1]), np.array([0, 1]))
