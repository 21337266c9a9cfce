"""Is there a season, and what is it: the step before the Theta method.

The test is that of Fiorucci et al. (2016), section 2: a series is seasonal when its autocorrelation at the season's
lag m exceeds 1.645 sqrt((1 + 2 (r_1^2 + ... + r_{m-1}^2)) / n), a 90% test. The decomposition is the classical one
(Hyndman & Athanasopoulos, section 3.4): centred moving average as trend, phase means of what is left as season.

Unobserved days drop out of every mean, and a phase that was never observed, as a weekday on which the shop is closed,
out of the season: it is neutral, and the others are normalised without it. A trend exists where the whole window lies
within the series and at least half of its weight was observed. Seasons are multiplicative for series above zero
throughout whose indices all reach .01, additive for all others. Phases count from the day after the batch's last one.

The CPU kernel may add in another order than written (it then adds in vector registers), yet in one that follows from
the length of a series alone.
"""

from __future__ import annotations

from dataclasses import dataclass

import numba
import numpy as np
import torch
from torch.nn.functional import pad

from udfs.forecasting.masked import first_observed
from udfs.series.series_threads import over_series

CRITICAL = 1.6448536269514722
"""The 95% point of the normal distribution: a two-sided test at 90%."""

MIN_INDEX = 0.01
"""A multiplicative index below this would blow up the days it divides."""


ADDITIVE, RATIO = 1, 2
"""Kinds of season."""


@dataclass(frozen=True, slots=True)
class Season:
    """season_SM (S, M): what is added to a day of each phase, or where is_ratio_S what it is multiplied with.

    Series without a season hold zeros. n_seen_S: observed days. start_S: the first of them, T where there is none.
    z_ST: the demand without its season, 0 where unobserved.
    """

    season_SM: torch.Tensor
    is_ratio_S: torch.Tensor
    is_seasonal_S: torch.Tensor
    n_seen_S: torch.Tensor
    start_S: torch.Tensor
    z_ST: torch.Tensor

    def put_back(self, z_SH: torch.Tensor) -> torch.Tensor:
        """(S, H) the season laid on values of the days after the last one."""
        season_SH = self._along(z_SH.shape[1], 0)
        return torch.where(self.is_ratio_S[:, None], z_SH * season_SH, z_SH + season_SH)

    def scale(self, n_steps: int, first: int = 0) -> torch.Tensor:
        """(S, n_steps) by how much an error without season counts on a day, from day `first` after the last one."""
        if not bool(self.is_ratio_S.any()):
            return self.season_SM.new_ones((1, 1))
        return torch.where(self.is_ratio_S[:, None], self._along(n_steps, first), 1.0)

    def _along(self, n_steps: int, first: int) -> torch.Tensor:
        phase_X = (first + torch.arange(n_steps, device=self.season_SM.device)) % self.season_SM.shape[1]
        return self.season_SM[:, phase_X]


def find_season(y_ST: torch.Tensor, mask_ST: torch.Tensor, season_length: int, backend: str) -> Season:
    """The season of each series; none for lengths below two or fewer observed days than two seasons.

    Args:
        y_ST, mask_ST: demand, 0 where unobserved, and its mask.
        backend: "numba" or "torch".
    """
    if backend == "torch":
        return _find_torch(y_ST, mask_ST, season_length)
    n_series = len(y_ST)
    arrays = (y_ST.contiguous().numpy(), mask_ST.contiguous().numpy())
    season_SM, z_ST = np.zeros((n_series, season_length)), np.empty(y_ST.shape)
    kind_S, n_S, start_S = (np.zeros(n_series, dtype=np.int64) for _ in range(3))
    filled = (season_SM, kind_S, n_S, start_S, z_ST)
    over_series(lambda a, b: _find_numba(*(x[a:b] for x in (*arrays, *filled))), n_series)
    kind = torch.from_numpy(kind_S)
    return Season(
        torch.from_numpy(season_SM), kind == RATIO, kind > 0, *(torch.from_numpy(x) for x in (n_S, start_S, z_ST))
    )


def _find_torch(y_ST: torch.Tensor, mask_ST: torch.Tensor, season_length: int) -> Season:
    first_S = first_observed(mask_ST.t())
    n_S = mask_ST.sum(1)
    if season_length < 2:
        no_S = torch.zeros_like(first_S, dtype=torch.bool)
        return Season(y_ST.new_zeros((len(n_S), 1)), no_S, no_S, n_S, first_S, y_ST)
    mean_S = y_ST.sum(1) / n_S.clamp(min=1)
    dev_ST = torch.where(mask_ST, y_ST - mean_S[:, None], 0.0)
    power_S = (dev_ST * dev_ST).sum(1)
    r_KS = torch.stack([(dev_ST[:, k:] * dev_ST[:, :-k]).sum(1) for k in range(1, season_length + 1)])
    r_KS = r_KS / torch.where(power_S > 0, power_S, 1.0)
    bound_S = CRITICAL * ((1.0 + 2.0 * (r_KS[:-1] ** 2).sum(0)) / n_S.clamp(min=1)).sqrt()
    seasonal_S = (n_S >= 2 * season_length) & (r_KS[-1].abs() > bound_S)

    trend_ST, known_ST = _moving_average(y_ST, mask_ST, first_S, season_length)
    positive_S = torch.where(mask_ST, y_ST, torch.inf).amin(1) > 0
    detrended_ST = torch.where(known_ST & positive_S[:, None], y_ST / trend_ST, y_ST)
    ratio_SM, seen_SM = _phase_means(detrended_ST, known_ST, season_length)
    n_seen_S1 = seen_SM.sum(1, keepdim=True).clamp(min=1)
    seasonal_S = seasonal_S & (seen_SM.sum(1) >= 2)
    ratio_SM = torch.where(seen_SM, ratio_SM / (ratio_SM.sum(1, keepdim=True) / n_seen_S1), 1.0)
    ratio_S = seasonal_S & positive_S & (ratio_SM >= MIN_INDEX).all(1)
    added_SM, _ = _phase_means(y_ST - trend_ST, known_ST, season_length)
    added_SM = torch.where(seen_SM, added_SM - added_SM.sum(1, keepdim=True) / n_seen_S1, 0.0)
    season_SM = torch.where(ratio_S[:, None], ratio_SM, added_SM)
    season_SM = torch.where(seasonal_S[:, None], season_SM, 0.0)
    phase_T = (torch.arange(y_ST.shape[1], device=y_ST.device) - y_ST.shape[1]) % season_length
    season_ST = season_SM[:, phase_T]
    z_ST = torch.where(ratio_S[:, None], y_ST / season_ST, y_ST - season_ST)
    return Season(season_SM, ratio_S, seasonal_S, n_S, first_S, torch.where(mask_ST, z_ST, 0.0))


def _moving_average(
    y_ST: torch.Tensor, mask_ST: torch.Tensor, first_S: torch.Tensor, season_length: int
) -> tuple[torch.Tensor, torch.Tensor]:
    """(S, T) centred moving average over one season, the two ends of an even window at half weight, and where it is."""
    half, n_days = season_length // 2, y_ST.shape[1]
    padded, seen = pad(y_ST, (half, half)), pad(mask_ST.to(y_ST.dtype), (half, half))
    total_ST, weight_ST = torch.zeros_like(y_ST), torch.zeros_like(y_ST)
    for j in range(2 * half + 1):
        weight = 0.5 if season_length % 2 == 0 and j in (0, 2 * half) else 1.0
        total_ST += weight * padded[:, j : j + n_days]
        weight_ST += weight * seen[:, j : j + n_days]
    day_T = torch.arange(n_days, device=y_ST.device)
    inside_ST = (day_T >= first_S[:, None] + half) & (day_T < n_days - half)
    known_ST = mask_ST & inside_ST & (weight_ST >= 0.5 * season_length)
    return total_ST / torch.where(weight_ST > 0, weight_ST, 1.0), known_ST


def _phase_means(x_ST: torch.Tensor, known_ST: torch.Tensor, season_length: int) -> tuple[torch.Tensor, torch.Tensor]:
    """(S, M) means of the known days of each phase, 0 where it has none, and whether it has one."""
    short = -x_ST.shape[1] % season_length
    x_SWM = pad(torch.where(known_ST, x_ST, 0.0), (short, 0)).unflatten(1, (-1, season_length))
    count_SM = pad(known_ST, (short, 0)).unflatten(1, (-1, season_length)).sum(1)
    return x_SWM.sum(1) / count_SM.clamp(min=1), count_SM > 0


_VECTOR = {"reassoc", "nsz", "contract"}


@numba.njit(cache=True, nogil=True, error_model="numpy")
def _find_numba(y_ST, mask_ST, season_SM, kind_S, n_S, start_S, z_ST) -> None:  # type: ignore[no-untyped-def]
    space = season_space(y_ST.shape[1], season_SM.shape[1])
    for s in range(len(y_ST)):
        kind_S[s], n_S[s], start_S[s] = season_of(y_ST[s], mask_ST[s], season_SM[s], z_ST[s], space)


@numba.njit(cache=True, nogil=True, error_model="numpy")
def season_space(n_days, season_length):  # type: ignore[no-untyped-def]
    """Room for `season_of`."""
    return np.empty((3, n_days)), np.empty(season_length, dtype=np.int64)


@numba.njit(cache=True, nogil=True, error_model="numpy")
def season_of(y_T, mask_T, season_M, z_T, space):  # type: ignore[no-untyped-def]
    """Fill one series' season, zeros without one, and its demand without it.

    Returns its kind (0 none, `ADDITIVE` or `RATIO`), its observed days, and the first of them.
    """
    work_WT, count_M = space
    n_days, m = len(y_T), len(season_M)
    first = 0
    while first < n_days and not mask_T[first]:
        first += 1
    n = 0
    for t in range(first, n_days):
        n += mask_T[t]
    z_T[:] = y_T
    season_M[:] = 0.0
    if m < 2 or n < 2 * m or not _is_seasonal(y_T[first:], mask_T[first:], n, m, work_WT[0]):
        return 0, n, first
    trend_T, weight_T = work_WT[1], work_WT[2]
    _trend(y_T, mask_T, first, m, trend_T, weight_T)
    positive = True
    for t in range(first, n_days):
        positive &= (not mask_T[t]) | (y_T[t] > 0)
    kind = RATIO
    if not (positive and _phases(y_T, trend_T, weight_T, True, season_M, count_M)):
        kind = ADDITIVE
        if not _phases(y_T, trend_T, weight_T, False, season_M, count_M):
            season_M[:] = 0.0
            return 0, n, first
    phase = (first - n_days) % m
    for t in range(first, n_days):
        if mask_T[t]:
            z_T[t] = y_T[t] / season_M[phase] if kind == RATIO else y_T[t] - season_M[phase]
        phase = phase + 1 if phase + 1 < m else 0
    return kind, n, first


@numba.njit(cache=True, nogil=True, error_model="numpy", fastmath=_VECTOR)
def _is_seasonal(y_N, mask_N, n, m, work_T) -> bool:  # type: ignore[no-untyped-def]
    total = 0.0
    for t in range(len(y_N)):
        total += y_N[t]
    mean = total / n
    dev_N = work_T[: len(y_N)]
    for t in range(len(y_N)):
        dev_N[t] = y_N[t] - mean if mask_N[t] else 0.0
    power = _product(dev_N, 0)
    if power <= 0:
        return False
    spread = 0.0
    for k in range(1, m):
        spread += (_product(dev_N, k) / power) ** 2
    return abs(_product(dev_N, m) / power) > CRITICAL * np.sqrt((1.0 + 2.0 * spread) / n)


@numba.njit(cache=True, nogil=True, error_model="numpy", fastmath=_VECTOR)
def _product(x_N, lag) -> float:  # type: ignore[no-untyped-def]
    total = 0.0
    for t in range(lag, len(x_N)):
        total += x_N[t] * x_N[t - lag]
    return total


@numba.njit(cache=True, nogil=True, error_model="numpy")
def _trend(y_T, mask_T, first, m, trend_T, weight_T) -> None:  # type: ignore[no-untyped-def]
    """The moving average; its weight is set to 0 on days that have none."""
    n_days, half = len(y_T), m // 2
    trend_T[:] = 0.0
    weight_T[:] = 0.0
    for j in range(-half, half + 1):
        weight = 0.5 if m % 2 == 0 and abs(j) == half else 1.0
        for t in range(first + half, n_days - half):
            trend_T[t] += weight * y_T[t + j]
            weight_T[t] += weight * mask_T[t + j]
    for t in range(n_days):
        if mask_T[t] and weight_T[t] >= 0.5 * m:
            trend_T[t] /= weight_T[t]
        else:
            weight_T[t] = 0.0


@numba.njit(cache=True, nogil=True, error_model="numpy")
def _phases(y_T, trend_T, weight_T, ratio, season_M, count_M) -> bool:  # type: ignore[no-untyped-def]
    """Fill season_M; False where fewer than two phases were seen or a ratio is too small."""
    n_days, m = len(y_T), len(season_M)
    season_M[:] = 0.0
    count_M[:] = 0
    phase = -n_days % m
    for t in range(n_days):
        if weight_T[t] > 0:
            season_M[phase] += y_T[t] / trend_T[t] if ratio else y_T[t] - trend_T[t]
            count_M[phase] += 1
        phase = phase + 1 if phase + 1 < m else 0
    total, seen = 0.0, 0
    for k in range(m):
        if count_M[k] > 0:
            season_M[k] /= count_M[k]
            total += season_M[k]
            seen += 1
    if seen < 2:
        return False
    for k in range(m):
        if count_M[k] == 0:
            season_M[k] = 1.0 if ratio else 0.0
            continue
        season_M[k] = season_M[k] / (total / seen) if ratio else season_M[k] - total / seen
        if ratio and season_M[k] < MIN_INDEX:
            return False
    return True
