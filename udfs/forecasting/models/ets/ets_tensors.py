"""Exponential smoothing's steps in torch, all series at once: the backend for devices other than the CPU.

Every function does what its namesake in `ets_kernel` does, operation by operation and in the same order.
"""

from __future__ import annotations

import numpy as np
import torch

from udfs.forecasting.masked import first_observed, season_profile, time_major, time_mean, time_sum
from udfs.forecasting.models.ets.ets_kernel import MIN_BASE, MIN_FACTOR
from udfs.forecasting.models.ets.ets_values import Point, Start

_MAX_ALPHA = float(np.float32(0.99))


def start_states(y_ST: torch.Tensor, mask_ST: torch.Tensor, season_length: int) -> tuple[torch.Tensor, ...]:
    """The fields of `Start`."""
    y_TS, mask_TS = time_major(y_ST), time_major(mask_ST)
    n_S = mask_TS.sum(0)
    level_S, _ = time_mean(y_TS, mask_TS & (mask_TS.cumsum(0) <= 4 * season_length))
    scale_S = torch.where(mask_TS, (y_TS - level_S).abs(), 0.0).amax(0)
    trend_WMS, season_MS, seen_MS = season_profile(y_TS, mask_TS, season_length)
    n_seen_S = seen_MS.sum(0)
    may_season_S = (n_S >= 2 * season_length) & (n_seen_S >= 2) & (season_length > 1)
    positive_S = (~mask_TS | (y_TS > 0)).all(0)
    pad = (0, 0, -len(y_TS) % season_length, 0)
    y_WMS = torch.nn.functional.pad(y_TS, pad).unflatten(0, (-1, season_length))
    mask_WMS = torch.nn.functional.pad(mask_TS, pad).unflatten(0, (-1, season_length))
    ratio_MS, _ = time_mean(y_WMS / torch.where(trend_WMS > 0, trend_WMS, 1.0), mask_WMS)
    total_S = time_sum(torch.where(seen_MS, ratio_MS, 0.0))
    ratio_MS = (ratio_MS * n_seen_S / total_S).clamp(min=MIN_FACTOR)
    ratio_MS = torch.where(positive_S & (total_S > 0) & seen_MS, ratio_MS, 1.0)
    return (
        level_S,
        torch.where(scale_S > 0, scale_S, 1.0),
        first_observed(mask_TS),
        n_S,
        season_MS.t().contiguous(),
        ratio_MS.t().contiguous(),
        may_season_S,
        may_season_S & positive_S,
    )


def grid_sse(
    y_ST: torch.Tensor,
    mask_ST: torch.Tensor,
    start: Start,
    use_SK: torch.Tensor,
    columns: tuple[np.ndarray, ...],
    edges: tuple[int, ...],
) -> torch.Tensor:
    points = tuple(torch.from_numpy(c)[None, :].to(y_ST.device) for c in columns)
    season_G = torch.arange(edges[3], device=y_ST.device) >= edges[1]
    additive_SG = _additive_sse(y_ST, mask_ST, start, points, season_G[None, :])
    seasonal = tuple(p[:, edges[1] :] for p in points)
    ratio_SG = _multiplicative_sse(y_ST, mask_ST, start, seasonal)
    kind_G = torch.bucketize(
        torch.arange(edges[3], device=y_ST.device), torch.tensor(edges, device=y_ST.device), right=True
    )
    allowed_SG, allowed_ratio_SG = use_SK[:, kind_G], use_SK[:, kind_G[edges[1] :] + 2]
    return torch.cat(
        [torch.where(allowed_SG, additive_SG, torch.inf), torch.where(allowed_ratio_SG, ratio_SG, torch.inf)], dim=1
    )


def refine(
    y_ST: torch.Tensor, mask_ST: torch.Tensor, start: Start, point: Point, factor_KPR: np.ndarray
) -> torch.Tensor:
    """(4, S) alpha, beta, gamma, phi of the best point around each series' own."""
    kind_S = point.kind()
    fa_SR, fb_SR, fc_SR = torch.from_numpy(factor_KPR).to(y_ST.device)[kind_S].unbind(1)
    alpha_SR = (point.alpha_S[:, None] * fa_SR).clamp(max=_MAX_ALPHA)
    beta_SR = torch.minimum(point.beta_S[:, None] * fb_SR, alpha_SR)
    gamma_SR = torch.minimum(point.gamma_S[:, None] * fc_SR, 1.0 - alpha_SR)
    around = (alpha_SR, beta_SR, gamma_SR, point.phi_S[:, None].expand_as(alpha_SR))
    sse_SR = _additive_sse(y_ST, mask_ST, start, around, (kind_S >= 2)[:, None])
    ratio_SR = _multiplicative_sse(y_ST, mask_ST, start, around)
    sse_SR = torch.where((point.season_code() == 2)[:, None], ratio_SR, sse_SR)
    # Of equal sums the first wins, as in the numba loop.
    is_least_SR = sse_SR == sse_SR.amin(1, keepdim=True)
    best_S1 = torch.where(is_least_SR, torch.arange(sse_SR.shape[1], device=y_ST.device), sse_SR.shape[1]).amin(1)
    best_S1 = best_S1[:, None].clamp(max=sse_SR.shape[1] - 1)
    return torch.stack([p.gather(1, best_S1)[:, 0] for p in around])


def smooth(
    y_ST: torch.Tensor, mask_ST: torch.Tensor, start: Start, point: Point, season_SM: torch.Tensor
) -> tuple[torch.Tensor, ...]:
    """The fields of `Smoothed`."""
    alpha_S, beta_S, gamma_S, phi_S = (p.double() for p in point.stack())
    is_ratio_S = point.season_code() == 2
    level_S, trend_S, season_MS = start.level_S.clone(), torch.zeros_like(start.level_S), season_SM.t().clone()
    least_S, sse_S = MIN_BASE * level_S, torch.zeros_like(level_S)
    n_time, n_season = y_ST.shape[1], len(season_MS)
    error_ST = torch.zeros_like(y_ST)
    for t in range(n_time):
        phase = (t - n_time) % n_season
        season_S, mask_S, started_S = season_MS[phase], mask_ST[:, t], start.first_S <= t
        damped_S = phi_S * trend_S
        base_S = level_S + damped_S
        base_S = torch.where(mask_S & is_ratio_S, torch.maximum(base_S, least_S), base_S)
        factor_S = torch.where(is_ratio_S, season_S.clamp(min=MIN_FACTOR), 1.0)
        fitted_S = torch.where(is_ratio_S, base_S * factor_S, base_S + season_S)
        error_S = torch.where(mask_S, y_ST[:, t] - fitted_S, 0.0)
        by_factor_S = torch.where(is_ratio_S, error_S / factor_S, error_S)
        by_base_S = torch.where(is_ratio_S, error_S / base_S, error_S)
        level_S = torch.where(started_S, base_S + alpha_S * by_factor_S, level_S)
        trend_S = torch.where(started_S, damped_S + beta_S * by_factor_S, trend_S)
        kept_S = torch.where(is_ratio_S, factor_S, season_S)
        season_MS[phase] = torch.where(mask_S, kept_S + gamma_S * by_base_S, season_S)
        error_ST[:, t] = error_S
        sse_S = sse_S + error_S * error_S
    return level_S, trend_S, season_MS.t().contiguous(), error_ST, sse_S


def _additive_sse(
    y_ST: torch.Tensor,
    mask_ST: torch.Tensor,
    start: Start,
    points: tuple[torch.Tensor, ...],
    season_XG: torch.Tensor,
) -> torch.Tensor:
    alpha, beta, gamma, phi = points
    per_scale_S1 = (1.0 / start.scale_S)[:, None]
    z_ST = ((y_ST - start.level_S[:, None]) * per_scale_S1).float()
    profile_SM = (start.season_SM * per_scale_S1).float()
    sse_SG = torch.zeros((len(y_ST), alpha.shape[1]), device=y_ST.device)
    level_SG, trend_SG = torch.zeros_like(sse_SG), torch.zeros_like(sse_SG)
    season_MSG = torch.where(season_XG, profile_SM.t()[:, :, None], 0.0).expand(-1, *sse_SG.shape).contiguous()
    n_time, n_season = y_ST.shape[1], len(season_MSG)
    for t in range(n_time):
        season_SG, mask_S1, started_S1 = season_MSG[(t - n_time) % n_season], mask_ST[:, t : t + 1], start.first_S <= t
        damped_SG = phi * trend_SG
        base_SG = level_SG + damped_SG
        error_SG = torch.where(mask_S1, (z_ST[:, t : t + 1] - season_SG) - base_SG, 0.0)
        level_SG = torch.where(started_S1[:, None], base_SG + alpha * error_SG, level_SG)
        trend_SG = torch.where(started_S1[:, None], damped_SG + beta * error_SG, trend_SG)
        season_SG += gamma * error_SG
        sse_SG += error_SG * error_SG
    return sse_SG


def _multiplicative_sse(
    y_ST: torch.Tensor, mask_ST: torch.Tensor, start: Start, points: tuple[torch.Tensor, ...]
) -> torch.Tensor:
    alpha, beta, gamma, phi = points
    level_S = torch.where(start.level_S > 0, start.level_S, 1.0)  # where it is not, nobody reads the result
    z_ST = (y_ST * (1.0 / level_S)[:, None]).float()
    per_scale_S1 = (level_S / start.scale_S).float()[:, None]
    sse_SG = torch.zeros((len(y_ST), alpha.shape[1]), device=y_ST.device)
    level_SG, trend_SG = torch.ones_like(sse_SG), torch.zeros_like(sse_SG)
    season_MSG = start.ratio_SM.float().t()[:, :, None].repeat(1, 1, sse_SG.shape[1])
    n_time, n_season = y_ST.shape[1], len(season_MSG)
    for t in range(n_time):
        season_SG, mask_S1, started_S1 = season_MSG[(t - n_time) % n_season], mask_ST[:, t : t + 1], start.first_S <= t
        damped_SG = phi * trend_SG
        base_SG = level_SG + damped_SG
        base_SG = torch.where(mask_S1, base_SG.clamp(min=MIN_BASE), base_SG)
        factor_SG = season_SG.clamp(min=MIN_FACTOR)
        error_SG = torch.where(mask_S1, z_ST[:, t : t + 1] - base_SG * factor_SG, 0.0)
        by_factor_SG = error_SG / factor_SG
        level_SG = torch.where(started_S1[:, None], base_SG + alpha * by_factor_SG, level_SG)
        trend_SG = torch.where(started_S1[:, None], damped_SG + beta * by_factor_SG, trend_SG)
        season_SG.copy_(torch.where(mask_S1, factor_SG + gamma * (error_SG / base_SG), season_SG))
        scaled_SG = per_scale_S1 * error_SG
        sse_SG += scaled_SG * scaled_SG
    return sse_SG
