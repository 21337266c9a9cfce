"""The last look at a forecast before it is written: what contradicts itself is mended by its better part, and said.

- Numbers that are not finite, where past errors were applied: the forecast as it was before them stands, for that is
  finite (`isolate`).
- Quantiles that fall along their levels: each is raised to the one before, as everywhere (`Forecast.conformed`).
- A mean above the day's last quantile, at a level of .95 or more, and above a unit a day: quantiles are calibrated on
  many errors and one wild day hardly moves them, while it drags the mean along as far as it likes. So the quantiles are
  believed: mean and deviation become those of the distribution that they draw, straight between the levels. Below a
  unit a day nothing is done: what sells on less than one day in a hundred has a p99 of 0 and a mean above it.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Final

import torch

from udfs.doubts import Doubts
from udfs.forecasting.forecaster import Forecast

_KIND: Final = "forecast repaired"
_LEAST_LEVEL: Final = 0.95
_LEAST_MEAN: Final = 1.0
_ROUNDING: Final = 1e-6


def sound_forecast(
    forecast: Forecast, before: Forecast, levels: tuple[float, ...]
) -> tuple[Forecast, list[str | None]]:
    """The forecast without contradictions, and for each series what was mended, None for nothing.

    before: the same without past errors, finite. A sound series keeps every bit.
    """
    doubts = Doubts(len(forecast))
    forecast = _finite(forecast, before, doubts)
    q_SHQ = forecast.quantile_SHQ.clamp(min=0.0)
    fall_SH = (q_SHQ[..., :-1] - q_SHQ[..., 1:] > _ROUNDING * (1.0 + q_SHQ[..., :-1])).any(2)
    for row in fall_SH.any(1).nonzero().flatten().tolist():
        doubts.add(_KIND, row, f"quantiles crossed on {int(fall_SH[row].sum())} days, each raised to the one before")
    q_SHQ = q_SHQ.cummax(2).values
    if levels[-1] >= _LEAST_LEVEL:
        forecast = _believing_quantiles(forecast, q_SHQ, levels, doubts)
    return forecast, doubts.texts()


def _finite(forecast: Forecast, before: Forecast, doubts: Doubts) -> Forecast:
    is_finite_S = torch.from_numpy(forecast.finite_series()).to(forecast.mean_SH.device)
    for row in (~is_finite_S).nonzero().flatten().tolist():
        doubts.add(_KIND, row, "past errors made numbers of it that are not finite, they are left out")
    if bool(is_finite_S.all()):
        return forecast
    return replace(
        forecast,
        mean_SH=torch.where(is_finite_S[:, None], forecast.mean_SH, before.mean_SH),
        sd_SH=torch.where(is_finite_S[:, None], forecast.sd_SH, before.sd_SH),
        quantile_SHQ=torch.where(is_finite_S[:, None, None], forecast.quantile_SHQ, before.quantile_SHQ),
    )


def _believing_quantiles(
    forecast: Forecast, q_SHQ: torch.Tensor, levels: tuple[float, ...], doubts: Doubts
) -> Forecast:
    """Mean and deviation of the quantiles' distribution on days whose mean lies above the last of them."""
    last_SH = q_SHQ[..., -1]
    is_above_SH = forecast.mean_SH > last_SH.clamp(min=_LEAST_MEAN)
    rows = is_above_SH.any(1).nonzero().flatten().tolist()
    if not rows:
        return forecast
    mean_SH, sd_SH = _moments(q_SHQ, levels)
    for row in rows:
        day_H = is_above_SH[row]
        found, last, taken = (float(x[row][day_H].mean()) for x in (forecast.mean_SH, last_SH, mean_SH))
        doubts.add(
            _KIND,
            row,
            f"a mean of {found:,.4g} a day above its own {100 * levels[-1]:g}% quantile of {last:,.4g} on "
            f"{int(day_H.sum())} days, {taken:,.4g} taken",
        )
    return replace(
        forecast,
        mean_SH=torch.where(is_above_SH, mean_SH, forecast.mean_SH),
        sd_SH=torch.where(is_above_SH, sd_SH, forecast.sd_SH),
    )


def _moments(q_SHQ: torch.Tensor, levels: tuple[float, ...]) -> tuple[torch.Tensor, torch.Tensor]:
    """Mean and standard deviation of the distribution that is straight between the levels and ends at the outer."""
    low, high = q_SHQ[..., :-1], q_SHQ[..., 1:]
    level_Q = torch.tensor(levels, dtype=q_SHQ.dtype, device=q_SHQ.device)
    width_Q, below, above = level_Q.diff(), levels[0], 1.0 - levels[-1]
    first, last = q_SHQ[..., 0], q_SHQ[..., -1]
    mean_SH = below * first + (width_Q * (low + high) / 2.0).sum(-1) + above * last
    square_SH = (width_Q * (low * low + low * high + high * high) / 3.0).sum(-1)
    square_SH = below * first * first + square_SH + above * last * last
    return mean_SH, (square_SH - mean_SH * mean_SH).clamp(min=0.0).sqrt()
