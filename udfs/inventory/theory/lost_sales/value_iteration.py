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
    stage_costs,
)
from udfs.inventory.theory.lost_sales.order_table import OrderTable, make_table
from udfs.inventory.theory.lost_sales.problem import IntArray, LostSalesProblem
from udfs.inventory.theory.lost_sales.states import States, number_states, sold_out
from udfs.series.series_threads import over_series


@dataclass(frozen=True)
class LostSalesOptimum:
    """cost_S: least long-run cost per period, currency, [S]. policy: the orders that attain it."""

    cost_S: FloatArray
    policy: OrderTable


def optimal_policy(problem: LostSalesProblem, tolerance: float = 1e-6) -> LostSalesOptimum:
    """The policy with the least long-run cost per period among those that keep the position at or below its cap.

    Where an order costs nothing in itself, only orders that can be optimal are tried. With q_k the p / (p + h) quantile
    of the demand of k periods, an optimal order z from (x_0, ..., x_{L-1}) is at most q_{L-l+1} - (x_l + ... + x_{L-1})
    for every l = 0..L, the order of a vector base stock (Morton 1969, "Bounds on the solution of the lagged optimal
    inventory equation"; Zipkin 2008, "On the structure of lost-sales inventory models"): whatever is sold before, a
    unit beyond it is left over after its first period with a probability above p / (p + h). From an empty stock these
    orders never leave the states whose last k numbers sum to at most q_k, k < L, a small part of all; the bounds on the
    cost are taken over them. The others are reached from other starts only: their orders follow once the cost is known.

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

    bound_SK = order_bounds(problem)

    def kernel(start: int, stop: int) -> None:
        part = slice(start, stop)
        found = (cost_S[part], order_SX[part])
        _solve(
            *problem.arrays(start, stop),
            problem.order_cost_S[part],
            bound_SK[part],
            problem.lead_time,
            tolerance,
            *found,
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
            problem.order_cost_S[start:stop],
            problem.lead_time,
            tolerance,
            table.order_SX[start:stop],
            cost_S[start:stop],
        )

    over_series(kernel, problem.n_series)
    _check_settled(cost_S, tolerance)
    return cost_S


def order_bounds(problem: LostSalesProblem) -> IntArray:
    """q_1 .. q_{L+1}: units that the last k orders of an optimal policy do not exceed together, [S, L + 1].

    With a cost per order they are those of the position cap: orders then join the demand of many periods.
    """
    bounds = [problem.demand_quantile(k + 1) for k in range(problem.lead_time + 1)]
    cap_S1 = problem.position_cap_S[:, None]
    return np.where(problem.order_cost_S[:, None] > 0.0, cap_S1, np.minimum(np.stack(bounds, axis=1), cap_S1))


@numba.njit(cache=True, nogil=True, error_model="numpy")
def _solve(pmf_SN, mean_S, holding_S, shortage_S, cap_S, fixed_S, bound_SK, lead_time, tolerance, cost_S, order_SX):  # type: ignore[no-untyped-def]
    for row in range(len(cap_S)):
        cost_2B = stage_costs(pmf_SN[row], mean_S[row], holding_S[row], shortage_S[row], cap_S[row])
        states = number_states(cap_S[row], lead_time)
        value_X, change_X = np.zeros(len(states.block_X)), np.zeros(len(states.block_X))
        terms = (pmf_SN[row], cost_2B, fixed_S[row], bound_SK[row], states)
        cost_S[row] = np.nan
        for _ in range(MAX_SWEEPS):
            least, most = _sweep(True, value_X, change_X, order_SX[row], *terms)
            middle = 0.5 * (least + most)
            if most - least <= tolerance:
                cost_S[row] = middle
                break
            _step(True, value_X, change_X, middle, bound_SK[row], states)
        for _ in range(MAX_SWEEPS):
            least, most = _sweep(False, value_X, change_X, order_SX[row], *terms)
            if not max(most - cost_S[row], cost_S[row] - least) > tolerance:
                break
            _step(False, value_X, change_X, cost_S[row], bound_SK[row], states)


@numba.njit(cache=True, nogil=True, error_model="numpy")
def _part(is_inner: bool, block: int, bound_K: IntArray, states: States) -> tuple[int, int]:
    """The states of a block, from first to before end, that optimal orders keep to; or the others."""
    first, end = states.start_Y[block], states.start_Y[block + 1]
    ahead_L, lead_time = states.ahead_YL[block], states.ahead_YL.shape[1]
    n_inner = min(bound_K[lead_time] - ahead_L[0] + 1, end - first)
    for at in range(lead_time - 1):
        if ahead_L[at] > bound_K[lead_time - 2 - at]:
            n_inner = 0
    n_inner = max(n_inner, 0)
    return (first, first + n_inner) if is_inner else (first + n_inner, end)


@numba.njit(cache=True, nogil=True, error_model="numpy")
def _sweep(is_inner, value_X, change_X, order_X, pmf_N, cost_2B, order_cost, bound_K, states):  # type: ignore[no-untyped-def]
    """The best order and the change of value in every state of a part; the least and the greatest change."""
    lead_time = states.ahead_YL.shape[1]
    after_Z = np.empty(bound_K[lead_time] + 1, dtype=np.int64)
    least, most = np.inf, -np.inf
    for block in range(len(states.start_Y) - 1):
        first, end = _part(is_inner, block, bound_K, states)
        if first == end:
            continue
        block_most = bound_K[0]
        for at in range(lead_time - 1):
            block_most = min(block_most, bound_K[lead_time - 1 - at] - states.ahead_YL[block, at])
        block_most = max(block_most, 0)
        for order in range(block_most + 1):
            after_Z[order] = sold_out(states, block, order)
        for state in range(first, end):
            sellable = state - states.start_Y[block]
            best, best_order = np.inf, 0
            for order in range(max(min(block_most, bound_K[lead_time] - states.position_X[state]), 0) + 1):
                expected = expected_value(value_X, after_Z[order], sellable, pmf_N, cost_2B[1, sellable])
                expected += order_cost if order > 0 else 0.0
                if expected < best:
                    best, best_order = expected, order
            order_X[state] = best_order
            change_X[state] = cost_2B[0, sellable] + best - value_X[state]
            least, most = min(least, change_X[state]), max(most, change_X[state])
    return least, most


@numba.njit(cache=True, nogil=True, error_model="numpy")
def _step(is_inner, value_X, change_X, cost, bound_K, states):  # type: ignore[no-untyped-def]
    for block in range(len(states.start_Y) - 1):
        first, end = _part(is_inner, block, bound_K, states)
        for state in range(first, end):
            value_X[state] += STEP * (change_X[state] - cost)


@numba.njit(cache=True, nogil=True, error_model="numpy")
def _evaluate(pmf_SN, mean_S, holding_S, shortage_S, cap_S, fixed_S, lead_time, tolerance, order_SX, cost_S):  # type: ignore[no-untyped-def]
    for row in range(len(cap_S)):
        cap = cap_S[row]
        cost_2B = stage_costs(pmf_SN[row], mean_S[row], holding_S[row], shortage_S[row], cap)
        states = number_states(cap, lead_time)
        value_X = np.zeros(len(states.block_X))
        cost_S[row] = average_cost(order_SX[row], pmf_SN[row], cost_2B, fixed_S[row], states, tolerance, value_X)


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
