"""Hot loops of `price_response`, one series at a time: sums of squares, then the posterior of its effects."""

from __future__ import annotations

import numba
import numpy as np

_jit = numba.njit(cache=True, nogil=True, error_model="numpy")
_SWEEPS = 3
"""Of coordinate descent, within each step of an estimation that takes dozens of them."""


@_jit
def centred_sums(first_S, x_RP, y_R, weight_R, a_SPP, b_SP, yy_S, n_S, x_mean_SP, y_mean_S):  # type: ignore[no-untyped-def]
    """Weighted sums of squares and products about each series' own means; rows first_S[s]..first_S[s + 1] are its."""
    n_effects = x_RP.shape[1]
    for s in range(len(n_S)):
        lo, hi = first_S[s], first_S[s + 1]
        for r in range(lo, hi):
            n_S[s] += weight_R[r]
            y_mean_S[s] += weight_R[r] * y_R[r]
            for p in range(n_effects):
                x_mean_SP[s, p] += weight_R[r] * x_RP[r, p]
        if n_S[s] > 0.0:
            y_mean_S[s] /= n_S[s]
            x_mean_SP[s] /= n_S[s]
        for r in range(lo, hi):
            y = y_R[r] - y_mean_S[s]
            yy_S[s] += weight_R[r] * y * y
            for p in range(n_effects):
                x = weight_R[r] * (x_RP[r, p] - x_mean_SP[s, p])
                b_SP[s, p] += x * y
                for q in range(p + 1):
                    a_SPP[s, p, q] += x * (x_RP[r, q] - x_mean_SP[s, q])
        for p in range(n_effects):
            for q in range(p):
                a_SPP[s, q, p] = a_SPP[s, p, q]


@_jit
def posterior(a_SPP, b_SP, yy_S, group_S, mean_GP, var_GP, noise_S, low_P, high_P, effect_SP, var_SP, rss_S):  # type: ignore[no-untyped-def]
    """Mode within the bounds, variance without them, and expected sum of squared residuals, of every series.

    effect_SP holds the last values on entry, those that coordinate descent goes on from.
    """
    n_effects = a_SPP.shape[1]
    m_PP = np.empty((n_effects, n_effects))
    root_PP = np.empty((n_effects, n_effects))
    right_P = np.empty(n_effects)
    for s in range(len(yy_S)):
        g = group_S[s]
        for p in range(n_effects):
            right_P[p] = b_SP[s, p] / noise_S[s] + mean_GP[g, p] / var_GP[g, p]
            for q in range(n_effects):
                m_PP[p, q] = a_SPP[s, p, q] / noise_S[s]
            m_PP[p, p] += 1.0 / var_GP[g, p]
        _variances(m_PP, root_PP, var_SP[s])
        _within(m_PP, right_P, low_P, high_P, effect_SP[s])
        rss, used = yy_S[s], 0.0
        for p in range(n_effects):
            fit = 0.0
            for q in range(n_effects):
                fit += a_SPP[s, p, q] * effect_SP[s, q]
            rss += effect_SP[s, p] * (fit - 2.0 * b_SP[s, p])
            used += 1.0 - var_SP[s, p] / var_GP[g, p]
        rss_S[s] = rss + noise_S[s] * used


@_jit
def _variances(m_PP, root_PP, var_P):  # type: ignore[no-untyped-def]
    """Diagonal of the inverse of a positive definite matrix, by the inverse of its Cholesky root."""
    n = len(var_P)
    for i in range(n):
        for j in range(i + 1):
            total = m_PP[i, j]
            for k in range(j):
                total -= root_PP[i, k] * root_PP[j, k]
            root_PP[i, j] = np.sqrt(total) if i == j else total / root_PP[j, j]
    var_P[:] = 0.0
    for i in range(n):
        # Row i of the root's inverse takes the place of the root's row, from the right.
        diagonal = 1.0 / root_PP[i, i]
        for j in range(i):
            total = 0.0
            for k in range(j, i):
                total += root_PP[i, k] * root_PP[k, j]
            root_PP[i, j] = -total * diagonal
        root_PP[i, i] = diagonal
        for j in range(i + 1):
            var_P[j] += root_PP[i, j] * root_PP[i, j]


@_jit
def _within(m_PP, right_P, low_P, high_P, x_P):  # type: ignore[no-untyped-def]
    """Coordinate descent on x'Mx / 2 - right'x between the bounds."""
    for _ in range(_SWEEPS):
        for p in range(len(x_P)):
            gradient = right_P[p]
            for q in range(len(x_P)):
                gradient -= m_PP[p, q] * x_P[q]
            x_P[p] = min(max(x_P[p] + gradient / m_PP[p, p], low_P[p]), high_P[p])
