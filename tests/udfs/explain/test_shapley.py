"""Parts of a difference: they sum to it, whatever the causes do to each other."""

from __future__ import annotations

import math
from fractions import Fraction
from itertools import permutations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from udfs.explain.shapley import MOST_CAUSES, in_floats, shapley

NUMBERS = st.floats(-1e9, 1e9, allow_nan=False)


def test_the_glove_game() -> None:
    """One has a left glove, two a right one; a pair is worth 1: 2/3, 1/6, 1/6 (Osborne and Rubinstein, 1994)."""
    parts = shapley(["left", "right", "other right"], lambda s: [float("left" in s and len(s) > 1)])
    assert [part for (part,) in parts.values()] == [Fraction(2, 3), Fraction(1, 6), Fraction(1, 6)]


@given(st.lists(NUMBERS, min_size=16, max_size=16))
def test_it_is_the_mean_over_all_orders(values: list[float]) -> None:
    causes = "abcd"
    table = {frozenset(c for k, c in enumerate(causes) if n >> k & 1): value for n, value in enumerate(values)}
    gains = dict.fromkeys(causes, Fraction(0))
    for order in permutations(causes):
        for k, cause in enumerate(order):
            gains[cause] += Fraction(table[frozenset(order[: k + 1])]) - Fraction(table[frozenset(order[:k])])
    found = shapley(causes, lambda known: [table[known], 2.0 * table[known]])
    assert {cause: part[0] * 24 for cause, part in found.items()} == gains
    assert all(part[1] == 2 * part[0] for part in found.values())


@given(st.dictionaries(st.text(max_size=3), st.fractions(-1000000, 1000000), min_size=1, max_size=9))
def test_floats_sum_to_the_whole(parts: dict[str, Fraction]) -> None:
    whole = float(sum(parts.values()))
    found = in_floats(parts, whole)
    exact = sum(Fraction(value) for value in found.values())
    assert abs(exact - Fraction(whole)) <= Fraction(math.ulp(max(map(abs, found.values())))) / 2
    assert all(value == pytest.approx(float(parts[name]), abs=1e-5) for name, value in found.items())


@given(st.dictionaries(st.text(max_size=3), st.integers(0, 10**9), min_size=1, max_size=9), st.integers(1, 720))
def test_whole_units_sum_without_any_rounding(parts: dict[str, int], orders: int) -> None:
    whole = sum(parts.values()) // orders
    shares = {name: Fraction(part, orders) for name, part in parts.items()}
    assert math.fsum(in_floats(shares, float(whole)).values()) == whole


def test_no_cause_has_no_part_and_too_many_are_refused() -> None:
    assert shapley([], lambda _: [3.0]) == {}
    assert in_floats({}, 0.0) == {}
    with pytest.raises(ValueError, match="at most 10 causes, found 11"):
        shapley([str(n) for n in range(MOST_CAUSES + 1)], lambda _: [0.0])
