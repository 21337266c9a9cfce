"""What it is expected to lose when a delivery comes a day later."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from udfs.inventory.demand_distribution import Normal

FloatArray = NDArray[np.float64]


def expected_excess(mean_N: FloatArray, sd_N: FloatArray, level_N: FloatArray) -> FloatArray:
    """E[(D - level)+] of normal demand, in units: the loss function of Snyder and Shen, section C.3; never below 0."""
    return np.maximum(Normal().loss(mean_N, np.maximum(sd_N, 1e-9) ** 2, level_N), 0.0)


def waiting_value(
    stock_N: FloatArray,
    mean_before_N: FloatArray,
    sd_before_N: FloatArray,
    mean_after_N: FloatArray,
    sd_after_N: FloatArray,
    qty_N: FloatArray,
    margin_N: FloatArray,
) -> FloatArray:
    """Margin of the units that customers want, and would not find, from the planned receipt to a later one; currency.

    stock_N: units on hand and to come before the delivery. mean and sd of demand from today to the evening before the
    planned receipt, and to the evening before the later one. No more is lost than the delivery holds.
    """
    short = expected_excess(mean_after_N, sd_after_N, stock_N) - expected_excess(mean_before_N, sd_before_N, stock_N)
    return np.clip(short, 0.0, qty_N) * np.maximum(margin_N, 0.0)
