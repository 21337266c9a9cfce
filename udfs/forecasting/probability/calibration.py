"""Quantiles of demand calibrated on the errors of a backtest (conformal, per class and horizon).

The quantile at level p is mean + scale * (the p quantile of scaled errors in the day's cell), the cells being demand
class x horizon group x level x dispersion of `score_summary`. A cell with few errors leans on the
same cell over all horizons, that on the same level, that on the class, that on everything.

The split conformal correction for a finite sample (Lei, G'Sell, Rinaldo, Tibshirani & Wasserman, 2018,
Distribution-free predictive inference for regression, JASA 113) takes the ceil((n + 1) p) smallest of n errors; here n
is the number of pairs of series and window, because the days of one window err together.

Why scaled errors and not the levels of the model's own quantiles: on 12,196 daily series of the M5 (28 days after each
of three cutoffs from 2015-10-11 on, calibrated on the three windows before) scaled pinball loss over eight levels was
.2251 with scaled errors by level and dispersion, .2287 with recalibrated levels, .2254 with recalibrated levels of a
negative binomial, about .2290 with scaled errors by level alone and .2336 by dispersion alone. Quantiles of counts that
are not rounded to counts scored .2299.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
import torch

from udfs.forecasting.forecaster import Forecast, check_request
from udfs.forecasting.probability.score_summary import (
    CELL_SHAPE,
    ERROR_EDGES,
    ScoreSummary,
    error_cells,
    error_scale,
    to_numpy,
)


@dataclass(frozen=True, slots=True)
class CalibrationSpec:
    """How much evidence a cell needs.

    Attributes:
        prior_errors: a cell's parent counts as this many errors of its own.
        min_windows: with fewer pairs of series and window in all, forecasts stay as they are.
    """

    prior_errors: float = 300.0
    min_windows: int = 30

    def __post_init__(self) -> None:
        if self.prior_errors <= 0 or self.min_windows < 1:
            raise ValueError(
                f"expected prior_errors above 0 and min_windows of at least 1, found {self.prior_errors} and "
                f"{self.min_windows}"
            )


@dataclass(frozen=True, slots=True)
class Calibration:
    """Distribution of scaled errors per cell.

    Attributes:
        below_CE: share of errors below each edge of `ERROR_EDGES`, rising from 0 to 1.
        rms_C: root mean square of scaled errors.
        windows_C: pairs of series and window that a cell's distribution is worth, its parents' share included.
        is_identity: True where the evidence was too little to calibrate on.
    """

    below_CE: np.ndarray
    rms_C: np.ndarray
    windows_C: np.ndarray
    is_identity: bool = False

    @classmethod
    def fit(cls, summary: ScoreSummary, spec: CalibrationSpec | None = None) -> Calibration:
        """Distributions per cell, small cells drawn towards their parents."""
        spec = spec or CalibrationSpec()
        count = summary.count_CB.reshape(*CELL_SHAPE, -1)
        windows = summary.windows_C.reshape(CELL_SHAPE)
        square = summary.square_C.reshape(CELL_SHAPE)
        width_B = np.diff(ERROR_EDGES)
        # A trace of the uniform keeps the distribution rising where nothing was ever seen.
        share = count.sum((0, 1, 2, 3)) + 1e-6 * width_B / width_B.sum()
        total, n_windows = share.sum(), windows.sum()
        is_identity = bool(n_windows < spec.min_windows)
        mean_square = square.sum() / max(total, 1.0)
        share = share / total
        # Axes summed over at each step from the coarsest parent to the cell itself.
        for axes in ((1, 2, 3), (1, 3), (1,), ()):
            n = count.sum((*axes, 4), keepdims=True)
            own = count.sum(axes, keepdims=True) if axes else count
            share = (own + spec.prior_errors * share) / (n + spec.prior_errors)
            squares = square.sum(axes, keepdims=True) if axes else square
            mean_square = (squares + spec.prior_errors * mean_square) / (n[..., 0] + spec.prior_errors)
            own_windows = windows.sum(axes, keepdims=True) if axes else windows
            weight = n[..., 0] / (n[..., 0] + spec.prior_errors)
            # As many windows as would leave the variance that a mean of the cell's and its parent's share has.
            own_variance = weight**2 / np.maximum(own_windows, 1.0)
            n_windows = 1.0 / (own_variance + (1.0 - weight) ** 2 / np.maximum(n_windows, 1.0))
        below_CE = np.concatenate([np.zeros((windows.size, 1)), share.reshape(windows.size, -1).cumsum(1)], axis=1)
        below_CE /= below_CE[:, -1:]
        return cls(below_CE, np.sqrt(mean_square).ravel(), n_windows.ravel(), is_identity)

    def error_quantiles(self, levels: tuple[float, ...], cell_X: np.ndarray) -> np.ndarray:
        """(X, Q) quantiles of the scaled errors of some cells, with the correction for a finite sample."""
        check_request(1, levels)
        level_Q = np.asarray(levels)
        outwards_Q = np.where(level_Q > 0.5, level_Q, np.where(level_Q < 0.5, level_Q - 1.0, 0.0))
        wanted_XQ = level_Q + outwards_Q / np.maximum(self.windows_C[cell_X], 1.0)[:, None]
        error_XQ = np.clip(wanted_XQ, 0.0, 1.0 - 1e-6)
        for wanted_Q, cell in zip(error_XQ, cell_X, strict=True):
            wanted_Q[:] = np.interp(wanted_Q, self.below_CE[cell], ERROR_EDGES)
        return error_XQ

    def apply(
        self, forecast: Forecast, class_S: torch.Tensor, unit_S: torch.Tensor, levels: tuple[float, ...]
    ) -> Forecast:
        """The forecast with calibrated quantiles (not falling, at least 0) and sd; the mean stays.

        Args:
            forecast: its mean and sd are used, its quantiles replaced.
            class_S: index into `DEMAND_CLASSES`.
            unit_S: see `demand_units`; quantiles of counts come out as counts.
            levels: increasing levels of the quantiles wanted.

        Raises:
            ValueError: levels that are not increasing within (0, 1), or, where there was too little to calibrate on,
                other levels than the forecast's.
        """
        check_request(1, levels)
        if self.is_identity:
            if len(levels) != forecast.quantile_SHQ.shape[2]:
                raise ValueError(
                    f"expected the forecast's {forecast.quantile_SHQ.shape[2]} levels, because there were too few "
                    f"backtest windows to calibrate on, found {len(levels)}"
                )
            return forecast
        smooth_SHQ, sd_SH = self._smooth_quantiles(forecast, class_S, unit_S, levels)
        unit_S11 = to_numpy(unit_S)[:, None, None]
        step_S11 = np.where(unit_S11 > 0, unit_S11, 1.0)
        counts_SHQ = np.ceil(smooth_SHQ / step_S11 - 0.5) * step_S11
        quantile_SHQ = np.maximum(np.where(unit_S11 > 0, counts_SHQ, smooth_SHQ), 0.0)
        like = forecast.quantile_SHQ
        return replace(
            forecast,
            quantile_SHQ=torch.from_numpy(quantile_SHQ).to(like.device, like.dtype),
            sd_SH=torch.from_numpy(sd_SH).to(like.device, like.dtype),
        )

    def _smooth_quantiles(
        self, forecast: Forecast, class_S: torch.Tensor, unit_S: torch.Tensor, levels: tuple[float, ...]
    ) -> tuple[np.ndarray, np.ndarray]:
        """Quantiles of demand before rounding and clipping, and the calibrated sd."""
        mean_SH, sd_SH, unit = to_numpy(forecast.mean_SH), to_numpy(forecast.sd_SH), to_numpy(unit_S)
        finite_SH = np.isfinite(mean_SH) & np.isfinite(sd_SH)
        safe_mean_SH, safe_sd_SH = np.where(finite_SH, mean_SH, 0.0), np.where(finite_SH, sd_SH, 0.0)
        cell_SH = error_cells(safe_mean_SH, safe_sd_SH, to_numpy(class_S), unit)
        scale_SH = np.where(finite_SH, error_scale(safe_mean_SH, safe_sd_SH, unit), np.nan)
        cell_X, at_SH = np.unique(cell_SH, return_inverse=True)
        error_SHQ = self.error_quantiles(levels, cell_X)[at_SH.reshape(cell_SH.shape)]
        return mean_SH[..., None] + scale_SH[..., None] * error_SHQ, scale_SH * self.rms_C[cell_SH]

    def pit(
        self,
        forecast: Forecast,
        actual_SH: torch.Tensor,
        class_S: torch.Tensor,
        unit_S: torch.Tensor,
    ) -> tuple[torch.Tensor, torch.Tensor]:
        """(S, H) lower and upper end of the probability integral transform of what came.

        Counts fill an interval, other demand a point, as in Czado, Gneiting & Held (2009), Predictive model assessment
        for count data, Biometrics 65(4); see `covered`.
        """
        mean_SH, sd_SH, unit = to_numpy(forecast.mean_SH), to_numpy(forecast.sd_SH), to_numpy(unit_S)
        cell_SH = error_cells(mean_SH, sd_SH, to_numpy(class_S), unit)
        scale_SH = error_scale(mean_SH, sd_SH, unit)
        r_SH = (to_numpy(actual_SH) - mean_SH) / scale_SH
        half_SH = 0.5 * unit[:, None] / scale_SH
        low, high = np.empty_like(r_SH), np.empty_like(r_SH)
        for cell in np.unique(cell_SH):
            at = cell_SH == cell
            low[at] = np.interp((r_SH - half_SH)[at], ERROR_EDGES, self.below_CE[cell])
            high[at] = np.interp((r_SH + half_SH)[at], ERROR_EDGES, self.below_CE[cell])
        return torch.from_numpy(low), torch.from_numpy(high)


def covered(low: torch.Tensor, high: torch.Tensor, width: float) -> torch.Tensor:
    """How much of each probability integral transform [low, high] the central interval of probability `width` holds.

    A point is held or not; an interval, which a count has, is held by its share. The mean of this is the tie-adjusted
    coverage, equal to `width` for a calibrated forecast, where the plain one is above it: [0, 0] holds every day of a
    series that sells on one day in ten.
    """
    first, last = 0.5 - width / 2.0, 0.5 + width / 2.0
    is_point = high - low < 1e-12
    share = (high.clamp(max=last) - low.clamp(min=first)).clamp(min=0.0) / torch.where(is_point, 1.0, high - low)
    return torch.where(is_point, ((low >= first) & (low <= last)).to(low.dtype), share)
