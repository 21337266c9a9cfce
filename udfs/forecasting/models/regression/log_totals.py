"""Regression of log demand on the calendar and on known covariates, for series that sell every day: totals.

log y_t = x_t' b + l + e_t with x_t the weekday, the part of the month and covariates, on ordinary days and on weekend
days. b is a ridge estimate (Hoerl & Kennard, 1970) over a long, slowly forgotten past, l the mean of the latest
errors, so that the pattern of the days comes from many weeks and the level from few. E[y] = exp(x'b + l + s^2 / 2).
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta
from statistics import NormalDist

import numpy as np
import torch

from udfs.forecasting.forecaster import Forecast, check_request
from udfs.series.sku_batch import SkuBatch

_MONTH_PARTS = ((1, 5), (6, 10), (16, 20), (26, 31))
"""Days of the month with a coefficient of their own, first and last; wages and benefits come on fixed days."""

_LEVEL_PRIOR_DAYS = 3.0


@dataclass(frozen=True, slots=True)
class LogRegression:
    """A `Forecaster` for daily series whose demand is rarely 0; days without demand are not learned from.

    Attributes:
        covariates: known covariates used; those that a batch lacks are left out.
        pattern_half_life_days: age at which a day counts half for the coefficients.
        level_half_life_days: the same for the level.
        ridge: penalty on every coefficient, in days of data.
    """

    covariates: tuple[str, ...] = ("is_promo", "is_holiday", "is_event", "is_snap")
    pattern_half_life_days: float = 300.0
    level_half_life_days: float = 7.0
    ridge: float = 3.0

    def __post_init__(self) -> None:
        for name in ("pattern_half_life_days", "level_half_life_days", "ridge"):
            if getattr(self, name) <= 0:
                raise ValueError(f"LogRegression.{name}: expected more than 0, found {getattr(self, name)}")

    @property
    def name(self) -> str:
        return "log_regression"

    def forecast(self, batch: SkuBatch, horizon: int, quantiles: tuple[float, ...]) -> Forecast:
        """Forecast each series on its own; one that never sold gets 0.

        Raises:
            ValueError: no day in the horizon, bad quantile levels, or covariates that end before the horizon does.
        """
        check_request(horizon, quantiles)
        x_SXK = self._regressors(batch, horizon)
        log_SH, sd_S, sold_S, sse_S = self._fit(batch, x_SXK)
        sd_S1 = sd_S[:, None]
        mean_SH = np.where(sold_S[:, None] > 0, np.exp(log_SH + 0.5 * sd_S1**2), 0.0)
        z_Q = np.array([NormalDist().inv_cdf(level) for level in quantiles])
        quantile_SHQ = np.where(sold_S[:, None, None] > 0, np.exp(log_SH[:, :, None] + z_Q * sd_S1[:, :, None]), 0.0)
        n_S = torch.from_numpy(sold_S)
        # The variance of a log-normal variable.
        tensors = (mean_SH, mean_SH * np.sqrt(np.expm1(sd_S1**2)), quantile_SHQ, sse_S)
        mean, sd, quantile, sse = (torch.from_numpy(np.ascontiguousarray(x)).to(batch.device) for x in tensors)
        n_params_S = torch.full_like(n_S, x_SXK.shape[2] + 1)
        score_S = (sse / n_S.to(batch.device).clamp(min=1)).sqrt()
        return Forecast(mean, sd, quantile, sse, n_S.to(batch.device), n_params_S.to(batch.device), score_S)

    def _regressors(self, batch: SkuBatch, horizon: int) -> np.ndarray:
        """(S, T + H, K) weekdays, parts of the month, and covariates on all days and on weekend days."""
        n_days = batch.n_days + horizon
        first = batch.cutoff - timedelta(days=batch.n_days - 1)
        days = [first + timedelta(days=t) for t in range(n_days)]
        weekday_X, month_X = np.array([d.weekday() for d in days]), np.array([d.day for d in days])
        columns = [weekday_X == k for k in range(7)] + [(month_X >= a) & (month_X <= b) for a, b in _MONTH_PARTS]
        shared_XK = np.stack(columns, axis=1).astype(float)
        x_SXK = np.broadcast_to(shared_XK, (len(batch), *shared_XK.shape))
        if batch.known is None:
            return np.ascontiguousarray(x_SXK)
        if batch.known.days_ahead(batch.n_days) < horizon:
            raise ValueError(
                f"expected known covariates for {horizon} days ahead, found {batch.known.days_ahead(batch.n_days)}; "
                "extend them over the horizon or leave them out"
            )
        known_SXK = np.nan_to_num(batch.known.only(self.covariates).over(batch.n_days, horizon).cpu().numpy())
        return np.concatenate([x_SXK, known_SXK, known_SXK * (weekday_X >= 5)[None, :, None]], axis=2)

    def _fit(self, batch: SkuBatch, x_SXK: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
        """Log forecasts (S, H), residual deviations of the log, days used, and sums of squared errors in units."""
        y_ST = batch.y_ST.cpu().numpy()
        use_ST = batch.mask_ST.cpu().numpy() & (y_ST > 0)
        age_T = np.arange(batch.n_days)[::-1]
        weight_ST = use_ST * 0.5 ** (age_T / self.pattern_half_life_days)
        total_S1 = np.maximum(weight_ST.sum(1, keepdims=True), 1e-12)
        log_ST = np.log(np.where(use_ST, y_ST, 1.0))
        centre_S1 = (weight_ST * log_ST).sum(1, keepdims=True) / total_S1
        past_STK = x_SXK[:, : batch.n_days]
        weighted_SKT = (past_STK * weight_ST[:, :, None]).transpose(0, 2, 1)
        gram_SKK = weighted_SKT @ past_STK + self.ridge * np.eye(x_SXK.shape[2])
        beta_SK1 = np.linalg.solve(gram_SKK, weighted_SKT @ (log_ST - centre_S1)[:, :, None])
        fitted_SX = centre_S1 + (x_SXK @ beta_SK1)[:, :, 0]
        error_ST = np.where(use_ST, log_ST - fitted_SX[:, : batch.n_days], 0.0)
        recent_ST = use_ST * 0.5 ** (age_T / self.level_half_life_days)
        level_S1 = (recent_ST * error_ST).sum(1, keepdims=True) / (recent_ST.sum(1, keepdims=True) + _LEVEL_PRIOR_DAYS)
        centred_ST = np.where(use_ST, error_ST - level_S1, 0.0)
        sd_S = np.sqrt((weight_ST * centred_ST**2).sum(1) / total_S1[:, 0])
        miss_ST = np.where(use_ST, y_ST - np.exp(fitted_SX[:, : batch.n_days] + level_S1), 0.0)
        return fitted_SX[:, batch.n_days :] + level_S1, sd_S, use_ST.sum(1), (miss_ST**2).sum(1)
