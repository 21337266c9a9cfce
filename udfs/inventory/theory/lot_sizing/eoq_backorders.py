"""The economic order quantity with planned backorders."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike

from udfs.inventory.demand_distribution import FloatArray
from udfs.inventory.parameters import AT_LEAST_ZERO, POSITIVE, per_series


@dataclass(frozen=True, slots=True)
class BackorderedLot:
    """quantity_S: units per order. backorder_share_S: share of the demand that waits, in (0, 1).
    cost_S: currency per unit of time. float64 [S] each.
    """

    quantity_S: FloatArray
    backorder_share_S: FloatArray
    cost_S: FloatArray


def eoq_backorders(
    fixed_cost: ArrayLike, holding_cost: ArrayLike, backorder_cost: ArrayLike, demand_rate: ArrayLike
) -> BackorderedLot:
    """Lot size where demand may wait: Q = sqrt(2 K lambda (h + p) / (h p)), of which the share h / (h + p) waits.

    Snyder & Shen (2019), equations (3.27) to (3.29). As p grows it tends to the plain EOQ.

    Args:
        fixed_cost: K, currency per order, >= 0; 0 gives quantity 0, the limit of continuous ordering.
        holding_cost: h, currency per unit and unit of time, > 0.
        backorder_cost: p, currency per unit that waits and unit of time, > 0.
        demand_rate: lambda, units per unit of time, >= 0; 0 gives quantity 0 at no cost.

    Raises:
        ValueError: a parameter out of range, with its first row.

    >>> float(eoq_backorders(8, 0.225, 5, 1300).quantity_S[0].round(4))
    310.8126
    """
    fixed_cost_S, h_S, p_S, demand_rate_S = per_series(
        fixed_cost=(fixed_cost, AT_LEAST_ZERO),
        holding_cost=(holding_cost, POSITIVE),
        backorder_cost=(backorder_cost, POSITIVE),
        demand_rate=(demand_rate, AT_LEAST_ZERO),
    )
    quantity_S = np.sqrt(2.0 * fixed_cost_S * demand_rate_S * (h_S + p_S) / (h_S * p_S))
    return BackorderedLot(quantity_S, h_S / (h_S + p_S), quantity_S * h_S * p_S / (h_S + p_S))
