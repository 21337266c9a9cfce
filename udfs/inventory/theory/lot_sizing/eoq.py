"""The economic order quantity (Harris 1913)."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike

from udfs.inventory.demand_distribution import FloatArray
from udfs.inventory.parameters import AT_LEAST_ZERO, POSITIVE, per_series
from udfs.inventory.theory.lot_sizing.lot_size import LotSize


def eoq(fixed_cost: ArrayLike, holding_cost: ArrayLike, demand_rate: ArrayLike) -> LotSize:
    """The lot size that balances ordering and holding cost: Q = sqrt(2 K lambda / h), cost = sqrt(2 K lambda h).

    Snyder & Shen (2019), equations (3.4) and (3.5). Purchase cost is not counted.

    Args:
        fixed_cost: K, currency per order, >= 0. 0 is the limit of continuous ordering: quantity 0 at no cost.
        holding_cost: h, currency per unit and unit of time, > 0.
        demand_rate: lambda, units per unit of time, >= 0. 0 is the limit of no need: quantity 0 at no cost.

    Raises:
        ValueError: a parameter out of range, with its first row.

    >>> float(eoq(fixed_cost=8, holding_cost=0.225, demand_rate=1300).quantity_S[0].round(4))
    304.0468
    """
    fixed_cost_S, holding_cost_S, demand_rate_S = per_series(
        fixed_cost=(fixed_cost, AT_LEAST_ZERO),
        holding_cost=(holding_cost, POSITIVE),
        demand_rate=(demand_rate, AT_LEAST_ZERO),
    )
    quantity_S = np.sqrt(2.0 * fixed_cost_S * demand_rate_S / holding_cost_S)
    return LotSize(quantity_S, quantity_S * holding_cost_S)


def eoq_cost(quantity: ArrayLike, fixed_cost: ArrayLike, holding_cost: ArrayLike, demand_rate: ArrayLike) -> FloatArray:
    """Cost of any lot size, currency per unit of time, [S]: K lambda / Q + h Q / 2 (Snyder & Shen 2019, eq. (3.3)).

    Args:
        quantity: Q, units, > 0. The others are as in `eoq`.

    Raises:
        ValueError: a parameter out of range, with its first row.
    """
    quantity_S, fixed_cost_S, holding_cost_S, demand_rate_S = per_series(
        quantity=(quantity, POSITIVE),
        fixed_cost=(fixed_cost, AT_LEAST_ZERO),
        holding_cost=(holding_cost, POSITIVE),
        demand_rate=(demand_rate, AT_LEAST_ZERO),
    )
    return fixed_cost_S * demand_rate_S / quantity_S + 0.5 * holding_cost_S * quantity_S
