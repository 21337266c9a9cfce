"""Least squares with diagonal weights over sums of series, by group-bys.

Minimise over the bottom b the sum over all nodes of (y_n - (sum of b below n))^2 / w_n. Where levels are nested, this
is a Gaussian model on a tree, solved exactly by one pass up and one pass down (the recursion of Chou, Willsky &
Benveniste, 1994). Levels that cross these are added by conjugate gradients on one unknown per node of theirs, each step
being one solution of the tree: 2 to 20 steps for three crossed levels over 50,000 series, by how their weights differ.

Dimensions as in `udfs.forecasting.hierarchy.hierarchy`; C columns solved at a time.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numba
import numpy as np

TOLERANCE = 1e-12
"""Conjugate gradients end when the error is this part of the first one, in the norm of the problem."""

MAX_ITERATIONS = 1000
_MAX_NUMBERS = 4_000_000
"""Columns are solved in blocks of about this many numbers, so that memory stays a few times this."""

_MAX_EXCHANGES = 30


@dataclass(frozen=True)
class Structure:
    """The levels above the bottom, split into a chain of nested ones and the rest.

    Attributes:
        chain: positions of the nested levels, from the coarsest to the finest.
        parents: for each of them, the node that the nodes of the next finer level (the last: the bottom) belong to.
        crossed: positions of the levels outside the chain.
        codes: per level (B,) the group of each bottom series.
        bounds: per level and for the bottom, where its nodes begin and end.
    """

    chain: tuple[int, ...]
    parents: tuple[np.ndarray, ...]
    crossed: tuple[int, ...]
    codes: tuple[np.ndarray, ...]
    bounds: tuple[slice, ...]

    @classmethod
    def of(cls, codes: Sequence[np.ndarray], sizes: Sequence[int]) -> Structure:
        """Chain the levels greedily from the finest: each joins if the last one chained determines it."""
        finest_first = sorted(range(len(codes)), key=lambda k: -sizes[k])
        chain, parents, crossed = [], [], []
        below, n_below = np.arange(sizes[-1]), sizes[-1]
        for k in finest_first:
            parent = np.zeros(n_below, dtype=np.int64)
            parent[below] = codes[k]
            if np.array_equal(parent[below], codes[k]):
                chain.append(k)
                parents.append(parent)
                below, n_below = codes[k], sizes[k]
            else:
                crossed.append(k)
        ends = np.cumsum(sizes)
        bounds = tuple(slice(int(end - n), int(end)) for n, end in zip(sizes, ends, strict=True))
        return cls(tuple(chain[::-1]), tuple(parents[::-1]), tuple(crossed), tuple(codes), bounds)


def solve(
    structure: Structure,
    base_NH: np.ndarray,
    weight_N: np.ndarray,
    nonnegative: bool = False,
    max_iterations: int = MAX_ITERATIONS,
) -> np.ndarray:
    """(B, H) bottom of the nearest coherent forecasts; weight_N are variances, 0 on the bottom for a certain number.

    Raises:
        RuntimeError: crossed levels that do not converge, which variances of very different size can bring about.
    """
    n_nodes, horizon = base_NH.shape
    bottom = structure.bounds[-1]
    out_BH = np.empty((bottom.stop - bottom.start, horizon))
    width = max(1, _MAX_NUMBERS // n_nodes)
    weight_N1 = weight_N[:, None]
    for first in range(0, horizon, width):
        base_NC = np.ascontiguousarray(base_NH[:, first : first + width])
        bottom_BC = _solve_block(structure, base_NC, weight_N1, max_iterations)
        if nonnegative:
            for c in np.flatnonzero((bottom_BC < 0).any(0)):
                bottom_BC[:, c] = _solve_nonnegative(structure, base_NC[:, [c]], weight_N1, max_iterations)[:, 0]
        out_BH[:, first : first + width] = bottom_BC
    return out_BH


def group_sums(x_BC: np.ndarray, codes_B: np.ndarray, n_groups: int) -> np.ndarray:
    """(G, C) sums of the rows of each group, added in the order of the rows."""
    out_GC = np.zeros((n_groups, x_BC.shape[1]))
    _add_rows(x_BC, codes_B, out_GC)
    return out_GC


@numba.njit(cache=True, nogil=True, error_model="numpy")
def _add_rows(x_BC: np.ndarray, codes_B: np.ndarray, out_GC: np.ndarray) -> None:
    for b in range(x_BC.shape[0]):
        group = codes_B[b]
        for c in range(x_BC.shape[1]):
            out_GC[group, c] += x_BC[b, c]


def _solve_tree(structure: Structure, base_NC: np.ndarray, weight_N1: np.ndarray) -> np.ndarray:
    """(B, C) bottom that is nearest on the chain's levels and the bottom alone.

    Up: the children's sum, of variance `spread`, and the node's own base forecast are combined by their precisions.
    Down: what a node's total differs from its children's sum is shared out in proportion to their variances.
    """
    bottom = structure.bounds[-1]
    mean, variance = base_NC[bottom], weight_N1[bottom]
    steps = []
    for level, parent in zip(reversed(structure.chain), reversed(structure.parents), strict=True):
        own, weight = base_NC[structure.bounds[level]], weight_N1[structure.bounds[level]]
        total, spread = group_sums(mean, parent, len(own)), group_sums(variance, parent, len(own))
        steps.append((parent, mean, variance, total, spread))
        gain = _ratio(spread, spread + weight)
        mean, variance = total + gain * (own - total), gain * weight
    for parent, below, variance, total, spread in reversed(steps):
        mean = below + variance * _ratio(mean - total, spread)[parent]
    return mean


def _solve_block(structure: Structure, base_NC: np.ndarray, weight_N1: np.ndarray, max_iterations: int) -> np.ndarray:
    """(B, C) bottom that is nearest on all levels.

    With M the tree's matrix, A the sums of the crossed levels, W their weights and x0 the tree's solution, the answer
    is x0 + M^-1 A' pull, where (W + A M^-1 A') pull = base - A x0. The groups of a level are disjoint, so the matrix
    is nearly diagonal, and the sums of the bottom's weights nearly give its diagonal, however weights differ in size.
    """
    x_BC = _solve_tree(structure, base_NC, weight_N1)
    if not structure.crossed:
        return x_BC
    weight_B1 = weight_N1[structure.bounds[-1]]
    own_G1 = np.concatenate([weight_N1[structure.bounds[k]] for k in structure.crossed])
    diagonal_G1 = own_G1 + _crossed_sums(structure, weight_B1)
    base_GC = np.concatenate([base_NC[structure.bounds[k]] for k in structure.crossed])

    def spread(pull_GC: np.ndarray) -> np.ndarray:
        """M^-1 A' pull."""
        zero_base = np.zeros_like(base_NC)
        zero_base[structure.bounds[-1]] = weight_B1 * _crossed_share(structure, pull_GC)
        return _solve_tree(structure, zero_base, weight_N1)

    pull_GC = np.zeros_like(base_GC)
    left_GC = base_GC - _crossed_sums(structure, x_BC)
    step_GC = left_GC / diagonal_G1
    size_C = first_C = _dot(left_GC, step_GC)
    for _ in range(max_iterations):
        if (size_C <= TOLERANCE**2 * first_C).all():
            return x_BC + spread(pull_GC)
        full_GC = own_G1 * step_GC + _crossed_sums(structure, spread(step_GC))
        length_C = _ratio(size_C, _dot(step_GC, full_GC))
        pull_GC += length_C * step_GC
        left_GC -= length_C * full_GC
        scaled_GC = left_GC / diagonal_G1
        last_C, size_C = size_C, _dot(left_GC, scaled_GC)
        step_GC = scaled_GC + _ratio(size_C, last_C) * step_GC
    raise RuntimeError(
        f"expected reconciliation to converge within {max_iterations} steps, found an error of "
        f"{float(np.sqrt(_ratio(size_C, first_C)).max()):.1e} of the first; bring the variances nearer to each other"
    )


def _crossed_sums(structure: Structure, x_BC: np.ndarray) -> np.ndarray:
    """(G, C) sums over the groups of all crossed levels."""
    bounds = [structure.bounds[k] for k in structure.crossed]
    return np.concatenate(
        [
            group_sums(x_BC, structure.codes[k], rows.stop - rows.start)
            for k, rows in zip(structure.crossed, bounds, strict=True)
        ]
    )


def _crossed_share(structure: Structure, x_GC: np.ndarray) -> np.ndarray:
    """(B, C) for each bottom series the sum over the groups of crossed levels that it belongs to."""
    out_BC = np.zeros((len(structure.codes[0]), x_GC.shape[1]))
    start = 0
    for k in structure.crossed:
        out_BC += x_GC[start:][structure.codes[k]]
        start += structure.bounds[k].stop - structure.bounds[k].start
    return out_BC


def _solve_nonnegative(
    structure: Structure, base_N1: np.ndarray, weight_N1: np.ndarray, max_iterations: int
) -> np.ndarray:
    """(B, 1) nearest bottom of at least 0, by block principal pivoting (Wickramasuriya, Turlach & Hyndman, 2020).

    Negative series are fixed at 0 and fixed ones freed where the gradient would have them rise, all at once. That
    ends in few rounds; if it does not, series are only fixed from then on, which always ends, near the optimum.
    """
    bottom = structure.bounds[-1]
    certain_B1 = weight_N1[bottom] == 0
    base_N1 = base_N1.copy()
    base_N1[bottom] = np.where(certain_B1, base_N1[bottom].clip(min=0.0), base_N1[bottom])
    is_zero_B1 = np.zeros_like(certain_B1)
    exchanges = 0
    while True:
        fixed_base, fixed_weight = base_N1.copy(), weight_N1.copy()
        fixed_base[bottom] = np.where(is_zero_B1, 0.0, base_N1[bottom])
        fixed_weight[bottom] = np.where(is_zero_B1, 0.0, weight_N1[bottom])
        x_B1 = _solve_block(structure, fixed_base, fixed_weight, max_iterations)
        falls_B1 = (x_B1 < 0) & ~is_zero_B1 & ~certain_B1
        rises_B1 = is_zero_B1 & (_slope(structure, base_N1, weight_N1, x_B1) < 0)
        exchanges += 1
        if not falls_B1.any() and (exchanges > _MAX_EXCHANGES or not rises_B1.any()):
            return x_B1.clip(min=0.0)
        is_zero_B1 = (is_zero_B1 | falls_B1) if exchanges > _MAX_EXCHANGES else (is_zero_B1 | falls_B1) & ~rises_B1


def _slope(structure: Structure, base_N1: np.ndarray, weight_N1: np.ndarray, x_B1: np.ndarray) -> np.ndarray:
    """(B, 1) half the gradient of the weighted squares at x, less a margin for rounding."""
    bottom = structure.bounds[-1]
    parts = [_ratio(x_B1 - base_N1[bottom], weight_N1[bottom])]
    for codes, rows in zip(structure.codes, structure.bounds, strict=False):
        total = group_sums(x_B1, codes, rows.stop - rows.start)
        parts.append(((total - base_N1[rows]) / weight_N1[rows])[codes])
    return sum(parts) + 1e-11 * sum(np.abs(part) for part in parts)


def _dot(a_BC: np.ndarray, b_BC: np.ndarray) -> np.ndarray:
    return np.einsum("bc,bc->c", a_BC, b_BC)


def _ratio(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    """a / b, and 0 where b is 0."""
    return np.divide(a, b, out=np.zeros(np.broadcast_shapes(a.shape, b.shape)), where=b != 0)
