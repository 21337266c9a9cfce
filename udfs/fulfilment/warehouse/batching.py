"""Which orders a picker takes along on one walk: savings on exact tours, then shifts and swaps between carts.

After G. Clarke and J. W. Wright, Scheduling of vehicles from a central depot, Operations Research 12 (1964), with the
saving of two orders what their tours are shorter together. An order is split only where no cart holds it.
"""

from __future__ import annotations

from dataclasses import dataclass

import numba
import numpy as np

from udfs.fulfilment.warehouse.layout import FloatArray, IntArray, Layout
from udfs.fulfilment.warehouse.pick_tour import length_of, sort_ranks, tour_lengths

_jit = numba.njit(cache=True, nogil=True, error_model="numpy")
_LEAST = 1e-9
# Of numpy's type, not Python's: for a constant of its own numba would compile all that is called once more.
_KICKS = np.int64(0)  # of tours in several blocks while batches are compared
_NONE = np.int64(-1)


@dataclass(frozen=True, eq=False)
class PickLines:
    """N lines. order_N: number of the order, from 0. slot_N: where it is picked. pieces_N: how many. litres_N: a
    piece's.

    Raises ValueError naming the first line that cannot be.
    """

    order_N: IntArray
    slot_N: IntArray
    pieces_N: IntArray
    litres_N: FloatArray

    def __post_init__(self) -> None:
        for name, least in (("order_N", 0), ("slot_N", 0), ("pieces_N", 1), ("litres_N", 0.0)):
            values = getattr(self, name)
            if values.shape != self.order_N.shape:
                raise ValueError(f"{name}: expected {len(self.order_N)} values, found {values.shape}")
            is_right_N = np.isfinite(values) & (values >= least)
            if not is_right_N.all():
                at = int(np.argmin(is_right_N))
                raise ValueError(f"{name}: expected {least} or more, found {values[at]} in line {at}")


@dataclass(frozen=True)
class Cart:
    """What a picker takes along: litres, and at most so many orders (inf: no limit)."""

    litres: float = np.inf
    orders: float = np.inf

    def __post_init__(self) -> None:
        if not (self.litres > 0 and self.orders >= 1):
            raise ValueError(f"cart: expected litres above 0 and orders from 1, found {self.litres} and {self.orders}")


@dataclass(frozen=True, eq=False)
class Batches:
    """M picks: line_M (row of the lines), pieces_M, batch_M (number, from 0). length_B: metres of each batch's tour."""

    line_M: IntArray
    pieces_M: IntArray
    batch_M: IntArray
    length_B: FloatArray


def batched(layout: Layout, lines: PickLines, cart: Cart, *, rounds: int = 20, together: int = 1000) -> Batches:
    """Batches of least walking that a cart holds; each line's pieces are conserved.

    A piece above the cart goes alone. rounds: of local search, at most. together: so many orders are looked at at a
    time, neighbours beside each other; its square is what time grows by.
    """
    line_M, pieces_M, part_M = _parts(layout, lines, cart)
    batch_M = np.zeros(len(line_M), dtype=np.int64)
    if not len(line_M):
        return Batches(line_M, pieces_M, batch_M, np.zeros(0))
    n_parts = int(part_M.max()) + 1
    rank_M = layout.geometry.rank_L[lines.slot_N[line_M]]
    load_PD = np.ones((n_parts, 2))
    load_PD[:, 0] = np.bincount(part_M, pieces_M * lines.litres_N[line_M])
    by_part_M = np.lexsort((rank_M, part_M))
    offset_P = np.concatenate([[0], np.cumsum(np.bincount(part_M))])
    middle_P = np.bincount(part_M, rank_M) / np.diff(offset_P)
    batch_P = np.empty(n_parts, dtype=np.int64)
    capacity_D = np.array([cart.litres * (1 + _LEAST), cart.orders])
    count = 0
    for parts in np.array_split(np.argsort(middle_P, kind="stable"), -(-n_parts // together)):
        size_P = np.diff(offset_P)[parts]
        ranks = np.concatenate([rank_M[by_part_M[offset_P[p] : offset_P[p + 1]]] for p in parts])
        offset = np.concatenate([[0], np.cumsum(size_P)])
        found = _search(offset, ranks, load_PD[parts], capacity_D, layout.geometry, rounds)
        _, number = np.unique(found, return_inverse=True)
        batch_P[parts] = count + number
        count += int(number.max()) + 1
    batch_M = batch_P[part_M]
    by_batch_M = np.argsort(batch_M, kind="stable")
    offset_B = np.concatenate([[0], np.cumsum(np.bincount(batch_M))])
    return Batches(line_M, pieces_M, batch_M, tour_lengths(layout, offset_B, lines.slot_N[line_M][by_batch_M]))


def _parts(layout: Layout, lines: PickLines, cart: Cart) -> tuple[IntArray, IntArray, IntArray]:
    """Line, pieces and part of each pick: a part is an order, or as much of it as a cart holds, in order of the
    slots."""
    picks: list[tuple[int, int, int]] = []
    total_O = np.bincount(lines.order_N, lines.pieces_N * lines.litres_N)
    part, last, room = -1, -1, cart.litres
    for line in np.lexsort((layout.geometry.rank_L[lines.slot_N], lines.order_N)):
        order, left, litres = lines.order_N[line], int(lines.pieces_N[line]), lines.litres_N[line]
        if order != last:
            part, last, room = part + 1, order, cart.litres
        if total_O[order] <= cart.litres:
            picks.append((line, left, part))
            continue
        while left:
            fits = left if litres * left <= room else int(room / litres)
            if fits == 0 and room == cart.litres:
                fits = 1  # a piece above the cart
            if fits:
                picks.append((line, fits, part))
                left, room = left - fits, room - fits * litres
            if left:
                part, room = part + 1, cart.litres
    line_M, pieces_M, part_M = np.array(picks, dtype=np.int64).reshape(-1, 3).T
    return line_M, pieces_M, part_M


@_jit
def _together(members, skip, extra, offset_P, rank_N, geometry):  # type: ignore[no-untyped-def]
    """Metres of a tour for the parts of a batch, one left out and another added (-1: none)."""
    size = 0
    for part in members:
        size += offset_P[part + 1] - offset_P[part]
    if extra >= 0:
        size += offset_P[extra + 1] - offset_P[extra]
    ranks, at = np.empty(size, np.int32), 0
    for k in range(len(members) + 1):
        part = members[k] if k < len(members) else extra
        if part >= 0 and part != skip:
            for i in range(offset_P[part], offset_P[part + 1]):
                ranks[at] = rank_N[i]
                at += 1
    return length_of(ranks[: sort_ranks(ranks[:at])], geometry, _KICKS)


@_jit
def _fits(load_D, more_D, less_D, capacity_D):  # type: ignore[no-untyped-def]
    """Whether a cart holds a load with more and less of it: a loop, which numba compiles faster than sums of arrays."""
    for d in range(len(capacity_D)):  # noqa: SIM110  generators are not compiled
        if load_D[d] + more_D[d] - less_D[d] > capacity_D[d]:
            return False
    return True


@_jit
def _add(load_D, more_D, times):  # type: ignore[no-untyped-def]
    for d in range(len(load_D)):
        load_D[d] += times * more_D[d]


@_jit
def _savings(offset_P, rank_N, load_PD, capacity_D, geometry):  # type: ignore[no-untyped-def]
    """Batch of each part after Clarke and Wright: of two batches, those of the two parts that save most, one."""
    n = len(load_PD)
    none, nothing_D = np.empty(0, np.int64), np.zeros_like(capacity_D)
    length_P = np.array([_together(none, _NONE, p, offset_P, rank_N, geometry) for p in range(n)])
    saving, pair, pairs = np.empty(n * (n - 1) // 2), np.empty((n * (n - 1) // 2, 2), np.int64), 0
    for p in range(n):
        for q in range(p):
            if _fits(load_PD[p], load_PD[q], nothing_D, capacity_D):
                metres = _together(np.array([p]), _NONE, q, offset_P, rank_N, geometry)
                saving[pairs], pair[pairs, 0], pair[pairs, 1] = length_P[p] + length_P[q] - metres, p, q
                pairs += 1
    batch_P, load_BD = np.arange(n), load_PD.copy()
    for k in np.argsort(-saving[:pairs], kind="mergesort"):
        one, other = batch_P[pair[k, 0]], batch_P[pair[k, 1]]
        if saving[k] > _LEAST and one != other and _fits(load_BD[one], load_BD[other], nothing_D, capacity_D):
            _add(load_BD[one], load_BD[other], 1.0)
            for part in range(n):
                if batch_P[part] == other:
                    batch_P[part] = one
    return batch_P


@_jit
def _search(offset_P, rank_N, load_PD, capacity_D, geometry, rounds):  # type: ignore[no-untyped-def]
    """Batch of each part: savings, then each part to the batch, or for the part, that makes both tours shortest."""
    batch_P = _savings(offset_P, rank_N, load_PD, capacity_D, geometry)
    n = len(batch_P)
    load_BD, length_B = np.zeros_like(load_PD), np.zeros(n)
    for p in range(n):
        _add(load_BD[batch_P[p]], load_PD[p], 1.0)
    for b in range(n):
        length_B[b] = _together(np.flatnonzero(batch_P == b), _NONE, _NONE, offset_P, rank_N, geometry)
    for _ in range(rounds):
        total = length_B.sum()
        for p in range(n):
            _place(p, batch_P, load_BD, length_B, offset_P, rank_N, load_PD, capacity_D, geometry)
        if length_B.sum() > total - _LEAST:
            break
    return batch_P


@_jit
def _best_place(p, batch_P, load_BD, length_B, offset_P, rank_N, load_PD, capacity_D, geometry):  # type: ignore[no-untyped-def]
    """The batch to which a part shifts best, and the part there with which it swaps; -1 where there is none."""
    here = batch_P[p]
    own = np.flatnonzero(batch_P == here)
    nothing_D = np.zeros_like(capacity_D)
    without = _together(own, p, _NONE, offset_P, rank_N, geometry)
    best, to, swapped = _LEAST, -1, -1
    for b in np.unique(batch_P):
        if b == here:
            continue
        members = np.flatnonzero(batch_P == b)
        if _fits(load_BD[b], load_PD[p], nothing_D, capacity_D):
            gain = length_B[here] + length_B[b] - without - _together(members, _NONE, p, offset_P, rank_N, geometry)
            if gain > best:
                best, to, swapped = gain, b, -1
        for q in members:
            is_room_there = _fits(load_BD[b], load_PD[p], load_PD[q], capacity_D)
            if is_room_there and _fits(load_BD[here], load_PD[q], load_PD[p], capacity_D):
                gain = length_B[here] + length_B[b] - _together(members, q, p, offset_P, rank_N, geometry)
                if gain > best:
                    gain -= _together(own, p, q, offset_P, rank_N, geometry)
                    if gain > best:
                        best, to, swapped = gain, b, q
    return to, swapped


@_jit
def _place(p, batch_P, load_BD, length_B, offset_P, rank_N, load_PD, capacity_D, geometry):  # type: ignore[no-untyped-def]
    """Shift a part to the best other batch, or swap it with the best part of one, where that saves."""
    here = batch_P[p]
    to, swapped = _best_place(p, batch_P, load_BD, length_B, offset_P, rank_N, load_PD, capacity_D, geometry)
    if to < 0:
        return
    batch_P[p] = to
    _add(load_BD[to], load_PD[p], 1.0)
    _add(load_BD[here], load_PD[p], -1.0)
    if swapped >= 0:
        batch_P[swapped] = here
        _add(load_BD[here], load_PD[swapped], 1.0)
        _add(load_BD[to], load_PD[swapped], -1.0)
    for b in (here, to):
        length_B[b] = _together(np.flatnonzero(batch_P == b), _NONE, _NONE, offset_P, rank_N, geometry)
