"""Pick tours of several blocks, nearly the shortest: 2-opt and Or-opt on distances, shaken and improved again.

The nearest slot first; then edges are exchanged (Croes 1958) and chains of up to three moved, either way round (Or
1976), until nothing improves; then a part is moved at random (the double bridge of Martin, Otto and Felten 1991) and
that is repeated, keeping what is shorter. Random numbers are the own ones of the kernel: a tour is the same anywhere.
"""

from __future__ import annotations

import numba
import numpy as np

_jit = numba.njit(cache=True, nogil=True, error_model="numpy")
_LEAST = 1e-9


@_jit
def _distances(ranks, geometry):  # type: ignore[no-untyped-def]
    """[n + 1, n + 1] metres between slots, the depot first."""
    n = len(ranks) + 1
    aisle_N, at_N = np.empty(n, np.int64), np.empty(n)
    aisle_N[0], at_N[0] = geometry.depot, 0.0
    for i in range(1, n):
        aisle_N[i], at_N[i] = geometry.aisle_R[ranks[i - 1]], geometry.position_R[ranks[i - 1]]
    d_NN = np.zeros((n, n))
    for i in range(n):
        for j in range(i):
            best = abs(at_N[i] - at_N[j])
            if aisle_N[i] != aisle_N[j]:
                best = np.inf
                for cross in geometry.cross_C:
                    best = min(best, abs(at_N[i] - cross) + abs(at_N[j] - cross))
                best += geometry.pitch * abs(aisle_N[i] - aisle_N[j])
            d_NN[i, j] = d_NN[j, i] = best
    return d_NN


@_jit
def _turn(tour, first, last):  # type: ignore[no-untyped-def]
    while first < last:
        tour[first], tour[last] = tour[last], tour[first]
        first, last = first + 1, last - 1


@_jit
def _exchange(tour, d_NN):  # type: ignore[no-untyped-def]
    """Metres by which exchanging two edges, wherever that helps, shortens the tour. Its ends are the depot."""
    gained = 0.0
    for i in range(1, len(tour) - 2):
        for j in range(i + 1, len(tour) - 1):
            a, b, c, e = tour[i - 1], tour[i], tour[j], tour[j + 1]
            gain = d_NN[a, b] + d_NN[c, e] - d_NN[a, c] - d_NN[b, e]
            if gain > _LEAST:
                _turn(tour, i, j)
                gained += gain
    return gained


@_jit
def _shift(tour, d_NN):  # type: ignore[no-untyped-def]
    """Metres by which moving chains of one to three stops shortens the tour."""
    gained, n = 0.0, len(tour)
    for size in range(1, 4):
        for i in range(1, n - size):
            head, tail = tour[i], tour[i + size - 1]
            out = d_NN[tour[i - 1], head] + d_NN[tail, tour[i + size]] - d_NN[tour[i - 1], tour[i + size]]
            best, place, is_turned = _LEAST, -1, False
            for j in range(n - 1):
                if i - 1 <= j < i + size:
                    continue
                a, b = tour[j], tour[j + 1]
                straight = out + d_NN[a, b] - d_NN[a, head] - d_NN[tail, b]
                turned = out + d_NN[a, b] - d_NN[a, tail] - d_NN[head, b]
                if max(straight, turned) > best:
                    best, place, is_turned = max(straight, turned), j, turned > straight
            if place >= 0:
                gained += best
                if is_turned:
                    _turn(tour, i, i + size - 1)
                first, middle, last = (place + 1, i, i + size) if place < i else (i, i + size, place + 1)
                _turn(tour, first, middle - 1)
                _turn(tour, middle, last - 1)
                _turn(tour, first, last - 1)
    return gained


@_jit
def _length(tour, d_NN):  # type: ignore[no-untyped-def]
    metres = 0.0
    for i in range(len(tour) - 1):
        metres += d_NN[tour[i], tour[i + 1]]
    return metres


@_jit
def _improve(tour, d_NN):  # type: ignore[no-untyped-def]
    while _exchange(tour, d_NN) + _shift(tour, d_NN) > _LEAST:
        pass
    return _length(tour, d_NN)


@_jit
def _random(state, below):  # type: ignore[no-untyped-def]
    """The next state of a linear congruence (Knuth's MMIX) and a number from it."""
    state = state * np.uint64(6364136223846793005) + np.uint64(1442695040888963407)
    return state, np.int64((state >> np.uint64(33)) % np.uint64(below))


@_jit
def near_order(ranks, geometry, kicks, order):  # type: ignore[no-untyped-def]
    """Fill `order` with the ranks as visited; return metres."""
    d_NN = _distances(ranks, geometry)
    n = len(ranks) + 1
    tour = np.zeros(n + 1, np.int64)
    tour[1:n] = np.arange(1, n)
    for i in range(1, n - 1):
        nearest = i
        for j in range(i + 1, n):
            if d_NN[tour[i - 1], tour[j]] < d_NN[tour[i - 1], tour[nearest]]:
                nearest = j
        tour[i], tour[nearest] = tour[nearest], tour[i]
    metres = _improve(tour, d_NN)
    state = np.uint64(n)
    for _ in range(kicks if n > 5 else 0):
        cuts = np.empty(3, np.int64)
        for i in range(3):
            state, cuts[i] = _random(state, n - 1)
        cuts = np.sort(cuts) + 1
        tried = np.concatenate((tour[: cuts[0]], tour[cuts[1] : cuts[2]], tour[cuts[0] : cuts[1]], tour[cuts[2] :]))
        found = _improve(tried, d_NN)
        if found < metres + _LEAST:
            metres, tour = min(found, metres), tried
    for i in range(1, n):
        order[i - 1] = ranks[tour[i] - 1]
    return metres
