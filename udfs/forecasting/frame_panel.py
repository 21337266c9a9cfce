"""Long rows as a batch: what a row, a step without one, a leading zero and an outlier mean is decided here."""

from __future__ import annotations

import warnings
from dataclasses import dataclass
from datetime import date
from typing import Literal

import numpy as np
import pandas as pd
import pyarrow as pa
import torch

from udfs.forecasting import frame_kernel
from udfs.forecasting.aligned_rows import AlignedRows, of_series, where
from udfs.forecasting.frame_rows import KEYS, extra_columns, named, numbers_of, rows_of
from udfs.forecasting.outliers import FACTOR, outliers_of
from udfs.series.covariates import Covariates, Traits
from udfs.series.sku_batch import PAD_MULTIPLE_DAYS, SkuBatch
from udfs.series.time_axis import OffGridError, TimeAxis
from udfs.series.time_stamps import stamp_text

MAX_CELLS = 2**31
"""Series times steps that a batch may have: 16 GB of numbers."""

_NO_CALENDAR = date(2000, 1, 1)  # stands for the last step where steps are no days or series end on different ones
_MANY_ABSENT, _MANY_ABSENT_WITHOUT_ZERO = 0.5, 0.1
_COARSER = ("min", "h", "D", "W", "MS", "ME", "QS", "QE", "YS", "YE")


class ForecastWarning(UserWarning):
    """Something that a reader of the forecast should know: what was assumed of the rows, fallbacks, series without a
    forecast, covariates that end."""


@dataclass(frozen=True, slots=True)
class PanelSpec:
    """What the rows of a long frame mean.

    Attributes:
        gap_fill: a step without a row between a series' first row and the last one of all series: "zero" sold nothing,
            "unknown" was not observed (after a series' own last row nothing is then known, and its forecast begins
            there). None is "unknown", with a warning where so many steps are absent that it is doubtful.
        leading_zeros: a zero before the first sale: "observed" like any other row, or "unknown", where a series was not
            yet listed, as the stages of the pipeline take it. A series that never sold keeps its zeros.
        outliers: single values that `udfs.forecasting.outliers` finds: "unknown" leaves them out as not observed,
            "observed" keeps them; a warning names them either way.
    """

    gap_fill: Literal["zero", "unknown"] | None = None
    leading_zeros: Literal["observed", "unknown"] = "observed"
    outliers: Literal["observed", "unknown"] = "unknown"

    def __post_init__(self) -> None:
        for name, allowed in (
            ("gap_fill", ("zero", "unknown", None)),
            ("leading_zeros", ("observed", "unknown")),
            ("outliers", ("observed", "unknown")),
        ):
            if getattr(self, name) not in allowed:
                raise ValueError(f"expected {name} among {allowed}, found {getattr(self, name)!r}")


@dataclass(frozen=True, slots=True)
class Panel:
    """Long rows as a batch, with what it takes to name its series and steps again.

    Attributes:
        batch: S series, each with its own last step in the last column.
        ids_S: the series' ids as they were given, sorted.
        last_step_S: (S,) step of each series' last column on `axis`.
        has_calendar: whether the batch's cutoff is a day of the history; else it stands for none and means nothing.
    """

    batch: SkuBatch
    ids_S: np.ndarray
    last_step_S: np.ndarray
    axis: TimeAxis
    has_calendar: bool

    def stamp(self, series: int, column: int) -> str:
        """A column of the batch (those of the horizon included) as the time stamp that a user knows it by."""
        step = self.last_step_S[series] + column - (self.batch.n_days - 1)
        stamp = self.axis.stamps(np.array([step]))[0]
        return stamp_text(stamp if self.axis.unit == "integer" else pd.Timestamp(stamp))


def panel_of(
    history: pd.DataFrame | pa.Table,
    freq: str | int,
    horizon: int,
    future: pd.DataFrame | pa.Table | None = None,
    spec: PanelSpec | None = None,
) -> Panel:
    """Check long rows and align them at each series' last step. See `forecast` for arguments and errors.

    Where ds counts days and all series end on one, the batch has its true cutoff, which models with a calendar need.
    """
    spec = spec or PanelSpec()
    at = AlignedRows.of(rows_of(history, "history", KEYS), freq)
    if spec.gap_fill is None:
        _warn_of_gaps(at, freq)
    last_step_S = at.last_steps
    if spec.gap_fill == "zero":
        last_step_S = np.full_like(last_step_S, last_step_S.max())
    span_S = last_step_S - at.first_steps + 1
    n_steps = -(-int(span_S.max()) // PAD_MULTIPLE_DAYS) * PAD_MULTIPLE_DAYS
    if n_steps * len(at.ids_S) > MAX_CELLS:
        row = at.rows.iloc[int(at.first_rows[span_S.argmax()])]
        raise ValueError(
            f"expected at most {MAX_CELLS} steps of history over all series, found {len(at.ids_S)} series of up to "
            f"{int(span_S.max())} steps of {freq}, {where(row)} the first; check freq"
        )
    y_ST, mask_ST = _values(at, last_step_S, n_steps, spec)
    outlier_ST, usual_S = outliers_of(y_ST, mask_ST)
    known_ST = y_ST
    if spec.outliers == "unknown" and outlier_ST.any():
        mask_ST &= ~outlier_ST
        known_ST = np.where(mask_ST, y_ST, 0.0)
    covariates, texts = extra_columns(at.rows)
    known = _known(at, last_step_S, (n_steps, horizon), covariates)
    cutoff = _cutoff(at.axis, last_step_S)
    batch = SkuBatch(
        np.array([str(i) for i in at.ids_S], dtype=object),
        torch.from_numpy(known_ST),
        torch.from_numpy(mask_ST),
        cutoff or _NO_CALENDAR,
        known,
        _traits(at, texts),
    )
    panel = Panel(batch, at.ids_S, last_step_S, at.axis, cutoff is not None)
    if outlier_ST.any():
        _warn_of_outliers(panel, y_ST, outlier_ST, usual_S, spec)
    if covariates:
        _add_future(panel, future, covariates, horizon)
    elif future is not None:
        raise ValueError("expected covariates in history as well as in future, found none in history")
    return panel


def _values(at: AlignedRows, last_step_S: np.ndarray, n_steps: int, spec: PanelSpec) -> tuple[np.ndarray, np.ndarray]:
    """(S, T) y, 0 where there is none, and where it counts as observed."""
    y_ST = np.zeros((len(at.ids_S), n_steps))
    mask_ST = np.zeros(y_ST.shape, dtype=bool)
    y_N, fills_zero = at.rows["y"].to_numpy(), spec.gap_fill == "zero"
    frame_kernel.place(at.edges, at.step_N, y_N, last_step_S, fills_zero, y_ST, mask_ST)
    if spec.leading_zeros == "unknown":
        sold_ST = np.logical_or.accumulate(y_ST > 0, axis=1)
        mask_ST &= sold_ST | ~sold_ST[:, -1:]
        y_ST[~mask_ST] = 0.0
    return y_ST, mask_ST


def _warn_of_gaps(at: AlignedRows, freq: str | int) -> None:
    """Say where so many steps lack a row that a forecast of a step with a row is not one of any step.

    Half the steps are many. So is a tenth in a series without a zero: it may list its selling days alone, and what it
    sells on a day would come out above the truth by that tenth.
    """
    n_rows_S, span_S = at.n_rows, at.last_steps - at.first_steps + 1
    absent_S = 1.0 - n_rows_S / span_S
    has_zero_S = np.logical_or.reduceat(at.rows["y"].to_numpy() == 0, at.first_rows)
    doubtful_S = absent_S > np.where(has_zero_S, _MANY_ABSENT, _MANY_ABSENT_WITHOUT_ZERO)
    if not doubtful_S.any():
        return
    s = int(np.where(doubtful_S, absent_S, 0.0).argmax())
    rows = at.rows.iloc[at.first_rows[s] : at.first_rows[s] + n_rows_S[s]]
    coarser = _coarser_freq(rows["ds"], at.step_N[at.first_rows[s] :][: n_rows_S[s]], freq)
    stamps = rows["ds"].iloc[[0, -1]].map(stamp_text).tolist()
    warnings.warn(
        f"{int(doubtful_S.sum())} of {len(span_S)} series have no row for many of their steps, most "
        f"{named(at.ids_S[s])}: {n_rows_S[s]} rows in {span_S[s]} steps of {freq} from {stamps[0]} to {stamps[1]}. "
        "They are taken as not observed, so that a forecast is of a step that has a row. Give gap_fill='zero' if "
        "nothing was sold on a step without a row, gap_fill='unknown' if it was not observed"
        + (f", or freq={coarser!r} if a row is all that was sold until the next" if coarser else ""),
        ForecastWarning,
        stacklevel=4,
    )


def _coarser_freq(ds: pd.Series, step_N: np.ndarray, freq: str | int) -> str | int | None:
    """The frequency at which the rows of a series, sorted, have no gap, if there is one."""
    if isinstance(freq, int | np.integer) or freq.isdigit():
        between = np.unique(np.diff(step_N))
        return int(between[0]) * int(freq) if len(between) == 1 else None
    for coarser in _COARSER:
        try:
            axis = TimeAxis.of(ds, coarser)
        except ValueError:
            continue
        is_anchored = coarser.endswith({"start": "S", "end": "E", "": ""}[axis.anchor])
        if is_anchored and (np.diff(axis.steps(ds)) == 1).all():
            return coarser
    return None


def _warn_of_outliers(
    panel: Panel, y_ST: np.ndarray, outlier_ST: np.ndarray, usual_S: np.ndarray, spec: PanelSpec
) -> None:
    series, column = np.nonzero(outlier_ST)
    y_N, usual_N = y_ST[series, column], usual_S[series]
    named_first = [
        f"{named(panel.ids_S[series[k]])} at {panel.stamp(series[k], column[k])}: {y_N[k]:,.10g} where else at most "
        f"{usual_N[k]:,.10g}"
        for k in np.argsort(-np.abs(y_N) / usual_N)[:3]
    ]
    done = "left out as not observed; give outliers='observed' to keep them"
    if spec.outliers == "observed":
        done = "kept; give outliers='unknown' to leave them out"
    warnings.warn(
        f"{len(series)} y in {len(np.unique(series))} of {len(usual_S)} series exceed {FACTOR:g} times what else their "
        f"series has seen, {'; '.join(named_first)}. They are {done}",
        ForecastWarning,
        stacklevel=4,
    )


def _cutoff(axis: TimeAxis, last_step_S: np.ndarray) -> date | None:
    """The true last day where steps are days and all series share it."""
    day = np.timedelta64(1, "D").astype("timedelta64[ns]").astype(int)
    if axis.unit == "fixed" and axis.size == day and (last_step_S == last_step_S[0]).all():
        return pd.Timestamp(axis.stamps(last_step_S[:1])[0]).date()
    return None


def _known(
    at: AlignedRows, last_step_S: np.ndarray, shape: tuple[int, int], covariates: list[str]
) -> Covariates | None:
    """Covariates over the batch's steps and those of the horizon, NaN where they have no row; `shape` is (T, H)."""
    if not covariates:
        return None
    values_SXK = np.full((len(at.ids_S), sum(shape), len(covariates)), np.nan)
    code_N = at.codes()
    column_N = shape[0] - 1 - (last_step_S[code_N] - at.step_N)
    for k, name in enumerate(covariates):
        values_SXK[code_N, column_N, k] = numbers_of(at.rows, name, "history")
    return Covariates(tuple(covariates), torch.from_numpy(values_SXK))


def _traits(at: AlignedRows, texts: list[str]) -> Traits | None:
    if not texts:
        return None
    code_N = at.codes()
    by_series = at.rows[texts].astype("string").groupby(code_N, sort=True)
    for name in texts:
        changes = np.flatnonzero((by_series[name].nunique() > 1).to_numpy())
        if changes.size:
            mine = at.rows[name][code_N == changes[0]].dropna().astype("string").unique()
            raise ValueError(
                f"expected {name} ({at.rows[name].dtype}) to be constant within a series, as a trait, found "
                f"{mine[0]!r} and {mine[1]!r} for {named(at.ids_S[changes[0]])}; turn it into numbers, as a covariate, "
                "or drop it"
            )
    first = by_series.first()
    return Traits.from_columns({n: [None if pd.isna(v) else str(v) for v in first[n]] for n in texts})


def _add_future(panel: Panel, future: pd.DataFrame | pa.Table | None, covariates: list[str], horizon: int) -> None:
    """Write the covariates of the steps ahead into the panel's own, freshly made tensor."""
    assert panel.batch.known is not None
    values_SXK = panel.batch.known.values_SXK
    if future is not None:
        rows, code, h = _ahead(panel, rows_of(future, "future", ("unique_id", "ds", *covariates)), horizon)
        for k, name in enumerate(covariates):
            values_SXK[code, panel.batch.n_days - 1 + h, k] = torch.from_numpy(numbers_of(rows, name, "future"))
    unknown = values_SXK[:, panel.batch.n_days :].isnan().any(2).any(1)
    if unknown.any():
        example = named(panel.ids_S[int(unknown.int().argmax())])
        warnings.warn(
            f"{int(unknown.sum())} of {len(unknown)} series have covariates ({', '.join(covariates)}) that are not "
            f"known for all steps ahead, such as {example}; give them in `future`, or models will go by what was last "
            "seen",
            ForecastWarning,
            stacklevel=4,
        )


def _ahead(panel: Panel, rows: pd.DataFrame, horizon: int) -> tuple[pd.DataFrame, np.ndarray, np.ndarray]:
    """The rows of `future` that lie ahead of a series, its position, and how many steps ahead."""
    code = pd.Index(panel.ids_S).get_indexer(rows["unique_id"])
    if (code < 0).all():
        raise ValueError(
            f"expected unique_ids of the history in future, found none of them; {rows['unique_id'].iloc[0]!r} there, "
            f"{panel.ids_S[0]!r} in the history"
        )
    rows, code = rows[code >= 0], code[code >= 0]
    try:
        h = panel.axis.steps(rows["ds"]) - panel.last_step_S[code]
    except OffGridError as error:
        raise of_series(error, rows, "future") from error
    ahead = (h >= 1) & (h <= horizon)
    rows, code, h = rows[ahead], code[ahead], h[ahead]
    twice = np.flatnonzero(pd.Series(code * (horizon + 1) + h).duplicated())
    if twice.size:
        row = rows.iloc[int(twice[0])]
        raise ValueError(f"expected one row per unique_id and ds in future, found two of {where(row)}; drop one")
    return rows, code, h
