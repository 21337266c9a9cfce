"""Passes over the rows of a long frame and over the cells of its panel, each in one loop.

Dimensions: N rows, S series, T steps.
"""

from __future__ import annotations

import numba

_jit = numba.njit(cache=True, nogil=True, error_model="numpy")


@_jit
def rising(edges, step_N):  # type: ignore[no-untyped-def]
    """Whether the steps of each series rise from row to row; series s has the rows from edges[s] to edges[s + 1]."""
    for s in range(len(edges) - 1):
        for n in range(edges[s] + 1, edges[s + 1]):
            if step_N[n] <= step_N[n - 1]:
                return False
    return True


@_jit
def row_of_cells(code_N, step_N, row_ST):  # type: ignore[no-untyped-def]
    """Write each row's position into its cell of row_ST; False where a cell has two."""
    for n in range(len(code_N)):
        if row_ST[code_N[n], step_N[n]] >= 0:
            return False
        row_ST[code_N[n], step_N[n]] = n
    return True


@_jit
def place(edges, step_N, y_N, last_step_S, fills_zero, y_ST, mask_ST):  # type: ignore[no-untyped-def]
    """Write y into its cells, where it is one, and mark them as observed; rows as in `rising`.

    With `fills_zero` so are the cells without a row after a series' first one, with 0.
    """
    n_time = y_ST.shape[1]
    for s in range(len(y_ST)):
        shift = n_time - 1 - last_step_S[s]
        next_t = n_time
        for n in range(edges[s], edges[s + 1]):
            t = step_N[n] + shift
            if fills_zero and n > edges[s]:
                mask_ST[s, next_t:t] = True
            next_t = t + 1
            if y_N[n] == y_N[n]:
                y_ST[s, t] = y_N[n]
                mask_ST[s, t] = True
        if fills_zero:
            mask_ST[s, next_t:] = True


@_jit
def largest_sizes(y_ST, mask_ST, n_S, top_SR):  # type: ignore[no-untyped-def]
    """Fill the number of values that are not 0 and the largest absolute ones, falling; top_SR comes as zeros."""
    for s in range(len(y_ST)):
        top_R = top_SR[s]
        n = 0
        for t in range(y_ST.shape[1]):
            size = abs(y_ST[s, t]) if mask_ST[s, t] else 0.0
            n += size > 0.0
            if size > top_R[-1]:
                r = len(top_R) - 1
                while r > 0 and top_R[r - 1] < size:
                    top_R[r] = top_R[r - 1]
                    r -= 1
                top_R[r] = size
        n_S[s] = n
