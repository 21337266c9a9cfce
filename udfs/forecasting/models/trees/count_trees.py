"""The whole distribution of demand by gradient-boosted trees over classes of demand, one model for all series.

Demand, in units of the series, is cut into classes that hold about equally many days; with sparse demand 0, 1 and 2
become classes of their own. Trees with the multinomial loss (Friedman, 2001, Greedy function approximation: a gradient
boosting machine; LightGBM: Ke et al., 2017) give each class its probability, and a class holds the demand that was
seen in it. So zeros, small counts and long tails need no family of distributions, and quantiles cannot cross.
Classification as a way to conditional distributions: Li, Burges & Wu (2007), McRank.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from itertools import pairwise
from typing import ClassVar

import lightgbm
import numpy as np
import torch

from udfs.forecasting.forecaster import Forecast, check_request
from udfs.forecasting.models.trees.count_rows import origin_features, own_unit, phase_features
from udfs.forecasting.probability.score_summary import demand_units
from udfs.series.sku_batch import SkuBatch

_MIN_ORIGIN = 8
"""Days that an origin of the training needs before it."""


@dataclass(frozen=True, slots=True)
class CountTrees:
    """Trees fitted to the batch's own past, then used on it; a series' forecast depends on the batch it is in.

    A row is (series, origin, day after the origin); origins spread evenly over the history, so that all that a year
    brings is seen, and each gives the days of a random choice of steps ahead, known by the batch's cutoff.

    Attributes:
        season_length: days of a season.
        classes: most classes of demand.
        origins, steps_per_origin: of the training.
        max_rows: rows of the training are thinned to this many.
        rounds, leaves, learning_rate, min_rows_per_leaf, l2: of the trees.
        seed, threads: the result is a function of both.
    """

    season_length: int = 7
    classes: int = 40
    origins: int = 48
    steps_per_origin: int = 8
    max_rows: int = 150_000
    rounds: int = 50
    leaves: int = 15
    learning_rate: float = 0.08
    min_rows_per_leaf: int = 200
    l2: float = 5.0
    seed: int = 0
    threads: int = 1
    name: str = "count_trees"

    pools_series: ClassVar[bool] = True

    def __post_init__(self) -> None:
        least = {"season_length": 1, "classes": 2, "origins": 1, "steps_per_origin": 1, "max_rows": 1, "rounds": 1}
        for name, value in (least | {"leaves": 2, "min_rows_per_leaf": 1, "threads": 1}).items():
            if getattr(self, name) < value:
                raise ValueError(f"CountTrees.{name}: expected at least {value}, found {getattr(self, name)}")
        if not 0 < self.learning_rate <= 1 or self.l2 < 0:
            raise ValueError(
                f"CountTrees: expected a learning_rate above 0 and at most 1 and l2 of at least 0, found "
                f"{self.learning_rate} and {self.l2}"
            )

    def forecast(self, batch: SkuBatch, horizon: int, quantiles: tuple[float, ...]) -> Forecast:
        """See `Forecaster.forecast`. A series without an observed day has no forecast; `sse_S` and `score_S` are NaN.

        Raises:
            ValueError: no day of the batch that is observed after `_MIN_ORIGIN` others.
        """
        check_request(horizon, quantiles)
        y_ST, mask_ST = np.maximum(batch.y_ST.cpu().numpy(), 0.0), batch.mask_ST.cpu().numpy()
        whole_S = demand_units(batch.y_ST, batch.mask_ST).cpu().numpy() > 0
        first = int(mask_ST.any(0).argmax())
        y_ST, mask_ST = y_ST[:, first:], mask_ST[:, first:]
        rows_RF, demand_R = self.training_rows(y_ST, mask_ST, whole_S, horizon)
        classes = DemandClasses.of(demand_R, self.classes)
        predict = self._grow(rows_RF, classes.index(demand_R), len(classes))
        unit_S = own_unit(y_ST, mask_ST, whole_S)
        fixed_SF = origin_features(y_ST, mask_ST, unit_S)
        mean_SH, sd_SH = np.empty((2, len(batch), horizon))
        quantile_SHQ = np.empty((len(batch), horizon, len(quantiles)))
        for h in range(horizon):
            ahead_SF = phase_features(y_ST, mask_ST, unit_S, h + 1, self.season_length)
            share_SC = predict(np.hstack([fixed_SF, ahead_SF]))
            mean_SH[:, h], sd_SH[:, h] = classes.moments(share_SC)
            quantile_SHQ[:, h] = classes.quantiles(share_SC, quantiles)
        mean_SH, sd_SH, quantile_SHQ = (
            x * unit_S.reshape(-1, *(1,) * (x.ndim - 1)) for x in (mean_SH, sd_SH, quantile_SHQ)
        )
        quantile_SHQ = np.where(whole_S[:, None, None], np.ceil(quantile_SHQ - 0.5), quantile_SHQ)
        mean_SH[~mask_ST.any(1)] = np.nan
        return _as_forecast(mean_SH, sd_SH, quantile_SHQ, batch)

    def training_rows(
        self, y_ST: np.ndarray, mask_ST: np.ndarray, whole_S: np.ndarray, horizon: int
    ) -> tuple[np.ndarray, np.ndarray]:
        """(R, F) rows and (R,) demand in units of the series, of days observed after an origin.

        Raises:
            ValueError: there is no such day.
        """
        rng = np.random.default_rng(self.seed)
        n_days = y_ST.shape[1]
        apart = max(1, horizon // 6, (n_days - _MIN_ORIGIN) // self.origins)
        rows: list[np.ndarray] = []
        demand: list[np.ndarray] = []
        for origin in range(n_days - 1, _MIN_ORIGIN - 1, -apart)[: self.origins]:
            past = y_ST[:, :origin], mask_ST[:, :origin]
            unit_S = own_unit(*past, whole_S)
            fixed_SF = origin_features(*past, unit_S)
            within = np.arange(1, min(horizon, n_days - origin) + 1)
            for step in rng.permutation(within)[: self.steps_per_origin]:
                use_S = mask_ST[:, origin + step - 1] & past[1].any(1)
                ahead_SF = phase_features(*past, unit_S, int(step), self.season_length)
                rows.append(np.hstack([fixed_SF, ahead_SF])[use_S])
                demand.append((y_ST[:, origin + step - 1] / unit_S)[use_S])
        demand_R = np.concatenate(demand) if demand else np.empty(0)
        if not len(demand_R):
            raise ValueError(
                f"expected days observed after {_MIN_ORIGIN} others to learn from, found none in {len(y_ST)} series; "
                "take a model that needs less history"
            )
        keep_R = rng.random(len(demand_R)) < self.max_rows / len(demand_R)
        keep_R[0] = True
        return np.concatenate(rows)[keep_R], demand_R[keep_R]

    def _grow(self, rows_RF: np.ndarray, class_R: np.ndarray, n_classes: int) -> Callable[[np.ndarray], np.ndarray]:
        """What gives (R, C) probabilities of the classes for (R, F) rows."""
        if n_classes == 1:  # LightGBM wants at least two
            return lambda rows: np.ones((len(rows), 1))
        parameters = {
            "objective": "multiclass",
            "num_class": n_classes,
            "num_leaves": self.leaves,
            "learning_rate": self.learning_rate,
            "min_data_in_leaf": min(self.min_rows_per_leaf, max(1, len(class_R) // 20)),
            "lambda_l2": self.l2,
            "feature_fraction": 0.6,
            "bagging_fraction": 0.6,
            "bagging_freq": 1,
            "num_threads": self.threads,
            "seed": self.seed,
            "deterministic": True,
            "force_row_wise": True,
            "verbose": -1,
        }
        booster = lightgbm.train(parameters, lightgbm.Dataset(rows_RF, class_R), self.rounds)
        return lambda rows: np.asarray(booster.predict(rows, num_threads=self.threads))


@dataclass(frozen=True, eq=False, slots=True)
class DemandClasses:
    """Intervals of demand and the demand seen in each.

    Attributes:
        lower_C: smallest demand of each class, rising.
        values: sorted demand seen, class by class.
    """

    lower_C: np.ndarray
    values: tuple[np.ndarray, ...]

    def __len__(self) -> int:
        return len(self.lower_C)

    @classmethod
    def of(cls, demand_R: np.ndarray, most: int) -> DemandClasses:
        """Classes between `most` evenly spread quantiles; demand that fills more than one is a class of its own."""
        sorted_R = np.sort(demand_R)
        at = np.arange(most) * len(sorted_R) // most
        lower_C = np.unique(sorted_R[at])
        bounds = [*np.searchsorted(sorted_R, lower_C), len(sorted_R)]
        return cls(lower_C, tuple(sorted_R[lo:hi] for lo, hi in pairwise(bounds)))

    def index(self, demand_R: np.ndarray) -> np.ndarray:
        """(R,) class of each demand."""
        return np.maximum(np.searchsorted(self.lower_C, demand_R, side="right") - 1, 0)

    def moments(self, share_SC: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """(S,) mean and standard deviation of the mixture of classes."""
        mean_C = np.array([v.mean() for v in self.values])
        square_C = np.array([(v * v).mean() for v in self.values])
        mean_S = share_SC @ mean_C
        return mean_S, np.sqrt(np.maximum(share_SC @ square_C - mean_S**2, 0.0))

    def quantiles(self, share_SC: np.ndarray, levels: tuple[float, ...]) -> np.ndarray:
        """(S, Q) smallest demand seen that the mixture reaches with at least the level's probability."""
        above_SC = share_SC.cumsum(1)
        result_SQ = np.empty((len(share_SC), len(levels)))
        rows = np.arange(len(share_SC))
        for q, level in enumerate(levels):
            class_S = np.minimum((above_SC < level - 1e-12).sum(1), len(self) - 1)
            share_S = share_SC[rows, class_S]
            inside_S = np.clip((level - (above_SC[rows, class_S] - share_S)) / np.maximum(share_S, 1e-300), 0.0, 1.0)
            for c in np.unique(class_S):
                values = self.values[c]
                at = np.clip(np.ceil(inside_S[class_S == c] * len(values) - 1e-9) - 1, 0, len(values) - 1)
                result_SQ[class_S == c, q] = values[at.astype(int)]
        return result_SQ


def _as_forecast(mean_SH: np.ndarray, sd_SH: np.ndarray, quantile_SHQ: np.ndarray, batch: SkuBatch) -> Forecast:
    unknown_S = torch.full((len(batch),), torch.nan, dtype=torch.float64, device=batch.device)
    none_S = torch.zeros(len(batch), dtype=torch.int64, device=batch.device)
    mean, sd, quantile = (torch.from_numpy(x).to(batch.device) for x in (mean_SH, sd_SH, quantile_SHQ))
    return Forecast(mean, sd, quantile, unknown_S, none_S, none_S, unknown_S)
