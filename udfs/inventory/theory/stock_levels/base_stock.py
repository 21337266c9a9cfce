"""The best base-stock level over an infinite horizon, with a lead time and backorders."""

from __future__ import annotations

from numpy.typing import ArrayLike

from udfs.inventory.demand_distribution import DemandDistribution, DistributionName
from udfs.inventory.parameters import AT_LEAST_ZERO, POSITIVE, WHOLE, per_series
from udfs.inventory.theory.stock_levels.newsvendor import newsvendor
from udfs.inventory.theory.stock_levels.stock_level import StockLevel


def base_stock(
    mean_demand: ArrayLike,
    demand_sd: ArrayLike,
    holding_cost: ArrayLike,
    backorder_cost: ArrayLike,
    lead_time: ArrayLike = 0,
    distribution: DistributionName = "normal",
) -> StockLevel:
    """The level S that an order of every period restores, and its expected cost per period.

    An order of period t arrives before the demand of period t + L, so the stock at the end of that period is S less
    the demand of L + 1 periods: a newsvendor of that demand (Snyder & Shen 2019, section 4.3; Zipkin 2000,
    chapter 9). It is optimal where unmet demand waits and orders cost nothing; where it is lost, it holds too much.

    Args:
        mean_demand: units per period, > 0. demand_sd: of one period's demand, units, >= 0; periods are independent.
        holding_cost, backorder_cost: currency per unit at the end of a period, > 0. lead_time: whole periods, >= 0.
        distribution: family of the demand over lead time, as in `DemandDistribution.fit`; Poisson needs no sd.

    Raises:
        ValueError: a parameter out of range, with its first row, or an unknown distribution.

    >>> best = base_stock(50, 8, holding_cost=0.18, backorder_cost=0.7, lead_time=4)
    >>> float(best.level_S[0].round(4)), float(best.cost_S[0].round(4))
    (264.7669, 4.4668)
    """
    mean_S, sd_S, h_S, p_S, lead_S = per_series(
        mean_demand=(mean_demand, POSITIVE),
        demand_sd=(demand_sd, AT_LEAST_ZERO),
        holding_cost=(holding_cost, POSITIVE),
        backorder_cost=(backorder_cost, POSITIVE),
        lead_time=(lead_time, WHOLE),
    )
    periods_S = lead_S + 1.0
    return newsvendor(DemandDistribution.fit(mean_S * periods_S, sd_S * sd_S * periods_S, distribution), h_S, p_S)
