"""Pick tours: how far a picker walks for a list of slots, and in which order.

In one block tours are the shortest there are, in several they are nearly (see `several_blocks`). N visits of many tours
lie behind each other: tour k visits slot_N[offset_K[k] : offset_K[k + 1]].
"""

from __future__ import annotations

from itertools import pairwise

import numba
import numpy as np

from udfs.fulfilment.warehouse.layout import FloatArray, IntArray, Layout
from udfs.fulfilment.warehouse.one_block import exact_length, walk
from udfs.fulfilment.warehouse.several_blocks import near_order

_jit = numba.njit(cache=True, nogil=True, error_model="numpy")


@_jit
def sort_ranks(ranks):  # type: ignore[no-untyped-def]
    """Sort in place; return how many differ, moved to the front. Pick lists are short: insertion."""
    n = len(ranks)
    if n > 64:
        ranks.sort()
    for i in range(1, n):
        rank, j = ranks[i], i - 1
        while j >= 0 and ranks[j] > rank:
            ranks[j + 1] = ranks[j]
            j -= 1
        ranks[j + 1] = rank
    count = 0
    for i in range(n):
        if i == 0 or ranks[i] != ranks[i - 1]:
            ranks[count] = ranks[i]
            count += 1
    return count


@_jit
def length_of(ranks, geometry, kicks):  # type: ignore[no-untyped-def]
    """Metres of a tour through rising ranks."""
    if len(geometry.cross_C) == 2:
        return exact_length(ranks, geometry)
    return near_order(ranks, geometry, kicks, np.empty(len(ranks), np.int32))


@_jit
def _lengths(offset_K, slot_N, geometry, kicks, out_K):  # type: ignore[no-untyped-def]
    room = np.empty(max(1, np.max(np.diff(offset_K))), np.int32)
    for k in range(len(out_K)):
        ranks = room[: offset_K[k + 1] - offset_K[k]]
        for i in range(len(ranks)):
            ranks[i] = geometry.rank_L[slot_N[offset_K[k] + i]]
        out_K[k] = length_of(ranks[: sort_ranks(ranks)], geometry, kicks)


@_jit
def _orders(offset_K, slot_N, geometry, kicks, order_N):  # type: ignore[no-untyped-def]
    """Fill order_N with slots as visited, each once per tour; return how many each tour has."""
    count_K = np.zeros(len(offset_K) - 1, np.int64)
    at = 0
    for k in range(len(count_K)):
        ranks = geometry.rank_L[slot_N[offset_K[k] : offset_K[k + 1]]]
        count_K[k] = count = sort_ranks(ranks)
        order = np.empty(count, np.int32)
        if count and len(geometry.cross_C) == 2:
            walk(ranks[:count], geometry, order)
        elif count:
            near_order(ranks[:count], geometry, kicks, order)
        order_N[at : at + count] = geometry.slot_R[order]
        at += count
    return count_K


def tour_lengths(layout: Layout, offset_K: IntArray, slot_N: IntArray, kicks: int = 200) -> FloatArray:
    """[K] metres of each tour, from the depot and back; 0 where it visits nothing.

    kicks: in several blocks, how often a found tour is shaken and improved again. Raises ValueError on a slot or an
    offset that is not there.
    """
    check_tours(layout, offset_K, slot_N)
    out_K = np.zeros(len(offset_K) - 1)
    if len(out_K):
        _lengths(offset_K, slot_N, layout.geometry, kicks, out_K)
    return out_K


def tours(layout: Layout, offset_K: IntArray, slot_N: IntArray, kicks: int = 200) -> tuple[IntArray, IntArray]:
    """Offsets [K + 1] and slots [N], in the order of the shortest tours; what a tour visits twice it visits once."""
    check_tours(layout, offset_K, slot_N)
    order_N = np.empty(len(slot_N), np.int64)
    count_K = _orders(offset_K, slot_N, layout.geometry, kicks, order_N)
    new_offset_K = np.concatenate([[0], np.cumsum(count_K)])
    return new_offset_K, order_N[: new_offset_K[-1]]


def walked_lengths(layout: Layout, offset_K: IntArray, slot_N: IntArray) -> FloatArray:
    """[K] metres of tours that visit their slots in the order given, whatever it is worth."""
    check_tours(layout, offset_K, slot_N)
    out_K = np.zeros(len(offset_K) - 1)
    for k, (start, end) in enumerate(pairwise(offset_K)):
        distance_NN = layout.distances(slot_N[start:end])
        out_K[k] = np.diagonal(distance_NN, 1).sum() + distance_NN[-1, 0]
    return out_K


def check_tours(layout: Layout, offset_K: IntArray, slot_N: IntArray) -> None:
    """Raise ValueError where offsets or slots cannot be those of tours."""
    n = len(layout.slot_id_L)
    if len(offset_K) == 0 or offset_K[0] != 0 or offset_K[-1] != len(slot_N) or (np.diff(offset_K) < 0).any():
        raise ValueError(f"offset_K: expected to rise from 0 to {len(slot_N)}, found {offset_K[:1]} to {offset_K[-1:]}")
    if len(slot_N) and not (slot_N.min() >= 0 and slot_N.max() < n):
        raise ValueError(f"slot_N: expected slots from 0 to {n - 1}, found {slot_N.min()} to {slot_N.max()}")
