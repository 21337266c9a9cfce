"""Accuracy of forecasts, one number per series, over the observed days of the horizon.

Every function takes actual_SH and mask_SH (True where the actual is known) and gives (S,) values; NaN where a series
has no observed day or no scale. Definitions follow Hyndman & Athanasopoulos, sections 5.8 and 5.9, and the M5
competition (Makridakis, Spiliotis & Assimakopoulos, 2022).
"""

from __future__ import annotations

import torch

from udfs.sku_batch import SkuBatch


def difference_scale(batch: SkuBatch, power: int, lag: int = 1) -> torch.Tensor:
    """(S,) mean |y_t - y_{t-lag}|^power over pairs of observed days: 2 scales RMSSE, 1 scales pinball loss.

    NaN where there is no pair or where all differences are 0.
    """
    if lag < 1 or power not in (1, 2):
        raise ValueError(f"expected a lag of at least one and power 1 or 2, found lag {lag} and power {power}")
    pair_ST = batch.mask_ST[:, lag:] & batch.mask_ST[:, :-lag]
    difference_ST = (batch.y_ST[:, lag:] - batch.y_ST[:, :-lag]).abs() ** power
    scale_S = _mean(difference_ST, pair_ST)
    return torch.where(scale_S > 0, scale_S, torch.nan)


def rmsse(actual_SH: torch.Tensor, mean_SH: torch.Tensor, mask_SH: torch.Tensor, scale_S: torch.Tensor) -> torch.Tensor:
    """Root mean squared scaled error; scale_S is `difference_scale(batch, power=2)`."""
    return (_mean((actual_SH - mean_SH) ** 2, mask_SH) / scale_S).sqrt()


def wape(actual_SH: torch.Tensor, mean_SH: torch.Tensor, mask_SH: torch.Tensor) -> torch.Tensor:
    """Sum of absolute errors over sum of absolute actuals; NaN where nothing was sold."""
    error_S = _sum((actual_SH - mean_SH).abs(), mask_SH)
    total_S = _sum(actual_SH.abs(), mask_SH)
    return torch.where(total_S > 0, error_S / total_S, torch.nan)


def bias(actual_SH: torch.Tensor, mean_SH: torch.Tensor, mask_SH: torch.Tensor) -> torch.Tensor:
    """Mean of forecast minus actual, in units a day: above zero is over-forecasting."""
    return _mean(mean_SH - actual_SH, mask_SH)


def scaled_pinball(
    actual_SH: torch.Tensor,
    quantile_SHQ: torch.Tensor,
    quantiles: tuple[float, ...],
    mask_SH: torch.Tensor,
    scale_S: torch.Tensor,
) -> torch.Tensor:
    """(S, Q) pinball loss per level over scale_S, which is `difference_scale(batch, power=1)`."""
    level_Q = torch.tensor(quantiles, dtype=actual_SH.dtype, device=actual_SH.device)
    error_SHQ = actual_SH[:, :, None] - quantile_SHQ
    loss_SHQ = torch.maximum(level_Q * error_SHQ, (level_Q - 1.0) * error_SHQ)
    return torch.stack([_mean(loss_SH, mask_SH) / scale_S for loss_SH in loss_SHQ.unbind(-1)], dim=1)


def coverage(
    actual_SH: torch.Tensor, low_SH: torch.Tensor, high_SH: torch.Tensor, mask_SH: torch.Tensor
) -> torch.Tensor:
    """Share of days whose actual lies within [low, high]."""
    inside_SH = (actual_SH >= low_SH) & (actual_SH <= high_SH)
    return _mean(inside_SH.to(actual_SH.dtype), mask_SH)


def _sum(x_SH: torch.Tensor, mask_SH: torch.Tensor) -> torch.Tensor:
    return torch.where(mask_SH, x_SH, 0.0).sum(1)


def _mean(x_SH: torch.Tensor, mask_SH: torch.Tensor) -> torch.Tensor:
    n_S = mask_SH.sum(1)
    return torch.where(n_S > 0, _sum(x_SH, mask_SH) / n_S.clamp(min=1), torch.nan)
