"""Probabilities of whole-unit demand, as the arrays that the exact methods read."""

from __future__ import annotations

from typing import Any, Final

import numpy as np
from scipy import stats

from udfs.inventory.demand_distribution import BoolArray, FloatArray

TAIL: Final = 1e-12
"""The probability that is left out above the last number; the rest is scaled to sum to 1."""


def poisson_pmf(mean_demand: Any) -> FloatArray:
    """pmf_SN of Poisson demand; mean_demand: units per period, > 0, a number or [S].

    >>> poisson_pmf(5.0)[0, :2].round(4).tolist()
    [0.0067, 0.0337]
    """
    mean_S = _positive("mean_demand", mean_demand)
    greatest_S = stats.poisson.isf(TAIL, mean_S)
    number_N = np.arange(int(greatest_S.max()) + 1)
    return _scaled(stats.poisson.pmf(number_N, mean_S[:, None]), number_N <= greatest_S[:, None])


def geometric_pmf(mean_demand: Any) -> FloatArray:
    """pmf_SN of geometric demand from 0 on, P(d) = (1 - r) r^d with r = mean / (1 + mean).

    mean_demand: units per period, > 0, a number or [S].

    >>> geometric_pmf(4.0)[0, :3].round(3).tolist()
    [0.2, 0.16, 0.128]
    """
    mean_S = _positive("mean_demand", mean_demand)
    ratio_S1 = (mean_S / (1.0 + mean_S))[:, None]
    greatest_S1 = np.ceil(np.log(TAIL) / np.log(ratio_S1))
    number_N = np.arange(int(greatest_S1.max()) + 1)
    return _scaled((1.0 - ratio_S1) * ratio_S1**number_N, number_N <= greatest_S1)


def empirical_pmf(demand_SP: FloatArray) -> FloatArray:
    """pmf_SN of what was seen or drawn: the share of each number of units among P periods.

    demand_SP: units, whole, >= 0. Raises ValueError for others, and where there is no period.

    >>> empirical_pmf(np.array([[0.0, 2.0, 2.0, 1.0]])).tolist()
    [[0.25, 0.25, 0.5]]
    """
    demand_SP = np.asarray(demand_SP, dtype=np.float64)
    if demand_SP.ndim != 2 or not demand_SP.size:
        raise ValueError(f"demand_SP: expected units [S, P], found shape {demand_SP.shape}")
    is_good_SP = np.isfinite(demand_SP) & (demand_SP >= 0.0) & (demand_SP == np.floor(demand_SP))
    rows = np.flatnonzero(~is_good_SP.all(1))
    if rows.size:
        found = demand_SP[rows[0]][~is_good_SP[rows[0]]][0]
        raise ValueError(f"demand_SP: expected whole units >= 0, found {found:g} in row {rows[0]}")
    pmf_SN = np.zeros((len(demand_SP), int(demand_SP.max()) + 1))
    np.add.at(pmf_SN, (np.arange(len(demand_SP))[:, None], demand_SP.astype(np.int64)), 1.0 / demand_SP.shape[1])
    return pmf_SN


def _positive(name: str, values: Any) -> FloatArray:
    values_S = np.atleast_1d(np.asarray(values, dtype=np.float64))
    rows = np.flatnonzero(~(np.isfinite(values_S) & (values_S > 0.0)))
    if rows.size:
        raise ValueError(f"{name}: expected units > 0, found {values_S[rows[0]]:g} in row {rows[0]}")
    return values_S


def _scaled(pmf_SN: FloatArray, is_kept_SN: BoolArray) -> FloatArray:
    """Each series cut off where its own tail begins, whatever the longest needs."""
    kept_SN = np.where(is_kept_SN, pmf_SN, 0.0)
    return np.asarray(kept_SN / np.cumsum(kept_SN, axis=1)[:, -1:], dtype=np.float64)
