"""The recursion of Clark & Scarf (1960) over the stages of serial systems, compiled.

With gbar_0(x) = (p + sum of h) x^-, stage j = 1..N has (Chen & Zheng 1994; Snyder & Shen 2019, equations 6.17-6.20)

    ghat_j(x) = h_j x + gbar_{j-1}(x),   g_j(y) = E ghat_j(y - D_j),   gbar_j(x) = g_j(min(x, S_j)),

where D_j is the demand over the lead time of stage j and S_j the least minimiser of g_j.
The functions live on a grid x = k * step, k = first..last. Below the grid gbar is linear in x, exactly: there no demand
lifts the stock above zero, so every unit more saves one unit of backorders all the way down. Above it gbar is constant.
Whole-unit demand has step 1 and first = 0. A normal demand may be negative with a probability worth counting, so its
grid begins as far below zero as such demand reaches.
"""

from __future__ import annotations

import math

import numba
import numpy as np

from udfs.inventory.theory.network.count_pmf import fill_pmf

NORMAL, POISSON, NEGATIVE_BINOMIAL = 0, 1, 2
_REACH = 8.0  # standard deviations of a normal demand; beyond lies a probability of 6e-16


@numba.njit(cache=True, nogil=True, error_model="numpy")
def solve(  # type: ignore[no-untyped-def]
    family, holding_SN, lead_SN, shortage_S, mean_S, sd_S, top_S, given_SN, steps_per_sd, echelon_SN, cost_S
):
    """Fill the echelon levels and costs of a slice of systems; levels in `given_SN` are taken, NaN are optimised."""
    n_series, n_stages = holding_SN.shape
    for s in range(n_series):
        step, first = _grid(family, lead_SN[s], mean_S[s], sd_S[s], steps_per_sd)
        last = math.ceil(top_S[s] / step) + 3
        gbar = np.empty(last - first + 1)
        g = np.empty(last - first + 1)
        total = shortage_S[s] + holding_SN[s].sum()
        for k in range(first, last + 1):
            gbar[k - first] = total * max(-k * step, 0.0)
        slope, offset = -total, 0.0
        for j in range(n_stages):
            low, pmf = _lead_time_demand(family, mean_S[s], sd_S[s], lead_SN[s, j], step, last)
            # Below the grid ghat(x) = offset + slope * x.
            slope += holding_SN[s, j]
            for k in range(first, last + 1):
                gbar[k - first] += holding_SN[s, j] * k * step
            expected = mean_S[s] * lead_SN[s, j]
            _expect(gbar, g, first, last, low, pmf, step, slope, offset, expected, holding_SN[s, j])
            offset -= slope * expected
            # Before any lead time g bends sharply at zero, which is a point of the grid.
            is_smooth = family == NORMAL and lead_SN[s, : j + 1].sum() > 0.0
            level, cost = _least(g, first, step, is_smooth, given_SN[s, j])
            _cut(gbar, g, first, last, step, level, cost)
            echelon_SN[s, j], cost_S[s] = level, cost


@numba.njit(cache=True, nogil=True, error_model="numpy")
def _grid(family, lead_N, mean, sd, steps_per_sd):  # type: ignore[no-untyped-def]
    """Step and first index of the grid."""
    if family != NORMAL:
        return 1.0, 0
    step, below = np.inf, 0.0
    for j in range(lead_N.size):
        if lead_N[j] > 0.0:
            step = min(step, sd * math.sqrt(lead_N[j]) / steps_per_sd)
            below += max(_REACH * sd * math.sqrt(lead_N[j]) - mean * lead_N[j], 0.0)
    if step == np.inf:
        return 1.0, 0
    return step, -math.ceil(below / step) - lead_N.size


@numba.njit(cache=True, nogil=True, error_model="numpy")
def _lead_time_demand(family, mean, sd, lead, step, last):  # type: ignore[no-untyped-def]
    """The lowest index and the probabilities of the demand over `lead` periods, in steps of the grid.

    Whole-unit demand is given up to the grid's last point: more than that is dealt with by its mean.
    """
    if lead == 0.0:
        return 0, np.ones(1)
    if family == NORMAL:
        return _normal_weights(mean * lead, sd * math.sqrt(lead), step)
    pmf = np.empty(last + 1)
    fill_pmf(mean * lead, sd * sd / mean, pmf)
    return 0, pmf


@numba.njit(cache=True, nogil=True, error_model="numpy")
def _normal_weights(mu, sigma, step):  # type: ignore[no-untyped-def]
    """Weights w with sum_k w_k f(k step) = E f(D) for every f that is linear between the points of the grid.

    They are the second differences of the loss function E(D - x)+; sums of a mirrored tail keep their digits.
    """
    low = math.floor((mu - _REACH * sigma) / step) - 1
    high = math.ceil((mu + _REACH * sigma) / step) + 1
    weights = np.empty(high - low + 1)
    for k in range(low, high + 1):
        left, mid, right = ((k - 1) * step - mu) / sigma, (k * step - mu) / sigma, ((k + 1) * step - mu) / sigma
        if mid < 0.0:  # E(D - x)+ and E(x - D)+ have the same second differences
            left, mid, right = -left, -mid, -right
        weights[k - low] = (_loss(left) - 2.0 * _loss(mid) + _loss(right)) * sigma / step
    return low, weights


@numba.njit(cache=True, nogil=True, error_model="numpy")
def _loss(z):  # type: ignore[no-untyped-def]
    return math.exp(-0.5 * z * z) / math.sqrt(2.0 * math.pi) - z * 0.5 * math.erfc(z / math.sqrt(2.0))


@numba.njit(cache=True, nogil=True, error_model="numpy")
def _expect(ghat, g, first, last, low, pmf, step, slope, offset, expected, holding):  # type: ignore[no-untyped-def]
    """g(y) = E ghat(y - D) on the grid."""
    high_value = ghat[last - first]
    for y in range(first, last + 1):
        inside, moment, value = 0.0, 0.0, 0.0
        # Demand that leaves y - d on the grid: first <= y - d <= last.
        d_from, d_to = max(y - last, low), min(y - first, low + pmf.size - 1)
        for d in range(low, min(d_from, low + pmf.size)):
            # A negative demand that leads above the grid: there gbar is constant and ghat grows by the holding cost.
            value += pmf[d - low] * (high_value + holding * (y - d - last) * step)
            inside += pmf[d - low]
            moment += pmf[d - low] * d * step
        for d in range(d_from, d_to + 1):
            value += pmf[d - low] * ghat[y - d - first]
            inside += pmf[d - low]
            moment += pmf[d - low] * d * step
        # All other demand leads below the grid; its probability and mean are what is left of 1 and of E D.
        beyond, beyond_mean = max(1.0 - inside, 0.0), max(expected - moment, 0.0)
        g[y - first] = value + beyond * (offset + slope * y * step) - slope * beyond_mean


@numba.njit(cache=True, nogil=True, error_model="numpy")
def _least(g, first, step, is_smooth, given):  # type: ignore[no-untyped-def]
    """The least minimiser of g and its value, or a given level and its value; a smooth g is read between points too."""
    best = np.argmin(g) if np.isnan(given) else min(max(math.floor(given / step + 0.5) - first, 0), g.size - 1)
    if not is_smooth or best < 2 or best > g.size - 3:
        level = (best + first) * step if np.isnan(given) else given
        return level, g[best]
    d1, d2, d3, d4 = _derivatives(g[best - 2 : best + 3])
    t = given / step - first - best
    if np.isnan(given):
        t = 0.0
        for _ in range(4):  # Newton from the best point: each step doubles the digits
            t -= (d1 + t * (d2 + t * (0.5 * d3 + t * d4 / 6.0))) / (d2 + t * (d3 + 0.5 * t * d4))
    return (best + t + first) * step, g[best] + t * (d1 + t * (0.5 * d2 + t * (d3 / 6.0 + t * d4 / 24.0)))


@numba.njit(cache=True, nogil=True, error_model="numpy")
def _derivatives(f):  # type: ignore[no-untyped-def]
    """The derivatives, per step, of the quartic through five points, at the middle one."""
    return (
        (f[0] - 8.0 * f[1] + 8.0 * f[3] - f[4]) / 12.0,
        (-f[0] + 16.0 * f[1] - 30.0 * f[2] + 16.0 * f[3] - f[4]) / 12.0,
        (f[4] - 2.0 * f[3] + 2.0 * f[1] - f[0]) / 2.0,
        f[0] - 4.0 * f[1] + 6.0 * f[2] - 4.0 * f[3] + f[4],
    )


@numba.njit(cache=True, nogil=True, error_model="numpy")
def _cut(gbar, g, first, last, step, level, cost):  # type: ignore[no-untyped-def]
    """gbar(x) = g(min(x, level)), with g(level) = cost."""
    for k in range(first, last + 1):
        gbar[k - first] = g[k - first] if k * step <= level else cost
