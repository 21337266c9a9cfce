"""Robust tabu search for quadratic assignment, in whole numbers and as wide as the processor adds.

After E. Taillard, Robust taboo search for the quadratic assignment problem, Parallel Computing 17 (1991), with the
spread of tabu durations of his code of 2006. n facilities at n locations; `at_F` is the location of each. Of `flow_PFF`
and `distance_PLL` P is 1 where either is symmetric, else 2: the symmetric and the skew part.

A swap changes the costs of all other swaps by a product of two differences (Taillard's formula). Those that share a
facility with it come from K[u, v], what u would cost at v's location, which changes by a product as well, so that an
iteration takes n^2 steps without a reduction. Pairs are kept by how far apart they are, row o for (u, u + o), which
makes every row as long.
"""

from __future__ import annotations

import numba
import numpy as np

_jit = numba.njit(cache=True, nogil=True, error_model="numpy")
_LONG_TENURE = 8.0  # times n; a tenure is this times the cube of a uniform number, two n on average


@_jit
def _uniform(state):  # type: ignore[no-untyped-def]
    """The next number in [0, 1) of xorshift64* (Marsaglia 2003, Vigna 2016)."""
    x = state[0]
    x ^= x >> np.uint64(12)
    x ^= x << np.uint64(25)
    x ^= x >> np.uint64(27)
    state[0] = x
    return np.float64((x * np.uint64(2685821657736338717)) >> np.uint64(11)) / 9007199254740992.0


@_jit
def _set(pairs_OF, n, u, v, value):  # type: ignore[no-untyped-def]
    apart = v - u if v >= u else v - u + n
    if apart < len(pairs_OF):
        pairs_OF[apart, u] = value
    if n - apart < len(pairs_OF):
        pairs_OF[n - apart, v] = value


@_jit
def _start(flow_PFF, near_PFF, linear_FL, at_F, price_FF):  # type: ignore[no-untyped-def]
    """K of an assignment: what each facility (row) costs at each one's location."""
    n = len(at_F)
    for u in range(n):
        for v in range(n):
            price_FF[u, v] = linear_FL[u, at_F[v]]
        for part in range(len(flow_PFF)):
            for k in range(n):
                flow = flow_PFF[part, u, k]
                if flow != 0:
                    for v in range(n):
                        price_FF[u, v] += price_FF.dtype.type(flow * near_PFF[part, k, v])


@_jit
def _swap(flow_PFF, near_PFF, price_FF, at_F, r, s, x_PF, y_PF):  # type: ignore[no-untyped-def]
    """Exchange r and s. near_PFF: distance to the row's location from the column's."""
    n, whole = len(at_F), price_FF.dtype.type
    for part in range(len(flow_PFF)):
        flow_FF, near_FF, x_F, y_F = flow_PFF[part], near_PFF[part], x_PF[part], y_PF[part]
        for u in range(n):
            x_F[u] = x_F[u + n] = whole(flow_FF[u, r] - flow_FF[u, s])
            y_F[u] = y_F[u + n] = whole(near_FF[s, u] - near_FF[r, u])
        for u in range(n):
            row, xu = price_FF[u], x_F[u]
            for v in range(n):
                row[v] += whole(xu * y_F[v])
        for u in range(n):
            near_FF[r, u], near_FF[s, u] = near_FF[s, u], near_FF[r, u]
        for u in range(n):
            near_FF[u, r], near_FF[u, s] = near_FF[u, s], near_FF[u, r]
    for u in range(n):
        price_FF[u, r], price_FF[u, s] = price_FF[u, s], price_FF[u, r]
    at_F[r], at_F[s] = at_F[s], at_F[r]


@_jit
def _best(change_OF, until_OF, x_PF, y_PF, now, wanted, most):  # type: ignore[no-untyped-def]
    """Bring the changes of all pairs up to date; the row of the least one that is not tabu, or better than wanted."""
    n, whole, parts = change_OF.shape[1], change_OF.dtype.type, len(x_PF)
    least, row = most, 0
    for apart in range(1, len(change_OF)):
        changes, until = change_OF[apart], until_OF[apart]
        for part in range(1, parts):
            x, y = x_PF[part, :n], y_PF[part, :n]
            far_x, far_y = x_PF[part, apart : apart + n], y_PF[part, apart : apart + n]
            for u in range(n):
                changes[u] -= whole(whole(x[u] - far_x[u]) * whole(y[u] - far_y[u]))
        x, y = x_PF[0, :n], y_PF[0, :n]
        far_x, far_y = x_PF[0, apart : apart + n], y_PF[0, apart : apart + n]
        found = most
        for u in range(n):
            change = whole(changes[u] - whole(whole(x[u] - far_x[u]) * whole(y[u] - far_y[u])))
            changes[u] = change
            found = min(found, change if (until[u] < now) | (change < wanted) else most)
        if found < least:
            least, row = found, apart
    return least, row


@_jit
def _refresh(q, flow_PFF, near_PFF, price_FF, x_PF, y_PF, change_OF):  # type: ignore[no-untyped-def]
    """The changes by swaps of q, each with what `_best` is about to take off."""
    n, whole = len(price_FF), price_FF.dtype.type
    for v in range(n):
        change = whole(price_FF[q, v] + price_FF[v, q] - price_FF[q, q] - price_FF[v, v])
        change += whole(2 * flow_PFF[0, q, v] * near_PFF[0, q, v])
        for part in range(len(x_PF)):
            change += whole((x_PF[part, q] - x_PF[part, v]) * (y_PF[part, q] - y_PF[part, v]))
        if v != q:
            _set(change_OF, n, q, v, whole(change))


@_jit
def _forbid(q, at_F, until_FL, until_OF, n_real, never):  # type: ignore[no-untyped-def]
    """The iteration until which each swap of q brings either facility back too early."""
    for v in range(len(at_F)):
        until = min(until_FL[q, at_F[v]], until_FL[v, at_F[q]])
        if v != q:
            _set(until_OF, len(at_F), q, v, never if min(q, v) >= n_real else until)


@_jit
def tabu_search(flow_PFF, distance_PLL, linear_FL, n_real, at_F, iterations, seed, most):  # type: ignore[no-untyped-def]
    """Improve at_F in place to the best assignment met; by how much the cost changed (0 or less).

    Facilities from n_real on are empty places: they do not swap with each other. most: above every cost.
    """
    n, parts, whole, state = len(at_F), len(flow_PFF), linear_FL.dtype.type, np.array([2 * seed + 1], np.uint64)
    near_PFF, price_FF = np.empty_like(flow_PFF), np.empty_like(linear_FL)
    for part in range(parts):
        near_PFF[part] = distance_PLL[part].T[at_F][:, at_F]
    _start(flow_PFF, near_PFF, linear_FL, at_F, price_FF)
    change_OF, until_OF = np.zeros((n // 2 + 1, n), linear_FL.dtype), np.zeros((n // 2 + 1, n), linear_FL.dtype)
    until_FL = np.zeros_like(linear_FL)
    x_PF, y_PF = np.zeros((parts, 2 * n), linear_FL.dtype), np.zeros((parts, 2 * n), linear_FL.dtype)
    for u in range(n):
        _refresh(u, flow_PFF, near_PFF, price_FF, x_PF, y_PF, change_OF)
        _forbid(u, at_F, until_FL, until_OF, n_real, most)
    change, best, best_F = 0, 0, at_F.copy()
    for now in range(1, iterations + 1):
        wanted = whole(best - change)
        least, apart = _best(change_OF, until_OF, x_PF, y_PF, whole(now), wanted, most)
        if apart == 0:  # all are tabu
            x_PF[:] = 0
            continue
        r = 0
        while change_OF[apart, r] != least or not (until_OF[apart, r] < now or least < wanted):
            r += 1
        s = (r + apart) % n
        for q in (r, s):
            until_FL[q, at_F[q]] = now + int(_uniform(state) ** 3 * _LONG_TENURE * n)
        _swap(flow_PFF, near_PFF, price_FF, at_F, r, s, x_PF, y_PF)
        change += least
        if change < best:
            best = change
            best_F[:] = at_F
        for q in (r, s):
            _refresh(q, flow_PFF, near_PFF, price_FF, x_PF, y_PF, change_OF)
            _forbid(q, at_F, until_FL, until_OF, n_real, most)
    at_F[:] = best_F
    return best
