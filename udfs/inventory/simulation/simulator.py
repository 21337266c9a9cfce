"""Replays demand through an ordering policy: many series, many paths, one period after the other.

Period t: the policy sees the stock and orders; what was ordered `lead_time` periods ago arrives; demand is served, the
oldest units first; the end of the period is charged for (Zipkin 2008, section 1; Snyder & Shen 2019, section 4.1). An
order covers the demand of lead_time + review_period periods.

Dimensions: S series, P paths, T periods, L slots of the pipeline, A remaining periods of life.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, fields

import numpy as np
import torch
from torch import Tensor

from udfs.inventory.simulation.levels import Levels
from udfs.inventory.simulation.result import SimulationResult
from udfs.inventory.simulation.simulation_kernel import bad_demand, can_compile, simulate_compiled
from udfs.inventory.simulation.state import OrderingPolicy, Stock, StockState
from udfs.inventory.simulation.terms import MAX_LEAD_TIME, SimulationTerms, rounding_of


def simulate(
    policy: OrderingPolicy,
    demand_SPT: Tensor,
    terms: SimulationTerms,
    *,
    start: Stock | None = None,
    lead_times_SPT: Tensor | None = None,
    warm_up: int = 0,
    max_memory_mb: float = 512.0,
) -> SimulationResult:
    """Replay demand through a policy.

    Args:
        policy: see `OrderingPolicy`. Where its parameters require a gradient, so do the costs; orders rounded to packs
            pass the gradient of what was wanted, the number of orders has none.
        demand_SPT: units, finite and >= 0, (S, P, T), float32 or float64, on any device.
        terms: of S series. With a lead time of T periods or more no order arrives: demand beyond the start is not met.
        start: stock at the start of period 0; None is empty shelves with nothing on order. Where it perishes and
            says nothing of ages, all on hand is fresh.
        lead_times_SPT: whole periods until an order placed in period t arrives, instead of `terms.lead_time`; orders
            may overtake each other. (S, P, T) or broadcastable.
        warm_up: first periods that are replayed but not counted.
        max_memory_mb: series are replayed in blocks that need about this much at once; a policy finds its series by
            `StockState.rows`. Without effect where a gradient is asked for, as that keeps every period anyway.

    The policies of `levels` are replayed by a compiled loop where demand is on the CPU and no gradient is asked for.
    Both ways compute in the demand's type; prefer float64 where float32 demand is fractional and packs or reorder
    points make a rounding error count.

    Raises:
        ValueError: demand that is not (S, P, T), finite and >= 0; warm_up outside 0..T-1; lead times that are not
            whole or outside 0..730; levels, terms or start of another number of series, stock that is not finite
            and >= 0; max_memory_mb of 0 or less.
    """
    check_simulation(demand_SPT, warm_up, lead_times_SPT, start)
    n_series, _, n_periods = demand_SPT.shape
    if isinstance(policy, Levels):
        policy.parameters(n_series, n_periods)
    if not max_memory_mb > 0.0:
        raise ValueError(f"max_memory_mb: expected a size > 0, found {max_memory_mb}")
    longest = _longest_wait(terms, n_series, lead_times_SPT)
    if can_compile(policy, demand_SPT):
        return simulate_compiled(policy, demand_SPT, terms, start, lead_times_SPT, longest, warm_up)
    check_demand(demand_SPT)
    parts = []
    for rows in _blocks(policy, demand_SPT, terms, longest, max_memory_mb):
        block = demand_SPT[rows]
        here = terms.take(torch.arange(n_series)[rows].numpy(), n_series)
        replay = _Replay.begin(block, here, rows, start, longest)
        leads = None if lead_times_SPT is None else lead_times_SPT.expand(demand_SPT.shape)[rows]
        for t in range(n_periods):
            replay.step(policy, t, block[:, :, t], None if leads is None else leads[:, :, t], t >= warm_up)
        parts.append(replay.result(n_periods - warm_up))
    return SimulationResult.concat(parts)


def deliverable(wanted_SP: Tensor, moq_S1: Tensor, pack_S1: Tensor, capacity_S1: Tensor) -> Tensor:
    """The least quantity that can be ordered and is at least the one wanted; at most the capacity in whole packs.

    Where a gradient flows it is that of the quantity wanted (straight-through, Bengio et al. 2013).
    """
    rounding, pack = rounding_of(wanted_SP), torch.where(pack_S1 > 0.0, pack_S1, torch.ones_like(pack_S1))
    raised = torch.maximum(wanted_SP, moq_S1)
    raised = torch.where(pack_S1 > 0.0, torch.ceil(raised / pack - rounding) * pack, raised)
    most = torch.where(pack_S1 > 0.0, torch.floor(capacity_S1 / pack + rounding) * pack, capacity_S1)
    quantity = torch.where(wanted_SP > rounding, torch.minimum(raised, most), torch.zeros_like(wanted_SP))
    return wanted_SP + (quantity - wanted_SP).detach() if wanted_SP.requires_grad else quantity


@dataclass(slots=True)
class _Terms:
    """`SimulationTerms` as (S, 1) tensors."""

    lead_time: Tensor
    holding_cost: Tensor
    shortage_cost: Tensor
    order_cost: Tensor
    unit_cost: Tensor
    waste_cost: Tensor
    review_period: Tensor
    backorder_share: Tensor
    moq: Tensor
    pack: Tensor
    capacity: Tensor
    shelf_life: Tensor
    review_week: Tensor


@dataclass(slots=True)
class _Replay:
    """The state of a replay and its sums."""

    terms: _Terms
    rows: slice
    stock_SPA: Tensor
    backorders_SP: Tensor
    pipeline_SPL: Tensor
    sales_SP: Tensor
    short_SP: Tensor
    cycle_short_SP: Tensor
    sums: dict[str, Tensor]

    @classmethod
    def begin(
        cls, demand_SPT: Tensor, terms: SimulationTerms, rows: slice, start: Stock | None, longest: int
    ) -> _Replay:
        n_series, n_paths = demand_SPT.shape[:2]
        zero_SP = torch.zeros_like(demand_SPT[:, :, 0])
        own = _Terms(
            **{field.name: terms.tensor(field.name, n_series, demand_SPT) for field in fields(SimulationTerms)}
        )
        n_ages = max(int(own.shelf_life.max()) if n_series else 1, 1)
        pipeline_SPL = torch.zeros((n_series, n_paths, longest + 1), dtype=zero_SP.dtype, device=zero_SP.device)
        on_hand_SP = backorders_SP = zero_SP
        if start is not None:
            shape = (n_series, n_paths)
            on_hand_SP = start.on_hand_SP[rows].to(zero_SP).expand(shape)
            backorders_SP = start.backorders_SP[rows].to(zero_SP).expand(shape)
            given = start.pipeline_SPL[rows].to(zero_SP).expand(*shape, -1)
            pipeline_SPL = torch.cat([given, pipeline_SPL], -1)[..., : max(longest + 1, given.shape[-1])]
        aged_SPA = None if start is None else start.aged_SPA
        if aged_SPA is None or n_ages == 1:
            stock_SPA = _fresh(on_hand_SP, own.shelf_life, n_ages)
        else:
            stock_SPA = _by_age(aged_SPA[rows].to(zero_SP), on_hand_SP, own.shelf_life, n_ages)
        sums = {field.name: zero_SP for field in fields(SimulationResult) if field.name.endswith("_SP")}
        return cls(own, rows, stock_SPA, backorders_SP, pipeline_SPL, zero_SP, zero_SP, zero_SP, sums)

    def step(self, policy: OrderingPolicy, t: int, demand_SP: Tensor, lead_SP: Tensor | None, counts: bool) -> None:
        terms = self.terms
        ordered_SP = self._order(policy, t)
        self._send(ordered_SP, terms.lead_time if lead_SP is None else lead_SP)
        arrived_SP = self.pipeline_SPL[..., 0]
        self.pipeline_SPL = torch.cat([self.pipeline_SPL[..., 1:], torch.zeros_like(self.pipeline_SPL[..., :1])], -1)
        new_cycle_SP = (arrived_SP > 0.0).to(demand_SP.dtype)
        ended_short_SP = new_cycle_SP * self.cycle_short_SP
        lost_SP, wasted_SP = self._serve(arrived_SP, demand_SP)
        self.cycle_short_SP = torch.maximum(self.cycle_short_SP * (1.0 - new_cycle_SP), self.short_SP)
        if counts:
            on_hand_SP = self.stock_SPA.sum(-1)
            self._count(
                holding_cost_SP=terms.holding_cost * on_hand_SP,
                order_cost_SP=terms.order_cost * (ordered_SP.detach() > 0.0),
                shortage_cost_SP=terms.shortage_cost * (lost_SP + self.backorders_SP),
                waste_cost_SP=terms.waste_cost * wasted_SP,
                purchase_cost_SP=terms.unit_cost * ordered_SP,
                demand_SP=demand_SP,
                sales_SP=self.sales_SP,
                ordered_SP=ordered_SP,
                wasted_SP=wasted_SP,
                orders_SP=(ordered_SP.detach() > 0.0).to(demand_SP.dtype),
                short_periods_SP=self.short_SP,
                cycles_SP=new_cycle_SP,
                short_cycles_SP=ended_short_SP,
            )
        else:
            # A shortage before the counted periods is not theirs.
            self.cycle_short_SP = torch.zeros_like(self.cycle_short_SP)

    def _order(self, policy: OrderingPolicy, t: int) -> Tensor:
        terms = self.terms
        state = StockState(
            t,
            self.rows,
            self.stock_SPA.sum(-1),
            self.backorders_SP,
            self.pipeline_SPL,
            self.sales_SP,
            self.short_SP,
        )
        wanted_SP = policy.order(state).clamp(min=0.0)
        quantity_SP = deliverable(wanted_SP, terms.moq, terms.pack, terms.capacity)
        on_weekday = torch.floor(terms.review_week / 2.0 ** (t % 7)) % 2.0 == 1.0
        is_review = torch.where(terms.review_week > 0.0, on_weekday, t % terms.review_period == 0)
        return torch.where(is_review, quantity_SP, torch.zeros_like(quantity_SP))

    def _send(self, ordered_SP: Tensor, lead_S1: Tensor) -> None:
        slot_L = torch.arange(self.pipeline_SPL.shape[-1], device=ordered_SP.device)
        arrives_SPL = slot_L == lead_S1[..., None]
        self.pipeline_SPL = self.pipeline_SPL + ordered_SP[..., None] * arrives_SPL

    def _serve(self, arrived_SP: Tensor, demand_SP: Tensor) -> tuple[Tensor, Tensor]:
        """Lost and expired units; stock, backorders, sales and shortage are updated."""
        terms, n_ages = self.terms, self.stock_SPA.shape[-1]
        stock_SPA = self.stock_SPA + _fresh(arrived_SP, terms.shelf_life, n_ages)
        waiting_SP = torch.minimum(stock_SPA.sum(-1), self.backorders_SP)
        stock_SPA = _consume(stock_SPA, waiting_SP)
        self.sales_SP = torch.minimum(stock_SPA.sum(-1), demand_SP)
        stock_SPA = _consume(stock_SPA, self.sales_SP)
        unmet_SP = demand_SP - self.sales_SP
        self.backorders_SP = self.backorders_SP - waiting_SP + terms.backorder_share * unmet_SP
        self.short_SP = (unmet_SP.detach() > rounding_of(unmet_SP)).to(demand_SP.dtype)
        perishes_S1 = terms.shelf_life > 0.0
        wasted_SP = torch.where(perishes_S1, stock_SPA[..., 0], torch.zeros_like(unmet_SP))
        aged_SPA = torch.cat([stock_SPA[..., 1:], torch.zeros_like(stock_SPA[..., :1])], -1)
        self.stock_SPA = torch.where(perishes_S1[..., None], aged_SPA, stock_SPA)
        return (1.0 - terms.backorder_share) * unmet_SP, wasted_SP

    def _count(self, **found: Tensor) -> None:
        for name, value_SP in found.items():
            self.sums[name] = self.sums[name] + value_SP

    def result(self, n_periods: int) -> SimulationResult:
        last = {"cycles_SP": torch.ones_like(self.sales_SP), "short_cycles_SP": self.cycle_short_SP}
        self._count(**last)
        end = Stock(self.stock_SPA.sum(-1), self.backorders_SP, self.pipeline_SPL)
        return SimulationResult(**self.sums, n_periods=n_periods, end=end)


def _fresh(units_SP: Tensor, shelf_life_S1: Tensor, n_ages: int) -> Tensor:
    """(S, P, A): units just received, by the periods in which they can still be sold; slot 0 is the last of them."""
    if n_ages == 1:
        return units_SP[..., None]
    last_S1 = torch.where(shelf_life_S1 > 0.0, shelf_life_S1 - 1.0, n_ages - 1.0)
    return units_SP[..., None] * (torch.arange(n_ages, device=units_SP.device) == last_S1[..., None])


def _by_age(aged_SPA: Tensor, on_hand_SP: Tensor, shelf_life_S1: Tensor, n_ages: int) -> Tensor:
    """(S, P, n_ages) of a start's units by age: beyond a series' shelf life all are fresh."""
    slot_A = torch.arange(aged_SPA.shape[-1], device=aged_SPA.device)
    to_SA = torch.minimum(slot_A, shelf_life_S1.long() - 1).clamp(0, n_ages - 1)
    given_SPA = aged_SPA.expand(*on_hand_SP.shape, -1)
    stock_SPA = torch.zeros((*on_hand_SP.shape, n_ages), dtype=on_hand_SP.dtype, device=on_hand_SP.device)
    stock_SPA = stock_SPA.scatter_add(-1, to_SA[:, None, :].expand(given_SPA.shape), given_SPA)
    return torch.where(shelf_life_S1[..., None] > 0.0, stock_SPA, _fresh(on_hand_SP, shelf_life_S1, n_ages))


def _consume(stock_SPA: Tensor, units_SP: Tensor) -> Tensor:
    """Take units, at most what is there, from the oldest first."""
    if stock_SPA.shape[-1] == 1:
        return (stock_SPA - units_SP[..., None]).clamp(min=0.0)
    older_SPA = stock_SPA.cumsum(-1) - stock_SPA
    taken_SPA = torch.minimum((units_SP[..., None] - older_SPA).clamp(min=0.0), stock_SPA)
    return stock_SPA - taken_SPA


def check_simulation(demand_SPT: Tensor, warm_up: int, lead_times_SPT: Tensor | None, start: Stock | None) -> None:
    """Raise ValueError for what `simulate` refuses, but for the demand's values and what is wrong with levels."""
    if demand_SPT.ndim != 3 or not demand_SPT.is_floating_point() or not all(demand_SPT.shape[1:]):
        raise ValueError(
            f"demand_SPT: expected floats of shape (S, P, T) with P, T >= 1, found {demand_SPT.dtype} of shape "
            f"{tuple(demand_SPT.shape)}"
        )
    if not (0 <= warm_up < demand_SPT.shape[2] and warm_up % 1 == 0):
        raise ValueError(f"warm_up: expected whole periods from 0 to {demand_SPT.shape[2] - 1}, found {warm_up}")
    if lead_times_SPT is not None:
        values = lead_times_SPT.double()
        if not bool(((values >= 0.0) & (values <= MAX_LEAD_TIME) & (values == values.floor())).all()):
            raise ValueError(
                f"lead_times_SPT: expected whole periods from 0 to {MAX_LEAD_TIME}, found others; round them"
            )
    _check_start(start, demand_SPT)


def check_demand(demand_SPT: Tensor) -> None:
    """Raise ValueError for demand that is not finite and >= 0."""
    if not bool(((demand_SPT >= 0.0) & torch.isfinite(demand_SPT)).all()):
        values = demand_SPT.detach().cpu().numpy()
        is_bad_S = ~((values >= 0.0) & np.isfinite(values)).all((1, 2))
        raise ValueError(bad_demand(values, int(is_bad_S.argmax())))


def _check_start(start: Stock | None, demand_SPT: Tensor) -> None:
    if start is None:
        return
    n_series, n_paths, _ = demand_SPT.shape
    for field in fields(Stock):
        values = getattr(start, field.name)
        if values is None:
            continue
        n_dims = 2 if field.name in ("on_hand_SP", "backorders_SP") else 3
        if values.ndim != n_dims or values.shape[0] != n_series or values.shape[1] not in (1, n_paths):
            raise ValueError(
                f"start.{field.name}: expected {n_series} series and 1 or {n_paths} paths, found {tuple(values.shape)}"
            )
        if not bool(((values >= 0.0) & torch.isfinite(values)).all()):
            raise ValueError(f"start.{field.name}: expected finite units >= 0, found others")


def _longest_wait(terms: SimulationTerms, n_series: int, lead_times_SPT: Tensor | None) -> int:
    if lead_times_SPT is not None:
        return int(lead_times_SPT.max()) if lead_times_SPT.numel() else 0
    return int(terms.column("lead_time", n_series).max(initial=0.0))


def _blocks(
    policy: OrderingPolicy, demand_SPT: Tensor, terms: SimulationTerms, longest: int, max_memory_mb: float
) -> Iterator[slice]:
    """Slices of series whose state and sums fit the memory; all of them where gradients are kept."""
    n_series, n_paths, _ = demand_SPT.shape
    ages = max(int(terms.column("shelf_life", n_series).max(initial=0.0)), 1)
    # The pipeline and the ages are copied about three times a step, beside some thirty sums and intermediate values.
    per_series = n_paths * demand_SPT.element_size() * (3 * (longest + 1) + 3 * ages + 30)
    size = max(int(max_memory_mb * 2**20 // per_series), 1)
    if getattr(policy, "requires_grad", False):
        size = max(n_series, 1)
    for first in range(0, max(n_series, 1), size):
        yield slice(first, min(first + size, n_series))
