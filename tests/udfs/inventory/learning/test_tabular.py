"""Q-learning and Sarsa against the exact optimum of the same instances."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numba
import numpy as np
import pytest

from udfs.inventory.learning.q_learning import q_learning
from udfs.inventory.learning.sarsa import SARSA_SPEC, sarsa
from udfs.inventory.learning.tabular import TabularPolicy, TabularSpec, uniform
from udfs.inventory.theory.lost_sales.demand_pmf import geometric_pmf, poisson_pmf
from udfs.inventory.theory.lost_sales.order_table import state_digits
from udfs.inventory.theory.lost_sales.problem import LostSalesProblem
from udfs.inventory.theory.lost_sales.value_iteration import optimal_policy, policy_cost

_next = numba.njit(lambda stream: uniform(stream))
Learner = Callable[[LostSalesProblem, TabularSpec], TabularPolicy]
LEARNERS = [pytest.param(q_learning, TabularSpec(), id="q_learning"), pytest.param(sarsa, SARSA_SPEC, id="sarsa")]


@pytest.mark.parametrize(("learn", "spec"), LEARNERS)
def test_a_small_instance_is_learned_to_the_optimum(learn: Learner, spec: TabularSpec) -> None:
    problem = LostSalesProblem(poisson_pmf([1.0, 0.5]), 1.0, [4.0, 9.0], 1)
    learned = learn(problem, replace(spec, steps=1_000_000, seed=5))
    optimum_S = optimal_policy(problem).cost_S
    assert (policy_cost(problem, learned.policy.order_SX) <= 1.005 * optimum_S).all()
    assert learned.average_cost_S == pytest.approx(optimum_S, rel=0.1)
    assert (learned.tried_S > 0.95).all()


@pytest.mark.parametrize(("learn", "spec"), LEARNERS)
def test_zipkins_instances_of_two_periods_are_learned_within_three_per_cent(learn: Learner, spec: TabularSpec) -> None:
    for pmf_SN, shortage in ((poisson_pmf(5.0), 4.0), (geometric_pmf(5.0), 9.0)):
        problem = LostSalesProblem(pmf_SN, 1.0, shortage, 2)
        optimum = optimal_policy(problem).cost_S[0]
        learned = learn(problem, replace(spec, steps=4_000_000, seed=77))
        cost = policy_cost(problem, learned.policy.order_SX)[0]
        untrained = policy_cost(problem, learn(problem, replace(spec, steps=1)).policy.order_SX)[0]
        assert optimum - 1e-6 <= cost <= 1.03 * optimum < untrained


@pytest.mark.parametrize(("learn", "spec"), LEARNERS)
def test_a_series_learns_the_same_beside_others(learn: Learner, spec: TabularSpec) -> None:
    shortage_S = np.array([4.0, 19.0, 4.0])
    problem = LostSalesProblem(poisson_pmf([2.0, 3.0, 2.0]), 1.0, shortage_S, 1)
    quick = replace(spec, steps=20_000)
    together = learn(problem, quick)
    alone = learn(LostSalesProblem(poisson_pmf(2.0), 1.0, 4.0, 1), quick)
    n_states = alone.policy.order_SX.shape[1]
    for row in (0, 2):
        assert (together.policy.order_SX[row, :n_states] == alone.policy.order_SX[0]).all()
        assert together.average_cost_S[row] == alone.average_cost_S[0]
    seeded = learn(problem, replace(quick, seed=[0, 0, 1]))
    assert seeded.average_cost_S[0] == together.average_cost_S[0]
    assert seeded.average_cost_S[2] != together.average_cost_S[2]


def test_what_was_never_tried_is_ordered_like_base_stock() -> None:
    problem = LostSalesProblem(poisson_pmf(3.0), 1.0, 9.0, 2)
    learned = q_learning(problem, TabularSpec(steps=1, order_cap=4))
    level = int(problem.backorder_level()[0])
    expected_X = np.clip(level - state_digits(problem, 0).sum(1), 0, 4)
    assert (learned.policy.order_SX[0] == expected_X).all()
    assert learned.tried_S[0] == 0.0


def test_the_two_learn_different_tables() -> None:
    """While it explores, Sarsa's average cost is that of its own mistakes; both see the same demand."""
    problem = LostSalesProblem(poisson_pmf(5.0), 1.0, 39.0, 1)
    spec = TabularSpec(steps=200_000, first_exploration=0.5, last_exploration=0.5)
    assert sarsa(problem, spec).average_cost_S[0] > 1.05 * q_learning(problem, spec).average_cost_S[0]


def test_the_stream_is_uniform_and_seeded() -> None:
    streams = [np.array([seed], dtype=np.uint64) for seed in (0, 0, 1)]
    drawn = np.array([[_next(stream) for _ in range(20_000)] for stream in streams])
    assert (drawn[0] == drawn[1]).all()
    assert abs(np.corrcoef(drawn[0], drawn[2])[0, 1]) < 0.03
    assert ((drawn >= 0.0) & (drawn < 1.0)).all()
    counts = np.histogram(drawn[0], bins=50, range=(0.0, 1.0))[0]
    assert ((counts - 400.0) ** 2 / 400.0).sum() < 90.0  # chi-square of 49 degrees of freedom: one in 3,000


@pytest.mark.parametrize(
    ("name", "value", "message"),
    [
        ("steps", 0, "steps: expected a whole number >= 1, found 0"),
        ("steps", 1.5, "steps: expected a whole number"),
        ("steps", float("inf"), "steps: expected a whole number >= 1, found inf"),
        ("first_exploration", 1.1, "first_exploration: expected a probability"),
        ("last_exploration", 0.4, "last_exploration: expected 0 to first_exploration 0.3, found"),
        ("last_exploration", -0.1, "last_exploration: expected 0 to first_exploration 0.3, found"),
        ("rate_power", 0.5, "rate_power: expected above .5"),
        ("rate_power", float("nan"), "rate_power: expected above .5"),
        ("average_rate", 0.0, "average_rate: expected above 0"),
        ("least_visits", 0, "least_visits: expected a whole number >= 1"),
        ("least_visits", float("inf"), "least_visits: expected a whole number >= 1, found inf"),
        ("order_cap", 0, "order_cap: expected whole units >= 1, or None"),
        ("order_cap", 2.5, "order_cap: expected whole units >= 1, or None, found 2.5"),
        ("seed", -1, "seed: expected whole numbers >= 0"),
        ("seed", 0.5, "seed: expected whole numbers >= 0"),
    ],
)
def test_bad_settings_are_refused(name: str, value: Any, message: str) -> None:
    with pytest.raises(ValueError, match=message.replace(".5", r"\.5")):
        TabularSpec(**{name: value})


def test_a_table_too_large_to_be_learned_is_refused() -> None:
    problem = LostSalesProblem(poisson_pmf([1.0, 1.0]), 1.0, 4.0, 3, position_cap_S=[10, 200])
    with pytest.raises(ValueError, match=r"expected at most 1000000 entries of states by orders, found \d+ in row 1"):
        q_learning(problem, TabularSpec(steps=1))
    with pytest.raises(ValueError, match=r"seed: expected a number or \[2\], found shape \(3,\)"):
        q_learning(LostSalesProblem(poisson_pmf([1.0, 1.0]), 1.0, 4.0, 1), TabularSpec(steps=1, seed=[1, 2, 3]))
