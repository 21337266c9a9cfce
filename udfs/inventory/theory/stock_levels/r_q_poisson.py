"""The best continuous-review (r, Q) policy under Poisson demand, exactly (Federgruen & Zheng 1992)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import numba
import numpy as np
from numpy.typing import ArrayLike
from scipy import special

from udfs.inventory.demand_distribution import DemandDistribution, FloatArray
from udfs.inventory.parameters import (
    AT_LEAST_ZERO,
    FINITE,
    POSITIVE,
    WHOLE_POSITIVE,
    Rule,
    per_series,
    reject,
)
from udfs.inventory.theory.lot_sizing.eoq_backorders import eoq_backorders
from udfs.inventory.theory.stock_levels.newsvendor import newsvendor_cost
from udfs.inventory.theory.stock_levels.r_q_normal import ReorderQuantityPlan
from udfs.series.series_threads import over_series

MAX_QUANTITY: Final = 1e6  # units per order; the search takes one step per unit
MAX_LEAD_TIME_DEMAND: Final = 1e6  # units; above it a unit is less than the rounding of the distribution
_WHOLE: Final = Rule("a whole number", lambda v: np.isfinite(v) & (v == np.floor(v)))


@dataclass(frozen=True, slots=True)
class PoissonTerms:
    """Demand and costs of S series under continuous review; numbers hold for all series.

    Attributes:
        mean_demand: lambda, units per unit of time, > 0. fixed_cost: K, currency per order, > 0.
        holding_cost, backorder_cost: h and p, currency per unit and unit of time, > 0.
        lead_time: units of time, >= 0.

    Raises:
        ValueError: a parameter out of range, with its first row, arrays of different lengths, or units too small:
            an order or a lead-time demand of more than a million of them.
    """

    mean_demand: ArrayLike
    fixed_cost: ArrayLike
    holding_cost: ArrayLike
    backorder_cost: ArrayLike
    lead_time: ArrayLike = 0.0

    def __post_init__(self) -> None:
        columns = per_series(
            mean_demand=(self.mean_demand, POSITIVE),
            fixed_cost=(self.fixed_cost, POSITIVE),
            holding_cost=(self.holding_cost, POSITIVE),
            backorder_cost=(self.backorder_cost, POSITIVE),
            lead_time=(self.lead_time, AT_LEAST_ZERO),
        )
        for name, column in zip(self.__slots__, columns, strict=True):
            object.__setattr__(self, name, column)
        demand_S, fixed_S, h_S, p_S, lead_S = columns
        quantity_S = eoq_backorders(fixed_S, h_S, p_S, demand_S).quantity_S
        _reject_small_units("order", quantity_S, MAX_QUANTITY)
        _reject_small_units("lead-time demand", demand_S * lead_S, MAX_LEAD_TIME_DEMAND)

    def columns(self) -> tuple[FloatArray, ...]:
        """Lead-time demand, lambda K, h, p: float64 [S] each."""
        demand, fixed, h, p, lead = (np.asarray(getattr(self, name)) for name in self.__slots__)
        return demand * lead, demand * fixed, h, p


def r_q_poisson(terms: PoissonTerms) -> ReorderQuantityPlan:
    """The r and Q of least cost; r may be negative.

    When the position falls to r, order Q; unmet demand waits. The position is uniform on r + 1 .. r + Q, so the cost is
    (K lambda + sum of g(y) over them) / Q with g the newsvendor cost of the lead-time demand. From the least g on, the
    next best position joins as long as it lowers the average (Snyder & Shen 2019, equation (5.48)).

    >>> best = r_q_poisson(PoissonTerms(1.5, fixed_cost=100, holding_cost=20, backorder_cost=150, lead_time=2))
    >>> float(best.reorder_point_S[0]), float(best.quantity_S[0]), float(best.cost_S[0].round(4))
    (3.0, 5.0, 107.9236)
    """
    mu_S, order_S, h_S, p_S = terms.columns()
    demand = DemandDistribution.fit(mu_S, mu_S, "poisson")
    least_S = demand.quantile(p_S / (p_S + h_S))
    at_least = [newsvendor_cost(least_S, demand, h_S, p_S), special.pdtr(least_S, mu_S), _pmf(least_S, mu_S)]
    plan = [np.empty(mu_S.size) for _ in range(3)]
    arrays = [mu_S, order_S, h_S, p_S, least_S, *at_least, *plan]
    over_series(lambda start, stop: _widen(start, stop, *arrays), mu_S.size)
    return ReorderQuantityPlan(*plan)


def r_q_poisson_cost(reorder_point: ArrayLike, quantity: ArrayLike, terms: PoissonTerms) -> FloatArray:
    """Cost of any policy, currency per unit of time, [S]: whole r, whole Q >= 1. Raises ValueError otherwise."""
    mu_S, order_S, h_S, p_S = terms.columns()
    r_S, q_S, mu_S = per_series(
        reorder_point=(reorder_point, _WHOLE), quantity=(quantity, WHOLE_POSITIVE), lead_time_demand=(mu_S, FINITE)
    )
    row_N = np.repeat(np.arange(r_S.size), q_S.astype(np.int64))
    offset_N = np.arange(row_N.size) - np.repeat(np.cumsum(q_S) - q_S, q_S.astype(np.int64))
    mu_N, h_N, p_N = (np.broadcast_to(column, r_S.shape)[row_N] for column in (mu_S, h_S, p_S))
    demand = DemandDistribution.fit(mu_N, mu_N, "poisson")
    position_N = r_S[row_N] + 1.0 + offset_N
    total_S = np.bincount(row_N, newsvendor_cost(position_N, demand, h_N, p_N), minlength=r_S.size)
    return (order_S + total_S) / q_S


def _reject_small_units(what: str, size_S: FloatArray, limit: float) -> None:
    reject(
        size_S > limit,
        lambda row: (
            f"mean_demand: expected units that make the {what} at most {limit:g}, found {size_S[row]:g}; "
            "count in larger units"
        ),
    )


def _pmf(count_S: FloatArray, mean_S: FloatArray) -> FloatArray:
    return np.exp(special.xlogy(count_S, mean_S) - mean_S - special.gammaln(count_S + 1.0))


@numba.njit(cache=True, nogil=True, error_model="numpy")
def _widen(
    start: int,
    stop: int,
    mu_S: FloatArray,
    order_S: FloatArray,
    h_S: FloatArray,
    p_S: FloatArray,
    least_S: FloatArray,
    cost_at_least_S: FloatArray,
    cdf_at_least_S: FloatArray,
    pmf_at_least_S: FloatArray,
    reorder_S: FloatArray,
    quantity_S: FloatArray,
    cost_S: FloatArray,
) -> None:
    """Carry g, P(D <= y) and P(D = y) of the two ends: g(y + 1) = g(y) + (h + p) P(D <= y) - p."""
    for s in range(start, stop):
        mu, h, p = mu_S[s], h_S[s], p_S[s]
        total, q = order_S[s] + cost_at_least_S[s], 1.0
        high, high_cdf, high_pmf = least_S[s], cdf_at_least_S[s], pmf_at_least_S[s]
        above = cost_at_least_S[s] + (h + p) * high_cdf - p
        low, low_pmf = least_S[s], pmf_at_least_S[s]
        low_cdf = max(cdf_at_least_S[s] - low_pmf, 0.0) if low > 0.0 else 0.0
        below = cost_at_least_S[s] - (h + p) * low_cdf + p
        while min(below, above) * q < total:
            if below < above:
                total += below
                low -= 1.0
                low_pmf = low_pmf * (low + 1.0) / mu if low >= 0.0 else 0.0
                low_cdf = max(low_cdf - low_pmf, 0.0) if low > 0.0 else 0.0
                below += p - (h + p) * low_cdf
            else:
                total += above
                high += 1.0
                high_pmf *= mu / high
                high_cdf = min(high_cdf + high_pmf, 1.0)
                above += (h + p) * high_cdf - p
            q += 1.0
        reorder_S[s], quantity_S[s], cost_S[s] = low - 1.0, q, total / q
