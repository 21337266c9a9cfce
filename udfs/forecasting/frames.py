"""Forecasts from long frames: the functions that notebooks, tests and jobs share.

from udfs.forecasting import forecast
forecast(history, model="auto", horizon=28)
"""

from __future__ import annotations

import warnings
from dataclasses import dataclass, replace
from datetime import date
from typing import TypeVar

import numpy as np
import pandas as pd
import pyarrow as pa
import torch

from udfs.demand.demand_profile import demand_statistics
from udfs.forecasting import registry
from udfs.forecasting.choice.auto import AutoForecaster
from udfs.forecasting.choice.backtest import backtest
from udfs.forecasting.forecast_spec import QUANTILES, ForecastSpec, choose_device, quantile_column
from udfs.forecasting.forecaster import Forecast, Forecaster, check_request
from udfs.forecasting.kernels.forecast_bucket import forecast_or_fall_back
from udfs.forecasting.probability.error_correlation import ErrorCorrelation
from udfs.forecasting.probability.paths import PathSource
from udfs.forecasting.probability.score_summary import ScoreSummary, demand_units
from udfs.series.covariates import Covariates, Traits
from udfs.series.sku_batch import SkuBatch
from udfs.series.time_axis import TimeAxis

Frame = TypeVar("Frame", pd.DataFrame, pa.Table)

PATH_LEVELS = (0.01, *QUANTILES)
"""Quantile levels that sample paths are drawn through."""

_KEYS = ("unique_id", "ds", "y")
_EPOCH = date(1970, 1, 1)
_NO_CALENDAR_CUTOFF = date(2000, 1, 1)  # stands for the last step where steps are no days


class ForecastWarning(UserWarning):
    """Something that a reader of the forecast should know: fallbacks, series without one, covariates that end."""


@dataclass(frozen=True, slots=True)
class Panel:
    """Long rows as a batch, with what it takes to name its series and steps again.

    Attributes:
        batch: S series, each with its own last row in the last column.
        ids_S: the series' ids as they were given, sorted.
        last_step_S: (S,) step of each series' last row on `axis`.
    """

    batch: SkuBatch
    ids_S: np.ndarray
    last_step_S: np.ndarray
    axis: TimeAxis


def forecast(
    history: Frame,
    model: str | Forecaster = "auto",
    horizon: int = 28,
    season_length: int = 7,
    freq: str | int = "D",
    quantiles: tuple[float, ...] = QUANTILES,
    device: str = "auto",
    seed: int = 0,
    *,
    future: Frame | None = None,
) -> Frame:
    """Forecast every series of a long frame.

    Args:
        history: a pandas frame or Arrow table with columns unique_id, ds and y (units a step), one row per series and
            step, in any order. Steps without a row and rows whose y is missing are unobserved, not zero. Further
            columns are covariates (numbers and flags) or, where text, traits that are constant for a series.
        model: a registered name (`registry.names()`) or any `Forecaster`.
        horizon: steps to forecast after each series' own last row.
        season_length: steps of a season: 7 for days, 12 for months, 24 for hours.
        freq: D, W, MS, ME, QS, h, ..., or a whole number where ds counts steps; see `udfs.series.time_axis.SUPPORTED`.
        quantiles: increasing levels within (0, 1).
        device: "auto" (cuda where there is one), "cpu", "cuda" or "cuda:<n>".
        seed: of models that draw random numbers.
        future: the covariates of the steps ahead, with columns unique_id, ds and those of `history`.

    Returns:
        A frame of the kind of `history`, sorted by unique_id and ds: unique_id, ds, model (which made the row), mean,
        and a column per quantile named by its percent: p05, p10, p97_5. A series that the model could not forecast has
        the seasonal naive forecast, one that has no observation no rows; a `ForecastWarning` says which and why.

    Raises:
        ValueError: a column is missing or of the wrong kind, a series has two rows at one ds, ds is off the grid of
            `freq`, y is infinite, or an argument is out of range; the message says what was expected and found.
    """
    check_request(horizon, quantiles)
    spec = _spec(season_length, tuple(quantiles), device)
    panel = panel_of(history, freq, horizon, future)
    index, made = _made(panel, _forecaster(model, spec, seed), horizon, spec)
    table = _result_table(panel, index, made, quantiles)
    return _as_given(table, history, panel)


def forecast_paths(
    history: Frame,
    model: str | Forecaster = "auto",
    horizon: int = 28,
    season_length: int = 7,
    freq: str | int = "D",
    n_paths: int = 100,
    device: str = "auto",
    seed: int = 0,
    *,
    future: Frame | None = None,
) -> np.ndarray:
    """Joint sample paths of demand: what a whole horizon may look like, errors of its days going together.

    Arguments and errors are those of `forecast`, and `n_paths`, at least one. How errors go together is estimated by a
    backtest of the model on these series. The same seed gives the same paths, and a series' uniform numbers depend on
    its unique_id alone.

    Returns:
        (S, n_paths, H) units a step, S in the order of the sorted unique_ids; NaN for a series without a forecast.
    """
    check_request(horizon, PATH_LEVELS)
    if n_paths < 1:
        raise ValueError(f"expected at least one path, found n_paths={n_paths}")
    spec = _spec(season_length, PATH_LEVELS, device)
    panel = panel_of(history, freq, horizon, future)
    forecaster = _forecaster(model, spec, seed)
    index, made = _made(panel, forecaster, horizon, spec)
    known = panel.batch.to(choose_device(device)).select(index)
    correlation = ErrorCorrelation.fit(_past_errors(forecaster, known, horizon, spec), season_length)
    classes_S = demand_statistics(known, season_length, spec.min_history).class_S
    copula = correlation.of(made.mean_SH, classes_S, demand_units(known.y_ST, known.mask_ST))
    told = made.conformed()
    source = PathSource.prepare(known.unique_ids, told.mean_SH, told.quantile_SHQ, PATH_LEVELS, copula, seed)
    path_SNH = np.full((len(panel.batch), n_paths, horizon), np.nan)
    path_SNH[index] = source.draw(n_paths, known.device).cpu().numpy()
    return path_SNH


def _past_errors(forecaster: Forecaster, batch: SkuBatch, horizon: int, spec: ForecastSpec) -> ScoreSummary:
    """Errors of the model in the windows of a backtest; for `auto` those of the models that it chooses."""
    if isinstance(forecaster, AutoForecaster):
        return forecaster.select(batch, horizon, spec.quantiles)[1]
    tested = backtest(forecaster, batch, horizon, spec.quantiles, spec.backtest(), spec.season_length)
    classes_S = demand_statistics(batch, spec.season_length, spec.min_history).class_S
    actual_WSH, units_S = tested.windows.actual_WSH, demand_units(batch.y_ST, batch.mask_ST)
    return ScoreSummary.from_backtest(tested.mean_WSH, tested.sd_WSH, actual_WSH, tested.mask_WSH, classes_S, units_S)


def panel_of(
    history: pd.DataFrame | pa.Table, freq: str | int, horizon: int, future: pd.DataFrame | pa.Table | None = None
) -> Panel:
    """Check long rows and align them at each series' last one. See `forecast` for arguments and errors.

    Where ds counts days and all series end on one, the batch has its true cutoff, which models with a calendar need.
    """
    rows = _checked_rows(history, "history", _KEYS)
    axis = TimeAxis.of(rows["ds"], freq)
    step = axis.steps(rows["ds"])
    code, ids_S = pd.factorize(rows["unique_id"], sort=True)
    order = np.lexsort((step, code))
    rows, code, step = rows.iloc[order], code[order], step[order]
    twice = np.flatnonzero((np.diff(code) == 0) & (np.diff(step) == 0))
    if twice.size:
        row = rows.iloc[int(twice[0])]
        raise ValueError(
            f"expected one row per unique_id and ds, found two of {row['unique_id']!r} at {row['ds']}; aggregate first"
        )
    last_step_S = np.maximum.reduceat(step, np.flatnonzero(np.diff(code, prepend=-1)))
    cutoff = _cutoff(axis, last_step_S)
    day = (cutoff - _EPOCH).days - (last_step_S[code] - step)
    if day.min() < np.iinfo(np.int32).min:
        raise ValueError(f"expected fewer than {2**31} steps of history, found {int(step.max() - step.min())}")
    y = pd.to_numeric(rows["y"]).to_numpy(dtype=float, na_value=np.nan)
    places = pa.array([f"{place:010d}" for place in range(len(ids_S))])  # sort as the ids do
    table = pa.table(
        {
            "unique_id": pa.DictionaryArray.from_arrays(pa.array(code.astype(np.int32)), places),
            "ds": pa.array(day.astype(np.int32)).cast(pa.date32()),
            "y": y,
        }
    )
    batch = replace(SkuBatch.from_arrow(table, cutoff), unique_ids=np.array([str(i) for i in ids_S], dtype=object))
    numbers, texts = _extra_columns(rows)
    position = np.clip(batch.n_days - 1 - (last_step_S[code] - step), 0, None)
    known = _known(batch, (rows, code, position), numbers, horizon)
    panel = Panel(replace(batch, known=known, traits=_traits(rows, code, texts)), np.asarray(ids_S), last_step_S, axis)
    if numbers:
        _add_future(panel, future, numbers, horizon)
    elif future is not None:
        raise ValueError("expected covariates in history as well as in future, found none in history")
    return panel


def _spec(season_length: int, quantiles: tuple[float, ...], device: str) -> ForecastSpec:
    short = min(14, 2 * season_length)
    return ForecastSpec(season_length=season_length, quantiles=quantiles, min_history=short, device=device)


def _forecaster(model: str | Forecaster, spec: ForecastSpec, seed: int) -> Forecaster:
    if not isinstance(model, str):
        return model
    torch.manual_seed(seed)
    return AutoForecaster.of(spec) if model == registry.AUTO else registry.make(model, spec)


def _made(panel: Panel, forecaster: Forecaster, horizon: int, spec: ForecastSpec) -> tuple[np.ndarray, Forecast]:
    """Positions with a forecast and that forecast; what went wrong becomes a warning."""
    batch = panel.batch.to(choose_device(spec.device))
    index, made, failures = forecast_or_fall_back(forecaster, batch, horizon, spec)
    if failures.num_rows:
        first = failures.slice(0, 3).to_pylist()
        said = "; ".join(f"{row['unique_id']}: {row['error']} (fallback: {row['fallback']})" for row in first)
        warnings.warn(f"{failures.num_rows} of {len(batch)} series failed: {said}", ForecastWarning, stacklevel=3)
    if made is None:
        raise ValueError(f"expected at least one observed y, found none in {len(batch)} series")
    return index, made


def _checked_rows(frame: pd.DataFrame | pa.Table, name: str, keys: tuple[str, ...]) -> pd.DataFrame:
    rows = frame.to_pandas() if isinstance(frame, pa.Table) else frame
    if not isinstance(rows, pd.DataFrame):
        raise ValueError(f"expected {name} as a pandas frame or an Arrow table, found {type(frame).__name__}")
    missing = [key for key in keys if key not in rows.columns]
    if missing:
        raise ValueError(f"expected columns {', '.join(keys)} in {name}, found no {', '.join(missing)}; rename yours")
    if rows.empty:
        raise ValueError(f"expected at least one row in {name}, found none")
    for key in keys[:2]:
        if rows[key].isna().any():
            raise ValueError(f"expected {key} on every row of {name}, found {int(rows[key].isna().sum())} missing")
    if "y" in keys:
        if not pd.api.types.is_numeric_dtype(rows["y"]):
            raise ValueError(f"expected numbers in y, found {rows['y'].dtype}; convert it first")
        infinite = np.isinf(rows["y"].to_numpy(dtype=float, na_value=np.nan))
        if infinite.any():
            raise ValueError(f"expected finite y, found infinity for {rows['unique_id'][infinite].iloc[0]!r}")
    return rows


def _cutoff(axis: TimeAxis, last_step_S: np.ndarray) -> date:
    """The true last day where steps are days and all series share it."""
    day = np.timedelta64(1, "D").astype("timedelta64[ns]").astype(int)
    if axis.unit == "fixed" and axis.size == day and (last_step_S == last_step_S[0]).all():
        return pd.Timestamp(axis.stamps(last_step_S[:1])[0]).date()
    return _NO_CALENDAR_CUTOFF


def _extra_columns(rows: pd.DataFrame) -> tuple[list[str], list[str]]:
    """Covariates and traits, in the order of the columns."""
    extra = [str(c) for c in rows.columns if c not in _KEYS]
    numbers = [c for c in extra if pd.api.types.is_numeric_dtype(rows[c])]
    return numbers, [c for c in extra if c not in numbers]


def _known(
    batch: SkuBatch, at: tuple[pd.DataFrame, np.ndarray, np.ndarray], numbers: list[str], horizon: int
) -> Covariates | None:
    if not numbers:
        return None
    rows, code, position = at
    values_SXK = np.full((len(batch), batch.n_days + horizon, len(numbers)), np.nan)
    for k, name in enumerate(numbers):
        values_SXK[code, position, k] = rows[name].to_numpy(dtype=float, na_value=np.nan)
    return Covariates(tuple(numbers), torch.from_numpy(values_SXK))


def _traits(rows: pd.DataFrame, code: np.ndarray, texts: list[str]) -> Traits | None:
    if not texts:
        return None
    by_series = rows[texts].astype("string").groupby(code, sort=True)
    varying = [name for name in texts if (by_series[name].nunique() > 1).any()]
    if varying:
        raise ValueError(
            f"expected the text columns {varying} to be constant within a series, as traits; found series where they "
            "change: turn them into numeric covariates or drop them"
        )
    first = by_series.first()
    return Traits.from_columns({n: [None if pd.isna(v) else str(v) for v in first[n]] for n in texts})


def _add_future(panel: Panel, future: pd.DataFrame | pa.Table | None, numbers: list[str], horizon: int) -> None:
    """Write the covariates of the steps ahead into the panel's own, freshly made tensor."""
    assert panel.batch.known is not None
    values_SXK = panel.batch.known.values_SXK
    if future is not None:
        rows = _checked_rows(future, "future", ("unique_id", "ds", *numbers))
        code = pd.Index(panel.ids_S).get_indexer(rows["unique_id"])
        rows, code = rows[code >= 0], code[code >= 0]
        h = panel.axis.steps(rows["ds"]) - panel.last_step_S[code]
        ahead = (h >= 1) & (h <= horizon)
        for k, name in enumerate(numbers):
            values = torch.from_numpy(rows[name].to_numpy(dtype=float, na_value=np.nan)[ahead])
            values_SXK[code[ahead], panel.batch.n_days - 1 + h[ahead], k] = values
    unknown = values_SXK[:, panel.batch.n_days :].isnan().any(2).any(1)
    if unknown.any():
        warnings.warn(
            f"{int(unknown.sum())} of {len(unknown)} series have covariates ({', '.join(numbers)}) that are not known "
            "for all steps ahead; give them in `future`, or models will go by what was last seen",
            ForecastWarning,
            stacklevel=4,
        )


def _result_table(panel: Panel, index: np.ndarray, made: Forecast, quantiles: tuple[float, ...]) -> pd.DataFrame:
    horizon = made.mean_SH.shape[1]
    assert made.choice is not None
    step_SH = panel.last_step_S[index][:, None] + np.arange(1, horizon + 1)
    told = made.conformed()
    quantile_SHQ = told.quantile_SHQ.cpu().numpy()
    columns = {
        "unique_id": np.repeat(panel.ids_S[index], horizon),
        "ds": panel.axis.stamps(step_SH.ravel()),
        "model": np.repeat(made.choice.name_S, horizon),
        "mean": told.mean_SH.cpu().numpy().ravel(),
    }
    columns |= {quantile_column(level): quantile_SHQ[:, :, q].ravel() for q, level in enumerate(quantiles)}
    return pd.DataFrame(columns)


def _as_given(table: pd.DataFrame, history: Frame, panel: Panel) -> Frame:
    if isinstance(history, pa.Table):
        return pa.Table.from_pandas(table, preserve_index=False).replace_schema_metadata(None)
    return table.astype({"unique_id": history["unique_id"].dtype})
