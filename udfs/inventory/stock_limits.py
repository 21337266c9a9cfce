"""What bounds the stock of a series beside its terms of supply: how long it keeps, and how much of it is wanted."""

from __future__ import annotations

from dataclasses import dataclass, fields

import numpy as np

from udfs.inventory.demand_distribution import BoolArray, FloatArray


@dataclass(frozen=True, slots=True)
class StockLimits:
    """Limits of S series, float64 [S] each, inf where there is none.

    shelf_life_days: days on which a received unit can be sold, the day of receipt included, whole and >= 1.
    waste_cost: currency per unit that spoils, beside its unit cost; 0 where it costs nothing more.
    most_cover_days: an order lifts the position to at most the expected demand of so many days, whole.
    most_shelf_qty: units for which there is room, on the shelf and behind it. largest_order_qty: units of one order.
    """

    shelf_life_days: FloatArray
    waste_cost: FloatArray
    most_cover_days: FloatArray
    most_shelf_qty: FloatArray
    largest_order_qty: FloatArray

    @classmethod
    def none(cls, n_series: int) -> StockLimits:
        """No limit at all."""
        inf_S = np.full(n_series, np.inf)
        return cls(inf_S, np.zeros(n_series), inf_S, inf_S, inf_S)

    @property
    def spoils(self) -> BoolArray:
        """[S]: whether a unit that waits long enough is lost."""
        return np.isfinite(self.shelf_life_days)

    def take(self, rows: np.ndarray) -> StockLimits:
        """The limits of the given rows (a mask or indices)."""
        return StockLimits(**{field.name: getattr(self, field.name)[rows] for field in fields(self)})
