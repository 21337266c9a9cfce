"""Joint replenishment: items that share the cost of an order."""

from __future__ import annotations

from dataclasses import dataclass

import numba
import numpy as np
from numpy.typing import ArrayLike

from udfs.inventory.demand_distribution import FloatArray
from udfs.inventory.parameters import AT_LEAST_ZERO, POSITIVE, check, per_series
from udfs.series.series_threads import over_series

_MOST_ORDERS_SKIPPED = 32
"""Family orders per cycle of the item that orders most often, if it has a cost of its own: beyond it rounding a
multiple costs less than .01%, and shorter cycles gain no more."""
_MOST_MULTIPLE = 5_000


@dataclass(frozen=True, slots=True)
class JointReplenishment:
    """quantity_SI: units per order of item i of family s. multiple_SI: it is in every m-th order of the family.
    cycle_S: time between the family's orders. cost_S: ordering and holding, currency per unit of time.
    """

    quantity_SI: FloatArray
    multiple_SI: FloatArray
    cycle_S: FloatArray
    cost_S: FloatArray


def joint_replenishment(
    shared_fixed_cost: ArrayLike, item_fixed_cost_SI: ArrayLike, holding_cost_SI: ArrayLike, demand_rate_SI: ArrayLike
) -> JointReplenishment:
    """The best cyclic policy of S families of I items (Silver, Pyke & Thomas 2017, section 10.2).

    The family orders every T, item i in every m_i-th order, at K / T + sum(k_i / (m_i T) + h_i lambda_i m_i T / 2) a
    unit of time. For a given T the best m_i is the one with m (m - 1) <= 2 k_i / (h_i lambda_i T^2) <= m (m + 1)
    (Goyal 1974), so from long cycles to short ones the multiples change one by one; each set of them that comes up has
    its best T in closed form. The search ends at the cycle below which K alone exceeds what the heuristic of Silver
    (1976) leaves over the cost of items that share nothing. A family of one item gives the EOQ.

    Args:
        shared_fixed_cost: K, currency per order of the family, >= 0, a number or [S].
        item_fixed_cost_SI: extra currency per order for each item in it, >= 0, [S, I] (or [I] for one family).
        holding_cost_SI: currency per unit and unit of time, > 0. demand_rate_SI: units per unit of time, > 0.

    Raises:
        ValueError: a parameter out of range, shapes that differ, or an order that costs nothing.

    >>> plan = joint_replenishment(600, [120, 840, 300], [160, 20, 50], [1, 1, 1])
    >>> plan.multiple_SI.tolist(), float(plan.cost_S[0].round(4))
    ([[1.0, 3.0, 1.0]], 837.8544)
    """
    shared_S, item_SI, holding_SI, demand_SI = _families(
        shared_fixed_cost, item_fixed_cost_SI, holding_cost_SI, demand_rate_SI
    )
    value_SI = holding_SI * demand_SI
    multiple_SI = _silver(shared_S, item_SI, value_SI)

    def kernel(start: int, stop: int) -> None:
        _search(shared_S[start:stop], item_SI[start:stop], value_SI[start:stop], multiple_SI[start:stop])

    over_series(kernel, shared_S.size)
    order_cost_S = shared_S + (item_SI / multiple_SI).sum(axis=1)
    holding_slope_S = (value_SI * multiple_SI).sum(axis=1)
    cycle_S = np.sqrt(2.0 * order_cost_S / holding_slope_S)
    return JointReplenishment(
        cycle_S[:, None] * multiple_SI * demand_SI,
        multiple_SI,
        cycle_S,
        order_cost_S / cycle_S + 0.5 * cycle_S * holding_slope_S,
    )


def _families(
    shared: ArrayLike, item: ArrayLike, holding: ArrayLike, demand: ArrayLike
) -> tuple[FloatArray, FloatArray, FloatArray, FloatArray]:
    """The parameters checked, [S] and [S, I]."""
    item_SI, holding_SI, demand_SI = (
        np.atleast_2d(np.asarray(table, dtype=np.float64)) for table in (item, holding, demand)
    )
    if not item_SI.shape == holding_SI.shape == demand_SI.shape or item_SI.ndim != 2 or item_SI.shape[1] < 1:
        shapes = [item_SI.shape, holding_SI.shape, demand_SI.shape]
        raise ValueError(f"joint_replenishment: expected one shape [S, I] for all items' parameters, found {shapes}")
    check("item_fixed_cost_SI", item_SI, AT_LEAST_ZERO)
    check("holding_cost_SI", holding_SI, POSITIVE)
    check("demand_rate_SI", demand_SI, POSITIVE)
    shared_S, _ = per_series(shared_fixed_cost=(shared, AT_LEAST_ZERO), families=(np.ones(item_SI.shape[0]), POSITIVE))
    shape = (shared_S.size, item_SI.shape[1])
    item_SI, holding_SI, demand_SI = (np.array(np.broadcast_to(t, shape)) for t in (item_SI, holding_SI, demand_SI))
    leader_S = (item_SI / (holding_SI * demand_SI)).argmin(axis=1)
    check("shared_fixed_cost + item_fixed_cost_SI", shared_S + item_SI[np.arange(shape[0]), leader_S], POSITIVE)
    return shared_S, item_SI, holding_SI, demand_SI


def _silver(shared_S: FloatArray, item_SI: FloatArray, value_SI: FloatArray) -> FloatArray:
    """Silver's multiples: the item with the least k / (h lambda) in every order, the others rounded from their
    continuous optimum."""
    ratio_SI = item_SI / value_SI
    rows, leader_S = np.arange(shared_S.size), ratio_SI.argmin(axis=1)
    factor_S = value_SI[rows, leader_S] / (shared_S + item_SI[rows, leader_S])
    multiple_SI = np.maximum(np.round(np.sqrt(ratio_SI * factor_S[:, None])), 1.0)
    multiple_SI[rows, leader_S] = 1.0
    return multiple_SI


@numba.njit(cache=True, nogil=True, error_model="numpy")
def _search(shared_S, item_SI, value_SI, multiple_SI):  # type: ignore[no-untyped-def]
    """Replace each family's multiples by the best ones, where there are better ones than those given."""
    for s in range(shared_S.size):
        item_I, value_I = item_SI[s], value_SI[s]
        ordering, holding = shared_S[s] + (item_I / multiple_SI[s]).sum(), (value_I * multiple_SI[s]).sum()
        least = np.sqrt(2.0 * ordering * holding)
        spare = least - np.sqrt(2.0 * item_I * value_I).sum()
        shortest = np.sqrt(2.0 * (item_I / value_I).min()) / _MOST_ORDERS_SKIPPED
        if spare > 0.0:
            shortest = max(shortest, shared_S[s] / spare)
        cycle_E, item_E = _changes(item_I, value_I, shortest)
        multiple_I = np.ones(item_I.size)
        ordering, holding = shared_S[s] + item_I.sum(), value_I.sum()
        n_best, product = (0, ordering * holding) if ordering * holding < 0.5 * least * least else (-1, 0.0)
        best = product if n_best == 0 else 0.5 * least * least
        for e in range(cycle_E.size):
            i = item_E[e]
            m = multiple_I[i]
            ordering -= item_I[i] / (m * (m + 1.0))
            holding += value_I[i]
            multiple_I[i] = m + 1.0
            if ordering * holding < best:
                best, n_best = ordering * holding, e + 1
        if n_best >= 0:
            multiple_SI[s] = 1.0
            for e in range(n_best):
                multiple_SI[s, item_E[e]] += 1.0


@numba.njit(cache=True, nogil=True, error_model="numpy")
def _changes(item_I, value_I, shortest):  # type: ignore[no-untyped-def]
    """The cycles above `shortest` at which an item's best multiple rises by one, from long to short, and the item."""
    count_I = np.empty(item_I.size, dtype=np.int64)
    for i in range(item_I.size):
        # m (m + 1) <= 2 k / (h lambda T^2)
        bound = 2.0 * item_I[i] / (value_I[i] * shortest * shortest) if item_I[i] > 0.0 else 0.0
        count_I[i] = min(int(0.5 * (np.sqrt(1.0 + 4.0 * bound) - 1.0)), _MOST_MULTIPLE)
    cycle_E, item_E = np.empty(count_I.sum()), np.empty(count_I.sum(), dtype=np.int64)
    e = 0
    for i in range(item_I.size):
        for m in range(1, count_I[i] + 1):
            cycle_E[e] = np.sqrt(2.0 * item_I[i] / (value_I[i] * m * (m + 1.0)))
            item_E[e] = i
            e += 1
    order_E = np.argsort(-cycle_E)
    return cycle_E[order_E], item_E[order_E]
