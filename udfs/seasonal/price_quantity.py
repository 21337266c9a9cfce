"""Price and quantity of one buy, chosen together: the newsvendor who sets the price (Petruzzi and Dada 1999).

Demand is lognormal and answers the price with a constant elasticity. At a price p with cost c and leftovers worth v the
best quantity is demand's quantile (p - c) / (p - v), and earns (p - v) E[demand] F(z - s), z the quantile of the
standard normal and s the deviation of the log of demand.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy.special import ndtr, ndtri

from udfs.seasonal.two_stage import FloatArray

_CHOICES = 81


@dataclass(frozen=True, eq=False, slots=True)
class PricedBuy:
    """Of I items the price and quantity of most expected profit, and what they earn beyond the stated price with its
    own best quantity, currency."""

    price_I: FloatArray
    qty_I: FloatArray
    gain_I: FloatArray


def best_price(
    log_mean_I: FloatArray, log_sd_I: FloatArray, price_I: FloatArray, cost_I: FloatArray, salvage_I: FloatArray,
    elasticity_I: FloatArray, largest_step: float,
) -> PricedBuy:  # fmt: skip
    """Price and quantity within a step of the stated prices, in (0, 1) of them, and above cost.

    log_mean_I, log_sd_I: of demand at the stated price. elasticity_I: < 0; NaN, not known, gives NaN.
    """
    share_J = np.append(np.linspace(1.0 - largest_step, 1.0 + largest_step, _CHOICES), 1.0)
    price_IJ = price_I[:, None] * share_J
    mean_IJ = log_mean_I[:, None] + elasticity_I[:, None] * np.log(share_J)
    is_above_IJ = price_IJ > cost_I[:, None]
    worth_IJ = np.where(is_above_IJ, price_IJ - salvage_I[:, None], 1.0)
    z_IJ = ndtri(np.where(is_above_IJ, (price_IJ - cost_I[:, None]) / worth_IJ, 0.5))
    profit_IJ = worth_IJ * np.exp(mean_IJ + log_sd_I[:, None] ** 2 / 2.0) * ndtr(z_IJ - log_sd_I[:, None])
    profit_IJ = np.where(is_above_IJ, profit_IJ, -np.inf)
    rows, at_I = np.arange(len(price_I)), profit_IJ[:, ::-1].argmax(1)  # of equal ones the stated price
    at_I = len(share_J) - 1 - at_I
    qty_I = np.exp(mean_IJ[rows, at_I] + log_sd_I * z_IJ[rows, at_I])
    gain_I = profit_IJ[rows, at_I] - profit_IJ[:, -1]
    known_I = ~np.isnan(elasticity_I)
    return PricedBuy(*(np.where(known_I, each, np.nan) for each in (price_IJ[rows, at_I], qty_I, gain_I)))
