"""What one more unit of a series earns and costs, and the quantities in which it can be ordered."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, fields
from typing import Final

import numpy as np

from udfs.inventory.demand_distribution import BoolArray, FloatArray
from udfs.inventory.order_quantity import round_order


@dataclass(frozen=True, slots=True)
class OrderTerms:
    """Money and quantities of S series, a scalar or float64 [S] each; the scalars hold for every series.

    unit_price: currency that a sold unit brings. unit_cost: currency that an ordered unit costs.
    holding_cost: currency per unit left over per period, for `holding_periods` periods.
    carry_value: currency that a unit left over at the end is worth before that holding cost; None takes the unit
    cost, for what is left is still stock; 0 is right for what perishes.
    shortage_cost: currency per unit of demand not met, beyond the lost margin (goodwill).
    order_cost: currency per order. moq: least order, units. pack: units per pack, > 0.
    most_qty: no order above it, units; inf leaves the end to profit. The order that a policy wants, as
    `round_order` rounds it, keeps the list within the policy.
    backorder_share: share of the demand unmet before the order arrives that waits for it, 0 lost sales .. 1 backorders.

    A price below the unit cost is no error: such a series has no profitable step.

    Raises:
        ValueError: a value out of its range, arrays of different lengths, or a unit left over that would be worth
            more than it costs, so that every quantity would pay.
    """

    unit_price: FloatArray | float
    unit_cost: FloatArray | float
    holding_cost: FloatArray | float = 0.0
    holding_periods: FloatArray | float = 1.0
    carry_value: FloatArray | float | None = None
    shortage_cost: FloatArray | float = 0.0
    order_cost: FloatArray | float = 0.0
    moq: FloatArray | float = 0.0
    pack: FloatArray | float = 1.0
    most_qty: FloatArray | float = np.inf
    backorder_share: FloatArray | float = 0.0

    def __post_init__(self) -> None:
        for field in fields(self):
            if getattr(self, field.name) is None:
                object.__setattr__(self, field.name, self.unit_cost)
            values = np.asarray(getattr(self, field.name), dtype=np.float64)
            object.__setattr__(self, field.name, values)
            is_good, expected = _RULES.get(field.name, _COST_RULE)
            _check(field.name, values, is_good(values), expected)
        lengths = {np.shape(getattr(self, field.name)) for field in fields(self)} - {()}
        if len(lengths) > 1 or any(len(shape) != 1 for shape in lengths):
            raise ValueError(f"OrderTerms: expected scalars and one length [S], found shapes {sorted(lengths)}")
        overage = self.overage()
        _check(
            "carry_value",
            overage,
            overage >= 0.0,
            "at most unit_cost + holding_cost * holding_periods",
            "a loss per unit left over of ",
        )

    def underage(self) -> FloatArray:
        """Profit of a unit that is ordered and sold, currency: the newsvendor's cost of a unit too few."""
        return np.asarray(self.unit_price + self.shortage_cost - self.unit_cost)

    def overage(self) -> FloatArray:
        """Loss on a unit that is ordered and left over, currency: the newsvendor's cost of a unit too many."""
        carry_value = self.unit_cost if self.carry_value is None else self.carry_value
        return np.asarray(self.unit_cost - carry_value + self.holding_cost * self.holding_periods)

    def least_order(self) -> FloatArray:
        """The least deliverable order: the minimum order in whole packs, and at least one pack, units."""
        return np.asarray(round_order(np.asarray(self.pack), np.asarray(self.moq), np.asarray(self.pack)))


def _check(name: str, values: FloatArray, is_good: BoolArray, expected: str, found: str = "") -> None:
    if np.all(is_good):
        return
    row = int(np.flatnonzero(~np.atleast_1d(is_good))[0])
    raise ValueError(f"{name}: expected {expected}, found {found}{np.atleast_1d(values)[row]:g} in row {row}")


_COST_RULE: Final[tuple[Callable[[FloatArray], BoolArray], str]] = (
    lambda v: np.isfinite(v) & (v >= 0.0),
    "a finite number >= 0",
)
_RULES: Final[dict[str, tuple[Callable[[FloatArray], BoolArray], str]]] = {
    "pack": (lambda v: np.isfinite(v) & (v > 0.0), "units > 0"),
    "most_qty": (lambda v: v >= 0.0, "units >= 0, inf for no limit"),
    "carry_value": (np.isfinite, "a finite number (negative where disposal costs)"),
    "backorder_share": (lambda v: (v >= 0.0) & (v <= 1.0), "a share in [0, 1]"),
}
