"""Exponential smoothing's hot loops on the CPU, one series at a time; `ets_recursion` says what they compute.

The search runs in single precision on demand shifted by the initial level and divided by the largest deviation from
it, so that sixteen points of the grid share a vector register; the smoothing at the chosen point is in double
precision. Points are grouped by kind, so that a point without a season or a trend does no arithmetic for one. All the
groups advance within one loop over time: their chains of dependent operations then overlap.
"""

from __future__ import annotations

import numba
import numpy as np

_jit = numba.njit(cache=True, nogil=True, error_model="numpy")
_F0, _F1 = np.float32(0.0), np.float32(1.0)
_MAX_ALPHA = np.float32(0.99)

MIN_BASE = 1e-3
"""A multiplicative model's level and trend stay above this share of the initial level."""
MIN_FACTOR = 0.05
"""Its seasonal factors stay above this."""
_MIN_BASE, _MIN_FACTOR = np.float32(MIN_BASE), np.float32(MIN_FACTOR)


@_jit
def start_states(y_ST, mask_ST, season_length, level_S, scale_S, first_S, n_S, ok_S, season_SM, ratio_SM, lo, hi):  # type: ignore[no-untyped-def]
    """Fill rows lo..hi of level, scale, first observed day, observed days, (season allowed, positive) and profiles."""
    n_time = y_ST.shape[1]
    count_M = np.empty(season_length)
    for s in range(lo, hi):
        y_T, mask_T = y_ST[s], mask_ST[s]
        n, first, early, total = 0, n_time, 0, 0.0
        positive = True
        for t in range(n_time):
            if mask_T[t]:
                if n == 0:
                    first = t
                n += 1
                if n <= 4 * season_length:
                    total += y_T[t]
                    early += 1
                positive = positive and y_T[t] > 0.0
        level = total / max(early, 1)
        scale = 0.0
        for t in range(first, n_time):
            if mask_T[t]:
                scale = max(scale, abs(y_T[t] - level))
        level_S[s], first_S[s], n_S[s] = level, first, n
        scale_S[s] = scale if scale > 0.0 else 1.0
        seen = _profiles(y_T, mask_T, first, positive, season_SM[s], ratio_SM[s], count_M)
        ok_S[s, 0] = season_length > 1 and n >= 2 * season_length and seen >= 2
        ok_S[s, 1] = ok_S[s, 0] and positive


@_jit
def _profiles(y_T, mask_T, first, positive, season_M, ratio_M, count_M):  # type: ignore[no-untyped-def]
    """Phase means of what the seasons' own means leave, as differences and, for positive demand, as ratios.

    Seasons are counted backwards from the last day. A phase of fewer than two days, as a weekday on which the shop is
    closed, is neutral: the others have their season without it. Returns how many others there are.
    """
    n_time, n_season = len(y_T), len(season_M)
    season_M[:] = 0.0
    ratio_M[:] = 0.0
    count_M[:] = 0.0
    week = first + (n_time - first) % n_season - n_season
    while week < n_time:
        total, n = 0.0, 0
        for t in range(max(week, first), week + n_season):
            if mask_T[t]:
                total += y_T[t]
                n += 1
        mean = total / max(n, 1)
        for t in range(max(week, first), week + n_season):
            if mask_T[t]:
                season_M[t - week] += y_T[t] - mean
                count_M[t - week] += 1.0
                if positive:
                    ratio_M[t - week] += y_T[t] / mean
        week += n_season
    return _normalise(season_M, ratio_M, count_M, positive)


@_jit
def _normalise(season_M, ratio_M, count_M, positive):  # type: ignore[no-untyped-def]
    """Sums over each phase as means around 0 and around 1; see `_profiles`."""
    seen, sum_season, sum_ratio = 0, 0.0, 0.0
    for m in range(len(count_M)):
        if count_M[m] >= 2.0:
            seen += 1
            season_M[m] /= count_M[m]
            ratio_M[m] /= count_M[m]
            sum_season += season_M[m]
            sum_ratio += ratio_M[m]
    for m in range(len(count_M)):
        if count_M[m] >= 2.0:
            season_M[m] -= sum_season / seen
            ratio_M[m] = max(ratio_M[m] * seen / sum_ratio, MIN_FACTOR) if positive and sum_ratio > 0.0 else 1.0
        else:
            season_M[m], ratio_M[m] = 0.0, 1.0
    return seen


@_jit
def search(  # type: ignore[no-untyped-def]
    y_ST, mask_ST, level_S, scale_S, first_S, season_SM, ratio_SM, use_SK, alpha_G, beta_G, gamma_G, phi_G, edges,
    sse_SX, lo, hi,
):  # fmt: skip
    """Fill rows lo..hi of sse_SX, the scaled sum of squared errors of every point; infinite where it is not allowed.

    use_SK: see `ets_recursion.grid_sse`.
    """
    n_grid, n_season = edges[3], season_SM.shape[1]
    work_WG = np.empty((3, n_grid), dtype=np.float32)
    season_MG = np.empty((n_season, n_grid), dtype=np.float32)
    season_MC = np.empty((n_season, edges[2] - edges[1]), dtype=np.float32)
    season_MD = np.empty((n_season, edges[3] - edges[2]), dtype=np.float32)
    edge_K = np.empty(4, dtype=np.int64)
    for s in range(lo, hi):
        sse_X = sse_SX[s]
        sse_X[:] = np.inf
        start_K = (0, edges[0], edges[1], edges[2])
        for k in range(4):
            edge_K[k] = edges[k] if use_SK[s, k] else start_K[k]
        _additive(
            y_ST[s], mask_ST[s], level_S[s], 1.0 / scale_S[s], first_S[s], season_SM[s], alpha_G, beta_G, gamma_G,
            phi_G, start_K, edge_K, work_WG, season_MC, season_MD, sse_X,
        )  # fmt: skip
        for k in range(2, 4):
            if use_SK[s, k + 2]:
                at, stop = start_K[k], edges[k]
                _multiplicative(
                    y_ST[s], mask_ST[s], level_S[s], scale_S[s], first_S[s], ratio_SM[s], alpha_G[at:stop],
                    beta_G[at:stop], gamma_G[at:stop], phi_G[at:stop], work_WG, season_MG[:, at:stop],
                    sse_X[n_grid + at - edges[1] : n_grid + stop - edges[1]],
                )  # fmt: skip


@_jit
def _additive(  # type: ignore[no-untyped-def]
    y_T, mask_T, level, per_scale, first, season_M, alpha_G, beta_G, gamma_G, phi_G, start_K, edge_K, work_WG,
    season_MC, season_MD, sse_G,
):  # fmt: skip
    n_time, n_season = len(y_T), len(season_M)
    level_G, trend_G = work_WG[0], work_WG[1]
    level_G[:] = _F0
    trend_G[:] = _F0
    # Slices count from 0, and a loop over 0..len of arrays that do not overlap is what the compiler vectorises.
    at_0, at_1 = slice(start_K[0], edge_K[0]), slice(start_K[1], edge_K[1])
    at_2, at_3 = slice(start_K[2], edge_K[2]), slice(start_K[3], edge_K[3])
    alpha_0, level_0, sse_0 = alpha_G[at_0], level_G[at_0], sse_G[at_0]
    alpha_1, level_1, sse_1 = alpha_G[at_1], level_G[at_1], sse_G[at_1]
    alpha_2, level_2, sse_2 = alpha_G[at_2], level_G[at_2], sse_G[at_2]
    alpha_3, level_3, sse_3 = alpha_G[at_3], level_G[at_3], sse_G[at_3]
    beta_1, phi_1, trend_1 = beta_G[at_1], phi_G[at_1], trend_G[at_1]
    beta_3, phi_3, trend_3 = beta_G[at_3], phi_G[at_3], trend_G[at_3]
    gamma_2, gamma_3 = gamma_G[at_2], gamma_G[at_3]
    sse_0[:], sse_1[:], sse_2[:], sse_3[:] = _F0, _F0, _F0, _F0
    if len(sse_2) + len(sse_3) > 0:
        for m in range(n_season):
            season_MC[m, :] = np.float32(season_M[m] * per_scale)
            season_MD[m, :] = np.float32(season_M[m] * per_scale)
    phase = (first - n_time) % n_season
    for t in range(first, n_time):
        if mask_T[t]:
            z = np.float32((y_T[t] - level) * per_scale)
            for g in range(len(alpha_0)):
                error = z - level_0[g]
                level_0[g] += alpha_0[g] * error
                sse_0[g] += error * error
            for g in range(len(alpha_1)):
                damped = phi_1[g] * trend_1[g]
                base = level_1[g] + damped
                error = z - base
                level_1[g] = base + alpha_1[g] * error
                trend_1[g] = damped + beta_1[g] * error
                sse_1[g] += error * error
            for g in range(len(alpha_2)):
                error = (z - season_MC[phase, g]) - level_2[g]
                level_2[g] += alpha_2[g] * error
                season_MC[phase, g] += gamma_2[g] * error
                sse_2[g] += error * error
            for g in range(len(alpha_3)):
                damped = phi_3[g] * trend_3[g]
                base = level_3[g] + damped
                error = (z - season_MD[phase, g]) - base
                level_3[g] = base + alpha_3[g] * error
                trend_3[g] = damped + beta_3[g] * error
                season_MD[phase, g] += gamma_3[g] * error
                sse_3[g] += error * error
        else:
            _pass_day(phi_1, level_1, trend_1)
            _pass_day(phi_3, level_3, trend_3)
        phase += 1
        if phase == n_season:
            phase = 0


@_jit
def _pass_day(phi_G, level_G, trend_G):  # type: ignore[no-untyped-def]
    """An unobserved day moves the states by their own prediction."""
    for g in range(len(phi_G)):
        damped = phi_G[g] * trend_G[g]
        level_G[g] += damped
        trend_G[g] = damped


@_jit
def _multiplicative(  # type: ignore[no-untyped-def]
    y_T, mask_T, level, scale, first, ratio_M, alpha_G, beta_G, gamma_G, phi_G, work_WG, season_MG, sse_G
):
    n_time, n_season, n_grid = len(y_T), len(ratio_M), len(sse_G)
    level_G, trend_G = work_WG[0], work_WG[1]
    level_G[:] = _F1
    trend_G[:] = _F0
    sse_G[:] = _F0
    for m in range(n_season):
        season_MG[m, :] = np.float32(ratio_M[m])
    per_level, per_scale = 1.0 / level, np.float32(level / scale)
    phase = (first - n_time) % n_season
    for t in range(first, n_time):
        z = np.float32(y_T[t] * per_level)
        season_G = season_MG[phase]
        if mask_T[t]:
            for g in range(n_grid):
                damped = phi_G[g] * trend_G[g]
                base = max(level_G[g] + damped, _MIN_BASE)
                factor = max(season_G[g], _MIN_FACTOR)
                error = z - base * factor
                level_G[g] = base + alpha_G[g] * (error / factor)
                trend_G[g] = damped + beta_G[g] * (error / factor)
                season_G[g] = factor + gamma_G[g] * (error / base)
                scaled = per_scale * error
                sse_G[g] += scaled * scaled
        else:
            _pass_day(phi_G, level_G[:n_grid], trend_G[:n_grid])
        phase += 1
        if phase == n_season:
            phase = 0


@_jit
def refine(  # type: ignore[no-untyped-def]
    y_ST, mask_ST, level_S, scale_S, first_S, season_SM, ratio_SM, kind_S, multiplicative_S, factor_KPR,
    point_PS, lo, hi,
):  # fmt: skip
    """Move the points (alpha, beta, gamma, phi) of rows lo..hi to the best of the finer grid around them."""
    n_grid, n_season = factor_KPR.shape[2], season_SM.shape[1]
    work_WG = np.empty((3, n_grid), dtype=np.float32)
    season_MG = np.empty((n_season, n_grid), dtype=np.float32)
    season_MC, season_MD = np.empty_like(season_MG), np.empty_like(season_MG)
    at_PG = np.empty((4, n_grid), dtype=np.float32)
    sse_G = np.empty(n_grid, dtype=np.float32)
    edge_K = np.empty(4, dtype=np.int64)
    for s in range(lo, hi):
        kind = kind_S[s]
        _around(point_PS[:, s], factor_KPR[kind], at_PG)
        if multiplicative_S[s]:
            _multiplicative(
                y_ST[s], mask_ST[s], level_S[s], scale_S[s], first_S[s], ratio_SM[s], at_PG[0], at_PG[1], at_PG[2],
                at_PG[3], work_WG, season_MG, sse_G,
            )  # fmt: skip
        else:
            start_K = (0, 0, 0, 0)
            for k in range(4):
                edge_K[k] = n_grid if k == kind else 0
            _additive(
                y_ST[s], mask_ST[s], level_S[s], 1.0 / scale_S[s], first_S[s], season_SM[s], at_PG[0], at_PG[1],
                at_PG[2], at_PG[3], start_K, edge_K, work_WG, season_MC, season_MD, sse_G,
            )  # fmt: skip
        best = 0
        for g in range(1, n_grid):
            if sse_G[g] < sse_G[best]:
                best = g
        for p in range(3):
            point_PS[p, s] = at_PG[p, best]


@_jit
def _around(point_P, factor_PR, at_PG):  # type: ignore[no-untyped-def]
    for g in range(factor_PR.shape[1]):
        alpha = min(point_P[0] * factor_PR[0, g], _MAX_ALPHA)
        at_PG[0, g] = alpha
        at_PG[1, g] = min(point_P[1] * factor_PR[1, g], alpha)
        at_PG[2, g] = min(point_P[2] * factor_PR[2, g], _F1 - alpha)
        at_PG[3, g] = point_P[3]


@_jit
def smooth(y_ST, mask_ST, first_S, point_PS, season_code_S, level_S, trend_S, season_SM, error_ST, sse_S, lo, hi):  # type: ignore[no-untyped-def]
    """Run rows lo..hi at their own point: fill the errors and their squares' sum, and move the states to the end.

    season_code_S: 0 none, 1 additive, 2 multiplicative. The states come in as those of the first day's eve.
    """
    n_time, n_season = y_ST.shape[1], season_SM.shape[1]
    for s in range(lo, hi):
        y_T, mask_T, error_T, season_M = y_ST[s], mask_ST[s], error_ST[s], season_SM[s]
        alpha, beta, gamma, phi = (
            np.float64(point_PS[0, s]), np.float64(point_PS[1, s]), np.float64(point_PS[2, s]),
            np.float64(point_PS[3, s]),
        )  # fmt: skip
        level, trend, sse = level_S[s], trend_S[s], 0.0
        least = MIN_BASE * level
        is_ratio = season_code_S[s] == 2
        error_T[: first_S[s]] = 0.0
        phase = (first_S[s] - n_time) % n_season
        for t in range(first_S[s], n_time):
            damped = phi * trend
            base = level + damped
            error = 0.0
            if not mask_T[t]:
                level, trend = base, damped
            elif is_ratio:
                base = max(base, least)
                factor = max(season_M[phase], MIN_FACTOR)
                error = y_T[t] - base * factor
                level = base + alpha * (error / factor)
                trend = damped + beta * (error / factor)
                season_M[phase] = factor + gamma * (error / base)
            else:
                error = y_T[t] - (base + season_M[phase])
                level = base + alpha * error
                trend = damped + beta * error
                season_M[phase] += gamma * error
            error_T[t] = error
            sse += error * error
            phase += 1
            if phase == n_season:
                phase = 0
        level_S[s], trend_S[s], sse_S[s] = level, trend, sse
