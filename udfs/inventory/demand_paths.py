"""Sample paths of the days after a cutoff, and sums of demand over any interval of them.

Days beyond the horizon repeat the last week of each path, so that each weekday counts once. Dimensions: S series,
N paths, H days of the horizon, T periods in which a policy reviews, Q quantile levels.
"""

from __future__ import annotations

from dataclasses import dataclass

import numba
import numpy as np
from numpy.typing import NDArray

from udfs.inventory.demand_distribution import FloatArray
from udfs.inventory.parameters import PROBABILITY, WHOLE, check
from udfs.series.series_threads import over_series

WEEK_DAYS = 7


@dataclass(frozen=True, slots=True)
class DemandPaths:
    """Demand in units a day, finite and >= 0.

    path_SNH: sample paths. mean_SH: the forecast's mean, which the paths' mean meets as nearly as quantiles allow.
    Raises ValueError for shapes that do not fit, or demand that is not finite and >= 0.
    """

    path_SNH: FloatArray
    mean_SH: FloatArray

    def __post_init__(self) -> None:
        n_series, _, n_days = self.path_SNH.shape if self.path_SNH.ndim == 3 else (-1, 0, 0)
        if self.mean_SH.shape != (n_series, n_days) or n_days < 1:
            raise ValueError(
                f"expected paths of shape (S, N, H) and means of shape (S, H), found {self.path_SNH.shape} and "
                f"{self.mean_SH.shape}"
            )
        for name in ("path_SNH", "mean_SH"):
            values = getattr(self, name)
            least, most = values.min(initial=0.0), values.max(initial=0.0)
            if not (least >= 0.0 and most < np.inf):  # NaN fails both
                raise ValueError(f"{name}: expected finite units >= 0, found {least:g} to {most:g}")

    def __len__(self) -> int:
        return len(self.mean_SH)

    @property
    def n_days(self) -> int:
        return int(self.mean_SH.shape[1])

    def take(self, rows: np.ndarray) -> DemandPaths:
        """The series of the given rows."""
        return DemandPaths(self.path_SNH[rows], self.mean_SH[rows])

    def sums(self, days_S: FloatArray) -> FloatArray:
        """Demand of the first days_S days after the cutoff, units, (S, N).

        Raises ValueError for days that are not whole and >= 0.
        """
        sum_SN = np.empty(self.path_SNH.shape[:2])
        days = _whole_days(days_S)

        def kernel(start: int, stop: int) -> None:
            for s in range(start, stop):
                _sums(self.path_SNH[s], days[s], sum_SN[s])

        over_series(kernel, len(self))
        return sum_SN

    def days_of_cover(self, position_S: FloatArray) -> FloatArray:
        """Days until the mean demand has used up the stock position, with the part of the last day, [S].

        Zero for a position of zero or less; infinite where no further demand is expected. Beyond the horizon demand
        goes on at the mean of its last week.
        """
        cover_S = np.zeros(len(self))
        for s in np.flatnonzero(np.asarray(position_S) > 0.0):
            cover_S[s] = _days_of_cover(_cumulated(np.ascontiguousarray(self.mean_SH[s])), float(position_S[s]))
        return cover_S

    def mean_ahead(self, days: FloatArray) -> FloatArray:
        """Mean demand of the given days, [S] or (S, H), from each day of the horizon on, units, (S, H)."""
        return rolling_sums(self.mean_SH, days)

    def quantile_ahead(self, days: FloatArray, level_S: FloatArray) -> FloatArray:
        """Quantile of the demand of the given days, [S] or (S, H), from each day of the horizon on, units, (S, H).

        The least sum that a share `level` of the paths does not exceed: order-up-to levels that move with the calendar.
        Raises ValueError for days that are not whole and >= 0, or a level not strictly between 0 and 1.
        """
        level_SH = np.empty(self.mean_SH.shape)
        days_SH = _days_by_day(days, self.mean_SH.shape)
        check("level_S", np.asarray(level_S), PROBABILITY)
        n_paths = self.path_SNH.shape[1]
        rank_S = np.clip(np.ceil(np.asarray(level_S) * n_paths - 1e-9).astype(np.int64) - 1, 0, n_paths - 1)

        def kernel(start: int, stop: int) -> None:
            for s in range(start, stop):
                _quantile_ahead(self.path_SNH[s], days_SH[s], rank_S[s], level_SH[s])

        over_series(kernel, len(self))
        return level_SH


def rolling_sums(day_SH: FloatArray, days: FloatArray) -> FloatArray:
    """Sum of the given days, [S] or (S, H), from each day on, (S, H); beyond the horizon the last week goes on.

    Raises ValueError for days that are not whole and >= 0.
    """
    sum_SH = np.empty(day_SH.shape)
    for s, days_H in enumerate(_days_by_day(days, day_SH.shape)):
        _rolling(_cumulated(np.ascontiguousarray(day_SH[s], dtype=np.float64)), days_H, sum_SH[s])
    return sum_SH


def _days_by_day(days: FloatArray, shape: tuple[int, int]) -> NDArray[np.int64]:
    """Whole days by series and day of the horizon, (S, H)."""
    whole = _whole_days(days)
    return np.array(np.broadcast_to(whole[:, None] if whole.ndim == 1 else whole, shape))


def _whole_days(days_S: FloatArray) -> NDArray[np.int64]:
    days_S = np.asarray(days_S, dtype=np.float64)
    check("days_S", days_S, WHOLE)
    return days_S.astype(np.int64)


@numba.njit(cache=True, nogil=True, error_model="numpy")
def _cumulated(day_H: np.ndarray) -> np.ndarray:
    """(H + 1,) demand of the first 0, 1, ..., H days."""
    total_H1 = np.empty(len(day_H) + 1)
    total_H1[0] = 0.0
    for h in range(len(day_H)):
        total_H1[h + 1] = total_H1[h] + day_H[h]
    return total_H1


@numba.njit(cache=True, nogil=True, error_model="numpy")
def _until(total_H1: np.ndarray, day: int) -> float:
    """Demand of the first `day` days, the last week repeated beyond the horizon."""
    n_days = len(total_H1) - 1
    if day <= n_days:
        return total_H1[day]
    week = min(WEEK_DAYS, n_days)
    first = total_H1[n_days - week]
    weeks, rest = divmod(day - n_days, week)
    return total_H1[n_days] + weeks * (total_H1[n_days] - first) + (total_H1[n_days - week + rest] - first)


@numba.njit(cache=True, nogil=True, error_model="numpy")
def _sums(path_NH: np.ndarray, days: int, sum_N: np.ndarray) -> None:
    for n in range(path_NH.shape[0]):
        sum_N[n] = _until(_cumulated(path_NH[n]), days)


@numba.njit(cache=True, nogil=True, error_model="numpy")
def _rolling(total_H1: np.ndarray, days_H: np.ndarray, sum_H: np.ndarray) -> None:
    for h in range(len(sum_H)):
        sum_H[h] = max(_until(total_H1, h + days_H[h]) - _until(total_H1, h), 0.0)


@numba.njit(cache=True, nogil=True, error_model="numpy")
def path_sums_ahead(path_NH: np.ndarray, days_H: np.ndarray) -> np.ndarray:
    """(H, N) demand of so many days from each day of the horizon on, on each path of one series."""
    n_paths, n_days = path_NH.shape
    sum_HN = np.empty((n_days, n_paths))
    sum_H = np.empty(n_days)
    for n in range(n_paths):
        _rolling(_cumulated(path_NH[n]), days_H, sum_H)
        sum_HN[:, n] = sum_H
    return sum_HN


@numba.njit(cache=True, nogil=True, error_model="numpy")
def _quantile_ahead(path_NH: np.ndarray, days_H: np.ndarray, rank: int, level_H: np.ndarray) -> None:
    sum_HN = path_sums_ahead(path_NH, days_H)
    for h in range(len(sum_HN)):
        level_H[h] = np.sort(sum_HN[h])[rank]


def _days_of_cover(total_H1: FloatArray, position: float) -> float:
    n_days = len(total_H1) - 1
    full = int(np.searchsorted(total_H1, position, side="right")) - 1
    if full < n_days:
        return full + (position - total_H1[full]) / (total_H1[full + 1] - total_H1[full])
    week = min(WEEK_DAYS, n_days)
    daily = (total_H1[n_days] - total_H1[n_days - week]) / week
    rest = position - total_H1[n_days]
    return float(n_days + (rest / daily if daily > 0.0 else (np.inf if rest >= 0.0 else 0.0)))
