"""From a mean and its errors to quantiles of demand."""

from __future__ import annotations

from functools import partial
from statistics import NormalDist

import numpy as np
import torch

from udfs.forecasting import quantile_kernel
from udfs.forecasting.masked import power
from udfs.forecasting.quantile_kernel import MIN_ERRORS, MIN_EXCESS, MIN_MEAN
from udfs.series.series_threads import over_series

MAX_COUNT_MEAN = 20.0
"""Above this mean a count distribution and a continuous one hardly differ, and its table would grow long."""


def empirical_quantiles(
    mean_SH: torch.Tensor,
    sd_SH: torch.Tensor,
    error_TS: torch.Tensor,
    mask_TS: torch.Tensor,
    quantiles: tuple[float, ...],
) -> torch.Tensor:
    """(S, H, Q) mean plus the quantile of the in-sample errors, widened as sd_SH grows with the horizon.

    The quantile is taken from sorted errors with linear interpolation (type 7 of Hyndman & Fan, 1996). Series with
    fewer than `MIN_ERRORS` errors use the normal distribution with sd_SH. Results are clipped at 0.

    Args:
        mean_SH, sd_SH: expected demand (not yet clipped) and error standard deviation per day of the horizon.
        error_TS, mask_TS: one-step in-sample errors, time-major, and where they exist.
        quantiles: increasing levels in (0, 1).
    """
    scores = [NormalDist().inv_cdf(level) for level in quantiles]
    if mean_SH.device.type == "cpu":
        filled_SHQ = np.empty((*mean_SH.shape, len(quantiles)))
        mean, sd, error, mask = (x.contiguous().numpy() for x in (mean_SH, sd_SH, error_TS.t(), mask_TS.t()))
        levels = (np.array(quantiles), np.array(scores))
        over_series(partial(_fill_empirical, mean, sd, error, mask, *levels, filled_SHQ), len(mean))
        return torch.from_numpy(filled_SHQ)
    n_S = mask_TS.sum(0)
    error_SQ = error_quantiles(error_TS.t(), mask_TS.t(), quantiles)
    growth_SH = sd_SH / torch.where(sd_SH[:, :1] > 0, sd_SH[:, :1], 1.0)
    empirical_SHQ = growth_SH[:, :, None] * error_SQ[:, None, :]
    has_few_S = n_S < MIN_ERRORS
    if bool(has_few_S.any()):
        normal_Q = torch.tensor(scores, dtype=mean_SH.dtype, device=mean_SH.device)
        empirical_SHQ[has_few_S] = sd_SH[has_few_S][:, :, None] * normal_Q
    return empirical_SHQ.add_(mean_SH[:, :, None]).clamp_(min=0.0)


def _fill_empirical(
    mean_SH: np.ndarray,
    sd_SH: np.ndarray,
    error_ST: np.ndarray,
    mask_ST: np.ndarray,
    level_Q: np.ndarray,
    normal_Q: np.ndarray,
    quantile_SHQ: np.ndarray,
    lo: int,
    hi: int,
) -> None:
    error_BQ = np.empty((quantile_kernel.BLOCK, len(level_Q)))
    for a, b, sorted_BT, n_B in quantile_kernel.sorted_blocks(error_ST, mask_ST, lo, hi):
        quantile_kernel.order_quantiles(sorted_BT, n_B, level_Q, error_BQ[: b - a])
        quantile_kernel.spread_errors(mean_SH[a:b], sd_SH[a:b], n_B, error_BQ, normal_Q, quantile_SHQ[a:b])


def _fill_order(
    error_ST: np.ndarray, mask_ST: np.ndarray, level_Q: np.ndarray, error_SQ: np.ndarray, lo: int, hi: int
) -> None:
    for a, b, sorted_BT, n_B in quantile_kernel.sorted_blocks(error_ST, mask_ST, lo, hi):
        quantile_kernel.order_quantiles(sorted_BT, n_B, level_Q, error_SQ[a:b])


def error_quantiles(
    error_ST: torch.Tensor, mask_ST: torch.Tensor, quantiles: tuple[float, ...], backend: str | None = None
) -> torch.Tensor:
    """(S, Q) quantiles of each series' observed errors, linear between order statistics; NaN where there is none.

    Args:
        error_ST, mask_ST: errors and where they exist.
        quantiles: levels in (0, 1).
        backend: "numba" or "torch"; None takes numba on the CPU and torch on any other device.
    """
    if (backend or ("numba" if error_ST.device.type == "cpu" else "torch")) == "numba":
        error_SQ = np.empty((len(error_ST), len(quantiles)))
        level_Q = np.array(quantiles)
        error, mask = error_ST.contiguous().numpy(), mask_ST.contiguous().numpy()
        over_series(partial(_fill_order, error, mask, level_Q, error_SQ), len(error))
        return torch.from_numpy(error_SQ)
    n_S = mask_ST.sum(1)
    sorted_ST = torch.where(mask_ST, error_ST, torch.inf).sort(1).values
    per_level = []
    for level in quantiles:
        rank_S = level * (n_S - 1).clamp(min=0).to(error_ST.dtype)
        low_S = rank_S.floor().long()
        high_S = torch.minimum(low_S + 1, (n_S - 1).clamp(min=0))
        low, high = (sorted_ST.gather(1, k[:, None])[:, 0] for k in (low_S, high_S))
        per_level.append(low + (high - low) * (rank_S - low_S))
    return torch.where((n_S > 0)[:, None], torch.stack(per_level, dim=1), torch.nan)


def count_quantiles(
    mean: torch.Tensor, sd: torch.Tensor, quantiles: tuple[float, ...], backend: str | None = None
) -> torch.Tensor:
    """(..., Q) quantiles of a negative binomial with this mean and variance, Poisson where the variance does not
    exceed the mean: the smallest count k with P(D <= k) >= level.

    With r = mean^2 / (variance - mean) and p = r / (r + mean), P(0) = p^r and
    P(k + 1) = P(k) (k + r) / (k + 1) (1 - p); Johnson, Kemp & Kotz, Univariate Discrete Distributions, section 5.1.

    Why counts: on 12,196 daily series of the M5 (28 days from 2016-02-01), scaled pinball loss over eight levels was
    .4434 for intermittent and .2609 for lumpy items with the negative binomial, .4487 and .2644 with empirical
    errors, .4616 and .2687 with the normal; for smooth items the empirical errors were level with the normal (.2118
    after exponential smoothing, against .2124 with the negative binomial) and better for erratic ones.

    Args:
        mean, sd: of one shape (...), in units; means of at most about `MAX_COUNT_MEAN`, for the table grows with them.
        quantiles: increasing levels in (0, 1).
        backend: "numba" or "torch"; None takes numba on the CPU and torch on any other device.
    """
    if (backend or ("numba" if mean.device.type == "cpu" else "torch")) == "numba":
        mean_X, sd_X = mean.contiguous().numpy().ravel(), sd.contiguous().numpy().ravel()
        filled_XQ, levels = np.empty((len(mean_X), len(quantiles))), np.array(quantiles)
        arguments = (mean_X, sd_X, levels, filled_XQ)
        over_series(lambda lo, hi: quantile_kernel.count_quantiles(*arguments, lo, hi), len(mean_X))
        return torch.from_numpy(filled_XQ).reshape(*mean.shape, len(quantiles))
    mean = mean.clamp(min=MIN_MEAN)
    excess = torch.maximum(sd * sd - mean, MIN_EXCESS * mean)
    r = mean * mean / excess
    p = r / (r + mean)
    mass = power(p, r)
    below = mass.clone()
    count_XQ = torch.zeros((*mean.shape, len(quantiles)), dtype=mean.dtype, device=mean.device)
    level_Q = torch.tensor(quantiles, dtype=mean.dtype, device=mean.device)
    # Markov: P(D >= k) <= mean / k, so no quantile lies beyond this.
    limit = int(float(mean.max()) / (1.0 - quantiles[-1])) + 1 if mean.numel() else 0
    for k in range(limit):
        short_XQ = below[..., None] < level_Q
        if not bool(short_XQ.any()):
            break
        count_XQ += short_XQ
        mass = mass * (k + r) / (k + 1) * (1.0 - p)
        below = below + mass
    return count_XQ
