"""The exact cost of every capped base-stock policy of a grid, and the cheapest."""

from __future__ import annotations

import numba
import numpy as np

from udfs.inventory.demand_distribution import FloatArray
from udfs.inventory.theory.lost_sales.chain import average_cost, stage_costs
from udfs.inventory.theory.lost_sales.problem import IntArray, LostSalesProblem
from udfs.inventory.theory.lost_sales.states import number_states
from udfs.series.series_threads import over_series

SEARCH_TOLERANCE = 1e-7  # of the costs of one unit left and one unit short, per period


def cheapest_levels(
    problem: LostSalesProblem, least_cap_S: IntArray, most_cap_S: IntArray
) -> tuple[FloatArray, IntArray, IntArray]:
    """Cost per period, level and cap of the cheapest policy with a level up to the position cap, [S] each.

    Every pair is evaluated exactly; the lower cap and then the lower level win a tie. A pair whose cost does not settle
    is passed over; level 0 always does.
    """
    cost_S = np.empty(problem.n_series)
    level_S, cap_S = np.zeros(problem.n_series, dtype=np.int64), np.zeros(problem.n_series, dtype=np.int64)

    fixed_S = problem.order_cost_S

    def kernel(start: int, stop: int) -> None:
        part = slice(start, stop)
        found = (cost_S[part], level_S[part], cap_S[part])
        _search(
            *found, problem.arrays(start, stop), fixed_S[part], problem.lead_time, least_cap_S[part], most_cap_S[part]
        )

    over_series(kernel, problem.n_series)
    return cost_S, level_S, cap_S


def capped_orders(problem: LostSalesProblem, level_S: IntArray, cap_S: IntArray) -> IntArray:
    """order_SX of the policy that orders min((level - position)+, cap).

    Raises ValueError for a level outside 0..position cap or a negative cap.
    """
    level_S = np.broadcast_to(np.asarray(level_S), (problem.n_series,))
    cap_S = np.broadcast_to(np.asarray(cap_S), (problem.n_series,))
    _check("level_S", "whole units from 0 to the position cap", level_S, level_S > problem.position_cap_S)
    _check("cap_S", "whole units >= 0", cap_S, np.zeros(len(cap_S), dtype=np.bool_))
    order_SX = np.zeros((problem.n_series, problem.n_states), dtype=np.int64)
    for row, cap in enumerate(problem.position_cap_S):
        position_X = number_states(int(cap), problem.lead_time).position_X
        order_SX[row, : len(position_X)] = np.clip(int(level_S[row]) - position_X, 0, int(cap_S[row]))
    return order_SX


def _check(name: str, expected: str, found_S: IntArray, is_too_great_S: np.ndarray) -> None:
    rows = np.flatnonzero(~((found_S >= 0) & (found_S == np.floor(found_S))) | is_too_great_S)
    if rows.size:
        raise ValueError(f"{name}: expected {expected}, found {found_S[rows[0]]:g} in row {rows[0]}")


@numba.njit(cache=True, nogil=True, error_model="numpy")
def _search(cost_S, level_S, cap_S, terms, fixed_S, lead_time, least_cap_S, most_cap_S):  # type: ignore[no-untyped-def]
    pmf_SN, mean_S, holding_S, shortage_S, most_S = terms
    for row in range(len(cost_S)):
        most = most_S[row]
        cost_2B = stage_costs(pmf_SN[row], mean_S[row], holding_S[row], shortage_S[row], most)
        states = number_states(most, lead_time)
        position_X = states.position_X
        order_X, value_X = np.zeros(len(position_X), dtype=np.int64), np.zeros(len(position_X))
        tolerance = SEARCH_TOLERANCE * (holding_S[row] + shortage_S[row])
        cost_S[row] = np.inf
        for cap in range(least_cap_S[row], most_cap_S[row] + 1):
            # An order never exceeds the level, so that a cap above it is the same policy again.
            for level in range(0 if cap == least_cap_S[row] else cap, most + 1):
                for state in range(len(position_X)):
                    order_X[state] = min(max(level - position_X[state], 0), cap)
                cost = average_cost(order_X, pmf_SN[row], cost_2B, fixed_S[row], states, tolerance, value_X)
                if cost < cost_S[row] - tolerance:
                    cost_S[row], level_S[row], cap_S[row] = cost, level, cap
