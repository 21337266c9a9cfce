"""How much stock can be meant: quantities measured in days of the demand that is expected."""

from __future__ import annotations

from typing import Final

import numpy as np

from udfs.inventory.demand_distribution import BoolArray, FloatArray

IMPOSSIBLE_DAYS: Final = 36_500.0
IMPOSSIBLE_QTY: Final = 100_000.0
"""No shop counts or orders more than a hundred years' demand of anything, but for small things that hardly sell."""

LEAST_DOUBTFUL_QTY: Final = 1_000.0
"""A few dozens that no longer sell are dead stock and no slip of a finger."""


def is_impossible(quantity_S: FloatArray, daily_mean_S: FloatArray) -> BoolArray:
    """[S]: another number in the wrong column (a barcode), or a wrong unit: it cannot be planned with."""
    with np.errstate(invalid="ignore"):
        return np.asarray(quantity_S > np.maximum(IMPOSSIBLE_DAYS * daily_mean_S, IMPOSSIBLE_QTY))


def days_of_demand(quantity_S: FloatArray, daily_mean_S: FloatArray) -> FloatArray:
    """Days that a quantity lasts at the mean, [S]; inf where no demand is expected."""
    with np.errstate(divide="ignore", invalid="ignore"):
        return np.where(daily_mean_S > 0.0, quantity_S / daily_mean_S, np.inf)
