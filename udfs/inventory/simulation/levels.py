"""Policies that are a level or two per series. Levels are numbers, [S], or [S, T] where they move with the period.

They may be tensors that require a gradient. `kind` and `parameters` are what the compiled loop reads.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, fields
from typing import Any, ClassVar

import numpy as np
import torch
from torch import Tensor

from udfs.inventory.simulation.state import StockState
from udfs.inventory.simulation.terms import rounding_of


@dataclass(frozen=True, slots=True)
class Levels:
    """What level policies share. Raises ValueError for NaN or more than two dimensions."""

    kind: ClassVar[int]

    def __post_init__(self) -> None:
        for field in fields(self):
            level = torch.as_tensor(getattr(self, field.name))
            level = level if level.is_floating_point() else level.double()
            if level.ndim > 2:
                raise ValueError(f"{field.name}: expected a number, [S] or [S, T], found shape {tuple(level.shape)}")
            if torch.isnan(level.detach()).any():
                raise ValueError(f"{field.name}: expected units, found NaN; give each series its level")
            object.__setattr__(self, field.name, level)

    def parameters(self, n_series: int, n_periods: int) -> Sequence[np.ndarray]:
        """Each level as float64 [S, T or 1], for the compiled loop. Raises ValueError where shapes do not fit."""
        return [_expanded(field.name, getattr(self, field.name), n_series, n_periods) for field in fields(self)]

    @property
    def requires_grad(self) -> bool:
        return any(getattr(self, field.name).requires_grad for field in fields(self))

    def _at(self, level: Tensor, state: StockState) -> Tensor:
        """The level in force, (S, 1)."""
        level = level.to(state.on_hand_SP)
        if level.ndim == 0:
            return level
        if level.ndim == 1:
            return level[state.rows, None]
        return level[state.rows, state.t if level.shape[1] > 1 else 0, None]


@dataclass(frozen=True, slots=True)
class BaseStock(Levels):
    """Order what lifts the position to `level`, units: (R, S) with a review period R, base stock with R = 1."""

    kind: ClassVar[int] = 0
    level: Any

    def order(self, state: StockState) -> Tensor:
        return (self._at(self.level, state) - state.position).clamp(min=0.0)


@dataclass(frozen=True, slots=True)
class CappedBaseStock(Levels):
    """Base stock whose orders are at most `cap` units: near optimal for lost sales (Xin 2021)."""

    kind: ClassVar[int] = 1
    level: Any
    cap: Any

    def order(self, state: StockState) -> Tensor:
        wanted_SP = (self._at(self.level, state) - state.position).clamp(min=0.0)
        return torch.minimum(wanted_SP, self._at(self.cap, state).clamp(min=0.0))


@dataclass(frozen=True, slots=True)
class ReorderPoint(Levels):
    """(s, S): when the position is at or below `reorder_point`, order up to `order_up_to`."""

    kind: ClassVar[int] = 2
    reorder_point: Any
    order_up_to: Any

    def order(self, state: StockState) -> Tensor:
        position_SP = state.position
        gap_SP = (self._at(self.order_up_to, state) - position_SP).clamp(min=0.0)
        is_due_SP = position_SP <= self._at(self.reorder_point, state) + rounding_of(position_SP)
        return torch.where(is_due_SP, gap_SP, torch.zeros_like(gap_SP))


@dataclass(frozen=True, slots=True)
class ReorderQuantity(Levels):
    """(r, nQ): when the position is at or below `reorder_point`, order the least multiple of `quantity` above it."""

    kind: ClassVar[int] = 3
    reorder_point: Any
    quantity: Any

    def __post_init__(self) -> None:
        Levels.__post_init__(self)
        if not bool((self.quantity.detach() > 0.0).all()):
            raise ValueError(f"quantity: expected units > 0, found {float(self.quantity.detach().min()):g}")

    def order(self, state: StockState) -> Tensor:
        q = self._at(self.quantity, state)
        below_SP = (self._at(self.reorder_point, state) - state.position) / q
        rounding = rounding_of(below_SP)
        wanted_SP = (torch.floor(below_SP + rounding) + 1.0) * q
        return torch.where(below_SP >= -rounding, wanted_SP, torch.zeros_like(wanted_SP))


def _expanded(name: str, level: Tensor, n_series: int, n_periods: int) -> np.ndarray:
    values = level.detach().cpu().double()
    values = values.reshape(1, 1).expand(n_series, 1) if values.ndim == 0 else values
    values = values[:, None] if values.ndim == 1 else values
    if values.shape[0] != n_series or values.shape[1] not in (1, n_periods):
        raise ValueError(
            f"{name}: expected a number, [{n_series}] or [{n_series}, {n_periods}], found {tuple(level.shape)}"
        )
    return np.array(values)
