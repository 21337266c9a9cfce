"""Demand on days without stock, of which sales show only the lower end.

A day on which stock ran out is a censored observation: demand was at least what was sold. Days are known to be
censored, or inferred from runs of zeros too long for chance. For these days the expectation of demand given that it
was at least y, and an interval, are estimated; on all other days demand is what was sold.

The model: negative binomial demand whose mean is a local level times a weekday profile, its size estimated by moments.
The days are followed once, each estimated from the days before it and its own sales (expectation maximisation day by
day, as Cappe & Moulines, 2009, do; for demand: Vulcano, van Ryzin & Ratliff, 2012; Conrad, 1976, for the Poisson). So
a day's estimate stays what it was when later days come, and a forecast that is tested on a past day has learnt nothing
of its future. Stock is allowed to depend on demand so far, as it does under any replenishment policy: given that past,
a stock-out says D >= y and no more. Inferring a stock-out from a run of zeros needs the sale that ends the run: such a
day is known for one only then.

Every series depends on itself alone. Dimensions as in `udfs.series.sku_batch`.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from itertools import pairwise
from typing import NamedTuple

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from udfs.demand.censoring.censored_kernel import estimate
from udfs.series.arrow_arrays import bools, null_for_nan, one_chunk, runs
from udfs.series.series_threads import over_series
from udfs.series.sku_batch import SkuBatch


@dataclass(frozen=True, slots=True)
class CensoringSpec:
    """How demand on days without stock is estimated.

    Attributes:
        season_length: days of the profile; 1 for none.
        half_lives_days: distances at which a day counts half in the local level, rising; a day takes the one
            that has foretold the days in stock before it best. Infinity is a constant level.
        profile_prior_qty: units of demand by which a weekday's share is drawn to that of the others.
        min_days: until so many days in stock were seen, days keep their sales.
        infer_runs: whether runs of zeros between two sales can be taken for stock-outs.
        min_run_days: runs shorter than this are never inferred: closed days are no stock-outs.
        chance: the expected number of runs of zeros per series that are inferred though stock was there.
        interval: levels of the interval's ends.
    """

    season_length: int = 7
    half_lives_days: tuple[float, ...] = (14.0, 42.0, 126.0, math.inf)
    profile_prior_qty: float = 4.0
    min_days: int = 7
    infer_runs: bool = False
    min_run_days: int = 3
    chance: float = 0.01
    interval: tuple[float, float] = (0.1, 0.9)

    def __post_init__(self) -> None:
        for name in ("season_length", "min_days", "min_run_days"):
            if getattr(self, name) < 1:
                raise ValueError(f"expected {name} of at least 1, found {getattr(self, name)}")
        if not self.half_lives_days or any(low >= high for low, high in pairwise((1.0, *self.half_lives_days))):
            raise ValueError(f"expected rising half-lives of more than a day, found {self.half_lives_days}")
        if not self.profile_prior_qty > 0:
            raise ValueError(f"expected profile_prior_qty above 0, found {self.profile_prior_qty}")
        if not 0 < self.chance < 1:
            raise ValueError(f"expected a chance within (0, 1), found {self.chance}")
        if len(self.interval) != 2 or not 0 < self.interval[0] < self.interval[1] < 1:
            raise ValueError(f"expected two increasing levels within (0, 1), found {self.interval}")


class LatentDemand(NamedTuple):
    """Demand of S series on T days.

    Attributes:
        y_latent_ST: expected demand, units a day: y itself on days in stock, at least y on censored ones.
        low_ST, high_ST: interval of demand at the spec's levels; y itself on days in stock.
        is_inferred_ST: True where the stock-out was inferred from a run of zeros.
    """

    y_latent_ST: np.ndarray
    low_ST: np.ndarray
    high_ST: np.ndarray
    is_inferred_ST: np.ndarray


def latent_demand(
    y_ST: np.ndarray,
    mask_ST: np.ndarray,
    censored_ST: np.ndarray,
    spec: CensoringSpec | None = None,
    in_stock_ST: np.ndarray | None = None,
) -> LatentDemand:
    """Estimate demand on censored days.

    Args:
        y_ST: (S, T) units sold a day.
        mask_ST: (S, T) True where the day was observed; other days are passed through.
        censored_ST: (S, T) True where stock ran out, so that y is a lower end.
        spec: None takes the defaults.
        in_stock_ST: (S, T) True where stock is known to have been there, so that no zero is inferred to be a
            stock-out; None where nothing is known.

    Days keep their sales until `spec.min_days` days in stock were seen: there is nothing to estimate from.

    Raises:
        ValueError: shapes that differ.
    """
    spec = spec or CensoringSpec()
    in_stock_ST = np.zeros(np.shape(mask_ST), dtype=bool) if in_stock_ST is None else in_stock_ST
    shapes = [np.shape(x) for x in (y_ST, mask_ST, censored_ST, in_stock_ST)]
    if len(shapes[0]) != 2 or len(set(shapes)) != 1:
        raise ValueError(f"expected y, mask, censored and in_stock of one shape (S, T), found {shapes}")
    y_ST = np.ascontiguousarray(y_ST, dtype=np.float64)
    seen_ST, censored_ST, in_stock_ST = (
        np.ascontiguousarray(x, dtype=np.bool_) for x in (mask_ST, censored_ST, in_stock_ST)
    )
    out_3ST = np.repeat(y_ST[None], 3, axis=0)
    inferred_ST = np.zeros(y_ST.shape, dtype=np.bool_)
    decays = 0.5 ** (1.0 / np.array(spec.half_lives_days))

    def kernel(start: int, stop: int) -> None:
        estimate(
            start,
            stop,
            y_ST,
            seen_ST,
            censored_ST,
            in_stock_ST,
            spec.season_length,
            decays,
            spec.profile_prior_qty,
            spec.min_days,
            spec.min_run_days if spec.infer_runs else 0,
            math.log(spec.chance),
            *spec.interval,
            out_3ST,
            inferred_ST,
        )

    over_series(kernel, len(y_ST))
    return LatentDemand(out_3ST[0], out_3ST[1], out_3ST[2], inferred_ST)


def latent_table(sales: pa.Table, spec: CensoringSpec | None = None) -> pa.Table:
    """The table with y_latent, y_latent_low, y_latent_high (units) and is_inferred (bool) added, rows in their order.

    Args:
        sales: columns unique_id, ds (date), y (units, NULL where not observed) and is_censored, sorted by
            (unique_id, ds); where there is a column on_hand_qty, a day that ends with stock is never inferred to be
            without.
        spec: None takes the defaults.

    Rows without y stay NULL. Zeros before a series' first sale mean that it was not yet listed; they stay as they
    are, censored or not. Series without a censored day cost nothing unless runs are to be inferred, so a bucket
    without one returns at once.

    Raises:
        ValueError: missing columns, rows out of order, or twice the same day.
    """
    spec = spec or CensoringSpec()
    missing = {"unique_id", "ds", "y", "is_censored"} - set(sales.column_names)
    if missing:
        raise ValueError(f"expected columns unique_id, ds, y and is_censored, found none called {sorted(missing)}")
    y = pc.fill_null(sales["y"].cast(pa.float64()), float("nan")).to_numpy()
    columns = [y, y, y]
    inferred = np.zeros(len(y), dtype=np.bool_)
    censored = pc.fill_null(sales["is_censored"], False).to_numpy().astype(np.bool_)
    if len(y) and (spec.infer_runs or censored.any()):
        columns, inferred = _estimate_rows(sales, y, censored, spec)
    for name, x in zip(("y_latent", "y_latent_low", "y_latent_high"), columns, strict=True):
        sales = sales.append_column(name, null_for_nan(np.ascontiguousarray(x)))
    return sales.append_column("is_inferred", bools(inferred))


def _estimate_rows(
    sales: pa.Table, y: np.ndarray, censored: np.ndarray, spec: CensoringSpec
) -> tuple[list[np.ndarray], np.ndarray]:
    """The three estimates and the inferred flag per row."""
    _, end_S = runs(one_chunk(sales["unique_id"]))
    length_S = np.diff(end_S, prepend=0)
    has_censored_S = np.logical_or.reduceat(censored, end_S - length_S) | spec.infer_runs
    row = np.flatnonzero(np.repeat(has_censored_S, length_S))
    part = sales.select(["unique_id", "ds", "y"]).take(row)
    day = part["ds"].cast(pa.date32()).cast(pa.int32()).to_numpy()
    # Whole seasons of the calendar up to the end: a weekday's phase must not depend on the other series' last day.
    last = int(day.max()) + (-1 - int(day.max())) % spec.season_length
    batch = SkuBatch.from_arrow(part, pa.scalar(last, pa.int32()).cast(pa.date32()).as_py())
    series = np.repeat(np.arange(int(has_censored_S.sum())), length_S[has_censored_S])
    at = (series, batch.n_days - 1 - (last - day))
    censored_ST = np.zeros(batch.y_ST.shape, dtype=np.bool_)
    censored_ST[at] = censored[row]
    in_stock_ST = np.zeros_like(censored_ST)
    if "on_hand_qty" in sales.column_names:
        in_stock_ST[at] = pc.fill_null(pc.greater(sales["on_hand_qty"], 0), False).to_numpy()[row]
    latent = latent_demand(batch.y_ST.numpy(), batch.mask_ST.numpy(), censored_ST, spec, in_stock_ST)

    seen = batch.mask_ST.numpy()[at]
    out = [y.copy(), y.copy(), y.copy()]
    for x, x_ST in zip(out, latent[:3], strict=True):
        x[row] = np.where(seen, x_ST[at], y[row])
    inferred = np.zeros(len(y), dtype=np.bool_)
    inferred[row] = latent.is_inferred_ST[at]
    return out, inferred
