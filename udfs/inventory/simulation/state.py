"""What a policy sees when it orders, and the stock that a simulation begins with."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

from torch import Tensor


@dataclass(frozen=True, slots=True)
class Stock:
    """Stock at the start of a period: S series, P paths, L slots of receipts.

    on_hand_SP, backorders_SP: units. pipeline_SPL: units that arrive at the start of this period, of the next, ...
    aged_SPA: units on hand that can be sold for the last time in this period, in the next, ...; they add up to
    on_hand_SP. None where nothing perishes, or all is fresh. A dimension P of length 1 holds for all paths.
    """

    on_hand_SP: Tensor
    backorders_SP: Tensor
    pipeline_SPL: Tensor
    aged_SPA: Tensor | None = None


@dataclass(frozen=True, slots=True)
class StockState:
    """What is known at the start of period t, before the order.

    Attributes:
        t: period, counted from 0.
        rows: which series of the simulation these are, so that a policy can pick its parameters.
        on_hand_SP, backorders_SP: units, >= 0.
        pipeline_SPL: units that arrive at the start of this period (slot 0), of the next, ...; without today's order.
        sales_SP: units sold in the period before; 0 in the first.
        was_short_SP: 1 where some demand of the period before was not met from stock, else 0.
    """

    t: int
    rows: slice
    on_hand_SP: Tensor
    backorders_SP: Tensor
    pipeline_SPL: Tensor
    sales_SP: Tensor
    was_short_SP: Tensor

    @property
    def position(self) -> Tensor:
        """Inventory position: on hand + on order - backorders (Snyder & Shen 2019, section 4.1)."""
        return self.on_hand_SP + self.pipeline_SPL.sum(-1) - self.backorders_SP


class OrderingPolicy(Protocol):
    """Anything that says what to order. Review periods, packs, minimum orders and capacity are the simulator's."""

    def order(self, state: StockState) -> Tensor:
        """Units wanted now, (S, P), >= 0 (less counts as 0)."""
        ...
