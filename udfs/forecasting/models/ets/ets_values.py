"""What the steps of exponential smoothing hand to each other: starts, points, and the end of the recursion."""

from __future__ import annotations

from dataclasses import dataclass, fields

import torch

from udfs.forecasting.models.ets.ets_forms import SEASON, TREND


@dataclass(frozen=True, slots=True)
class Start:
    """What a series starts from, on the eve of its first observed day.

    Attributes:
        level_S: mean of the first four seasons' observed days.
        scale_S: largest deviation from it, 1 where there is none.
        first_S, n_S: first observed day, number of observed days.
        season_SM, ratio_SM: the whole sample's phase means around the seasons' own means, as differences centred on
            0 and as ratios centred on 1 (1 where demand is not positive). For a slow gamma they are close to the
            least-squares estimate. Phases count from the day after the last one of the batch, so phase 0 is the first
            day of the horizon, whatever T is.
        may_season_S, is_positive_S: two full seasons seen, every phase twice; and every demand above 0 too.
    """

    level_S: torch.Tensor
    scale_S: torch.Tensor
    first_S: torch.Tensor
    n_S: torch.Tensor
    season_SM: torch.Tensor
    ratio_SM: torch.Tensor
    may_season_S: torch.Tensor
    is_positive_S: torch.Tensor

    def select(self, at_s: torch.Tensor) -> Start:
        """The series at these positions."""
        return Start(*(getattr(self, f.name)[at_s] for f in fields(Start)))


@dataclass(frozen=True, slots=True)
class Point:
    """One parameter point per series: (S,) float32 values and (S,) the form they belong to."""

    alpha_S: torch.Tensor
    beta_S: torch.Tensor
    gamma_S: torch.Tensor
    phi_S: torch.Tensor
    form_S: torch.Tensor

    def stack(self) -> torch.Tensor:
        """(4, S) alpha, beta, gamma, phi."""
        return torch.stack([self.alpha_S, self.beta_S, self.gamma_S, self.phi_S])

    def season_code(self) -> torch.Tensor:
        """(S,) 0 none, 1 additive, 2 multiplicative."""
        return torch.tensor(SEASON, device=self.form_S.device)[self.form_S]

    def kind(self) -> torch.Tensor:
        """(S,) index into `KINDS`."""
        has_trend_F = torch.tensor(TREND, device=self.form_S.device).clamp(max=1)
        return has_trend_F[self.form_S] + 2 * self.season_code().clamp(max=1)


@dataclass(frozen=True, slots=True)
class Smoothed:
    """The end of the recursion: states after the last day, (S, T) errors (0 on unobserved days), (S,) their squares'
    sum."""

    level_S: torch.Tensor
    trend_S: torch.Tensor
    season_SM: torch.Tensor
    error_ST: torch.Tensor
    sse_S: torch.Tensor
