"""Products to slots by swaps that are judged by the tours they shorten: annealing on exact tour lengths.

P products, K tours of which tour k picks product_N[offset_K[k] : offset_K[k + 1]], weight_K times a day. tour_M holds
the tours of each product behind each other, from of_product_P[p] on.
"""

from __future__ import annotations

import numba
import numpy as np

from udfs.fulfilment.warehouse.pick_tour import length_of, sort_ranks

_jit = numba.njit(cache=True, nogil=True, error_model="numpy")
_NEAR = 8  # slots on either side of what is picked along
EMPTY = -1


@_jit
def _tour(k, offset_K, product_N, rank_P, geometry, room):  # type: ignore[no-untyped-def]
    """Metres of tour k where products are now."""
    ranks = room[: offset_K[k + 1] - offset_K[k]]
    for i in range(len(ranks)):
        ranks[i] = rank_P[product_N[offset_K[k] + i]]
    return length_of(ranks[: sort_ranks(ranks)], geometry, 0)


@_jit
def all_tours(offset_K, product_N, rank_P, geometry):  # type: ignore[no-untyped-def]
    """[K] metres."""
    room = np.empty(max(1, np.max(np.diff(offset_K))), np.int32)
    length_K = np.empty(len(offset_K) - 1)
    for k in range(len(length_K)):
        length_K[k] = _tour(k, offset_K, product_N, rank_P, geometry, room)
    return length_K


@_jit
def _uniform(state):  # type: ignore[no-untyped-def]
    """A number in [0, 1) from the upper bits of a linear congruence (Knuth's MMIX)."""
    state[0] = state[0] * np.uint64(6364136223846793005) + np.uint64(1442695040888963407)
    return np.float64(state[0] >> np.uint64(11)) / 9007199254740992.0


@_jit
def _proposal(state, offset_K, product_N, of_product_P, tour_M, free_F, rank_P, n_slots):  # type: ignore[no-untyped-def]
    """A product that may move, and a slot for it: near one that is picked along with it, or any."""
    p = free_F[int(_uniform(state) * len(free_F))]
    first, last = of_product_P[p], of_product_P[p + 1]
    if last > first and _uniform(state) < 0.7:
        k = tour_M[first + int(_uniform(state) * (last - first))]
        other = product_N[offset_K[k] + int(_uniform(state) * (offset_K[k + 1] - offset_K[k]))]
        rank = rank_P[other] + int(_uniform(state) * (2 * _NEAR + 1)) - _NEAR
        if 0 <= rank < n_slots:
            return p, rank
    return p, int(_uniform(state) * n_slots)


@_jit
def _gone(home_P, p, rank, to):  # type: ignore[no-untyped-def]
    """1 where a product leaves its home by a move, -1 where it comes back, else 0."""
    if p == EMPTY or home_P[p] == EMPTY:
        return 0
    return int(to != home_P[p]) - int(rank != home_P[p])


@_jit
def _put(rank_P, p, to, q, here):  # type: ignore[no-untyped-def]
    rank_P[p] = to
    if q != EMPTY:
        rank_P[q] = here


@_jit
def anneal(tours, places, rank_P, product_R, geometry, worth, evaluations, heat, seed):  # type: ignore[no-untyped-def]
    """Swap products, or move them to empty slots, in place; end at the best met. Returns its metres a day.

    tours: offset_K, product_N, weight_K, of_product_P, tour_M. places: volume_P, capacity_R, is_fixed_P, free_F (what
    may move) and home_P (the rank where a product is now, EMPTY: anywhere). worth: metres a day that a product which
    leaves its home has to save. heat: metres a day that the first swaps may lose.
    """
    offset_K, product_N, weight_K, of_product_P, tour_M = tours
    volume_P, capacity_R, is_fixed_P, free_F, home_P = places
    state, room = np.array([seed], np.uint64), np.empty(max(1, np.max(np.diff(offset_K))), np.int32)
    length_K = all_tours(offset_K, product_N, rank_P, geometry)
    fresh, n_fresh = np.empty(2 * len(tour_M)), 0
    change, best, best_P = 0.0, 0.0, rank_P.copy()
    for step in range(evaluations if len(free_F) else 0):
        p, to = _proposal(state, offset_K, product_N, of_product_P, tour_M, free_F, rank_P, len(product_R))
        q, here = product_R[to], rank_P[p]
        if to == here or volume_P[p] > capacity_R[to]:
            continue
        if q != EMPTY and (is_fixed_P[q] or volume_P[q] > capacity_R[here]):
            continue
        gone = _gone(home_P, p, here, to) + _gone(home_P, q, to, here)
        limit = -heat * (1.0 - step / evaluations) ** 2 * np.log(1.0 - _uniform(state))
        more, n_fresh = worth * gone, 0
        _put(rank_P, p, to, q, here)
        for moved in (p, q):
            for m in range(of_product_P[moved], of_product_P[moved + 1] if moved != EMPTY else 0):
                k = tour_M[m]
                fresh[n_fresh] = _tour(k, offset_K, product_N, rank_P, geometry, room)
                more += weight_K[k] * (fresh[n_fresh] - length_K[k])
                n_fresh += 1
        if more > limit or (heat == 0.0 and more > -1e-9):
            _put(rank_P, p, here, q, to)
            continue
        product_R[to], product_R[here], change, n_fresh = p, q, change + more, 0
        for moved in (p, q):
            for m in range(of_product_P[moved], of_product_P[moved + 1] if moved != EMPTY else 0):
                length_K[tour_M[m]] = fresh[n_fresh]
                n_fresh += 1
        if change < best - 1e-9:
            best = change
            best_P[:] = rank_P
    rank_P[:] = best_P
    return (weight_K * all_tours(offset_K, product_N, rank_P, geometry)).sum()
