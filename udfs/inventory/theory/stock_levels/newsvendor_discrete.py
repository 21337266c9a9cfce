"""The newsvendor without a family: any distribution over whole units, or sample paths of a forecast."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike

from udfs.inventory.parameters import AT_LEAST_ZERO, POSITIVE, check, per_series, reject
from udfs.inventory.theory.stock_levels.stock_level import StockLevel

_ROUNDING = 1e-12  # a sum of probabilities this close to the critical ratio has reached it
_PMF_TOLERANCE = 1e-6


def newsvendor_pmf(pmf_SN: ArrayLike, holding_cost: ArrayLike, shortage_cost: ArrayLike) -> StockLevel:
    """Best stock for demand n with probability `pmf_SN[:, n]`, n = 0 .. N - 1.

    Args:
        pmf_SN: probabilities, [S, N] (or [N] for one series), >= 0; each row sums to 1 within 1e-6.
        holding_cost: currency per unit left over, > 0. shortage_cost: currency per unit short, > 0.

    Raises:
        ValueError: a parameter out of range, or a row that does not sum to 1, with its first row.

    >>> best = newsvendor_pmf([0.25, 0.5, 0.25], holding_cost=1, shortage_cost=3)
    >>> float(best.level_S[0]), float(best.cost_S[0])
    (1.0, 1.0)
    """
    pmf_SN = np.atleast_2d(np.asarray(pmf_SN, dtype=np.float64))
    if pmf_SN.ndim != 2 or pmf_SN.shape[1] < 1:
        raise ValueError(f"pmf_SN: expected [S, N] with N >= 1, found shape {pmf_SN.shape}")
    check("pmf_SN", pmf_SN, AT_LEAST_ZERO)
    total_S = pmf_SN.sum(axis=1)
    reject(abs(total_S - 1.0) > _PMF_TOLERANCE, lambda row: f"pmf_SN: expected a sum of 1, found {total_S[row]:g}")
    h_S, p_S, total_S = per_series(
        holding_cost=(holding_cost, POSITIVE), shortage_cost=(shortage_cost, POSITIVE), pmf_SN=(total_S, POSITIVE)
    )
    pmf_SN = pmf_SN / total_S[:, None]
    ratio_S = p_S / (p_S + h_S)
    level_S = (np.cumsum(pmf_SN, axis=1) < ratio_S[:, None] - _ROUNDING).sum(axis=1)
    level_S = np.minimum(level_S, pmf_SN.shape[1] - 1).astype(np.float64)
    gap_SN = np.arange(pmf_SN.shape[1]) - level_S[:, None]
    short_S, left_S = (pmf_SN * np.maximum(gap_SN, 0.0)).sum(axis=1), (pmf_SN * np.maximum(-gap_SN, 0.0)).sum(axis=1)
    return StockLevel(level_S, h_S * left_S + p_S * short_S)


def newsvendor_paths(demand_SP: ArrayLike, holding_cost: ArrayLike, shortage_cost: ArrayLike) -> StockLevel:
    """Best stock for demand that is one of P equally likely paths: the ceil(P p / (p + h))-th least of them.

    This is the sample average approximation, exact for the sample (Levi, Roundy & Shmoys 2007); it needs no family and
    keeps whatever skew the paths have. With few paths a high ratio gives the greatest path, and the expected cost is
    then too low for demand to come.

    Args:
        demand_SP: units, >= 0, [S, P] (or [P] for one series), for instance sums over lead time plus review.
        holding_cost: currency per unit left over, > 0. shortage_cost: currency per unit short, > 0.

    Raises:
        ValueError: a parameter out of range, with its first row, or no path.

    >>> best = newsvendor_paths([3, 0, 1, 8], holding_cost=1, shortage_cost=3)
    >>> float(best.level_S[0]), float(best.cost_S[0])
    (3.0, 5.0)
    """
    demand_SP = np.atleast_2d(np.asarray(demand_SP, dtype=np.float64))
    if demand_SP.ndim != 2 or demand_SP.shape[1] < 1:
        raise ValueError(f"demand_SP: expected [S, P] with P >= 1, found shape {demand_SP.shape}")
    check("demand_SP", demand_SP, AT_LEAST_ZERO)
    h_S, p_S, _ = per_series(
        holding_cost=(holding_cost, POSITIVE),
        shortage_cost=(shortage_cost, POSITIVE),
        demand_SP=(np.ones(demand_SP.shape[0]), POSITIVE),
    )
    n_paths = demand_SP.shape[1]
    rank_S = np.ceil(n_paths * p_S / (p_S + h_S) - _ROUNDING * n_paths).astype(np.int64)
    sorted_SP = np.broadcast_to(np.sort(demand_SP, axis=1), (h_S.size, n_paths))
    level_S = sorted_SP[np.arange(h_S.size), np.clip(rank_S, 1, n_paths) - 1]
    gap_SP = sorted_SP - level_S[:, None]
    cost_SP = np.where(gap_SP > 0.0, p_S[:, None] * gap_SP, -h_S[:, None] * gap_SP)
    return StockLevel(level_S, cost_SP.mean(axis=1))
