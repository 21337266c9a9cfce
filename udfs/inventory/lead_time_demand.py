"""Demand over the lead time and over the protection interval, from daily forecasts.

A periodic-review order placed now arrives after the lead time L, and the next one not before L + R: the stock
position has to cover the demand of the next L + R days, the protection interval (Snyder & Shen 2019, section 4.3).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from udfs.inventory.demand_distribution import (
    COUNT_MEAN_BELOW,
    BoolArray,
    DemandDistribution,
    DistributionName,
    FloatArray,
)

TAIL_DAYS: Final = 7  # one week, so that each weekday counts once in the days after the horizon


@dataclass(frozen=True, slots=True)
class DailyForecast:
    """Forecasts per day, padded to the longest horizon.

    mean_SH, sd_SH: units per day, float64 [S, H], finite and >= 0; what lies beyond a series' own horizon is not
    read. horizon_S: days forecast per series, int64 [S], 1 <= horizon <= H.
    """

    mean_SH: Tensor
    sd_SH: Tensor
    horizon_S: Tensor

    def __post_init__(self) -> None:
        if self.mean_SH.ndim != 2 or self.mean_SH.shape != self.sd_SH.shape:
            raise ValueError(
                "mean_SH and sd_SH: expected one shape [S, H], "
                f"found {tuple(self.mean_SH.shape)} and {tuple(self.sd_SH.shape)}"
            )
        if self.horizon_S.shape != self.mean_SH.shape[:1]:
            raise ValueError(
                f"horizon_S: expected shape {tuple(self.mean_SH.shape[:1])}, found {tuple(self.horizon_S.shape)}"
            )

    @classmethod
    def from_arrays(cls, mean_SH: FloatArray, sd_SH: FloatArray) -> DailyForecast:
        """Forecasts that all have the full horizon, from float arrays [S, H]."""
        mean = torch.as_tensor(np.ascontiguousarray(mean_SH), dtype=torch.float64)
        sd = torch.as_tensor(np.ascontiguousarray(sd_SH), dtype=torch.float64)
        return cls(mean, sd, torch.full((mean.shape[0],), mean.shape[1], dtype=torch.int64))

    def day(self, t: int, tail_S: tuple[Tensor, Tensor]) -> tuple[Tensor, Tensor]:
        """Mean and standard deviation of day t (0 is the first day), the tail where t is beyond the horizon."""
        tail_mean_S, tail_sd_S = tail_S
        if t >= self.mean_SH.shape[1]:
            return tail_mean_S, tail_sd_S
        inside_S = self.horizon_S > t
        return (
            torch.where(inside_S, self.mean_SH[:, t], tail_mean_S),
            torch.where(inside_S, self.sd_SH[:, t], tail_sd_S),
        )

    def tail(self) -> tuple[Tensor, Tensor]:
        """One day beyond the horizon: mean and root mean variance of the last 7 days of each series, [S] each."""
        total_S = torch.zeros_like(self.mean_SH[:, 0])
        variance_S = torch.zeros_like(total_S)
        for back in range(1, TAIL_DAYS + 1):
            day_S = (self.horizon_S - back).clamp(min=0).unsqueeze(1)
            inside_S = self.horizon_S >= back
            total_S += torch.where(inside_S, self.mean_SH.gather(1, day_S).squeeze(1), 0.0)
            variance_S += torch.where(inside_S, self.sd_SH.gather(1, day_S).squeeze(1).square(), 0.0)
        days_S = self.horizon_S.clamp(max=TAIL_DAYS)
        return total_S / days_S, (variance_S / days_S).sqrt()


@dataclass(frozen=True, slots=True)
class LeadTimeDemand:
    """Demand per series over the lead time (L days) and over the protection interval (L + R days)."""

    lead_time: DemandDistribution
    protection: DemandDistribution
    protection_days_S: NDArray[np.int64]
    is_extrapolated_S: BoolArray

    @property
    def review_mean(self) -> FloatArray:
        """Expected demand of the R days after the lead time, units: what one order cycle serves."""
        return np.maximum(self.protection.mean_S - self.lead_time.mean_S, 0.0)


def interval_moments(forecast: DailyForecast, days_S: Tensor, error_correlation: float = 0.0) -> tuple[Tensor, Tensor]:
    """Mean and variance of the demand over the first days_S days of each series, [S] each.

    The mean is the sum of the daily means. The variance takes the errors of two days i < j to be correlated as
    rho^(j - i), as in a first-order autoregression: var = sum sd_t^2 + 2 sum_{i<j} rho^(j-i) sd_i sd_j. rho = 0,
    independent errors, is the textbook's assumption and its limit: a forecast that is too low for a whole week
    has a wider sum than that, up to the sum of the standard deviations at rho = 1.
    Days beyond the horizon repeat the mean of the last 7 forecast days.

    forecast: [S, H]. days_S: whole days >= 0, int64 [S]. error_correlation: rho in [0, 1], ValueError otherwise.
    """
    if not 0.0 <= error_correlation <= 1.0:
        raise ValueError(f"error_correlation: expected 0 <= rho <= 1, found {error_correlation}")
    mean_S = torch.zeros(days_S.shape, dtype=torch.float64)
    variance_S = torch.zeros_like(mean_S)
    earlier_S = torch.zeros_like(mean_S)  # sum over i < t of rho^(t-i) sd_i
    tail_S = forecast.tail()
    # A loop over days, not series: each step is elementwise, so no series' sum depends on its neighbours.
    for t in range(int(days_S.max()) if days_S.numel() else 0):
        mean_t_S, sd_t_S = forecast.day(t, tail_S)
        counts_S = days_S > t
        mean_S += torch.where(counts_S, mean_t_S, 0.0)
        variance_S += torch.where(counts_S, sd_t_S * sd_t_S + 2.0 * sd_t_S * earlier_S, 0.0)
        earlier_S = error_correlation * (earlier_S + sd_t_S)
    return mean_S, variance_S


def lead_time_demand(
    forecast: DailyForecast,
    lead_time_days_S: FloatArray,
    review_days_S: FloatArray,
    *,
    distribution: DistributionName = "auto",
    error_correlation: float = 0.0,
) -> LeadTimeDemand:
    """Fit demand over lead time and over lead time + review period.

    forecast: daily means and standard deviations [S, H]. lead_time_days_S >= 0 and review_days_S >= 1: whole days,
    [S]. distribution: see `DemandDistribution.fit`; "auto" decides count or not by the protection interval, so that
    both intervals speak the same language. Where L + R exceeds the horizon, `is_extrapolated_S` is true.
    Source of the moments: Snyder & Shen (2019), section 4.3; of the gamma: Burgin (1975).
    """
    lead_S = torch.as_tensor(np.asarray(lead_time_days_S, dtype=np.int64))
    days_S = lead_S + torch.as_tensor(np.asarray(review_days_S, dtype=np.int64))
    lead_mean_S, lead_variance_S = (m.numpy() for m in interval_moments(forecast, lead_S, error_correlation))
    mean_S, variance_S = (m.numpy() for m in interval_moments(forecast, days_S, error_correlation))
    is_count_S = mean_S < COUNT_MEAN_BELOW
    return LeadTimeDemand(
        lead_time=DemandDistribution.fit(lead_mean_S, lead_variance_S, distribution, is_count_S),
        protection=DemandDistribution.fit(mean_S, variance_S, distribution, is_count_S),
        protection_days_S=days_S.numpy(),
        is_extrapolated_S=(days_S > forecast.horizon_S).numpy(),
    )


def days_of_cover(forecast: DailyForecast, position_S: FloatArray) -> FloatArray:
    """Days until the expected demand has used up the stock position, with the part of the last day, [S].

    Zero for a position of zero or less; infinite where no further demand is expected. Beyond the horizon demand
    goes on at the mean of the last 7 forecast days.
    """
    position = torch.as_tensor(np.asarray(position_S, dtype=np.float64)).clamp(min=0.0)
    S, H = forecast.mean_SH.shape
    inside_SH = torch.arange(H).unsqueeze(0) < forecast.horizon_S.unsqueeze(1)
    mean_SH = torch.where(inside_SH, forecast.mean_SH, 0.0)
    used_SH = torch.cat([torch.zeros(S, 1, dtype=torch.float64), mean_SH.cumsum(1)], dim=1)
    full_days_S = ((used_SH[:, 1:] <= position.unsqueeze(1)) & inside_SH).sum(1)
    rest_S = position - used_SH.gather(1, full_days_S.unsqueeze(1)).squeeze(1)
    next_mean_S = torch.where(
        full_days_S < forecast.horizon_S,
        mean_SH.gather(1, full_days_S.clamp(max=H - 1).unsqueeze(1)).squeeze(1),
        forecast.tail()[0],
    )
    cover_S = full_days_S + torch.where(rest_S > 0.0, rest_S / next_mean_S, 0.0)
    return torch.where(position > 0.0, cover_S, 0.0).numpy()
