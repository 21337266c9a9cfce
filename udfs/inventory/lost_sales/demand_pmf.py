"""Probabilities of whole-unit demand, as the arrays that the exact methods read."""

from __future__ import annotations

from typing import Any, Final

import numpy as np
from scipy import stats

from udfs.inventory.demand_distribution import FloatArray

TAIL: Final = 1e-12
"""The probability that is left out above the last number; the rest is scaled to sum to 1."""


def poisson_pmf(mean_demand: Any) -> FloatArray:
    """pmf_SN of Poisson demand; mean_demand: units per period, > 0, a number or [S].

    >>> poisson_pmf(5.0)[0, :2].round(4).tolist()
    [0.0067, 0.0337]
    """
    mean_S = _positive("mean_demand", mean_demand)
    greatest = int(stats.poisson.isf(TAIL, mean_S).max())
    return _scaled(stats.poisson.pmf(np.arange(greatest + 1), mean_S[:, None]))


def geometric_pmf(mean_demand: Any) -> FloatArray:
    """pmf_SN of geometric demand from 0 on, P(d) = (1 - r) r^d with r = mean / (1 + mean).

    mean_demand: units per period, > 0, a number or [S].

    >>> geometric_pmf(4.0)[0, :3].round(3).tolist()
    [0.2, 0.16, 0.128]
    """
    mean_S = _positive("mean_demand", mean_demand)
    ratio_S1 = (mean_S / (1.0 + mean_S))[:, None]
    greatest = int(np.ceil(np.log(TAIL) / np.log(ratio_S1)).max())
    return _scaled((1.0 - ratio_S1) * ratio_S1 ** np.arange(greatest + 1))


def _positive(name: str, values: Any) -> FloatArray:
    values_S = np.atleast_1d(np.asarray(values, dtype=np.float64))
    rows = np.flatnonzero(~(np.isfinite(values_S) & (values_S > 0.0)))
    if rows.size:
        raise ValueError(f"{name}: expected units > 0, found {values_S[rows[0]]:g} in row {rows[0]}")
    return values_S


def _scaled(pmf_SN: FloatArray) -> FloatArray:
    return np.asarray(pmf_SN / pmf_SN.sum(1, keepdims=True), dtype=np.float64)
