"""One path replayed period by period in plain Python, as the simulator's documentation tells it: the tests' oracle."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

TOTALS = ["holding", "order", "shortage", "waste", "purchase", "demand", "sales", "ordered", "wasted", "orders"]
TOTALS += ["short_periods", "cycles", "short_cycles"]


@dataclass
class OnePath:
    lead_time: int = 0
    holding_cost: float = 1.0
    shortage_cost: float = 1.0
    order_cost: float = 0.0
    unit_cost: float = 0.0
    waste_cost: float = 0.0
    review_period: int = 1
    backorder_share: float = 0.0
    moq: float = 0.0
    pack: float = 0.0
    capacity: float = math.inf
    shelf_life: int = 0
    review_week: float = 0.0
    batches: list[list[float]] = field(default_factory=list)
    """[units, last period in which they sell], oldest first."""
    backorders: float = 0.0
    due: dict[int, float] = field(default_factory=dict)
    """Period -> units that arrive at its start."""

    def quantity(self, wanted: float) -> float:
        if wanted <= 1e-9:
            return 0.0
        amount, most = max(wanted, self.moq), self.capacity
        if self.pack > 0:
            amount = math.ceil(amount / self.pack - 1e-9) * self.pack
            most = math.floor(most / self.pack + 1e-9) * self.pack if math.isfinite(most) else most
        return min(amount, most)

    def is_review(self, t: int) -> bool:
        if self.review_week:
            return bool(int(self.review_week) >> (t % 7) & 1)
        return t % self.review_period == 0

    def receive(self, units: float, t: int) -> None:
        if units > 0:
            self.batches.append([units, t + self.shelf_life - 1 if self.shelf_life else math.inf])

    def take(self, units: float) -> float:
        taken = 0.0
        for batch in self.batches:
            part = min(batch[0], units - taken)
            batch[0] -= part
            taken += part
        return taken

    @property
    def on_hand(self) -> float:
        return sum(units for units, _ in self.batches)

    def run(
        self,
        wants: Callable[[int, float], float],
        demand: Sequence[float],
        leads: Sequence[int] | None = None,
        warm_up: int = 0,
    ) -> dict[str, float]:
        """Replay; `wants(t, position)` says what the policy asks for."""
        total = dict.fromkeys(TOTALS, 0.0)
        cycle_short = False
        for t, d in enumerate(demand):
            if t == warm_up:
                total, cycle_short = dict.fromkeys(total, 0.0), False
            q = 0.0
            if self.is_review(t):
                q = self.quantity(wants(t, self.on_hand + sum(self.due.values()) - self.backorders))
            arrival = t + (self.lead_time if leads is None else leads[t])
            self.due[arrival] = self.due.get(arrival, 0.0) + q
            arrived = self.due.pop(t, 0.0)
            if arrived > 0:
                total["cycles"] += 1
                total["short_cycles"] += cycle_short
                cycle_short = False
            self.receive(arrived, t)
            self.backorders -= self.take(self.backorders)
            sold = self.take(d)
            unmet = d - sold
            self.backorders += self.backorder_share * unmet
            wasted = sum(units for units, last in self.batches if last <= t)
            self.batches = [[units, last] for units, last in self.batches if last > t and units > 0]
            cycle_short = cycle_short or unmet > 1e-9
            total["holding"] += self.holding_cost * self.on_hand
            total["order"] += self.order_cost * (q > 0)
            total["shortage"] += self.shortage_cost * ((1 - self.backorder_share) * unmet + self.backorders)
            total["waste"] += self.waste_cost * wasted
            total["purchase"] += self.unit_cost * q
            for name, value in {"demand": d, "sales": sold, "ordered": q, "wasted": wasted}.items():
                total[name] += value
            total["orders"] += q > 0
            total["short_periods"] += unmet > 1e-9
        total["cycles"] += 1
        total["short_cycles"] += cycle_short
        return total
