"""The best continuous-review (r, Q) policy under normal lead-time demand, exactly.

When the position falls to r, order Q; unmet demand waits. The position is uniform on (r, r + Q], so the cost per unit
of time is C(r, Q) = (K lambda + integral of g from r to r + Q) / Q with g(y) = h E[(y - D)+] + p E[(D - y)+], D the
demand of the lead time (Snyder & Shen 2019, equation (5.7); Zheng 1992).
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numba
import numpy as np
from numpy.typing import ArrayLike

from udfs.inventory.demand_distribution import FloatArray
from udfs.inventory.parameters import AT_LEAST_ZERO, FINITE, POSITIVE, per_series
from udfs.inventory.theory.stock_levels.normal_backorders import rate, rate_integral, rate_root, rate_slope
from udfs.series.series_threads import over_series

_NEWTON_STEPS = 100
_TOLERANCE = 1e-13


@dataclass(frozen=True, slots=True)
class ReorderQuantityPlan:
    """reorder_point_S: order when the position has fallen to it, units. quantity_S: units per order. cost_S: expected
    currency per unit of time. float64 [S] each.
    """

    reorder_point_S: FloatArray
    quantity_S: FloatArray
    cost_S: FloatArray


@dataclass(frozen=True, slots=True)
class NormalTerms:
    """Demand and costs of S series under continuous review; numbers hold for all series.

    Attributes:
        mean_demand: lambda, units per unit of time, > 0. demand_sd: of one unit of time, units, >= 0.
        fixed_cost: K, currency per order, > 0.
        holding_cost, backorder_cost: h and p, currency per unit and unit of time, > 0.
        lead_time: units of time, >= 0.

    Raises:
        ValueError: a parameter out of range, with its first row, or arrays of different lengths.
    """

    mean_demand: ArrayLike
    demand_sd: ArrayLike
    fixed_cost: ArrayLike
    holding_cost: ArrayLike
    backorder_cost: ArrayLike
    lead_time: ArrayLike

    def __post_init__(self) -> None:
        columns = per_series(
            mean_demand=(self.mean_demand, POSITIVE),
            demand_sd=(self.demand_sd, AT_LEAST_ZERO),
            fixed_cost=(self.fixed_cost, POSITIVE),
            holding_cost=(self.holding_cost, POSITIVE),
            backorder_cost=(self.backorder_cost, POSITIVE),
            lead_time=(self.lead_time, AT_LEAST_ZERO),
        )
        for name, column in zip(self.__slots__, columns, strict=True):
            object.__setattr__(self, name, column)

    def columns(self) -> tuple[FloatArray, ...]:
        """mu and sigma of the lead-time demand, lambda, K, h, p: float64 [S] each."""
        demand, sd, fixed, h, p, lead = (np.asarray(getattr(self, name)) for name in self.__slots__)
        return demand * lead, sd * np.sqrt(lead), demand, fixed, h, p


def r_q_normal(terms: NormalTerms) -> ReorderQuantityPlan:
    """The r and Q of least cost.

    At the optimum g(r) = g(r + Q) = C(r, Q) =: c. As a function of c, the area between c and g is convex and its slope
    is Q, so Newton's method on area(c) = K lambda falls to it from above; r and r + Q come from c by Newton's method
    on each branch of the convex g. Without lead time or deviation it is the EOQ with backorders.

    >>> best = r_q_normal(NormalTerms(1300, 150, 8, 0.225, 7.5, 1 / 12))
    >>> float(best.reorder_point_S[0].round(4)), float(best.quantity_S[0].round(4)), float(best.cost_S[0].round(4))
    (126.8671, 328.4491, 78.0711)
    """
    columns = terms.columns()
    plan = [np.empty(columns[0].size) for _ in range(3)]
    arrays = [*columns, *plan]
    over_series(lambda start, stop: _optimise(start, stop, *arrays), plan[0].size)
    return ReorderQuantityPlan(*plan)


def r_q_normal_cost(reorder_point: ArrayLike, quantity: ArrayLike, terms: NormalTerms) -> FloatArray:
    """C(r, Q) of any policy, currency per unit of time, [S]; r finite, Q > 0. Raises ValueError otherwise."""
    mu_S, sigma_S, demand_S, fixed_S, h_S, p_S = terms.columns()
    r_S, q_S, mu_S = per_series(
        reorder_point=(reorder_point, FINITE), quantity=(quantity, POSITIVE), lead_time_demand=(mu_S, FINITE)
    )
    columns = [
        np.ascontiguousarray(np.broadcast_to(c, r_S.shape)) for c in (mu_S, sigma_S, demand_S, fixed_S, h_S, p_S)
    ]
    cost_S = np.empty(r_S.size)
    columns += [r_S, q_S, cost_S]
    over_series(lambda start, stop: _cost(start, stop, *columns), r_S.size)
    return cost_S


def best_reorder_point(quantity: ArrayLike, terms: NormalTerms) -> FloatArray:
    """The best r for a given Q, units, [S]: the r with g(r) = g(r + Q) (Snyder & Shen 2019, equation (5.9)).

    Args:
        quantity: Q, units, > 0.

    Raises:
        ValueError: a quantity out of range, with its first row, or another number of series.
    """
    mu_S, sigma_S, _, _, h_S, p_S = terms.columns()
    q_S, mu_S = per_series(quantity=(quantity, POSITIVE), lead_time_demand=(mu_S, FINITE))
    columns = [np.ascontiguousarray(np.broadcast_to(c, q_S.shape)) for c in (mu_S, sigma_S, h_S, p_S)]
    reorder_S = np.empty(q_S.size)
    columns += [q_S, reorder_S]
    over_series(lambda start, stop: _reorder_points(start, stop, *columns), q_S.size)
    return reorder_S


@numba.njit(cache=True, nogil=True, error_model="numpy")
def _point_cost(r: float, q: float, mu: float, sigma: float, h: float, p: float) -> float:
    """The integral of g from r to r + Q; without deviation, of h (y - mu)+ + p (mu - y)+."""
    if sigma > 0.0:
        return sigma * sigma * rate_integral((r - mu) / sigma, (r + q - mu) / sigma, h, p)
    low, high = r - mu, r + q - mu
    over = max(high, 0.0) ** 2 - max(low, 0.0) ** 2
    under = max(-low, 0.0) ** 2 - max(-high, 0.0) ** 2
    return 0.5 * (h * over + p * under)


@numba.njit(cache=True, nogil=True, error_model="numpy")
def _cost(
    start: int,
    stop: int,
    mu_S: FloatArray,
    sigma_S: FloatArray,
    demand_S: FloatArray,
    fixed_S: FloatArray,
    h_S: FloatArray,
    p_S: FloatArray,
    r_S: FloatArray,
    q_S: FloatArray,
    cost_S: FloatArray,
) -> None:
    for s in range(start, stop):
        area = _point_cost(r_S[s], q_S[s], mu_S[s], sigma_S[s], h_S[s], p_S[s])
        cost_S[s] = (fixed_S[s] * demand_S[s] + area) / q_S[s]


@numba.njit(cache=True, nogil=True, error_model="numpy")
def _optimise(
    start: int,
    stop: int,
    mu_S: FloatArray,
    sigma_S: FloatArray,
    demand_S: FloatArray,
    fixed_S: FloatArray,
    h_S: FloatArray,
    p_S: FloatArray,
    reorder_S: FloatArray,
    quantity_S: FloatArray,
    cost_S: FloatArray,
) -> None:
    for s in range(start, stop):
        mu, sigma, h, p = mu_S[s], sigma_S[s], h_S[s], p_S[s]
        order = fixed_S[s] * demand_S[s]
        level = math.sqrt(2.0 * order * h * p / (h + p))  # the cost of the EOQ with backorders
        low, high = -level / p, level / h
        if sigma > 0.0:
            # g1 rises from its least no faster than without deviation, so that the start is not below the optimum and
            # Newton's steps fall towards it; rounding may take one too far, never below the least of g1.
            least = rate(_least(h, p), h, p)
            order, level = order / (sigma * sigma), level / sigma + least
            for _ in range(_NEWTON_STEPS):
                # g1 is at least -p z and h z: both starts lie outside the roots.
                low, high = rate_root(level, -level / p, h, p), rate_root(level, level / h, h, p)
                step = (level * (high - low) - rate_integral(low, high, h, p) - order) / (high - low)
                further = level - step
                if not (further > least and high > low):
                    further = 0.5 * (level + least)
                if abs(further - level) <= _TOLERANCE * level:
                    break
                level = further
            low, high = sigma * low, sigma * high
        reorder_S[s], quantity_S[s] = mu + low, high - low
        area = _point_cost(mu + low, high - low, mu, sigma, h, p)
        cost_S[s] = (fixed_S[s] * demand_S[s] + area) / quantity_S[s]


@numba.njit(cache=True, nogil=True, error_model="numpy")
def _reorder_points(
    start: int,
    stop: int,
    mu_S: FloatArray,
    sigma_S: FloatArray,
    h_S: FloatArray,
    p_S: FloatArray,
    q_S: FloatArray,
    reorder_S: FloatArray,
) -> None:
    for s in range(start, stop):
        h, p = h_S[s], p_S[s]
        if sigma_S[s] <= 0.0:
            reorder_S[s] = mu_S[s] - q_S[s] * h / (h + p)
            continue
        q = q_S[s] / sigma_S[s]
        # g(r + Q) - g(r) rises in r: it is below zero where r + Q is the least of g, above it where r is.
        least = _least(h, p)
        low, high = least - q, least
        r = least - q * h / (h + p)
        for _ in range(_NEWTON_STEPS):
            gap = rate(r + q, h, p) - rate(r, h, p)
            if gap > 0.0:
                high = r
            else:
                low = r
            slope = rate_slope(r + q, h, p) - rate_slope(r, h, p)
            further = r - gap / slope
            if not low < further < high:
                further = 0.5 * (low + high)
            if abs(further - r) <= _TOLERANCE * (1.0 + abs(r)):
                break
            r = further
        reorder_S[s] = mu_S[s] + sigma_S[s] * r


@numba.njit(cache=True, nogil=True, error_model="numpy")
def _least(h: float, p: float) -> float:
    """The z of least g1, where P(Z > z) = h / (h + p), by Newton steps kept within a bracket."""
    low, high, z = -40.0, 40.0, 0.0
    for _ in range(_NEWTON_STEPS):
        slope = rate_slope(z, h, p)
        if slope > 0.0:
            high = z
        else:
            low = z
        curvature = (h + p) * math.exp(-0.5 * z * z) / math.sqrt(2.0 * math.pi)
        further = z - slope / curvature
        if not low < further < high:
            further = 0.5 * (low + high)
        if abs(further - z) <= _TOLERANCE * (1.0 + abs(z)):
            break
        z = further
    return z
