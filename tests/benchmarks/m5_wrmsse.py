"""WRMSSE of the M5 accuracy competition (Makridakis, Spiliotis & Assimakopoulos, 2022, section 2.3).

RMSSE_i = sqrt(mean_h (y - f)^2 / mean_t (y_t - y_{t-1})^2) from the first sale to the cutoff; the revenue of the 28
days up to the cutoff weighs the series of a level, and WRMSSE is the mean over twelve levels.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from tests.benchmarks.m5_data import HORIZON
from udfs.series.sku_batch import SkuBatch

LEVELS: tuple[tuple[str, ...], ...] = (
    (),
    ("state_id",),
    ("store_id",),
    ("cat_id",),
    ("dept_id",),
    ("state_id", "cat_id"),
    ("state_id", "dept_id"),
    ("store_id", "cat_id"),
    ("store_id", "dept_id"),
    ("item_id",),
    ("item_id", "state_id"),
    ("item_id", "store_id"),
)


@dataclass(frozen=True, slots=True)
class Wrmsse:
    """Scores forecasts of one window: `level_scores(mean_SH)` and `score(mean_SH)`."""

    group_LS: tuple[np.ndarray, ...]
    weight_L: tuple[np.ndarray, ...]
    scale_L: tuple[np.ndarray, ...]
    abs_scale_S: np.ndarray
    actual_SH: np.ndarray

    @classmethod
    def of(cls, batch: SkuBatch, days_back: int) -> Wrmsse:
        """The 28 days after the cutoff of `batch.until(days_back)`, with its history and weights."""
        past = batch.until(days_back)
        y_ST, actual_SH = past.y_ST.numpy(), batch.ahead(days_back, HORIZON)[0].numpy()
        if batch.known is None or batch.traits is None:
            raise ValueError("expected a batch with prices and traits, found one without; use m5_data.load")
        price_ST = batch.known.values_SXK[:, : past.n_days, batch.known.names.index("unit_price")].numpy()
        revenue_S = (y_ST[:, -HORIZON:] * price_ST[:, -HORIZON:]).sum(1)
        groups = tuple(_groups(batch, level) for level in LEVELS)
        weights, scales = [], []
        for group_S in groups:
            scale_G = _mean_step(_totals(y_ST, group_S), 2)
            weight_G = np.where(scale_G > 0, np.bincount(group_S, revenue_S), 0.0)
            weights.append(weight_G / weight_G.sum())
            scales.append(np.where(scale_G > 0, scale_G, np.inf))
        abs_S = _mean_step(y_ST, 1)
        return cls(groups, tuple(weights), tuple(scales), np.where(abs_S > 0, abs_S, np.inf), actual_SH)

    def level_scores(self, mean_SH: np.ndarray) -> np.ndarray:
        """(12,) weighted RMSSE per level."""
        error_SH = self.actual_SH - mean_SH
        scores = []
        for group_S, weight_G, scale_G in zip(self.group_LS, self.weight_L, self.scale_L, strict=True):
            square_G = (_totals(error_SH, group_S) ** 2).mean(1)
            scores.append(float((weight_G * np.sqrt(square_G / scale_G)).sum()))
        return np.array(scores)

    def score(self, mean_SH: np.ndarray) -> float:
        return float(self.level_scores(mean_SH).mean())


def _groups(batch: SkuBatch, level: tuple[str, ...]) -> np.ndarray:
    assert batch.traits is not None
    columns = [batch.traits.codes_SC[:, batch.traits.names.index(name)].numpy() for name in level]
    keys = np.stack([np.zeros(len(batch), dtype=np.int64), *columns], axis=1)
    return np.unique(keys, axis=0, return_inverse=True)[1].ravel()


def _totals(x_ST: np.ndarray, group_S: np.ndarray) -> np.ndarray:
    """(G, T) sums of the rows of each group."""
    order = np.argsort(group_S, kind="stable")
    starts = np.flatnonzero(np.diff(group_S[order], prepend=-1))
    return np.add.reduceat(x_ST[order], starts, axis=0)


def _mean_step(y_GT: np.ndarray, power: int) -> np.ndarray:
    """(G,) mean one-day difference, to a power, from the first sale on; NaN where there is none."""
    started_GT = np.cumsum(y_GT > 0, axis=1) > 0
    pair_GT = started_GT[:, :-1]
    step_GT = np.where(pair_GT, np.abs(np.diff(y_GT, axis=1)) ** power, 0.0)
    return step_GT.sum(1) / np.where(pair_GT.any(1), pair_GT.sum(1), np.nan)
