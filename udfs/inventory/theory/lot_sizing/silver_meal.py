"""Lots for a known demand by a look at the next order alone (Silver & Meal 1973)."""

from __future__ import annotations

import numba
import numpy as np

from udfs.inventory.demand_distribution import FloatArray
from udfs.inventory.theory.lot_sizing.lot_plan import DynamicDemand, LotPlan, plan_cost
from udfs.series.series_threads import over_series


def silver_meal(problem: DynamicDemand) -> LotPlan:
    """Extend each order while its ordering and holding cost per period covered falls.

    Silver, Pyke & Thomas (2017), section 5.6. It needs no demand beyond the order at hand, so a plan made again each
    period changes little, where the optimal one is nervous; it costs a little more than `wagner_whitin`, and much
    more where demand ends or has long gaps. Purchase costs count in `cost_S` but move no order. Periods without
    demand need no order, and count as periods covered.

    >>> plan = silver_meal(DynamicDemand([90, 120, 80, 70], fixed_cost=500, holding_cost=2))
    >>> plan.quantity_ST.tolist(), plan.cost_S.tolist()
    ([[290.0, 0.0, 0.0, 70.0]], [1560.0])
    """
    demand_ST, fixed_ST, holding_ST, _ = problem.tables()
    quantity_ST = np.zeros_like(demand_ST)
    over_series(
        lambda start, stop: _extend(start, stop, demand_ST, fixed_ST, holding_ST, quantity_ST), demand_ST.shape[0]
    )
    return LotPlan(quantity_ST, plan_cost(quantity_ST, problem))


@numba.njit(cache=True, nogil=True, error_model="numpy")
def _extend(
    start: int,
    stop: int,
    demand_ST: FloatArray,
    fixed_ST: FloatArray,
    holding_ST: FloatArray,
    quantity_ST: FloatArray,
) -> None:
    n_periods = demand_ST.shape[1]
    for s in range(start, stop):
        t = 0
        while t < n_periods:
            if demand_ST[s, t] <= 0.0:
                t += 1
                continue
            cost, to_here = fixed_ST[s, t], 0.0
            quantity_ST[s, t] = demand_ST[s, t]
            i = t + 1
            while i < n_periods:
                to_here += holding_ST[s, i - 1]
                longer = cost + to_here * demand_ST[s, i]
                if longer * (i - t) > cost * (i - t + 1):
                    break
                cost = longer
                quantity_ST[s, t] += demand_ST[s, i]
                i += 1
            t = i
