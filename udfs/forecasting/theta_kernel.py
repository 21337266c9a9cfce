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
"""

from __future__ import annotations

from dataclasses import dataclass

import numba
import numpy as np
import torch

from udfs.forecasting.theta_season import Season
from udfs.series_threads import over_series

N_SUMS = 9
"""ee, ea, aa, and for the static then the dynamic line: ef, af, ff."""

LANES = 8
"""Alphas that the CPU kernel carries side by side."""

_N_STATES = 7
_BASE, _A, _P, _DRIFT, _DRIFT_DYN, _ALPHA, _INVERSE = (LANES * (N_SUMS + k) for k in range(_N_STATES))


@dataclass(frozen=True, slots=True)
class Line:
    """The series to fit, (S, T), and its lines: a_S + b_S i over the whole sample, a_ST + b_ST i up to the day before.

    n_seen_S: observed days. start_S: the first of them. fit_from_S: the first day whose error counts.
    """

    z_ST: torch.Tensor
    mask_ST: torch.Tensor
    n_seen_S: torch.Tensor
    start_S: torch.Tensor
    fit_from_S: torch.Tensor
    a_S: torch.Tensor
    b_S: torch.Tensor
    a_ST: torch.Tensor
    b_ST: torch.Tensor

    def arrays(self) -> tuple[np.ndarray, ...]:
        return tuple(getattr(self, f).numpy() for f in self.__slots__)


@dataclass(frozen=True, slots=True)
class ThetaPoint:
    """One parameter point per series, (S,) each; dynamic is a bool."""

    alpha_S: torch.Tensor
    weight_S: torch.Tensor
    level_S: torch.Tensor
    dynamic_S: torch.Tensor


@dataclass(frozen=True, slots=True)
class ThetaState:
    """(S,) after the last day: level, mean of the days so far, line, days since the first one, (1 - alpha)^days."""

    level_S: torch.Tensor
    mean_S: torch.Tensor
    a_S: torch.Tensor
    b_S: torch.Tensor
    days_S: torch.Tensor
    decay_S: torch.Tensor


def fit_lines(
    season: Season, mask_ST: torch.Tensor, fit_from_S: torch.Tensor, backend: str
) -> tuple[Line, torch.Tensor]:
    """Both lines of every series without its season, and (S, 3) the dynamic one after the last day: mean, A, B."""
    z_ST, n_seen_S, start_S = season.z_ST, season.n_seen_S, season.start_S
    if backend == "torch":
        return _lines_torch(z_ST, mask_ST, n_seen_S, start_S, fit_from_S)
    n_series = len(z_ST)
    arrays = (z_ST.numpy(), mask_ST.contiguous().numpy(), start_S.numpy())
    out = (np.zeros((n_series, 2)), np.zeros(z_ST.shape), np.zeros(z_ST.shape), np.zeros((n_series, 3)))
    over_series(lambda a, b: _lines_numba(*(x[a:b] for x in arrays + out)), n_series)  # type: ignore[call-arg]
    static_S2, a_ST, b_ST, last_S3 = (torch.from_numpy(x) for x in out)
    static_a_S, static_b_S = (x.contiguous() for x in static_S2.unbind(1))
    line = Line(z_ST, mask_ST.contiguous(), n_seen_S, start_S, fit_from_S, static_a_S, static_b_S, a_ST, b_ST)
    return line, last_S3


def grid_sums(line: Line, alpha_RG: torch.Tensor, backend: str) -> torch.Tensor:
    """(N_SUMS, S, G) sums of products of e0, a and f over the days that count, for R = 1 or S rows of alphas."""
    if backend == "torch":
        return _sums_torch(line, alpha_RG)
    n_series, n_grid = len(line.z_ST), alpha_RG.shape[1]
    short = -n_grid % LANES
    sums = np.empty((n_series, N_SUMS, n_grid + short))
    alphas = np.pad(alpha_RG.numpy(), ((0, 0), (0, short)), mode="edge")
    arrays, alphas = line.arrays(), np.broadcast_to(alphas, (n_series, n_grid + short))
    over_series(lambda a, b: _sums_numba(*(x[a:b] for x in arrays), alphas[a:b], sums[a:b]), n_series)  # type: ignore[call-arg]
    return torch.from_numpy(sums[:, :, :n_grid]).transpose(0, 1)


def filter_errors(
    line: Line, last_S3: torch.Tensor, point: ThetaPoint, backend: str
) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor, torch.Tensor, ThetaState]:
    """One-step errors at one point per series, (S, T), 0 on days that do not count.

    Then which days count (S, T), how many these are and their sum of squares (S,), and the states after the last day.
    """
    n_days = line.z_ST.shape[1]
    if backend == "torch":
        error_ST, level_S, decay_S = _filter_torch(line, point)
        day_T = torch.arange(n_days, device=error_ST.device)
        counts_ST = line.mask_ST & (day_T >= line.fit_from_S[:, None])
        n_S, sse_S = counts_ST.sum(1), error_ST.square().sum(1)
    else:
        error, counts = np.zeros(line.z_ST.shape), np.zeros(line.z_ST.shape, dtype=np.bool_)
        ends = np.empty((len(error), 4))
        arrays = line.arrays() + tuple(x.contiguous().numpy() for x in (getattr(point, f) for f in point.__slots__))
        arrays += (error, counts, ends)
        over_series(lambda a, b: _filter_numba(*(x[a:b] for x in arrays)), len(error))  # type: ignore[call-arg]
        error_ST, counts_ST = torch.from_numpy(error), torch.from_numpy(counts)
        level_S, decay_S, n_S, sse_S = torch.from_numpy(ends).t().contiguous().unbind(0)
    a_S = torch.where(point.dynamic_S, last_S3[:, 1], line.a_S)
    b_S = torch.where(point.dynamic_S, last_S3[:, 2], line.b_S)
    days_S = (n_days - line.start_S).to(level_S.dtype)
    return error_ST, counts_ST, n_S.long(), sse_S, ThetaState(level_S, last_S3[:, 0], a_S, b_S, days_S, decay_S)


def extrapolate(state: ThetaState, point: ThetaPoint, horizon: int) -> torch.Tensor:
    """(S, H) the recursion run on, each day's forecast standing in for its demand, also in the dynamic line."""
    alpha_S, w_S = point.alpha_S, point.weight_S
    level_S, mean_S, a_S, b_S, i_S, p_S = (getattr(state, f) for f in state.__slots__)
    mean_SH = torch.empty((len(level_S), horizon), dtype=level_S.dtype, device=level_S.device)
    for h in range(horizon):
        next_S = p_S * (1.0 - alpha_S)
        mu_S = level_S + w_S * (a_S * p_S + b_S * ((1.0 - next_S) / alpha_S))
        mean_SH[:, h] = mu_S
        level_S = level_S + alpha_S * (mu_S - level_S)
        new_b_S = ((i_S - 1.0) * b_S + 6.0 * (mu_S - mean_S) / (i_S + 1.0)) / (i_S + 2.0)
        mean_S = mean_S + (mu_S - mean_S) / (i_S + 1.0)
        b_S = torch.where(point.dynamic_S, new_b_S, b_S)
        a_S = torch.where(point.dynamic_S, mean_S - b_S * ((i_S + 2.0) * 0.5), a_S)
        p_S = next_S
        i_S = i_S + 1.0
    return mean_SH


def _lines_torch(
    z_ST: torch.Tensor, mask_ST: torch.Tensor, n_seen_S: torch.Tensor, start_S: torch.Tensor, fit_from_S: torch.Tensor
) -> tuple[Line, torch.Tensor]:
    n_days = z_ST.shape[1]
    day_ST = torch.arange(1, n_days + 1, device=z_ST.device) - start_S[:, None]
    seen_ST = mask_ST.to(z_ST.dtype)
    n_S = seen_ST.sum(1).clamp(min=1)
    day_mean_S, z_mean_S = (seen_ST * day_ST).sum(1) / n_S, (seen_ST * z_ST).sum(1) / n_S
    dev_ST = seen_ST * (day_ST - day_mean_S[:, None])
    power_S = (dev_ST * dev_ST).sum(1)
    static_b_S = (dev_ST * z_ST).sum(1) / torch.where(power_S > 0, power_S, 1.0)
    static_a_S = z_mean_S - static_b_S * day_mean_S

    a_ST, b_ST = torch.zeros_like(z_ST), torch.zeros_like(z_ST)
    mean_S, a_S, b_S = (torch.zeros_like(z_mean_S) for _ in range(3))
    for t in range(n_days):
        i_S = (t - start_S).to(z_ST.dtype)
        a_ST[:, t], b_ST[:, t] = a_S, b_S
        z_S = torch.where(mask_ST[:, t], z_ST[:, t], a_S + b_S * (i_S + 1.0))
        new_b_S = ((i_S - 1.0) * b_S + 6.0 * (z_S - mean_S) / (i_S + 1.0)) / (i_S + 2.0)
        new_mean_S = mean_S + (z_S - mean_S) / (i_S + 1.0)
        is_first_S, is_on_S = start_S == t, start_S <= t
        b_S = torch.where(is_on_S & ~is_first_S & mask_ST[:, t], new_b_S, b_S)
        mean_S = torch.where(is_first_S, z_S, torch.where(is_on_S, new_mean_S, mean_S))
        a_S = torch.where(is_on_S & mask_ST[:, t], mean_S - b_S * ((i_S + 2.0) * 0.5), a_S)
        a_S = torch.where(is_first_S, z_S, a_S)
    line = Line(z_ST, mask_ST, n_seen_S, start_S, fit_from_S, static_a_S, static_b_S, a_ST, b_ST)
    return line, torch.stack([mean_S, a_S, b_S], dim=1)


def _sums_torch(line: Line, alpha_RG: torch.Tensor) -> torch.Tensor:
    n_series, n_days = line.z_ST.shape
    alpha_SG = alpha_RG.expand(n_series, -1)
    keep_SG = 1.0 - alpha_SG
    zero_SG = torch.zeros_like(alpha_SG)
    base_SG, drift_SG, drift_dyn_SG = zero_SG, zero_SG, zero_SG  # the level's parts free of l_0, and along w
    a_SG, p_SG = torch.ones_like(alpha_SG), torch.ones_like(alpha_SG)
    sums = torch.zeros((N_SUMS, *alpha_SG.shape), dtype=alpha_SG.dtype, device=alpha_SG.device)
    for t in range(n_days):
        on_S1 = (line.start_S <= t)[:, None]
        seen_S1, counts_S1 = line.mask_ST[:, t : t + 1], (line.fit_from_S <= t)[:, None]
        next_SG = p_SG * keep_SG
        q_SG = (1.0 - next_SG) / alpha_SG
        f_SG = line.a_S[:, None] * p_SG + line.b_S[:, None] * q_SG
        g_SG = line.a_ST[:, t : t + 1] * p_SG + line.b_ST[:, t : t + 1] * q_SG
        e_SG = line.z_ST[:, t : t + 1] - base_SG
        f_all_SG, g_all_SG = drift_SG + f_SG, drift_dyn_SG + g_SG
        pairs = ((e_SG, e_SG), (e_SG, a_SG), (a_SG, a_SG), (e_SG, f_all_SG), (a_SG, f_all_SG), (f_all_SG, f_all_SG))
        pairs += ((e_SG, g_all_SG), (a_SG, g_all_SG), (g_all_SG, g_all_SG))
        for k, (x_SG, y_SG) in enumerate(pairs):
            sums[k] += torch.where(seen_S1 & counts_S1, x_SG * y_SG, 0.0)
        base_SG = torch.where(seen_S1, base_SG + alpha_SG * e_SG, base_SG)
        a_SG = torch.where(seen_S1, a_SG * keep_SG, a_SG)
        gap_S1 = on_S1 & ~seen_S1
        drift_SG = torch.where(seen_S1, drift_SG * keep_SG, torch.where(gap_S1, drift_SG + alpha_SG * f_SG, drift_SG))
        drift_dyn_SG = torch.where(
            seen_S1, drift_dyn_SG * keep_SG, torch.where(gap_S1, drift_dyn_SG + alpha_SG * g_SG, drift_dyn_SG)
        )
        p_SG = torch.where(on_S1, next_SG, p_SG)
    return sums


def _filter_torch(line: Line, point: ThetaPoint) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    alpha_S, level_S = point.alpha_S, point.level_S
    p_S = torch.ones_like(alpha_S)
    error_ST = torch.zeros_like(line.z_ST)
    for t in range(line.z_ST.shape[1]):
        on_S, seen_S = line.start_S <= t, line.mask_ST[:, t]
        next_S = p_S * (1.0 - alpha_S)
        a_S = torch.where(point.dynamic_S, line.a_ST[:, t], line.a_S)
        b_S = torch.where(point.dynamic_S, line.b_ST[:, t], line.b_S)
        mu_S = level_S + point.weight_S * (a_S * p_S + b_S * ((1.0 - next_S) / alpha_S))
        z_S = torch.where(seen_S, line.z_ST[:, t], mu_S)
        error_ST[:, t] = torch.where(line.fit_from_S <= t, z_S - mu_S, 0.0)
        level_S = torch.where(on_S, level_S + alpha_S * (z_S - level_S), level_S)
        p_S = torch.where(on_S, next_S, p_S)
    return error_ST, level_S, p_S


@numba.njit(cache=True, nogil=True, error_model="numpy")
def _lines_numba(z_ST, mask_ST, start_S, static_S2, a_ST, b_ST, last_S3) -> None:  # type: ignore[no-untyped-def]
    n_series, n_days = z_ST.shape
    inverse_N = 1.0 / np.arange(1, n_days + 3)  # a division takes as long as the rest of a day together
    for s in range(n_series):
        z_T, mask_T, start = z_ST[s], mask_ST[s], start_S[s]
        n, day_sum, z_sum, cross, square = 0.0, 0.0, 0.0, 0.0, 0.0
        mean, a, b = 0.0, 0.0, 0.0
        for t in range(start, n_days):
            a_ST[s, t] = a
            b_ST[s, t] = b
            i = float(t - start)
            r1, r2 = inverse_N[t - start], inverse_N[t - start + 1]
            if mask_T[t]:
                z, day = z_T[t], i + 1.0
                n += 1.0
                day_sum += day
                z_sum += z
                cross += day * z
                square += day * day
                old = mean
                mean = z if t == start else mean + (z - mean) * r1
                b = 0.0 if t == start else ((i - 1.0) * b + 6.0 * (z - old) * r1) * r2
                a = mean - b * ((i + 2.0) * 0.5)
            else:
                mean += (a + b * (i + 1.0) - mean) * r1
        if n > 0:
            power = square - day_sum * day_sum / n
            static_S2[s, 1] = (cross - day_sum * z_sum / n) / power if power > 0 else 0.0
            static_S2[s, 0] = (z_sum - static_S2[s, 1] * day_sum) / n
        last_S3[s, 0] = mean
        last_S3[s, 1] = a
        last_S3[s, 2] = b


_FUSED = {"contract"}


@numba.njit(cache=True, nogil=True, error_model="numpy", fastmath=_FUSED)
def _sums_numba(  # type: ignore[no-untyped-def]
    z_ST, mask_ST, n_seen_S, start_S, fit_from_S, a_S, b_S, a_ST, b_ST, alpha_SG, sums_SNG
) -> None:
    n_series, n_days = z_ST.shape
    # One flat array with offsets known to the compiler: it then sees that the rows do not overlap and keeps the lanes
    # in vector registers. Sums come first, states after them.
    w = np.empty((N_SUMS + _N_STATES) * LANES)
    for s in range(n_series):
        whole = n_days - start_S[s] == n_seen_S[s]
        for block in range(0, alpha_SG.shape[1], LANES):
            _start_lanes(w, alpha_SG[s, block : block + LANES], whole)
            for t in range(start_S[s], n_days):
                if t == fit_from_S[s]:
                    w[: N_SUMS * LANES] = 0.0
                if whole:
                    _whole_day(w, z_ST[s, t], a_ST[s, t], b_ST[s, t])
                elif mask_ST[s, t]:
                    _seen_day(w, z_ST[s, t], a_S[s], b_S[s], a_ST[s, t], b_ST[s, t])
                else:
                    _unseen_day(w, a_S[s], b_S[s], a_ST[s, t], b_ST[s, t])
            if whole:
                _whole_sums(w, a_S[s], b_S[s])
            sums_SNG[s, :, block : block + LANES] = w[: N_SUMS * LANES].reshape(N_SUMS, LANES)


@numba.njit(cache=True, nogil=True, error_model="numpy", inline="always", fastmath=_FUSED)
def _start_lanes(w, alpha_G, whole) -> None:  # type: ignore[no-untyped-def]
    w[:] = 0.0
    for g in range(LANES):
        w[_A + g] = 1.0
        # A series without gaps needs no drift and no second power; their places hold (1 - alpha) / alpha and 1 - alpha.
        w[_P + g] = 1.0 - alpha_G[g] if whole else 1.0
        w[_DRIFT + g] = (1.0 - alpha_G[g]) / alpha_G[g] if whole else 0.0
        w[_ALPHA + g] = alpha_G[g]
        w[_INVERSE + g] = 1.0 / alpha_G[g]


@numba.njit(cache=True, nogil=True, error_model="numpy", inline="always", fastmath=_FUSED)
def _whole_day(w, z, dyn_a, dyn_b) -> None:  # type: ignore[no-untyped-def]
    """A day of a series without gaps, where a = (1 - alpha)^i: d_i = (A - B (1 - alpha) / alpha) a + B / alpha, so
    that the sums of the static line follow from those of e, a and 1 afterwards."""
    for g in range(LANES):
        p, base = w[_A + g], w[_BASE + g]
        e = z - base
        h = (dyn_a - dyn_b * w[_DRIFT + g]) * p + dyn_b * w[_INVERSE + g]
        w[_BASE + g] = base + w[_ALPHA + g] * e
        w[_A + g] = p * w[_P + g]
        w[g] += e * e
        w[LANES + g] += e * p
        w[2 * LANES + g] += p * p
        w[3 * LANES + g] += e
        w[4 * LANES + g] += p
        w[5 * LANES + g] += 1.0
        w[6 * LANES + g] += e * h
        w[7 * LANES + g] += p * h
        w[8 * LANES + g] += h * h


@numba.njit(cache=True, nogil=True, error_model="numpy", inline="always", fastmath=_FUSED)
def _whole_sums(w, line_a, line_b) -> None:  # type: ignore[no-untyped-def]
    for g in range(LANES):
        ea, aa, e, a, n = w[LANES + g], w[2 * LANES + g], w[3 * LANES + g], w[4 * LANES + g], w[5 * LANES + g]
        c_a, c = line_a - line_b * w[_DRIFT + g], line_b * w[_INVERSE + g]
        w[3 * LANES + g] = c_a * ea + c * e
        w[4 * LANES + g] = c_a * aa + c * a
        w[5 * LANES + g] = c_a * c_a * aa + 2.0 * c_a * c * a + c * c * n


@numba.njit(cache=True, nogil=True, error_model="numpy", inline="always", fastmath=_FUSED)
def _seen_day(w, z, line_a, line_b, dyn_a, dyn_b) -> None:  # type: ignore[no-untyped-def]
    for g in range(LANES):
        alpha, p, a = w[_ALPHA + g], w[_P + g], w[_A + g]
        drift, drift_dyn, base = w[_DRIFT + g], w[_DRIFT_DYN + g], w[_BASE + g]
        keep = 1.0 - alpha
        next_p = p * keep
        q = (1.0 - next_p) * w[_INVERSE + g]
        e = z - base
        f = drift + (line_a * p + line_b * q)
        h = drift_dyn + (dyn_a * p + dyn_b * q)
        w[_BASE + g] = base + alpha * e
        w[_A + g] = a * keep
        w[_P + g] = next_p
        w[_DRIFT + g] = drift * keep
        w[_DRIFT_DYN + g] = drift_dyn * keep
        w[g] += e * e
        w[LANES + g] += e * a
        w[2 * LANES + g] += a * a
        w[3 * LANES + g] += e * f
        w[4 * LANES + g] += a * f
        w[5 * LANES + g] += f * f
        w[6 * LANES + g] += e * h
        w[7 * LANES + g] += a * h
        w[8 * LANES + g] += h * h


@numba.njit(cache=True, nogil=True, error_model="numpy", inline="always", fastmath=_FUSED)
def _unseen_day(w, line_a, line_b, dyn_a, dyn_b) -> None:  # type: ignore[no-untyped-def]
    for g in range(LANES):
        alpha, p = w[_ALPHA + g], w[_P + g]
        next_p = p * (1.0 - alpha)
        q = (1.0 - next_p) * w[_INVERSE + g]
        w[_DRIFT + g] += alpha * (line_a * p + line_b * q)
        w[_DRIFT_DYN + g] += alpha * (dyn_a * p + dyn_b * q)
        w[_P + g] = next_p


@numba.njit(cache=True, nogil=True, error_model="numpy")
def _filter_numba(  # type: ignore[no-untyped-def]
    z_ST,
    mask_ST,
    n_seen_S,
    start_S,
    fit_from_S,
    a_S,
    b_S,
    a_ST,
    b_ST,
    alpha_S,
    weight_S,
    level_S,
    dynamic_S,
    error_ST,
    counts_ST,
    end_SE,
) -> None:
    n_series, n_days = z_ST.shape
    for s in range(n_series):
        alpha, w, level, p = alpha_S[s], weight_S[s], level_S[s], 1.0
        a, b, dynamic, fit_from, n = a_S[s], b_S[s], dynamic_S[s], fit_from_S[s], 0
        sse = 0.0
        inverse = 1.0 / alpha
        for t in range(start_S[s], n_days):
            if dynamic:
                a, b = a_ST[s, t], b_ST[s, t]
            next_p = p * (1.0 - alpha)
            mu = level + w * (a * p + b * ((1.0 - next_p) * inverse))
            z = z_ST[s, t] if mask_ST[s, t] else mu
            if t >= fit_from:
                error_ST[s, t] = z - mu
                sse += (z - mu) * (z - mu)
                counts_ST[s, t] = mask_ST[s, t]
                n += mask_ST[s, t]
            level += alpha * (z - level)
            p = next_p
        end_SE[s, 0] = level
        end_SE[s, 1] = p
        end_SE[s, 2] = n
        end_SE[s, 3] = sse
