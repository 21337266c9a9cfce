"""Compiled search of the levels that cost least on a series' sample paths.

Two numbers per series: `shift`, added to the first level of every period, and `size`, which is the cap of a capped
base stock and S - s of an (s, S) policy. A coarse grid around the start, then a neighbourhood that moves while it finds
something better and is halved when it does not (pattern search: Hooke & Jeeves 1961); at last no neighbour at the
smallest step is better, nor any within three steps. All candidates meet the same demand, which lies turned round in
`demand_NTB` (N blocks of 128 paths) and is never copied again.
"""

from __future__ import annotations

import numba
import numpy as np

from udfs.inventory.simulation import lanes
from udfs.inventory.simulation.lanes import CAPPED, CHUNK, LANES, LIFE, N_STATE, N_SUMS, REORDER_POINT, SUMS, replay
from udfs.inventory.simulation.simulation_kernel import begin_lanes, keep_sums, lanes_for, ring_length

ROW_HAND, ROW_SHORT, ROW_SALES, ROW_ORDERS, ROW_WASTED = (
    (offset - SUMS) // LANES
    for offset in (lanes.SUM_HAND, lanes.SUM_SHORT, lanes.SUM_SALES, lanes.SUM_ORDERS, lanes.SUM_WASTED)
)
"""Rows of the sums."""

_NEXT, _LAST_REACH = np.int64(1), np.int64(3)  # of one type with any reach, so that the search is compiled once
SHIFT, SIZE, COST, FILL, TRIED = range(5)
"""What is found for a series."""


@numba.njit(cache=True, nogil=True, error_model="numpy")
def score(problem, work, shift, size):  # type: ignore[no-untyped-def]
    """(cost per path and counted period, fill rate) of one candidate."""
    kind, base_T, most_T, unit_K, cost_K, demand_NTB, n_paths, start, warm_up, demand_total = problem
    x, total_KB, ring_RB, ages_AB, lead_CB, first_T, second_T, adds = work
    first_T[:] = np.minimum(base_T + shift, most_T)
    second_T[:] = np.minimum(first_T + size, most_T) if kind == REORDER_POINT else np.full(len(second_T), size)
    hand_P, back_P, pipeline_PL, aged_PA = start
    n_periods, cost, sales = demand_NTB.shape[1], 0.0, 0.0
    for block in range(demand_NTB.shape[0]):
        n = min(LANES, n_paths - block * LANES)
        life = int(unit_K[LIFE])
        begin_lanes(x, ring_RB, ages_AB, hand_P, back_P, pipeline_PL, aged_PA, block * LANES, n, life)
        total_KB[:] = 0.0
        for t in range(0, n_periods, CHUNK):
            n_here = min(CHUNK, n_periods - t)
            demand_CB = demand_NTB[block, t : t + n_here]
            replay(
                kind, (first_T, second_T), unit_K, lanes_for(n), x, ring_RB, ages_AB, demand_CB, lead_CB,
                t, n_here, warm_up, adds, True,
            )  # fmt: skip
            keep_sums(n, x, total_KB, t <= warm_up < t + n_here)
        for i in range(n):
            cost += cost_K[0] * total_KB[ROW_HAND, i] + cost_K[1] * total_KB[ROW_SHORT, i]
            cost += cost_K[2] * total_KB[ROW_ORDERS, i] + cost_K[3] * total_KB[ROW_WASTED, i]
            sales += total_KB[ROW_SALES, i]
    return cost / (n_paths * (n_periods - warm_up)), sales / demand_total if demand_total > 0.0 else 1.0


@numba.njit(cache=True, nogil=True, error_model="numpy")
def _is_better(cost: float, fill: float, best_K: np.ndarray, required: float) -> bool:
    """Less cost where both reach the required fill rate; else the one that reaches it, or comes nearer."""
    if fill >= required and best_K[FILL] >= required:
        return cost < best_K[COST] - 1e-12 * abs(best_K[COST])
    return fill > best_K[FILL] or (fill == best_K[FILL] and cost < best_K[COST])


@numba.njit(cache=True, nogil=True, error_model="numpy")
def _look_around(problem, work, best_K, reach, steps, least_size, required):  # type: ignore[no-untyped-def]
    """Try the grid of -reach..reach steps around what is best now; whether something better was found."""
    shift, size, kind = best_K[SHIFT], best_K[SIZE], problem[0]
    moved, across = False, reach if kind in (CAPPED, REORDER_POINT) else 0
    for i in range(-reach, reach + 1):
        for j in range(-across, across + 1):
            size_here = max(size + j * steps[1], least_size)
            if (i == 0 and j == 0) or (j != 0 and size_here == size):
                continue
            cost, fill = score(problem, work, shift + i * steps[0], size_here)
            best_K[TRIED] += 1.0
            if _is_better(cost, fill, best_K, required):
                best_K[SHIFT], best_K[SIZE] = shift + i * steps[0], size_here
                best_K[COST], best_K[FILL] = cost, fill
                moved = True
    return moved


@numba.njit(cache=True, nogil=True, error_model="numpy")
def _search(problem, work, best_K, steps_2, unit, reach, most, required):  # type: ignore[no-untyped-def]
    """Fill `best_K`, which holds the start. steps_2: of shift and size, multiples of `unit`."""
    least_size = unit if problem[0] == CAPPED else 0.0
    best_K[COST], best_K[FILL] = score(problem, work, best_K[SHIFT], best_K[SIZE])
    best_K[TRIED] = 1.0
    steps = steps_2.copy()
    _look_around(problem, work, best_K, reach, steps, least_size, required)
    while best_K[TRIED] < most:
        if _look_around(problem, work, best_K, _NEXT, steps, least_size, required):
            continue
        if steps[0] <= unit and steps[1] <= unit:
            # Sampled cost is ragged: a last look beyond the neighbours finds the way out of a dent.
            if not _look_around(problem, work, best_K, _LAST_REACH, steps, least_size, required):
                break
            continue
        for k in range(2):
            steps[k] = max(np.floor(0.5 * steps[k] / unit + 0.5), 1.0) * unit if steps[k] > unit else unit


@numba.njit(cache=True, nogil=True, error_model="numpy")
def _turned(demand_PT, begin, demand_NTB):  # type: ignore[no-untyped-def]
    """Turn the demand round and return the sum of what is counted."""
    n_paths, n_periods = demand_PT.shape
    total = 0.0
    for p in range(n_paths):
        for t in range(n_periods):
            demand_NTB[p // LANES, t, p % LANES] = demand_PT[p, t]
            if t >= begin:
                total += demand_PT[p, t]
    return total


@numba.njit(cache=True, nogil=True, error_model="numpy")
def tune_series(  # type: ignore[no-untyped-def]
    kind, base_ST, most_ST, unit_SK, cost_SK, demand_SPT, start, warm_up, step_S2, unit, reach, most, required_S,
    begin, end, best_SK,
):  # fmt: skip
    """Tune series begin..end; `best_SK` holds shift and size to start from, and then what was found."""
    _, n_paths, n_periods = demand_SPT.shape
    hand_SP, back_SP, pipeline_SPL, aged_SPA = start
    real = demand_SPT.dtype
    x, total_KB = np.zeros(N_STATE, real), np.zeros((N_SUMS, LANES))
    first_T, second_T = np.zeros(n_periods), np.zeros(n_periods)
    lead_CB = np.zeros((0, LANES), np.int32)
    demand_NTB = np.zeros((-(-n_paths // LANES), n_periods, LANES), real)
    for s in range(begin, end):
        n_slots, adds = ring_length(unit_SK[s], 0, 0, pipeline_SPL.shape[2])
        ring_RB, ages_AB = np.zeros((n_slots, LANES), real), np.zeros((max(int(unit_SK[s, LIFE]), 1), LANES), real)
        total = _turned(demand_SPT[s], warm_up, demand_NTB)
        here = hand_SP[s], back_SP[s], pipeline_SPL[s], aged_SPA[s]
        problem = (kind, base_ST[s], most_ST[s], unit_SK[s], cost_SK[s], demand_NTB, n_paths, here, warm_up, total)
        work = (x, total_KB, ring_RB, ages_AB, lead_CB, first_T, second_T, adds)
        _search(problem, work, best_SK[s], step_S2[s], unit, reach, most, required_S[s])
