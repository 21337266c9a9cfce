"""What a model of the stock level answers."""

from __future__ import annotations

from dataclasses import dataclass

from udfs.inventory.demand_distribution import FloatArray


@dataclass(frozen=True, slots=True)
class StockLevel:
    """level_S: units to have (order up to). cost_S: expected cost per period, currency. float64 [S] each."""

    level_S: FloatArray
    cost_S: FloatArray
