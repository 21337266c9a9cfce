"""The economic order quantity where not all that is ordered arrives."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike

from udfs.inventory.parameters import AT_LEAST_ZERO, FINITE, POSITIVE, per_series, reject
from udfs.inventory.theory.lot_sizing.lot_size import LotSize


def eoq_additive_yield(
    fixed_cost: ArrayLike, holding_cost: ArrayLike, demand_rate: ArrayLike, yield_mean: ArrayLike, yield_sd: ArrayLike
) -> LotSize:
    """Lot size where Q + Y arrives, Y independent of Q: Q = sqrt(2 K lambda / h + sigma_Y^2) - mu_Y.

    Snyder & Shen (2019), equations (9.22), (9.23). No loss (mean and sd 0) gives the EOQ.

    Args:
        fixed_cost: K, currency per order, > 0. holding_cost: h, currency per unit and unit of time, > 0.
        demand_rate: units per unit of time, > 0. yield_mean: units, negative for a loss. yield_sd: units, >= 0.

    Raises:
        ValueError: a parameter out of range, or a surplus that alone exceeds the need, with its first row.

    >>> float(eoq_additive_yield(18500, 0.06, 75000, -15000, 9000).quantity_S[0].round(2))
    230246.37
    """
    fixed_S, holding_S, demand_S, mean_S, sd_S = per_series(
        fixed_cost=(fixed_cost, POSITIVE),
        holding_cost=(holding_cost, POSITIVE),
        demand_rate=(demand_rate, POSITIVE),
        yield_mean=(yield_mean, FINITE),
        yield_sd=(yield_sd, AT_LEAST_ZERO),
    )
    received_S = np.sqrt(2.0 * fixed_S * demand_S / holding_S + sd_S * sd_S)
    reject(
        mean_S >= received_S,
        lambda row: f"yield_mean: expected less than the best receipt {received_S[row]:g}, found {mean_S[row]:g}",
    )
    return LotSize(received_S - mean_S, holding_S * received_S)


def eoq_multiplicative_yield(
    fixed_cost: ArrayLike, holding_cost: ArrayLike, demand_rate: ArrayLike, yield_mean: ArrayLike, yield_sd: ArrayLike
) -> LotSize:
    """Lot size where Z Q arrives, Z independent of Q: Q = sqrt(2 K lambda / (h (sigma_Z^2 + mu_Z^2))).

    Snyder & Shen (2019), equations (9.24), (9.25). A full yield (mean 1, sd 0) gives the EOQ.

    Args:
        fixed_cost: K, currency per order, >= 0. holding_cost: h, currency per unit and unit of time, > 0.
        demand_rate: units per unit of time, >= 0; 0 gives quantity 0. yield_mean: a share, > 0. yield_sd: >= 0.

    Raises:
        ValueError: a parameter out of range, with its first row.

    >>> float(eoq_multiplicative_yield(2250, 275, 182500, 0.9, 0.05).quantity_S[0].round(2))
    1917.17
    """
    fixed_S, holding_S, demand_S, mean_S, sd_S = per_series(
        fixed_cost=(fixed_cost, AT_LEAST_ZERO),
        holding_cost=(holding_cost, POSITIVE),
        demand_rate=(demand_rate, AT_LEAST_ZERO),
        yield_mean=(yield_mean, POSITIVE),
        yield_sd=(yield_sd, AT_LEAST_ZERO),
    )
    second_moment_S = sd_S * sd_S + mean_S * mean_S
    quantity_S = np.sqrt(2.0 * fixed_S * demand_S / (holding_S * second_moment_S))
    return LotSize(quantity_S, holding_S * quantity_S * second_moment_S / mean_S)
