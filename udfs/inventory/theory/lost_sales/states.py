"""The states of the lost-sales problem, numbered without gaps.

A state (x_0, ..., x_{L-1}) belongs to the block of its orders on the way, (x_1, ..., x_{L-1}); within a block states
follow x_0, so that what demand can leave of a stock are neighbours. Blocks are in the order of their sums
v_l = x_l + ... + x_{L-1}, v_1 first: with C(n, k) the binomial coefficient, a block's number is the sum over l of
C(v_l + L - 1 - l, L - l) (the combinatorial number system; Knuth 2011, TAOCP 4A, section 7.2.1.3).
"""

from __future__ import annotations

import math
from typing import Any, NamedTuple

import numba
import numpy as np

from udfs.inventory.demand_distribution import BoolArray
from udfs.inventory.theory.lost_sales.problem import IntArray


class States(NamedTuple):
    """The states of one series with Y blocks and X states.

    start_Y: the number of a block's first state, x_0 = 0; one more entry ends the last. ahead_YL: v_1 .. v_{L-1} and
    v_L = 0, units. block_X, position_X: a state's block and its position, units. rank_LB: what v_l adds to a block's
    number, by l - 1 and v_l.
    """

    start_Y: Any
    ahead_YL: Any
    block_X: Any
    position_X: Any
    rank_LB: Any


@numba.njit(cache=True, nogil=True, error_model="numpy")
def number_states(cap: int, lead_time: int) -> States:
    """Every state whose position is at most `cap`, of a lead time of L periods."""
    rank_LB = np.ones((lead_time, cap + 2), dtype=np.int64)
    for at in range(lead_time - 2, -1, -1):
        rank_LB[at, 0] = 0
        for v in range(1, cap + 2):
            rank_LB[at, v] = rank_LB[at, v - 1] + rank_LB[at + 1, v]
    n_blocks = rank_LB[0, cap + 1]
    ahead_YL = np.zeros((n_blocks, lead_time), dtype=np.int64)
    start_Y = np.zeros(n_blocks + 1, dtype=np.int64)
    for y in range(n_blocks):
        start_Y[y + 1] = start_Y[y] + cap + 1 - ahead_YL[y, 0]
        if y + 1 < n_blocks:
            ahead_YL[y + 1] = ahead_YL[y]
            at = lead_time - 2
            while at > 0 and ahead_YL[y, at] == ahead_YL[y, at - 1]:
                ahead_YL[y + 1, at] = 0
                at -= 1
            ahead_YL[y + 1, at] += 1
    block_X, position_X = np.empty(start_Y[-1], dtype=np.int32), np.empty(start_Y[-1], dtype=np.int64)
    for y in range(n_blocks):
        for x in range(start_Y[y + 1] - start_Y[y]):
            block_X[start_Y[y] + x] = y
            position_X[start_Y[y] + x] = ahead_YL[y, 0] + x
    return States(start_Y, ahead_YL, block_X, position_X, rank_LB)


@numba.njit(cache=True, nogil=True, error_model="numpy", inline="always")
def sold_out(states: States, block: int, order: int) -> int:
    """The state after a period that sells out, from any state of a block; each unit left is one state further."""
    ahead_YL, lead_time = states.ahead_YL, states.ahead_YL.shape[1]
    if lead_time == 1:
        return order
    after = 0
    for at in range(lead_time - 1):
        after += states.rank_LB[at, ahead_YL[block, at + 1] + order]
    return states.start_Y[after] + ahead_YL[block, 0] - ahead_YL[block, 1]


def state_number(stock_KL: IntArray, cap_K: IntArray) -> tuple[IntArray, BoolArray]:
    """The number of each state (x_0, ..., x_{L-1}), whole units >= 0, of series with the caps; whether there is one.

    The number is 0 where the position exceeds the cap.
    """
    lead_time = stock_KL.shape[-1]
    ahead_KL = np.cumsum(stock_KL[..., ::-1], axis=-1)[..., ::-1]
    is_known_K = ahead_KL[..., 0] <= cap_K
    if lead_time == 1:
        return np.where(is_known_K, stock_KL[..., 0], 0), is_known_K
    ahead_KL = np.where(is_known_K[..., None], ahead_KL, 0)
    most_K = ahead_KL[..., 1]
    block_K = sum(_multisets(ahead_KL[..., at], lead_time - at) for at in range(1, lead_time))
    among_K = block_K - _multisets(most_K, lead_time - 1)
    # Blocks hold cap + 1 - v_1 states: the sum of v_1 over the blocks before has a closed form as well.
    before_K = (lead_time - 1) * _multisets(most_K - 1, lead_time) + most_K * among_K
    return block_K * (cap_K + 1) - before_K + ahead_KL[..., 0] - most_K, is_known_K


def _multisets(n_K: IntArray, size: int) -> IntArray:
    """C(n + size - 1, size): the multisets of n kinds."""
    product_K = np.ones_like(n_K)
    for k in range(size):
        product_K = product_K * (n_K + k)
    return product_K // math.factorial(size)
