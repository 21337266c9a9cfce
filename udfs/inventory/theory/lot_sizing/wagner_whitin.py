"""Optimal lots for a known demand that changes from period to period (Wagner & Whitin 1958)."""

from __future__ import annotations

import numba
import numpy as np

from udfs.inventory.demand_distribution import FloatArray
from udfs.inventory.theory.lot_sizing.lot_plan import DynamicDemand, LotPlan
from udfs.series.series_threads import over_series


def wagner_whitin(problem: DynamicDemand) -> LotPlan:
    """The plan of least cost, for each series alone, by dynamic programming over the periods of the next order.

    Snyder & Shen (2019), equation (3.39), algorithm 3.1: an optimal plan orders only at a stock of zero, so an order of
    period t covers the periods t to s - 1 for some s: theta_t = min over s of K_t + c_t D(t, s) + holding + theta_s.
    Periods without demand need no order. Holding cost may change with the period. O(T^2) per series.

    >>> plan = wagner_whitin(DynamicDemand([90, 120, 80, 70], fixed_cost=500, holding_cost=2))
    >>> plan.quantity_ST.tolist(), plan.cost_S.tolist()
    ([[210.0, 0.0, 150.0, 0.0]], [1380.0])
    """
    tables = problem.tables()
    quantity_ST, cost_S = np.zeros_like(tables[0]), np.empty(tables[0].shape[0])
    arrays = [*tables, quantity_ST, cost_S]
    over_series(lambda start, stop: _solve(start, stop, *arrays), cost_S.size)
    return LotPlan(quantity_ST, cost_S)


@numba.njit(cache=True, nogil=True, error_model="numpy")
def _solve(
    start: int,
    stop: int,
    demand_ST: FloatArray,
    fixed_ST: FloatArray,
    holding_ST: FloatArray,
    unit_ST: FloatArray,
    quantity_ST: FloatArray,
    cost_S: FloatArray,
) -> None:
    n_periods = demand_ST.shape[1]
    to_go_T, next_T = np.empty(n_periods + 1), np.empty(n_periods, dtype=np.int64)
    for s in range(start, stop):
        to_go_T[n_periods] = 0.0
        for t in range(n_periods - 1, -1, -1):
            best, best_next = np.inf, t + 1
            block, demand, unit = 0.0, 0.0, unit_ST[s, t]
            for i in range(t, n_periods):
                block += unit * demand_ST[s, i]
                demand += demand_ST[s, i]
                unit += holding_ST[s, i]
                total = block + to_go_T[i + 1] + (fixed_ST[s, t] if demand > 0.0 else 0.0)
                if total < best:
                    best, best_next = total, i + 1
            to_go_T[t], next_T[t] = best, best_next
        cost_S[s] = to_go_T[0]
        t = 0
        while t < n_periods:
            for i in range(t, next_T[t]):
                quantity_ST[s, t] += demand_ST[s, i]
            t = next_T[t]
