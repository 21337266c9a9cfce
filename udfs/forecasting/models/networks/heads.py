"""What a network's outputs mean: the parameters of a distribution of demand, its loss, mean, spread and quantiles.

Outputs are raw_BHP, P numbers per step, in the scale of their series.
"""

from __future__ import annotations

from statistics import NormalDist
from typing import Protocol

import numpy as np
import torch
from scipy import stats
from torch.nn import functional as F

from udfs.forecasting.models.networks.network_spec import NetworkSpec
from udfs.forecasting.quantile_levels import at_levels

_LOG_BOUND = 10.0
"""The logarithm of a scaled mean stays within this, so that a wild step of training cannot overflow."""


class Head(Protocol):
    """The meaning of P outputs."""

    @property
    def n_outputs(self) -> int: ...

    def loss(self, raw_BHP: torch.Tensor, y_BH: torch.Tensor, scale_B: torch.Tensor) -> torch.Tensor:
        """(B, H) loss of each step."""

    def moments(self, raw_BHP: torch.Tensor, scale_B: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        """(B, H) mean and standard deviation, in units."""

    def quantiles(self, raw_BHP: torch.Tensor, scale_B: torch.Tensor, levels: tuple[float, ...]) -> torch.Tensor:
        """(B, H, Q), in units."""


class NegativeBinomial:
    """Counts with mean mu and variance mu + alpha mu^2 (Salinas et al., 2020, DeepAR, section 3.1)."""

    n_outputs = 2

    def loss(self, raw_BHP: torch.Tensor, y_BH: torch.Tensor, scale_B: torch.Tensor) -> torch.Tensor:
        """Minus the log-likelihood; the binomial coefficient by log-gammas, so y need not be whole."""
        mean_BH, alpha_BH = self._parameters(raw_BHP, scale_B)
        r_BH = 1.0 / alpha_BH
        log_total_BH = torch.log(r_BH + mean_BH)
        likelihood_BH = (
            torch.lgamma(y_BH + r_BH)
            - torch.lgamma(r_BH)
            - torch.lgamma(y_BH + 1.0)
            + r_BH * (r_BH.log() - log_total_BH)
            + y_BH * (mean_BH.log() - log_total_BH)
        )
        return -likelihood_BH

    def moments(self, raw_BHP: torch.Tensor, scale_B: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        mean_BH, alpha_BH = self._parameters(raw_BHP, scale_B)
        return mean_BH, (mean_BH + alpha_BH * mean_BH**2).sqrt()

    def quantiles(self, raw_BHP: torch.Tensor, scale_B: torch.Tensor, levels: tuple[float, ...]) -> torch.Tensor:
        mean_BH, alpha_BH = (x.double().cpu().numpy() for x in self._parameters(raw_BHP, scale_B))
        r_BH = 1.0 / alpha_BH
        count_BHQ = np.stack([stats.nbinom.ppf(level, r_BH, r_BH / (r_BH + mean_BH)) for level in levels], 2)
        return torch.from_numpy(count_BHQ).to(raw_BHP.device)

    def _parameters(self, raw_BHP: torch.Tensor, scale_B: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        mean_BH = raw_BHP[..., 0].clamp(-_LOG_BOUND, _LOG_BOUND).exp() * scale_B[:, None]
        return mean_BH, F.softplus(raw_BHP[..., 1]) + 1e-3


class Quantile:
    """The mean and the quantiles at trained levels, without a distribution between them.

    The mean is trained by the Poisson deviance, which is consistent for it; quantiles by pinball loss. Levels that
    were not trained are read between or beyond the trained ones.
    """

    def __init__(self, levels: tuple[float, ...]) -> None:
        self._levels = levels
        self.n_outputs = 1 + len(levels)

    def loss(self, raw_BHP: torch.Tensor, y_BH: torch.Tensor, scale_B: torch.Tensor) -> torch.Tensor:
        z_BH = y_BH / scale_B[:, None]
        log_mean_BH = raw_BHP[..., 0].clamp(-_LOG_BOUND, _LOG_BOUND)
        level_Q = torch.tensor(self._levels, dtype=raw_BHP.dtype, device=raw_BHP.device)
        error_BHQ = z_BH[..., None] - raw_BHP[..., 1:]
        pinball_BH = torch.maximum(level_Q * error_BHQ, (level_Q - 1.0) * error_BHQ).mean(2)
        return 2.0 * pinball_BH + log_mean_BH.exp() - z_BH * log_mean_BH

    def moments(self, raw_BHP: torch.Tensor, scale_B: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        """The standard deviation is that of a normal with the distance of the outermost quantiles."""
        mean_BH = raw_BHP[..., 0].clamp(-_LOG_BOUND, _LOG_BOUND).exp() * scale_B[:, None]
        low, high = self._levels[0], self._levels[-1]
        quantile_BHQ = self.quantiles(raw_BHP, scale_B, self._levels)
        width = NormalDist().inv_cdf(high) - NormalDist().inv_cdf(low)
        if width == 0:  # a single level says nothing of the spread: that of a Poisson count
            return mean_BH, mean_BH.sqrt()
        return mean_BH, (quantile_BHQ[..., -1] - quantile_BHQ[..., 0]) / width

    def quantiles(self, raw_BHP: torch.Tensor, scale_B: torch.Tensor, levels: tuple[float, ...]) -> torch.Tensor:
        quantile_BHQ = (raw_BHP[..., 1:] * scale_B[:, None, None]).clamp(min=0.0).sort(2).values
        return at_levels(quantile_BHQ, self._levels, levels)


def make_head(spec: NetworkSpec) -> Head:
    """The head that the spec names."""
    return NegativeBinomial() if spec.head == "negative_binomial" else Quantile(spec.quantiles)
