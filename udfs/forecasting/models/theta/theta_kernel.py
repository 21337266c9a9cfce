"""The recursion of the Theta models, and what a search over its parameters needs to know of it.

Fiorucci, Pellegrini, Louzada, Petropoulos & Koehler (2016), Models for optimising the theta method and their
relationship to state space models, equations 4 to 17, with w = 1 - 1 / theta and i days since the first observed one:

    mu_i = l_{i-1} + w d_i,    d_i = A (1 - alpha)^i + B (1 - (1 - alpha)^(i+1)) / alpha
    e_i  = y_i - mu_i
    l_i  = l_{i-1} + alpha (y_i - l_{i-1})

A + B i is the line of the trend: in the static models (STM, OTM) fitted to the whole sample, in the dynamic ones
(DSTM, DOTM) to the days seen so far. STM and DSTM hold theta at 2, the optimised ones choose it.

An unobserved day moves level and line by their own prediction: l_i = l_{i-1} + alpha w d_i, while A and B stay.

For a given alpha every e_i is linear in the initial level l_0 and in w: e = e0 - a l_0 - f w. So one pass over the
days for each alpha gathers nine sums of products, and the best l_0 and w of all four models follow in closed form:
the search is over alpha alone.

Between two unobserved days everything but e0 and the dynamic line falls by 1 - alpha a day, so that there the sums of
the static line follow from those of e0, of r = (1 - alpha)^k, k days into the run, and of their product.
"""

from __future__ import annotations

import numba
import numpy as np

from udfs.forecasting.models.theta.season import RATIO, season_of, season_space
from udfs.forecasting.models.theta.theta_forms import MIN_FIT, N_PARAMS, STANDARD_WEIGHT, WARM_UP_DAYS

LANES = 8
"""Alphas carried side by side."""

_jit = numba.njit(cache=True, nogil=True, error_model="numpy")
# The compiler may fuse a product and a sum where it sees fit, which differs between a kernel compiled here and the same
# one loaded from the cache: only the search is fused, where it tells in time, and no pass that a forecast comes from.
_fused = numba.njit(cache=True, nogil=True, error_model="numpy", fastmath={"contract"})

# Rows of one flat array, LANES wide, with offsets known to the compiler: it then sees that they do not overlap and
# keeps them in vector registers. Nine sums over all days, five over the days of a run, then states and constants.
_EE, _EA, _AA, _EF, _AF, _FF, _EH, _AH, _HH = (LANES * k for k in range(9))
_ER, _RR, _E, _R, _RH = (LANES * k for k in range(9, 14))
_BASE, _DECAY, _A, _P, _DRIFT, _DRIFT_DYN, _ALPHA, _KEEP, _INVERSE, _RATIO = (LANES * k for k in range(14, 24))
_ROWS = 24


@_jit
def fit(  # type: ignore[no-untyped-def]
    y_ST, mask_ST, season_length, allowed_F, alpha_G, share_J, refinements, penalty_NK, mean_SH, sd_SH, value_ST,
    count_S, total_S3, rmse_SF, chosen_S2,
) -> None:  # fmt: skip
    """Fill the forecasts of every row: mean (not clipped), standard deviation, and the errors that count.

    total_S3: sum of squared errors, their number, and the penalised root mean squared error. rmse_SF: per form.
    chosen_S2: the form's index and the number of parameters. value_ST: the errors in the units of the first day
    ahead, infinity behind them; count_S: how many these are.
    """
    n_days, horizon = y_ST.shape[1], mean_SH.shape[1]
    space = season_space(n_days, season_length)
    z_T, season_M = np.empty(n_days), np.empty(season_length)
    dyn_a_T, dyn_b_T = np.zeros(n_days + LANES), np.zeros(n_days + LANES)
    weight_WN = _line_weights(n_days + horizon)
    w, best_F4 = np.empty(_ROWS * LANES), np.empty((len(allowed_F), 4))
    grid_G, growth_H = np.empty(max(len(alpha_G), len(share_J)) + LANES), np.empty(horizon)
    for s in range(len(y_ST)):
        mask_T = mask_ST[s]
        kind, n, start = season_of(y_ST[s], mask_T, season_M, z_T, space)
        fit_from = start + WARM_UP_DAYS * (n >= MIN_FIT)
        line = _lines(z_T, mask_T, start, weight_WN, dyn_a_T, dyn_b_T)
        _search(
            z_T, mask_T, n, start, fit_from, line, dyn_a_T, dyn_b_T, allowed_F, alpha_G, share_J, refinements, w,
            grid_G, best_F4,
        )  # fmt: skip
        form = 0
        for f in range(1, len(allowed_F)):
            if best_F4[f, 0] * penalty_NK[n, N_PARAMS[f]] < best_F4[form, 0] * penalty_NK[n, N_PARAMS[form]]:
                form = f
        point = (best_F4[form, 1], best_F4[form, 2], best_F4[form, 3], form >= 2)
        level, decay, count, plain, sse = _filter(
            z_T, mask_T, start, fit_from, line, dyn_a_T, dyn_b_T, point, season_M, kind == RATIO, value_ST[s]
        )
        state = (level, line[2], line[3] if form >= 2 else line[0], line[4] if form >= 2 else line[1], decay)
        _extrapolate(state, point, n_days - start, weight_WN, mean_SH[s])
        _growth(decay, point, n_days - start, weight_WN, growth_H)
        n_params = N_PARAMS[form] + season_length * (kind > 0)
        sigma2 = plain / max(count - n_params, 1)
        for h in range(horizon):
            factor = season_M[h % season_length]
            mean_SH[s, h] = mean_SH[s, h] * factor if kind == RATIO else mean_SH[s, h] + factor
            sd_SH[s, h] = np.sqrt(sigma2 * growth_H[h]) * (factor if kind == RATIO else 1.0)
        count_S[s] = count
        total_S3[s, 0], total_S3[s, 1] = sse, count
        total_S3[s, 2] = np.sqrt(sse / max(count, 1) * penalty_NK[count, n_params])
        chosen_S2[s, 0], chosen_S2[s, 1] = form, n_params
        for f in range(len(allowed_F)):
            rmse_SF[s, f] = np.sqrt(best_F4[f, 0] / max(count, 1))


@_jit
def _line_weights(n):  # type: ignore[no-untyped-def]
    """(3, N) what the dynamic line of i + 1 days takes over: of its own slope (i - 1) / (i + 2), of the distance to the
    mean 6 / ((i + 1) (i + 2)), and of the distance into the mean, 1 / (i + 1)."""
    weight_WN = np.empty((3, n + 2))
    for i in range(n + 2):
        weight_WN[0, i] = (i - 1.0) / (i + 2.0)
        weight_WN[1, i] = 6.0 / ((i + 1.0) * (i + 2.0))
        weight_WN[2, i] = 1.0 / (i + 1.0)
    return weight_WN


@_jit
def _lines(z_T, mask_T, start, weight_WN, dyn_a_T, dyn_b_T):  # type: ignore[no-untyped-def]
    """Fill the dynamic line up to the eve of each day. Returns the static line's A and B, and the dynamic one after
    the last day: mean, A, B."""
    n, day_sum, z_sum, cross, square = 0.0, 0.0, 0.0, 0.0, 0.0
    mean, a, b = 0.0, 0.0, 0.0
    for t in range(start, len(z_T)):
        dyn_a_T[t] = a
        dyn_b_T[t] = b
        i = float(t - start)
        if mask_T[t]:
            z, day = z_T[t], i + 1.0
            n += 1.0
            day_sum += day
            z_sum += z
            cross += day * z
            square += day * day
            if t == start:
                mean = z
            else:
                away = z - mean
                b = weight_WN[0, t - start] * b + weight_WN[1, t - start] * away
                mean += weight_WN[2, t - start] * away
            a = mean - b * ((i + 2.0) * 0.5)
        else:
            mean += (a + b * (i + 1.0) - mean) * weight_WN[2, t - start]
    if n == 0:
        return 0.0, 0.0, mean, a, b
    power = square - day_sum * day_sum / n
    slope = (cross - day_sum * z_sum / n) / power if power > 0 else 0.0
    return (z_sum - slope * day_sum) / n, slope, mean, a, b


@_jit
def _search(  # type: ignore[no-untyped-def]
    z_T, mask_T, n, start, fit_from, line, dyn_a_T, dyn_b_T, allowed_F, alpha_G, share_J, refinements, w, grid_G,
    best_F4,
):  # fmt: skip
    """Fill best_F4: each form's lowest sum of squared errors, infinite where it is not allowed, and where: alpha,
    weight and initial level."""
    best_F4[:] = 0.0
    best_F4[:, 0] = np.inf
    pass_F = np.empty(len(allowed_F))
    at_F = np.zeros(len(allowed_F), dtype=np.int64)
    n_grid = len(alpha_G)
    grid_G[:n_grid] = alpha_G
    for k in range(refinements + 1):
        grid_G[n_grid:] = grid_G[n_grid - 1]
        pass_F[:] = np.inf
        for block in range(0, n_grid, LANES):
            _gather(z_T, mask_T, start, fit_from, line, dyn_a_T, dyn_b_T, grid_G[block : block + LANES], w)
            for g in range(min(LANES, n_grid - block)):
                for f in range(len(allowed_F) if n >= MIN_FIT else 1):
                    if n < MIN_FIT or allowed_F[f]:
                        _solve(w, g, f, grid_G[block + g], block + g, pass_F, at_F, best_F4)
        if k < refinements:
            best = 0
            for f in range(1, len(allowed_F)):
                if best_F4[f, 0] < best_F4[best, 0]:
                    best = f
            low, high = grid_G[max(at_F[best] - 1, 0)], grid_G[min(at_F[best] + 1, n_grid - 1)]
            n_grid = len(share_J)
            for j in range(n_grid):
                grid_G[j] = low + (high - low) * share_J[j]


@_jit
def _solve(w, g, form, alpha, at, pass_F, at_F, best_F4):  # type: ignore[no-untyped-def]
    """The lowest sum of squared errors over the initial level and the weight w = 1 - 1 / theta, at lane g.

    sse(l_0, w) is a convex quadratic: l_0 is eliminated first, then w is held within its bounds.
    """
    to = _EH - _EF if form >= 2 else 0
    ee, ea, aa = w[_EE + g], w[_EA + g], max(w[_AA + g], 1e-300)
    ef, af, ff = w[_EF + to + g], (w[_AH + g] if form >= 2 else w[_AF + g]), w[_FF + to + g]
    per = 1.0 / aa
    curvature, slope = ff - af * af * per, ef - ea * af * per
    weight = STANDARD_WEIGHT
    # Where the line adds nothing that the level could not do, w does not matter.
    if form % 2 == 1 and not curvature <= 1e-12 * ff:
        weight = min(max(slope / curvature, 0.0), 1.0)
    sse = max(ee - ea * ea * per - weight * (2.0 * slope - weight * curvature), 0.0)
    if sse < pass_F[form]:
        pass_F[form] = sse
        at_F[form] = at
        if sse < best_F4[form, 0]:
            best_F4[form, 0] = sse
            best_F4[form, 1] = alpha
            best_F4[form, 2] = weight
            best_F4[form, 3] = (ea - weight * af) * per


@_fused
def _gather(z_T, mask_T, start, fit_from, line, dyn_a_T, dyn_b_T, alpha_G, w):  # type: ignore[no-untyped-def]
    """Fill the nine sums of products of e0, a, and f along the static and the dynamic line, at every lane."""
    n_days = len(z_T)
    w[:] = 0.0
    for g in range(LANES):
        alpha = alpha_G[g]
        w[_DECAY + g], w[_A + g], w[_P + g] = 1.0, 1.0, 1.0
        w[_ALPHA + g], w[_KEEP + g], w[_INVERSE + g], w[_RATIO + g] = alpha, 1.0 - alpha, 1.0 / alpha, 1.0 / alpha - 1.0
    t = start
    while t < n_days:
        if t == fit_from:
            w[:_BASE] = 0.0
        if not mask_T[t]:
            _unseen_day(w, line[0], line[1], dyn_a_T[t], dyn_b_T[t])
            t += 1
            continue
        first, stop = t, fit_from if t < fit_from else n_days
        while t + 4 <= stop and mask_T[t + 1] and mask_T[t + 2] and mask_T[t + 3] and mask_T[t]:
            _four_days(
                w, z_T[t], z_T[t + 1], z_T[t + 2], z_T[t + 3], dyn_a_T[t], dyn_a_T[t + 1], dyn_a_T[t + 2],
                dyn_a_T[t + 3], dyn_b_T[t], dyn_b_T[t + 1], dyn_b_T[t + 2], dyn_b_T[t + 3],
            )  # fmt: skip
            t += 4
        while t < stop and mask_T[t]:
            _one_day(w, z_T[t], dyn_a_T[t], dyn_b_T[t])
            t += 1
        _end_run(w, line[0], line[1], float(t - first))


@numba.njit(cache=True, nogil=True, error_model="numpy", inline="always", fastmath={"contract"})
def _four_days(w, z0, z1, z2, z3, a0, a1, a2, a3, b0, b1, b2, b3):  # type: ignore[no-untyped-def]
    for g in range(LANES):
        alpha, keep, inverse, ratio = w[_ALPHA + g], w[_KEEP + g], w[_INVERSE + g], w[_RATIO + g]
        p, drift = w[_P + g], w[_DRIFT_DYN + g]
        base, r0 = w[_BASE + g], w[_DECAY + g]
        e0 = z0 - base
        base = base + alpha * e0
        e1 = z1 - base
        base = base + alpha * e1
        e2 = z2 - base
        base = base + alpha * e2
        e3 = z3 - base
        w[_BASE + g] = base + alpha * e3
        r1 = r0 * keep
        r2 = r1 * keep
        r3 = r2 * keep
        w[_DECAY + g] = r3 * keep
        h0 = (drift + (a0 - b0 * ratio) * p) * r0 + b0 * inverse
        h1 = (drift + (a1 - b1 * ratio) * p) * r1 + b1 * inverse
        h2 = (drift + (a2 - b2 * ratio) * p) * r2 + b2 * inverse
        h3 = (drift + (a3 - b3 * ratio) * p) * r3 + b3 * inverse
        w[_EE + g] = w[_EE + g] + e0 * e0 + e1 * e1 + e2 * e2 + e3 * e3
        w[_ER + g] = w[_ER + g] + e0 * r0 + e1 * r1 + e2 * r2 + e3 * r3
        w[_RR + g] = w[_RR + g] + r0 * r0 + r1 * r1 + r2 * r2 + r3 * r3
        w[_E + g] = w[_E + g] + e0 + e1 + e2 + e3
        w[_R + g] = w[_R + g] + r0 + r1 + r2 + r3
        w[_EH + g] = w[_EH + g] + e0 * h0 + e1 * h1 + e2 * h2 + e3 * h3
        w[_RH + g] = w[_RH + g] + r0 * h0 + r1 * h1 + r2 * h2 + r3 * h3
        w[_HH + g] = w[_HH + g] + h0 * h0 + h1 * h1 + h2 * h2 + h3 * h3


@numba.njit(cache=True, nogil=True, error_model="numpy", inline="always", fastmath={"contract"})
def _one_day(w, z, dyn_a, dyn_b):  # type: ignore[no-untyped-def]
    for g in range(LANES):
        base, r = w[_BASE + g], w[_DECAY + g]
        e = z - base
        h = (w[_DRIFT_DYN + g] + (dyn_a - dyn_b * w[_RATIO + g]) * w[_P + g]) * r + dyn_b * w[_INVERSE + g]
        w[_BASE + g] = base + w[_ALPHA + g] * e
        w[_DECAY + g] = r * w[_KEEP + g]
        w[_EE + g] += e * e
        w[_ER + g] += e * r
        w[_RR + g] += r * r
        w[_E + g] += e
        w[_R + g] += r
        w[_EH + g] += e * h
        w[_RH + g] += r * h
        w[_HH + g] += h * h


@numba.njit(cache=True, nogil=True, error_model="numpy", inline="always", fastmath={"contract"})
def _end_run(w, line_a, line_b, n):  # type: ignore[no-untyped-def]
    """Along the static line f = c r + c_0 within a run."""
    for g in range(LANES):
        a, r, er, rr, e, sum_r = w[_A + g], w[_DECAY + g], w[_ER + g], w[_RR + g], w[_E + g], w[_R + g]
        c, c_0 = w[_DRIFT + g] + (line_a - line_b * w[_RATIO + g]) * w[_P + g], line_b * w[_INVERSE + g]
        w[_EA + g] += a * er
        w[_AA + g] += a * a * rr
        w[_EF + g] += c * er + c_0 * e
        w[_AF + g] += a * (c * rr + c_0 * sum_r)
        w[_FF + g] += c * c * rr + 2.0 * c * c_0 * sum_r + c_0 * c_0 * n
        w[_AH + g] += a * w[_RH + g]
        w[_ER + g], w[_RR + g], w[_E + g], w[_R + g], w[_RH + g] = 0.0, 0.0, 0.0, 0.0, 0.0
        w[_A + g] = a * r
        w[_P + g] *= r
        w[_DRIFT + g] *= r
        w[_DRIFT_DYN + g] *= r
        w[_DECAY + g] = 1.0


@numba.njit(cache=True, nogil=True, error_model="numpy", inline="always", fastmath={"contract"})
def _unseen_day(w, line_a, line_b, dyn_a, dyn_b):  # type: ignore[no-untyped-def]
    for g in range(LANES):
        alpha, p = w[_ALPHA + g], w[_P + g]
        next_p = p * w[_KEEP + g]
        q = (1.0 - next_p) * w[_INVERSE + g]
        w[_DRIFT + g] += alpha * (line_a * p + line_b * q)
        w[_DRIFT_DYN + g] += alpha * (dyn_a * p + dyn_b * q)
        w[_P + g] = next_p


@_jit
def _filter(  # type: ignore[no-untyped-def]
    z_T, mask_T, start, fit_from, line, dyn_a_T, dyn_b_T, point, season_M, is_ratio, value_T
):
    """Fill the errors that count, in the units of the first day ahead. Returns level and (1 - alpha)^days after the
    last day, the number of errors, their sum of squares without the season and with it."""
    alpha, weight, level, dynamic = point
    a, b, _, _, _ = line
    n_days, season_length = len(z_T), len(season_M)
    inverse, keep, p, n, plain, sse = 1.0 / alpha, 1.0 - alpha, 1.0, 0, 0.0, 0.0
    first_day = season_M[0] if is_ratio else 1.0
    phase = (start - n_days) % season_length
    for t in range(start, n_days):
        if dynamic:
            a, b = dyn_a_T[t], dyn_b_T[t]
        next_p = p * keep
        step = weight * (a * p + b * ((1.0 - next_p) * inverse))
        p = next_p
        if mask_T[t]:
            error = z_T[t] - (level + step)
            if t >= fit_from:
                value_T[n] = error * first_day
                n += 1
                plain += error * error
                scaled = error * season_M[phase] if is_ratio else error
                sse += scaled * scaled
            level += alpha * (z_T[t] - level)
        else:
            level += alpha * step
        phase = phase + 1 if phase + 1 < season_length else 0
    value_T[n:] = np.inf
    return level, p, n, plain, sse


@_jit
def _extrapolate(state, point, days, weight_WN, mean_H):  # type: ignore[no-untyped-def]
    """Fill the recursion run on, each day's forecast standing in for its demand, also in the dynamic line.

    state: level, mean of the days so far, A and B of the line, (1 - alpha)^days. days: since the first one.
    """
    level, mean, a, b, p = state
    alpha, weight, _, dynamic = point
    keep, inverse = 1.0 - alpha, 1.0 / alpha
    for h in range(len(mean_H)):
        next_p = p * keep
        step = weight * (a * p + b * ((1.0 - next_p) * inverse))
        mu = level + step
        mean_H[h] = mu
        level += alpha * step
        p = next_p
        if dynamic:
            i = days + h
            away = mu - mean
            b = weight_WN[0, i] * b + weight_WN[1, i] * away
            mean += weight_WN[2, i] * away
            a = mean - b * ((i + 2.0) * 0.5)


@_jit
def _growth(decay, point, days, weight_WN, growth_H):  # type: ignore[no-untyped-def]
    """Fill the forecast variance over the one-step variance: 1 + sum of c_j^2 for j = 1..h-1, where c_j is what an
    error of one on the first day moves the forecast j days later.

    The recursion is linear, so c_j is its path from the states that such an error leaves behind in empty ones.
    """
    alpha, _, _, dynamic = point
    growth_H[0] = 1.0
    mean, b, a = 0.0, 0.0, 0.0
    if dynamic:
        mean, b = weight_WN[2, days], weight_WN[1, days]
        a = mean - b * ((days + 2.0) * 0.5)
    _extrapolate((alpha, mean, a, b, decay * (1.0 - alpha)), point, days + 1, weight_WN, growth_H[1:])
    for h in range(1, len(growth_H)):
        growth_H[h] = growth_H[h - 1] + growth_H[h] * growth_H[h]
