"""Features for an ordering policy from the history of demand alone, as known at the start of each period.

Dimensions: S series, T periods, K features.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Final

import numpy as np
import torch

from udfs.inventory.demand_distribution import FloatArray
from udfs.inventory.learning.neural_features import PolicyFeatures
from udfs.inventory.simulation.levels import BaseStock
from udfs.inventory.simulation.simulator import simulate
from udfs.inventory.simulation.terms import SimulationTerms
from udfs.inventory.theory.lost_sales.problem import IntArray

_LARGEST_SURPRISE: Final = 3.0  # in logs: twenty times what was expected
_LAGS: Final = 3
_GROUP_LAGS: Final = 2
SAFETIES: Final = tuple(np.linspace(-1.0, 4.0, 26).round(1).tolist())


@dataclass(frozen=True, slots=True)
class HistoryFeatures:
    """How features and a moving base-stock level follow from the demand so far.

    The level is mean x C + safety x deviation x sqrt(C), with C = lead time + review period and with the exponentially
    smoothed mean and deviation of the demand before the period.

    Attributes:
        first: periods whose mean and deviation begin the averages. In these periods alone the features look ahead;
            let them warm up.
        fast, middle, slow: smoothing constants of three means; the middle one is the scale.
        safety: deviations above the mean.
        season: periods of a year, whose demand a year ago is looked at; 0 looks at none.

    Raises:
        ValueError: `first`, `season` or `safety` out of range, or a smoothing constant outside (0, 1).
    """

    first: int = 8
    fast: float = 0.25
    middle: float = 0.12
    slow: float = 0.06
    safety: float = 0.4
    season: int = 0

    def __post_init__(self) -> None:
        for name, least in (("first", 1), ("season", 0)):
            value = getattr(self, name)
            if not (math.isfinite(value) and value % 1 == 0 and value >= least):
                raise ValueError(f"HistoryFeatures.{name}: expected whole periods >= {least}, found {value}")
        if not math.isfinite(self.safety):
            raise ValueError(f"HistoryFeatures.safety: expected a finite number, found {self.safety}")
        for name in ("fast", "middle", "slow"):
            if not 0.0 < getattr(self, name) < 1.0:
                raise ValueError(f"HistoryFeatures.{name}: expected a number in (0, 1), found {getattr(self, name)}")

    def of(
        self,
        demand_ST: FloatArray,
        terms: SimulationTerms,
        *,
        groups: Sequence[IntArray] = (),
        known_TK: FloatArray | None = None,
    ) -> PolicyFeatures:
        """The features of each period; those of period t follow from demand_ST[:, :t] and known_TK[t].

        Args:
            demand_ST: units, finite and >= 0, with T > `first`.
            terms: of S series.
            groups: for each grouping (by item, by store, ...) the number of each series' group, 0.., [S]. A group's
                mean surprise tells of promotions and holidays that one series shows but faintly.
            known_TK: what is known ahead of every period, such as the season's sine and cosine.

        Raises:
            ValueError: demand or groups of another shape, or demand that is not finite and >= 0.
        """
        self._check(demand_ST, groups, known_TK)
        n_series = len(demand_ST)
        fast_ST, middle_ST, slow_ST = (self._smoothed(demand_ST, rate) for rate in (self.fast, self.middle, self.slow))
        error_ST = (demand_ST - middle_ST) ** 2
        deviation_ST = np.sqrt(self._smoothed(error_ST, self.middle))
        scale_ST = np.maximum(middle_ST, 0.5 / self.first)
        surprise_ST = np.clip(np.log((demand_ST + 0.5) / (middle_ST + 0.5)), -_LARGEST_SURPRISE, _LARGEST_SURPRISE)
        group_ST = [_group_mean(surprise_ST, group_S) for group_S in (np.zeros(n_series, dtype=np.int64), *groups)]
        columns = [np.log((fast_ST + 0.5) / (middle_ST + 0.5)), np.log((slow_ST + 0.5) / (middle_ST + 0.5))]
        columns += [deviation_ST / scale_ST, np.log(scale_ST)]
        columns += [_lagged(surprise_ST, lag) for lag in range(1, _LAGS + 1)]
        columns += [_lagged(values_ST, lag) for values_ST in group_ST for lag in range(1, _GROUP_LAGS + 1)]
        cover_S = terms.column("lead_time", n_series) + terms.column("review_period", n_series)
        if self.season:
            columns += [_a_year_ago(values_ST, cover_S, self.season) for values_ST in (surprise_ST, *group_ST)]
        if known_TK is not None:
            columns += [np.broadcast_to(known_T, demand_ST.shape) for known_T in known_TK.T]
        level_ST = middle_ST * cover_S[:, None] + self.safety * deviation_ST * np.sqrt(cover_S)[:, None]
        return PolicyFeatures(scale_ST, np.maximum(level_ST, 0.0), np.stack(columns, -1))

    def tuned(
        self, demand_ST: FloatArray, terms: SimulationTerms, *, safeties: Sequence[float] = SAFETIES
    ) -> HistoryFeatures:
        """These with the one safety whose moving level cost the series least, each counted relative to its own least.

        Replayed are all periods; the first `first` do not count.
        """
        demand_SPT = torch.as_tensor(demand_ST)[:, None].double()
        found = []
        for safety in safeties:
            level_ST = replace(self, safety=safety).of(demand_ST, terms).level[:, 0].double()
            found.append(simulate(BaseStock(level_ST), demand_SPT, terms, warm_up=self.first).cost_per_period)
        cost_GS = torch.stack(found)
        least_S = cost_GS.min(0).values
        relative_GS = cost_GS[:, least_S > 0.0] / least_S[least_S > 0.0]
        return replace(self, safety=float(safeties[int(relative_GS.mean(1).argmin())]))

    def _smoothed(self, values_ST: FloatArray, rate: float) -> FloatArray:
        """The exponentially smoothed mean of the values before each period."""
        mean_ST = np.empty(values_ST.shape)
        mean_S = values_ST[:, : self.first].mean(1)
        for t in range(values_ST.shape[1]):
            mean_ST[:, t] = mean_S
            # The first values are in the mean already.
            if t >= self.first:
                mean_S = mean_S + rate * (values_ST[:, t] - mean_S)
        return mean_ST

    def _check(self, demand_ST: FloatArray, groups: Sequence[IntArray], known_TK: FloatArray | None) -> None:
        if demand_ST.ndim != 2 or demand_ST.shape[1] <= self.first:
            raise ValueError(f"demand_ST: expected (S, T) with T > {self.first}, found shape {demand_ST.shape}")
        rows = np.flatnonzero(~(np.isfinite(demand_ST) & (demand_ST >= 0.0)).all(1))
        if rows.size:
            raise ValueError(f"demand_ST: expected finite units >= 0, found others in row {rows[0]}")
        for group_S in groups:
            if group_S.shape != demand_ST.shape[:1]:
                raise ValueError(
                    f"groups: expected a number for each of {len(demand_ST)} series, found {group_S.shape}"
                )
        if known_TK is not None and (known_TK.ndim != 2 or len(known_TK) != demand_ST.shape[1]):
            raise ValueError(f"known_TK: expected ({demand_ST.shape[1]}, K), found shape {known_TK.shape}")


def _group_mean(values_ST: FloatArray, group_S: IntArray) -> FloatArray:
    """Mean of each series' group, (S, T)."""
    sum_GT = np.zeros((int(group_S.max(initial=0)) + 1, values_ST.shape[1]))
    np.add.at(sum_GT, group_S, values_ST)
    mean_ST: FloatArray = (sum_GT / np.maximum(np.bincount(group_S), 1)[:, None])[group_S]
    return mean_ST


def _lagged(values_ST: FloatArray, lag: int) -> FloatArray:
    """The values `lag` periods before, 0 before the first."""
    lagged_ST = np.zeros(values_ST.shape)
    lagged_ST[:, lag:] = values_ST[:, :-lag]
    return lagged_ST


def _a_year_ago(values_ST: FloatArray, cover_S: FloatArray, season: int) -> FloatArray:
    """Mean over the periods that an order covers, a season before; 0 where there is none."""
    n_periods = values_ST.shape[1]
    sums_ST = np.concatenate([np.zeros((len(values_ST), 1)), values_ST.cumsum(1)], 1)
    first_T = np.arange(n_periods) - season
    # What covers more than a season would reach into the future.
    last_ST = first_T + np.minimum(cover_S, season).astype(np.int64)[:, None]
    total_ST = np.take_along_axis(sums_ST, last_ST.clip(0), 1) - sums_ST[:, first_T.clip(0)]
    return np.where(first_T >= 0, total_ST / cover_S[:, None], 0.0)
