"""What a model of the lot size answers."""

from __future__ import annotations

from dataclasses import dataclass

from udfs.inventory.demand_distribution import FloatArray


@dataclass(frozen=True, slots=True)
class LotSize:
    """quantity_S: units per order. cost_S: currency per unit of time. float64 [S] each."""

    quantity_S: FloatArray
    cost_S: FloatArray
