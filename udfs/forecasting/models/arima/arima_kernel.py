"""One seasonal ARIMA model on one series: errors, coefficients by least squares, forecasts; compiled, series by series.

The model, in the notation of Box, Jenkins, Reinsel & Ljung, Time Series Analysis (5th ed., 2016), chapter 9, with the
signs of Hyndman & Athanasopoulos, section 9.9:

    w_t = (1 - B)^d (1 - B^m)^D y_t
    phi(B) Phi(B^m) (w_t - mu) = theta(B) Theta(B^m) e_t
    phi(B) = 1 - phi_1 B - ...,  theta(B) = 1 + theta_1 B + ...

Everything runs on the levels y, so an unobserved day is simply its own one-step prediction with e_t = 0. Days before
the first are backcast: the same model, run through the reversed series, forecasts them (ibid., section 7.1.4), and the
sum of squares includes their errors. That frees the estimates from the accident of the first days, which a recursion
that starts from zeros does not: with theta near -1 it remembers them for a hundred days.
"""

from __future__ import annotations

import math
from typing import NamedTuple

import numba
import numpy as np

MAX_STEPS = 12
"""Gauss-Newton steps at most; five or six are usual."""

TOLERANCE = 1e-5
"""A step that lowers the sum of squares by a smaller share than this is the last."""


class Order(NamedTuple):
    """ARIMA(p, d, q)(P, D, Q)[m]; c is 1 with a constant mu and 0 without."""

    p: int
    d: int
    q: int
    P: int
    D: int
    Q: int
    c: int
    m: int


class Sparse(NamedTuple):
    """What is subtracted from 1 in a polynomial of B: sum of coef_k B^lag_k."""

    lag: np.ndarray
    coef: np.ndarray


class Work(NamedTuple):
    """Filtered series with `pad` zeros in front: level x, its differences less mu z, errors e, and whether seen."""

    pad: int
    x: np.ndarray
    z: np.ndarray
    e: np.ndarray
    seen: np.ndarray


@numba.njit(cache=True, nogil=True, error_model="numpy")
def n_coefficients(order):  # type: ignore[no-untyped-def]
    """Length of the vector phi, theta, Phi, Theta, mu."""
    return order.p + order.q + order.P + order.Q + order.c


@numba.njit(cache=True, nogil=True, error_model="numpy")
def _product(coef, at, n, seasonal_at, n_seasonal, m, cross):  # type: ignore[no-untyped-def]
    """The product of an ordinary and a seasonal polynomial, whose cross terms have the sign `cross`."""
    size = n + n_seasonal + n * n_seasonal
    lag, out = np.empty(size, np.int64), np.empty(size)
    k = 0
    for i in range(n):
        lag[k], out[k] = i + 1, coef[at + i]
        k += 1
    for j in range(n_seasonal):
        lag[k], out[k] = (j + 1) * m, coef[seasonal_at + j]
        k += 1
        for i in range(n):
            lag[k], out[k] = (j + 1) * m + i + 1, cross * coef[seasonal_at + j] * coef[at + i]
            k += 1
    return Sparse(lag, out)


@numba.njit(cache=True, nogil=True, error_model="numpy")
def ar_part(order, coef):  # type: ignore[no-untyped-def]
    """a in z_t = sum of a_k z_{t-k} + ..."""
    return _product(coef, 0, order.p, order.p + order.q, order.P, order.m, -1.0)


@numba.njit(cache=True, nogil=True, error_model="numpy")
def ma_part(order, coef):  # type: ignore[no-untyped-def]
    """b in z_t = e_t + sum of b_k e_{t-k} + ..."""
    return _product(coef, order.p, order.q, order.p + order.q + order.P, order.Q, order.m, 1.0)


@numba.njit(cache=True, nogil=True, error_model="numpy")
def difference_part(order):  # type: ignore[no-untyped-def]
    """c in y_t = w_t + sum of c_k y_{t-k}."""
    dense = np.zeros(order.d + order.D * order.m + 1)
    dense[0] = 1.0
    for k in range(order.d + order.D):
        step = 1 if k < order.d else order.m
        for t in range(len(dense) - 1, step - 1, -1):
            dense[t] -= dense[t - step]
    lag = np.flatnonzero(dense[1:]) + 1
    return Sparse(lag, -dense[lag])


@numba.njit(cache=True, nogil=True, error_model="numpy")
def run(work, start, mu, diff, ar, ma):  # type: ignore[no-untyped-def]
    """Fill z, e and the unseen x from `start` on; give the sum of squared errors."""
    pad, x, z, e = work.pad, work.x, work.z, work.e
    z[: pad + start] = 0.0
    e[: pad + start] = 0.0
    sse = 0.0
    for t in range(start, len(x)):
        base, ahead, at = mu, 0.0, pad + t
        for k in range(len(diff.lag)):
            base += diff.coef[k] * x[t - diff.lag[k]]
        for k in range(len(ar.lag)):
            ahead += ar.coef[k] * z[at - ar.lag[k]]
        for k in range(len(ma.lag)):
            ahead += ma.coef[k] * e[at - ma.lag[k]]
        if work.seen[t]:
            z[at] = x[t] - base
            error = z[at] - ahead
            e[at] = error
            sse += error * error
        else:
            z[at] = ahead
            e[at] = 0.0
            x[t] = base + ahead
    return sse


@numba.njit(cache=True, nogil=True, error_model="numpy")
def n_backcast(order):  # type: ignore[no-untyped-def]
    """Days before the first that are backcast, the first d + m D of which only start the differences.

    Backcasts of a moving average are mu beyond its order; those of an autoregression fade, and are cut off.
    """
    fade = 24 * (order.p > 0) + 8 * order.m * (order.P > 0)
    return order.d + order.m * order.D + order.q + order.m * order.Q + fade


@numba.njit(cache=True, nogil=True, error_model="numpy")
def workspace(order, n, ahead):  # type: ignore[no-untyped-def]
    """Room for n days, their backcasts and `ahead` days after them."""
    pad = max(order.p + order.m * order.P, order.q + order.m * order.Q)
    size = n + n_backcast(order) + ahead
    return Work(pad, np.zeros(size), np.zeros(pad + size), np.zeros(pad + size), np.zeros(size, np.bool_))


@numba.njit(cache=True, nogil=True, error_model="numpy")
def errors(order, coef, y, seen, back, work):  # type: ignore[no-untyped-def]
    """Backcast, then run: `work` holds the result, its sum of squares is returned.

    y needs a plausible value on every day, seen or not, because the backward run starts on its last days.
    """
    n, lost, before = len(y), order.d + order.m * order.D, n_backcast(order)
    diff, ar, ma = difference_part(order), ar_part(order, coef), ma_part(order, coef)
    mu = coef[n_coefficients(order) - 1] if order.c else 0.0
    # Differences of reversed time change sign with each order.
    mu_back = mu if (order.d + order.D) % 2 == 0 else -mu
    for t in range(n):
        back.x[t], back.seen[t] = y[n - 1 - t], seen[n - 1 - t]
    back.seen[:lost] = True
    back.seen[n:] = False
    run(back, lost, mu_back, diff, ar, ma)
    for t in range(before):
        work.x[t], work.seen[t] = back.x[n + before - 1 - t], True
    work.x[before : before + n] = y
    work.seen[before : before + n] = seen
    work.seen[before + n :] = False
    return run(work, lost, mu, diff, ar, ma)


@numba.njit(cache=True, nogil=True, error_model="numpy")
def _filter_ma(source, ma, pad, out):  # type: ignore[no-untyped-def]
    """out with (1 + ma(B)) out = source."""
    out[:pad] = 0.0
    for t in range(pad, len(out)):
        value = source[t]
        for k in range(len(ma.lag)):
            value -= ma.coef[k] * out[t - ma.lag[k]]
        out[t] = value


@numba.njit(cache=True, nogil=True, error_model="numpy")
def _lag_row(series, lag, pad, out):  # type: ignore[no-untyped-def]
    for t in range(len(out)):
        out[t] = -series[pad + t - lag]


@numba.njit(cache=True, nogil=True, error_model="numpy")
def _subtract(source, part, pad, out):  # type: ignore[no-untyped-def]
    """out = (1 - part(B)) source."""
    out[:pad] = 0.0
    for t in range(pad, len(out)):
        value = source[t]
        for k in range(len(part.lag)):
            value -= part.coef[k] * source[t - part.lag[k]]
        out[t] = value


@numba.njit(cache=True, nogil=True, error_model="numpy")
def jacobian(order, coef, work, before, out):  # type: ignore[no-untyped-def]
    """d e_t / d coefficient, one row each.

    The rows of one polynomial are one filtered series at several lags, so four recursions serve any order (Box et al.,
    section 7.2.3). How backcasts and fillings follow the coefficients is left out; a step that this misleads is
    rejected by its sum of squares.
    """
    p, q, P, Q, m, pad = order.p, order.q, order.P, order.Q, order.m, work.pad
    none = _product(coef, 0, 0, 0, 0, m, 1.0)
    ar_season = _product(coef, 0, 0, p + q, P, m, 1.0)
    ar_plain = _product(coef, 0, p, 0, 0, m, 1.0)
    ma_plain = _product(coef, p, q, 0, 0, m, 1.0)
    ma_season = _product(coef, 0, 0, p + q + P, Q, m, 1.0)
    ma = ma_part(order, coef)
    first, second = np.empty(len(work.z)), np.empty(len(work.z))
    for group in range(4):
        size = (p, q, P, Q)[group]
        if size == 0:
            continue
        at = (0, p, p + q, p + q + P)[group]
        step = (1, 1, m, m)[group]
        if group == 0 or group == 2:
            _subtract(work.z, ar_season if group == 0 else ar_plain, pad, first)
            _filter_ma(first, ma, pad, second)
        else:
            _subtract(work.e, none, pad, first)
            _filter_ma(first, ma_plain if group == 1 else ma_season, pad, second)
        for i in range(size):
            _lag_row(second, (i + 1) * step, pad, out[at + i])
    if order.c:
        first[: pad + before] = 0.0
        first[pad + before :] = 1.0
        one = first.copy()
        _subtract(one, ar_part(order, coef), pad, first)
        _filter_ma(first, ma, pad, second)
        _lag_row(second, 0, pad, out[p + q + P + Q])


@numba.njit(cache=True, nogil=True, error_model="numpy", fastmath={"reassoc", "contract", "nsz"})
def dot(a, b):  # type: ignore[no-untyped-def]
    """Sum of a_t b_t, in vector lanes: the order of additions depends on the length alone."""
    total = 0.0
    for t in range(len(a)):
        total += a[t] * b[t]
    return total


@numba.njit(cache=True, nogil=True, error_model="numpy")
def solve(matrix, right, ridge):  # type: ignore[no-untyped-def]
    """x with (matrix + ridge diag(matrix)) x = right by Cholesky; a direction without information gets 0."""
    n = len(right)
    low = np.zeros((n, n))
    x = np.zeros(n)
    for i in range(n):
        for j in range(i + 1):
            value = matrix[i, j] * (1.0 + ridge) if i == j else matrix[i, j]
            for k in range(j):
                value -= low[i, k] * low[j, k]
            if i != j:
                low[i, j] = value / low[j, j]
            else:
                low[i, i] = math.sqrt(value) if value > 1e-12 * matrix[i, i] and value > 0.0 else 1e150
    for i in range(n):
        value = right[i]
        for k in range(i):
            value -= low[i, k] * x[k]
        x[i] = value / low[i, i]
    for i in range(n - 1, -1, -1):
        value = x[i]
        for k in range(i + 1, n):
            value -= low[k, i] * x[k]
        x[i] = value / low[i, i]
    return x


@numba.njit(cache=True, nogil=True, error_model="numpy")
def _roots_beyond(coef, at, n, sign, radius):  # type: ignore[no-untyped-def]
    """Whether all roots of 1 - sum of sign coef_i x^i lie beyond `radius` (Schur-Cohn, by Durbin-Levinson steps)."""
    a = np.empty(n)
    for i in range(n):
        a[i] = sign * coef[at + i] * radius ** (i + 1)
    for j in range(n - 1, -1, -1):
        last = a[j]
        if not abs(last) < 1.0:
            return False
        previous = a.copy()
        for i in range(j):
            a[i] = (previous[i] + last * previous[j - 1 - i]) / (1.0 - last * last)
    return True


@numba.njit(cache=True, nogil=True, error_model="numpy")
def admissible(order, coef, radius):  # type: ignore[no-untyped-def]
    """Stationary and invertible with all roots beyond `radius` (at least 1)."""
    p, q, P, Q = order.p, order.q, order.P, order.Q
    far = radius**order.m
    return (
        _roots_beyond(coef, 0, p, 1.0, radius)
        and _roots_beyond(coef, p, q, -1.0, radius)
        and _roots_beyond(coef, p + q, P, 1.0, far)
        and _roots_beyond(coef, p + q + P, Q, -1.0, far)
    )


@numba.njit(cache=True, nogil=True, error_model="numpy")
def _add_cepstrum(coef, at, n, step, sign, out):  # type: ignore[no-untyped-def]
    """Add the coefficients of `sign` log(1 + sum of sign coef_i x^i), x = B^step, to those of `out`.

    From A = exp(C): k a_k = sum over j of j c_j a_{k-j}.
    """
    if n == 0:
        return
    size = (len(out) - 1) // step
    c = np.empty(size + 1)
    for k in range(1, size + 1):
        value = k * sign * coef[at + k - 1] if k <= n else 0.0
        for i in range(1, min(n, k - 1) + 1):
            value -= (k - i) * c[k - i] * sign * coef[at + i - 1]
        c[k] = value / k
        out[k * step] += sign * c[k]


@numba.njit(cache=True, nogil=True, error_model="numpy")
def log_determinant(order, coef, out):  # type: ignore[no-untyped-def]
    """log of the determinant of the covariance of len(out) days of w over sigma^2: the sum of k c_k^2 for
    k < len(out), where c_k, left in `out`, are the coefficients of log(theta Theta / (phi Phi)).

    The strong limit theorem of Szego gives the sum to infinity (Grenander & Szego, Toeplitz Forms and Their
    Applications, 1958, section 5.5); cut there it serves short series too. A sum of squares alone would prefer
    seasonal terms that a few seasons cannot support.
    """
    p, q, P, Q, m = order.p, order.q, order.P, order.Q, order.m
    out[:] = 0.0
    _add_cepstrum(coef, 0, p, 1, -1.0, out)
    _add_cepstrum(coef, p, q, 1, 1.0, out)
    _add_cepstrum(coef, p + q, P, m, -1.0, out)
    _add_cepstrum(coef, p + q + P, Q, m, 1.0, out)
    total = 0.0
    for k in range(1, len(out)):
        total += k * out[k] * out[k]
    return total


@numba.njit(cache=True, nogil=True, error_model="numpy")
def _normal_equations(order, coef, work, before):  # type: ignore[no-untyped-def]
    k, size = n_coefficients(order), len(work.x)
    rows = np.empty((k, size))
    jacobian(order, coef, work, before, rows)
    lost = order.d + order.m * order.D
    for i in range(k):
        rows[i, :lost] = 0.0
        for t in range(before, size):
            if not work.seen[t]:
                rows[i, t] = 0.0
    matrix, right = np.empty((k, k)), np.empty(k)
    e = work.e[work.pad :]
    for i in range(k):
        right[i] = -dot(rows[i], e)
        for j in range(i + 1):
            matrix[i, j] = dot(rows[i], rows[j])
            matrix[j, i] = matrix[i, j]
    return matrix, right


@numba.njit(cache=True, nogil=True, error_model="numpy")
def _determinant_slope(order, coef, cepstrum):  # type: ignore[no-untyped-def]
    """d log_determinant / d coefficient; mu has none.

    With A = exp(C), d c_k / d a_i is the (k - i)-th coefficient of 1 / A, for all four polynomials with sign plus.
    """
    slope, size = np.zeros(n_coefficients(order)), len(cepstrum)
    inverse = np.empty(size)
    at = 0
    for group in range(4):
        n = (order.p, order.q, order.P, order.Q)[group]
        sign = (-1.0, 1.0, -1.0, 1.0)[group]
        step = (1, 1, order.m, order.m)[group]
        for k in range((size - 1) // step + 1 if n > 0 else 0):
            inverse[k] = 1.0 if k == 0 else 0.0
            for i in range(1, min(n, k) + 1):
                inverse[k] -= sign * coef[at + i - 1] * inverse[k - i]
        for i in range(1, n + 1):
            total = 0.0
            for k in range(i, (size - 1) // step + 1):
                total += k * step * cepstrum[k * step] * inverse[k - i]
            slope[at + i - 1] = 2.0 * total
        at += n
    return slope


@numba.njit(cache=True, nogil=True, error_model="numpy")
def fit(order, coef, y, seen, n_obs, radius):  # type: ignore[no-untyped-def]
    """(coefficients, criterion) from the admissible start `coef` by damped Gauss-Newton (Levenberg-Marquardt).

    The criterion is sum of squares times determinant^(1 / n_obs): its logarithm, times n_obs, is -2 log likelihood but
    for a constant. `n_obs` counts the seen days that differencing leaves.
    """
    n, before = len(y), n_backcast(order)
    back, work = workspace(order, n, 0), workspace(order, n, 0)
    cepstrum = np.zeros(max(n - order.d - order.m * order.D, 1))
    coef = coef.copy()
    sse = errors(order, coef, y, seen, back, work)
    best = sse * math.exp(log_determinant(order, coef, cepstrum) / n_obs)
    slope, damp = _determinant_slope(order, coef, cepstrum), 1e-3
    for _ in range(MAX_STEPS if n_coefficients(order) > 0 else 0):
        matrix, right = _normal_equations(order, coef, work, before)
        right -= slope * sse / (2.0 * n_obs)
        better = False
        for _ in range(5):
            trial = coef + solve(matrix, right, damp)
            if admissible(order, trial, radius):
                sse = errors(order, trial, y, seen, back, work)
                value = sse * math.exp(log_determinant(order, trial, cepstrum) / n_obs)
                if value < best:
                    better = True
                    break
            damp *= 8.0
        if not better:
            break
        gain, best, coef = (best - value) / best, value, trial
        slope = _determinant_slope(order, coef, cepstrum)
        damp = max(damp / 16.0, 1e-9)
        if gain < TOLERANCE:
            break
    return coef, best


@numba.njit(cache=True, nogil=True, error_model="numpy")
def forecast(order, coef, y, seen, mean_H, growth_H, error_T):  # type: ignore[no-untyped-def]
    """Write the mean of the days after the last of y, their variance over sigma^2, and the errors; give the sum of
    squares. The growth is 1 + sum of psi_j^2 (Box et al., section 5.1.1)."""
    horizon, n, before = len(mean_H), len(y), n_backcast(order)
    back, work = workspace(order, n, 0), workspace(order, n, horizon)
    sse = errors(order, coef, y, seen, back, work)
    mean_H[:] = work.x[before + n :]
    error_T[:] = work.e[work.pad + before : work.pad + before + n]

    diff, ar, ma = difference_part(order), ar_part(order, coef), ma_part(order, coef)
    psi_z, psi = np.zeros(horizon), np.zeros(horizon)
    total = 0.0
    for h in range(horizon):
        value = 1.0 if h == 0 else 0.0
        for k in range(len(ar.lag)):
            value += ar.coef[k] * psi_z[h - ar.lag[k]] if h >= ar.lag[k] else 0.0
        for k in range(len(ma.lag)):
            value += ma.coef[k] if h == ma.lag[k] else 0.0
        psi_z[h] = value
        for k in range(len(diff.lag)):
            value += diff.coef[k] * psi[h - diff.lag[k]] if h >= diff.lag[k] else 0.0
        psi[h] = value
        total += value * value
        growth_H[h] = total
    return sse
