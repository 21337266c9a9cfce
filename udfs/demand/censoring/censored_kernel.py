"""The loops of `censored_demand` over the days of one series after another; compiled.

Demand of a day is negative binomial with mean mu and size r: P(k) = Gamma(k + r) / (Gamma(r) k!) p^r x^k with
p = r / (r + mu) and x = 1 - p (Johnson, Kemp & Kotz, Univariate Discrete Distributions, chapter 5).
"""

from __future__ import annotations

import math

import numba
import numpy as np

MIN_EXCESS = 1e-3
"""Variance over mean is at least 1 plus this, so that one formula serves the Poisson too."""

MAX_DISPERSION = 5.0
"""1 / r above this is no distribution of demand but a series of two kinds of days."""

PRIOR_DAYS = 30.0
PRIOR_EXCESS = 0.3
"""A prior worth `PRIOR_DAYS` days says 1 / r = 0.3 / (1 + mu). It matters where stock-outs hide every larger demand,
so that the sales say nothing about the spread and it would grow without end."""

_ROUNDS = 5
_jit = numba.njit(cache=True, nogil=True, error_model="numpy")


@_jit
def _continued_fraction(a: float, b: float, x: float) -> float:
    """I_x(a, b) a B(a, b) / (x^a (1 - x)^b) for x < (a + 1) / (a + b + 2), by Lentz's method (Press et al., 6.4)."""
    tiny = 1e-300
    c, d = 1.0, 1.0 - (a + b) * x / (a + 1.0)
    d = 1.0 / (d if abs(d) > tiny else tiny)
    value = d
    for m in range(1, 500):
        for odd in range(2):
            if odd == 0:
                term = m * (b - m) * x / ((a + 2 * m - 1.0) * (a + 2 * m))
            else:
                term = -(a + m) * (a + b + m) * x / ((a + 2 * m) * (a + 2 * m + 1.0))
            d = 1.0 + term * d
            d = 1.0 / (d if abs(d) > tiny else tiny)
            c = 1.0 + term / c
            c = c if abs(c) > tiny else tiny
            value *= c * d
        if abs(c * d - 1.0) < 1e-12:
            break
    return value


@_jit
def tail(y: float, mu: float, r: float) -> tuple[float, float]:
    """P(D = y) / P(D >= y) and log P(D >= y), which is I_x(y, r); y above 0."""
    x, p = mu / (r + mu), r / (r + mu)
    log_mass = math.lgamma(y + r) - math.lgamma(r) - math.lgamma(y + 1.0) + r * math.log(p) + y * math.log(x)
    if x < (y + 1.0) / (y + r + 2.0):
        ratio = _continued_fraction(y, r, x)
        return 1.0 / ratio, log_mass + math.log(ratio)
    below = min(math.exp(log_mass) * y / r * _continued_fraction(r, y, p), 1.0 - 1e-15)
    return math.exp(log_mass) / (1.0 - below), math.log1p(-below)


@_jit
def moments_above(y: float, mu: float, r: float) -> tuple[float, float]:
    """E[D | D >= y] and E[D^2 | D >= y].

    From k P(k) = x (r + k - 1) P(k - 1), summed over k >= y with 1 and with k: with the hazard h = P(y) / P(D >= y),
    m1 = mu + y h / p and m2 = mu + y^2 h / p + mu (1 + 1 / r) m1.
    """
    if mu <= 0.0:
        return max(y, 0.0), max(y, 0.0) ** 2
    hazard = tail(y, mu, r)[0] if y > 0.0 else 0.0
    y = max(y, 0.0)
    first = max(mu + y * hazard * (1.0 + mu / r), y)
    return first, max(mu + y * y * hazard * (1.0 + mu / r) + mu * (1.0 + 1.0 / r) * first, first * first)


@_jit
def quantile_above(y: float, mu: float, r: float, level: float) -> float:
    """The smallest whole k >= y with P(D <= k | D >= y) >= level."""
    low = float(math.ceil(max(y, 0.0)))
    if mu <= 0.0:
        return low
    limit = math.log1p(-level) + (tail(low, mu, r)[1] if low > 0 else 0.0)
    step = math.ceil(math.sqrt(mu + mu * mu / r)) + 1.0
    high = low + step
    while tail(high + 1.0, mu, r)[1] > limit:
        low, step = high + 1.0, 2.0 * step
        high = low + step
    while low < high:
        middle = float(math.floor((low + high) / 2.0))
        if tail(middle + 1.0, mu, r)[1] > limit:
            low = middle + 1.0
        else:
            high = middle
    return low


@_jit
def _smooth(x_T: np.ndarray, use_T: np.ndarray, decay: float, left_T: np.ndarray, right_T: np.ndarray) -> None:
    """Sums of x over the days used, up to and including t and from t on, with weight decay^distance."""
    n_days, total = len(x_T), 0.0
    for t in range(n_days):
        total = total * decay + (x_T[t] if use_T[t] else 0.0)
        left_T[t] = total
    total = 0.0
    for t in range(n_days - 1, -1, -1):
        total = total * decay + (x_T[t] if use_T[t] else 0.0)
        right_T[t] = total


@_jit
def _weights(profile_M: np.ndarray, weight_T: np.ndarray) -> None:
    """The profile laid along the days; phase 0 is the day after the last."""
    for t in range(len(weight_T)):
        weight_T[t] = profile_M[(t - len(weight_T)) % len(profile_M)]


@_jit
def _size(excess: float, squares: float, mean: float) -> float:
    """r by moments: 1 / r is the squared errors that the Poisson does not explain over the squared means, both sums."""
    excess += PRIOR_DAYS * mean * mean * PRIOR_EXCESS / (1.0 + mean)
    squares += PRIOR_DAYS * mean * mean
    if squares <= 0.0:
        return 1.0 / MIN_EXCESS
    least = MIN_EXCESS * mean / squares
    return 1.0 / min(max(excess / squares, least, MIN_EXCESS), max(MAX_DISPERSION, least))


@_jit
def _best_so_far(y: float, weight: float, level_D: np.ndarray, weight_D: np.ndarray, error_D: np.ndarray) -> int:
    """Add up how each decay's level foretold a day; the decay of the least squared error, the longest of equal ones."""
    best = len(error_D) - 1
    for d in range(best, -1, -1):
        error_D[d] += (y - level_D[d] / max(weight_D[d], 1e-300) * weight) ** 2
        if error_D[d] < error_D[best]:
            best = d
    return best


@_jit
def _follow(
    y_T: np.ndarray,
    seen_T: np.ndarray,
    censored_T: np.ndarray,
    decays: np.ndarray,
    prior: float,
    least_days: int,
    profile_M: np.ndarray,
    z_T: np.ndarray,
    mu_T: np.ndarray,
    r_T: np.ndarray,
) -> float:
    """Fill z (expected demand), mu (its mean) and r, going through the days once; returns the last day's decay.

    What is said of a day rests on the days before it and its own sales. r is 0 until `least_days` days in stock were
    seen: nothing is known then, and z is y. Every decay has a level of its own; a day takes that of the decay which has
    foretold the days in stock best so far. A censored day without a sale says nothing, so it is left out of the sums.
    No day's mean exceeds the largest sale: where nearly every sale emptied the shelf, nothing else would hold it.
    """
    n_days, season, n_decays = len(y_T), len(profile_M), len(decays)
    level_D, weight_D, error_D = np.zeros(n_decays), np.zeros(n_decays), np.zeros(n_decays)
    sold_M, expected_M = np.full(season, prior), np.full(season, prior)
    excess, squares, total, most, n_used, n_stocked, best = 0.0, 0.0, 0.0, 0.0, 0, 0, n_decays - 1
    profile_M[:] = 1.0
    for t in range(n_days):
        phase = (t - n_days) % season  # phase 0 is the day after the last
        weight, level, var, use = profile_M[phase], 0.0, 0.0, seen_T[t]
        z_T[t], mu_T[t], r_T[t] = y_T[t], 0.0, 0.0
        if weight_D[best] > 1e-300:
            level = min(max(level_D[best] / weight_D[best], 0.0), most)
            mu_T[t] = min(level * weight, most)
        if seen_T[t]:
            most, n_stocked = max(most, y_T[t]), n_stocked + (not censored_T[t])
            if n_stocked >= least_days and weight_D[best] > 1e-300:
                r_T[t] = _size(excess, squares, total / n_used)
        if seen_T[t] and censored_T[t]:
            use = y_T[t] > 0.0
            if r_T[t] > 0.0:
                z_T[t], second = moments_above(y_T[t], mu_T[t], r_T[t])
                var = max(second - z_T[t] * z_T[t], 0.0)
        elif seen_T[t] and n_used >= season:
            best = _best_so_far(y_T[t], weight, level_D, weight_D, error_D)
        if use:
            if level > 0.0:
                excess += (z_T[t] - mu_T[t]) ** 2 + var - mu_T[t]
                squares += mu_T[t] * mu_T[t]
                sold_M[phase] += z_T[t]
                expected_M[phase] += level
            total, n_used = total + z_T[t], n_used + 1
        level_D[:] = level_D * decays + (z_T[t] if use else 0.0)
        weight_D[:] = weight_D * decays + (weight if use else 0.0)
        profile_M[:] = np.maximum(sold_M / expected_M, 1e-3)
        profile_M /= profile_M.mean()
    return decays[best]


@_jit
def _log_chance_of_run(
    last: int, end: int, open_T: np.ndarray, sums_4T: np.ndarray, weight_T: np.ndarray, decay: float, r: float
) -> tuple[float, int]:
    """Log probability that the open days between the sales on `last` and `end` are all without a sale; their number.

    The mean comes from the days outside the run, without the sale at either end, which is there by definition.
    """
    log_p, n_open = 0.0, 0
    for t in range(last + 1, end):
        before, after = decay ** (t - last + 1), decay ** (end + 1 - t)
        expected = before * sums_4T[2, last - 1] + after * sums_4T[3, end + 1]
        if open_T[t] and expected > 0.0:
            level = max(before * sums_4T[0, last - 1] + after * sums_4T[1, end + 1], 0.0) / expected
            log_p -= r * math.log1p(level * weight_T[t] / r)
            n_open += 1
    return log_p, n_open


@_jit
def _mark_runs(
    y_T: np.ndarray,
    seen_T: np.ndarray,
    censored_T: np.ndarray,
    in_stock_T: np.ndarray,
    decay: float,
    profile_M: np.ndarray,
    z_T: np.ndarray,
    r: float,
    min_days: int,
    log_chance: float,
    inferred_T: np.ndarray,
) -> int:
    """Mark runs of zeros between two sales whose probability times the days seen is below the chance; their days."""
    n_days = len(y_T)
    use_T = seen_T & ~(censored_T & (y_T <= 0.0))
    open_T = seen_T & ~censored_T & ~in_stock_T
    weight_T, sums_4T = np.empty(n_days), np.empty((4, n_days))
    _weights(profile_M, weight_T)
    _smooth(z_T, use_T, decay, sums_4T[0], sums_4T[1])
    _smooth(weight_T, use_T, decay, sums_4T[2], sums_4T[3])
    limit = log_chance - math.log(max(seen_T.sum(), 1))
    last, marked = -1, 0
    for end in range(n_days - 1):
        if not seen_T[end] or y_T[end] <= 0.0:
            continue
        if last > 0 and end - last > min_days:
            log_p, n_open = _log_chance_of_run(last, end, open_T, sums_4T, weight_T, decay, r)
            if n_open >= min_days and log_p < limit:
                for t in range(last + 1, end):
                    if open_T[t]:
                        censored_T[t] = inferred_T[t] = True
                        marked += 1
        last = end
    return marked


@_jit
def estimate(
    start: int,
    stop: int,
    y_ST: np.ndarray,
    seen_ST: np.ndarray,
    censored_ST: np.ndarray,
    in_stock_ST: np.ndarray,
    season: int,
    decays: np.ndarray,
    prior: float,
    least_days: int,
    infer_days: int,
    log_chance: float,
    level_low: float,
    level_high: float,
    out_3ST: np.ndarray,
    inferred_ST: np.ndarray,
) -> None:
    """Series start to stop: y_latent, low and high into out_3ST, which hold y before; infer_days 0 infers nothing."""
    n_days = y_ST.shape[1]
    z_T, mu_T, r_T, profile_M = np.empty(n_days), np.empty(n_days), np.empty(n_days), np.empty(season)
    for s in range(start, stop):
        y_T, seen_T, censored_T = y_ST[s], seen_ST[s], censored_ST[s].copy()
        if (seen_T & ~censored_T).sum() < least_days or not (infer_days > 0 or censored_T.any()):
            continue
        for _ in range(_ROUNDS):
            decay = _follow(y_T, seen_T, censored_T, decays, prior, least_days, profile_M, z_T, mu_T, r_T)
            if infer_days == 0:
                break
            marked = _mark_runs(
                y_T,
                seen_T,
                censored_T,
                in_stock_ST[s],
                decay,
                profile_M,
                z_T,
                r_T.max(),
                infer_days,
                log_chance,
                inferred_ST[s],
            )
            if marked == 0:
                break
        for t in range(n_days):
            if seen_T[t] and censored_T[t] and r_T[t] > 0.0:
                out_3ST[0, s, t] = moments_above(y_T[t], mu_T[t], r_T[t])[0]
                out_3ST[1, s, t] = quantile_above(y_T[t], mu_T[t], r_T[t], level_low)
                out_3ST[2, s, t] = quantile_above(y_T[t], mu_T[t], r_T[t], level_high)
