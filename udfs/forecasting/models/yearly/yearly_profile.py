"""Long horizons from one or two years of history: the profile that a group's series share, grown, on its dates."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import ClassVar

import numpy as np
import torch

from udfs.demand.period_calendar import DAYS_SINCE, FAR
from udfs.forecasting.forecaster import Forecast, check_request
from udfs.forecasting.intervals import empirical_quantiles
from udfs.forecasting.masked import sum_of_squares
from udfs.forecasting.models.yearly.calendar_effects import calendar_kernel, log_effects
from udfs.forecasting.models.yearly.growth import log_growth
from udfs.forecasting.models.yearly.soft_impute import soft_impute
from udfs.series.sku_batch import SkuBatch

YEAR_STEPS = {52: 365.25 / 7, 365: 365.25}
"""Steps of a year where a season is not quite one: the same date lies 52 weeks and a day or two back."""
STEP_DAYS = {4: 91, 12: 30, 52: 7}
"""Days of a step by steps of a season, where it is not a day."""
_MOST_LOG = 2.0


@dataclass(frozen=True, slots=True)
class YearlyProfile:
    """Each step is what the same date brought in the years before, without noise, festivals moved, times growth.

    Series of one group (a department in all stores) share a few shapes of the year (`soft_impute`). Festivals and days
    of the month are taken out and put back by date (`calendar_effects`), where the batch's covariates speak of them:
    those called `days_since_...` as `period_calendar` makes them; others that are no `_code` act in proportion, by
    their mean over all series. Growth over the year before comes from all traits and the series (`log_growth`). A
    series' forecast depends on the batch it is in.

    Attributes:
        season_length: steps of a season.
        group: the trait whose values share shapes; None takes the finest with `least_group` series to a value on
            average, or all series.
        least_group: see `group`.
        shrinkage: see `soft_impute`.
        older: what the year before last counts beside last year, and so on back, each brought to last year's level.
        half_life: seasons after which a step tells half as much of growth.
        prior_steps: see `log_growth`.
        damping: share of log growth that is left a season ahead.
        smoothness, ridge: see `log_effects`; smoothness for weeks.
        name: the forecaster's name in tables.
    """

    season_length: int = 52
    group: str | None = None
    least_group: int = 8
    shrinkage: float = 0.6
    older: float = 3 / 7
    half_life: float = 1 / 8
    prior_steps: float = 8.0
    damping: float = 0.6
    smoothness: float = 10.0
    ridge: float = 0.3
    name: str = "yearly_profile"

    pools_series: ClassVar[bool] = True

    def __post_init__(self) -> None:
        least = {"season_length": 1, "least_group": 1, "shrinkage": 0, "older": 0, "prior_steps": 0, "damping": 0}
        for field, low in (least | {"half_life": 1e-9, "smoothness": 1e-9, "ridge": 1e-9}).items():
            if not low <= getattr(self, field) < math.inf:
                raise ValueError(f"YearlyProfile.{field}: expected at least {low}, found {getattr(self, field)}")

    def forecast(self, batch: SkuBatch, horizon: int, quantiles: tuple[float, ...]) -> Forecast:
        """See `Forecaster.forecast`. A series without an observed step has no forecast.

        Raises:
            ValueError: no series has a season of history, or `group` is not among the traits.
        """
        check_request(horizon, quantiles)
        first = int(batch.mask_ST.any(0).int().argmax()) if len(batch) else 0
        y_ST, mask_ST = batch.y_ST[:, first:].cpu().numpy(), batch.mask_ST[:, first:].cpu().numpy()
        if y_ST.shape[1] < self.season_length:
            raise ValueError(
                f"expected a season of {self.season_length} steps of history, found {y_ST.shape[1]}; take a model that "
                "needs less"
            )
        groups = self._groups(batch)
        low_ST = np.empty_like(y_ST)
        for code in np.unique(groups[0]):
            of_S = groups[0] == code
            low_ST[of_S] = soft_impute(y_ST[of_S], mask_ST[of_S], self.shrinkage)
        effect_SX = np.exp(np.clip(self._effects(batch, first, horizon, low_ST, groups[0]), -_MOST_LOG, _MOST_LOG))
        past_ST, ahead_SH = np.split(effect_SX, [y_ST.shape[1]], axis=1)
        log_S, usual_ST = self._growth(y_ST / past_ST, mask_ST, low_ST / past_ST, groups)
        left_H = self.damping ** (np.arange(horizon) / self.season_length)
        mean_SH = self._dated(low_ST / past_ST, horizon) * np.exp(log_S[:, None] * left_H) * ahead_SH
        mean_SH[~mask_ST.any(1)] = np.nan
        error_ST = np.where(mask_ST, y_ST - usual_ST * past_ST, 0.0)
        return self._with_errors(mean_SH, error_ST, mask_ST, batch, quantiles)

    def _groups(self, batch: SkuBatch) -> list[np.ndarray]:
        """(S,) codes from 0 of the groups that share shapes, then those of the other traits."""
        names = () if batch.traits is None else batch.traits.names
        if self.group is not None and self.group not in names:
            raise ValueError(f"expected the trait {self.group!r}, found {', '.join(names) or 'no traits'}")
        coded = {}
        for c, name in enumerate(names):
            assert batch.traits is not None
            coded[name] = np.unique(batch.traits.codes_SC[:, c].cpu().numpy(), return_inverse=True)[1].ravel()
        n_values = {name: int(code_S.max(initial=0)) + 1 for name, code_S in coded.items()}
        large = [name for name in names if n_values[name] * self.least_group <= len(batch)]
        group = self.group or max(large, key=lambda name: n_values[name], default=None)
        if group is None:
            return [np.zeros(len(batch), dtype=np.int64)]
        return [coded.pop(group), *(code_S for name, code_S in coded.items() if name in large)]

    def _effects(
        self, batch: SkuBatch, first: int, horizon: int, low_ST: np.ndarray, group_S: np.ndarray
    ) -> np.ndarray:
        """(S, X) log effects of the calendar; 0 where nothing is known of it."""
        known = batch.known and batch.known.only(n for n in batch.known.names if not n.endswith("_code"))
        n_steps = low_ST.shape[1] + horizon
        if not known or not known.names:
            return np.zeros((len(batch), n_steps))
        values_SXK = known.over(batch.n_days, horizon)[:, first:].cpu().numpy()
        is_since_K = np.array([name.startswith(DAYS_SINCE) for name in known.names])
        since_SXF = values_SXK[:, :, is_since_K]
        if ((since_SXF < np.fmax.reduce(since_SXF, axis=0)) & ~np.isnan(since_SXF)).any():
            raise ValueError(
                f"expected {DAYS_SINCE}... of each step to be the same for all series, found others: they end on "
                "different steps; give every series rows, without y where it has none, up to the last step of all"
            )
        x_XK = _last_held(values_SXK, n_steps)
        since_XF = np.where(np.abs(x_XK[:, is_since_K]) < FAR, x_XK[:, is_since_K], np.nan)
        kernel_XX = calendar_kernel(since_XF, x_XK[:, ~is_since_K], STEP_DAYS.get(self.season_length, 1))
        total_GT = np.stack([np.maximum(low_ST[group_S == code], 0.0).sum(0) for code in range(group_S.max() + 1)])
        smoothness = self.smoothness * (self.season_length / 52) ** 4
        effect_SX: np.ndarray = log_effects(total_GT, kernel_XX, smoothness, self.ridge)[group_S]
        return effect_SX

    def _growth(
        self, y_ST: np.ndarray, mask_ST: np.ndarray, low_ST: np.ndarray, groups: list[np.ndarray]
    ) -> tuple[np.ndarray, np.ndarray]:
        """(S,) log growth at the last step; (S, T) last year at the series' level since, in the first year low_ST."""
        n = y_ST.shape[1]
        recent_T = 0.5 ** (np.arange(n)[::-1] / (self.half_life * self.season_length))
        recent_T[: self.season_length] = 0.0
        before_ST = _back(low_ST, self._year, np.arange(n))
        log_S = log_growth(y_ST, mask_ST * recent_T, before_ST, groups, self.prior_steps)
        even_ST = mask_ST * (recent_T > 0)
        own_S = log_growth(y_ST, even_ST, before_ST, [], 0.0)
        usual_ST = np.where(recent_T > 0, before_ST * np.exp(own_S)[:, None], low_ST)
        return log_S, usual_ST

    @property
    def _year(self) -> float:
        return YEAR_STEPS.get(self.season_length, float(self.season_length))

    def _dated(self, low_ST: np.ndarray, horizon: int) -> np.ndarray:
        """(S, H) the same dates in the years before, older ones at last year's level."""
        n, m = low_ST.shape[1], self.season_length
        step_H = n + np.arange(horizon)
        years_H = 1 + np.arange(horizon) // m
        total_SH, weight_H = np.zeros((len(low_ST), horizon)), np.zeros(horizon)
        for older in range(n // m):
            shared_T = np.arange(max(older * m, n - m), n)
            now_S = low_ST[:, shared_T].sum(1)
            then_S = _back(low_ST, older * self._year, shared_T).sum(1)
            level_S = np.where((now_S > 0) & (then_S > 0), now_S / np.where(then_S > 0, then_S, 1.0), 1.0)
            is_there_H = step_H - (years_H + older) * m >= 0
            weight_H += is_there_H * self.older**older
            dated_SH = _back(low_ST, (years_H + older) * self._year, step_H) * np.clip(level_S, 0.2, 5.0)[:, None]
            total_SH += dated_SH * (is_there_H * self.older**older)
        return total_SH / weight_H

    def _with_errors(
        self,
        mean_SH: np.ndarray,
        error_ST: np.ndarray,
        mask_ST: np.ndarray,
        batch: SkuBatch,
        quantiles: tuple[float, ...],
    ) -> Forecast:
        """Errors are those of last year's dates and growth; their spread grows with the root of the years ahead."""
        later_ST = mask_ST & (np.arange(mask_ST.shape[1]) >= self.season_length)
        past_ST = np.where(later_ST.any(1, keepdims=True), later_ST, mask_ST)
        mean, error, past = (torch.from_numpy(x).to(batch.device) for x in (mean_SH, error_ST * past_ST, past_ST))
        error_TS, past_TS = error.t().contiguous(), past.t().contiguous()
        n_S, sse_S = past_TS.sum(0), sum_of_squares(error_TS)
        sigma_S = (sse_S / n_S.clamp(min=1)).sqrt()
        years_H = 1.0 + torch.arange(mean.shape[1], device=batch.device).to(mean.dtype) / self.season_length
        sd_SH = sigma_S[:, None] * years_H.sqrt()
        shape_SHQ = empirical_quantiles(mean, sd_SH, error_TS, past_TS, quantiles)
        return Forecast(mean.clamp(min=0.0), sd_SH, shape_SHQ, sse_S, n_S, torch.zeros_like(n_S), sigma_S)


def _back(x_ST: np.ndarray, steps: float | np.ndarray, at_X: np.ndarray) -> np.ndarray:
    """(S, X) values so many steps before those at `at_X`, between two steps in proportion; at the edge that of it."""
    whole = np.floor(steps)
    part = steps - whole
    near_X = np.clip(at_X - whole, 0, x_ST.shape[1] - 1).astype(np.int64)
    far_X = np.maximum(near_X - 1, 0)
    back_SX: np.ndarray = (1.0 - part) * x_ST[:, near_X] + part * x_ST[:, far_X]
    return back_SX


def _last_held(values_NXK: np.ndarray, n_steps: int) -> np.ndarray:
    """(X, K) means over the series, 0 before anything is known, and what was last known for as long as nothing is."""
    known_XK = (~np.isnan(values_NXK)).sum(0)
    mean_XK = np.nansum(values_NXK, axis=0) / np.maximum(known_XK, 1)
    at_XK = np.maximum.accumulate(np.where(known_XK > 0, np.arange(len(mean_XK))[:, None], 0), axis=0)
    held_XK = np.take_along_axis(mean_XK, at_XK, axis=0)
    return np.pad(held_XK, ((0, n_steps - len(held_XK)), (0, 0)), mode="edge")
