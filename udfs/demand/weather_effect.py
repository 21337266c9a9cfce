"""What weather does to demand by category, learned from days that came, and whether knowing it would have paid.

Dimensions: U units (a category in a location), T days, H horizon, W values of weather, C categories, K windows.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from udfs.demand.festival_lift import AROUND_WEEKS, usual_demand
from udfs.series.known_weather import factors

MOST_WINDOWS, LEAST_WINDOWS = 26, 4
LEAST_LEARNT_DAYS = 112
_AROUND_DAYS = 7 * AROUND_WEEKS
_LEVEL_DAYS = 28
_DOUBT = 2.0
"""Standard errors by which the windows' mean gain must exceed 0."""
_STEPS, _CLOSE = 20, 1e-7


@dataclass(frozen=True, eq=False, slots=True)
class UnitDays:
    """Days of units until a cutoff.

    Attributes:
        y_UT, seen_UT: demand, and where it and all weather are known.
        weather_UTW: the weather that came.
        usual_UT: demand of the weeks around each day, on the same weekday; NaN where unknown.
        gap_UTW: how far the weather was from that of the same days.
        category_U: number of each unit's category.
        mean_W: mean weather of the days seen.
    """

    y_UT: np.ndarray
    seen_UT: np.ndarray
    weather_UTW: np.ndarray
    usual_UT: np.ndarray
    gap_UTW: np.ndarray
    category_U: np.ndarray
    mean_W: np.ndarray

    @classmethod
    def of(
        cls,
        y_UT: np.ndarray,
        seen_UT: np.ndarray,
        state_UT: np.ndarray,
        weather_UTW: np.ndarray,
        category_U: np.ndarray,
    ) -> UnitDays:
        """state_UT: see `usual_demand`."""
        seen_UT = seen_UT & ~np.isnan(weather_UTW).any(2)
        like = seen_UT, state_UT, seen_UT
        usual_UT = usual_demand(np.where(seen_UT, y_UT, 0.0), *like)
        around = [usual_demand(np.where(seen_UT, w_UT, 0.0), *like) for w_UT in np.moveaxis(weather_UTW, 2, 0)]
        gap_UTW = weather_UTW - np.stack(around, axis=2)
        mean_W = weather_UTW[seen_UT].mean(0) if seen_UT.any() else np.zeros(weather_UTW.shape[2])
        return cls(y_UT, seen_UT, weather_UTW, usual_UT, gap_UTW, category_U, mean_W)

    def effects(self, n_categories: int, end: int | None = None) -> np.ndarray:
        """(C, W) what a unit more of each value does to the log of demand, by the first `end` days; 0 for no days.

        A Poisson regression around usual demand (Gourieroux, Monfort & Trognon, 1984: consistent whatever the
        variance).
        """
        effect_CW = np.zeros((n_categories, self.weather_UTW.shape[2]))
        for c in np.unique(self.category_U):
            of_U = self.category_U == c
            usual_UT = self.usual_UT[of_U, :end]
            use_UT = usual_UT > 0
            effect_CW[c] = _poisson(self.y_UT[of_U, :end][use_UT], usual_UT[use_UT], self.gap_UTW[of_U, :end][use_UT])
        return effect_CW

    def gains(self, n_categories: int, horizon: int, ahead: Callable[[int], np.ndarray]) -> tuple[np.ndarray, ...]:
        """(K, C) errors of forecasts without weather, and how much less they err with it, window by window.

        The windows are the last ones, a horizon apart; each knows effects by days whose weeks around lie before it, the
        last four weeks of demand, and weather as `ahead(origin)` (U, H, W) tells.
        """
        last = self.y_UT.shape[1] - horizon
        origins = [last - k * horizon for k in range(MOST_WINDOWS)]
        origins = [origin for origin in origins if origin - _AROUND_DAYS >= LEAST_LEARNT_DAYS]
        rows = [self._window(origin, horizon, n_categories, ahead(origin)) for origin in origins]
        errors_2KC = np.array(rows).reshape(-1, 2, n_categories).swapaxes(0, 1)
        return errors_2KC[0], errors_2KC[0] - errors_2KC[1]

    def _window(self, origin: int, horizon: int, n_categories: int, ahead_UHW: np.ndarray) -> list[np.ndarray]:
        effect_UW = self.effects(n_categories, origin - _AROUND_DAYS)[self.category_U]
        past = slice(max(origin - _LEVEL_DAYS, 0), origin)
        recent_UTW, y_UT, seen_UT = self.weather_UTW[:, past], self.y_UT[:, past], self.seen_UT[:, past]
        past_UT, ahead_UH = (factors(x_UXW - self.mean_W, effect_UW) for x_UXW in (recent_UTW, ahead_UHW))
        days = slice(origin, origin + horizon)
        came_UH, use_UH = self.y_UT[:, days], self.seen_UT[:, days]
        found = []
        for mean_UH in (_weekly(y_UT, seen_UT, horizon), _weekly(y_UT / past_UT, seen_UT, horizon) * ahead_UH):
            error_U = np.where(use_UH, np.abs(np.nan_to_num(mean_UH) - came_UH), 0.0).sum(1)
            found.append(np.bincount(self.category_U, error_U, n_categories))
        return found


def pays(gain_KC: np.ndarray) -> np.ndarray:
    """(C,) whether windows gain in the mean, beyond doubt of their own spread."""
    n_windows = len(gain_KC)
    if n_windows < LEAST_WINDOWS:
        return np.zeros(gain_KC.shape[1], dtype=bool)
    error_C = gain_KC.std(0, ddof=1) / np.sqrt(n_windows)
    mean_C = gain_KC.mean(0)
    is_sure_C: np.ndarray = (mean_C > 0) & (mean_C > _DOUBT * error_C)
    return is_sure_C


def _poisson(y_N: np.ndarray, usual_N: np.ndarray, gap_NW: np.ndarray) -> np.ndarray:
    """(W,) b for which y is usual x exp(gap b) in the mean, by Newton's steps; a hair's weight lies on 0."""
    scale_W = gap_NW.std(0) if len(gap_NW) else np.ones(gap_NW.shape[1])
    scale_W = np.where(scale_W > 0, scale_W, 1.0)
    x_NW = gap_NW / scale_W
    effect_W = np.zeros(gap_NW.shape[1])
    for _ in range(_STEPS):
        mean_N = usual_N * np.exp(np.clip(x_NW @ effect_W, -2.0, 2.0))
        slope_W = x_NW.T @ (y_N - mean_N) - effect_W
        curve_WW = (x_NW * mean_N[:, None]).T @ x_NW + np.eye(len(effect_W))
        step_W = np.linalg.solve(curve_WW, slope_W)
        effect_W = np.clip(effect_W + step_W, -1.0, 1.0)
        if np.abs(step_W).max() < _CLOSE:
            break
    return effect_W / scale_W


def _weekly(y_UT: np.ndarray, seen_UT: np.ndarray, horizon: int) -> np.ndarray:
    """(U, H) means of the same weekdays; NaN where none was seen."""
    shape = (len(y_UT), _LEVEL_DAYS // 7, 7)
    total_UD, n_UD = ((np.where(seen_UT, x_UT, 0.0).reshape(shape)).sum(1) for x_UT in (y_UT, np.ones_like(y_UT)))
    mean_UD = np.divide(total_UD, n_UD, out=np.full_like(total_UD, np.nan), where=n_UD > 0)
    mean_UH: np.ndarray = mean_UD[:, np.arange(horizon) % 7]
    return mean_UH
