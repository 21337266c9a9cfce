"""A candidate that learns to order: a network trained on the sample paths of all series of a bucket.

It begins as the tuned (s, S) and learns when to depart from it, by the stock's state and the terms. What it learns
hangs on the series that it is trained with, unlike every other candidate; whether it is used is decided by replays.
"""

from __future__ import annotations

import numpy as np
import torch

from udfs.inventory.learning.neural_features import PolicyFeatures
from udfs.inventory.learning.neural_spec import NeuralPolicySpec
from udfs.inventory.learning.neural_training import Replay, train_neural_policy
from udfs.inventory.policies.plan import Plan
from udfs.inventory.policies.situation import Situation
from udfs.inventory.policies.tuned import tuned_s_s

SPEC = NeuralPolicySpec(whole_units=True, steps=150, batch_series=96, batch_paths=16)
_LEAST_SCALE = 0.01
"""Units a day: what is divided by for series that hardly sell."""


def neural(situation: Situation) -> Plan:
    """A network shared by the series of the bucket; half of the paths train it, the others say which network to keep.

    A series without money weighs nothing in the training.
    """
    begin = tuned_s_s(situation).within(situation.caps)
    paths, n_paths = situation.paths, min(2 * situation.spec.tuning_paths, situation.paths.path_SNH.shape[1])
    features = _features(situation, begin)
    terms = situation.simulation_terms()
    half = n_paths // 2
    start = situation.steady_stock(begin.reorder_point_SH[:, 0], begin.order_up_to_SH[:, 0], half)
    train_SNH, held_out_SNH = (
        torch.from_numpy(paths.path_SNH[:, first : first + half]).float() for first in (0, n_paths - half)
    )
    policy = train_neural_policy(
        train_SNH,
        terms,
        features,
        SPEC,
        start=start,
        validation=Replay(held_out_SNH, features, start),
        weight_S=_weights(situation),
    )
    return Plan(policy, begin.reorder_point_SH, begin.order_up_to_SH, begin.wanted_S)


def _features(situation: Situation, begin: Plan) -> PolicyFeatures:
    """Scale, level and lot by series and day; how uncertain and how seasonal the demand to come is."""
    mean_SH = situation.paths.mean_SH
    scale_S1 = np.maximum(situation.daily_mean, _LEAST_SCALE)[:, None]
    ahead_SH = situation.paths.mean_ahead(situation.protection_by_day)
    spread_SH = (situation.level_SH - ahead_SH) / (scale_S1 * situation.protection_by_day)
    extra_SHK = np.stack([spread_SH, mean_SH / scale_S1], axis=2)
    lot_S = begin.order_up_to_SH[:, 0] - begin.reorder_point_SH[:, 0]
    return PolicyFeatures(scale=scale_S1[:, 0], level=begin.reorder_point_SH, extra=extra_SHK, lot=lot_S)


def _weights(situation: Situation) -> torch.Tensor:
    """One over what the demand to come is worth at margin, so that dear and cheap series count alike."""
    value_S = situation.margin * np.maximum(situation.daily_mean, _LEAST_SCALE)
    with np.errstate(divide="ignore"):
        return torch.from_numpy(np.where(situation.has_money, 1.0 / value_S, 0.0)).float()
