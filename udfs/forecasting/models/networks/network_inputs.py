"""From a window of raw demand, covariates and traits to what a block reads.

Dimensions as in `windows`, and F features of a step, A features of a series.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import torch
from torch import nn

from udfs.forecasting.models.networks.network_spec import NetworkSpec
from udfs.forecasting.models.networks.windows import NetworkSeries, Window

_MAX_SERIES_TO_MEASURE = 2000
_CONSTANT = 1e-6


class Features(NamedTuple):
    """past_BCF, future_BHF: features of the context's and the horizon's steps. numbers_BA: of the series.
    scale_B: units of one."""

    past_BCF: torch.Tensor
    future_BHF: torch.Tensor
    numbers_BA: torch.Tensor
    scale_B: torch.Tensor


class Inputs(nn.Module):
    """Scales each series by the mean of its observed context and covariates by what training saw of them.

    A covariate that is always positive (a price) enters by its logarithm and by how that differs from its mean over
    the context; any other enters standardised. Missing values become 0, with a flag beside them.
    """

    positive_K: torch.Tensor
    mean_K: torch.Tensor
    sd_K: torch.Tensor
    within_K: torch.Tensor

    def __init__(self, spec: NetworkSpec, n_known: int) -> None:
        super().__init__()
        self._spec = spec
        self.register_buffer("positive_K", torch.zeros(n_known, dtype=torch.bool))
        for name in ("mean_K", "sd_K", "within_K"):
            self.register_buffer(name, torch.ones(n_known))
        n_calendar = 2 * spec.harmonics * len(spec.periods)
        self.n_past = 3 + n_calendar + 3 * n_known
        self.n_future = 3 + n_calendar + 3 * n_known
        self.n_numbers = 5

    def measure(self, series: NetworkSeries) -> None:
        """Take the covariates' moments from the series that training reads."""
        rows = np.unique(np.linspace(0, len(series) - 1, _MAX_SERIES_TO_MEASURE).astype(int))
        for k in range(len(series.known_names)):
            x_SX = np.asarray(series.known_SXK[rows, :, k], dtype=np.float64)
            seen_SX = np.isfinite(x_SX)
            n = max(int(seen_SX.sum()), 1)
            positive = bool(seen_SX.any()) and float(x_SX[seen_SX].min()) > 0
            if positive:
                x_SX = np.log(np.where(seen_SX, x_SX, 1.0))
            x_SX = np.where(seen_SX, x_SX, 0.0)
            mean = x_SX.sum() / n
            own_S1 = x_SX.sum(1, keepdims=True) / seen_SX.sum(1, keepdims=True).clip(min=1)
            self.positive_K[k] = positive
            self.mean_K[k] = mean
            self.sd_K[k] = _spread(((x_SX - mean) ** 2)[seen_SX].sum() / n)
            self.within_K[k] = _spread(((x_SX - own_S1) ** 2)[seen_SX].sum() / n)

    def forward(self, window: Window) -> Features:
        n_past = self._spec.context
        y_BC, mask_BC = window.y_BL[:, :n_past], window.mask_BL[:, :n_past].to(window.y_BL.dtype)
        n_B = mask_BC.sum(1)
        mean_B = (y_BC * mask_BC).sum(1) / n_B.clamp(min=1)
        scale_B = torch.where(mean_B > 0, mean_B, 1.0)
        z_BC = y_BC * mask_BC / scale_B[:, None]
        shared_BLF = torch.cat([self._calendar(window), self._covariates(window)], 2)
        past_BCF = torch.cat([torch.stack([z_BC.log1p(), mask_BC, _sold(z_BC)], 2), shared_BLF[:, :n_past]], 2)

        horizon = window.y_BL.shape[1] - n_past
        profile_BH3 = self._profile(z_BC, mask_BC, horizon)
        numbers_BA = torch.stack(
            [
                scale_B.log(),
                n_B / n_past,
                ((z_BC == 0) * mask_BC).sum(1) / n_B.clamp(min=1),
                *(_recent(z_BC, mask_BC, k * self._spec.season_length) for k in (1, 4)),
            ],
            1,
        )
        return Features(past_BCF, torch.cat([profile_BH3, shared_BLF[:, n_past:]], 2), numbers_BA, scale_B)

    def _calendar(self, window: Window) -> torch.Tensor:
        """(B, L, .) Fourier terms of each step's running number."""
        n_steps = window.y_BL.shape[1]
        offset_L = torch.arange(n_steps, device=window.day_B.device) - (self._spec.context - 1)
        day_BL = (window.day_B[:, None] + offset_L).to(torch.float64)
        terms = []
        for period in self._spec.periods:
            for k in range(1, self._spec.harmonics + 1):
                # The remainder first: sines of large numbers lose digits.
                angle_BL = 2 * torch.pi * k * torch.remainder(day_BL, period) / period
                terms += [angle_BL.sin(), angle_BL.cos()]
        return torch.stack(terms, 2).to(window.y_BL.dtype)

    def _covariates(self, window: Window) -> torch.Tensor:
        """(B, L, 3 K) standardised value, difference from the context's mean, and whether it is known."""
        x_BLK = window.known_BLK
        seen_BLK = x_BLK.isfinite()
        logged_BLK = torch.where(seen_BLK & (x_BLK > 0), x_BLK, 1.0).log()
        x_BLK = torch.where(self.positive_K, logged_BLK, torch.where(seen_BLK, x_BLK, 0.0))
        seen_BLK = seen_BLK & (~self.positive_K | (window.known_BLK > 0))
        in_context_BCK = seen_BLK[:, : self._spec.context]
        own_BK = (x_BLK[:, : self._spec.context] * in_context_BCK).sum(1) / in_context_BCK.sum(1).clamp(min=1)
        known_BLK = seen_BLK & in_context_BCK.any(1)[:, None]
        level_BLK = torch.where(seen_BLK, (x_BLK - self.mean_K) / self.sd_K, 0.0)
        shift_BLK = torch.where(known_BLK & self.positive_K, (x_BLK - own_BK[:, None]) / self.within_K, 0.0)
        return torch.cat([level_BLK.clamp(-5, 5), shift_BLK.clamp(-5, 5), seen_BLK.to(level_BLK.dtype)], 2)

    def _profile(self, z_BC: torch.Tensor, mask_BC: torch.Tensor, horizon: int) -> torch.Tensor:
        """(B, H, 3) mean and last value of the context at the same phase of the season, and how far ahead it is."""
        season = self._spec.season_length
        whole = z_BC.shape[1] // season * season
        z_BWM = z_BC[:, -whole:].unflatten(1, (-1, season))
        mask_BWM = mask_BC[:, -whole:].unflatten(1, (-1, season))
        mean_BM = z_BWM.sum(1) / mask_BWM.sum(1).clamp(min=1)
        repeats = -(-horizon // season)
        ahead_H = torch.arange(1, horizon + 1, device=z_BC.device, dtype=z_BC.dtype) / self._spec.horizon
        return torch.stack(
            [
                mean_BM.repeat(1, repeats)[:, :horizon].log1p(),
                z_BWM[:, -1].repeat(1, repeats)[:, :horizon].log1p(),
                ahead_H.expand(len(z_BC), horizon),
            ],
            2,
        )


def _spread(variance: float) -> float:
    """Standard deviation, 1 for a constant."""
    return float(np.sqrt(variance)) if variance > _CONSTANT**2 else 1.0


def _recent(z_BC: torch.Tensor, mask_BC: torch.Tensor, n_steps: int) -> torch.Tensor:
    """(B,) log of one plus the mean of the last `n_steps` observed steps."""
    return (z_BC[:, -n_steps:].sum(1) / mask_BC[:, -n_steps:].sum(1).clamp(min=1)).log1p()


def _sold(z_BC: torch.Tensor) -> torch.Tensor:
    """(B, C) whether something was sold: the pattern of intermittent demand, apart from its size."""
    return (z_BC > 0).to(z_BC.dtype)
