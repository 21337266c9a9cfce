"""Weighted ridge regressions of a series on its own lags, one series at a time, and the recursion they make.

Every function works on one series from its first observed day on, of N days, standardised; lags_LK holds one set of
lags a row, filled up with zeros.
"""

from __future__ import annotations

import numba
import numpy as np

_jit = numba.njit(cache=True, nogil=True, error_model="numpy")

_CONSTANT_RIDGE = 1e-9
"""Keeps the normal equations solvable, and hardly shrinks the constant."""


@_jit
def standardise(y_N, mask_N, season, use_log, z_N):  # type: ignore[no-untyped-def]
    """Fill z_N and return (centre, scale). An unobserved day holds the value one season before it, else the mean."""
    n, total = 0, 0.0
    for t in range(len(y_N)):
        if mask_N[t]:
            z_N[t] = np.log1p(y_N[t]) if use_log else y_N[t]
            total += z_N[t]
            n += 1
    centre, square = total / max(n, 1), 0.0
    for t in range(len(y_N)):
        if mask_N[t]:
            z_N[t] -= centre
            square += z_N[t] * z_N[t]
        else:
            z_N[t] = z_N[t - season] if t >= season else 0.0
    scale = np.sqrt(square / max(n, 1))
    if not scale > 1e-12 * abs(centre):
        z_N[:] = 0.0
        return centre, 0.0
    for t in range(len(y_N)):
        if mask_N[t] or t < season:
            z_N[t] /= scale
        else:
            z_N[t] = z_N[t - season]
    return centre, scale


@_jit
def average_coefficients(z_N, mask_N, lags_LK, keep, ridge, coefficient_L):  # type: ignore[no-untyped-def]
    """Fill coefficient_L, by lag and the constant at 0, with the average of the ridge regressions on each set.

    Row t has weight keep^(N - 1 - t) where the day was observed; the squared coefficients are penalised by `ridge`
    times the sum of weights.
    """
    coefficient_L[:] = 0.0
    n_sets, n_lags = lags_LK.shape
    x_K, moment_KK, product_K = np.empty(n_lags + 1), np.empty((n_lags + 1, n_lags + 1)), np.empty(n_lags + 1)
    for row in range(n_sets):
        k = 0
        while k < n_lags and lags_LK[row, k] > 0:
            k += 1
        lag_K = lags_LK[row, :k]
        total = _moments(z_N, mask_N, lag_K, keep, x_K, moment_KK, product_K)
        for i in range(k):
            moment_KK[i, i] += ridge * total
        moment_KK[k, k] += _CONSTANT_RIDGE * total
        if total > 0 and _solve_cholesky(moment_KK, product_K, k + 1):
            for i in range(k):
                coefficient_L[lag_K[i]] += product_K[i] / n_sets
            coefficient_L[0] += product_K[k] / n_sets


@_jit
def _moments(z_N, mask_N, lag_K, keep, x_K, moment_KK, product_K) -> float:  # type: ignore[no-untyped-def]
    """Fill the lower triangle of the weighted moments of the lags and a constant, and their products with the day;
    return the sum of weights."""
    k = len(lag_K)
    moment_KK[:] = 0.0
    product_K[:] = 0.0
    weight, total = 1.0, 0.0
    x_K[k] = 1.0
    for t in range(len(z_N) - 1, lag_K.max() - 1, -1):
        if mask_N[t]:
            for i in range(k):
                x_K[i] = z_N[t - lag_K[i]]
            for i in range(k + 1):
                w = weight * x_K[i]
                product_K[i] += w * z_N[t]
                for j in range(i + 1):
                    moment_KK[i, j] += w * x_K[j]
            total += weight
        weight *= keep
    return total


@_jit
def _solve_cholesky(a_KK, b_K, n) -> bool:  # type: ignore[no-untyped-def]
    """Solve a x = b in place from a's lower triangle; False where a is not positive definite."""
    for i in range(n):
        for j in range(i + 1):
            total = a_KK[i, j]
            for k in range(j):
                total -= a_KK[i, k] * a_KK[j, k]
            if i == j:
                if not total > 0:
                    return False
                a_KK[i, i] = np.sqrt(total)
            else:
                a_KK[i, j] = total / a_KK[j, j]
    for i in range(n):
        for k in range(i):
            b_K[i] -= a_KK[i, k] * b_K[k]
        b_K[i] /= a_KK[i, i]
    for i in range(n - 1, -1, -1):
        for k in range(i + 1, n):
            b_K[i] -= a_KK[k, i] * b_K[k]
        b_K[i] /= a_KK[i, i]
    return True


@_jit
def predict(z_N, t, lag_J, coefficient_L) -> float:  # type: ignore[no-untyped-def]
    """The value of day t from the days before it."""
    total = coefficient_L[0]
    for lag in lag_J:
        total += coefficient_L[lag] * z_N[t - lag]
    return total


@_jit
def run_ahead(z_N, lag_J, coefficient_L, margin, path_H, growth_H) -> None:  # type: ignore[no-untyped-def]
    """Fill path_H with the recursion's values, held within the range seen and `margin` of its width around, and
    growth_H with forecast variance over one-step variance: the sum of the squared responses to a unit error.

    Coefficients that would run away are held by that range; so are responses, by twice the error that they answer: else
    the variance of a path that is held would grow without end.
    """
    n, horizon = len(z_N), len(path_H)
    low, high = z_N.min(), z_N.max()
    low, high = low - margin * (high - low), high + margin * (high - low)
    longer_N = np.concatenate((z_N, np.zeros(horizon)))
    response_H = np.zeros(horizon)
    for h in range(horizon):
        path_H[h] = min(max(predict(longer_N, n + h, lag_J, coefficient_L), low), high)
        longer_N[n + h] = path_H[h]
        response = 1.0 if h == 0 else 0.0
        for lag in lag_J:
            if lag <= h:
                response += coefficient_L[lag] * response_H[h - lag]
        response = min(max(response, -2.0), 2.0)
        response_H[h] = response
        growth_H[h] = response * response + (growth_H[h - 1] if h else 0.0)
