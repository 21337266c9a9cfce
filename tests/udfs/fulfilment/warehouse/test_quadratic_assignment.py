"""Quadratic assignment: all permutations of small problems of every kind, and QAPLIB's optima."""

from __future__ import annotations

from itertools import permutations

import numpy as np
import pytest

from tests import real_data
from udfs.fulfilment.warehouse.assignment_problem import FREE, AssignmentProblem
from udfs.fulfilment.warehouse.quadratic_assignment import AssignmentEffort, assign

SMALL = AssignmentEffort(iterations=3_000, stretch=500, people=3)


def matrix(rng: np.random.Generator, n: int, kind: str) -> np.ndarray:
    """Symmetric or not, whole or not, with a diagonal that counts."""
    values = rng.integers(-3, 10, (n, n)).astype(float)
    if "whole" not in kind:
        values += rng.random((n, n))
    return values + values.T if "symmetric" in kind else values


@pytest.mark.parametrize("flow_kind", ["whole symmetric", "whole", "any"])
@pytest.mark.parametrize("distance_kind", ["whole symmetric", "whole", "symmetric any"])
def test_small_problems_have_the_least_cost_of_all_permutations(flow_kind: str, distance_kind: str) -> None:
    rng = np.random.default_rng(len(flow_kind) + 10 * len(distance_kind))
    for case in range(8):
        n, m = ((6, 6), (5, 6), (4, 6), (6, 6))[case % 4]
        fixed_F = np.full(n, FREE)
        if case % 2:
            fixed_F[rng.choice(n, 2, replace=False)] = rng.choice(m, 2, replace=False)
        linear_FL = rng.integers(0, 40, (n, m)).astype(float) if case >= 4 else None
        problem = AssignmentProblem(matrix(rng, n, flow_kind), matrix(rng, m, distance_kind), linear_FL, fixed_F)
        allowed = [p for p in map(np.array, permutations(range(m), n)) if ((fixed_F == FREE) | (p == fixed_F)).all()]
        found = assign(problem, SMALL, seed=case)
        assert found.cost == pytest.approx(min(map(problem.cost, allowed))), f"case {case}"
        assert found.cost == pytest.approx(problem.cost(found.location_F))
        assert ((fixed_F == FREE) | (found.location_F == fixed_F)).all()
        assert len(set(found.location_F.tolist())) == n


def test_one_or_all_fixed_facilities_are_no_search() -> None:
    one = AssignmentProblem(np.ones((1, 1)), np.array([[3.0, 9.0], [9.0, 2.0]]))
    assert assign(one, SMALL).cost == 2.0
    fixed = AssignmentProblem(np.ones((2, 2)), np.ones((2, 2)), fixed_F=np.array([1, 0]))
    assert assign(fixed, SMALL).location_F.tolist() == [1, 0]


def test_the_same_seed_gives_the_same_and_a_start_is_never_lost() -> None:
    rng = np.random.default_rng(5)
    problem = AssignmentProblem(matrix(rng, 30, "whole symmetric"), matrix(rng, 30, "whole symmetric"))
    one, two = (assign(problem, SMALL, seed=7) for _ in range(2))
    assert np.array_equal(one.location_F, two.location_F)
    again = assign(problem, AssignmentEffort(1, 1, 1), seed=8, start_F=one.location_F)
    assert again.cost <= one.cost


@pytest.mark.real_data
@pytest.mark.parametrize(
    ("name", "optimum"), [("nug12", 578), ("had20", 6922), ("bur26a", 5426670), ("els19", 17212548)]
)
def test_published_optima_are_found(name: str, optimum: int) -> None:
    words = (real_data.find("qap_slotting") / f"{name}.dat").read_text().split()
    n = int(words[0])
    flow, distance = np.array(words[1:], dtype=float).reshape(2, n, n)
    found = assign(AssignmentProblem(flow, distance), AssignmentEffort(iterations=100_000), seed=1)
    assert found.cost == optimum


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ((np.ones((2, 2)), np.ones((1, 1))), "at least 2 locations"),
        ((np.ones((2, 2)), np.full((2, 2), np.nan)), "finite"),
        ((np.ones((2, 2)), np.ones((2, 2)), None, np.array([0, 0])), "different locations"),
        ((np.ones((2, 2)), np.ones((2, 2)), np.ones((2, 3))), r"shape \(2, 2\)"),
    ],
)
def test_problems_that_cannot_be_say_why(arguments: tuple, words: str) -> None:
    with pytest.raises(ValueError, match=words):
        AssignmentProblem(*arguments)
