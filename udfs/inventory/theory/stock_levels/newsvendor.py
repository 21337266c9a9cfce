"""The newsvendor: one order for one period's uncertain demand, of a parametric family (Arrow, Harris & Marschak 1951).

The best stock is the least x with P(D <= x) >= p / (p + h): the critical ratio of shortage (underage) cost p and
holding (overage) cost h per unit (Snyder & Shen 2019, section 4.3, equation (4.27)).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike
from scipy import special

from udfs.inventory.demand_distribution import DemandDistribution, DistributionName, FloatArray
from udfs.inventory.parameters import AT_LEAST_ZERO, FINITE, POSITIVE, per_series, reject
from udfs.inventory.theory.stock_levels.stock_level import StockLevel


@dataclass(frozen=True, slots=True)
class NewsvendorProfit:
    """quantity_S: units to buy. profit_S: expected profit, currency. float64 [S] each."""

    quantity_S: FloatArray
    profit_S: FloatArray


def newsvendor(demand: DemandDistribution, holding_cost: ArrayLike, shortage_cost: ArrayLike) -> StockLevel:
    """Best stock and its expected cost h E[(x - D)+] + p E[(D - x)+], for each series its own family.

    Args:
        demand: [S]; a series with a mean of zero has demand 0, so that stock 0 costs nothing.
        holding_cost: h, currency per unit left over, > 0. shortage_cost: p, currency per unit short, > 0.

    Raises:
        ValueError: a cost out of range, with its first row, or another number of series.
    """
    h_S, p_S, _ = per_series(
        holding_cost=(holding_cost, POSITIVE), shortage_cost=(shortage_cost, POSITIVE), demand=(demand.mean_S, FINITE)
    )
    _check_series(demand, h_S.size)
    level_S = demand.quantile(p_S / (p_S + h_S))
    return StockLevel(level_S, newsvendor_cost(level_S, demand, h_S, p_S))


def newsvendor_cost(
    level_S: ArrayLike, demand: DemandDistribution, holding_cost_S: ArrayLike, shortage_cost_S: ArrayLike
) -> FloatArray:
    """Expected cost h E[(x - D)+] + p E[(D - x)+] of any stock x, currency, [S] (Snyder & Shen 2019, eq. (4.6)).

    Args:
        level_S: x, units, finite; below 0 it adds to the shortage. demand: [S].
        holding_cost_S, shortage_cost_S: h and p, currency per unit, >= 0.

    Raises:
        ValueError: a parameter out of range, with its first row, or another number of series.
    """
    level_S, h_S, p_S, _ = per_series(
        level_S=(level_S, FINITE),
        holding_cost_S=(holding_cost_S, AT_LEAST_ZERO),
        shortage_cost_S=(shortage_cost_S, AT_LEAST_ZERO),
        demand=(demand.mean_S, FINITE),
    )
    _check_series(demand, level_S.size)
    return np.asarray(h_S * demand.on_hand(level_S) + p_S * demand.loss(level_S))


def newsvendor_normal(
    mean_demand: ArrayLike, demand_sd: ArrayLike, holding_cost: ArrayLike, shortage_cost: ArrayLike
) -> StockLevel:
    """Normal demand, mean > 0 and sd >= 0 units; a stock that would be negative is 0. Else as `newsvendor`.

    >>> best = newsvendor_normal(50, 8, holding_cost=0.18, shortage_cost=0.7)
    >>> float(best.level_S[0].round(4)), float(best.cost_S[0].round(4))
    (56.604, 1.9976)
    """
    return _of_family("normal", mean_demand, demand_sd, holding_cost, shortage_cost)


def newsvendor_poisson(mean_demand: ArrayLike, holding_cost: ArrayLike, shortage_cost: ArrayLike) -> StockLevel:
    """Poisson demand, mean > 0 units. Else as `newsvendor`.

    >>> best = newsvendor_poisson(50, holding_cost=1, shortage_cost=4)
    >>> float(best.level_S[0]), float(best.cost_S[0].round(4))
    (56.0, 10.0752)
    """
    return _of_family("poisson", mean_demand, np.sqrt(np.maximum(mean_demand, 0.0)), holding_cost, shortage_cost)


def newsvendor_negative_binomial(
    mean_demand: ArrayLike, demand_sd: ArrayLike, holding_cost: ArrayLike, shortage_cost: ArrayLike
) -> StockLevel:
    """Negative binomial demand, mean > 0 and sd >= 0 units; Poisson where sd^2 <= mean. Else as `newsvendor`."""
    return _of_family("negative_binomial", mean_demand, demand_sd, holding_cost, shortage_cost)


def newsvendor_quantity(
    mean_demand: ArrayLike,
    demand_sd: ArrayLike,
    holding_cost: ArrayLike,
    shortage_cost: ArrayLike,
    distribution: DistributionName = "auto",
) -> FloatArray:
    """The best stock alone, units, [S], with the family that `DemandDistribution.fit` chooses.

    Args:
        mean_demand: units, >= 0; 0 gives 0, the limit of no demand. demand_sd: units, >= 0.
        holding_cost: currency per unit left over, > 0. shortage_cost: currency per unit short, > 0.
        distribution: as in `DemandDistribution.fit`.

    Raises:
        ValueError: a parameter out of range, with its first row, or an unknown distribution.

    >>> newsvendor_quantity([50, 2, 0], [8, 2, 0], holding_cost=0.18, shortage_cost=0.7, distribution="normal").round(2)
    array([56.6 ,  3.65,  0.  ])
    """
    mean_S, sd_S, h_S, p_S = per_series(
        mean_demand=(mean_demand, AT_LEAST_ZERO),
        demand_sd=(demand_sd, AT_LEAST_ZERO),
        holding_cost=(holding_cost, POSITIVE),
        shortage_cost=(shortage_cost, POSITIVE),
    )
    return DemandDistribution.fit(mean_S, sd_S * sd_S, distribution).quantile(p_S / (p_S + h_S))


def newsvendor_lognormal(
    mu: ArrayLike, sigma: ArrayLike, holding_cost: ArrayLike, shortage_cost: ArrayLike
) -> StockLevel:
    """Lognormal demand: ln D is normal with mean mu and standard deviation sigma > 0. Else as `newsvendor`.

    Loss: E[(D - x)+] = exp(mu + sigma^2 / 2) Phi(sigma - z) - x Phi(-z), z = (ln x - mu) / sigma (Snyder & Shen 2019,
    equation (4.102)).
    """
    mu_S, sigma_S, h_S, p_S = per_series(
        mu=(mu, FINITE),
        sigma=(sigma, POSITIVE),
        holding_cost=(holding_cost, POSITIVE),
        shortage_cost=(shortage_cost, POSITIVE),
    )
    z_S = special.ndtri(p_S / (p_S + h_S))
    level_S, mean_S = np.exp(mu_S + sigma_S * z_S), np.exp(mu_S + 0.5 * sigma_S * sigma_S)
    loss_S = mean_S * special.ndtr(sigma_S - z_S) - level_S * special.ndtr(-z_S)
    return StockLevel(level_S, h_S * (level_S - mean_S + loss_S) + p_S * loss_S)


def newsvendor_profit(
    demand: DemandDistribution,
    revenue: ArrayLike,
    purchase_cost: ArrayLike,
    salvage_value: ArrayLike,
    holding_cost: ArrayLike = 0.0,
    shortage_cost: ArrayLike = 0.0,
) -> NewsvendorProfit:
    """The newsvendor in prices: a unit is bought at c, sold at r, and what is left over brings v.

    Overage costs c - v + h, underage r - c + p; profit is (r - c) E[D] less the newsvendor's cost (Snyder & Shen
    2019, section 4.3).

    Args:
        demand: [S]. revenue: r > purchase_cost > salvage_value, currency per unit; the salvage value may be negative.
        holding_cost, shortage_cost: h and p, further costs per unit left over or short, >= 0.

    Raises:
        ValueError: a price or cost out of range or order, with its first row, or another number of series.

    >>> demand = DemandDistribution.fit(np.array([50.0]), np.array([64.0]), "normal")
    >>> best = newsvendor_profit(demand, revenue=1, purchase_cost=0.3, salvage_value=0.12)
    >>> float(best.quantity_S[0].round(4)), float(best.profit_S[0].round(4))
    (56.604, 33.0024)
    """
    r_S, c_S, v_S, h_S, p_S, _ = per_series(
        revenue=(revenue, FINITE),
        purchase_cost=(purchase_cost, AT_LEAST_ZERO),
        salvage_value=(salvage_value, FINITE),
        holding_cost=(holding_cost, AT_LEAST_ZERO),
        shortage_cost=(shortage_cost, AT_LEAST_ZERO),
        demand=(demand.mean_S, FINITE),
    )
    reject(r_S <= c_S, lambda row: f"revenue: expected more than the purchase cost {c_S[row]:g}, found {r_S[row]:g}")
    reject(
        c_S <= v_S, lambda row: f"purchase_cost: expected more than the salvage value {v_S[row]:g}, found {c_S[row]:g}"
    )
    best = newsvendor(demand, c_S - v_S + h_S, r_S - c_S + p_S)
    return NewsvendorProfit(best.level_S, (r_S - c_S) * demand.mean_S - best.cost_S)


def _check_series(demand: DemandDistribution, n_series: int) -> None:
    if demand.mean_S.size != n_series:
        raise ValueError(f"demand: expected {n_series} series, found {demand.mean_S.size}")


def _of_family(
    family: DistributionName,
    mean_demand: ArrayLike,
    demand_sd: ArrayLike,
    holding_cost: ArrayLike,
    shortage_cost: ArrayLike,
) -> StockLevel:
    mean_S, sd_S, h_S, p_S = per_series(
        mean_demand=(mean_demand, POSITIVE),
        demand_sd=(demand_sd, AT_LEAST_ZERO),
        holding_cost=(holding_cost, POSITIVE),
        shortage_cost=(shortage_cost, POSITIVE),
    )
    return newsvendor(DemandDistribution.fit(mean_S, sd_S * sd_S, family), h_S, p_S)
