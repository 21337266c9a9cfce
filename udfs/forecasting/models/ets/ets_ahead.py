"""From the last states of exponential smoothing to the mean and the variance of the days ahead."""

from __future__ import annotations

import numba
import numpy as np
import torch

from udfs.forecasting.models.ets.ets_values import Point, Smoothed
from udfs.series.series_threads import over_series


def ahead(
    last: Smoothed, point: Point, sigma2_S: torch.Tensor, horizon: int, backend: str | None = None
) -> tuple[torch.Tensor, torch.Tensor]:
    """(S, H) mean, not clipped, and standard deviation of each day ahead.

    Args:
        sigma2_S: one-step error variance.
        backend: "numba" or "torch"; None takes numba on the CPU and torch on any other device.
    """
    if (backend or ("numba" if sigma2_S.device.type == "cpu" else "torch")) != "numba":
        sd_SH = (sigma2_S[:, None] * variance_growth(last, point, horizon)).sqrt()
        return point_forecast(last, point, horizon), sd_SH
    mean_SH, sd_SH = (torch.empty((len(sigma2_S), horizon), dtype=torch.float64) for _ in range(2))
    tensors = (point.stack(), point.season_code(), last.level_S, last.trend_S, last.season_SM, sigma2_S, mean_SH, sd_SH)
    arrays = tuple(x.numpy() for x in tensors)
    over_series(lambda lo, hi: _ahead(*arrays, lo, hi), len(sigma2_S))  # type: ignore[call-arg]
    return mean_SH, sd_SH


def point_forecast(last: Smoothed, point: Point, horizon: int) -> torch.Tensor:
    """(S, H) l + (phi + ... + phi^h) b, plus or times s; not clipped (Hyndman & Athanasopoulos, table 8.6)."""
    phi_S = point.phi_S.double()
    level_S, trend_S = last.level_S, last.trend_S
    base_HS = torch.empty((horizon, len(level_S)), dtype=level_S.dtype, device=level_S.device)
    for h in range(horizon):
        trend_S = phi_S * trend_S
        level_S = level_S + trend_S
        base_HS[h] = level_S
    base_SH, season_SH = base_HS.t().contiguous(), _season_ahead(last, horizon)
    is_ratio_S1 = (point.season_code() == 2)[:, None]
    return torch.where(is_ratio_S1, base_SH * season_SH, base_SH + season_SH)


def variance_growth(last: Smoothed, point: Point, horizon: int) -> torch.Tensor:
    """(S, H) forecast variance over one-step variance, 1 + sum of c_j^2 for j = 1..h-1.

    With an additive season, c_j = alpha + beta (1 + phi + ... + phi^(j-1)) + gamma [j divisible by m]; Hyndman,
    Koehler, Ord & Snyder, Forecasting with Exponential Smoothing (2008), table 6.1. Their trend recursion carries phi
    into b before beta enters, as ours does, so that c_j sums phi^i for i = 1..j.

    With a multiplicative season, to first order in the errors: an error of day h - j moves that of day h by
    s_h / s_{h-j} of what the level and the trend take over, and by base_h / base_{h-j} of what the season does.
    """
    alpha_S, beta_S, gamma_S, phi_S = (p.double() for p in point.stack())
    season_length = last.season_SM.shape[1]
    growth_S = torch.ones_like(alpha_S)
    power_S, sum_S = torch.ones_like(phi_S), torch.zeros_like(phi_S)
    growth_HS = torch.empty((horizon, len(alpha_S)), dtype=alpha_S.dtype, device=alpha_S.device)
    growth_HS[0] = growth_S
    for j in range(1, horizon):
        power_S = power_S * phi_S
        sum_S = sum_S + power_S
        c_S = alpha_S + beta_S * sum_S
        if j % season_length == 0:
            c_S = c_S + gamma_S
        growth_S = growth_S + c_S * c_S
        growth_HS[j] = growth_S
    growth_SH = growth_HS.t().contiguous()
    is_ratio_S = point.season_code() == 2
    if bool(is_ratio_S.any()):
        growth_SH[is_ratio_S] = _ratio_growth(last, point, horizon)[is_ratio_S]
    return growth_SH


def _ratio_growth(last: Smoothed, point: Point, horizon: int) -> torch.Tensor:
    alpha_S1, beta_S1, gamma_S1, phi_S1 = (p.double()[:, None] for p in point.stack())
    season_SH = _season_ahead(last, horizon)
    mean_SH = point_forecast(last, point, horizon)
    base_SH = mean_SH / season_SH
    growth_SH = torch.ones_like(mean_SH)
    power_S1, sum_S1 = torch.ones_like(phi_S1), torch.zeros_like(phi_S1)
    for j in range(1, horizon):
        power_S1 = power_S1 * phi_S1
        sum_S1 = sum_S1 + power_S1
        c_SH = (alpha_S1 + beta_S1 * sum_S1) * (season_SH[:, j:] / season_SH[:, :-j])
        if j % last.season_SM.shape[1] == 0:
            c_SH = c_SH + gamma_S1 * (base_SH[:, j:] / base_SH[:, :-j])
        growth_SH[:, j:] += c_SH * c_SH
    return growth_SH


def _season_ahead(last: Smoothed, horizon: int) -> torch.Tensor:
    """(S, H) the season's states in the order of the days ahead."""
    phase_H = torch.arange(horizon, device=last.level_S.device) % last.season_SM.shape[1]
    return last.season_SM[:, phase_H]


@numba.njit(cache=True, nogil=True, error_model="numpy")
def _ahead(point_PS, code_S, level_S, trend_S, season_SM, sigma2_S, mean_SH, sd_SH, lo, hi):  # type: ignore[no-untyped-def]
    horizon, n_season = mean_SH.shape[1], season_SM.shape[1]
    base_H, growth_H = np.empty(horizon), np.empty(horizon)
    for s in range(lo, hi):
        alpha, beta, gamma, phi = (
            np.float64(point_PS[0, s]), np.float64(point_PS[1, s]), np.float64(point_PS[2, s]),
            np.float64(point_PS[3, s]),
        )  # fmt: skip
        level, trend, season_M = level_S[s], trend_S[s], season_SM[s]
        for h in range(horizon):
            trend = phi * trend
            level += trend
            base_H[h] = level
        if code_S[s] == 2:
            for h in range(horizon):
                mean_SH[s, h] = base_H[h] * season_M[h % n_season]
            _ratio_growth_of(alpha, beta, gamma, phi, base_H, season_M, growth_H)
        else:
            power, total, growth = 1.0, 0.0, 1.0
            growth_H[0] = 1.0
            phase = 0
            mean_SH[s, 0] = base_H[0] + season_M[0]
            for h in range(1, horizon):
                phase = phase + 1 if phase + 1 < n_season else 0
                mean_SH[s, h] = base_H[h] + season_M[phase]
                power = power * phi
                total += power
                c = alpha + beta * total + (gamma if phase == 0 else 0.0)
                growth += c * c
                growth_H[h] = growth
        for h in range(horizon):
            sd_SH[s, h] = np.sqrt(sigma2_S[s] * growth_H[h])


@numba.njit(cache=True, nogil=True, error_model="numpy")
def _ratio_growth_of(alpha, beta, gamma, phi, base_H, season_M, growth_H):  # type: ignore[no-untyped-def]
    """As `_ratio_growth`, for one series."""
    n_season = len(season_M)
    growth_H[:] = 1.0
    power, total = 1.0, 0.0
    for j in range(1, len(base_H)):
        power = power * phi
        total += power
        moved = alpha + beta * total
        for h in range(j, len(base_H)):
            c = moved * (season_M[h % n_season] / season_M[(h - j) % n_season])
            if j % n_season == 0:
                c += gamma * (base_H[h] / base_H[h - j])
            growth_H[h] += c * c
