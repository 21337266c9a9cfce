"""The optimal policy of the lost-sales problem by relative value iteration, and the exact cost of any policy.

Both bound the long-run cost per period from both sides (Puterman 1994, theorem 8.5.5) and stop when the bounds are
`tolerance` apart.
"""

from __future__ import annotations

from dataclasses import dataclass

import numba
import numpy as np

from udfs.inventory.demand_distribution import FloatArray
from udfs.inventory.theory.lost_sales.chain import (
    MAX_SWEEPS,
    STEP,
    average_cost,
    expected_value,
    positions,
    stage_costs,
)
from udfs.inventory.theory.lost_sales.order_table import OrderTable, make_table
from udfs.inventory.theory.lost_sales.problem import IntArray, LostSalesProblem
from udfs.series.series_threads import over_series


@dataclass(frozen=True)
class LostSalesOptimum:
    """cost_S: least long-run cost per period, currency, [S]. policy: the orders that attain it."""

    cost_S: FloatArray
    policy: OrderTable


def optimal_policy(problem: LostSalesProblem, tolerance: float = 1e-6) -> LostSalesOptimum:
    """The policy with the least long-run cost per period among those that keep the position at or below its cap.

    Work grows as cap^(L + 2) per sweep; some hundred sweeps.

    Args:
        problem: S instances.
        tolerance: currency per period; the cost is within half of it.

    Raises:
        ValueError: `tolerance` is not positive, or the bounds of a series do not close.

    >>> from udfs.inventory.theory.lost_sales.demand_pmf import poisson_pmf
    >>> problem = LostSalesProblem(poisson_pmf(5.0), holding_cost_S=1.0, shortage_cost_S=4.0, lead_time=1)
    >>> optimal_policy(problem).cost_S.round(2).tolist()  # Zipkin (2008), table 1
    [4.04]
    """
    _check_tolerance(tolerance)
    cost_S = np.empty(problem.n_series)
    order_SX = np.zeros((problem.n_series, problem.n_states), dtype=np.int64)

    def kernel(start: int, stop: int) -> None:
        _solve(
            *problem.arrays(start, stop),
            problem.lead_time,
            tolerance,
            cost_S[start:stop],
            order_SX[start:stop],
        )

    over_series(kernel, problem.n_series)
    _check_settled(cost_S, tolerance)
    return LostSalesOptimum(cost_S, OrderTable(order_SX, problem.position_cap_S, problem.lead_time))


def policy_cost(problem: LostSalesProblem, order_SX: IntArray, tolerance: float = 1e-6) -> FloatArray:
    """The exact long-run cost per period of a policy that starts without stock, currency, [S].

    Args:
        problem: S instances.
        order_SX: units to order in each state, as `OrderTable` holds them.
        tolerance: currency per period; the cost is within half of it.

    Raises:
        ValueError: a bad `tolerance` or order, or a policy whose cost does not settle, as where it can end in one
            of several groups of states.
    """
    _check_tolerance(tolerance)
    table = make_table(problem, order_SX)
    cost_S = np.empty(problem.n_series)

    def kernel(start: int, stop: int) -> None:
        _evaluate(
            *problem.arrays(start, stop),
            problem.lead_time,
            tolerance,
            table.order_SX[start:stop],
            cost_S[start:stop],
        )

    over_series(kernel, problem.n_series)
    _check_settled(cost_S, tolerance)
    return cost_S


@numba.njit(cache=True, nogil=True, error_model="numpy")
def _solve(pmf_SN, mean_S, holding_S, shortage_S, cap_S, lead_time, tolerance, cost_S, order_SX):  # type: ignore[no-untyped-def]
    for row in range(len(cap_S)):
        cost_2B = stage_costs(pmf_SN[row], mean_S[row], holding_S[row], shortage_S[row], cap_S[row])
        position_X = positions(cap_S[row], lead_time)
        value_X, change_X = np.zeros(len(position_X)), np.zeros(len(position_X))
        cost_S[row] = np.nan
        for _ in range(MAX_SWEEPS):
            least, most = _sweep(
                value_X, pmf_SN[row], cost_2B, position_X, cap_S[row], lead_time, change_X, order_SX[row]
            )
            middle = 0.5 * (least + most)
            if most - least <= tolerance:
                cost_S[row] = middle
                break
            for state in range(len(position_X)):
                value_X[state] += STEP * (change_X[state] - middle)


@numba.njit(cache=True, nogil=True, error_model="numpy")
def _sweep(value_X, pmf_N, cost_2B, position_X, cap, lead_time, change_X, order_X):  # type: ignore[no-untyped-def]
    """The best order and the change of value in every state; the least and the greatest change."""
    radix = cap + 1
    top = radix ** (lead_time - 1)
    least, most = np.inf, -np.inf
    for state in range(len(position_X)):
        if position_X[state] > cap:
            change_X[state] = 0.0
            value_X[state] = 0.0
            continue
        sellable, rest = state % radix, state // radix
        best, best_order = np.inf, 0
        for order in range(cap - position_X[state] + 1):
            expected = expected_value(value_X, rest + top * order, sellable, pmf_N, cost_2B[1, sellable])
            if expected < best:
                best, best_order = expected, order
        order_X[state] = best_order
        change_X[state] = cost_2B[0, sellable] + best - value_X[state]
        least, most = min(least, change_X[state]), max(most, change_X[state])
    return least, most


@numba.njit(cache=True, nogil=True, error_model="numpy")
def _evaluate(pmf_SN, mean_S, holding_S, shortage_S, cap_S, lead_time, tolerance, order_SX, cost_S):  # type: ignore[no-untyped-def]
    for row in range(len(cap_S)):
        cap = cap_S[row]
        cost_2B = stage_costs(pmf_SN[row], mean_S[row], holding_S[row], shortage_S[row], cap)
        value_X = np.zeros((cap + 1) ** lead_time)
        cost_S[row] = average_cost(order_SX[row], pmf_SN[row], cost_2B, cap, lead_time, tolerance, value_X)


def _check_tolerance(tolerance: float) -> None:
    if not 0.0 < tolerance < np.inf:
        raise ValueError(f"tolerance: expected finite currency per period > 0, found {tolerance}")


def _check_settled(cost_S: FloatArray, tolerance: float) -> None:
    rows = np.flatnonzero(np.isnan(cost_S))
    if rows.size:
        raise ValueError(
            f"tolerance: expected bounds that close to {tolerance:g}, found row {rows[0]} where they do not; "
            "the policy has several groups of states that it never leaves, or the tolerance is below rounding error"
        )
