"""Probabilities of whole-unit demand by its mean and variance: Poisson, or negative binomial, compiled."""

from __future__ import annotations

import math

import numba
import numpy as np

_LEAST_EXCESS = 1e-9  # of the variance over the mean, as a share of it: below this the limit, Poisson


@numba.njit(cache=True, nogil=True, error_model="numpy")
def fill_pmf(mean, variance_to_mean, pmf):  # type: ignore[no-untyped-def]
    """Fill pmf(0..n-1). The ratio of neighbours leads both ways from the mode, so that nothing underflows on the way.

    A variance below the mean is taken as Poisson, a mean of zero as no demand.
    """
    pmf[:] = 0.0
    if mean <= 0.0:
        pmf[0] = 1.0
        return
    excess = variance_to_mean - 1.0
    is_poisson = excess <= _LEAST_EXCESS
    # Panjer's recursion: pmf(d) / pmf(d - 1) = a + b / d.
    a = 0.0 if is_poisson else excess / variance_to_mean
    b = mean if is_poisson else a * (mean / excess - 1.0)
    mode = min(max(math.floor((a + b) / (1.0 - a)) if b > -a else 0, 0), pmf.size - 1)
    if is_poisson:
        pmf[mode] = math.exp(mode * math.log(mean) - mean - math.lgamma(mode + 1.0))
    else:
        r = mean / excess
        pmf[mode] = math.exp(_log_ways(r, mode) - r * math.log1p(excess) + mode * math.log(a))
    for d in range(mode + 1, pmf.size):
        pmf[d] = pmf[d - 1] * (a + b / d)
    for d in range(mode, 0, -1):
        pmf[d - 1] = pmf[d] / (a + b / d)


@numba.njit(cache=True, nogil=True, error_model="numpy")
def _log_ways(r, n):  # type: ignore[no-untyped-def]
    """log(gamma(n + r) / (gamma(r) n!)); for a large r its two gammas differ by less than their rounding."""
    if r < 1e3:
        return math.lgamma(n + r) - math.lgamma(r) - math.lgamma(n + 1.0)
    ways = 0.0
    for k in range(n):
        ways += math.log((r + k) / (k + 1.0))
    return ways


@numba.njit(cache=True, nogil=True, error_model="numpy")
def n_numbers(mean, variance_to_mean, tail):  # type: ignore[no-untyped-def]
    """How many numbers 0, 1, ... carry all but a probability of about `tail`."""
    size = math.ceil(mean + 8.0 * math.sqrt(mean * max(variance_to_mean, 1.0))) + 16
    while True:
        pmf = np.empty(size)
        fill_pmf(mean, variance_to_mean, pmf)
        # Beyond the last number the probabilities fall at least as fast as a geometric series from there.
        ratio = pmf[size - 1] / pmf[size - 2] if pmf[size - 2] > 0.0 else 0.0
        left, n = pmf[size - 1] * ratio / max(1.0 - ratio, 1e-9), size
        if left <= 0.01 * tail:
            while n > 1 and left + pmf[n - 1] <= tail:
                n -= 1
                left += pmf[n]
            return n
        size *= 2
