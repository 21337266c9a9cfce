"""What a simulation found: money and service per series and path."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, fields
from typing import Final

import torch
from torch import Tensor

from udfs.inventory.simulation.state import Stock

_LEFT: Final = ("on_hand_SP", "backorders_SP", "pipeline_SPL")


@dataclass(frozen=True, slots=True)
class SimulationResult:
    """Sums over the counted periods, (S, P) each, and the stock that is left.

    holding_cost, order_cost, shortage_cost, waste_cost, purchase_cost: currency. demand, sales, ordered, wasted:
    units; sales are units served from stock in their own period. orders: placed. short_periods: periods in which
    some demand was not met from stock. cycles, short_cycles: replenishment cycles, from one receipt to the next, and
    those with unmet demand; the last one is cut off by the end. n_periods: periods counted. end: the stock that is
    left, without its ages.
    """

    holding_cost_SP: Tensor
    order_cost_SP: Tensor
    shortage_cost_SP: Tensor
    waste_cost_SP: Tensor
    purchase_cost_SP: Tensor
    demand_SP: Tensor
    sales_SP: Tensor
    ordered_SP: Tensor
    wasted_SP: Tensor
    orders_SP: Tensor
    short_periods_SP: Tensor
    cycles_SP: Tensor
    short_cycles_SP: Tensor
    n_periods: int
    end: Stock

    @property
    def cost(self) -> Tensor:
        """Holding, ordering, shortage and waste, currency, (S, P). What is bought is no cost of the policy alone."""
        return self.holding_cost_SP + self.order_cost_SP + self.shortage_cost_SP + self.waste_cost_SP

    @property
    def cost_per_period(self) -> Tensor:
        """Mean of `cost` over paths and periods, currency, (S,)."""
        return self.cost.mean(1) / self.n_periods

    @property
    def fill_rate(self) -> Tensor:
        """Share of demand served from stock in its own period, over all paths, (S,); 1 where there was none."""
        demand_S = self.demand_SP.sum(1)
        return torch.where(
            demand_S > 0.0,
            self.sales_SP.sum(1) / demand_S.clamp(min=torch.finfo(demand_S.dtype).tiny),
            torch.ones_like(demand_S),
        )

    @property
    def cycle_service(self) -> Tensor:
        """Share of replenishment cycles without unmet demand, over all paths, (S,)."""
        return 1.0 - self.short_cycles_SP.sum(1) / self.cycles_SP.sum(1).clamp(min=1.0)

    @classmethod
    def concat(cls, parts: Sequence[SimulationResult]) -> SimulationResult:
        """The series of several results, one after the other."""
        if len(parts) == 1:
            return parts[0]
        names = [field.name for field in fields(cls) if field.name.endswith("_SP")]
        sums = {name: torch.cat([getattr(part, name) for part in parts]) for name in names}
        stock = [torch.cat([getattr(part.end, name) for part in parts]) for name in _LEFT]
        return cls(**sums, n_periods=parts[0].n_periods, end=Stock(*stock))
