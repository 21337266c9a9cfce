"""A choice of suppliers made to keep their limits, by moving the SKUs that lose least."""

from __future__ import annotations

from typing import NamedTuple

import numba
import numpy as np

from udfs.inventory.demand_distribution import FloatArray
from udfs.supply_network.lanes import IntArray

_TOLERANCE = 1e-9


class Ways(NamedTuple):
    """Options sorted by SKU, start_S the first of each: cost, and what they take of supplier `one` and of supplier
    `two`; the limits of J suppliers."""

    cost: FloatArray
    start_S: IntArray
    one: IntArray
    two: IntArray
    qty_1: FloatArray
    qty_2: FloatArray
    value_1: FloatArray
    value_2: FloatArray
    capacity_J: FloatArray
    least_J: FloatArray


@numba.njit(cache=True, nogil=True, error_model="numpy")
def repair(ways, may_use_J, plan_S):  # type: ignore[no-untyped-def]
    """Move SKUs of `plan_S` off suppliers that may not be used or are full, onto those that lack value; a supplier that
    cannot reach its minimum is given up. The result need not keep all limits."""
    for _ in range(2 * ways.capacity_J.size + 2):
        qty_J, value_J = _loads(ways, plan_S)
        target, is_off, left = _most_wrong(ways, may_use_J, qty_J, value_J)
        if target < 0:
            return
        other_S, ratio_S = _moves(ways, qty_J, may_use_J, plan_S, target, is_off)
        for s in np.argsort(ratio_S):
            if left <= 0.0 or ratio_S[s] == np.inf:
                break
            p, q = plan_S[s], other_S[s]
            if _fits(ways, qty_J, p, q):
                left -= _help(ways, p, q, target, is_off)
                qty_J[ways.one[p]] -= ways.qty_1[p]
                qty_J[ways.two[p]] -= ways.qty_2[p]
                qty_J[ways.one[q]] += ways.qty_1[q]
                qty_J[ways.two[q]] += ways.qty_2[q]
                plan_S[s] = q
        if left > _TOLERANCE and not is_off:
            may_use_J[target] = False
        elif left > _TOLERANCE and not may_use_J[target]:
            return


@numba.njit(cache=True, nogil=True, error_model="numpy")
def _loads(ways, plan_S):  # type: ignore[no-untyped-def]
    """Units and value that a choice gives each supplier."""
    qty_J, value_J = np.zeros(ways.capacity_J.size), np.zeros(ways.capacity_J.size)
    for p in plan_S:
        qty_J[ways.one[p]] += ways.qty_1[p]
        qty_J[ways.two[p]] += ways.qty_2[p]
        value_J[ways.one[p]] += ways.value_1[p]
        value_J[ways.two[p]] += ways.value_2[p]
    return qty_J, value_J


@numba.njit(cache=True, nogil=True, error_model="numpy")
def _most_wrong(ways, may_use_J, qty_J, value_J):  # type: ignore[no-untyped-def]
    """The supplier to be seen to (-1: none), whether SKUs must leave it, and how much is wrong."""
    onto, lacking = -1, 0.0
    for j in range(qty_J.size):
        over = qty_J[j] - ways.capacity_J[j] if may_use_J[j] else qty_J[j]
        if over > _TOLERANCE * (max(ways.capacity_J[j], 1.0) if may_use_J[j] else 1.0):
            return j, True, over
        short = ways.least_J[j] - value_J[j]
        if may_use_J[j] and value_J[j] > 0.0 and short > _TOLERANCE * ways.least_J[j]:
            onto, lacking = j, short
    return onto, False, lacking


@numba.njit(cache=True, nogil=True, error_model="numpy")
def _part(ways, p, j, amount_1, amount_2):  # type: ignore[no-untyped-def]
    """What option p takes from supplier j."""
    return (amount_1[p] if ways.one[p] == j else 0.0) + (amount_2[p] if ways.two[p] == j else 0.0)


@numba.njit(cache=True, nogil=True, error_model="numpy")
def _help(ways, p, q, target, is_off):  # type: ignore[no-untyped-def]
    """Units that leave the target, or value that it gains, where option q takes the place of p."""
    if is_off:
        return _part(ways, p, target, ways.qty_1, ways.qty_2) - _part(ways, q, target, ways.qty_1, ways.qty_2)
    return _part(ways, q, target, ways.value_1, ways.value_2) - _part(ways, p, target, ways.value_1, ways.value_2)


@numba.njit(cache=True, nogil=True, error_model="numpy")
def _fits(ways, qty_J, p, q):  # type: ignore[no-untyped-def]
    """Whether option q, in place of p, exceeds nobody's capacity."""
    for j in (ways.one[q], ways.two[q]):
        more = _part(ways, q, j, ways.qty_1, ways.qty_2) - _part(ways, p, j, ways.qty_1, ways.qty_2)
        if more > 0.0 and qty_J[j] + more > ways.capacity_J[j]:
            return False
    return True


@numba.njit(cache=True, nogil=True, error_model="numpy")
def _moves(ways, qty_J, may_use_J, plan_S, target, is_off):  # type: ignore[no-untyped-def]
    """Each SKU's cheapest option that helps and fits, and what it loses by it per unit of help (inf: none)."""
    n_skus = ways.start_S.size
    other_S, ratio_S = plan_S.copy(), np.full(n_skus, np.inf)
    for s in range(n_skus):
        p, last = plan_S[s], ways.start_S[s + 1] if s + 1 < n_skus else ways.cost.size
        if is_off and ways.one[p] != target and ways.two[p] != target:
            continue
        for q in range(ways.start_S[s], last):
            gain = _help(ways, p, q, target, is_off)
            if gain <= 0.0 or not (may_use_J[ways.one[q]] and may_use_J[ways.two[q]]) or not _fits(ways, qty_J, p, q):
                continue
            ratio = (ways.cost[q] - ways.cost[p]) / gain
            if ratio < ratio_S[s]:
                other_S[s], ratio_S[s] = q, ratio
    return other_S, ratio_S
