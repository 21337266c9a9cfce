"""The integer programme over the levels that can still be in an optimal order list.

At prices with the bound L, a list that holds a series at a level worth d less than its best one is worth at most
L - d. Given a list worth V, only levels with d <= L - V need be looked at: the core. Where it is small enough it is
solved whole by HiGHS and the answer is optimal; where it is not, its part nearest to the cut is solved, and L remains
the bound.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy.optimize import Bounds, LinearConstraint, milp
from scipy.sparse import coo_array, csr_array, vstack

from udfs.inventory.demand_distribution import FloatArray
from udfs.inventory.orders.step_table import IntArray, Prices, StepTable, levels_within_rows

_FIT = 1e-9
"""A sum that exceeds its limit by this share of it is rounding."""

_STRICTNESS = (0.0, 2e-6, 1e-4)
_HALVINGS = 60
_OBJECTIVE_SCALE = 1e4
"""The solver stops at a gap of 1e-6; the most valuable step is made this much, so that the gap is 1e-10 of it."""


@dataclass(frozen=True, slots=True)
class CoreAnswer:
    """The levels found [R], and a bound on what any levels are worth."""

    level_R: IntArray
    upper_bound: float


@dataclass(frozen=True, slots=True)
class _Core:
    """Levels low_R .. high_R of the series remain; run_V are the runs between them, free_V their steps there."""

    low_R: IntArray
    run_V: IntArray
    row_V: IntArray
    free_V: FloatArray
    is_whole: bool


def solve_core(
    table: StepTable,
    prices: Prices,
    upper_bound: float,
    level_R: IntArray,
    limits: tuple[float, float],
    *,
    core_limit: int,
    node_limit: int,
) -> CoreAnswer:
    """Improve the levels as far as the core allows, and lower the bound where the whole core was solved.

    Args:
        prices, upper_bound: prices of the limits and the Lagrangian bound there.
        level_R: levels that are within the limits.
        limits: budget and capacity, inf for none.
        core_limit: most variables of the programme. node_limit: most nodes of its search tree.
    """
    start = table.totals(level_R)
    core = _core(table, prices, upper_bound - start.value, level_R, core_limit)
    if not core.run_V.size:
        return CoreAnswer(level_R, start.value if core.is_whole else upper_bound)
    base = table.totals(core.low_R)
    room_2 = np.array(limits) - np.array([base.cost, base.size])
    best, bound = start, np.inf
    for strictness in _STRICTNESS:
        found_V, found_bound = _solve(table, core, room_2, strictness, node_limit)
        bound = min(bound, found_bound) if strictness == 0.0 else bound
        better_R = core.low_R + np.bincount(core.row_V, found_V, minlength=table.n_series).astype(np.int64)
        totals = table.totals(better_R)
        if fits(totals.cost, limits[0]) and fits(totals.size, limits[1]):
            if totals.value > best.value:
                level_R, best = better_R, totals
            break
    if core.is_whole:
        # A list with a level outside the core is worth at most the list that the core was drawn from.
        upper_bound = min(upper_bound, max(start.value, base.value + bound))
    return CoreAnswer(level_R, max(upper_bound, best.value))


def fits(amount: float, limit: float) -> bool:
    """Is the amount within the limit, but for rounding?"""
    return amount <= limit * (1.0 + _FIT)


def _core(table: StepTable, prices: Prices, gap: float, level_R: IntArray, core_limit: int) -> _Core:
    """The levels within `gap` of the best, or within the greatest halving of it that has few enough runs.

    Of a part of the core, series that are settled at the prices stay at `level_R`, which is therefore still in it.
    """
    reduced_N, gain_R = table.reduced(prices), table.best_gains(prices)
    loss = max(gap, 0.0) * (1.0 + _FIT)
    low_R, high_R = np.zeros(table.n_series, np.int64), np.zeros(table.n_series, np.int64)
    for halving in range(_HALVINGS):
        levels_within_rows(table.first_R, table.count_N, reduced_N, gain_R, loss, low_R, high_R)
        if halving > 0:
            is_open_R = low_R < high_R
            low_R = np.where(is_open_R, np.minimum(low_R, level_R), level_R)
            high_R = np.where(is_open_R, np.maximum(high_R, level_R), level_R)
        free_N = table.taken(high_R) - table.taken(low_R)
        run_V = np.flatnonzero(free_N)
        if len(run_V) <= core_limit:
            row_V = np.searchsorted(table.first_R, run_V, side="right") - 1
            return _Core(low_R, run_V, row_V, free_N[run_V].astype(np.float64), halving == 0)
        loss *= 0.5
    return _Core(level_R, run_V[:0], run_V[:0], np.empty(0), False)  # nothing but ties: one order is as good as another


def _solve(
    table: StepTable, core: _Core, room_2: FloatArray, strictness: float, node_limit: int
) -> tuple[FloatArray, float]:
    """Steps taken of each variable (none where no solution was found), and a bound on their value.

    strictness: by how much of the greatest step the limits are tightened; the solver lets sums exceed them by some
    millionths of a step.
    """
    value_V = table.value_N[core.run_V]
    rows, room = [], []
    for amount_V, limit in zip((table.cost_N[core.run_V], table.size_N[core.run_V]), room_2, strict=True):
        greatest = amount_V.max()
        if np.isfinite(limit) and greatest > 0.0:
            rows.append(csr_array(amount_V[np.newaxis] / greatest))
            room.append(limit / greatest - strictness)
    links = _links(table, core)
    value_scale = _OBJECTIVE_SCALE / np.abs(value_V).max()
    solution = milp(
        -value_V * value_scale,
        integrality=np.ones(len(value_V)),
        bounds=Bounds(0.0, core.free_V),
        constraints=LinearConstraint(
            vstack([*rows, links], format="csr"), ub=np.append(room, np.zeros(links.shape[0]))
        ),
        options={"mip_rel_gap": 0.0, "node_limit": node_limit},
    )
    bound = np.inf if solution.mip_dual_bound is None else -solution.mip_dual_bound / value_scale
    found_V = np.zeros(len(value_V)) if solution.x is None else np.round(solution.x)
    return found_V, bound


def _links(table: StepTable, core: _Core) -> csr_array:
    """No step of a series without its first: x_v <= free_v x_first. Its later steps are alike and need no order."""
    first_V = table.first_R[core.row_V]
    place_V = np.searchsorted(core.run_V, first_V)
    is_bound_V = (core.run_V != first_V) & (core.run_V[np.minimum(place_V, len(place_V) - 1)] == first_V)
    v = np.flatnonzero(is_bound_V)
    line = np.arange(len(v))
    entries = (np.concatenate([np.ones(len(v)), -core.free_V[v]]), (np.tile(line, 2), np.append(v, place_V[v])))
    return csr_array(coo_array(entries, shape=(len(v), len(core.run_V))))
