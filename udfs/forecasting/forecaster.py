"""What a forecast is, and what a model must offer to make one."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, fields, replace
from itertools import pairwise
from typing import Protocol, runtime_checkable

import numpy as np
import torch

from udfs.contest.choice import Choice
from udfs.series.sku_batch import SkuBatch


@dataclass(frozen=True, slots=True)
class Forecast:
    """Demand of S series on the H days after the cutoff, in units a day.

    Attributes:
        mean_SH: expected demand, at least 0.
        sd_SH: standard deviation of the forecast error of that single day, seen from the cutoff.
        quantile_SHQ: at the levels asked for, at least 0, not falling along Q.
        sse_S: sum of squared one-step errors.
        n_obs_S: number of these errors.
        n_params_S: number of parameters and initial states estimated.
        score_S: in-sample root mean squared error with a penalty for parameters, in units a day (see `score`).
        choice: set by models that choose among others.
    """

    mean_SH: torch.Tensor
    sd_SH: torch.Tensor
    quantile_SHQ: torch.Tensor
    sse_S: torch.Tensor
    n_obs_S: torch.Tensor
    n_params_S: torch.Tensor
    score_S: torch.Tensor
    choice: Choice | None = None

    def __len__(self) -> int:
        return int(self.mean_SH.shape[0])

    def select(self, index: np.ndarray) -> Forecast:
        """The series at `index` (positions); all of them in their order are the forecast itself."""
        if np.array_equal(index, np.arange(len(self))):
            return self
        index_S = torch.from_numpy(index).to(self.mean_SH.device)
        picked = {name: getattr(self, name)[index_S] for name in _TENSORS}
        return Forecast(**picked, choice=None if self.choice is None else self.choice.select(index))

    def with_choice(self, choice: Choice) -> Forecast:
        return replace(self, choice=choice)

    def closed_on(self, closed_SH: torch.Tensor | None) -> Forecast:
        """The forecast with nothing sold on the days that are True; None for no such day."""
        if closed_SH is None:
            return self
        return replace(
            self,
            mean_SH=self.mean_SH.masked_fill(closed_SH, 0.0),
            sd_SH=self.sd_SH.masked_fill(closed_SH, 0.0),
            quantile_SHQ=self.quantile_SHQ.masked_fill(closed_SH[:, :, None], 0.0),
        )

    def scaled(self, factor_SH: torch.Tensor) -> Forecast:
        """The forecast with each day's demand multiplied."""
        return replace(
            self,
            mean_SH=self.mean_SH * factor_SH,
            sd_SH=self.sd_SH * factor_SH,
            quantile_SHQ=self.quantile_SHQ * factor_SH[:, :, None],
        )

    def conformed(self) -> Forecast:
        """As it is handed on, whatever model made it: nothing negative, no quantile below the one before."""
        quantile_SHQ = self.quantile_SHQ.clamp(min=0.0).cummax(2).values
        return replace(self, mean_SH=self.mean_SH.clamp(min=0.0), quantile_SHQ=quantile_SHQ)

    def mean_bounds(self, quantiles: tuple[float, ...], largest_S: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        """(S, H) least and greatest mean that demand with these quantiles can have; for a forecast that is `conformed`.

        A mean may lie far above a high quantile: one day in ninety with 99,999 units adds 1,111 to the mean of the days
        and nothing to their p95, and of an item that sells once in two hundred days every quantile up to p99 is 0.
        Mean and quantiles are then still of one distribution. They are not where no distribution has both:

        - Demand is at least 0, and at least its p-quantile with probability 1 - p: mean >= (1 - p) q_p (Markov's
          inequality), for the lowest level.
        - Between two levels it is at most the upper one's quantile, and beyond the last one here at most the series'
          largest day, or that quantile if larger: mean <= sum_i (p_i - p_{i-1}) q_i + (1 - p_Q) max(q_Q, largest).
          Twice that is allowed, for quantiles of counts are rounded to counts.

        Args:
            quantiles: the levels of `quantile_SHQ`.
            largest_S: the largest demand that each series has seen.
        """
        level_Q = self.quantile_SHQ.new_tensor((0.0, *quantiles, 1.0))
        last_SH1 = torch.maximum(self.quantile_SHQ[:, :, -1:], largest_S[:, None, None])
        # No matrix product: the order of its additions depends on shapes and threads, a forecast must not.
        greatest_SH = (torch.cat([self.quantile_SHQ, last_SH1], dim=2) * level_Q.diff()).sum(2)
        return (1.0 - quantiles[0]) * self.quantile_SHQ[:, :, 0], 2.0 * greatest_SH

    def finite_series(self) -> np.ndarray:
        """(S,) bool, True where mean, sd and quantiles are all finite numbers."""
        numbers = (self.mean_SH, self.sd_SH, self.quantile_SHQ.flatten(1))
        return np.logical_and.reduce([np.isfinite(x.cpu().numpy()).all(1) for x in numbers])


_TENSORS = tuple(f.name for f in fields(Forecast) if f.name != "choice")


def merge(parts: Sequence[tuple[np.ndarray, Forecast]]) -> tuple[np.ndarray, Forecast]:
    """Forecasts of disjoint series as one: (positions in rising order, the forecast in that order).

    Every part needs a choice, so that the merged one still says who made what.
    """
    index = np.concatenate([part_index for part_index, _ in parts])
    order = np.argsort(index)
    forecasts = [forecast for _, forecast in parts]
    if len(forecasts) == 1 and forecasts[0].choice is not None:
        return index[order], forecasts[0].select(order)
    tensors = {name: torch.cat([getattr(f, name) for f in forecasts]) for name in _TENSORS}
    choices = [f.choice for f in forecasts]
    if any(c is None for c in choices):
        raise ValueError("expected every part to carry a choice, found one without; call with_choice first")
    choice = Choice(**{f.name: np.concatenate([getattr(c, f.name) for c in choices]) for f in fields(Choice)})
    return index[order], Forecast(**tensors, choice=choice).select(order)


@runtime_checkable
class Forecaster(Protocol):
    """A model that forecasts a whole batch at once.

    A forecaster works on the batch's device, never changes the batch, and gives each series a result that depends on
    that series alone: not on its neighbours, and not on how far the batch is padded. A series that it cannot
    forecast gets non-finite numbers, or the call raises; the caller then isolates the series.
    """

    @property
    def name(self) -> str: ...

    def forecast(self, batch: SkuBatch, horizon: int, quantiles: tuple[float, ...]) -> Forecast: ...


def check_request(horizon: int, quantiles: tuple[float, ...]) -> None:
    """Refuse a horizon or quantile levels that no model can serve.

    Raises:
        ValueError: horizon below one, no quantiles, a level outside (0, 1), or levels not increasing.
    """
    if horizon < 1:
        raise ValueError(f"expected a horizon of at least one day, found {horizon}")
    increasing = all(low < high for low, high in pairwise(quantiles))
    if not quantiles or not increasing or quantiles[0] <= 0 or quantiles[-1] >= 1:
        raise ValueError(f"expected increasing quantile levels within (0, 1), found {quantiles}")
