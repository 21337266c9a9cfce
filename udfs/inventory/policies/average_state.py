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


def average_position(
    plan: Plan, situation: Situation, number_S: np.ndarray, days_to_review_S: np.ndarray
) -> FloatArray:
    """Position of each series on the day of the plan, before its order, whole units, [S].

    The plan is replayed on sample paths, from all over its cycle, up to a day that is as far from a review as today;
    number_S, any whole number >= 0, says which path a series takes. Levels that will have moved by then count as they
    are today.
    """
    n_days_S, position_S = _days_like_today(situation, days_to_review_S), np.zeros(len(situation))
    for n_days in np.unique(n_days_S):
        at_S = n_days_S == n_days
        position_S[at_S] = _position_after(int(n_days), plan, situation, number_S)[at_S]
    return position_S


def _days_like_today(situation: Situation, days_to_review_S: np.ndarray) -> np.ndarray:
    """The last day of the horizon that is as far from its review as today, [S]; its end where there is none."""
    horizon = situation.paths.n_days
    period_S = np.where(situation.reviews.week_S > 0.0, WEEK_DAYS, situation.terms.review_days).astype(np.int64)
    past_S = np.where(situation.reviews.week_S > 0.0, horizon, horizon + days_to_review_S) % period_S
    return np.where(horizon > past_S, horizon - past_S, horizon)


def _position_after(n_days: int, plan: Plan, situation: Situation, number_S: np.ndarray) -> FloatArray:
    spec = situation.spec
    demand_SPT = torch.from_numpy(situation.paths.path_SNH[:, : spec.tuning_paths])
    n_paths = demand_SPT.shape[1]
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
    return np.maximum(np.round(position_S + moved_S), 0.0)
