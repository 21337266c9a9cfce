"""On which terms a simulated stock is supplied, and what everything costs."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, fields
from typing import Final

import numpy as np
import torch
from torch import Tensor

from udfs.inventory.demand_distribution import BoolArray, FloatArray

MAX_LEAD_TIME: Final = 730  # periods; a longer wait is a unit error rather than a supplier
ROUNDING_64: Final = 1e-9  # share of a unit or pack that is rounding error in float64
ROUNDING_32: Final = 1e-4  # and in float32


@dataclass(frozen=True, slots=True)
class SimulationTerms:
    """Terms of S series, each a number or float64 [S]; numbers hold for all series.

    Attributes:
        lead_time: periods from order to receipt, whole, >= 0; 0 arrives before the demand of the same period.
        holding_cost: currency per unit on hand at the end of a period.
        shortage_cost: currency per unit of lost demand, and per unit backordered at the end of a period.
        order_cost: currency per order placed. unit_cost: currency per unit ordered.
        waste_cost: currency per unit that expires, beside its unit cost.
        review_period: periods from one order opportunity to the next, whole, >= 1; the first is period 0.
        backorder_share: share of unmet demand that waits, in [0, 1]: 0 is lost sales, 1 backorders.
        moq: least order, units. pack: units per pack; 0 allows any quantity. capacity: most units of one order.
        shelf_life: periods in which a received unit can be sold, whole; 0 does not perish.
        review_week: where orders are placed on weekdays, bit k is set for an opportunity in periods k, k + 7, ...; 0
            leaves it to review_period.

    Raises:
        ValueError: a value out of range, or arrays of different lengths.
    """

    lead_time: FloatArray | float
    holding_cost: FloatArray | float
    shortage_cost: FloatArray | float
    order_cost: FloatArray | float = 0.0
    unit_cost: FloatArray | float = 0.0
    waste_cost: FloatArray | float = 0.0
    review_period: FloatArray | float = 1.0
    backorder_share: FloatArray | float = 0.0
    moq: FloatArray | float = 0.0
    pack: FloatArray | float = 0.0
    capacity: FloatArray | float = np.inf
    shelf_life: FloatArray | float = 0.0
    review_week: FloatArray | float = 0.0

    def __post_init__(self) -> None:
        for field in fields(self):
            object.__setattr__(self, field.name, np.asarray(getattr(self, field.name), dtype=np.float64))
        lengths = {getattr(self, field.name).shape for field in fields(self)} - {()}
        if len(lengths) > 1 or any(len(shape) != 1 for shape in lengths):
            raise ValueError(f"SimulationTerms: expected numbers or arrays of one shape [S], found {sorted(lengths)}")
        for name, is_good, expected in _RULES:
            values = np.atleast_1d(getattr(self, name))
            with np.errstate(invalid="ignore"):
                bad = np.flatnonzero(~is_good(values))
            if bad.size:
                raise ValueError(
                    f"SimulationTerms.{name}: expected {expected}, found {values[bad[0]]:g} in row {bad[0]}"
                )
        self._check_capacity()

    def _check_capacity(self) -> None:
        moq, pack, capacity = np.broadcast_arrays(*(np.atleast_1d(x) for x in (self.moq, self.pack, self.capacity)))
        least = np.where(pack > 0.0, np.maximum(np.ceil(moq / np.where(pack > 0.0, pack, 1.0)), 1.0) * pack, moq)
        bad = np.flatnonzero(capacity < least)
        if bad.size:
            raise ValueError(
                f"SimulationTerms.capacity: expected at least the least order of {least[bad[0]]:g} units, "
                f"found {capacity[bad[0]]:g} in row {bad[0]}"
            )

    def column(self, name: str, n_series: int) -> FloatArray:
        """One of the terms for each of S series, float64 [S]. Raises ValueError where the lengths differ."""
        values = np.asarray(getattr(self, name))
        if values.shape not in ((), (n_series,)):
            raise ValueError(f"SimulationTerms.{name}: expected {n_series} series, found {values.shape[0]}")
        return np.array(np.broadcast_to(values, (n_series,)))

    def tensor(self, name: str, n_series: int, like: Tensor) -> Tensor:
        """One of the terms as (S, 1), of the dtype and on the device of `like`."""
        return torch.as_tensor(self.column(name, n_series), dtype=like.dtype, device=like.device)[:, None]

    def take(self, rows: np.ndarray, n_series: int) -> SimulationTerms:
        """The terms of the given rows (a mask, a slice or indices) of `n_series` series."""
        return SimulationTerms(**{field.name: self.column(field.name, n_series)[rows] for field in fields(self)})


def rounding_of(like: Tensor) -> float:
    """The share of a unit or pack that is rounding error in numbers of this type."""
    return ROUNDING_32 if like.dtype == torch.float32 else ROUNDING_64


def _whole(values: FloatArray) -> BoolArray:
    return np.isfinite(values) & (values == np.floor(values))


def _at_least_zero(values: FloatArray) -> BoolArray:
    return np.isfinite(values) & (values >= 0.0)


_RULES: Final[tuple[tuple[str, Callable[[FloatArray], BoolArray], str], ...]] = (
    ("lead_time", lambda v: _whole(v) & (v >= 0.0) & (v <= MAX_LEAD_TIME), f"whole periods from 0 to {MAX_LEAD_TIME}"),
    ("holding_cost", _at_least_zero, "currency per unit and period >= 0"),
    ("shortage_cost", _at_least_zero, "currency per unit >= 0"),
    ("order_cost", _at_least_zero, "currency per order >= 0"),
    ("unit_cost", _at_least_zero, "currency per unit >= 0"),
    ("waste_cost", _at_least_zero, "currency per unit >= 0"),
    ("review_period", lambda v: _whole(v) & (v >= 1.0), "whole periods >= 1"),
    ("backorder_share", lambda v: (v >= 0.0) & (v <= 1.0), "a share in [0, 1]"),
    ("moq", _at_least_zero, "units >= 0"),
    ("pack", _at_least_zero, "units per pack >= 0, 0 for any quantity"),
    ("capacity", lambda v: v > 0.0, "units > 0"),
    ("review_week", lambda v: _whole(v) & (v >= 0.0) & (v < 128.0), "a whole number from 0 to 127"),
    ("shelf_life", lambda v: _whole(v) & (v >= 0.0), "whole periods, or 0 for goods that keep"),
)
