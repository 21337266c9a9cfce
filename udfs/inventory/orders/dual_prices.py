"""The prices of a budget and a capacity at which the Lagrangian bound on what they can earn is least.

For prices (l, m) >= 0 the bound is L(l, m) = l B + m C plus the sum over series of the greatest value - l cost - m size
of their levels. It is convex and piecewise linear; each evaluation gives a plane below it, and Kelley's cutting planes
(Kelley 1960) take the least point of the planes found so far. In two dimensions they need some tens of evaluations.
"""

from __future__ import annotations

from typing import Final

import numpy as np
from scipy.optimize import linprog

from udfs.inventory.demand_distribution import BoolArray, FloatArray
from udfs.inventory.orders.step_table import Prices, StepTable, Totals

MAX_ROUNDS: Final = 200
_TOLERANCE: Final = 1e-10
"""Stop where the bound is within this share of its least possible value; the linear programme is no more exact."""


def least_bound(table: StepTable, everything: Totals, budget: float, capacity: float) -> tuple[Prices, float]:
    """The prices with the least bound found, and that bound.

    Args:
        everything: totals of the levels at prices of zero. A limit that they meet has the price zero.
    """
    limits = np.array([budget, capacity])
    used = np.array([everything.cost, everything.size])
    is_limited = used > limits
    if not is_limited.any():
        return Prices(0.0, 0.0), everything.value
    scale = np.where(is_limited, np.maximum(limits, 1e-9 * used), 1.0)  # a limit of 0 has a scale too
    most = np.array([_greatest_rate(table, table.cost_N), _greatest_rate(table, table.size_N)])
    most_scaled = np.where(is_limited, most * scale / everything.value, 0.0)
    planes = [np.append(np.where(is_limited, limits / scale, 0.0), 0.0)]  # no level taken
    totals, prices, best, least = everything, Prices(0.0, 0.0), Prices(0.0, 0.0), everything.value
    for _ in range(MAX_ROUNDS):
        planes.append(_plane(totals, limits, scale, is_limited, everything.value))
        price_2, floor = _least_point(np.array(planes), most_scaled)
        if least - floor * everything.value <= _TOLERANCE * everything.value:
            break
        price_2 = price_2 * everything.value / scale
        prices = Prices(float(price_2[0]), float(price_2[1]))
        totals = table.totals(table.best_levels(prices))
        bound = table.dual_value(prices, budget, capacity)
        if bound < least:
            best, least = prices, bound
    return best, least


def _plane(totals: Totals, limits: FloatArray, scale: FloatArray, is_limited: BoolArray, value: float) -> FloatArray:
    """Slopes in the scaled prices and the value at zero of the plane that these levels give."""
    slack = np.where(is_limited, (limits - np.array([totals.cost, totals.size])) / scale, 0.0)
    return np.append(slack, totals.value / value)


def _least_point(planes: FloatArray, most: FloatArray) -> tuple[FloatArray, float]:
    """argmin and min over the box [0, most] of the greatest plane."""
    solution = linprog(
        [0.0, 0.0, 1.0],
        A_ub=np.column_stack([planes[:, :2], -np.ones(len(planes))]),
        b_ub=-planes[:, 2],
        bounds=[(0.0, most[0]), (0.0, most[1]), (None, None)],
        method="highs-ds",
        options={"primal_feasibility_tolerance": 1e-10, "dual_feasibility_tolerance": 1e-10},
    )
    if solution.x is None:  # no more progress at this precision; every bound found so far holds
        return np.zeros(2), np.inf
    return np.maximum(solution.x[:2], 0.0), float(solution.fun)


def _greatest_rate(table: StepTable, amount_N: FloatArray) -> float:
    """No step pays at a price above this, as far as it takes anything of the amount at all."""
    is_used_N = amount_N > 0.0
    rate_N = np.divide(table.value_N, amount_N, where=is_used_N, out=np.zeros_like(amount_N))
    return float(rate_N.max(initial=0.0))
