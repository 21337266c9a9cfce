"""The benchmarks that every other model must beat: last season again, and the mean of what was seen."""

from __future__ import annotations

from dataclasses import dataclass

import torch

from udfs.forecasting.forecaster import Forecast, check_request
from udfs.forecasting.intervals import empirical_quantiles
from udfs.forecasting.masked import sum_of_squares, time_major, time_mean
from udfs.series.sku_batch import SkuBatch


@dataclass(frozen=True, slots=True)
class SeasonalNaive:
    """Each day of the horizon repeats the last observed day of the same phase (Hyndman & Athanasopoulos, 5.2).

    A phase that was never observed takes the mean of the observed days. The error variance grows by one-step variance
    with each season, sigma^2 (floor((h - 1) / m) + 1) (ibid., table 5.2). A series with fewer than one season between
    any two observed days has no errors of its own; its standard deviation is then that of its days around their mean,
    and at least sqrt(mean), the least that independent buyers leave (Poisson).
    """

    season_length: int = 7
    name: str = "seasonal_naive"

    def __post_init__(self) -> None:
        if self.season_length < 1:
            raise ValueError(f"expected season_length of at least one day, found {self.season_length}")

    def forecast(self, batch: SkuBatch, horizon: int, quantiles: tuple[float, ...]) -> Forecast:
        """See `Forecaster.forecast`."""
        check_request(horizon, quantiles)
        y_TS, mask_TS = time_major(batch.y_ST), time_major(batch.mask_ST)
        error_TS, error_mask_TS, last_MS, seen_MS = self._errors(y_TS, mask_TS)
        mean_S, sd_S, n_S = moments(y_TS, mask_TS)
        last_MS = torch.where(seen_MS, last_MS, mean_S)

        n_errors_S = error_mask_TS.sum(0)
        sse_S = sum_of_squares(error_TS)
        sigma_S = torch.where(n_errors_S > 0, (sse_S / n_errors_S.clamp(min=1)).sqrt(), sd_S)
        step_H = torch.arange(horizon, device=batch.device)
        mean_SH = last_MS[step_H % self.season_length].t().contiguous()
        sd_SH = sigma_S[:, None] * (step_H // self.season_length + 1).to(sigma_S.dtype).sqrt()
        return Forecast(
            mean_SH.clamp(min=0.0),
            sd_SH,
            empirical_quantiles(mean_SH, sd_SH, error_TS, error_mask_TS, quantiles),
            sse_S,
            n_errors_S,
            torch.zeros_like(n_S),
            sigma_S,
        )

    def _errors(
        self, y_TS: torch.Tensor, mask_TS: torch.Tensor
    ) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor, torch.Tensor]:
        """Errors and their mask (T, S), then the last observed value of each phase and whether there is one (M, S).

        Phase 0 is the day after the last column.
        """
        n_time, n_series = y_TS.shape
        last_MS = y_TS.new_zeros((self.season_length, n_series))
        seen_MS = torch.zeros_like(last_MS, dtype=torch.bool)
        error_TS, error_mask_TS = torch.zeros_like(y_TS), torch.zeros_like(mask_TS)
        for t in range(n_time):
            phase = (t - n_time) % self.season_length
            both_S = mask_TS[t] & seen_MS[phase]
            error_TS[t] = torch.where(both_S, y_TS[t] - last_MS[phase], 0.0)
            error_mask_TS[t] = both_S
            last_MS[phase] = torch.where(mask_TS[t], y_TS[t], last_MS[phase])
            seen_MS[phase] |= mask_TS[t]
        return error_TS, error_mask_TS, last_MS, seen_MS


@dataclass(frozen=True, slots=True)
class HistoricMean:
    """Every day of the horizon is the mean of the observed days (Hyndman & Athanasopoulos, 5.2), for histories too
    short for anything else. Error variance: sigma^2 (1 + 1 / n) (ibid., table 5.2), with sigma at least sqrt(mean)."""

    name: str = "historic_mean"

    def forecast(self, batch: SkuBatch, horizon: int, quantiles: tuple[float, ...]) -> Forecast:
        """See `Forecaster.forecast`."""
        check_request(horizon, quantiles)
        y_TS, mask_TS = time_major(batch.y_ST), time_major(batch.mask_ST)
        mean_S, sd_S, n_S = moments(y_TS, mask_TS)
        error_TS = torch.where(mask_TS, y_TS - mean_S, 0.0)
        mean_SH = mean_S[:, None].repeat(1, horizon)
        sd_SH = (sd_S * (1.0 + 1.0 / n_S.clamp(min=1).to(sd_S.dtype)).sqrt())[:, None].repeat(1, horizon)
        return Forecast(
            mean_SH.clamp(min=0.0),
            sd_SH,
            empirical_quantiles(mean_SH, sd_SH, error_TS, mask_TS, quantiles),
            sum_of_squares(error_TS),
            n_S,
            torch.ones_like(n_S),
            sd_S,
        )


def moments(y_TS: torch.Tensor, mask_TS: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    """(S,) mean, standard deviation (n - 1; at least sqrt(mean)) and number of observed days."""
    mean_S, n_S = time_mean(y_TS, mask_TS)
    sse_S = sum_of_squares(torch.where(mask_TS, y_TS - mean_S, 0.0))
    sd_S = (sse_S / (n_S - 1).clamp(min=1)).sqrt()
    return mean_S, torch.maximum(sd_S, mean_S.clamp(min=0.0).sqrt()), n_S
