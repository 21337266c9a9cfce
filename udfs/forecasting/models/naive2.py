"""The benchmark of the M4 competition: the last value again, on seasonally adjusted data where there is a season."""

from __future__ import annotations

from dataclasses import dataclass

import torch

from udfs.forecasting.forecaster import Forecast, check_request
from udfs.forecasting.intervals import empirical_quantiles
from udfs.forecasting.masked import sum_of_squares, time_major, time_mean, time_sum
from udfs.forecasting.models.naive import moments
from udfs.series.sku_batch import SkuBatch

SEASON_TEST_Z = 1.645
"""One-sided 95% point of the normal distribution, as in the competition's own season test."""

MIN_SEASONS = 3
"""Fewer observed seasons than this count as no season."""


@dataclass(frozen=True, slots=True)
class Naive2:
    """Naive on classically, multiplicatively seasonally adjusted data (Makridakis, Spiliotis & Assimakopoulos, 2020).

    A series is seasonal where its autocorrelation at the season's lag exceeds 1.645 / sqrt(n) times the root of
    1 + 2 sum of the squared autocorrelations at shorter lags, and all its seasonal indices are positive; any other is
    forecast by its last observed day. The indices are the mean ratios to a centred moving average (Hyndman &
    Athanasopoulos, 3.4), over the windows in which every day was observed; a phase that never was, as a weekday on
    which the shop is closed, is left out of them and keeps the index 1. The error variance grows by one-step variance
    with each day (ibid., table 5.2).
    """

    season_length: int = 7
    name: str = "naive2"

    def __post_init__(self) -> None:
        if self.season_length < 1:
            raise ValueError(f"expected season_length of at least one day, found {self.season_length}")

    def forecast(self, batch: SkuBatch, horizon: int, quantiles: tuple[float, ...]) -> Forecast:
        """See `Forecaster.forecast`."""
        check_request(horizon, quantiles)
        y_TS, mask_TS = time_major(batch.y_ST), time_major(batch.mask_ST)
        index_MS = seasonal_indices(y_TS, mask_TS, self.season_length)
        error_TS, error_mask_TS, last_S, seen_S = _walk(y_TS, mask_TS, index_MS)
        mean_S, sd_S, _ = moments(y_TS, mask_TS)

        n_errors_S = error_mask_TS.sum(0)
        sse_S = sum_of_squares(error_TS)
        sigma_S = torch.where(n_errors_S > 0, (sse_S / n_errors_S.clamp(min=1)).sqrt(), sd_S)
        step_H = torch.arange(horizon, device=batch.device)
        level_S = torch.where(seen_S, last_S, mean_S)
        mean_SH = (level_S * index_MS[step_H % self.season_length]).t().contiguous()
        sd_SH = sigma_S[:, None] * (step_H + 1).to(sigma_S.dtype).sqrt()
        is_seasonal_S = (index_MS != 1.0).any(0)
        return Forecast(
            mean_SH.clamp(min=0.0),
            sd_SH,
            empirical_quantiles(mean_SH, sd_SH, error_TS, error_mask_TS, quantiles),
            sse_S,
            n_errors_S,
            is_seasonal_S * self.season_length,
            sigma_S,
        )


def seasonal_indices(y_TS: torch.Tensor, mask_TS: torch.Tensor, season_length: int) -> torch.Tensor:
    """(M, S) multiplicative indices of mean 1; exactly 1 where a series is not seasonal.

    Phase 0 is the step after the last row.
    """
    n_time, n_series = y_TS.shape
    ones_MS = y_TS.new_ones((season_length, n_series))
    if season_length == 1 or n_time < MIN_SEASONS * season_length:
        return ones_MS
    trend_TS, known_TS = _centred_average(y_TS, mask_TS, season_length)
    usable_TS = known_TS & (trend_TS > 0)
    ratio_TS = torch.where(usable_TS, y_TS / torch.where(usable_TS, trend_TS, 1.0), 0.0)
    pad = -n_time % season_length
    ratio_WMS, usable_WMS = (
        torch.nn.functional.pad(x_TS, (0, 0, pad, 0)).unflatten(0, (-1, season_length))
        for x_TS in (ratio_TS, usable_TS)
    )
    index_MS, count_MS = time_mean(ratio_WMS, usable_WMS)
    open_MS = _phases_seen(mask_TS, season_length)
    index_MS = torch.where(open_MS, index_MS / (time_sum(index_MS) / open_MS.sum(0).clamp(min=1)), 1.0)
    is_valid_S = ((count_MS > 0) | ~open_MS).all(0) & (index_MS > 0).all(0) & (open_MS.sum(0) >= 2)
    return torch.where(is_valid_S & _has_season(y_TS, mask_TS, season_length), index_MS, ones_MS)


def _phases_seen(mask_TS: torch.Tensor, season_length: int) -> torch.Tensor:
    """(M, S) whether a day of each phase was ever observed."""
    pad = -len(mask_TS) % season_length
    return torch.nn.functional.pad(mask_TS, (0, 0, pad, 0)).unflatten(0, (-1, season_length)).any(0)


def _centred_average(
    y_TS: torch.Tensor, mask_TS: torch.Tensor, season_length: int
) -> tuple[torch.Tensor, torch.Tensor]:
    """Centred moving average over one season, its ends at half weight where the season is even, and where it is known.

    The shifts are added one by one, so that padding before a series cannot change a bit of it.
    """
    half = season_length // 2
    n_time = len(y_TS)
    phase_T = (torch.arange(n_time, device=y_TS.device) - n_time) % season_length
    open_TS = _phases_seen(mask_TS, season_length)[phase_T]
    total_TS, weight_TS, known_TS = torch.zeros_like(y_TS), torch.zeros_like(y_TS), mask_TS.clone()
    for shift in range(-half, half + 1):
        weight = 0.5 if season_length % 2 == 0 and abs(shift) == half else 1.0
        source = torch.arange(n_time, device=y_TS.device) + shift
        inside_T1 = ((source >= 0) & (source < n_time))[:, None]
        source = source.clamp(0, n_time - 1)
        total_TS += weight * y_TS[source]
        weight_TS += weight * open_TS[source]
        known_TS &= inside_T1 & (mask_TS | ~open_TS)[source]
    return total_TS / weight_TS.clamp(min=1.0), known_TS


def _has_season(y_TS: torch.Tensor, mask_TS: torch.Tensor, season_length: int) -> torch.Tensor:
    """(S,) the competition's season test; a pair with an unobserved day adds nothing to an autocovariance."""
    mean_S, n_S = time_mean(y_TS, mask_TS)
    centred_TS = torch.where(mask_TS, y_TS - mean_S, 0.0)
    variance_S = time_sum(centred_TS * centred_TS)
    is_flat_S = variance_S <= 0
    variance_S = torch.where(is_flat_S, 1.0, variance_S)
    spread_S = torch.ones_like(mean_S)
    correlation_S = torch.zeros_like(mean_S)
    for lag in range(1, season_length + 1):
        correlation_S = time_sum(centred_TS[lag:] * centred_TS[:-lag]) / variance_S
        if lag < season_length:
            spread_S = spread_S + 2.0 * correlation_S * correlation_S
    limit_S = SEASON_TEST_Z * (spread_S / n_S.clamp(min=1)).sqrt()
    return (correlation_S.abs() > limit_S) & ~is_flat_S & (n_S >= MIN_SEASONS * season_length)


def _walk(
    y_TS: torch.Tensor, mask_TS: torch.Tensor, index_MS: torch.Tensor
) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor, torch.Tensor]:
    """One-step errors and their mask (T, S), the last seasonally adjusted day and whether there is one (S,)."""
    n_time = len(y_TS)
    last_S = torch.zeros_like(y_TS[0])
    seen_S = torch.zeros_like(mask_TS[0])
    error_TS, error_mask_TS = torch.zeros_like(y_TS), torch.zeros_like(mask_TS)
    for t in range(n_time):
        index_S = index_MS[(t - n_time) % len(index_MS)]
        error_mask_TS[t] = mask_TS[t] & seen_S
        error_TS[t] = torch.where(error_mask_TS[t], y_TS[t] - last_S * index_S, 0.0)
        last_S = torch.where(mask_TS[t], y_TS[t] / index_S, last_S)
        seen_S = seen_S | mask_TS[t]
    return error_TS, error_mask_TS, last_S, seen_S
