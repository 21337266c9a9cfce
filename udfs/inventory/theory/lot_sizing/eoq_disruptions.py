"""The economic order quantity from a supplier who is down at times."""

from __future__ import annotations

import math

import numba
import numpy as np
from numpy.typing import ArrayLike

from udfs.inventory.demand_distribution import FloatArray
from udfs.inventory.parameters import AT_LEAST_ZERO, POSITIVE, per_series
from udfs.inventory.theory.lot_sizing.lot_size import LotSize
from udfs.series.series_threads import over_series

_GOLDEN = (math.sqrt(5.0) - 1.0) / 2.0
_STEPS = 80  # narrows the bracket 100:1 to less than the rounding of Q


def eoq_disruptions(
    fixed_cost: ArrayLike,
    holding_cost: ArrayLike,
    shortage_cost: ArrayLike,
    demand_rate: ArrayLike,
    disruption_rate: ArrayLike,
    recovery_rate: ArrayLike,
) -> LotSize:
    """Lot size where the supplier's up and down times are exponential and demand while out of stock is lost.

    Orders arrive at once when the supplier is up. Minimises (Snyder & Shen 2019, equation (9.5))
    g(Q) = (K + h Q^2 / (2 lambda) + p lambda psi / mu) / (Q / lambda + psi / mu), where
    psi = alpha / (alpha + mu) (1 - exp(-(alpha + mu) Q / lambda)), by golden section around the closed form with psi's
    limit, over a factor of ten to each side.

    Args:
        fixed_cost: K, currency per order, >= 0. holding_cost: h, currency per unit and unit of time, > 0.
        shortage_cost: p, currency per unit lost, > 0. demand_rate: lambda, units per unit of time, > 0.
        disruption_rate: alpha, disruptions per unit of up time, > 0.
        recovery_rate: mu, recoveries per unit of down time, > 0.

    Raises:
        ValueError: a parameter out of range, with its first row.

    >>> lot = eoq_disruptions(8, 0.225, 5, 1300, 1.5, 14)
    >>> float(lot.quantity_S[0].round(2)), float(lot.cost_S[0].round(4))
    (772.81, 173.95)
    """
    columns = per_series(
        fixed_cost=(fixed_cost, AT_LEAST_ZERO),
        holding_cost=(holding_cost, POSITIVE),
        shortage_cost=(shortage_cost, POSITIVE),
        demand_rate=(demand_rate, POSITIVE),
        disruption_rate=(disruption_rate, POSITIVE),
        recovery_rate=(recovery_rate, POSITIVE),
    )
    n_series = columns[0].size
    quantity_S, cost_S = np.empty(n_series), np.empty(n_series)
    columns += [quantity_S, cost_S]
    over_series(lambda start, stop: _search(start, stop, *columns), n_series)
    return LotSize(quantity_S, cost_S)


@numba.njit(cache=True, nogil=True, error_model="numpy")
def _cost(q: float, k: float, h: float, p: float, demand: float, down: float, up: float) -> float:
    psi = down / (down + up) * -math.expm1(-(down + up) * q / demand)
    return (k + h * q * q / (2.0 * demand) + p * demand * psi / up) / (q / demand + psi / up)


@numba.njit(cache=True, nogil=True, error_model="numpy")
def _search(
    start: int,
    stop: int,
    k_S: FloatArray,
    h_S: FloatArray,
    p_S: FloatArray,
    demand_S: FloatArray,
    down_S: FloatArray,
    up_S: FloatArray,
    quantity_S: FloatArray,
    cost_S: FloatArray,
) -> None:
    for s in range(start, stop):
        k, h, p, demand, down, up = k_S[s], h_S[s], p_S[s], demand_S[s], down_S[s], up_S[s]
        psi = down / (down + up)
        root = math.sqrt((psi * demand * h) ** 2 + 2.0 * h * up * (k * demand * up + demand * demand * p * psi))
        guess = (root - psi * demand * h) / (h * up)
        low, high = 0.1 * guess, 10.0 * guess
        left, right = high - _GOLDEN * (high - low), low + _GOLDEN * (high - low)
        cost_left, cost_right = _cost(left, k, h, p, demand, down, up), _cost(right, k, h, p, demand, down, up)
        for _ in range(_STEPS):
            if cost_left <= cost_right:
                high, right, cost_right = right, left, cost_left
                left = high - _GOLDEN * (high - low)
                cost_left = _cost(left, k, h, p, demand, down, up)
            else:
                low, left, cost_left = left, right, cost_right
                right = low + _GOLDEN * (high - low)
                cost_right = _cost(right, k, h, p, demand, down, up)
        quantity_S[s] = 0.5 * (low + high)
        cost_S[s] = _cost(quantity_S[s], k, h, p, demand, down, up)
