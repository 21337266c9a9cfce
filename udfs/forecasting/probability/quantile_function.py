"""The whole distribution of a day's demand from its stored quantiles and mean, for one day inside a compiled loop.

Between two stored levels the quantile function is q_i + (q_{i+1} - q_i) (t + bend t (1 - t)), t in [0, 1] the share of
the way between the levels and bend in [-1, 1] one number a day, so it never falls. Below the first and above the last
level the tails are exponential, the lower one cut at 0. `bend`, then the length of the upper tail are chosen so that
the mean is the stored one as nearly as they allow. Counts are floor(Q(u) / unit + v) * unit with v uniform: the mean
stays, and because the stored quantiles of counts are counts, each of them stays a quantile.
"""

from __future__ import annotations

import math

import numba
import numpy as np

N_SHAPE = 3
"""Numbers that `fit_shape` finds for a day: bend, length of the lower tail, length of the upper tail, in units."""

_MAX_TAIL_GROWTH = 3.0
"""The upper tail grows at most this much to meet the mean: a mean far above its quantiles is left unmet."""


@numba.njit(cache=True, nogil=True, error_model="numpy")
def fit_shape(q_Q: np.ndarray, level_Q: np.ndarray, mean: float, unit: float, shape: np.ndarray) -> None:
    """Fill shape (N_SHAPE,) for one day; unit is 0 where demand is not counted."""
    n = len(q_Q)
    lower, upper = 0.0, 0.0
    if n > 1:
        lower = (q_Q[1] - q_Q[0]) / math.log(level_Q[1] / level_Q[0])
        upper = (q_Q[n - 1] - q_Q[n - 2]) / math.log((1.0 - level_Q[n - 2]) / (1.0 - level_Q[n - 1]))
    first = q_Q[0] - lower * (1.0 - math.exp(-q_Q[0] / lower)) if lower > 0 else q_Q[0]
    top = 1.0 - level_Q[n - 1]
    straight, width = level_Q[0] * first + top * (q_Q[n - 1] + upper), 0.0
    for i in range(n - 1):
        weight = level_Q[i + 1] - level_Q[i]
        straight += weight * 0.5 * (q_Q[i] + q_Q[i + 1])
        width += weight * (q_Q[i + 1] - q_Q[i])
    missing = mean - straight
    # t (1 - t) has the mean 1/6.
    bend = min(max(6.0 * missing / width, -1.0), 1.0) if width > 0 else 0.0
    missing -= bend * width / 6.0
    most = max(_MAX_TAIL_GROWTH * upper, 2.0 * unit, q_Q[n - 1])
    if most == 0.0:
        most = mean / top  # nothing but zeros is stored: the mean is all there is to say about the tail
    shape[0] = bend
    shape[1] = lower
    shape[2] = min(max(upper + missing / top, 0.0), most)


@numba.njit(cache=True, nogil=True, error_model="numpy")
def demand_at(u: float, q_Q: np.ndarray, level_Q: np.ndarray, shape: np.ndarray) -> float:
    """Q(u) for 0 < u < 1, before counts are made."""
    last = len(q_Q) - 1
    if u >= level_Q[last]:
        return q_Q[last] - shape[2] * math.log((1.0 - u) / (1.0 - level_Q[last]))
    if u < level_Q[0]:
        return max(q_Q[0] + shape[1] * math.log(u / level_Q[0]), 0.0)
    i = 0
    while u >= level_Q[i + 1]:
        i += 1
    t = (u - level_Q[i]) / (level_Q[i + 1] - level_Q[i])
    return q_Q[i] + (q_Q[i + 1] - q_Q[i]) * (t + shape[0] * t * (1.0 - t))


@numba.njit(cache=True, nogil=True, error_model="numpy")
def normal_below(z: float) -> float:
    """Phi(z), kept off 0 and 1."""
    return min(max(0.5 * math.erfc(-z * 0.7071067811865476), 1e-16), 1.0 - 1e-16)


@numba.njit(cache=True, nogil=True, error_model="numpy")
def normal_at(p: float) -> float:
    """The standard normal quantile, to about 1e-16: Wichura (1988), algorithm AS 241, Applied Statistics 37(3)."""
    q = p - 0.5
    if abs(q) <= 0.425:
        r = 0.180625 - q * q
        num = ((2509.0809287301226727 * r + 33430.575583588128105) * r + 67265.770927008700853) * r
        num = (((num + 45921.953931549871457) * r + 13731.693765509461125) * r + 1971.5909503065514427) * r
        num = (num + 133.14166789178437745) * r + 3.387132872796366608
        den = ((5226.495278852545925 * r + 28729.085735721942674) * r + 39307.89580009271061) * r
        den = (((den + 21213.794301586595867) * r + 5394.1960214247511077) * r + 687.1870074920579083) * r
        return q * num / ((den + 42.313330701600911252) * r + 1.0)
    r = math.sqrt(-math.log(min(p, 1.0 - p)))
    if r <= 5.0:
        r -= 1.6
        num = ((7.7454501427834140764e-4 * r + 0.0227238449892691845833) * r + 0.24178072517745061177) * r
        num = (((num + 1.27045825245236838258) * r + 3.64784832476320460504) * r + 5.7694972214606914055) * r
        num = (num + 4.6303378461565452959) * r + 1.42343711074968357734
        den = ((1.05075007164441684324e-9 * r + 5.475938084995344946e-4) * r + 0.0151986665636164571966) * r
        den = (((den + 0.14810397642748007459) * r + 0.68976733498510000455) * r + 1.6763848301838038494) * r
        z = num / ((den + 2.05319162663775882187) * r + 1.0)
    else:
        r -= 5.0
        num = ((2.01033439929228813265e-7 * r + 2.71155556874348757815e-5) * r + 0.0012426609473880784386) * r
        num = (((num + 0.026532189526576123093) * r + 0.29656057182850489123) * r + 1.7848265399172913358) * r
        num = (num + 5.4637849111641143699) * r + 6.6579046435011037772
        den = ((2.04426310338993978564e-15 * r + 1.4215117583164458887e-7) * r + 1.8463183175100546818e-5) * r
        den = (((den + 7.868691311456132591e-4) * r + 0.0148753612908506148525) * r + 0.13692988092273580531) * r
        z = num / ((den + 0.59983220655588793769) * r + 1.0)
    return -z if q < 0.0 else z


@numba.njit(cache=True, nogil=True, error_model="numpy")
def hermite_shares(
    q_HQ: np.ndarray, level_Q: np.ndarray, shape_HX: np.ndarray, unit: float, z_N: np.ndarray, weight_N: np.ndarray
) -> tuple[float, float, float]:
    """How much of a day's variance is linear, quadratic and cubic in the normal score, averaged over the days that
    have a variance: a closed day says nothing of how the others go together.

    With Q(Phi(z)) = sum_j c_j He_j(z), two days whose scores correlate by rho have the covariance
    sum_j rho^j j! c_j^2, and the shares are j! c_j^2 / variance. The variance of counts includes that of making them.
    """
    shares, n_days = np.zeros(3), 0
    for h in range(q_HQ.shape[0]):
        m1, m2, c1, c2, c3, noise = 0.0, 0.0, 0.0, 0.0, 0.0, 0.0
        for k in range(len(z_N)):
            z, w = z_N[k], weight_N[k]
            x = demand_at(normal_below(z), q_HQ[h], level_Q, shape_HX[h])
            m1 += w * x
            m2 += w * x * x
            c1 += w * x * z
            c2 += w * x * (z * z - 1.0)
            c3 += w * x * (z * z - 3.0) * z
            if unit > 0:
                part = x / unit - math.floor(x / unit)
                noise += w * part * (1.0 - part) * unit * unit
        variance = m2 - m1 * m1 + noise
        if variance > 1e-12:
            n_days += 1
            shares[0] += c1 * c1 / variance
            shares[1] += 0.5 * c2 * c2 / variance
            shares[2] += c3 * c3 / (6.0 * variance)
    shares /= max(n_days, 1)
    return shares[0], shares[1], shares[2]


@numba.njit(cache=True, nogil=True, error_model="numpy")
def score_correlation(correlation: float, linear: float, quadratic: float, cubic: float, most: float) -> float:
    """The correlation of normal scores that gives demand this correlation, at most `most`."""
    low, high = 0.0, most
    if (linear + (quadratic + cubic * high) * high) * high <= correlation:
        return high
    for _ in range(40):
        middle = 0.5 * (low + high)
        if (linear + (quadratic + cubic * middle) * middle) * middle < correlation:
            low = middle
        else:
            high = middle
    return 0.5 * (low + high)
