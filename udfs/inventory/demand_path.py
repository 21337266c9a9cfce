"""Demand cumulated day by day over the horizon, as an inventory policy saw it: what drains a projected stock.

A policy keeps two numbers of its demand model, the standard deviation and the 90% quantile over the protection
interval. With the daily forecast they say what else the policy assumed, so that the days before and after that
interval can be drawn with the same assumptions and meet the policy's own figure on its day.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import numpy as np
import torch
from scipy.optimize import brentq

from udfs.inventory.demand_distribution import (
    COUNT_MEAN_BELOW,
    DISTRIBUTION_NAMES,
    DemandDistribution,
    DistributionName,
    FloatArray,
)
from udfs.inventory.lead_time_demand import DailyForecast, interval_moments

_RELATIVE: Final = 1e-6  # what rounding may change between the policy's figures and ours


@dataclass(frozen=True, slots=True)
class PolicyDemand:
    """Demand of one series over its protection interval, as the policy table states it.

    days: whole days of lead time and review, >= 1. sd: standard deviation, units, >= 0. p90: 90% quantile, units.
    Raises ValueError for a value out of range.
    """

    days: int
    sd: float
    p90: float

    def __post_init__(self) -> None:
        if self.days < 1 or self.days != int(self.days):
            raise ValueError(f"days: expected whole days of lead time and review >= 1, found {self.days!r}")
        for name in ("sd", "p90"):
            value = getattr(self, name)
            if not (np.isfinite(value) and value >= 0.0):
                raise ValueError(f"{name}: expected finite units >= 0, found {value!r}")


@dataclass(frozen=True, slots=True)
class DemandPath:
    """Demand of one series from the first forecast day to the end of each day, units, [H] each."""

    mean_H: FloatArray
    p90_H: FloatArray


def demand_path(mean_H: FloatArray, sd_H: FloatArray, policy: PolicyDemand) -> DemandPath:
    """Mean and 90% quantile of the demand of the first 1, 2, ..., H days.

    mean_H, sd_H: daily forecast and its standard deviation, units, finite and >= 0, float64 [H]. The quantile of day
    `policy.days` equals `policy.p90`; a distribution and an error correlation that give the policy's two figures are
    looked for, and ValueError is raised where none does: the forecast is not the one that the policy was made of.
    Source of the moments: `udfs.inventory.lead_time_demand.interval_moments`.
    """
    H = len(mean_H)
    days_D = torch.arange(1, max(H, policy.days) + 1)
    rho = _error_correlation(mean_H, sd_H, policy)
    mean_D, variance_D = (moment.numpy() for moment in interval_moments(_repeated(mean_H, sd_H, days_D), days_D, rho))
    is_count_D = np.full(len(days_D), mean_D[policy.days - 1] < COUNT_MEAN_BELOW)
    for name in DISTRIBUTION_NAMES:
        p90_D = _p90(mean_D, variance_D, name, is_count_D)
        if np.isclose(p90_D[policy.days - 1], policy.p90, rtol=_RELATIVE, atol=_RELATIVE):
            # Skewed families can have a p90 that falls as the mean grows; demand itself never falls.
            return DemandPath(mean_D[:H], np.maximum.accumulate(p90_D)[:H])
    raise ValueError(
        f"p90: expected {policy.p90:g} units over {policy.days} days, found no distribution of {DISTRIBUTION_NAMES} "
        f"that gives it for mean {mean_D[policy.days - 1]:g} and standard deviation {policy.sd:g}; "
        "take forecast and policy of one run"
    )


def _p90(mean_D: FloatArray, variance_D: FloatArray, name: DistributionName, is_count_D: np.ndarray) -> FloatArray:
    return DemandDistribution.fit(mean_D, variance_D, name, is_count_D).quantile(0.9)


def _error_correlation(mean_H: FloatArray, sd_H: FloatArray, policy: PolicyDemand) -> float:
    """The correlation in [0, 1] between neighbouring days' errors that gives the policy's standard deviation."""
    days_1 = torch.tensor([policy.days])
    forecast = _repeated(mean_H, sd_H, days_1)

    def excess(rho: float) -> float:
        return float(interval_moments(forecast, days_1, rho)[1][0]) - policy.sd**2

    tolerance = _RELATIVE * max(policy.sd**2, np.finfo(float).tiny)
    low, high = excess(0.0), excess(1.0)
    if low > tolerance or high < -tolerance:
        raise ValueError(
            f"sd: expected between {np.sqrt(low + policy.sd**2):g} and {np.sqrt(high + policy.sd**2):g} units over "
            f"{policy.days} days from the daily forecast, found {policy.sd:g}; take forecast and policy of one run"
        )
    if low >= -tolerance:
        return 0.0
    return 1.0 if high <= tolerance else float(brentq(excess, 0.0, 1.0, xtol=1e-12))


def _repeated(mean_H: FloatArray, sd_H: FloatArray, days_D: torch.Tensor) -> DailyForecast:
    """The one series once for each number of days asked, so that all intervals are summed in one pass."""
    return DailyForecast.from_arrays(np.tile(mean_H, (len(days_D), 1)), np.tile(sd_H, (len(days_D), 1)))
