"""The myopic policy of the lost-sales problem: look no further than the period in which the order arrives."""

from __future__ import annotations

import numba
import numpy as np

from udfs.inventory.theory.lost_sales.order_table import OrderTable
from udfs.inventory.theory.lost_sales.problem import LostSalesProblem
from udfs.inventory.theory.lost_sales.states import number_states
from udfs.series.series_threads import over_series


def myopic_policy(problem: LostSalesProblem) -> OrderTable:
    """In each state the least order with P(stock that can be sold on arrival >= demand) >= p / (p + h).

    It minimises the expected cost of the period of arrival alone (Morton 1971; Zipkin 2008, "myopic"). Orders are cut
    off at the position cap of `problem`.

    >>> from udfs.inventory.theory.lost_sales.demand_pmf import poisson_pmf
    >>> from udfs.inventory.theory.lost_sales.value_iteration import policy_cost
    >>> problem = LostSalesProblem(poisson_pmf(5.0), 1.0, 4.0, lead_time=2)
    >>> policy_cost(problem, myopic_policy(problem).order_SX).round(2).tolist()  # Zipkin (2008), table 1
    [4.56]
    """
    problem.refuse_order_cost("the myopic policy")
    order_SX = np.zeros((problem.n_series, problem.n_states), dtype=np.int64)
    fractile_S = problem.shortage_cost_S / (problem.shortage_cost_S + problem.holding_cost_S)

    def kernel(start: int, stop: int) -> None:
        _myopic(
            problem.pmf_SN[start:stop],
            fractile_S[start:stop],
            problem.position_cap_S[start:stop],
            problem.lead_time,
            order_SX[start:stop],
        )

    over_series(kernel, problem.n_series)
    return OrderTable(order_SX, problem.position_cap_S, problem.lead_time)


@numba.njit(cache=True, nogil=True, error_model="numpy")
def _myopic(pmf_SN, fractile_S, cap_S, lead_time, order_SX):  # type: ignore[no-untyped-def]
    for row in range(len(cap_S)):
        cap, pmf_N = cap_S[row], pmf_SN[row]
        radix = cap + 1
        states = number_states(cap, lead_time)
        at_most_B = np.zeros(radix)
        cumulative = 0.0
        for x in range(radix):
            cumulative += pmf_N[x] if x < len(pmf_N) else 0.0
            at_most_B[x] = cumulative
        for state in range(len(states.block_X)):
            block = states.block_X[state]
            left_B = _left_before_arrival(state - states.start_Y[block], states.ahead_YL[block], radix, pmf_N)
            for order in range(cap - states.position_X[state] + 1):
                order_SX[row, state] = order
                in_stock = 0.0
                for left in range(radix - order):
                    in_stock += left_B[left] * at_most_B[left + order]
                if in_stock >= fractile_S[row] - 1e-12:
                    break


@numba.njit(cache=True, nogil=True, error_model="numpy")
def _left_before_arrival(arriving, ahead_L, radix, pmf_N):  # type: ignore[no-untyped-def]
    """P(units left after the demands of the L periods before the order arrives), from no further order."""
    share_B = np.zeros(radix)
    share_B[0] = 1.0
    for at in range(len(ahead_L)):
        next_B = np.zeros(radix)
        for left in range(radix - arriving):
            if share_B[left] == 0.0:
                continue
            sellable, at_least = left + arriving, 1.0
            for demand in range(min(sellable, len(pmf_N))):
                next_B[sellable - demand] += share_B[left] * pmf_N[demand]
                at_least -= pmf_N[demand]
            next_B[0] += share_B[left] * max(at_least, 0.0)
        share_B = next_B
        if at + 1 < len(ahead_L):
            arriving = ahead_L[at] - ahead_L[at + 1]
    return share_B
