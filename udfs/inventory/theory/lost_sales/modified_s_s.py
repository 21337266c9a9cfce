"""The best (s, S) policy of the lost-sales problem with a cost per order, and the best with a cap on the order.

A lost-sales system with orders on the way should not answer a low position by one large order: its stock on arrival
hardly depends on what is ordered beyond the demand of some periods. The modified policy (s, S, q) orders
min(S - position, q) at or below s; on average it costs .33% more than the optimum where (s, S) costs 1.38% more
(Bijvank, Bhulai & Huh 2015, "Parametric replenishment policies for inventory systems with lost sales and fixed order
cost", EJOR 241).
"""

from __future__ import annotations

from dataclasses import dataclass

import numba
import numpy as np

from udfs.inventory.demand_distribution import FloatArray
from udfs.inventory.theory.lost_sales.chain import average_cost, stage_costs
from udfs.inventory.theory.lost_sales.level_search import SEARCH_TOLERANCE
from udfs.inventory.theory.lost_sales.order_table import OrderTable
from udfs.inventory.theory.lost_sales.problem import IntArray, LostSalesProblem
from udfs.inventory.theory.lost_sales.states import number_states
from udfs.series.series_threads import over_series


@dataclass(frozen=True)
class ReorderPointCost:
    """The policy that orders min(level - position, cap) where the position is at most the reorder point.

    reorder_point_S: s, units, [S]; -1 never orders. level_S, cap_S: S and q, units, [S]. cost_S: long-run cost per
    period, currency, [S].
    """

    reorder_point_S: IntArray
    level_S: IntArray
    cap_S: IntArray
    cost_S: FloatArray
    policy: OrderTable


def best_s_s(problem: LostSalesProblem) -> ReorderPointCost:
    """The cheapest (s, S) with S up to the position cap, each evaluated exactly; its cap is the position cap.

    >>> from udfs.inventory.theory.lost_sales.demand_pmf import poisson_pmf
    >>> best = best_s_s(LostSalesProblem(poisson_pmf(2.0), 1.0, 19.0, lead_time=2, order_cost_S=10.0))
    >>> best.reorder_point_S.tolist(), best.level_S.tolist(), best.cost_S.round(2).tolist()
    ([7], [13], [9.26])
    """
    return _found(problem, with_cap=False)


def best_modified_s_s(problem: LostSalesProblem) -> ReorderPointCost:
    """The cheapest (s, S, q) that a search finds, its cost exact and never above that of the best (s, S).

    For every q, from the largest down, s and S move to cheaper neighbours until there is none, from where they were
    best for the q before.

    >>> from udfs.inventory.theory.lost_sales.demand_pmf import poisson_pmf
    >>> best = best_modified_s_s(LostSalesProblem(poisson_pmf(2.0), 1.0, 19.0, lead_time=2, order_cost_S=10.0))
    >>> best.reorder_point_S.tolist(), best.level_S.tolist(), best.cap_S.tolist(), best.cost_S.round(2).tolist()
    ([7], [14], [9], [9.25])
    """
    return _found(problem, with_cap=True)


def _found(problem: LostSalesProblem, with_cap: bool) -> ReorderPointCost:
    cost_S, best_S3 = np.empty(problem.n_series), np.zeros((problem.n_series, 3), dtype=np.int64)
    order_SX = np.zeros((problem.n_series, problem.n_states), dtype=np.int64)

    def kernel(start: int, stop: int) -> None:
        part = slice(start, stop)
        found = (cost_S[part], best_S3[part], order_SX[part])
        _search(*found, problem.arrays(start, stop), problem.order_cost_S[part], problem.lead_time, with_cap)

    over_series(kernel, problem.n_series)
    policy = OrderTable(order_SX, problem.position_cap_S, problem.lead_time)
    point_S, level_S, cap_S = best_S3.T.copy()
    return ReorderPointCost(point_S, level_S, cap_S, cost_S, policy)


@numba.njit(cache=True, nogil=True, error_model="numpy")
def _search(cost_S, best_S3, order_SX, terms, fixed_S, lead_time, with_cap):  # type: ignore[no-untyped-def]
    pmf_SN, mean_S, holding_S, shortage_S, most_S = terms
    for row in range(len(cost_S)):
        most, best_3 = most_S[row], best_S3[row]
        states = number_states(most, lead_time)
        cost_2B = stage_costs(pmf_SN[row], mean_S[row], holding_S[row], shortage_S[row], most)
        tolerance = SEARCH_TOLERANCE * (holding_S[row] + shortage_S[row])
        order_X, value_X = order_SX[row, : len(states.block_X)], np.zeros(len(states.block_X))
        chain = (order_X, value_X, pmf_SN[row], cost_2B, fixed_S[row], states, tolerance)
        cost_S[row] = np.inf
        best_3[:] = (-1, most, most)
        here_3 = best_3.copy()
        for level in range(1, most + 1):
            for point in range(-1, level):
                here_3[:] = (point, level, most)
                cost = _cost(here_3, *chain)
                if cost < cost_S[row] - tolerance:
                    cost_S[row] = cost
                    best_3[:] = here_3
        if with_cap:
            here_3[:] = best_3
            for cap in range(best_3[1], 0, -1):
                here_3[2] = cap
                cost = _descend(here_3, *chain)
                if cost < cost_S[row] - tolerance:
                    cost_S[row] = cost
                    best_3[:] = here_3
        _fill(best_3, order_X, states.position_X)


@numba.njit(cache=True, nogil=True, error_model="numpy")
def _descend(here_3, order_X, value_X, pmf_N, cost_2B, order_cost, states, tolerance):  # type: ignore[no-untyped-def]
    """Move s and S to the cheapest neighbour while that saves; the cost where it ends."""
    chain = (order_X, value_X, pmf_N, cost_2B, order_cost, states, tolerance)
    most = len(cost_2B[0]) - 1
    best, moved, try_3 = _cost(here_3, *chain), True, here_3.copy()
    while moved:
        moved = False
        point, level = here_3[0], here_3[1]
        for i in range(-1, 2):
            for j in range(-1, 2):
                if (i == 0 and j == 0) or not -1 <= point + i < level + j <= most:
                    continue
                try_3[:] = (point + i, level + j, here_3[2])
                cost = _cost(try_3, *chain)
                if cost < best - tolerance:
                    best, moved = cost, True
                    here_3[:] = try_3
    return best


@numba.njit(cache=True, nogil=True, error_model="numpy")
def _cost(here_3, order_X, value_X, pmf_N, cost_2B, order_cost, states, tolerance):  # type: ignore[no-untyped-def]
    _fill(here_3, order_X, states.position_X)
    return average_cost(order_X, pmf_N, cost_2B, order_cost, states, tolerance, value_X)


@numba.njit(cache=True, nogil=True, error_model="numpy")
def _fill(here_3, order_X, position_X):  # type: ignore[no-untyped-def]
    point, level, cap = here_3
    for state in range(len(position_X)):
        order_X[state] = min(level - position_X[state], cap) if position_X[state] <= point else 0
