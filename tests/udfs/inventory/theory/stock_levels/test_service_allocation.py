"""Marginal analysis against enumeration and against an integer programme."""

from __future__ import annotations

import itertools

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.optimize import Bounds, LinearConstraint, milp

from udfs.inventory.theory.stock_levels.service_allocation import allocate_service


def picked(array_SG: np.ndarray, choice_SB: np.ndarray) -> np.ndarray:
    return np.take_along_axis(array_SG, choice_SB, 1).sum(0)


def best_by_milp(value_SG: np.ndarray, cost_SG: np.ndarray, budget: float) -> float:
    """The optimum of the multiple-choice knapsack, to the tolerance of the solver, about 1e-7."""
    n_series, n_choices = value_SG.shape
    one_each = np.kron(np.eye(n_series), np.ones(n_choices))
    found = milp(
        -value_SG.ravel(),
        constraints=[LinearConstraint(one_each, 1, 1), LinearConstraint(cost_SG.ravel()[None, :], -np.inf, budget)],
        integrality=np.ones(value_SG.size),
        bounds=Bounds(0, 1),
    )
    return float(-found.fun)


@pytest.mark.parametrize("seed", range(8))
def test_what_was_spent_bought_the_optimum_of_that_budget(seed: int) -> None:
    rng = np.random.default_rng(seed)
    value_SG, cost_SG = rng.random((6, 5)), rng.random((6, 5))
    budgets = np.linspace(cost_SG.min(1).sum(), cost_SG.max(1).sum(), 7)
    choice_SB = allocate_service(value_SG, cost_SG, budgets)
    spent_B = picked(cost_SG, choice_SB)
    assert (spent_B <= budgets + 1e-12).all()
    for bought, spent in zip(picked(value_SG, choice_SB), spent_B, strict=True):
        assert bought == pytest.approx(best_by_milp(value_SG, cost_SG, spent + 1e-9), abs=1e-6)


@settings(max_examples=60, deadline=None)
@given(
    st.lists(st.lists(st.tuples(st.integers(0, 6), st.integers(0, 6)), min_size=3, max_size=3), min_size=1, max_size=4)
)
def test_whole_numbers_and_ties_agree_with_enumeration(choices: list[list[tuple[int, int]]]) -> None:
    table = np.array(choices, dtype=np.float64)
    value_SG, cost_SG = table[..., 0], table[..., 1]
    budgets = np.arange(cost_SG.min(1).sum(), cost_SG.max(1).sum() + 1)
    choice_SB = allocate_service(value_SG, cost_SG, budgets)
    every = list(itertools.product(range(3), repeat=len(table)))
    rows = np.arange(len(table))
    outcome = [(cost_SG[rows, list(e)].sum(), value_SG[rows, list(e)].sum()) for e in every]
    for budget, spent, bought in zip(budgets, picked(cost_SG, choice_SB), picked(value_SG, choice_SB), strict=True):
        assert spent <= budget
        assert bought == max(value for cost, value in outcome if cost <= spent)


def test_a_large_budget_buys_the_best_choice_of_each_series_at_its_least_cost() -> None:
    value_SG = np.array([[0.2, 0.9, 0.9, 0.5]])
    cost_SG = np.array([[0.0, 3.0, 2.0, 9.0]])
    assert allocate_service(value_SG, cost_SG, 1e9).tolist() == [[2]]


def test_a_budget_of_just_the_cheapest_choices_takes_them() -> None:
    cost_SG = np.array([[0.1, 0.3], [0.2, 0.4]])
    assert allocate_service(cost_SG, cost_SG, 0.1 + 0.2).tolist() == [[0], [0]]


@pytest.mark.parametrize(
    ("value_SG", "cost_SG", "budget", "message"),
    [
        (np.zeros((2, 2)), np.zeros((2, 3)), 1.0, "one shape"),
        (np.zeros((2, 0)), np.zeros((2, 0)), 1.0, "one shape"),
        (
            np.array([[0.0, np.nan]]),
            np.zeros((1, 2)),
            1.0,
            "value: expected finite numbers, found nan in row 0, choice 1",
        ),
        (np.zeros((1, 2)), np.array([[np.inf, 0.0]]), 1.0, "cost: expected finite"),
        (np.zeros((1, 2)), np.ones((1, 2)), 0.5, "budget: expected at least the cheapest choices' cost, 1"),
        (np.zeros((1, 2)), np.ones((1, 2)), np.nan, "budget"),
    ],
)
def test_what_makes_no_sense_is_refused(value_SG: np.ndarray, cost_SG: np.ndarray, budget: float, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        allocate_service(value_SG, cost_SG, budget)
