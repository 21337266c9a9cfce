"""Analogues: earlier launches weighed by how alike they were on their eve, and the distribution that they give.

A forest learns what of the eve tells of the units that follow; two launches are alike as often as they end in the same
leaf (Meinshausen 2006, quantile regression forests). The weights name the analogues, and the weighted distribution of
their strengths gives mean, quantiles and launch curve.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import lightgbm as lgb
import numpy as np

from udfs.seasonal.launches import Launch, launch_features, log_level, past_launches, units_of
from udfs.seasonal.sales_panel import FloatArray, SalesPanel
from udfs.seasonal.season_spec import SeasonSpec


@dataclass(frozen=True, eq=False)
class Analogues:
    """L launches to come, N earlier ones of `days` days.

    weight_LN: rows sum to 1. log_strength_N: log of an earlier launch's units less its log level; level_L: log level
    of those to come; a launch that is as strong as an analogue sells exp(log_strength_N + level_L) units. curve_ND:
    share of an analogue's units sold by the end of each day.
    """

    launches: tuple[Launch, ...]
    earlier: tuple[Launch, ...]
    weight_LN: FloatArray
    log_strength_N: FloatArray
    level_L: FloatArray
    units_N: FloatArray
    curve_ND: FloatArray

    def scaled_units(self) -> FloatArray:
        """What each launch would sell as each of its analogues did."""
        return np.exp(self.log_strength_N[None] + self.level_L[:, None])

    def quantiles(self, levels: Sequence[float]) -> FloatArray:
        """(L, Q) units; weighted quantiles of the analogues."""
        order = np.argsort(self.log_strength_N, kind="stable")
        weight_LN = self.weight_LN[:, order]
        middle_LN = weight_LN.cumsum(1) - weight_LN / 2
        strength_N = self.log_strength_N[order]
        rows = [np.interp(levels, middle_N, strength_N) for middle_N in middle_LN]
        return np.exp(np.array(rows).reshape(-1, len(levels)) + self.level_L[:, None])

    def log_moments(self) -> tuple[FloatArray, FloatArray]:
        """Mean and standard deviation of the log of units, [L] each."""
        mean_L = self.weight_LN @ self.log_strength_N
        variance_L = self.weight_LN @ self.log_strength_N**2 - mean_L**2
        return mean_L + self.level_L, np.sqrt(np.maximum(variance_L, 1e-4))

    def expected_curve(self) -> FloatArray:
        """Expected share of the units sold by the end of each day."""
        return self.weight_LN @ self.curve_ND

    def closest(self, row: int, n: int) -> list[int]:
        """The n analogues that weigh most, first of all those of larger weight, then of earlier place."""
        order = np.lexsort((np.arange(self.weight_LN.shape[1]), -self.weight_LN[row]))
        return [int(k) for k in order[:n]]


def find_analogues(
    panel: SalesPanel,
    launches: Sequence[Launch],
    days: int,
    spec: SeasonSpec,
    own: Sequence[Launch] = (),
    known_until: int | None = None,
) -> Analogues:
    """Weights of all earlier launches for each of `launches`, and of its `own` past seasons of as many days.

    known_until: days of the panel by which an earlier launch must be over; None takes all of them.

    Raises ValueError where the panel holds fewer than `spec.least_analogues` launches that lie `days` days back.
    """
    end = panel.units_ST.shape[1] if known_until is None else known_until
    earlier = [each for each in past_launches(panel, days, spec.least_history_days) if each.day + days <= end]
    own = [each for each in own if each.day > 0 and units_of(panel, [each], days)[0] > 0]
    if len(earlier) < spec.least_analogues:
        raise ValueError(
            f"expected at least {spec.least_analogues} launches with {days} days of sales and "
            f"{spec.least_history_days} days of record before them, found {len(earlier)}; "
            "give more history, shorter seasons, or lower season.least_analogues"
        )
    units_N = units_of(panel, [*earlier, *own], days)
    strength_N = np.log(units_N) - np.array([log_level(panel, each) for each in [*earlier, *own]])
    features_NF, asked_LF = launch_features(panel, earlier, days), launch_features(panel, list(launches), days)
    weight_LN = _alike(features_NF, strength_N[: len(earlier)], asked_LF, spec)
    weight_LN = _with_own(weight_LN, launches, own, spec.own_weight)
    earlier += own
    level_L = np.array([log_level(panel, each) for each in launches])
    curve_ND = _curves(panel, earlier, days) / units_N[:, None]
    return Analogues(tuple(launches), tuple(earlier), weight_LN, strength_N, level_L, units_N, curve_ND)


def _with_own(weight_LN: FloatArray, launches: Sequence[Launch], own: Sequence[Launch], share: float) -> FloatArray:
    own_LN = np.array([[float(each.unique_id == launch.unique_id) for each in own] for launch in launches])
    own_LN = own_LN.reshape(len(launches), len(own))
    share_L1 = np.where(own_LN.any(axis=1, keepdims=True), share, 0.0)
    return np.hstack([weight_LN * (1 - share_L1), own_LN / np.maximum(own_LN.sum(1, keepdims=True), 1) * share_L1])


def _alike(features_NF: FloatArray, strength_N: FloatArray, asked_LF: FloatArray, spec: SeasonSpec) -> FloatArray:
    forest = lgb.LGBMRegressor(
        boosting_type="rf",
        n_estimators=spec.trees,
        num_leaves=spec.leaves,
        min_child_samples=spec.least_leaf_rows,
        bagging_fraction=0.63,
        bagging_freq=1,
        feature_fraction_bynode=spec.feature_share,
        random_state=spec.seed,
        num_threads=1,
        deterministic=True,
        force_row_wise=True,
        verbose=-1,
    )
    forest.fit(features_NF, strength_N)
    leaf_NK = np.asarray(forest.predict(features_NF, pred_leaf=True)).reshape(len(features_NF), -1)
    leaf_LK = np.asarray(forest.predict(asked_LF, pred_leaf=True)).reshape(len(asked_LF), -1)
    weight_LN = np.zeros((len(asked_LF), len(features_NF)))
    for leaf_N, leaf_L in zip(leaf_NK.T, leaf_LK.T, strict=True):
        is_same_LN = leaf_L[:, None] == leaf_N[None]
        weight_LN += is_same_LN / np.maximum(is_same_LN.sum(1, keepdims=True), 1)
    return weight_LN / weight_LN.sum(1, keepdims=True)


def _curves(panel: SalesPanel, launches: list[Launch], days: int) -> FloatArray:
    rows = np.array([panel.row_of[each.unique_id] for each in launches], int)[:, None]
    first = np.array([each.day for each in launches], int)[:, None]
    return panel.units_before[rows, first + 1 + np.arange(days)] - panel.units_before[rows, first]
