"""From the last states of exponential smoothing to the mean and the variance of the days ahead."""

from __future__ import annotations

import torch

from udfs.forecasting.ets_recursion import Point, Smoothed


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
