"""Probabilities of whole-unit demand over the band of values that matter, filled into buffers that the caller owns.

Weights are the probabilities times a constant: the renewal function needs only their ratios, so that nothing has to be
normalised and no gamma function is called. A buffer holds value k at index base + k, and zeros after the band, for
the sums over it run in steps of `STEP`.
"""

from __future__ import annotations

from typing import Any, Final, NamedTuple

import numba
import numpy as np

STEP: Final = 8
"""Sums are rounded up to this many terms, which are zeros: a vectorised loop then has no slow remainder."""
_LEAST_WEIGHT = 1e-18  # against 1 at the mode: all that is cut off is below the rounding of the sum
_GREATEST_MODE = 2.0**52  # whole numbers above are not all float64


class Band(NamedTuple):
    """Demand from lo to hi. base: index of value 0 in the buffer (may be negative)."""

    base: int
    lo: int
    hi: int


@numba.njit(cache=True, nogil=True, error_model="numpy")
def fill_panjer(weight_X: Any, a: float, b: float) -> Band:
    """Weights of a distribution with P(k) = (a + b / k) P(k - 1): Panjer's class (a, b, 0).

    Poisson is a = 0, b = mean; the negative binomial is 0 < a < 1. From the mode, with weight 1, the weights fall on
    both sides until nothing is left to count. hi = -1 says that the buffer is too short.
    """
    centre = (len(weight_X) - STEP) // 2
    at_mode = b / (1.0 - a)
    too_long = Band(0, 0, -1)
    if not at_mode < _GREATEST_MODE:
        return too_long
    mode = max(int(at_mode), 0)
    base, weight, k = centre - mode, 1.0, mode
    weight_X[centre] = 1.0
    while weight > _LEAST_WEIGHT or k < 2:  # one unit of demand counts, however rare: all the cost of ordering is there
        k += 1
        weight *= a + b / k
        if base + k > 2 * centre - 1:
            return too_long
        weight_X[base + k] = weight
    hi, weight, k = k, 1.0, mode
    while k > 0 and weight > _LEAST_WEIGHT:
        weight *= k / (a * k + b)
        k -= 1
        if base + k < 0:
            return too_long
        weight_X[base + k] = weight
    weight_X[base + hi + 1 : base + hi + 1 + STEP] = 0.0
    return Band(base, k, hi)


@numba.njit(cache=True, nogil=True, error_model="numpy")
def fill_pmf(weight_X: Any, pmf_N: Any) -> Band:
    """Weights of demand 0..N-1 with the given probabilities; hi = -1 says that the buffer is too short."""
    if len(pmf_N) + STEP > len(weight_X):
        return Band(0, 0, -1)
    lo, hi = 0, len(pmf_N) - 1
    while hi > 0 and pmf_N[hi] == 0.0:
        hi -= 1
    while lo < hi and pmf_N[lo] == 0.0:
        lo += 1
    weight_X[lo : hi + 1] = pmf_N[lo : hi + 1]
    weight_X[hi + 1 : hi + 1 + STEP] = 0.0
    return Band(0, lo, hi)


@numba.njit(cache=True, nogil=True, error_model="numpy")
def convolve(sum_X: Any, total: Band, weight_X: Any, period: Band) -> Band:
    """Add one period's demand to a sum of periods, in place; both buffers have base 0, and the sum's has room."""
    lo, hi = total.lo + period.lo, total.hi + period.hi
    # From the top down: value k needs the old values up to k - lo, which are not yet overwritten.
    for k in range(hi, lo - 1, -1):
        first = max(period.lo, k - total.hi)
        last = min(period.hi, k - total.lo)
        weight = 0.0
        for d in range(first, last + 1):
            weight += weight_X[d] * sum_X[k - d]
        sum_X[k] = weight
    sum_X[hi + 1 : hi + 1 + STEP] = 0.0
    return Band(0, lo, hi)


@numba.njit(cache=True, nogil=True, error_model="numpy")
def above_zero(weight_X: Any, band: Band) -> float:
    """The weight of all demand but zero, from the smallest terms up."""
    weight = 0.0
    for k in range(band.hi, max(band.lo, 1) - 1, -1):
        weight += weight_X[band.base + k]
    return weight


@numba.njit(cache=True, nogil=True, error_model="numpy")
def turn_into_slopes(weight_X: Any, band: Band, holding: float, backorder: float) -> None:
    """Replace weights by G(y + 1) - G(y) = h - (h + p) P(D > y), y in [lo, hi), and zeros from hi on.

    G(y) = E[h (y - D)+ + p (D - y)+]. The survival function is summed from the small end of its tail, so that it
    keeps its relative precision where p is very much larger than h.
    """
    base, above = band.base, 0.0
    for k in range(band.hi, band.lo - 1, -1):
        weight = weight_X[base + k]
        weight_X[base + k] = above
        above += weight
    scale = (holding + backorder) / above
    for k in range(band.lo, band.hi):
        weight_X[base + k] = holding - scale * weight_X[base + k]
    weight_X[base + band.hi] = 0.0


@numba.njit(cache=True, nogil=True, error_model="numpy", fastmath={"reassoc", "contract", "nsz"})
def dot(x_X: Any, i: int, y_X: Any, j: int, n: int) -> float:
    """Sum of x[i + k] y[j + k] over at least n terms; those beyond n, to the next full `STEP`, must be zeros."""
    # Unsigned indices cannot count from an array's end, so that the loop is free of that question and vectorised.
    at_x, at_y, total = np.uint64(i), np.uint64(j), 0.0
    for k in range(np.uint64((n + STEP - 1) // STEP * STEP)):
        total += x_X[at_x + np.uint64(k)] * y_X[at_y + np.uint64(k)]
    return total


@numba.njit(cache=True, nogil=True, error_model="numpy")
def workspace(capacity: int) -> Any:
    """Buffers for one series at a time: weights, slopes, renewals (from the end backwards) and their sums.

    capacity: units, a multiple of `STEP`.
    """
    return (
        np.zeros(2 * capacity + STEP),
        np.zeros(2 * capacity + STEP),
        np.zeros(capacity + STEP),
        np.zeros(capacity + 1),
    )
