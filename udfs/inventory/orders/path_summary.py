"""Mean and quantiles of each series' sample paths."""

from __future__ import annotations

from dataclasses import dataclass

import numba
import numpy as np

from udfs.inventory.demand_distribution import FloatArray
from udfs.series.series_threads import over_series


@dataclass(frozen=True, slots=True)
class PathSummary:
    """Mean, median and 90% quantile of a quantity over its paths, [S] each.

    A quantile is the least path value that at least so great a share of the paths does not exceed.
    """

    mean_S: FloatArray
    p50_S: FloatArray
    p90_S: FloatArray


def summarise_paths(value_SP: FloatArray) -> PathSummary:
    """Summarise finite values [S, P], P at least 1."""
    value_SP = np.ascontiguousarray(value_SP, dtype=np.float64)
    out_3S = np.empty((3, len(value_SP)))
    over_series(lambda a, b: _summarise_rows(a, b, value_SP, out_3S), len(value_SP))
    return PathSummary(*out_3S)


@numba.njit(cache=True, nogil=True, error_model="numpy")
def _summarise_rows(start: int, stop: int, value_SP: FloatArray, out_3S: FloatArray) -> None:
    P = value_SP.shape[1]
    median, ninth = int(np.ceil(0.5 * P - 1e-9)) - 1, int(np.ceil(0.9 * P - 1e-9)) - 1
    for s in range(start, stop):
        ordered_P = np.sort(value_SP[s])
        out_3S[0, s], out_3S[1, s], out_3S[2, s] = ordered_P.mean(), ordered_P[median], ordered_P[ninth]
