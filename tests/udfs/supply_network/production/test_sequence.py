"""Sequences: the best of all permutations, a published travelling salesman, and what bad matrices are told."""

from __future__ import annotations

import itertools
from collections.abc import Iterator

import numpy as np
import pytest

from udfs.supply_network.production.lot_sequence import SequenceProblem, by_due_date, timed
from udfs.supply_network.production.sequence_model import best_sequence

# TSPLIB's br17, an asymmetric travelling salesman of 17 cities: the shortest tour is 39.
BR17 = """
0 3 5 48 48 8 8 5 5 3 3 0 3 5 8 8 5
3 0 3 48 48 8 8 5 5 0 0 3 0 3 8 8 5
5 3 0 72 72 48 48 24 24 3 3 5 3 0 48 48 24
48 48 74 0 0 6 6 12 12 48 48 48 48 74 6 6 12
48 48 74 0 0 6 6 12 12 48 48 48 48 74 6 6 12
8 8 50 6 6 0 0 8 8 8 8 8 8 50 0 0 8
8 8 50 6 6 0 0 8 8 8 8 8 8 50 0 0 8
5 5 26 12 12 8 8 0 0 5 5 5 5 26 8 8 0
5 5 26 12 12 8 8 0 0 5 5 5 5 26 8 8 0
3 0 3 48 48 8 8 5 5 0 0 3 0 3 8 8 5
3 0 3 48 48 8 8 5 5 0 0 3 0 3 8 8 5
0 3 5 48 48 8 8 5 5 3 3 0 3 5 8 8 5
3 0 3 48 48 8 8 5 5 0 0 3 0 3 8 8 5
5 3 0 72 72 48 48 24 24 3 3 5 3 0 48 48 24
8 8 50 6 6 0 0 8 8 8 8 8 8 50 0 0 8
8 8 50 6 6 0 0 8 8 8 8 8 8 50 0 0 8
5 5 26 12 12 8 8 0 0 5 5 5 5 26 8 8 0
"""


def problem_of(rng: np.random.Generator, lots_T: tuple[int, ...]) -> SequenceProblem:
    """Numbers that CP-SAT's whole ones are equal to; an item that goes on in the next period needs no set-up."""
    period_J = np.repeat(np.arange(len(lots_T)), lots_T)
    n = len(period_J)
    item_J = np.concatenate([rng.permutation(max(lots_T) + 1)[:lots] for lots in lots_T])
    setup_KJ = rng.integers(0, 9, (n + 1, n)) / 4.0
    setup_KJ[:n][item_J[:, None] == item_J[None, :]] = 0.0
    before_JJ = np.triu(rng.random((n, n)) < 0.15, 1) & (period_J[:, None] == period_J[None, :])
    return SequenceProblem(
        period_J=period_J,
        run_J=rng.integers(1, 12, n) / 4.0,
        due_J=np.where(rng.random(n) < 0.7, rng.integers(0, 40, n) / 4.0, np.inf),
        weight_J=np.where(np.arange(n) == 0, 10.0, rng.integers(0, 11, n)),
        release_J=np.where(rng.random(n) < 0.2, rng.integers(0, 30, n) / 4.0, 0.0),
        before_JJ=before_JJ,
        setup_KJ=setup_KJ,
        cost_KJ=rng.integers(0, 20, (n + 1, n)) / 2.0,
        limit_T=rng.integers(4, 40, len(lots_T)) / 4.0,
        is_cost_first=bool(rng.random() < 0.5),
    )


def all_orders(problem: SequenceProblem) -> Iterator[tuple[int, ...]]:
    periods = [np.flatnonzero(problem.period_J == period).tolist() for period in np.unique(problem.period_J)]
    for parts in itertools.product(*map(itertools.permutations, periods)):
        order = tuple(itertools.chain(*parts))
        place_J = np.argsort(order)
        if not (problem.before_JJ & (place_J[:, None] > place_J[None, :])).any():
            yield order


def least_by_hand(problem: SequenceProblem) -> tuple[float, ...]:
    """The aims of every order, added up lot by lot on their own."""
    best: tuple[float, ...] = (np.inf,)
    for order in all_orders(problem):
        over, hours, cost, late, last, clock = np.zeros(len(problem.limit_T)), 0.0, 0.0, 0.0, len(order), 0.0
        for lot in order:
            period = problem.period_J[lot]
            clock = 0.0 if last == len(order) or problem.period_J[last] != period else clock
            clock = max(clock + problem.setup_KJ[last, lot], problem.release_J[lot]) + problem.run_J[lot]
            hours, cost = hours + problem.setup_KJ[last, lot], cost + problem.cost_KJ[last, lot]
            late += problem.weight_J[lot] * max(clock - problem.due_J[lot], 0.0)
            over[period], last = max(over[period], clock - problem.limit_T[period]), lot
        best = min(best, (over.sum(), *((cost, hours) if problem.is_cost_first else (hours,)), late))
    return best


@pytest.mark.parametrize("block", range(4))
def test_a_sequence_is_the_best_of_all_orders(block: int) -> None:
    pytest.importorskip("ortools")
    shapes = ((1,), (4,), (5, 1), (3, 3), (2, 0, 3), (2, 2, 2), (6,), (4, 2))
    for seed in range(25 * block, 25 * block + 25):
        problem = problem_of(np.random.default_rng(seed), shapes[seed % len(shapes)])
        found = best_sequence(problem, 10.0)
        assert tuple(found.order_J) in set(all_orders(problem))
        assert found.gap == 0.0
        assert found.aims() == pytest.approx(least_by_hand(problem), abs=0.01), f"case {seed}"


def salesman(setup: np.ndarray) -> SequenceProblem:
    """A tour from the first city and back: what goes on over periods closes it."""
    n = len(setup)
    city_J = np.r_[0, np.arange(1, n), 0]
    return SequenceProblem(
        period_J=np.r_[0, np.full(n - 1, 1), 2],
        run_J=np.ones(n + 1),
        due_J=np.full(n + 1, np.inf),
        weight_J=np.ones(n + 1),
        release_J=np.zeros(n + 1),
        before_JJ=np.zeros((n + 1, n + 1), dtype=bool),
        setup_KJ=np.vstack([setup[np.ix_(city_J, city_J)], np.zeros(n + 1)]),
        cost_KJ=np.zeros((n + 2, n + 1)),
        limit_T=np.full(3, 1000.0),
    )


def test_a_published_tour_is_found_and_proven_and_the_same_again() -> None:
    pytest.importorskip("ortools")
    problem = salesman(np.array([[float(word) for word in line.split()] for line in BR17.split("\n") if line]))
    found, again = (best_sequence(problem, 20.0) for _ in range(2))
    assert found.setup_hours.sum() == 39.0
    assert found.gap == 0.0
    assert np.array_equal(found.order_J, again.order_J)


def test_out_of_work_the_best_sequence_is_kept_with_its_gap() -> None:
    pytest.importorskip("ortools")
    problem = salesman(np.random.default_rng(0).uniform(0, 9, (30, 30)).round(2))
    short, long = (best_sequence(problem, work) for work in (0.01, 2.0))
    assert short.gap is not None
    assert short.gap > 0
    assert long.setup_hours.sum() <= short.setup_hours.sum() <= by_due_date(problem).setup_hours.sum()
    assert short.setup_hours.sum() * (1 - short.gap) <= long.setup_hours.sum() + 1e-6


def test_by_due_date_a_component_comes_before_what_it_goes_into() -> None:
    problem = problem_of(np.random.default_rng(3), (6,))
    order = by_due_date(problem).order_J.tolist()
    first, then = (int(lot) for lot in np.argwhere(problem.before_JJ)[0])
    assert order.index(first) < order.index(then)
    free = SequenceProblem(**{**vars(problem), "before_JJ": np.zeros((6, 6), bool), "release_J": np.zeros(6)})
    assert np.array_equal(problem.due_J[by_due_date(free).order_J], np.sort(problem.due_J))
    assert timed(free, by_due_date(free).order_J).aims() == by_due_date(free).aims()
