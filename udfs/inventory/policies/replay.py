"""What a candidate would have cost: its plan replayed on demand that came, or on the sample paths of what may come."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import torch

from udfs.inventory.demand_distribution import BoolArray, FloatArray
from udfs.inventory.demand_paths import WEEK_DAYS
from udfs.inventory.policies.plan import Plan
from udfs.inventory.policies.situation import Situation
from udfs.inventory.simulation.result import SimulationResult
from udfs.inventory.simulation.simulator import simulate

N_STARTS = 4
"""Positions in the order cycle from which known demand is replayed: where a cycle stands on the first day is chance."""


@dataclass(frozen=True, slots=True)
class Replay:
    """Means over the replay of one candidate, [S] each.

    holding_S, ordering_S, shortage_S, waste_S: currency a day; shortage is the margin of the demand that was not met,
    waste what was paid for the units that spoilt, and their disposal. demand_S, sales_S, wasted_S: units over all
    days; sales are what was served from stock the same day. n_days: of the replay.
    """

    holding_S: FloatArray
    ordering_S: FloatArray
    shortage_S: FloatArray
    waste_S: FloatArray
    demand_S: FloatArray
    sales_S: FloatArray
    wasted_S: FloatArray
    n_days: int

    @property
    def cost(self) -> FloatArray:
        """Holding, ordering, shortage and waste, currency a day, [S]."""
        return self.holding_S + self.ordering_S + self.shortage_S + self.waste_S

    @property
    def weekly_waste(self) -> FloatArray:
        """Units that spoil a week, [S]."""
        return self.wasted_S * (WEEK_DAYS / self.n_days)

    @property
    def fill_rate(self) -> FloatArray:
        """Share of demand served from stock, [S]; 1 where there was none."""
        with np.errstate(divide="ignore", invalid="ignore"):
            return np.where(self.demand_S > 0.0, self.sales_S / self.demand_S, 1.0)


def can_replay(situation: Situation) -> BoolArray:
    """[S]: money can decide, and an order of the first days arrives and is used up within the days replayed."""
    return situation.has_money & (situation.protection_days <= situation.paths.n_days)


def replay_actual(plans: Mapping[str, Plan], situation: Situation, actual_SH: FloatArray) -> dict[str, Replay]:
    """Every plan on the demand that came, units a day, finite and >= 0, (S, H)."""
    demand_SPT = torch.from_numpy(np.ascontiguousarray(actual_SH))[:, None, :].expand(-1, N_STARTS, -1)
    return {name: _replay(plan, situation, demand_SPT) for name, plan in plans.items()}


def replay_paths(plan: Plan, situation: Situation, n_paths: int) -> Replay:
    """A plan on the first `n_paths` sample paths: what it is expected to cost."""
    return _replay(plan, situation, torch.from_numpy(situation.paths.path_SNH[:, :n_paths]))


def _replay(plan: Plan, situation: Situation, demand_SPT: torch.Tensor) -> Replay:
    """Each path begins elsewhere in the order cycle, so that a replay shorter than a cycle is not all start or end."""
    start = situation.steady_stock(plan.reorder_point_SH[:, 0], plan.order_up_to_SH[:, 0], demand_SPT.shape[1])
    found = simulate(plan.policy, demand_SPT, situation.simulation_terms(), start=start)
    return _means(found)


def _means(found: SimulationResult) -> Replay:
    def daily(cost_SP: torch.Tensor) -> FloatArray:
        return np.asarray(cost_SP.mean(1).numpy() / found.n_periods)

    return Replay(
        daily(found.holding_cost_SP),
        daily(found.order_cost_SP),
        daily(found.shortage_cost_SP),
        daily(found.waste_cost_SP),
        found.demand_SP.mean(1).numpy(),
        found.sales_SP.mean(1).numpy(),
        found.wasted_SP.mean(1).numpy(),
        found.n_periods,
    )
