"""Candidates whose levels are tuned on the forecast's sample paths to the least cost at the service required."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import torch

from udfs.inventory.demand_distribution import FloatArray
from udfs.inventory.policies.plan import Plan, economic_lot
from udfs.inventory.policies.service_budget import shared_fill_rates
from udfs.inventory.policies.situation import Situation
from udfs.inventory.tuning.tune import Kind, Tuned, tune
from udfs.inventory.tuning.tuning_spec import TuningSpec

SEARCH = TuningSpec(most_candidates=25)
"""A short search: the last percent of cost on a hundred paths is chance. Replayed on 12,196 M5 series at three cutoffs,
levels found so cost .2% less than those of 400 candidates, in less than half the time."""


def tuned_base_stock(situation: Situation) -> Plan:
    """Base stock whose level is the service level's quantile of each day, shifted to the least cost."""
    return _tuned("base_stock", situation, np.zeros(len(situation)))


def tuned_s_s(situation: Situation) -> Plan:
    """(s, S) whose s is that quantile, shifted, and whose lot S - s is searched around the economic one."""
    return _tuned("s_s", situation, economic_lot(situation))


def _tuned(kind: Kind, situation: Situation, lot_S: FloatArray) -> Plan:
    """Tune on two horizons of demand, of which the second counts: by then the stock is that of the levels tried.

    A path is followed by another path of the same series. Without money the levels stay as they start.
    """
    begin = Plan.of_levels(situation.level_SH, lot_S).within(situation.caps)
    priced = np.flatnonzero(situation.has_money)
    if not priced.size:
        return begin
    here = situation.take(priced)
    first_SNH = torch.from_numpy(here.paths.path_SNH[:, : here.spec.tuning_paths]).float()
    horizon = here.paths.n_days
    level_SH, most_SH = begin.reorder_point_SH[priced], here.caps.most

    def tune_at(fill_rate_S: FloatArray) -> Tuned:
        return tune(
            kind,
            torch.cat([first_SNH, first_SNH.roll(1, dims=1)], dim=2),
            here.simulation_terms(),
            np.concatenate([level_SH, level_SH], axis=1),
            lot_S[priced],
            spec=SEARCH,
            most=np.concatenate([most_SH, most_SH], axis=1),
            required_fill_rate=fill_rate_S,
            start=here.steady_stock(level_SH[:, 0], begin.order_up_to_SH[priced, 0], first_SNH.shape[1]),
            warm_up=horizon,
        )

    is_required_S, least_rate, shared_S = here.is_service_required, here.spec.least_fill_rate, None
    target_S = np.where(is_required_S, least_rate, 0.0)
    if here.spec.fill_rate_over == "bucket":
        target_S = shared_fill_rates(tune_at, least_rate, is_required_S, here.daily_mean)
        shared_S = np.full(len(situation), np.nan)
        shared_S[priced] = np.where(is_required_S, target_S, np.nan)
    found = tune_at(target_S)
    reorder_point_SH, tuned_lot_S = begin.reorder_point_SH.copy(), lot_S.copy()
    reorder_point_SH[priced] = np.maximum(level_SH + found.shift_S[:, None], 0.0)
    most_S = here.spec.most_lot_days * here.daily_mean
    tuned_lot_S[priced] = np.minimum(found.size_S, np.maximum(most_S, 0.0))
    return replace(Plan.of_levels(reorder_point_SH, tuned_lot_S), shared_fill_S=shared_S)
