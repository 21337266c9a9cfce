"""Seasonal-trend decomposition by loess, and the strength of a season; compiled, series by series.

Cleveland, Cleveland, McRae & Terpenning, STL: A Seasonal-Trend Decomposition Procedure Based on Loess, Journal of
Official Statistics 6(1), 1990; without robustness weights, with the settings of forecast::mstl: seasonal window of 11
and degree 0, trend and low-pass windows by their default rules and degree 1, five inner rounds.
"""

from __future__ import annotations

import math

import numba
import numpy as np

SEASONAL_WINDOW = 11
ROUNDS = 5


@numba.njit(cache=True, nogil=True, error_model="numpy")
def _loess(y, at, window, degree):  # type: ignore[no-untyped-def]
    """Local constant (degree 0) or line (1) at position `at`, from -1 to len(y), through y_0, y_1, ..."""
    n = len(y)
    width = min(window, n)
    first = min(max(at - window // 2, 0), n - width)
    far = float(max(at - first, first + width - 1 - at))
    if window > n:
        far += (window - n) // 2
    weight = np.zeros(width)
    total = 0.0
    for k in range(width):
        gap = abs(first + k - at)
        if gap <= 0.999 * far:
            weight[k] = (1.0 - (gap / far) ** 3) ** 3 if gap > 0.001 * far else 1.0
        total += weight[k]
    if total <= 0.0:
        return y[min(max(at, 0), n - 1)]
    centre, spread, value = 0.0, 0.0, 0.0
    for k in range(width):
        weight[k] /= total
        centre += weight[k] * (first + k)
    for k in range(width):
        spread += weight[k] * (first + k - centre) ** 2
    tilt = (at - centre) / spread if degree == 1 and math.sqrt(spread) > 0.001 * (n - 1) else 0.0
    for k in range(width):
        value += weight[k] * (1.0 + tilt * (first + k - centre)) * y[first + k]
    return value


@numba.njit(cache=True, nogil=True, error_model="numpy")
def _moving_mean(y, width):  # type: ignore[no-untyped-def]
    """Means of `width` values in a row, shorter by width - 1."""
    out = np.empty(len(y) - width + 1)
    for t in range(len(out)):
        total = 0.0
        for k in range(width):
            total += y[t + k]
        out[t] = total / width
    return out


@numba.njit(cache=True, nogil=True, error_model="numpy")
def _smooth_phases(y, m):  # type: ignore[no-untyped-def]
    """Each phase of the season smoothed on its own, one season longer at both ends."""
    out = np.empty(len(y) + 2 * m)
    for phase in range(m):
        values = y[phase::m].copy()
        for k in range(-1, len(values) + 1):
            out[(k + 1) * m + phase] = _loess(values, k, SEASONAL_WINDOW, 0)
    return out


@numba.njit(cache=True, nogil=True, error_model="numpy")
def stl(y, m):  # type: ignore[no-untyped-def]
    """(trend, season) of y, at least 2 m days; the remainder is what they leave."""
    n = len(y)
    trend_window = math.ceil(1.5 * m / (1.0 - 1.5 / SEASONAL_WINDOW))
    trend_window += 1 - trend_window % 2
    low_window = m + 1 + m % 2
    trend, season = np.zeros(n), np.zeros(n)
    for _ in range(ROUNDS):
        cycle = _smooth_phases(y - trend, m)
        low = _moving_mean(_moving_mean(_moving_mean(cycle, m), m), 3)
        for t in range(n):
            season[t] = cycle[m + t] - _loess(low, t, low_window, 1)
        rest = y - season
        for t in range(n):
            trend[t] = _loess(rest, t, trend_window, 1)
    return trend, season


@numba.njit(cache=True, nogil=True, error_model="numpy")
def seasonal_strength(y, m):  # type: ignore[no-untyped-def]
    """1 - var(remainder) / var(remainder + season), at least 0 (Hyndman & Athanasopoulos, section 4.3); 0 for a
    constant series."""
    trend, season = stl(y, m)
    variance = (y - trend).var()
    rounding = 1e-24 * np.abs(y).max() ** 2
    return max(0.0, 1.0 - (y - trend - season).var() / variance) if variance > rounding else 0.0
