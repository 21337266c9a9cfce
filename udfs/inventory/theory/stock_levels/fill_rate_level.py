"""The order-up-to level whose expected fill rate meets a target."""

from __future__ import annotations

from typing import Final

import numpy as np
from numpy.typing import ArrayLike

from udfs.inventory.demand_distribution import DemandDistribution, FloatArray

_MOST_DOUBLINGS: Final = 60


def fill_rate_level(demand: DemandDistribution, fill_rate: ArrayLike) -> FloatArray:
    """The least whole level y with E[(D - y)+] <= (1 - fill_rate) E[D], units, [S].

    demand: over the interval that the level protects, lead time + review. fill_rate: share of the units served from
    stock, in (0, 1), a number or [S]: type-2 service (Snyder & Shen 2019, section 4.3.4; Silver, Pyke & Thomas 2017,
    section 6.7). A series that expects no demand gets 0.
    Raises ValueError for a fill rate out of range.

    >>> fill_rate_level(DemandDistribution.fit(np.array([4.0]), np.array([4.0]), "poisson"), 0.95)
    array([6.])
    """
    rate_S = np.broadcast_to(np.asarray(fill_rate, dtype=np.float64), demand.mean_S.shape)
    bad = np.flatnonzero(~((rate_S > 0.0) & (rate_S < 1.0)))
    if bad.size:
        raise ValueError(f"fill_rate: expected a share in (0, 1), found {rate_S[bad[0]]:g} in row {bad[0]}")
    allowed_S = (1.0 - rate_S) * demand.mean_S
    high_S = np.maximum(np.ceil(demand.mean_S), 1.0)
    for _ in range(_MOST_DOUBLINGS):
        short_S = demand.loss(high_S) > allowed_S
        if not short_S.any():
            break
        high_S = np.where(short_S, 2.0 * high_S, high_S)
    low_S = np.full(high_S.shape, -1.0)  # the loss at -1 is E[D] + 1, above any target
    while (high_S - low_S > 1.0).any():
        middle_S = np.floor((low_S + high_S) / 2.0)
        enough_S = demand.loss(middle_S) <= allowed_S
        high_S, low_S = np.where(enough_S, middle_S, high_S), np.where(enough_S, low_S, middle_S)
    return high_S
