"""Lost sales by plain linear algebra and linear programming, state by state as the problem is told."""

from __future__ import annotations

import itertools

import numpy as np
from scipy.optimize import linprog

State = tuple[int, ...]


def states(cap: int, lead_time: int) -> list[State]:
    return [x for x in itertools.product(range(cap + 1), repeat=lead_time) if sum(x) <= cap]


def next_state(state: State, order: int, demand: int) -> State:
    pipeline = [*state[1:], order]
    pipeline[0] += max(state[0] - demand, 0)
    return tuple(pipeline)


def period_cost(state: State, pmf_N: np.ndarray, holding: float, shortage: float) -> float:
    left = np.maximum(state[0] - np.arange(len(pmf_N)), 0)
    short = np.maximum(np.arange(len(pmf_N)) - state[0], 0)
    return float(pmf_N @ (holding * left + shortage * short))


def least_cost(
    pmf_N: np.ndarray, holding: float, shortage: float, cap: int, lead_time: int, order_cost: float = 0.0
) -> float:
    """The optimum over all policies, randomised ones included, as a linear programme over state-order frequencies."""
    known = states(cap, lead_time)
    number = {state: k for k, state in enumerate(known)}
    pairs = [(state, order) for state in known for order in range(cap - sum(state) + 1)]
    balance = np.zeros((len(known) + 1, len(pairs)))
    for k, (state, order) in enumerate(pairs):
        balance[number[state], k] += 1.0
        for demand, chance in enumerate(pmf_N):
            balance[number[next_state(state, order, demand)], k] -= chance
    balance[-1] = 1.0
    cost = [period_cost(state, pmf_N, holding, shortage) + order_cost * (order > 0) for state, order in pairs]
    found = linprog(cost, A_eq=balance, b_eq=np.eye(len(known) + 1)[-1], bounds=(0, None))
    assert found.status == 0
    return float(found.fun)


def cost_of(order: dict[State, int], pmf_N: np.ndarray, holding: float, shortage: float, lead_time: int) -> float:
    """The long-run cost of a policy from an empty stock, from a long average of powers of its transition matrix."""
    known = list(order)
    number = {state: k for k, state in enumerate(known)}
    chance_XX = np.zeros((len(known), len(known)))
    for state in known:
        for demand, chance in enumerate(pmf_N):
            chance_XX[number[state], number[next_state(state, order[state], demand)]] += chance
    mean_XX = (chance_XX + np.eye(len(known))) / 2.0  # a lazy chain has the same long run and no period
    share_X = np.linalg.matrix_power(mean_XX, 1 << 30)[number[(0,) * lead_time]]
    return float(share_X @ [period_cost(state, pmf_N, holding, shortage) for state in known]) / share_X.sum()
