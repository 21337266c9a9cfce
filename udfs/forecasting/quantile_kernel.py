"""Quantiles on the CPU, one series at a time: order statistics of errors, and counts of a negative binomial."""

from __future__ import annotations

import numba
import numpy as np

_jit = numba.njit(cache=True, nogil=True, error_model="numpy")

_BINS = 256
MIN_MEAN = 1e-9
"""A mean of 0 counts as this."""
MIN_EXCESS = 1e-3
"""Share of the mean by which the variance exceeds it at least: the Poisson as the limit of a large r keeps one
formula."""

_INSERTION = 24
"""Up to this many values insertion sort is the fastest."""


@_jit
def order_error_quantiles(error_ST, mask_ST, level_Q, error_SQ, lo, hi):  # type: ignore[no-untyped-def]
    """Fill rows lo..hi of error_SQ with quantiles of the observed errors, linear between order statistics (type 7).

    Values go to equal bins first; only the bins that hold a wanted rank are then sorted. Rows without an observed
    error, or with one that is not finite, become NaN.
    """
    n_time, n_levels = error_ST.shape[1], len(level_Q)
    value_N, binned_N = np.empty(n_time), np.empty(n_time)
    bin_N = np.empty(n_time, dtype=np.int64)
    start_B = np.empty(_BINS + 1, dtype=np.int64)
    sorted_B = np.empty(_BINS, dtype=np.bool_)
    for s in range(lo, hi):
        n, low, high, finite = 0, np.inf, -np.inf, True
        for t in range(n_time):
            if mask_ST[s, t]:
                e = error_ST[s, t]
                value_N[n] = e
                low, high = min(low, e), max(high, e)
                finite = finite and abs(e) < np.inf
                n += 1
        if n == 0 or not finite:
            error_SQ[s, :] = np.nan
            continue
        _to_bins(value_N[:n], low, high, bin_N, binned_N, start_B)
        sorted_B[:] = False
        for q in range(n_levels):
            rank = level_Q[q] * (n - 1)
            k = int(rank)
            below = _ranked(binned_N, start_B, sorted_B, k)
            above = _ranked(binned_N, start_B, sorted_B, min(k + 1, n - 1))
            error_SQ[s, q] = below + (above - below) * (rank - k)


@_jit
def _to_bins(value_N, low, high, bin_N, binned_N, start_B):  # type: ignore[no-untyped-def]
    """Order the values by bin, in place of `binned_N`; bin b holds binned_N[start_B[b] : start_B[b + 1]]."""
    width = high / _BINS - low / _BINS  # the difference alone could overflow
    per_width = 1.0 / width if width > 0.0 else 0.0
    if not per_width < np.inf:
        per_width = 0.0
    start_B[:] = 0
    for k in range(len(value_N)):
        b = min(int((value_N[k] - low) * per_width), _BINS - 1)
        bin_N[k] = b
        start_B[b] += 1
    total = 0
    for b in range(_BINS):
        total += start_B[b]
        start_B[b] = total
    start_B[_BINS] = total
    for k in range(len(value_N)):
        b = bin_N[k]
        start_B[b] -= 1
        binned_N[start_B[b]] = value_N[k]


@_jit
def _ranked(binned_N, start_B, sorted_B, k):  # type: ignore[no-untyped-def]
    """The k-th smallest value, counted from 0."""
    first, last = 0, _BINS  # the last bin that starts at or before k
    while last - first > 1:
        middle = (first + last) // 2
        if start_B[middle] <= k:
            first = middle
        else:
            last = middle
    if not sorted_B[first]:
        _sort(binned_N[start_B[first] : start_B[first + 1]])
        sorted_B[first] = True
    return binned_N[k]


@_jit
def _sort(value_N):  # type: ignore[no-untyped-def]
    if len(value_N) > _INSERTION:
        value_N.sort()
        return
    for k in range(1, len(value_N)):
        value = value_N[k]
        j = k - 1
        while j >= 0 and value_N[j] > value:
            value_N[j + 1] = value_N[j]
            j -= 1
        value_N[j + 1] = value


@_jit
def count_quantiles(mean_X, sd_X, level_Q, count_XQ, lo, hi):  # type: ignore[no-untyped-def]
    """Fill rows lo..hi of count_XQ; see `intervals.count_quantiles`."""
    n_levels = len(level_Q)
    for x in range(lo, hi):
        mean = max(mean_X[x], MIN_MEAN)
        excess = max(sd_X[x] * sd_X[x] - mean, MIN_EXCESS * mean)
        r = mean * mean / excess
        p = r / (r + mean)
        mass = p**r
        below = mass
        limit = int(mean / (1.0 - level_Q[n_levels - 1])) + 1
        q = 0
        for k in range(limit + 1):
            while q < n_levels and (below >= level_Q[q] or k == limit):
                count_XQ[x, q] = k
                q += 1
            if q == n_levels:
                break
            mass = mass * (k + r) / (k + 1) * (1.0 - p)
            below += mass
