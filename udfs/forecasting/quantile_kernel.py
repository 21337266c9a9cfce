"""Quantiles on the CPU, one series at a time: order statistics of errors, and counts of a negative binomial."""

from __future__ import annotations

import numba
import numpy as np

_jit = numba.njit(cache=True, nogil=True, error_model="numpy")

MIN_MEAN = 1e-9
"""A mean of 0 counts as this."""
MIN_EXCESS = 1e-3
"""Share of the mean by which the variance exceeds it at least: the Poisson as the limit of a large r keeps one
formula."""
MIN_ERRORS = 20
"""Fewer errors than this say too little about a tail; the normal distribution stands in."""

BLOCK = 128
"""Series whose errors are sorted together while they are still in the cache."""


def sorted_blocks(error_ST, mask_ST, lo, hi):  # type: ignore[no-untyped-def]
    """Yield (first, stop, sorted errors, number of them) for blocks of the rows lo..hi, as `observed` fills them.

    numpy sorts rows in vector registers, some five times as fast as compiled scalar code.
    """
    sorted_BT, n_B = np.empty((BLOCK, error_ST.shape[1])), np.empty(BLOCK, dtype=np.int64)
    for first in range(lo, hi, BLOCK):
        stop = min(first + BLOCK, hi)
        observed(error_ST[first:stop], mask_ST[first:stop], sorted_BT, n_B)
        sorted_BT[: stop - first].sort(axis=1)
        yield first, stop, sorted_BT, n_B


@_jit
def observed(error_ST, mask_ST, value_ST, n_S):  # type: ignore[no-untyped-def]
    """Fill n_S, and the rows of value_ST with the observed errors, infinity behind them."""
    for s in range(len(error_ST)):
        n = 0
        for t in range(error_ST.shape[1]):
            value_ST[s, n] = error_ST[s, t]  # the next observed one overwrites an unobserved one
            n += mask_ST[s, t]
        value_ST[s, n:] = np.inf
        n_S[s] = n


@_jit
def order_quantiles(sorted_ST, n_S, level_Q, error_SQ):  # type: ignore[no-untyped-def]
    """Fill error_SQ with quantiles of the first n_S values of each row, linear between order statistics (type 7).

    Rows without a value, or with one that is not finite, become NaN.
    """
    for s in range(len(error_SQ)):
        n = n_S[s]
        if n == 0 or not (sorted_ST[s, 0] > -np.inf and sorted_ST[s, n - 1] < np.inf):
            error_SQ[s, :] = np.nan
            continue
        for q in range(len(level_Q)):
            rank = level_Q[q] * (n - 1)
            k = int(rank)
            below = sorted_ST[s, k]
            error_SQ[s, q] = below + (sorted_ST[s, min(k + 1, n - 1)] - below) * (rank - k)


@_jit
def spread_errors(mean_SH, sd_SH, n_S, error_SQ, normal_Q, quantile_SHQ):  # type: ignore[no-untyped-def]
    """Fill quantile_SHQ: mean plus quantiles of the errors, which grow as sd_SH does; normal ones for few errors."""
    for s in range(len(mean_SH)):
        unit = 1.0 if sd_SH[s, 0] <= 0.0 else 1.0 / sd_SH[s, 0]
        error_Q = error_SQ[s]
        if n_S[s] < MIN_ERRORS:
            unit = 1.0
            error_Q = normal_Q
        for h in range(mean_SH.shape[1]):
            mean, growth, quantile_Q = mean_SH[s, h], sd_SH[s, h] * unit, quantile_SHQ[s, h]
            for q in range(len(error_Q)):
                value = mean + growth * error_Q[q]
                quantile_Q[q] = 0.0 if value < 0.0 else value  # keeps NaN


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
