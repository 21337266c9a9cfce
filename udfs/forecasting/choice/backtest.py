"""Rolling-origin backtest: what a model would have forecast at past cutoffs, held against what then happened.

Hyndman & Athanasopoulos, section 5.10 (time series cross-validation); Tashman (2000), Out-of-sample tests of
forecasting accuracy, IJF 16(4). Dimensions as in `udfs.series.sku_batch`, and W windows, oldest first.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, fields, replace
from datetime import date, timedelta

import numpy as np
import torch

from udfs.forecasting import metrics
from udfs.forecasting.forecaster import Forecaster, check_request
from udfs.forecasting.isolate import SeriesFailure, forecast_isolated
from udfs.series.sku_batch import SkuBatch

ForecasterSource = Forecaster | Callable[[date], Forecaster | None]
"""A model, or what gives the model for a cutoff: one fitted to the days until then. None: there is none for it."""


@dataclass(frozen=True, slots=True)
class BacktestSpec:
    """Which windows are tested.

    Attributes:
        windows: number of windows.
        step: steps between the cutoffs of two windows; None is the horizon, so that windows do not overlap.
        min_history: observed steps that a series needs on or before a window's cutoff, a sale among them, to take part
            in it.
    """

    windows: int = 3
    step: int | None = None
    min_history: int = 14

    def __post_init__(self) -> None:
        for name, value in (("windows", self.windows), ("step", self.step), ("min_history", self.min_history)):
            if value is not None and value < 1:
                raise ValueError(f"expected {name} of at least one, found {value}")

    def days_back(self, horizon: int) -> tuple[int, ...]:
        """How far each window's cutoff lies before the last known step, oldest window first."""
        step = self.step or horizon
        return tuple(horizon + step * k for k in reversed(range(self.windows)))

    def cutoffs(self, last: date, horizon: int) -> tuple[date, ...]:
        """The windows' cutoffs when `last` is the last known day, oldest first; all their days end by `last`."""
        return tuple(last - timedelta(days=days) for days in self.days_back(horizon))


@dataclass(frozen=True, slots=True)
class Windows:
    """The past cutoffs of a batch, what followed them, and the scales of errors: the same for every model.

    Attributes:
        batch: the series with all that is known now.
        days_back: W, oldest first; windows that reach beyond the batch's first day are left out.
        actual_WSH: units on the days after each cutoff.
        mask_WSH: True on observed days of series that were old enough at the cutoff, and had sold something by then.
        pinball_scale_WS: mean |y_t - y_{t-1}| before the cutoff; NaN where all differences are 0 or none exists.
        rmsse_scale_WS: mean (y_t - y_{t-1})^2, likewise.
        mase_scale_WS: mean |y_t - y_{t-m}| with a season of m steps, likewise.
    """

    batch: SkuBatch
    days_back: tuple[int, ...]
    actual_WSH: torch.Tensor
    mask_WSH: torch.Tensor
    pinball_scale_WS: torch.Tensor
    rmsse_scale_WS: torch.Tensor
    mase_scale_WS: torch.Tensor

    @classmethod
    def of(
        cls,
        batch: SkuBatch,
        days_back: Sequence[int],
        horizon: int,
        min_history: int = 14,
        season_length: int = 7,
    ) -> Windows:
        """Cut a batch at several days.

        Args:
            days_back: at least `horizon` each, so that a window's days have all been seen.

        Raises:
            ValueError: horizon below one, or longer than the days cut off.
        """
        fitting = tuple(sorted({days for days in days_back if days < batch.n_days}, reverse=True))
        shape = (0, len(batch), horizon)
        actuals, masks = [batch.y_ST.new_zeros(shape)], [batch.mask_ST.new_zeros(shape)]
        scales = [[batch.y_ST.new_zeros((0, len(batch)))] for _ in range(3)]
        for days in fitting:
            train = batch.until(days)
            actual_SH, mask_SH = batch.ahead(days, horizon)
            # Zeros of a series that had not sold yet say nothing, then as now: it was not listed.
            old_S = (train.mask_ST.sum(1) >= min_history) & (train.y_ST > 0).any(1)
            actuals.append(actual_SH[None])
            masks.append((mask_SH & old_S[:, None])[None])
            for kept, (power, lag) in zip(scales, ((1, 1), (2, 1), (1, season_length)), strict=True):
                kept.append(_scale(train, power, lag)[None])
        return cls(batch, fitting, torch.cat(actuals), torch.cat(masks), *(torch.cat(kept) for kept in scales))

    def __len__(self) -> int:
        return len(self.days_back)

    def select(self, index: np.ndarray) -> Windows:
        """The series at `index` (positions)."""
        at = torch.from_numpy(index).to(self.batch.device)
        tensors = {f.name: getattr(self, f.name)[:, at] for f in fields(self) if f.name not in ("batch", "days_back")}
        return replace(self, batch=self.batch.select(index), **tensors)

    def spread(self, x_WSH: torch.Tensor, index: np.ndarray) -> torch.Tensor:
        """Numbers of the series at `index` (positions) as numbers of all series, NaN for the others."""
        all_WSH = torch.full_like(self.actual_WSH, torch.nan)
        all_WSH[:, torch.from_numpy(index).to(x_WSH.device)] = x_WSH
        return all_WSH

    @property
    def cutoffs(self) -> tuple[date, ...]:
        """The last known day of each window."""
        return tuple(self.batch.cutoff - timedelta(days=days) for days in self.days_back)


@dataclass(frozen=True, slots=True)
class WindowFailure:
    """A series (position in the batch) that a model could not forecast in a window."""

    window: int
    series: SeriesFailure


@dataclass(frozen=True, slots=True)
class Backtest:
    """Forecasts of one model at W past cutoffs.

    Attributes:
        model: its name.
        windows: cutoffs, actuals and scales.
        quantiles: the Q levels.
        mask_WSH: True where there is a forecast and the day was observed.
        mean_WSH, sd_WSH, quantile_WSHQ: as in `Forecast`; NaN where the series was too young or the model failed.
        failures: series old enough that the model could not forecast, by window and position.
    """

    model: str
    windows: Windows
    quantiles: tuple[float, ...]
    mask_WSH: torch.Tensor
    mean_WSH: torch.Tensor
    sd_WSH: torch.Tensor
    quantile_WSHQ: torch.Tensor
    failures: tuple[WindowFailure, ...] = ()

    def window(self, window: int) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor, torch.Tensor]:
        """(actual_SH, mean_SH, quantile_SHQ, mask_SH) of one window; forecasts are 0 where the mask is False."""
        mask_SH = self.mask_WSH[window]
        mean_SH = torch.where(mask_SH, self.mean_WSH[window], 0.0)
        quantile_SHQ = torch.where(mask_SH[:, :, None], self.quantile_WSHQ[window], 0.0)
        return self.windows.actual_WSH[window], mean_SH, quantile_SHQ, mask_SH


def backtest(
    forecaster: ForecasterSource,
    batch: SkuBatch,
    horizon: int,
    quantiles: tuple[float, ...],
    spec: BacktestSpec | None = None,
    season_length: int = 7,
) -> Backtest:
    """Forecast a batch from past cutoffs, each time with the days until then alone.

    Args:
        forecaster: the model, or a function that gives the one for a cutoff.
        season_length: of the MASE's scale.

    Raises:
        ValueError: horizon or quantile levels that no model can serve.
    """
    spec = spec or BacktestSpec()
    windows = Windows.of(batch, spec.days_back(horizon), horizon, spec.min_history, season_length)
    return backtest_windows(forecaster, windows, quantiles)


def backtest_windows(
    forecaster: ForecasterSource, windows: Windows, quantiles: tuple[float, ...], name: str | None = None
) -> Backtest:
    """`backtest` over windows that several models share.

    Args:
        name: what the result is called; None takes the forecaster's name.

    A series that a model cannot forecast costs itself; a window for which a source has no model costs that window.
    """
    horizon = windows.actual_WSH.shape[2]
    check_request(horizon, quantiles)
    mean_WSH = torch.full_like(windows.actual_WSH, torch.nan)
    sd_WSH = mean_WSH.clone()
    quantile_WSHQ = mean_WSH[..., None].repeat(1, 1, 1, len(quantiles))
    failures: list[WindowFailure] = []
    for w, days in enumerate(windows.days_back):
        model = forecaster_at(forecaster, windows.cutoffs[w])
        index_S = windows.mask_WSH[w].any(1).nonzero()[:, 0]
        if model is None or not len(index_S):
            continue
        name = name or model.name
        position_S = index_S.cpu().numpy()
        parts, failed = forecast_isolated(model, windows.batch.until(days).select(position_S), horizon, quantiles)
        failures += [
            WindowFailure(w, SeriesFailure(int(position_S[f.position]), f.error_class, f.error)) for f in failed
        ]
        for at, forecast in parts:
            rows = index_S[torch.from_numpy(at).to(index_S.device)]
            mean_WSH[w, rows] = forecast.mean_SH
            sd_WSH[w, rows] = forecast.sd_SH
            quantile_WSHQ[w, rows] = forecast.quantile_SHQ
    mask_WSH = windows.mask_WSH & mean_WSH.isfinite()
    return Backtest(name or "none", windows, quantiles, mask_WSH, mean_WSH, sd_WSH, quantile_WSHQ, tuple(failures))


def forecaster_at(source: ForecasterSource, cutoff: date) -> Forecaster | None:
    """The model of a source for a cutoff; None where it has none."""
    return source if isinstance(source, Forecaster) else source(cutoff)


def _scale(train: SkuBatch, power: int, lag: int) -> torch.Tensor:
    """(S,) `metrics.difference_scale`, NaN for all series where the history is not longer than the lag."""
    if train.n_days <= lag:
        return torch.full_like(train.y_ST[:, 0], torch.nan)
    return metrics.difference_scale(train, power, lag)
