"""The newsvendor whose demand is known and whose supplier is not reliable."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike
from scipy import special

from udfs.inventory.demand_distribution import FloatArray
from udfs.inventory.parameters import AT_LEAST_ZERO, FINITE, POSITIVE, PROBABILITY, per_series, reject
from udfs.inventory.theory.stock_levels.stock_level import StockLevel


def newsvendor_disruptions(
    demand: ArrayLike,
    holding_cost: ArrayLike,
    shortage_cost: ArrayLike,
    disruption_prob: ArrayLike,
    recovery_prob: ArrayLike,
) -> StockLevel:
    """Base stock for a constant demand d where no order arrives while the supplier is down.

    The supplier goes down with probability alpha per period and up again with beta; in the long run n periods of
    disruption in a row have F(n) = 1 - alpha / (alpha + beta) (1 - beta)^n. The best stock is (n + 1) d with the least
    n such that F(n) >= p / (p + h) (Snyder & Shen 2019, equations (9.14), (9.18)).

    Args:
        demand: units per period, > 0. holding_cost, shortage_cost: currency per unit and period, > 0.
        disruption_prob, recovery_prob: strictly between 0 and 1.

    Raises:
        ValueError: a parameter out of range, with its first row.

    >>> best = newsvendor_disruptions(2000, 0.25, 3, disruption_prob=0.04, recovery_prob=0.25)
    >>> float(best.level_S[0]), float(best.cost_S[0].round(4))
    (8000.0, 2737.069)
    """
    d_S, h_S, p_S, alpha_S, beta_S = per_series(
        demand=(demand, POSITIVE),
        holding_cost=(holding_cost, POSITIVE),
        shortage_cost=(shortage_cost, POSITIVE),
        disruption_prob=(disruption_prob, PROBABILITY),
        recovery_prob=(recovery_prob, PROBABILITY),
    )
    down_S, stays_S = alpha_S / (alpha_S + beta_S), 1.0 - beta_S
    tail_S = h_S / (p_S + h_S)
    n_S = np.maximum(np.ceil(np.log(tail_S / down_S) / np.log(stays_S)), 0.0)
    # The logarithms round: step to the exact answer.
    n_S = np.where((n_S > 0.0) & (down_S * stays_S ** np.maximum(n_S - 1.0, 0.0) <= tail_S), n_S - 1.0, n_S)
    n_S = np.where(down_S * stays_S**n_S > tail_S, n_S + 1.0, n_S)
    longer_S, mean_S = down_S * stays_S**n_S / beta_S, down_S / beta_S
    return StockLevel((n_S + 1.0) * d_S, d_S * (h_S * (n_S - mean_S + longer_S) + p_S * longer_S))


def newsvendor_normal_yield(
    demand: ArrayLike, holding_cost: ArrayLike, shortage_cost: ArrayLike, yield_mean: ArrayLike, yield_sd: ArrayLike
) -> StockLevel:
    """Stock for a known demand d where an order up to S brings S + Y, Y normal: S = d - F_Y^-1(h / (h + p)).

    Snyder & Shen (2019), equations (9.27), (9.28).

    Args:
        demand: units, > 0. holding_cost, shortage_cost: currency per unit, > 0.
        yield_mean: units, negative for a loss. yield_sd: units, >= 0; 0 leaves a known loss, at no cost.

    Raises:
        ValueError: a parameter out of range, with its first row.
    """
    d_S, h_S, p_S, mean_S, sd_S = per_series(
        demand=(demand, POSITIVE),
        holding_cost=(holding_cost, POSITIVE),
        shortage_cost=(shortage_cost, POSITIVE),
        yield_mean=(yield_mean, FINITE),
        yield_sd=(yield_sd, AT_LEAST_ZERO),
    )
    z_S = special.ndtri(h_S / (h_S + p_S))
    density_S = np.exp(-0.5 * z_S * z_S) / np.sqrt(2.0 * np.pi)
    return StockLevel(d_S - (mean_S + sd_S * z_S), (h_S + p_S) * density_S * sd_S)


def newsvendor_uniform_yield(
    demand: ArrayLike, holding_cost: ArrayLike, shortage_cost: ArrayLike, yield_low: ArrayLike, yield_high: ArrayLike
) -> StockLevel:
    """As `newsvendor_normal_yield`, with Y uniform between `yield_low` and `yield_high`, units.

    Raises:
        ValueError: a parameter out of range, or `yield_high` <= `yield_low`, with its first row.

    >>> best = newsvendor_uniform_yield(1.5, 15e6, 75e6, yield_low=-0.5, yield_high=0.5)
    >>> float(best.level_S[0].round(4)), float(best.cost_S[0].round())
    (1.8333, 6250000.0)
    """
    d_S, h_S, p_S, low_S, high_S = per_series(
        demand=(demand, POSITIVE),
        holding_cost=(holding_cost, POSITIVE),
        shortage_cost=(shortage_cost, POSITIVE),
        yield_low=(yield_low, FINITE),
        yield_high=(yield_high, FINITE),
    )
    reject(high_S <= low_S, lambda row: f"yield_high: expected more than {low_S[row]:g}, found {high_S[row]:g}")
    share_S, width_S = h_S / (h_S + p_S), high_S - low_S
    cost_S: FloatArray = 0.5 * width_S * (p_S * share_S**2 + h_S * (1.0 - share_S) ** 2)
    return StockLevel(d_S - (low_S + share_S * width_S), cost_S)
