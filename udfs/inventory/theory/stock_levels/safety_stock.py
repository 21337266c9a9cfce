"""Safety stock and reorder point from a service level, where the lead time may be random."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike
from scipy import special

from udfs.inventory.demand_distribution import FloatArray
from udfs.inventory.parameters import AT_LEAST_ZERO, PROBABILITY, per_series


def safety_stock(
    service_level: ArrayLike,
    mean_demand: ArrayLike,
    demand_sd: ArrayLike,
    lead_time: ArrayLike,
    lead_time_sd: ArrayLike = 0.0,
) -> FloatArray:
    """z sqrt(E[L] sd_D^2 + E[D]^2 Var[L]), units, [S] (Hadley & Whitin 1963; Silver, Pyke & Thomas 2017).

    Exact for normal demand over the lead time; demand and lead time are independent, and orders do not overtake each
    other. Under periodic review, `lead_time` is lead time plus review period.

    Args:
        service_level: probability of no stock-out in an order cycle, strictly between 0 and 1; below .5 the safety
            stock is negative.
        mean_demand: units per unit of time, >= 0. demand_sd: of the demand of one unit of time, units, >= 0.
        lead_time: its mean, >= 0. lead_time_sd: >= 0; 0 is a lead time that is kept.

    Raises:
        ValueError: a parameter out of range, with its first row.

    >>> float(safety_stock(0.95, mean_demand=50, demand_sd=8, lead_time=4, lead_time_sd=0.5)[0].round(4))
    48.822
    """
    level_S, mean_S, sd_S, lead_S, lead_sd_S = per_series(
        service_level=(service_level, PROBABILITY),
        mean_demand=(mean_demand, AT_LEAST_ZERO),
        demand_sd=(demand_sd, AT_LEAST_ZERO),
        lead_time=(lead_time, AT_LEAST_ZERO),
        lead_time_sd=(lead_time_sd, AT_LEAST_ZERO),
    )
    return np.asarray(special.ndtri(level_S) * np.sqrt(lead_S * sd_S * sd_S + (mean_S * lead_sd_S) ** 2))


def reorder_point(
    service_level: ArrayLike,
    mean_demand: ArrayLike,
    demand_sd: ArrayLike,
    lead_time: ArrayLike,
    lead_time_sd: ArrayLike = 0.0,
) -> FloatArray:
    """Expected demand of the lead time plus `safety_stock`, units, at least 0, [S]: order when the position is there.

    Arguments and errors as in `safety_stock`.

    >>> float(reorder_point(0.95, mean_demand=50, demand_sd=8, lead_time=4)[0].round(4))
    226.3177
    """
    safety_S = safety_stock(service_level, mean_demand, demand_sd, lead_time, lead_time_sd)
    expected_S = np.asarray(mean_demand, dtype=np.float64) * np.asarray(lead_time, dtype=np.float64)
    return np.maximum(expected_S + safety_S, 0.0)
