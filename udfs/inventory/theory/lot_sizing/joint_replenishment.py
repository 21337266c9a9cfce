"""Joint replenishment: items that share the cost of an order."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike

from udfs.inventory.demand_distribution import FloatArray
from udfs.inventory.parameters import AT_LEAST_ZERO, POSITIVE, check, per_series


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
    """Silver's (1976) heuristic for S families of I items, as in Silver, Pyke & Thomas (2017), section 10.2.

    The item with the least k / (h lambda) is in every order; the others in every m-th, m rounded (to even at .5) from
    its continuous optimum; then the cycle is optimal for these multiples. A family of one item gives the EOQ.

    Args:
        shared_fixed_cost: currency per order of the family, >= 0, a number or [S].
        item_fixed_cost_SI: extra currency per order for each item in it, >= 0, [S, I] (or [I] for one family).
        holding_cost_SI: currency per unit and unit of time, > 0. demand_rate_SI: units per unit of time, > 0.

    Raises:
        ValueError: a parameter out of range, shapes that differ, or an order that costs nothing.

    >>> plan = joint_replenishment(600, [120, 840, 300], [160, 20, 50], [1, 1, 1])
    >>> plan.multiple_SI.tolist(), float(plan.cost_S[0].round(4))
    ([[1.0, 3.0, 1.0]], 837.8544)
    """
    item_SI, holding_SI, demand_SI = (
        np.atleast_2d(np.asarray(table, dtype=np.float64))
        for table in (item_fixed_cost_SI, holding_cost_SI, demand_rate_SI)
    )
    if not item_SI.shape == holding_SI.shape == demand_SI.shape or item_SI.ndim != 2 or item_SI.shape[1] < 1:
        shapes = [item_SI.shape, holding_SI.shape, demand_SI.shape]
        raise ValueError(f"joint_replenishment: expected one shape [S, I] for all items' parameters, found {shapes}")
    check("item_fixed_cost_SI", item_SI, AT_LEAST_ZERO)
    check("holding_cost_SI", holding_SI, POSITIVE)
    check("demand_rate_SI", demand_SI, POSITIVE)
    shared_S, _ = per_series(
        shared_fixed_cost=(shared_fixed_cost, AT_LEAST_ZERO), families=(np.ones(item_SI.shape[0]), POSITIVE)
    )
    item_SI, holding_SI, demand_SI = (
        np.broadcast_to(t, (shared_S.size, t.shape[1])) for t in (item_SI, holding_SI, demand_SI)
    )
    ratio_SI = item_SI / (holding_SI * demand_SI)
    rows, leader_S = np.arange(shared_S.size), ratio_SI.argmin(axis=1)
    check("shared_fixed_cost + item_fixed_cost_SI", shared_S + item_SI[rows, leader_S], POSITIVE)
    factor_S = (holding_SI * demand_SI)[rows, leader_S] / (shared_S + item_SI[rows, leader_S])
    multiple_SI = np.maximum(np.round(np.sqrt(ratio_SI * factor_S[:, None])), 1.0)
    multiple_SI[rows, leader_S] = 1.0
    order_cost_S = shared_S + (item_SI / multiple_SI).sum(axis=1)
    holding_slope_S = (holding_SI * multiple_SI * demand_SI).sum(axis=1)
    cycle_S = np.sqrt(2.0 * order_cost_S / holding_slope_S)
    return JointReplenishment(
        cycle_S[:, None] * multiple_SI * demand_SI,
        multiple_SI,
        cycle_S,
        order_cost_S / cycle_S + 0.5 * cycle_S * holding_slope_S,
    )
