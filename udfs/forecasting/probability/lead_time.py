"""The distribution of demand over any lead time, from what a forecast stores and without forecasting again."""

from __future__ import annotations

from datetime import date

import numba
import numpy as np
import pyarrow as pa

from udfs.forecasting.forecast_spec import quantile_column
from udfs.forecasting.forecaster import check_request
from udfs.forecasting.probability.paths import PathSource
from udfs.series.series_threads import over_series

N_PATHS = 300
"""Enough for a standard error of .6 points in the share of paths below the 99% quantile, 1.7 below the 90%."""


def lead_time_demand(source: PathSource, cutoff: date, levels: tuple[float, ...], n_paths: int = N_PATHS) -> pa.Table:
    """Demand summed over the first 1, 2, ..., H days after the cutoff.

    Args:
        source: from `PathSource.prepare`.
        cutoff: written to every row.
        levels: increasing levels of the quantiles wanted.
        n_paths: sample paths a series, whose sums give sd and quantiles; the mean is the sum of the stored means.

    Returns:
        One row per series and number of days, in that order: unique_id, cutoff, days, mean, sd, p05, ...

    Raises:
        ValueError: levels that are not increasing within (0, 1), or fewer than two paths.
    """
    sd_SH, quantile_SHQ = _sums(source, levels, n_paths, 1, source.horizon, every=True)
    n_series, n_days = sd_SH.shape
    columns = {
        "unique_id": pa.array(np.repeat(source.unique_ids, n_days), pa.string()),
        "cutoff": pa.repeat(pa.scalar(cutoff, pa.date32()), n_series * n_days),
        "days": pa.array(np.tile(np.arange(1, n_days + 1, dtype=np.int32), n_series)),
        "mean": pa.array(np.cumsum(source.mean_SH, axis=1).ravel()),
        "sd": pa.array(sd_SH.ravel()),
    }
    return pa.table(columns | _quantile_columns(quantile_SHQ, levels))


def window_demand(
    source: PathSource, first_day: int, last_day: int, levels: tuple[float, ...], n_paths: int = N_PATHS
) -> pa.Table:
    """Demand summed over days first_day to last_day after the cutoff, both included and counted from 1.

    Returns:
        One row per series: unique_id, first_day, last_day, mean, sd, p05, ...

    Raises:
        ValueError: days outside 1..H or out of order, and what `lead_time_demand` raises.
    """
    if not 1 <= first_day <= last_day <= source.horizon:
        raise ValueError(f"expected 1 <= first_day <= last_day <= {source.horizon}, found {first_day} and {last_day}")
    sd_SL, quantile_SLQ = _sums(source, levels, n_paths, first_day, last_day, every=False)
    columns = {
        "unique_id": pa.array(source.unique_ids, pa.string()),
        "first_day": pa.array(np.full(len(source), first_day, dtype=np.int32)),
        "last_day": pa.array(np.full(len(source), last_day, dtype=np.int32)),
        "mean": pa.array(np.cumsum(source.mean_SH[:, first_day - 1 : last_day], axis=1)[:, -1]),
        "sd": pa.array(sd_SL[:, 0]),
    }
    return pa.table(columns | _quantile_columns(quantile_SLQ, levels))


def _quantile_columns(quantile_SLQ: np.ndarray, levels: tuple[float, ...]) -> dict[str, pa.Array]:
    return {quantile_column(level): pa.array(quantile_SLQ[..., k].ravel()) for k, level in enumerate(levels)}


def _sums(
    source: PathSource, levels: tuple[float, ...], n_paths: int, first_day: int, last_day: int, every: bool
) -> tuple[np.ndarray, np.ndarray]:
    """sd and quantiles of sums that begin on first_day and end on every day up to last_day, or on last_day alone.

    A series' paths live only while its sums are taken, so memory does not grow with the number of series.
    """
    check_request(1, levels)
    if n_paths < 2:
        raise ValueError(f"expected at least two paths for a spread, found {n_paths}")
    n_sums = last_day - first_day + 1 if every else 1
    sd_SL = np.empty((len(source), n_sums))
    quantile_SLQ = np.empty((len(source), n_sums, len(levels)))
    wanted_Q = np.asarray(levels)

    def kernel(start: int, stop: int) -> None:
        path_NH = np.empty((n_paths, source.horizon))
        for s in range(start, stop):
            source.draw_one(s, path_NH)
            _reduce(path_NH, first_day - 1, last_day, wanted_Q, sd_SL[s], quantile_SLQ[s])

    over_series(kernel, len(source))
    return sd_SL, quantile_SLQ


@numba.njit(cache=True, nogil=True, error_model="numpy")
def _reduce(
    path_NH: np.ndarray, first: int, stop: int, level_Q: np.ndarray, sd_L: np.ndarray, quantile_LQ: np.ndarray
) -> None:
    """Fill sd_L and quantile_LQ from the paths; quantiles interpolate as type 7 of Hyndman & Fan (1996)."""
    n_paths, n_sums = path_NH.shape[0], len(sd_L)
    sum_N = np.zeros(n_paths)
    for h in range(first, stop):
        sum_N += path_NH[:, h]
        k = h - (stop - n_sums)
        if k < 0:
            continue
        mean = sum_N.sum() / n_paths
        deviation_N = sum_N - mean
        sd_L[k] = np.sqrt((deviation_N * deviation_N).sum() / (n_paths - 1))
        sorted_N = np.sort(sum_N)
        for q in range(len(level_Q)):
            rank = level_Q[q] * (n_paths - 1)
            low = min(int(rank), n_paths - 2)
            quantile_LQ[k, q] = sorted_N[low] + (sorted_N[low + 1] - sorted_N[low]) * (rank - low)
