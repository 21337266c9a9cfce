"""The compiled steps that value iteration, policy evaluation and the level searches share, for one series."""

from __future__ import annotations

from typing import Final

import numba
import numpy as np

from udfs.inventory.demand_distribution import FloatArray
from udfs.inventory.theory.lost_sales.problem import IntArray
from udfs.inventory.theory.lost_sales.states import States, sold_out

STEP: Final = 0.95
"""Share of each update that is taken. Below 1 it keeps a periodic chain from oscillating (Puterman 1994, 8.5.4)."""

MAX_SWEEPS: Final = 100_000


@numba.njit(cache=True, nogil=True, error_model="numpy")
def stage_costs(pmf_N: FloatArray, mean: float, holding_cost: float, shortage_cost: float, cap: int) -> FloatArray:
    """Expected cost of a period by the units that can be sold in it, and P(demand >= those units); (2, cap + 1)."""
    cost_2B = np.empty((2, cap + 1))
    left, at_least = 0.0, 1.0  # E[(x - d)+] and P(d >= x) at x = 0
    for x in range(cap + 1):
        cost_2B[0, x] = holding_cost * left + shortage_cost * (mean - x + left)
        cost_2B[1, x] = max(at_least, 0.0)
        if x < len(pmf_N):
            at_least -= pmf_N[x]
        left += 1.0 - max(at_least, 0.0)
    return cost_2B


@numba.njit(cache=True, nogil=True, error_model="numpy", inline="always")
def expected_value(value_X: FloatArray, after: int, sellable: int, pmf_N: FloatArray, at_least: float) -> float:
    """E[value of the next state]; `after` is the next state of a period that sells out."""
    total = at_least * value_X[after]
    for demand in range(min(sellable, len(pmf_N))):
        total += pmf_N[demand] * value_X[after + sellable - demand]
    return total


@numba.njit(cache=True, nogil=True, error_model="numpy")
def reachable_states(order_X: IntArray, pmf_N: FloatArray, states: States) -> IntArray:
    """The states that a policy can come to from an empty stock, in the order in which they are found."""
    is_found_X = np.zeros(len(states.block_X), dtype=np.bool_)
    found_X = np.empty(len(states.block_X), dtype=np.int64)
    found_X[0], is_found_X[0], n_found, k = 0, True, 1, 0
    while k < n_found:
        state = found_X[k]
        k += 1
        block = states.block_X[state]
        sellable, after = state - states.start_Y[block], sold_out(states, block, order_X[state])
        at_least = 1.0
        for demand in range(sellable + 1):
            chance = at_least if demand == sellable else (pmf_N[demand] if demand < len(pmf_N) else 0.0)
            at_least -= chance
            if chance > 1e-15 and not is_found_X[after + sellable - demand]:
                is_found_X[after + sellable - demand] = True
                found_X[n_found] = after + sellable - demand
                n_found += 1
    return found_X[:n_found]


@numba.njit(cache=True, nogil=True, error_model="numpy")
def average_cost(
    order_X: IntArray,
    pmf_N: FloatArray,
    cost_2B: FloatArray,
    order_cost: float,
    states: States,
    tolerance: float,
    value_X: FloatArray,
) -> float:
    """Long-run cost per period of a policy that starts empty, to within `tolerance`; NaN where it does not settle.

    `value_X` is room for the values, kept between calls: the values of one policy are a good start for the next.
    """
    found_K = reachable_states(order_X, pmf_N, states)
    change_K = np.empty(len(found_K))
    for _ in range(MAX_SWEEPS):
        least, most = np.inf, -np.inf
        for k in range(len(found_K)):
            state = found_K[k]
            block, order = states.block_X[state], order_X[state]
            sellable, after = state - states.start_Y[block], sold_out(states, block, order)
            expected = expected_value(value_X, after, sellable, pmf_N, cost_2B[1, sellable])
            paid = cost_2B[0, sellable] + (order_cost if order > 0 else 0.0)
            change_K[k] = paid + expected - value_X[state]
            least, most = min(least, change_K[k]), max(most, change_K[k])
        if most - least <= tolerance:
            return 0.5 * (least + most)
        middle = 0.5 * (least + most)
        for k in range(len(found_K)):
            value_X[found_K[k]] += STEP * (change_K[k] - middle)
    return np.nan
