"""Exact pick tours of one block: Ratliff and Rosenthal's dynamic programme over aisles.

After H. D. Ratliff and A. S. Rosenthal, Order-picking in a rectangular warehouse, Operations Research 31 (1983). A part
of a tour, the aisles so far, matters only by how it meets the two ends of the last aisle:

U: an odd number of edges at each end, connected.  T: an even number at the back, none in front.  B: the other way
round. C: an even number at both, connected.  D: an even number at both, two components.

In an aisle one walks through, comes back from the back (t metres) or the front (b), or from both leaving out the widest
gap (g), or goes through and back. Tours are ranks of slots that rise (see `Geometry`).
"""

from __future__ import annotations

import numba
import numpy as np

_jit = numba.njit(cache=True, nogil=True, error_model="numpy")

THROUGH, BACK, FRONT, GAP, TWICE, NOTHING = range(6)
U, T, B, C, D = range(5)
# State after each of the actions in an aisle, from each state before it; -1: none. The last row: no aisle before.
_AFTER_SA = np.array(
    [
        [C, U, U, U, U, U],
        [U, T, D, D, C, T],
        [U, D, B, D, C, B],
        [U, C, C, C, C, C],
        [U, D, D, D, C, D],
        [U, T, B, D, C, B],
    ],
    dtype=np.int8,
)
# Edges along the back and the front cross aisle that may follow a state, and the state at the next aisle.
_CROSSING_KX = np.array(
    [[U, 1, 1, U], [T, 2, 0, T], [B, 0, 2, B], [C, 2, 0, T], [C, 0, 2, B], [C, 2, 2, C], [D, 2, 2, D]]
)


@_jit
def aisle_costs(position_R, ranks, first, last, length):  # type: ignore[no-untyped-def]
    """t, b and g of the picks ranks[first:last] of an aisle, in metres."""
    if first == last:
        return 0.0, 0.0, 0.0
    low, high = position_R[ranks[first]], position_R[ranks[last - 1]]
    widest = max(low, length - high)
    for k in range(first + 1, last):
        widest = max(widest, position_R[ranks[k]] - position_R[ranks[k - 1]])
    return 2.0 * (length - low), 2.0 * high, 2.0 * (length - widest)


@_jit
def exact_length(ranks, geometry):  # type: ignore[no-untyped-def]
    """Metres of the shortest tour from the depot through slots of rising ranks."""
    n = len(ranks)
    if n == 0:
        return 0.0
    length, step, depot = geometry.cross_C[1], 2.0 * geometry.pitch, geometry.depot
    first_aisle = min(geometry.aisle_R[ranks[0]], depot)
    last_aisle = max(geometry.aisle_R[ranks[n - 1]], depot)
    at = 0
    u = t = b = c = d = np.inf
    for aisle in range(first_aisle, last_aisle + 1):
        first = at
        while at < n and geometry.aisle_R[ranks[at]] == aisle:
            at += 1
        back, front, gap = aisle_costs(geometry.position_R, ranks, first, at, length)
        if aisle == first_aisle:
            u, t, b, c, d = length, back, front, 2.0 * length, gap
        else:
            t, b, c = min(t, c) + step, min(b, c) + step, c + 2.0 * step
            u, d = u + step, d + 2.0 * step
            apart = min(t, b, d)  # the gap is never dearer than coming back from one end
            u, c = min(u + gap, min(apart, c) + length), min(c + gap, u + length, apart + 2.0 * length)
            t, b, d = t + back, b + front, apart + gap
        if aisle == depot:
            t = np.inf  # the tour is at the front here
    return min(t, b, c)


@_jit
def plan_aisles(ranks, geometry):  # type: ignore[no-untyped-def]
    """What the shortest tour does: first aisle, action of each aisle, edges behind it along the back and the front."""
    n, length, depot = len(ranks), geometry.cross_C[1], geometry.depot
    first_aisle = min(geometry.aisle_R[ranks[0]], depot)
    count = max(geometry.aisle_R[ranks[n - 1]], depot) - first_aisle + 1
    cost_S = np.full(5, np.inf)
    action_AS, before_AS = np.zeros((count, 5), np.int8), np.zeros((count, 5), np.int8)
    at = 0
    for a in range(count):
        entry_S, crossing_S = _cross(cost_S, geometry.pitch, a == 0)
        first = at
        while at < n and geometry.aisle_R[ranks[at]] == first_aisle + a:
            at += 1
        back, front, gap = aisle_costs(geometry.position_R, ranks, first, at, length)
        by_action = (length, back, front, gap, 2.0 * length, 0.0)
        cost_S = np.full(5, np.inf)
        for state in range(6):
            for action in range(6):
                after, cost = _AFTER_SA[state, action], entry_S[state] + by_action[action]
                is_allowed = (action != NOTHING or first == at) and not (after == T and first_aisle + a == depot)
                if is_allowed and cost < cost_S[after]:
                    cost_S[after], action_AS[a, after], before_AS[a, after] = cost, action, crossing_S[state]
    action_A, back_A, front_A = _trace(cost_S, action_AS, before_AS)
    return first_aisle, action_A, back_A, front_A


@_jit
def _cross(cost_S, pitch, is_first):  # type: ignore[no-untyped-def]
    """The least costs of the states at the next aisle, and by which crossing; the last state is that of no aisle."""
    entry_S, crossing_S = np.full(6, np.inf), np.zeros(6, np.int8)
    if is_first:
        entry_S[5] = 0.0
        return entry_S, crossing_S
    for k in range(len(_CROSSING_KX)):
        before, back, front, state = _CROSSING_KX[k]
        cost = cost_S[before] + (back + front) * pitch
        if cost < entry_S[state]:
            entry_S[state], crossing_S[state] = cost, k
    return entry_S, crossing_S


@_jit
def _trace(cost_S, action_AS, before_AS):  # type: ignore[no-untyped-def]
    """Actions and edges from the last aisle's best state back to the first aisle."""
    count = len(action_AS)
    state = T if cost_S[T] <= min(cost_S[B], cost_S[C]) else (B if cost_S[B] <= cost_S[C] else C)
    action_A, back_A, front_A = np.zeros(count, np.int8), np.zeros(count, np.int8), np.zeros(count, np.int8)
    for a in range(count - 1, -1, -1):
        action_A[a] = action_AS[a, state]
        if a:
            state, back_A[a - 1], front_A[a - 1], _ = _CROSSING_KX[before_AS[a, state]]
    return action_A, back_A, front_A


@_jit
def walk(ranks, geometry, order):  # type: ignore[no-untyped-def]
    """Fill `order` with the ranks as the shortest tour comes by them: a round along all its edges (Hierholzer)."""
    first_aisle, action_A, back_A, front_A = plan_aisles(ranks, geometry)
    count, n = len(action_A), len(ranks)
    start_A = np.searchsorted(geometry.aisle_R[ranks], np.arange(first_aisle, first_aisle + count + 1))
    along_EA = np.zeros((2, count + 1), np.int8)  # edges from each aisle to the next; the last is the wall
    along_EA[0, :count], along_EA[1, :count] = front_A, back_A
    through_A = np.where(action_A == THROUGH, 1, np.where(action_A == TWICE, 2, 0))
    stack, circuit = [2 * (geometry.depot - first_aisle)], [0][:0]
    while len(stack):
        aisle, end = stack[-1] // 2, stack[-1] % 2
        if along_EA[end, aisle] > 0:
            along_EA[end, aisle] -= 1
            stack.append(stack[-1] + 2)
        elif aisle > 0 and along_EA[end, aisle - 1] > 0:
            along_EA[end, aisle - 1] -= 1
            stack.append(stack[-1] - 2)
        elif through_A[aisle] > 0:
            through_A[aisle] -= 1
            stack.append(2 * aisle + 1 - end)
        else:
            circuit.append(stack.pop())
    at, is_done_N = 0, np.zeros(n, np.bool_)
    for k in range(len(circuit)):
        aisle, end = circuit[k] // 2, circuit[k] % 2
        first, last = start_A[aisle], start_A[aisle + 1]
        action = action_A[aisle]
        if action in (THROUGH, TWICE):
            if k + 1 == len(circuit) or circuit[k + 1] // 2 != aisle:
                continue
        else:
            cut = _branch_cut(geometry.position_R, ranks, first, last, geometry.cross_C[1], action)
            first, last = (first, cut) if end == 0 else (cut, last)
        for j in range(last - first):
            pick = first + j if end == 0 else last - 1 - j
            if not is_done_N[pick]:
                is_done_N[pick], order[at] = True, ranks[pick]
                at += 1


@_jit
def _branch_cut(position_R, ranks, first, last, length, action):  # type: ignore[no-untyped-def]
    """The first pick of an aisle that is reached from the back."""
    if action != GAP or first == last:
        return last if action == FRONT else first
    cut, widest = first, position_R[ranks[first]]
    for k in range(first + 1, last):
        gap = position_R[ranks[k]] - position_R[ranks[k - 1]]
        if gap > widest:
            cut, widest = k, gap
    return last if length - position_R[ranks[last - 1]] > widest else cut
