"""What a bucket of series learnt from its backtest about forecast errors, small and mergeable.

Errors are scaled: r = (y - mean) / scale with scale^2 = sd^2 + unit^2 / 4, where unit is 1 for series that are counted
in whole numbers and 0 for others. A quantile of counts is mean + scale * (a quantile of r), rounded. Why counts are not
spread over [y - 1/2, y + 1/2] before they are summed up: rounding spreads already, and on the M5 spreading twice made
50% intervals cover 52%.

Dimensions beyond those of `udfs.series.sku_batch`: W windows, C cells of scaled errors (class x horizon group x level x
dispersion), B bins of an error histogram, D cells of error products (class x level).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pyarrow as pa
import torch

from lakehouse.schema.columns import schema_of
from udfs.demand.demand_profile import DEMAND_CLASSES

HORIZON_GROUPS = 4
"""The days of the horizon fall into this many groups of equal length: weeks, where the horizon is four weeks."""

LEVEL_EDGES = np.array([0.1, 0.2, 0.35, 0.6, 1.0, 2.0, 4.0, 8.0, 16.0])
"""Bounds of the mean demand a day, in units, that split counts; other series form a group of their own."""

DISPERSION_EDGES = np.array([1.0, 1.3, 1.8, 2.6, 4.0, 8.0])
"""Bounds of variance over mean for counts, and of ten times the squared coefficient of variation for others."""

ERROR_EDGES = np.concatenate([[-40.0], np.sinh(np.linspace(-3.5, 4.5, 240)), [120.0]])
"""Edges of the bins of scaled errors: .033 wide around 0, wider outwards."""

PRODUCT_LIMIT = 5.0
"""Scaled errors count at most this much in products, or a few outliers would make the correlations."""

N_LEVELS = len(LEVEL_EDGES) + 2
N_DISPERSIONS = len(DISPERSION_EDGES) + 1
N_CLASSES = len(DEMAND_CLASSES)
CELL_SHAPE = (N_CLASSES, HORIZON_GROUPS, N_LEVELS, N_DISPERSIONS)
PAIR_SHAPE = (N_CLASSES, N_LEVELS)
N_BINS = len(ERROR_EDGES) - 1

SCHEMA = schema_of(("kind", "cell", "demand_class", "horizon", "values"))
"""One row per cell that saw anything. `error` rows hold N_BINS counts, then series-windows, then the sum of r^2;
`product` rows hold three H x H matrices row by row: pairs, sums of the first day's r, sums of products."""


@dataclass(frozen=True, slots=True)
class ScoreSummary:
    """Sums over backtest windows, to be added over buckets in a fixed order.

    Attributes:
        count_CB: scaled errors per cell and bin.
        windows_C: how many pairs of a series and a window these errors come from.
        square_C: sum of squared scaled errors.
        pairs_DHH: pairs of days h, k both observed, per series and window.
        sum_DHH: sum of r_h over these pairs.
        product_DHH: sum of r_h r_k over these pairs.
    """

    count_CB: np.ndarray
    windows_C: np.ndarray
    square_C: np.ndarray
    pairs_DHH: np.ndarray
    sum_DHH: np.ndarray
    product_DHH: np.ndarray

    @property
    def horizon(self) -> int:
        return int(self.pairs_DHH.shape[1])

    @classmethod
    def empty(cls, horizon: int) -> ScoreSummary:
        """The summary of no series: 0 of the addition.

        Raises:
            ValueError: horizon below one.
        """
        if horizon < 1:
            raise ValueError(f"expected a horizon of at least one day, found {horizon}")
        n_cells, n_pairs = int(np.prod(CELL_SHAPE)), int(np.prod(PAIR_SHAPE))
        square = (n_pairs, horizon, horizon)
        return cls(
            np.zeros((n_cells, N_BINS)),
            np.zeros(n_cells),
            np.zeros(n_cells),
            np.zeros(square),
            np.zeros(square),
            np.zeros(square),
        )

    @classmethod
    def from_backtest(
        cls,
        mean_WSH: torch.Tensor,
        sd_WSH: torch.Tensor,
        actual_WSH: torch.Tensor,
        mask_WSH: torch.Tensor,
        class_WS: torch.Tensor,
        unit_S: torch.Tensor,
    ) -> ScoreSummary:
        """Sum up the errors of W windows of S series; days where mask_WSH is False do not count.

        Args:
            mean_WSH, sd_WSH: what was forecast, in units a day; forecasts that are not finite do not count.
            actual_WSH, mask_WSH: what came, and where it is known.
            class_WS: index into `DEMAND_CLASSES` as seen at each window's cutoff; (S,) stands for all windows.
            unit_S: see `demand_units`.

        Raises:
            ValueError: shapes that do not agree.
        """
        if not (mean_WSH.shape == sd_WSH.shape == actual_WSH.shape == mask_WSH.shape) or mean_WSH.ndim != 3:
            shapes = [tuple(x.shape) for x in (mean_WSH, sd_WSH, actual_WSH, mask_WSH)]
            raise ValueError(f"expected mean, sd, actual and mask of one shape (W, S, H), found {shapes}")
        if class_WS.shape[-1] != mean_WSH.shape[1] or unit_S.shape != mean_WSH.shape[1:2]:
            raise ValueError(
                f"expected class and unit of {mean_WSH.shape[1]} series, found shapes {tuple(class_WS.shape)} and "
                f"{tuple(unit_S.shape)}"
            )
        total = cls.empty(mean_WSH.shape[2])
        unit = to_numpy(unit_S)
        classes_WS = to_numpy(class_WS.expand(mean_WSH.shape[:2]))
        for w in range(mean_WSH.shape[0]):
            mean_SH, sd_SH, y_SH, mask_SH = (to_numpy(x[w]) for x in (mean_WSH, sd_WSH, actual_WSH, mask_WSH))
            seen_SH = mask_SH & np.isfinite(mean_SH) & np.isfinite(sd_SH) & np.isfinite(y_SH)
            mean_SH, sd_SH, y_SH = (np.where(seen_SH, x, 0.0) for x in (mean_SH, sd_SH, y_SH))
            total._add_errors(mean_SH, sd_SH, y_SH, seen_SH, classes_WS[w], unit)
            total._add_products(mean_SH, sd_SH, y_SH, seen_SH, classes_WS[w], unit)
        return total

    def _add_errors(
        self,
        mean_SH: np.ndarray,
        sd_SH: np.ndarray,
        y_SH: np.ndarray,
        seen_SH: np.ndarray,
        class_S: np.ndarray,
        unit_S: np.ndarray,
    ) -> None:
        cell_SH = error_cells(mean_SH, sd_SH, class_S, unit_S)
        scale_SH = error_scale(mean_SH, sd_SH, unit_S)
        r_SH = np.clip((y_SH - mean_SH) / scale_SH, ERROR_EDGES[0], ERROR_EDGES[-1])
        bin_SH = np.clip(np.searchsorted(ERROR_EDGES, r_SH, side="right") - 1, 0, N_BINS - 1)
        np.add.at(self.count_CB, (cell_SH[seen_SH], bin_SH[seen_SH]), 1.0)
        np.add.at(self.square_C, cell_SH[seen_SH], r_SH[seen_SH] ** 2)
        # A series' days in one cell are no independent evidence: they count as one window.
        series_SH = np.broadcast_to(np.arange(len(cell_SH))[:, None], cell_SH.shape)
        once = np.unique(series_SH[seen_SH] * np.int64(len(self.windows_C)) + cell_SH[seen_SH]) % len(self.windows_C)
        np.add.at(self.windows_C, once, 1.0)

    def _add_products(
        self,
        mean_SH: np.ndarray,
        sd_SH: np.ndarray,
        y_SH: np.ndarray,
        seen_SH: np.ndarray,
        class_S: np.ndarray,
        unit_S: np.ndarray,
    ) -> None:
        r_SH = (y_SH - mean_SH) / error_scale(mean_SH, sd_SH, unit_S)
        r_SH = np.where(seen_SH, np.clip(r_SH, -PRODUCT_LIMIT, PRODUCT_LIMIT), 0.0)
        cell_S = pair_cells(mean_SH, class_S, unit_S)
        for cell in np.unique(cell_S):
            r, seen = r_SH[cell_S == cell], seen_SH[cell_S == cell].astype(np.float64)
            self.pairs_DHH[cell] += seen.T @ seen
            self.sum_DHH[cell] += r.T @ seen
            self.product_DHH[cell] += r.T @ r

    def __add__(self, other: ScoreSummary) -> ScoreSummary:
        if self.horizon != other.horizon:
            raise ValueError(
                f"expected summaries of one horizon, found {self.horizon} and {other.horizon} days; "
                "backtest all buckets with one horizon"
            )
        return ScoreSummary(*(getattr(self, name) + getattr(other, name) for name in self.__slots__))

    def to_arrow(self) -> pa.Table:
        """Rows of `SCHEMA`, by kind and cell."""
        kinds: list[str] = []
        cells: list[int] = []
        values: list[np.ndarray] = []
        for cell in np.flatnonzero(self.windows_C):
            kinds.append("error")
            cells.append(int(cell))
            values.append(np.concatenate([self.count_CB[cell], [self.windows_C[cell], self.square_C[cell]]]))
        for cell in np.flatnonzero(self.pairs_DHH.any((1, 2))):
            kinds.append("product")
            cells.append(int(cell))
            sums = (self.pairs_DHH[cell], self.sum_DHH[cell], self.product_DHH[cell])
            values.append(np.concatenate([x.ravel() for x in sums]))
        per_class = {"error": int(np.prod(CELL_SHAPE[1:])), "product": PAIR_SHAPE[1]}
        classes = [DEMAND_CLASSES[cell // per_class[kind]] for kind, cell in zip(kinds, cells, strict=True)]
        columns = (kinds, cells, classes, np.full(len(cells), self.horizon), values)
        return pa.table(dict(zip(SCHEMA.names, columns, strict=True)), schema=SCHEMA)

    @classmethod
    def from_arrow(cls, table: pa.Table, horizon: int) -> ScoreSummary:
        """The sum of the summaries whose rows stand in `table`, in the table's order.

        Raises:
            ValueError: rows of another horizon, of an unknown kind, or of another length.
        """
        total = cls.empty(horizon)
        for row in table.select(SCHEMA.names).to_pylist():
            kind, cell, values = row["kind"], row["cell"], np.asarray(row["values"], dtype=np.float64)
            if row["horizon"] != horizon or kind not in ("error", "product"):
                raise ValueError(
                    f"expected rows of kind error or product over {horizon} days, found {kind!r} over "
                    f"{row['horizon']} days; run the backtest again"
                )
            expected = N_BINS + 2 if kind == "error" else 3 * horizon * horizon
            if len(values) != expected:
                raise ValueError(f"expected {expected} values in a row of kind {kind}, found {len(values)}")
            if kind == "error":
                total.count_CB[cell] += values[:N_BINS]
                total.windows_C[cell] += values[N_BINS]
                total.square_C[cell] += values[N_BINS + 1]
            else:
                pairs, sums, products = values.reshape(3, horizon, horizon)
                total.pairs_DHH[cell] += pairs
                total.sum_DHH[cell] += sums
                total.product_DHH[cell] += products
        return total


def demand_units(y_ST: torch.Tensor, mask_ST: torch.Tensor) -> torch.Tensor:
    """(S,) 1.0 where every observed day holds a whole number, else 0.0: whether demand comes in pieces."""
    whole_S = ((y_ST == y_ST.round()) | ~mask_ST).all(1)
    return whole_S.to(y_ST.dtype)


def error_scale(mean_SH: np.ndarray, sd_SH: np.ndarray, unit_S: np.ndarray) -> np.ndarray:
    """(S, H) the scale of errors; never 0, or a series without a spread could not be widened."""
    floor_SH = np.where(unit_S[:, None] > 0, 0.5 * unit_S[:, None], 0.01 * np.abs(mean_SH) + 1e-9)
    return np.sqrt(sd_SH * sd_SH + floor_SH * floor_SH)


def level_group(mean: np.ndarray, unit: np.ndarray) -> np.ndarray:
    """Group of the mean demand; the last one is for series that are not counts."""
    return np.where(unit > 0, np.digitize(mean, LEVEL_EDGES), N_LEVELS - 1)


def error_cells(mean_SH: np.ndarray, sd_SH: np.ndarray, class_S: np.ndarray, unit_S: np.ndarray) -> np.ndarray:
    """(S, H) index into the C cells."""
    n_days = mean_SH.shape[1]
    base_SH = np.maximum(mean_SH, 1e-9)
    dispersion_SH = np.where(unit_S[:, None] > 0, sd_SH**2 / base_SH, 10.0 * (sd_SH / base_SH) ** 2)
    group_H = np.arange(n_days) * HORIZON_GROUPS // n_days
    cell_SH = class_S[:, None] * HORIZON_GROUPS + group_H
    cell_SH = cell_SH * N_LEVELS + level_group(mean_SH, unit_S[:, None])
    return cell_SH * N_DISPERSIONS + np.digitize(dispersion_SH, DISPERSION_EDGES)


def pair_cells(mean_SH: np.ndarray, class_S: np.ndarray, unit_S: np.ndarray) -> np.ndarray:
    """(S,) index into the D cells, by the mean over the horizon."""
    return class_S * N_LEVELS + level_group(_row_mean(mean_SH), unit_S)


def to_numpy(x: torch.Tensor) -> np.ndarray:
    """The tensor's numbers on the CPU, floats in double precision."""
    return (x.double() if x.is_floating_point() else x).cpu().numpy()


def _row_mean(x_SH: np.ndarray) -> np.ndarray:
    """Day by day, so that a series' mean does not depend on the batch around it."""
    total_S = np.zeros(len(x_SH))
    for h in range(x_SH.shape[1]):
        total_S += x_SH[:, h]
    return total_S / x_SH.shape[1]
