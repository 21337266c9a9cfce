"""How the forecast errors of the days of one horizon go together.

The correlation of the errors of days h and k, seen from one cutoff, is

    level + season * [|h - k| is a multiple of the season length] + short * decay^|h - k|,    h != k.

The first term is a level that was forecast wrongly for the whole horizon, the second a weekday, the third what one day
hands on to the next. All three are valid correlations, so their sum with the rest as noise is one too.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pyarrow as pa
import torch
from scipy.optimize import nnls

from udfs.demand.demand_profile import DEMAND_CLASSES
from udfs.forecasting.probability.score_summary import N_LEVELS, PAIR_SHAPE, ScoreSummary, pair_cells, to_numpy

_DECAYS = (0.2, 0.4, 0.6, 0.8, 0.9, 0.95)
_MAX_SHARED = 0.95
"""Some noise is left to every day, or a path would be one draw."""


SHIFT_SHARE = 0.2
"""Share of paths in which the level was forecast wrongly. Errors of real series cluster so: most series go on as
before, a few stop or take off. On every eighth daily series of the M5 (cutoffs 2015-10-11 to 12-06) 50% intervals of
14-day demand covered 56% with a shift in every path, 51% with one in .3 or .1, 50% with one in .2; of 7-day demand 55%,
52%, 53% and 52%."""


@dataclass(frozen=True, slots=True)
class Copula:
    """Correlation of errors along the horizon per series: all (S,) float64, with season_length as in the module's
    formula. With the seed and the stored quantiles and mean it is all that a sample path needs.

    In a `shift_share` of the paths the level was forecast wrongly, and as much of the correlation as fits lies there.
    """

    level_S: np.ndarray
    season_S: np.ndarray
    short_S: np.ndarray
    decay_S: np.ndarray
    season_length: int = 7
    shift_share: float = SHIFT_SHARE

    def __post_init__(self) -> None:
        if not 0 < self.shift_share <= 1:
            raise ValueError(f"expected a shift_share above 0 and at most 1, found {self.shift_share}")
        parts = (self.level_S, self.season_S, self.short_S, self.decay_S)
        if len({np.shape(x) for x in parts}) != 1 or np.ndim(self.level_S) != 1:
            raise ValueError(f"expected four arrays of one shape (S,), found {[np.shape(x) for x in parts]}")
        shared = self.level_S + self.season_S + self.short_S
        wrong = ~np.all([x >= 0 for x in parts], axis=0) | ~(shared <= 1) | ~(self.decay_S < 1)
        if wrong.any() or self.season_length < 1:
            raise ValueError(
                "expected parts of a correlation at least 0, summing to at most 1, a decay below 1 and a season of at "
                f"least one day, found {int(wrong.sum())} series otherwise and a season of {self.season_length}"
            )

    def __len__(self) -> int:
        return len(self.level_S)

    @classmethod
    def independent(cls, n_series: int) -> Copula:
        """Days that know nothing of each other."""
        zero = np.zeros(n_series)
        return cls(zero, zero, zero, zero)

    def select(self, index: np.ndarray | slice) -> Copula:
        """The series at `index`."""
        parts = (self.level_S[index], self.season_S[index], self.short_S[index], self.decay_S[index])
        return Copula(*parts, self.season_length, self.shift_share)


@dataclass(frozen=True, slots=True)
class ErrorCorrelation:
    """The formula's parameters per class and level of demand.

    Attributes:
        parameter_D4: level, season, short and decay of each cell of `pair_cells`.
        season_length: days of a season.
    """

    parameter_D4: np.ndarray
    season_length: int = 7

    @classmethod
    def fit(cls, summary: ScoreSummary, season_length: int = 7, prior_windows: float = 100.0) -> ErrorCorrelation:
        """Least squares of the formula on the mean correlation at each lag, no part below 0.

        Args:
            summary: sums of products of scaled errors.
            season_length: days of a season; 1 for none.
            prior_windows: a cell's parent (all classes at its level; then all series) counts as this many pairs of a
                series and a window.

        Raises:
            ValueError: a season below one day, or prior_windows not above 0.
        """
        if season_length < 1 or prior_windows <= 0:
            raise ValueError(
                f"expected a season of at least one day and prior_windows above 0, found {season_length} and "
                f"{prior_windows}"
            )
        n_lags = summary.horizon - 1
        if n_lags == 0:
            return cls(np.zeros((int(np.prod(PAIR_SHAPE)), 4)), season_length)
        sums = [x.reshape(*PAIR_SHAPE, *x.shape[1:]) for x in _sums(summary)]
        lag_X = np.zeros(n_lags)
        for axes in ((0, 1), (0,), ()):
            own, n = _lag_correlation(*(x.sum(axes, keepdims=True) if axes else x for x in sums))
            lag_X = (n * own + prior_windows * lag_X) / (n + prior_windows)
        flat = lag_X.reshape(-1, n_lags)
        return cls(np.stack([_fit_formula(lag_L, season_length) for lag_L in flat]), season_length)

    def of(self, mean_SH: torch.Tensor, class_S: torch.Tensor, unit_S: torch.Tensor) -> Copula:
        """The parameters of each series, by its class and its mean over the horizon."""
        cell_S = pair_cells(np.nan_to_num(to_numpy(mean_SH)), to_numpy(class_S), to_numpy(unit_S))
        level_S, season_S, short_S, decay_S = self.parameter_D4[cell_S].T.copy()
        return Copula(level_S, season_S, short_S, decay_S, self.season_length)

    def to_arrow(self) -> pa.Table:
        """One row per cell: demand_class, level_group, season_length, level, season, short, decay."""
        classes = np.repeat(np.array(DEMAND_CLASSES, dtype=object), N_LEVELS)
        level, season, short, decay = self.parameter_D4.T
        return pa.table(
            {
                "demand_class": pa.array(classes, pa.string()),
                "level_group": pa.array(np.tile(np.arange(N_LEVELS, dtype=np.int32), len(DEMAND_CLASSES))),
                "season_length": pa.array(np.full(len(classes), self.season_length, dtype=np.int32)),
                "level": level,
                "season": season,
                "short": short,
                "decay": decay,
            }
        )

    @classmethod
    def from_arrow(cls, table: pa.Table) -> ErrorCorrelation:
        """The inverse of `to_arrow`, whatever the order of rows.

        Raises:
            ValueError: rows missing or double.
        """
        place = {name: k for k, name in enumerate(DEMAND_CLASSES)}
        cells = [place[name] for name in table["demand_class"].to_pylist()]
        cell_D = np.array(cells, dtype=np.int64) * N_LEVELS + table["level_group"].to_numpy()
        n_cells = int(np.prod(PAIR_SHAPE))
        if sorted(cell_D) != list(range(n_cells)):
            raise ValueError(f"expected each of {n_cells} cells once, found {table.num_rows} rows")
        parameter_D4 = np.zeros((n_cells, 4))
        parameter_D4[cell_D] = np.stack([table[n].to_numpy() for n in ("level", "season", "short", "decay")], axis=1)
        return cls(parameter_D4, int(table["season_length"][0].as_py()))


def _sums(summary: ScoreSummary) -> tuple[np.ndarray, ...]:
    """Per cell (H, H): pairs, and products of errors around the cell's means, over the root of the variances' product.

    Errors are centred per cell and day: a bias that all series share is no correlation, the quantiles hold it already.
    """
    n = np.maximum(summary.pairs_DHH, 1.0)
    mean = summary.sum_DHH / n
    covariance = summary.product_DHH / n - mean * mean.transpose(0, 2, 1)
    variance_DH = np.einsum("dhh->dh", covariance)
    weight = np.sqrt(np.maximum(variance_DH[:, :, None] * variance_DH[:, None, :], 0.0))
    return summary.pairs_DHH, covariance * summary.pairs_DHH, weight * summary.pairs_DHH


def _lag_correlation(pairs: np.ndarray, covariance: np.ndarray, weight: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """(..., H - 1) correlation at each lag, and (..., 1) pairs of series and windows behind it."""
    n_days = pairs.shape[-1]
    total = [
        np.stack([np.diagonal(x, k, -2, -1).sum(-1) for k in range(1, n_days)], axis=-1) for x in (covariance, weight)
    ]
    correlation = total[0] / np.where(total[1] > 0, total[1], 1.0)
    return correlation, np.diagonal(pairs, 0, -2, -1).mean(-1)[..., None]


def _fit_formula(lag_L: np.ndarray, season_length: int) -> np.ndarray:
    """level, season, short, decay of least weighted squares; a lag weighs as many pairs of days as have it."""
    lag = np.arange(1, len(lag_L) + 1)
    root_weight = np.sqrt(len(lag_L) + 1.0 - lag)
    in_season = (lag % season_length == 0) & (season_length > 1)
    best, least = np.zeros(4), np.inf
    for decay in _DECAYS:
        columns = np.stack([np.ones(len(lag)), in_season, decay**lag], axis=1)
        weights, distance = nnls(columns * root_weight[:, None], lag_L * root_weight)
        if distance < least:
            best, least = np.append(weights, decay), distance
    best[:3] *= min(1.0, _MAX_SHARED / max(best[:3].sum(), 1e-9))
    return best
