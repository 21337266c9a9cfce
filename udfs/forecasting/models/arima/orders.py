"""The orders of a seasonal ARIMA model: how often to difference, which terms; compiled, series by series.

Differencing is decided by tests, the rest by AICc on a stepwise path, as Hyndman & Khandakar, Automatic Time Series
Forecasting: The forecast Package for R, Journal of Statistical Software 27(3), 2008, describe it.
"""

from __future__ import annotations

import math
from typing import NamedTuple

import numba
import numpy as np

from udfs.forecasting.models.arima.arima_kernel import Order, admissible, dot, fit, n_coefficients, solve
from udfs.forecasting.models.arima.stl import seasonal_strength

KPSS_CRITICAL = 0.463
"""5% point of the KPSS statistic around a level (Kwiatkowski, Phillips, Schmidt & Shin, 1992, table 1)."""

RADIUS = 1.01
"""Roots stay beyond this modulus; nearer to the unit circle, a model is a differenced one in disguise."""


class Limits(NamedTuple):
    """The largest orders tried."""

    p: int
    d: int
    q: int
    P: int
    D: int
    Q: int
    total: int
    strength: float


@numba.njit(cache=True, nogil=True, error_model="numpy")
def fill(y, seen, m):  # type: ignore[no-untyped-def]
    """y with unseen days taken from a season before, or from the day before in the first season; day 0 is seen."""
    out = y.copy()
    for t in range(len(y)):
        if not seen[t]:
            out[t] = out[t - m] if t >= m else out[t - 1]
    return out


@numba.njit(cache=True, nogil=True, error_model="numpy")
def difference(y, lag):  # type: ignore[no-untyped-def]
    """y_t - y_{t-lag}."""
    return y[lag:] - y[: len(y) - lag]


@numba.njit(cache=True, nogil=True, error_model="numpy")
def kpss(y):  # type: ignore[no-untyped-def]
    """KPSS statistic around a level, with trunc(3 sqrt(n) / 13) Bartlett lags as in forecast::ndiffs; 0 if constant."""
    n = len(y)
    residual = y - y.mean()
    n_lags = int(3.0 * math.sqrt(n) / 13.0)
    variance, partial, squares = 0.0, 0.0, 0.0
    for t in range(n):
        variance += residual[t] * residual[t]
        partial += residual[t]
        squares += partial * partial
    for k in range(1, n_lags + 1):
        cross = 0.0
        for t in range(k, n):
            cross += residual[t] * residual[t - k]
        variance += 2.0 * (1.0 - k / (n_lags + 1.0)) * cross
    return squares / (n * variance) if variance > 0.0 else 0.0


@numba.njit(cache=True, nogil=True, error_model="numpy")
def is_constant(y):  # type: ignore[no-untyped-def]
    """Whether y varies by no more than rounding."""
    low, high = y.min(), y.max()
    return high - low <= 1e-12 * max(abs(low), abs(high))


@numba.njit(cache=True, nogil=True, error_model="numpy")
def differences(y, m, limits):  # type: ignore[no-untyped-def]
    """(d, D): one seasonal difference where the season is strong, then differences until the KPSS test is content."""
    seasonal, d, w = 0, 0, y
    if (
        limits.D > 0
        and m > 1
        and len(y) >= 2 * m + 3
        and not is_constant(y)
        and (seasonal_strength(y, m) > limits.strength)
    ):
        seasonal, w = 1, difference(y, m)
    while d < limits.d and d + seasonal < 2 and len(w) > 5 and not is_constant(w) and kpss(w) > KPSS_CRITICAL:
        d, w = d + 1, difference(w, 1)
    return d, seasonal


@numba.njit(cache=True, nogil=True, error_model="numpy")
def long_autoregression(w, n_lags):  # type: ignore[no-untyped-def]
    """Errors of an autoregression of `n_lags` by Yule-Walker and Durbin-Levinson (Box et al., appendix A3.2)."""
    n = len(w)
    cov = np.empty(n_lags + 1)
    for k in range(n_lags + 1):
        total = 0.0
        for t in range(k, n):
            total += w[t] * w[t - k]
        cov[k] = total / n
    phi, left = np.zeros(n_lags), cov[0]
    for k in range(n_lags):
        value = cov[k + 1]
        for i in range(k):
            value -= phi[i] * cov[k - i]
        value = value / left if left > 1e-12 * cov[0] else 0.0
        previous = phi.copy()
        for i in range(k):
            phi[i] = previous[i] - value * previous[k - 1 - i]
        phi[k] = value
        left *= 1.0 - value * value
    error = w.copy()
    for t in range(n):
        for k in range(min(n_lags, t)):
            error[t] -= phi[k] * w[t - 1 - k]
    return error


@numba.njit(cache=True, nogil=True, error_model="numpy")
def cross_products(w, limits, m):  # type: ignore[no-untyped-def]
    """Products of w and of its lags and the lags of its errors that any candidate may use, all at once.

    Order: w itself, phi, theta, Phi, Theta. Every start of Hannan & Rissanen (1982) is then a small linear system.
    """
    n = len(w)
    error = long_autoregression(w, max(1, min(max(10, 2 * m + 2), n // 3)))
    size = 1 + limits.p + limits.q + limits.P + limits.Q
    rows = np.zeros((size, n))
    rows[0] = w
    for i in range(1, size):
        k = i - 1
        if k < limits.p:
            lag, source = k + 1, w
        elif k < limits.p + limits.q:
            lag, source = k - limits.p + 1, error
        elif k < limits.p + limits.q + limits.P:
            lag, source = m * (k - limits.p - limits.q + 1), w
        else:
            lag, source = m * (k - limits.p - limits.q - limits.P + 1), error
        if lag < n:
            rows[i, lag:] = source[: n - lag]
    products = np.empty((size, size))
    for i in range(size):
        for j in range(i + 1):
            products[i, j] = dot(rows[i], rows[j])
            products[j, i] = products[i, j]
    return products


@numba.njit(cache=True, nogil=True, error_model="numpy")
def starting_coefficients(order, products, limits, mean):  # type: ignore[no-untyped-def]
    """Hannan-Rissanen estimates, shrunk until stationary and invertible."""
    k = order.p + order.q + order.P + order.Q
    index = np.empty(k, np.int64)
    at, first = 0, 1
    for group in range(4):
        size = (order.p, order.q, order.P, order.Q)[group]
        for i in range(size):
            index[at] = first + i
            at += 1
        first += (limits.p, limits.q, limits.P, limits.Q)[group]
    matrix, right = np.empty((k, k)), np.empty(k)
    for i in range(k):
        right[i] = products[0, index[i]]
        for j in range(k):
            matrix[i, j] = products[index[i], index[j]]
    coef = np.zeros(n_coefficients(order))
    coef[:k] = solve(matrix, right, 1e-4)
    if order.c:
        coef[k] = mean
    for _ in range(60):
        if admissible(order, coef, RADIUS):
            break
        coef[:k] *= 0.9
    return coef


@numba.njit(cache=True, nogil=True, error_model="numpy")
def aicc(order, criterion, n):  # type: ignore[no-untyped-def]
    """n log(criterion / n) + 2 k + 2 k (k + 1) / (n - k - 1), k counting sigma^2 too; infinite with no degree left."""
    k = n_coefficients(order) + 1
    if n - k - 1 <= 0:
        return np.inf
    return n * math.log(max(criterion / n, 1e-300)) + 2.0 * k * n / (n - k - 1.0)


@numba.njit(cache=True, nogil=True, error_model="numpy")
def _step(k):  # type: ignore[no-untyped-def]
    """The k-th change of (p, q, P, Q, c) that the path tries, in the order of forecast::auto.arima."""
    table = (
        (0, 0, -1, 0, 0),
        (0, 0, 0, -1, 0),
        (0, 0, 1, 0, 0),
        (0, 0, 0, 1, 0),
        (0, 0, -1, -1, 0),
        (0, 0, -1, 1, 0),
        (0, 0, 1, -1, 0),
        (0, 0, 1, 1, 0),
        (-1, 0, 0, 0, 0),
        (0, -1, 0, 0, 0),
        (1, 0, 0, 0, 0),
        (0, 1, 0, 0, 0),
        (-1, -1, 0, 0, 0),
        (-1, 1, 0, 0, 0),
        (1, -1, 0, 0, 0),
        (1, 1, 0, 0, 0),
        (0, 0, 0, 0, 1),
    )
    return table[k]


N_STEPS = 17


@numba.njit(cache=True, nogil=True, error_model="numpy")
def _allowed(order, limits):  # type: ignore[no-untyped-def]
    p, q, P, Q = order.p, order.q, order.P, order.Q
    return (
        0 <= p <= limits.p
        and 0 <= q <= limits.q
        and 0 <= P <= limits.P
        and 0 <= Q <= limits.Q
        and p + q + P + Q <= limits.total
        and not (order.c == 1 and order.d + order.D > 1)
    )


@numba.njit(cache=True, nogil=True, error_model="numpy")
def _for_length(limits, n, m):  # type: ignore[no-untyped-def]
    """Three observed days for each lag that a polynomial reaches back, as in forecast::auto.arima."""
    days, seasons = n // 3, n // (3 * m)
    return Limits(
        min(limits.p, days),
        limits.d,
        min(limits.q, days),
        min(limits.P, seasons),
        limits.D,
        min(limits.Q, seasons),
        limits.total,
        limits.strength,
    )


@numba.njit(cache=True, nogil=True, error_model="numpy")
def choose(y, seen, m, limits):  # type: ignore[no-untyped-def]
    """(order, coefficients, AICc) of one series whose first and last days are seen.

    From four simple models the path moves to the first neighbour with a lower AICc until there is none.
    """
    filled, limits = fill(y, seen, m), _for_length(limits, int(seen.sum()), m)
    d, D = differences(filled, m, limits)
    w = filled
    for _ in range(D):
        w = difference(w, m)
    for _ in range(d):
        w = difference(w, 1)
    mean = w.mean()
    n = int(seen.sum()) - d - D * m
    with_constant = 1 if d + D <= 1 else 0
    best = Order(0, d, 0, 0, D, 0, with_constant, m)
    coef, criterion = fit(best, np.full(with_constant, mean), filled, seen, max(n, 1), RADIUS)
    if is_constant(w) or n < 4:
        return best, coef, -np.inf
    lowest = aicc(best, criterion, n)
    products = cross_products(w - mean, limits, m)
    visited = np.zeros((limits.p + 1, limits.q + 1, limits.P + 1, limits.Q + 1, 2), np.bool_)
    visited[0, 0, 0, 0, with_constant] = True
    starts = ((2, 2, 1, 1), (1, 0, 1, 0), (0, 1, 0, 1), (0, 0, 0, 0))
    k = -len(starts)
    while k < N_STEPS:
        if k < 0:
            p, q, P, Q = starts[k + len(starts)]
            c = with_constant if k < -1 else 0
            trial = Order(min(p, limits.p), d, min(q, limits.q), min(P, limits.P), D, min(Q, limits.Q), c, m)
        else:
            p, q, P, Q, c = _step(k)
            trial = Order(best.p + p, d, best.q + q, best.P + P, D, best.Q + Q, 1 - best.c if c else best.c, m)
        k += 1
        if not _allowed(trial, limits) or visited[trial.p, trial.q, trial.P, trial.Q, trial.c]:
            continue
        visited[trial.p, trial.q, trial.P, trial.Q, trial.c] = True
        if n - n_coefficients(trial) - 2 <= 0:
            continue
        trial_coef, criterion = fit(
            trial, starting_coefficients(trial, products, limits, mean), filled, seen, max(n, 1), RADIUS
        )
        criterion = aicc(trial, criterion, n)
        if criterion < lowest:
            best, coef, lowest = trial, trial_coef, criterion
            k = 0 if k > 0 else k
    return best, coef, lowest
