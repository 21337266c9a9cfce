"""The power approximation of optimal (s, S) policies, from the first two moments of demand alone."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike

from udfs.inventory.theory.s_s.discrete_demand import FloatArray, refuse


def s_s_power_approximation(
    mean_demand: ArrayLike,
    sd_demand: ArrayLike,
    fixed_cost: ArrayLike,
    holding_cost: ArrayLike,
    backorder_cost: ArrayLike,
    lead_time: ArrayLike = 0,
) -> tuple[FloatArray, FloatArray]:
    """Near-optimal s and S, not rounded (Ehrhardt & Mosier 1984; Snyder & Shen 2019, equations 4.77 to 4.80).

        Q = 1.30 mu^0.494 (K / h)^0.506 (1 + sigma_c^2 / mu^2)^0.116,  z = sqrt(Q h / (sigma_c p)),
        s = 0.973 mu_c + sigma_c (0.183 / z + 1.063 - 2.192 z),  S = s + Q,

    mu_c and sigma_c being those of the demand of the L + 1 periods that an order covers. The formula was fitted to
    negative binomial demand with mu 2 to 16, K / h 32 to 64 and p / h 4 to 99; where Q falls below 1.5 mean demands
    it is said to be weak. `s_s_discrete` is exact and takes microseconds: use this where only moments are known.

    All arguments are scalars or arrays that broadcast: units per period, standard deviation of a period, K, h, p, and
    L in whole periods. Unlike the exact solver it has no value for demand that is zero or certain, nor for K = 0.

    Returns:
        s and S, float64 arrays of the broadcast shape.

    Raises:
        ValueError: for a mean, standard deviation or cost that is not finite and > 0, or an L that is no whole
            number >= 0, naming the first such row.

    Example (Snyder & Shen 2019, example 4.8):
        >>> s, S = s_s_power_approximation(50, 8, 2.5, 0.18, 0.70)
        >>> round(float(s), 6), round(float(S), 6)
        (40.194617, 74.29017)
    """
    given = {
        "mean_demand": mean_demand,
        "sd_demand": sd_demand,
        "fixed_cost": fixed_cost,
        "holding_cost": holding_cost,
        "backorder_cost": backorder_cost,
    }
    arrays = {name: np.asarray(value, dtype=np.float64) for name, value in given.items()}
    for name, value in arrays.items():
        refuse(~(np.isfinite(value) & (value > 0.0)), value, name, "finite and > 0")
    lead = np.asarray(lead_time, dtype=np.float64)
    is_whole = np.isfinite(lead) & (lead >= 0.0) & (lead == np.round(lead))
    refuse(~is_whole, lead, "lead_time", "a whole number of periods >= 0")
    mean, sd, fixed, holding, backorder, lead = np.broadcast_arrays(*arrays.values(), lead)
    cover_mean, cover_sd = mean * (lead + 1.0), sd * np.sqrt(lead + 1.0)
    quantity = 1.30 * mean**0.494 * (fixed / holding) ** 0.506 * (1.0 + (cover_sd / mean) ** 2) ** 0.116
    z = np.sqrt(quantity * holding / (cover_sd * backorder))
    reorder_point = 0.973 * cover_mean + cover_sd * (0.183 / z + 1.063 - 2.192 * z)
    return reorder_point, reorder_point + quantity
