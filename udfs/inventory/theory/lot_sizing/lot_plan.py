"""A plan of lots for a demand that is known period by period, and what it costs."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike

from udfs.inventory.demand_distribution import FloatArray
from udfs.inventory.parameters import AT_LEAST_ZERO, check, per_period


@dataclass(frozen=True, slots=True)
class LotPlan:
    """quantity_ST: units that arrive at the start of each period, [S, T]. cost_S: of the whole horizon, [S]."""

    quantity_ST: FloatArray
    cost_S: FloatArray


@dataclass(frozen=True, slots=True)
class DynamicDemand:
    """Known demand of S series in T periods, and the costs of meeting all of it in time.

    Attributes:
        demand_ST: units per period, >= 0, [S, T] (or [T] for one series). A shorter series is padded with zeros at its
            end, which cost nothing.
        fixed_cost: currency per order, >= 0; a number, [S] or [S, T]; likewise the others.
        holding_cost: currency per unit on hand at the end of a period, >= 0.
        unit_cost: currency per unit bought, >= 0.

    Raises:
        ValueError: a parameter out of range or of another shape, or no period at all.
    """

    demand_ST: ArrayLike
    fixed_cost: ArrayLike
    holding_cost: ArrayLike
    unit_cost: ArrayLike = 0.0

    def __post_init__(self) -> None:
        demand_ST = np.atleast_2d(np.asarray(self.demand_ST, dtype=np.float64))
        if demand_ST.ndim != 2 or demand_ST.shape[1] < 1:
            raise ValueError(f"demand_ST: expected [S, T] with T >= 1, found shape {demand_ST.shape}")
        check("demand_ST", demand_ST, AT_LEAST_ZERO)
        tables = per_period(
            *demand_ST.shape,
            fixed_cost=(self.fixed_cost, AT_LEAST_ZERO),
            holding_cost=(self.holding_cost, AT_LEAST_ZERO),
            unit_cost=(self.unit_cost, AT_LEAST_ZERO),
        )
        object.__setattr__(self, "demand_ST", np.ascontiguousarray(demand_ST))
        for name, table in zip(("fixed_cost", "holding_cost", "unit_cost"), tables, strict=True):
            object.__setattr__(self, name, table)

    def tables(self) -> tuple[FloatArray, FloatArray, FloatArray, FloatArray]:
        """Demand, fixed, holding and unit cost, contiguous float64 [S, T] each."""
        return tuple(  # type: ignore[return-value]
            np.asarray(t, dtype=np.float64)
            for t in (self.demand_ST, self.fixed_cost, self.holding_cost, self.unit_cost)
        )


def plan_cost(quantity_ST: FloatArray, problem: DynamicDemand) -> FloatArray:
    """Cost of any plan that meets the demand in time, currency, [S].

    Raises:
        ValueError: quantities of another shape, negative or NaN, or demand that waits.
    """
    demand_ST, fixed_ST, holding_ST, unit_ST = problem.tables()
    quantity_ST = np.asarray(quantity_ST, dtype=np.float64)
    if quantity_ST.shape != demand_ST.shape:
        raise ValueError(f"quantity_ST: expected shape {demand_ST.shape}, found {quantity_ST.shape}")
    check("quantity_ST", quantity_ST, AT_LEAST_ZERO)
    stock_ST = np.cumsum(quantity_ST - demand_ST, axis=1)
    late = np.argwhere(stock_ST < -1e-9 * np.cumsum(demand_ST, axis=1))
    if late.size:
        row, period = late[0]
        raise ValueError(
            f"quantity_ST: expected demand met in time, found {-stock_ST[row, period]:g} units short "
            f"in row {row}, period {period}"
        )
    ordered_ST = fixed_ST * (quantity_ST > 0.0) + unit_ST * quantity_ST
    return np.asarray((ordered_ST + holding_ST * np.maximum(stock_ST, 0.0)).sum(axis=1), dtype=np.float64)
