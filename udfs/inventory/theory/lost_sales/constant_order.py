"""The best constant order of the lost-sales problem: the same quantity each period, whatever the stock."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import numpy as np

from udfs.inventory.demand_distribution import FloatArray
from udfs.inventory.theory.lost_sales.problem import IntArray, LostSalesProblem

_MAX_STOCK: Final = 2_000  # units
_TAIL: Final = 1e-10


@dataclass(frozen=True)
class ConstantOrder:
    """quantity_S: units per period, [S], below mean demand. cost_S: long-run cost per period, currency, [S]."""

    quantity_S: IntArray
    cost_S: FloatArray


def best_constant_order(problem: LostSalesProblem) -> ConstantOrder:
    """The cheapest whole number of units to order in every period.

    The stock after each demand is a random walk (stock + q - demand)+ like the waiting time of a queue, and
    mean demand - q is lost; the cost does not depend on the lead time (Reiman 2004; Xin & Goldberg 2016). Where even
    one unit per period exceeds what pays, the answer is 0 and all demand is lost.

    >>> from udfs.inventory.theory.lost_sales.demand_pmf import geometric_pmf
    >>> best = best_constant_order(LostSalesProblem(geometric_pmf(5.0), 1.0, 4.0, lead_time=2))
    >>> best.quantity_S.tolist(), best.cost_S.round(2).tolist()  # Zipkin (2008), table 2
    ([3], [11.0])
    """
    problem.refuse_order_cost("a constant order")
    quantity_S, cost_S = np.zeros(problem.n_series, dtype=np.int64), np.empty(problem.n_series)
    for row, mean in enumerate(problem.mean_S):
        # Stock is convex and shortage linear in the order: the cheapest is the last before the cost rises.
        least, most = 0, max(int(np.ceil(mean)) - 1, 0)
        while least < most:
            middle = (least + most) // 2
            if _cost(problem, row, middle + 1) < _cost(problem, row, middle):
                least = middle + 1
            else:
                most = middle
        quantity_S[row], cost_S[row] = least, _cost(problem, row, least)
    return ConstantOrder(quantity_S, cost_S)


def _cost(problem: LostSalesProblem, row: int, quantity: int) -> float:
    stock = _mean_stock(problem.pmf_SN[row], quantity) if quantity else 0.0
    lost = problem.mean_S[row] - quantity
    return float(problem.holding_cost_S[row] * stock + problem.shortage_cost_S[row] * lost)


def _mean_stock(pmf_N: FloatArray, quantity: int) -> float:
    """Mean units on hand at the end of a period with `quantity` ordered in each."""
    n_units = 4 * (quantity + len(pmf_N))
    while n_units <= max(_MAX_STOCK, 8 * len(pmf_N)):
        share_W = _stationary(pmf_N, quantity, n_units)
        if share_W[-quantity:].sum() < _TAIL:
            return float(share_W @ np.arange(n_units))
        n_units *= 2
    return np.inf  # so close to the mean demand that the stock is beyond any that could pay


def _stationary(pmf_N: FloatArray, quantity: int, n_units: int) -> FloatArray:
    """The distribution of the stock after the demand, cut off at `n_units`."""
    next_WW = np.zeros((n_units, n_units))
    left_W = np.arange(n_units)
    for demand, chance in enumerate(pmf_N):
        next_WW[left_W, np.clip(left_W + quantity - demand, 0, n_units - 1)] += chance
    balance_WW = next_WW.T - np.eye(n_units)
    balance_WW[-1] = 1.0  # one balance equation follows from the others; the shares sum to 1
    return np.linalg.solve(balance_WW, np.eye(n_units)[-1])
