"""Zheng and Federgruen's algorithm for one series, and the exact cost of one (s, S), on buffers made once per slice.

With m(j) the expected number of periods in which the stock position is S - j within one order cycle,

    m(0) = 1 / (1 - P(0)),  m(j) = m(0) sum_{l=1..j} P(l) m(j - l),  M(n) = m(0) + ... + m(n - 1),
    c(s, S) = (K + sum_{j=0..S-s-1} m(j) G(S - j)) / M(S - s).

G itself is never tabulated: its slopes over the band of demand are, and outside of the band they are -p and h. The sum
above then moves from S to S + 1 by one short sum over the band, and from s to s + 1 by one term.
"""

from __future__ import annotations

from typing import Any, Final, NamedTuple

import numba

from udfs.inventory.theory.s_s.demand_band import (
    STEP,
    Band,
    above_zero,
    convolve,
    dot,
    fill_panjer,
    fill_pmf,
    turn_into_slopes,
    workspace,
)

SOLVED: Final = 0
TOO_SHORT: Final = 1
"""The series needs longer buffers than it got."""
_NO_DEMAND = 1e-200  # the weight of any demand at all, against 1 for none: below it 1 / weight leaves float64


class Case(NamedTuple):
    """One series' problem beside its buffers; these are handed on one by one, as a tuple of arrays costs a locked
    count of references at each call.

    period, cover: the bands of the weights of one period's demand and of the slopes of G, over L + 1 periods.
    per_weight: one over the weight of all demand but zero.
    """

    period: Band
    cover: Band
    first_renewal: float
    per_weight: float
    fixed: float
    holding: float
    backorder: float


class Optimum(NamedTuple):
    status: int
    reorder_point: int
    order_up_to: int
    cost: float


@numba.njit(cache=True, nogil=True, error_model="numpy")
def _slope(slope_X: Any, case: Case, y: int) -> float:
    """G(y + 1) - G(y)."""
    if y < case.cover.lo:
        return -case.backorder
    if y >= case.cover.hi:
        return case.holding
    return slope_X[case.cover.base + y]


@numba.njit(cache=True, nogil=True, error_model="numpy")
def _end(renewal_X: Any) -> int:
    """Where m(0) lies: m(j) is at end - j, so that a sum over demand reads both of its arrays forwards."""
    return len(renewal_X) - STEP - 1


@numba.njit(cache=True, nogil=True, error_model="numpy")
def _add_renewals(weight_X: Any, renewal_X: Any, sum_X: Any, case: Case, known: int) -> int:
    """Set the next `STEP` values of m and M, the first `known` of m being set, and return how many are set now.

    First the parts that rest on known values, which do not wait for one another; then, within the step, one by one.
    """
    end, period = _end(renewal_X), case.period
    least, at = max(period.lo, 1), _end(renewal_X) - known
    for i in range(STEP):
        first, last = max(least, i + 1), min(period.hi, known + i)
        far = 0.0
        if last >= first:
            far = dot(weight_X, period.base + first, renewal_X, at - i + first, last - first + 1)
        renewal_X[at - i] = far
    for i in range(STEP):
        value = renewal_X[at - i]
        for d in range(least, min(period.hi, i) + 1):
            value += weight_X[period.base + d] * renewal_X[at - i + d]
        value *= case.per_weight
        if at - i == end:
            value = case.first_renewal
        renewal_X[at - i] = value
        sum_X[known + i + 1] = sum_X[known + i] + value
    return known + STEP


@numba.njit(cache=True, nogil=True, error_model="numpy")
def _rise(slope_X: Any, renewal_X: Any, sum_X: Any, case: Case, s: int, S: int) -> float:
    """Sum over y = s+1..S of m(S - y) (G(y + 1) - G(y))."""
    cover, end = case.cover, _end(renewal_X)
    first, last = max(s + 1, cover.lo), min(S, cover.hi - 1)
    rise = dot(slope_X, cover.base + first, renewal_X, end - S + first, max(last - first + 1, 0))
    # Without a branch, as M(0) = 0: around one the compiler keeps its counts of references.
    above = min(max(S - cover.hi + 1, 0), S - s)
    below = min(max(S - cover.lo + 1, 0), S - s)
    return rise + case.holding * sum_X[above] - case.backorder * (sum_X[S - s] - sum_X[below])


@numba.njit(cache=True, nogil=True, error_model="numpy")
def _period_cost(slope_X: Any, case: Case, y: int) -> float:
    """G(y), from E[(y - D)+] = sum_{x<y} P(D <= x) and E[(D - y)+] = sum_{x>=y} P(D > x)."""
    cover, both = case.cover, case.holding + case.backorder
    on_hand, short = float(max(y - cover.hi, 0)), float(max(cover.lo - y, 0))
    for x in range(cover.lo, min(y, cover.hi)):
        on_hand += (case.backorder + slope_X[cover.base + x]) / both
    for x in range(cover.hi - 1, max(y, cover.lo) - 1, -1):
        short += (case.holding - slope_X[cover.base + x]) / both
    return case.holding * on_hand + case.backorder * short


@numba.njit(cache=True, nogil=True, error_model="numpy")
def _best_base_stock(slope_X: Any, case: Case) -> int:
    """y*, the smallest minimiser of G: the first y whose slope is not negative."""
    y = case.cover.hi
    while y > case.cover.lo and slope_X[case.cover.base + y - 1] >= 0.0:
        y -= 1
    return y


@numba.njit(cache=True, nogil=True, error_model="numpy")
def optimise(weight_X: Any, slope_X: Any, renewal_X: Any, sum_X: Any, case: Case) -> Optimum:
    """The optimal (s, S) and its cost (Zheng & Federgruen 1991, section 3)."""
    capacity, end = len(sum_X) - 1, _end(renewal_X)
    known = _add_renewals(weight_X, renewal_X, sum_X, case, 0)
    S = _best_base_stock(slope_X, case)
    cost_S = _period_cost(slope_X, case, S)
    s, n = S - 1, 1  # n = S - s
    cycle = case.fixed + case.first_renewal * cost_S
    cost_s = cost_S - _slope(slope_X, case, s)
    while cycle > cost_s * sum_X[n]:  # down to the best s for S = y*
        if n == known:
            if n == capacity:
                return Optimum(TOO_SHORT, 0, 0, 0.0)
            known = _add_renewals(weight_X, renewal_X, sum_X, case, known)
        cycle += renewal_X[end - n] * cost_s
        n, s = n + 1, s - 1
        cost_s -= _slope(slope_X, case, s)
    best = Optimum(SOLVED, s, S, cycle / sum_X[n])
    cost_above_s = cost_s + _slope(slope_X, case, s)  # G(s + 1)
    while True:  # no S with G(S) above the best cost can be better
        cost_S += _slope(slope_X, case, S)
        if cost_S > best.cost:
            return best
        if n == known:
            if n == capacity:
                return Optimum(TOO_SHORT, 0, 0, 0.0)
            known = _add_renewals(weight_X, renewal_X, sum_X, case, known)
        cycle += _rise(slope_X, renewal_X, sum_X, case, s, S) + renewal_X[end - n] * cost_above_s
        S, n = S + 1, n + 1
        if cycle < best.cost * sum_X[n]:
            while n > 1 and cycle <= cost_above_s * sum_X[n]:  # a better S asks for the same s or a higher one
                n, s = n - 1, s + 1
                cycle -= renewal_X[end - n] * cost_above_s
                cost_above_s += _slope(slope_X, case, s)
            best = Optimum(SOLVED, s, S, cycle / sum_X[n])


@numba.njit(cache=True, nogil=True, error_model="numpy")
def evaluate(weight_X: Any, slope_X: Any, renewal_X: Any, sum_X: Any, case: Case, s: int, S: int) -> Optimum:
    """The cost of the given (s, S)."""
    if S - s > len(sum_X) - 1:
        return Optimum(TOO_SHORT, 0, 0, 0.0)
    cycle, cost_y, known = case.fixed, _period_cost(slope_X, case, S), 0
    for j in range(S - s):
        if j == known:
            known = _add_renewals(weight_X, renewal_X, sum_X, case, known)
        cycle += renewal_X[_end(renewal_X) - j] * cost_y
        cost_y -= _slope(slope_X, case, S - j - 1)
    return Optimum(SOLVED, s, S, cycle / sum_X[S - s])


@numba.njit(cache=True, nogil=True, error_model="numpy")
def _fill(weight_X, slope_X, panjer_S3, pmf_SN, row, lead_time):  # type: ignore[no-untyped-def]
    """Weights of one period's demand and of that of L + 1 periods, from Panjer's recursion or else a pmf."""
    if len(panjer_S3) > 0:
        a, b, b_cover = panjer_S3[row, 0], panjer_S3[row, 1], panjer_S3[row, 2]
        period = fill_panjer(weight_X, a, b)
        if lead_time > 0:
            return period, fill_panjer(slope_X, a, b_cover)
        for k in range(period.base + period.lo, period.base + period.hi + 1 + STEP):
            slope_X[k] = weight_X[k]
        return period, period
    pmf_N = pmf_SN[row if len(pmf_SN) > 1 else 0]
    period = fill_pmf(weight_X, pmf_N)
    cover = fill_pmf(slope_X, pmf_N)
    if period.hi < 0 or period.hi * (lead_time + 1) + STEP >= len(slope_X):
        return period, Band(0, 0, -1)
    for _ in range(lead_time):
        cover = convolve(slope_X, cover, weight_X, period)
    return period, cover


@numba.njit(cache=True, nogil=True, error_model="numpy")
def _solve(weight_X, slope_X, renewal_X, sum_X, period, cover, terms_4, given_2):  # type: ignore[no-untyped-def]
    """The optimum, or the cost of the given (s, S) where there is one, once both bands are filled."""
    fixed, holding, backorder = terms_4[0], terms_4[1], terms_4[2]
    if period.hi < 0 or cover.hi < 0:
        return Optimum(TOO_SHORT, 0, 0, 0.0)
    moving = above_zero(weight_X, period)
    if moving < _NO_DEMAND:  # the first order is the last: what counts is the stock that lies there ever after
        s, S = (given_2[0], given_2[1]) if len(given_2) > 0 else (-1, 0)
        return Optimum(SOLVED, s, S, holding * max(S, 0) + backorder * max(-S, 0))
    turn_into_slopes(slope_X, cover, holding, backorder)
    first = 1.0 if period.lo > 0 else 1.0 + weight_X[period.base] / moving
    case = Case(period, cover, first, 1.0 / moving, fixed, holding, backorder)
    if len(given_2) > 0:
        return evaluate(weight_X, slope_X, renewal_X, sum_X, case, given_2[0], given_2[1])
    return optimise(weight_X, slope_X, renewal_X, sum_X, case)


@numba.njit(cache=True, nogil=True, error_model="numpy")
def solve_rows(rows, panjer_S3, pmf_SN, terms_S4, given_S2, capacity, s_S, S_S, cost_S, status_S):  # type: ignore[no-untyped-def]
    """Optimise `rows`, or evaluate the (s, S) of `given_S2` where it has columns, into the last four arrays.

    panjer_S3: a, b of one period, b of L + 1 periods; without rows, pmf_SN [S or 1, N] holds. terms_S4: K, h, p, L.
    """
    weight_X, slope_X, renewal_X, sum_X = workspace(capacity)
    for row in rows:
        period, cover = _fill(weight_X, slope_X, panjer_S3, pmf_SN, row, int(terms_S4[row, 3]))
        found = _solve(weight_X, slope_X, renewal_X, sum_X, period, cover, terms_S4[row], given_S2[row])
        status_S[row] = found.status
        if found.status == SOLVED:
            s_S[row], S_S[row], cost_S[row] = found.reorder_point, found.order_up_to, found.cost
