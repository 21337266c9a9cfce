"""The economic production quantity: a lot that arrives at a rate, not at once."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike

from udfs.inventory.parameters import AT_LEAST_ZERO, POSITIVE, per_series, reject
from udfs.inventory.theory.lot_sizing.lot_size import LotSize


def epq(fixed_cost: ArrayLike, holding_cost: ArrayLike, demand_rate: ArrayLike, production_rate: ArrayLike) -> LotSize:
    """Lot size where stock builds up at `production_rate`: Q = sqrt(2 K lambda / (h (1 - lambda / mu))).

    Snyder & Shen (2019), equations (3.31) and (3.32). A very fast production gives the EOQ.

    Args:
        fixed_cost: K, currency per lot, >= 0. holding_cost: h, currency per unit and unit of time, > 0.
        demand_rate: lambda, units per unit of time, >= 0; 0 gives quantity 0 at no cost.
        production_rate: mu, units per unit of time, > demand_rate.

    Raises:
        ValueError: a parameter out of range, or a production no faster than the demand, with its first row.

    >>> float(epq(4, 0.08, 80, 110).quantity_S[0].round(4))
    171.2698
    """
    fixed_cost_S, holding_cost_S, demand_S, production_S = per_series(
        fixed_cost=(fixed_cost, AT_LEAST_ZERO),
        holding_cost=(holding_cost, POSITIVE),
        demand_rate=(demand_rate, AT_LEAST_ZERO),
        production_rate=(production_rate, POSITIVE),
    )
    reject(
        production_S <= demand_S,
        lambda row: (
            f"production_rate: expected more than the demand rate {demand_S[row]:g}, found {production_S[row]:g}"
        ),
    )
    net_holding_S = holding_cost_S * (1.0 - demand_S / production_S)
    quantity_S = np.sqrt(2.0 * fixed_cost_S * demand_S / net_holding_S)
    return LotSize(quantity_S, quantity_S * net_holding_S)
