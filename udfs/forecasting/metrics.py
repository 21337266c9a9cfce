"""Accuracy of forecasts over the observed days of the horizon.

The functions that score series take actual_SH and mask_SH (True where the actual is known) and give (S,) values, NaN
where a series has no observed day or no scale. The functions that pool series (`pooled_wql`, `owa`, `wrmsse`, `wspl`)
give one number, and leave such series out. Definitions follow Hyndman & Athanasopoulos, sections 5.8 and 5.9, and the
M4 and M5 competitions (Makridakis, Spiliotis & Assimakopoulos, 2020 and 2022).

Where a scale or a sum of actuals is 0, utilsforecast gives infinity, NaN or a huge number, depending on the metric;
here it is always NaN.
"""

from __future__ import annotations

import torch

from udfs.series.sku_batch import SkuBatch


def difference_scale(batch: SkuBatch, power: int, lag: int = 1) -> torch.Tensor:
    """(S,) mean |y_t - y_{t-lag}|^power over pairs of observed days: 2 scales RMSSE, 1 scales MASE and pinball loss.

    NaN where there is no pair or where all differences are 0.

    Raises:
        ValueError: lag below 1, or power neither 1 nor 2.
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


def mase(actual_SH: torch.Tensor, mean_SH: torch.Tensor, mask_SH: torch.Tensor, scale_S: torch.Tensor) -> torch.Tensor:
    """Mean absolute scaled error; scale_S is `difference_scale(batch, power=1, lag=season_length)`."""
    return _mean((actual_SH - mean_SH).abs(), mask_SH) / scale_S


def smape(actual_SH: torch.Tensor, mean_SH: torch.Tensor, mask_SH: torch.Tensor) -> torch.Tensor:
    """Mean of 2 |y - f| / (|y| + |f|), from 0 to 2, as the M4 competition defines it (published there in percent).

    A day on which both are 0 counts as 0. utilsforecast leaves the factor 2 out.
    """
    size_SH = actual_SH.abs() + mean_SH.abs()
    error_SH = 2.0 * (actual_SH - mean_SH).abs()
    return _mean(torch.where(size_SH > 0, error_SH / size_SH, 0.0), mask_SH)


def owa(
    smape_S: torch.Tensor, mase_S: torch.Tensor, benchmark_smape_S: torch.Tensor, benchmark_mase_S: torch.Tensor
) -> torch.Tensor:
    """Overall weighted average of the M4 competition: the mean of sMAPE and MASE, each averaged over the series and
    divided by that of the benchmark, which in M4 is `Naive2`.

    Means first, then ratios, over the series in which both have a score; NaN where there is none.
    """
    ratios = []
    for score_S, benchmark_S in ((smape_S, benchmark_smape_S), (mase_S, benchmark_mase_S)):
        both_S = score_S.isfinite() & benchmark_S.isfinite()
        ratios.append(score_S[both_S].mean() / benchmark_S[both_S].mean())
    return (ratios[0] + ratios[1]) / 2.0


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
    loss_SHQ = _pinball(actual_SH, quantile_SHQ, quantiles)
    return torch.stack([_mean(loss_SH, mask_SH) / scale_S for loss_SH in loss_SHQ.unbind(-1)], dim=1)


def wql(
    actual_SH: torch.Tensor, quantile_SHQ: torch.Tensor, quantiles: tuple[float, ...], mask_SH: torch.Tensor
) -> torch.Tensor:
    """(S,) weighted quantile loss: twice the summed pinball loss over the summed actuals, averaged over the levels.

    NaN where nothing was sold. With levels evenly spread it approximates the CRPS over the mean actual
    (utilsforecast: `scaled_crps`).
    """
    loss_S, total_S = _quantile_sums(actual_SH, quantile_SHQ, quantiles, mask_SH)
    return torch.where(total_S > 0, loss_S / total_S, torch.nan)


def pooled_wql(
    actual_SH: torch.Tensor, quantile_SHQ: torch.Tensor, quantiles: tuple[float, ...], mask_SH: torch.Tensor
) -> torch.Tensor:
    """Weighted quantile loss of all series together, as published tables state it (GluonTS: mean_wQuantileLoss).

    Losses and actuals are summed over all series before dividing, so series that sold nothing count; NaN where no
    series sold anything.
    """
    loss_S, total_S = _quantile_sums(actual_SH, quantile_SHQ, quantiles, mask_SH)
    total = total_S.sum()
    return torch.where(total > 0, loss_S.sum() / total, torch.nan)


def wrmsse(rmsse_N: torch.Tensor, weight_N: torch.Tensor, level_N: torch.Tensor | None = None) -> torch.Tensor:
    """Weighted RMSSE of the M5 competition: weighted mean within each level, then the plain mean of the levels.

    Args:
        rmsse_N: `rmsse` of the N nodes of all levels, each against its own history.
        weight_N: weights, at least 0, of any unit: revenue of the last 28 days in M5.
        level_N: which level a node belongs to, as whole numbers; None where all are of one level.

    Nodes without a score are left out and the weights of the others of their level grow by as much; so is a level
    without a weight. NaN where nothing is left.

    Raises:
        ValueError: lengths that differ, or a negative weight.
    """
    return _over_levels(rmsse_N, weight_N, level_N)


def wspl(scaled_pinball_NQ: torch.Tensor, weight_N: torch.Tensor, level_N: torch.Tensor | None = None) -> torch.Tensor:
    """Weighted scaled pinball loss of the M5 competition: `scaled_pinball` averaged over the quantile levels, then
    weighted as in `wrmsse`, which says what is left out and what is raised."""
    return _over_levels(scaled_pinball_NQ.mean(1), weight_N, level_N)


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


def _pinball(actual_SH: torch.Tensor, quantile_SHQ: torch.Tensor, quantiles: tuple[float, ...]) -> torch.Tensor:
    level_Q = torch.tensor(quantiles, dtype=actual_SH.dtype, device=actual_SH.device)
    error_SHQ = actual_SH[:, :, None] - quantile_SHQ
    return torch.maximum(level_Q * error_SHQ, (level_Q - 1.0) * error_SHQ)


def _quantile_sums(
    actual_SH: torch.Tensor, quantile_SHQ: torch.Tensor, quantiles: tuple[float, ...], mask_SH: torch.Tensor
) -> tuple[torch.Tensor, torch.Tensor]:
    """(S,) twice the pinball loss, averaged over levels and summed over days; (S,) sum of absolute actuals."""
    loss_SH = 2.0 * _pinball(actual_SH, quantile_SHQ, quantiles).mean(-1)
    return _sum(loss_SH, mask_SH), _sum(actual_SH.abs(), mask_SH)


def _over_levels(score_N: torch.Tensor, weight_N: torch.Tensor, level_N: torch.Tensor | None) -> torch.Tensor:
    level_N = torch.zeros(len(score_N), dtype=torch.int64, device=score_N.device) if level_N is None else level_N
    if not len(score_N) == len(weight_N) == len(level_N):
        raise ValueError(
            f"expected one weight and one level per score, found {len(score_N)} scores, {len(weight_N)} weights and "
            f"{len(level_N)} levels"
        )
    if bool((weight_N < 0).any()):
        raise ValueError(f"expected weights of at least 0, found {float(weight_N.min())}")
    weight_N = torch.where(score_N.isfinite(), weight_N, 0.0).to(score_N.dtype)
    levels, index_N = level_N.unique(return_inverse=True)
    zero_L = score_N.new_zeros(len(levels))
    total_L = zero_L.index_add(0, index_N, weight_N)
    score_L = zero_L.index_add(0, index_N, weight_N * torch.where(score_N.isfinite(), score_N, 0.0))
    return (score_L / total_L)[total_L > 0].mean()
