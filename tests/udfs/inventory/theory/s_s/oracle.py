"""(s, S) by other means: the Markov chain of the stock position, solved as linear equations, and plain enumeration."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray


def period_cost(y: int, pmf_N: NDArray, periods: int, holding: float, backorder: float) -> float:
    """E[h (y - D)+ + p (D - y)+] with D the demand of so many periods."""
    total_N = np.ones(1)
    for _ in range(periods):
        total_N = np.convolve(total_N, pmf_N)
    gap_N = y - np.arange(len(total_N))
    return float((total_N * (holding * np.maximum(gap_N, 0) + backorder * np.maximum(-gap_N, 0))).sum())


def chain_cost(
    s: int, S: int, pmf_N: NDArray, fixed: float, holding: float, backorder: float, lead_time: int = 0
) -> float:
    """Average cost per period from the stationary distribution of the position after ordering."""
    n = S - s
    move_YY = np.zeros((n, n))
    orders_Y = np.zeros(n)
    for i in range(n):  # position S - i
        for d, chance in enumerate(pmf_N):
            if i + d < n:
                move_YY[i, i + d] += chance
            else:
                move_YY[i, 0] += chance
                orders_Y[i] += chance
    equations = np.vstack([move_YY.T - np.eye(n), np.ones(n)])
    share_Y = np.linalg.lstsq(equations, np.append(np.zeros(n), 1.0), rcond=None)[0]
    cost_Y = np.array([period_cost(S - i, pmf_N, lead_time + 1, holding, backorder) for i in range(n)])
    return float(share_Y @ cost_Y + fixed * (share_Y @ orders_Y))


def best_by_enumeration(
    pmf_N: NDArray, fixed: float, holding: float, backorder: float, lead_time: int, lowest: int, highest: int
) -> tuple[float, int, int]:
    """(cost, s, S) of the best pair with lowest <= s < S <= highest."""
    return min(
        (chain_cost(s, S, pmf_N, fixed, holding, backorder, lead_time), s, S)
        for s in range(lowest, highest)
        for S in range(s + 1, highest + 1)
    )
