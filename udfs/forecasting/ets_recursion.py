"""The recursion of additive exponential smoothing, over a grid of parameters for every series at once.

One recursion covers all forms, ETS(A, {N,A,Ad}, {N,A}) in the taxonomy of Hyndman & Athanasopoulos, Forecasting:
Principles and Practice (3rd ed.), section 8.5, in error-correction form:

    base_t = l_{t-1} + phi b_{t-1}
    e_t    = y_t - (base_t + s_{t-m})
    l_t    = base_t + alpha e_t
    b_t    = phi b_{t-1} + beta e_t
    s_t    = s_{t-m} + gamma e_t

No trend is phi = beta = 0; no season is gamma = 0 with a season that starts at 0. An unobserved day moves the states
by their own prediction (e_t = 0). Days before the first observed one do not count.

The search over the grid is the hot loop of forecasting, so it has two backends behind `grid_sse`: numba on the CPU
(one series at a time, the grid in vector registers and L1; about thirteen times the torch loop) and torch elsewhere.
Both do the same operations in the same order, and a test holds them equal to the last bit.
"""

from __future__ import annotations

from dataclasses import dataclass

import numba
import numpy as np
import torch

from udfs.forecasting.masked import first_observed


@dataclass(frozen=True, slots=True)
class SmoothingParams:
    """R x G parameter points: R = 1 shares one grid among all series, R = S gives each series its own.

    alpha, beta, gamma and phi are as in the recursion (beta and gamma not divided by alpha or 1 - alpha);
    `seasonal` is 1.0 where the point starts from the seasonal profile and 0.0 where it has no season.
    """

    alpha_RG: torch.Tensor
    beta_RG: torch.Tensor
    gamma_RG: torch.Tensor
    phi_RG: torch.Tensor
    seasonal_RG: torch.Tensor

    def tensors(self) -> tuple[torch.Tensor, ...]:
        return (self.alpha_RG, self.beta_RG, self.gamma_RG, self.phi_RG, self.seasonal_RG)

    def to(self, device: torch.device) -> SmoothingParams:
        return SmoothingParams(*(p.to(device) for p in self.tensors()))

    def take(self, index_S: torch.Tensor) -> SmoothingParams:
        """(S, 1) points: for each series the one at its index along G."""
        at_S1 = index_S[:, None]
        return SmoothingParams(*(p.expand(len(index_S), -1).gather(1, at_S1) for p in self.tensors()))


@dataclass(frozen=True, slots=True)
class States:
    """Level (S,), trend (S,) and season (M, S). Season phases count from the day after the last one of the batch, so
    phase 0 is the first day of the horizon, whatever T is."""

    level_S: torch.Tensor
    trend_S: torch.Tensor
    season_MS: torch.Tensor


def grid_sse(
    y_TS: torch.Tensor, mask_TS: torch.Tensor, initial: States, params: SmoothingParams, backend: str | None = None
) -> torch.Tensor:
    """(S, G) sum of squared one-step errors of every series at every parameter point.

    Args:
        y_TS, mask_TS: demand and its mask, time-major.
        initial: states on the eve of each series' first observed day.
        params: R x G points with R = 1 or S.
        backend: "numba" or "torch"; None takes numba on the CPU and torch on any other device.
    """
    backend = backend or ("numba" if y_TS.device.type == "cpu" else "torch")
    if backend == "torch":
        return _grid_sse_torch(y_TS, mask_TS, initial, params)
    sse_SG = np.empty((y_TS.shape[1], params.alpha_RG.shape[1]))
    _grid_sse_numba(  # type: ignore[call-arg]
        y_TS.t().contiguous().numpy(),
        mask_TS.t().contiguous().numpy(),
        first_observed(mask_TS).numpy(),
        initial.level_S.numpy(),
        initial.trend_S.numpy(),
        initial.season_MS.t().contiguous().numpy(),
        *(p.contiguous().numpy() for p in params.tensors()),
        sse_SG,
    )
    return torch.from_numpy(sse_SG)


def filter_errors(
    y_TS: torch.Tensor, mask_TS: torch.Tensor, initial: States, params: SmoothingParams
) -> tuple[torch.Tensor, States]:
    """Run the recursion at one point per series (params of S x 1).

    Returns:
        error_TS: one-step errors, 0 on unobserved days.
        states: as they stand after the last day.
    """
    alpha_S, beta_S, gamma_S, phi_S, seasonal_S = (p[:, 0].contiguous() for p in params.tensors())
    level_S, trend_S = initial.level_S.clone(), initial.trend_S.clone()
    season_MS = initial.season_MS * seasonal_S
    n_time, n_season = len(y_TS), len(season_MS)
    first_S = first_observed(mask_TS)
    error_TS = torch.zeros_like(y_TS)
    for t in range(n_time):
        phase = (t - n_time) % n_season
        damped_S = phi_S * trend_S
        base_S = level_S + damped_S
        error_S = torch.where(mask_TS[t], y_TS[t] - (base_S + season_MS[phase]), 0.0)
        error_TS[t] = error_S
        started_S = first_S <= t
        level_S = torch.where(started_S, base_S + alpha_S * error_S, level_S)
        trend_S = torch.where(started_S, damped_S + beta_S * error_S, trend_S)
        season_MS[phase] += gamma_S * error_S
    return error_TS, States(level_S, trend_S, season_MS)


def _grid_sse_torch(
    y_TS: torch.Tensor, mask_TS: torch.Tensor, initial: States, params: SmoothingParams
) -> torch.Tensor:
    alpha_RG, beta_RG, gamma_RG, phi_RG, seasonal_RG = params.tensors()
    n_time = len(y_TS)
    n_season, n_grid = len(initial.season_MS), alpha_RG.shape[1]
    level_SG = initial.level_S[:, None].repeat(1, n_grid)
    trend_SG = initial.trend_S[:, None].repeat(1, n_grid)
    season_MSG = initial.season_MS[:, :, None] * seasonal_RG
    sse_SG = torch.zeros_like(level_SG)
    first_S = first_observed(mask_TS)
    for t in range(n_time):
        season_SG = season_MSG[(t - n_time) % n_season]
        damped_SG = phi_RG * trend_SG
        base_SG = level_SG + damped_SG
        error_SG = torch.where(mask_TS[t][:, None], y_TS[t][:, None] - (base_SG + season_SG), 0.0)
        started_S1 = (first_S <= t)[:, None]
        level_SG = torch.where(started_S1, base_SG + alpha_RG * error_SG, level_SG)
        trend_SG = torch.where(started_S1, damped_SG + beta_RG * error_SG, trend_SG)
        season_SG += gamma_RG * error_SG
        sse_SG += error_SG * error_SG
    return sse_SG


@numba.njit(cache=True, nogil=True, error_model="numpy")
def _grid_sse_numba(  # type: ignore[no-untyped-def]
    y_ST, mask_ST, first_S, level_S, trend_S, season_SM, alpha_RG, beta_RG, gamma_RG, phi_RG, seasonal_RG, sse_SG
) -> None:
    n_series, n_time = y_ST.shape
    n_season = season_SM.shape[1]
    shared = alpha_RG.shape[0] == 1
    n_grid = alpha_RG.shape[1]
    level_G, trend_G = np.empty(n_grid), np.empty(n_grid)
    season_MG = np.empty((n_season, n_grid))
    for s in range(n_series):
        r = 0 if shared else s
        alpha_G, beta_G, gamma_G, phi_G = alpha_RG[r], beta_RG[r], gamma_RG[r], phi_RG[r]
        sse_G = sse_SG[s]
        level_G[:] = level_S[s]
        trend_G[:] = trend_S[s]
        sse_G[:] = 0.0
        for m in range(n_season):
            for g in range(n_grid):
                season_MG[m, g] = season_SM[s, m] * seasonal_RG[r, g]
        for t in range(first_S[s], n_time):
            season_G = season_MG[(t - n_time) % n_season]
            if not mask_ST[s, t]:
                for g in range(n_grid):
                    damped = phi_G[g] * trend_G[g]
                    level_G[g] = level_G[g] + damped
                    trend_G[g] = damped
                continue
            y = y_ST[s, t]
            for g in range(n_grid):
                damped = phi_G[g] * trend_G[g]
                base = level_G[g] + damped
                error = y - (base + season_G[g])
                level_G[g] = base + alpha_G[g] * error
                trend_G[g] = damped + beta_G[g] * error
                season_G[g] += gamma_G[g] * error
                sse_G[g] += error * error
