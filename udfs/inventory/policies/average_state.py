"""The stock position of a series whose stock nobody counts: one that its own policy would have it in.

A policy that runs for a while visits many positions. Each series takes one of them, by a number of its own, so that
over many series a day's orders are a day's demand, where a stock assumed alike for all would order all on one day.
"""

from __future__ import annotations

import numpy as np
import torch

from udfs.inventory.demand_distribution import FloatArray
from udfs.inventory.demand_paths import WEEK_DAYS
from udfs.inventory.policies.plan import Plan
from udfs.inventory.policies.situation import Situation
from udfs.inventory.simulation.levels import ReorderPoint
from udfs.inventory.simulation.simulator import simulate


def average_position(plan: Plan, situation: Situation, number_S: np.ndarray, days_to_review: int) -> FloatArray:
    """Position of each series on the day of the plan, before its order, units, [S].

    The plan is replayed on sample paths, from all over its cycle, up to a day that is as far from a review as today;
    number_S, any whole number >= 0, says which path a series takes. Levels that will have moved by then count as they
    are today.
    """
    spec = situation.spec
    demand_SPT = torch.from_numpy(situation.paths.path_SNH[:, : spec.tuning_paths])
    n_paths, horizon = demand_SPT.shape[1], situation.paths.n_days
    n_days = horizon - (horizon + days_to_review) % spec.review_days
    n_days = n_days if n_days > 0 else horizon
    start = situation.steady_stock(plan.reorder_point_SH[:, 0], plan.order_up_to_SH[:, 0], n_paths)
    policy = plan.policy
    if isinstance(policy, ReorderPoint):
        policy = ReorderPoint(plan.reorder_point_SH[:, :n_days], plan.order_up_to_SH[:, :n_days])
    end = simulate(policy, demand_SPT[:, :, :n_days], situation.simulation_terms(), start=start).end
    position_SP = (end.on_hand_SP + end.pipeline_SPL.sum(-1) - end.backorders_SP).numpy()
    position_S = position_SP[np.arange(len(situation)), number_S % n_paths]
    level_SH = plan.order_up_to_SH
    # The level of the same weekday, a week before that day.
    moved_S = level_SH[:, 0] - level_SH[:, max(n_days - WEEK_DAYS, 0)]
    return np.maximum(position_S + moved_S, 0.0)
