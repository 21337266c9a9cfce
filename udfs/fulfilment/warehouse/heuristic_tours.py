"""How far today's rules for walking a block lead: S-shape, largest gap, and the combination of both by aisles.

After R. W. Hall, Distance approximations for routing manual pickers in a warehouse, IIE Transactions 25 (1993), and K.
J. Roodbergen and R. de Koster, Routing methods for warehouses with multiple cross aisles, IJPR 39 (2001). Yardsticks
for the exact tours of `pick_tour`.
"""

from __future__ import annotations

from typing import Literal

import numba
import numpy as np

from udfs.fulfilment.warehouse.layout import FloatArray, IntArray, Layout
from udfs.fulfilment.warehouse.one_block import aisle_costs
from udfs.fulfilment.warehouse.pick_tour import check_tours, sort_ranks

Rule = Literal["s_shape", "largest_gap", "combined"]
_S_SHAPE, _LARGEST_GAP, _COMBINED = range(3)
_RULES: dict[Rule, int] = {"s_shape": _S_SHAPE, "largest_gap": _LARGEST_GAP, "combined": _COMBINED}
_jit = numba.njit(cache=True, nogil=True, error_model="numpy")


def heuristic_lengths(layout: Layout, offset_K: IntArray, slot_N: IntArray, rule: Rule) -> FloatArray:
    """[K] metres of tours (as in `tour_lengths`) by a rule, in a layout of one block.

    s_shape: through every aisle, back to the front in the last where they are odd. largest_gap: through the first and
    the last, from both ends up to the widest gap in between. combined: each aisle through or back, whichever makes the
    whole shorter. Raises ValueError in several blocks.
    """
    check_tours(layout, offset_K, slot_N)
    if not layout.is_one_block:
        raise ValueError(f"{rule}: expected a layout of one block, found cross aisles at {layout.cross_C}")
    out_K = np.zeros(len(offset_K) - 1)
    for k in range(len(out_K)):
        ranks = layout.geometry.rank_L[slot_N[offset_K[k] : offset_K[k + 1]]]
        count = sort_ranks(ranks)
        if count:
            out_K[k] = _length(ranks[:count], layout.geometry, _RULES[rule])
    return out_K


@_jit
def _length(ranks, geometry, rule):  # type: ignore[no-untyped-def]
    length, n = geometry.cross_C[1], len(ranks)
    left, right = geometry.aisle_R[ranks[0]], geometry.aisle_R[ranks[n - 1]]
    metres = 2.0 * geometry.pitch * (max(right, geometry.depot) - min(left, geometry.depot))
    is_up, ends_front, ends_back, first = False, 0.0, np.inf, 0
    while first < n:
        aisle, last = geometry.aisle_R[ranks[first]], first
        while last < n and geometry.aisle_R[ranks[last]] == aisle:
            last += 1
        back, front, gap = aisle_costs(geometry.position_R, ranks, first, last, length)
        ends_front, ends_back = min(ends_front + front, ends_back + length), min(ends_back + back, ends_front + length)
        if rule == _S_SHAPE:
            metres += front if last == n and not is_up else length
        elif rule == _LARGEST_GAP:
            metres += front if left == right else (length if aisle in (left, right) else gap)
        is_up, first = not is_up, last
    return metres + ends_front if rule == _COMBINED else metres
