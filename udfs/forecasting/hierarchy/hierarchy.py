"""Series summed over groups, and forecasts of them made to add up.

Dimensions: B bottom series, N nodes of all levels (the levels in their order, then the bottom), H horizon, Q quantile
levels, L levels.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np
import pandas as pd
import torch

from udfs.forecasting.forecaster import Forecast
from udfs.forecasting.hierarchy import wls

BOTTOM = "bottom"
METHODS = ("bottom_up", "wls_struct", "wls_var")

MAX_SCALE = 2.0
"""A mean that reconciliation more than doubles says little about the shape of a distribution; the rest is a shift."""


@dataclass(frozen=True)
class Hierarchy:
    """Which sums of B bottom series are nodes of their own.

    Build it with `from_levels`. Levels may be nested (a tree: total, category, SKU) or crossed (category by location).

    Attributes:
        names: L names of the levels above the bottom.
        labels: per level its groups in sorted order.
        codes: per level (B,) int64, the group of each bottom series, as positions in `labels`.
        n_bottom: B.
    """

    names: tuple[str, ...]
    labels: tuple[np.ndarray, ...]
    codes: tuple[np.ndarray, ...]
    n_bottom: int

    @classmethod
    def from_levels(cls, levels: Mapping[str, np.ndarray]) -> Hierarchy:
        """Take each level as one group label (whole number or string) per bottom series.

        A total is a level with one label for all. The bottom is added by itself.

        Raises:
            ValueError: no level, a level called "bottom", lengths that differ, a missing label, or no series.
        """
        if not levels or BOTTOM in levels:
            raise ValueError(f"expected one level or more, none called {BOTTOM!r}, found {list(levels)}")
        lengths = {name: np.shape(labels) for name, labels in levels.items()}
        shapes = set(lengths.values())
        if len(shapes) != 1 or len(next(iter(shapes))) != 1 or next(iter(shapes)) == (0,):
            raise ValueError(f"expected one label per bottom series on every level, found shapes {lengths}")
        coded = {name: pd.factorize(np.asarray(labels), sort=True) for name, labels in levels.items()}
        missing = [name for name, (codes, _) in coded.items() if (codes < 0).any()]
        if missing:
            raise ValueError(f"expected a label for every bottom series, found missing ones on {missing}")
        codes = tuple(codes.astype(np.int64) for codes, _ in coded.values())
        return cls(tuple(levels), tuple(np.asarray(groups) for _, groups in coded.values()), codes, len(codes[0]))

    @property
    def sizes(self) -> tuple[int, ...]:
        """Nodes per level, the bottom last."""
        return (*(len(groups) for groups in self.labels), self.n_bottom)

    @property
    def n_nodes(self) -> int:
        """N."""
        return sum(self.sizes)

    @property
    def node_levels(self) -> np.ndarray:
        """(N,) position of each node's level; the bottom is L."""
        return np.repeat(np.arange(len(self.sizes)), self.sizes)

    def rows(self, name: str) -> slice:
        """Where the nodes of a level (or of "bottom") stand among the N.

        Raises:
            ValueError: no such level.
        """
        names = (*self.names, BOTTOM)
        if name not in names:
            raise ValueError(f"expected a level of {', '.join(names)}, found {name!r}")
        at = names.index(name)
        start = sum(self.sizes[:at])
        return slice(start, start + self.sizes[at])

    @cached_property
    def structure(self) -> wls.Structure:
        """The levels as a chain of nested ones and the rest, for least squares."""
        return wls.Structure.of(self.codes, self.sizes)

    @property
    def is_tree(self) -> bool:
        """True where every level is nested in the next finer one."""
        return not self.structure.crossed

    def bottom_counts(self) -> np.ndarray:
        """(N,) number of bottom series below each node; 1 on the bottom."""
        counts = [np.bincount(codes, minlength=n) for codes, n in zip(self.codes, self.sizes, strict=False)]
        return np.concatenate([*counts, np.ones(self.n_bottom, dtype=np.int64)])


def aggregate(hierarchy: Hierarchy, bottom_BH: np.ndarray) -> np.ndarray:
    """(N, H) every node as the sum of its bottom series, which come last.

    Sums of whole numbers below 2^53 are exact; others are added in the order of the bottom series.

    Raises:
        ValueError: rows that are not the hierarchy's bottom series.
    """
    if bottom_BH.ndim != 2 or len(bottom_BH) != hierarchy.n_bottom:
        raise ValueError(f"expected {hierarchy.n_bottom} rows, one per bottom series, found shape {bottom_BH.shape}")
    bottom_BH = np.ascontiguousarray(bottom_BH, dtype=np.float64)
    out_NH = np.empty((hierarchy.n_nodes, bottom_BH.shape[1]))
    for name, codes in zip(hierarchy.names, hierarchy.codes, strict=True):
        rows = hierarchy.rows(name)
        out_NH[rows] = wls.group_sums(bottom_BH, codes, rows.stop - rows.start)
    out_NH[hierarchy.rows(BOTTOM)] = bottom_BH
    return out_NH


def reconcile(
    hierarchy: Hierarchy,
    base_NH: np.ndarray,
    method: str = "wls_struct",
    variance_N: np.ndarray | None = None,
    nonnegative: bool = False,
) -> np.ndarray:
    """(N, H) forecasts that add up, from base forecasts that need not.

    Methods (Wickramasuriya, Athanasopoulos & Hyndman, 2019, section 2.4):

    - "bottom_up": sums of the bottom's base forecasts; those of other nodes do not count.
    - "wls_struct": the coherent forecasts nearest to the base in squares over the number of bottom series below.
    - "wls_var": the same with squares over `variance_N`.

    Time and memory are linear in N H: nested levels take one pass up and one down, exactly; crossed ones iterate that
    to a relative error of 1e-12 (see `wls`). The bottom is then rounded to a power of two so fine
    that no sum of a column's bottom forecasts can round (about 1e-15 of their total), so that the sums are exact in
    whatever order they are added, here or in a database.

    Args:
        hierarchy: N nodes.
        base_NH: base forecasts, in the order of the hierarchy's nodes.
        method: one of `METHODS`.
        variance_N: error variance of each node's base forecasts, in-sample or from a backtest; only for "wls_var".
            Above 0 but on the bottom, where 0 says that the base forecast is certain.
        nonnegative: the nearest coherent forecasts whose bottom is at least 0, instead of the nearest of all.

    Raises:
        ValueError: unknown method, base or variances of another shape or not finite, variances missing, not wanted
            or not positive.
    """
    if method not in METHODS:
        raise ValueError(f"expected a method of {', '.join(METHODS)}, found {method!r}")
    if base_NH.ndim != 2 or len(base_NH) != hierarchy.n_nodes or not np.isfinite(base_NH).all():
        raise ValueError(
            f"expected finite base forecasts of {hierarchy.n_nodes} nodes, found shape {base_NH.shape} with "
            f"{int((~np.isfinite(base_NH)).sum())} numbers that are not finite"
        )
    if (variance_N is not None) != (method == "wls_var"):
        found = "none" if variance_N is None else "some"
        raise ValueError(f"expected variance_N with method wls_var and only then, found {found} with {method!r}")
    base_NH = np.asarray(base_NH, dtype=np.float64)
    if method == "bottom_up":
        bottom_BH = base_NH[hierarchy.rows(BOTTOM)]
        bottom_BH = bottom_BH.clip(min=0.0) if nonnegative else bottom_BH
    else:
        weight_N = hierarchy.bottom_counts() if variance_N is None else _checked(hierarchy, variance_N)
        bottom_BH = wls.solve(hierarchy.structure, base_NH, weight_N.astype(np.float64), nonnegative)
    return aggregate(hierarchy, _summable(bottom_BH))


def reconcile_quantiles(quantile_NHQ: np.ndarray, base_NH: np.ndarray, coherent_NH: np.ndarray) -> np.ndarray:
    """(N, H, Q) quantiles that follow each node's mean from its base to its coherent forecast.

    The distribution is scaled by coherent / base, at most by `MAX_SCALE`, and shifted by what is left; a node whose
    base forecast is 0 is shifted alone. So zeros stay zeros and the order of the quantiles is kept; at least 0.
    Quantiles of a sum are not sums of quantiles: each node's are its own, and only the means add up.

    Raises:
        ValueError: shapes that do not fit.
    """
    if not quantile_NHQ.shape[:2] == base_NH.shape == coherent_NH.shape:
        raise ValueError(
            f"expected quantiles and means of the same nodes and days, found shapes {quantile_NHQ.shape}, "
            f"{base_NH.shape} and {coherent_NH.shape}"
        )
    scale_NH, shift_NH = _scale_and_shift(base_NH, coherent_NH)
    return (quantile_NHQ * scale_NH[..., None] + shift_NH[..., None]).clip(min=0.0)


def reconcile_forecast(
    hierarchy: Hierarchy, forecast: Forecast, method: str = "wls_struct", variance_N: np.ndarray | None = None
) -> Forecast:
    """The forecast of all N nodes with means that add up, at least 0, and quantiles and deviations that follow them.

    See `reconcile` for the methods and what is raised, `reconcile_quantiles` for the rest.
    """
    mean_SH = forecast.mean_SH
    base_NH = mean_SH.cpu().numpy()
    coherent_NH = reconcile(hierarchy, base_NH, method, variance_N, nonnegative=True)
    quantile_NHQ = reconcile_quantiles(forecast.quantile_SHQ.cpu().numpy(), base_NH, coherent_NH)
    scale_NH, _ = _scale_and_shift(base_NH, coherent_NH)
    return replace(
        forecast,
        mean_SH=torch.from_numpy(coherent_NH).to(mean_SH),
        sd_SH=forecast.sd_SH * torch.from_numpy(scale_NH).to(mean_SH),
        quantile_SHQ=torch.from_numpy(quantile_NHQ).to(mean_SH),
    )


def _scale_and_shift(base_NH: np.ndarray, coherent_NH: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    has_mean_NH = base_NH > 0
    ratio_NH = np.divide(coherent_NH, base_NH, out=np.ones_like(coherent_NH), where=has_mean_NH)
    scale_NH = ratio_NH.clip(0.0, MAX_SCALE)
    shift_NH = coherent_NH - scale_NH * base_NH
    # Without a left-over the shift is 0 but for rounding, which must not lift a zero.
    return scale_NH, np.where(has_mean_NH & (scale_NH == ratio_NH), 0.0, shift_NH)


def _checked(hierarchy: Hierarchy, variance_N: np.ndarray) -> np.ndarray:
    variance_N = np.asarray(variance_N, dtype=np.float64)
    if variance_N.shape != (hierarchy.n_nodes,) or not np.isfinite(variance_N).all() or (variance_N < 0).any():
        raise ValueError(
            f"expected {hierarchy.n_nodes} finite variances of at least 0, found shape {variance_N.shape}; give nodes "
            "without errors of their own the variance of their like"
        )
    above_N = variance_N[: hierarchy.n_nodes - hierarchy.n_bottom]
    if (above_N <= 0).any():
        raise ValueError(
            f"expected variances above 0 for sums, found {int((above_N <= 0).sum())} of 0; put a floor under them"
        )
    return variance_N


def _summable(bottom_BH: np.ndarray) -> np.ndarray:
    """Each column rounded to a multiple of 2^k, with k such that all its sums have at most 52 bits."""
    _, exponent_H = np.frexp(np.abs(bottom_BH).sum(0))
    grid_H = np.ldexp(1.0, exponent_H - 51)
    return np.rint(bottom_BH / grid_H) * grid_H
