"""Scores of several candidates on windows of the past. W windows, K candidates, S series."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc


@dataclass(frozen=True, slots=True)
class WindowScores:
    """Scores of K candidates on W windows of S series; NaN where a candidate has none."""

    names: tuple[str, ...]
    score_KWS: np.ndarray

    def __post_init__(self) -> None:
        if self.score_KWS.ndim != 3 or len(self.score_KWS) != len(self.names):
            raise ValueError(f"expected scores of shape ({len(self.names)}, W, S), found {self.score_KWS.shape}")

    @classmethod
    def from_rows(
        cls, rows: pa.Table, unique_ids: np.ndarray, noun: str, score: str, cutoffs: Sequence[date]
    ) -> WindowScores:
        """The scores of some series from rows of a backtest or of replays.

        Args:
            rows: unique_id, cutoff, `noun` (the candidate's name) and `score`; rows of other series are ignored.
            cutoffs: of the windows to use; rows of others are ignored.

        Raises:
            ValueError: two rows of one series, cutoff and candidate.
        """
        rows = rows.select(["unique_id", "cutoff", noun, score])
        rows = rows.filter(pc.is_in(rows["cutoff"], pa.array(cutoffs, pa.date32())))
        at_S = pd.Index(unique_ids).get_indexer(rows["unique_id"].to_numpy())
        at_W, found = pd.factorize(rows["cutoff"].to_numpy(), sort=True)
        at_K, names = pd.factorize(rows[noun].to_numpy(), sort=True)
        score_KWS = np.full((len(names), len(found), len(unique_ids)), np.nan)
        count_KWS = np.zeros(score_KWS.shape, dtype=int)
        mine = at_S >= 0
        np.add.at(count_KWS, (at_K[mine], at_W[mine], at_S[mine]), 1)
        if (count_KWS > 1).any():
            raise ValueError(f"expected one row per unique_id, cutoff and {noun}, found several; give one run's")
        score_KWS[at_K[mine], at_W[mine], at_S[mine]] = rows[score].cast(pa.float64()).to_numpy()[mine]
        return cls(tuple(str(name) for name in names), score_KWS)

    def of(self, names: Sequence[str]) -> np.ndarray:
        """(len(names), W, S); NaN for a candidate without scores."""
        missing = np.full(self.score_KWS.shape[1:], np.nan)
        at = {name: k for k, name in enumerate(self.names)}
        return np.stack([self.score_KWS[at[name]] if name in at else missing for name in names])


def mean_over_windows(x_WS: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """(S,) mean over the finite windows (NaN where none is), and their number."""
    finite_WS = np.isfinite(x_WS)
    n_S = finite_WS.sum(0)
    total_S = np.where(finite_WS, x_WS, 0.0).sum(0)
    return np.where(n_S > 0, total_S / np.maximum(n_S, 1), np.nan), n_S
