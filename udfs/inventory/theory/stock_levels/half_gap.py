"""The half-gap rule: each period, order half of what is missing."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike

from udfs.inventory.demand_distribution import FloatArray
from udfs.inventory.parameters import AT_LEAST_ZERO, FINITE, check, per_period, per_series, reject


@dataclass(frozen=True, slots=True)
class HalfGapPath:
    """order_ST: Q_t, units. stock_ST: I_t as the period ends, units, negative where the need waits. [S, T] each."""

    order_ST: FloatArray
    stock_ST: FloatArray


def half_gap_order(need: ArrayLike, stock: ArrayLike, buffer: ArrayLike = 0.0) -> FloatArray:
    """max(0, (C - I - eta) / 2), units, [S]: half of what the stock lacks of the need less the buffer.

    Args:
        need: C, the stock that is aimed at, units, finite. stock: I, units, finite.
        buffer: eta, a dead band within which nothing is ordered, units, >= 0.

    Raises:
        ValueError: a parameter out of range, with its first row.

    >>> half_gap_order(need=100, stock=60, buffer=10).tolist()
    [15.0]
    """
    need_S, stock_S, buffer_S = per_series(need=(need, FINITE), stock=(stock, FINITE), buffer=(buffer, AT_LEAST_ZERO))
    return np.maximum(0.5 * (need_S - stock_S - buffer_S), 0.0)


def half_gap(
    need_ST: ArrayLike,
    demand_change_ST: ArrayLike,
    start: ArrayLike,
    buffer: ArrayLike = 0.0,
    max_stock: ArrayLike = np.inf,
) -> HalfGapPath:
    """Follow the rule: Q_t = max(0, (C_t - I_(t-1) - eta) / 2), I_t = min(I_(t-1) + Q_t - Delta_t, I_max).

    The order sees the stock as the period begins and arrives within it. While orders are placed, the gap
    G_t = C - eta - I_t follows G_t = G_(t-1) / 2 + Delta_t: without demand it halves each period, under a steady demand
    Delta it settles at 2 Delta, from any start, without overshoot, and errors in what is known of the stock fade the
    same way.

    Sensible as a damped, stable control of a slow need for which there is no forecast (spare parts in a van, cash in a
    till, containers in a depot), supplied within the period, where smooth orders matter. The steady gap is known, so
    C = target + eta + 2 Delta removes it.

    Not sensible with a lead time: orders on their way are not counted, so it orders the same gap again, overshoots and
    swings. Nor for a service level, since it knows no distribution: it holds 2 Delta less than C whatever the
    deviation. Nor for lumpy demand, of which it serves half of the next gap too late, and orders most after the peak.
    Base stock does better in each of these.

    Args:
        need_ST: C_t, units, [S, T] (or [T] for one series), finite.
        demand_change_ST: Delta_t, units that leave (or, if negative, return) in the period, like `need_ST`.
        start: I_(-1), units, a number or [S]. buffer: eta, units, >= 0.
        max_stock: I_max, the most that can be stored, units, >= 0; what is above it is lost. A start above it raises.

    Raises:
        ValueError: a parameter out of range or of another shape.

    >>> path = half_gap([100, 100, 100], [0, 0, 0], start=20)
    >>> path.stock_ST.tolist()
    [[60.0, 80.0, 90.0]]
    """
    need_ST = np.atleast_2d(np.asarray(need_ST, dtype=np.float64))
    if need_ST.ndim != 2:
        raise ValueError(f"need_ST: expected [S, T], found shape {need_ST.shape}")
    check("need_ST", need_ST, FINITE)
    n_series, n_periods = need_ST.shape
    (change_ST,) = per_period(n_series, n_periods, demand_change_ST=(demand_change_ST, FINITE))
    limit = np.atleast_1d(np.asarray(max_stock, dtype=np.float64))
    reject(~(limit >= 0.0), lambda row: f"max_stock: expected units >= 0, found {limit[row]:g}")
    start_S, buffer_S, _ = per_series(
        start=(start, FINITE), buffer=(buffer, AT_LEAST_ZERO), need_ST=(np.zeros(n_series), FINITE)
    )
    limit_S = np.broadcast_to(limit, (n_series,))
    reject(start_S > limit_S, lambda row: f"start: expected at most max_stock {limit_S[row]:g}, found {start_S[row]:g}")
    order_ST, stock_ST, stock_S = np.empty_like(need_ST), np.empty_like(need_ST), start_S
    for t in range(n_periods):
        order_ST[:, t] = np.maximum(0.5 * (need_ST[:, t] - stock_S - buffer_S), 0.0)
        stock_S = np.minimum(stock_S + order_ST[:, t] - change_ST[:, t], limit_S)
        stock_ST[:, t] = stock_S
    return HalfGapPath(order_ST, stock_ST)
