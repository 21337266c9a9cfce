"""Forecasts from long frames: the functions that notebooks, tests and jobs share.

from udfs.forecasting import forecast
forecast(history, model="auto", horizon=28)
"""

from __future__ import annotations

import warnings
from dataclasses import replace
from typing import Literal, TypeVar

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
from udfs.forecasting.frame_panel import ForecastWarning, Panel, PanelSpec, panel_of
from udfs.forecasting.frame_rows import named
from udfs.forecasting.kernels.forecast_bucket import forecast_or_fall_back
from udfs.forecasting.probability.error_correlation import ErrorCorrelation
from udfs.forecasting.probability.paths import PathSource
from udfs.forecasting.probability.score_summary import ScoreSummary, demand_units
from udfs.series.season_length import find_season, natural_season
from udfs.series.series_threads import kernels_own_the_cores
from udfs.series.sku_batch import SkuBatch

Frame = TypeVar("Frame", pd.DataFrame, pa.Table)

REGULAR = ("ets", "theta", "arima", "lag_regression", "tsb", "sba", "historic_mean", "seasonal_naive")
INTERMITTENT = ("tsb", "count_trees", "ets", "theta", "arima", "lag_regression", "sba", "historic_mean")
"""Candidates of `auto` for smooth and erratic, and for intermittent and lumpy demand, best guess first."""
MAX_MEMBERS = 6
AUTO_SECONDS = 180.0
"""Nominal seconds on one core that `auto` may cost a frame, backtest included: candidates that the number of series and
steps would make dearer, the ARIMA first, are left out."""
_PRICED_CELLS = 1_000 * 391
"""Series times steps that the costs of the registry are for."""

PATH_LEVELS = (0.01, *QUANTILES)
"""Quantile levels that sample paths are drawn through."""


def forecast(
    history: Frame,
    model: str | Forecaster = "auto",
    horizon: int = 28,
    season_length: int | None = None,
    freq: str | int = "D",
    quantiles: tuple[float, ...] = QUANTILES,
    device: str = "auto",
    seed: int = 0,
    *,
    future: Frame | None = None,
    gap_fill: Literal["zero", "unknown"] | None = None,
    leading_zeros: Literal["observed", "unknown"] = "observed",
    outliers: Literal["observed", "unknown"] = "unknown",
) -> Frame:
    """Forecast every series of a long frame.

    Args:
        history: a pandas frame or Arrow table with columns unique_id, ds and y (units a step: integers, floats or
            decimals), one row per series and step, in any order. ds is dates, timestamps without a time zone, text with
            the year first, or whole numbers. A row whose y is missing is unobserved. Further columns are covariates
            (numbers and flags) or, where text, traits that are constant for a series.
        model: a registered name (`registry.names()`) or any `Forecaster`.
        horizon: steps to forecast after each series' own last row, with gap_fill="zero" after the last of all.
        season_length: steps of a season. None takes a week of days, a year of weeks, months or quarters, a day of
            hours, and 1, no season, where the series do not show it; a warning says so. For a whole number as freq it
            takes the clearest of `season_length.COUNTED`, with a warning, or 1.
        freq: D, W, MS, ME, QS, h, ..., or a whole number where ds counts steps; see `udfs.series.time_axis.SUPPORTED`.
        quantiles: increasing levels within (0, 1).
        device: "auto" (cuda where there is one), "cpu", "cuda" or "cuda:<n>".
        seed: of models that draw random numbers.
        future: the covariates of the steps ahead, with columns unique_id, ds and those of `history`.
        gap_fill: what a step without a row is: "zero" (nothing sold) or "unknown" (not observed). None takes it as
            unknown, and warns where most steps have no row.
        leading_zeros: whether zeros before a series' first sale are "observed", or "unknown" as it was not yet listed.
        outliers: whether a single value more than 20 times what else a series has seen, such as a barcode typed in
            place of units, is "unknown" and left out, or "observed" and kept. A warning names series, step and value.

    Returns:
        A frame of the kind of `history`, sorted by unique_id and ds: unique_id, ds, model (which made the row), mean,
        and a column per quantile named by its percent: p05, p10, p97_5. A series that the model could not forecast has
        the seasonal naive forecast, one that has no observation no rows; a `ForecastWarning` says which and why. Mean
        and quantiles are of one distribution as far as `Forecast.mean_bounds` can tell: a mean may lie above a high
        quantile where a few steps carry most of the demand, but not beyond what these steps can have been.

    Raises:
        ValueError: a column is missing or of the wrong kind, a series has two rows at one ds, ds is off the grid of
            `freq`, y is infinite, or an argument is out of range; the message says what was expected and found.
    """
    check_request(horizon, quantiles)
    panel = panel_of(history, freq, horizon, future, PanelSpec(gap_fill, leading_zeros, outliers))
    season_length = _season(panel, freq) if season_length is None else season_length
    spec = _spec(season_length, tuple(quantiles), device, panel.batch)
    index, made = _made(panel, _forecaster(model, spec, seed), horizon, spec)
    return _result(panel, index, made, quantiles, history)


def forecast_paths(
    history: Frame,
    model: str | Forecaster = "auto",
    horizon: int = 28,
    season_length: int | None = None,
    freq: str | int = "D",
    n_paths: int = 100,
    device: str = "auto",
    seed: int = 0,
    *,
    future: Frame | None = None,
    gap_fill: Literal["zero", "unknown"] | None = None,
    leading_zeros: Literal["observed", "unknown"] = "observed",
    outliers: Literal["observed", "unknown"] = "unknown",
) -> np.ndarray:
    """Joint sample paths of demand: what a whole horizon may look like, errors of its days going together.

    Arguments, warnings and errors are those of `forecast`, and `n_paths`, at least one. How errors go together is
    estimated by a backtest of the model on these series. The same seed gives the same paths, and a series' uniform
    numbers depend on its unique_id alone.

    Returns:
        (S, n_paths, H) units a step, S in the order of the sorted unique_ids; NaN for a series without a forecast.
    """
    check_request(horizon, PATH_LEVELS)
    if n_paths < 1:
        raise ValueError(f"expected at least one path, found n_paths={n_paths}")
    panel = panel_of(history, freq, horizon, future, PanelSpec(gap_fill, leading_zeros, outliers))
    season_length = _season(panel, freq) if season_length is None else season_length
    spec = _spec(season_length, PATH_LEVELS, device, panel.batch)
    forecaster = _forecaster(model, spec, seed)
    index, made = _made(panel, forecaster, horizon, spec)
    known = panel.batch.to(choose_device(device)).select(index)
    correlation = ErrorCorrelation.fit(_past_errors(forecaster, known, horizon, spec), spec.season_length)
    classes_S = demand_statistics(known, spec.season_length, spec.min_history).class_S
    copula = correlation.of(made.mean_SH, classes_S, demand_units(known.y_ST, known.mask_ST))
    source = PathSource.prepare(known.unique_ids, made.mean_SH, made.quantile_SHQ, PATH_LEVELS, copula, seed)
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


def _spec(season_length: int, quantiles: tuple[float, ...], device: str, batch: SkuBatch) -> ForecastSpec:
    cells = max(int(batch.mask_ST.sum()), 1)
    return ForecastSpec(
        season_length=season_length,
        quantiles=quantiles,
        min_history=min(8, 2 * season_length),
        device=device,
        regular_candidates=REGULAR,
        intermittent_candidates=INTERMITTENT,
        max_members=MAX_MEMBERS,
        budget_seconds=AUTO_SECONDS * _PRICED_CELLS / cells,
    )


def _season(panel: Panel, freq: str | int) -> int:
    """The season that the series show; a warning where it is not the one that their frequency has by the calendar."""
    found = find_season(panel.batch.y_ST.numpy(), panel.batch.mask_ST.numpy(), freq)
    if found.length != natural_season(freq):
        taken = f"season_length={found.length} is taken"
        if found.length == 1:
            said = (
                f"values a season of {found.asked} steps of {freq} apart do not go together ({found.correlation:.3f})"
            )
            said = f"{said}; {taken}, no season. Give season_length={found.asked} to keep it"
        else:
            said = f"values {found.length} steps apart go together ({found.correlation:.3f}); {taken}. Give"
            said += " season_length=1 if there is no season, or its length"
        warnings.warn(said, ForecastWarning, stacklevel=3)
    return found.length


def _forecaster(model: str | Forecaster, spec: ForecastSpec, seed: int) -> Forecaster:
    if not isinstance(model, str):
        return model
    torch.manual_seed(seed)
    return AutoForecaster.of(spec) if model == registry.AUTO else registry.make(model, spec)


def _made(panel: Panel, forecaster: Forecaster, horizon: int, spec: ForecastSpec) -> tuple[np.ndarray, Forecast]:
    """Positions with a forecast and that forecast, as it is handed on; what went wrong becomes a warning."""
    batch = panel.batch.to(choose_device(spec.device))
    index, made, failures = forecast_or_fall_back(forecaster, batch, horizon, spec)
    if failures.num_rows:
        said = "; ".join(_failure(panel, row) for row in failures.slice(0, 3).to_pylist())
        warnings.warn(f"{failures.num_rows} of {len(batch)} series failed: {said}", ForecastWarning, stacklevel=3)
    if made is None:
        raise ValueError(f"expected at least one observed y, found none in {len(batch)} series")
    with kernels_own_the_cores():
        made = made.conformed()
        low_SH, high_SH = made.mean_bounds(spec.quantiles, batch.select(index).y_ST.amax(1))
        bounded_SH = made.mean_SH.clamp(low_SH, high_SH)
        moved_SH = (bounded_SH != made.mean_SH).cpu().numpy()
    if moved_SH.any():
        s, h = np.argwhere(moved_SH)[0].tolist()
        low, high = made.quantile_SHQ[s, h, 0], made.quantile_SHQ[s, h, -1]
        warnings.warn(
            f"{int(moved_SH.any(1).sum())} of {len(batch)} series had means that their quantiles contradict, such as "
            f"{named(batch.unique_ids[index[s]])} at {panel.stamp(int(index[s]), batch.n_days + h)}: "
            f"{made.mean_SH[s, h]:.6g} beside quantiles from {low:.6g} to {high:.6g}; each was moved to the nearest "
            f"that they allow, here {bounded_SH[s, h]:.6g}",
            ForecastWarning,
            stacklevel=3,
        )
    return index, replace(made, mean_SH=bounded_SH)


def _failure(panel: Panel, row: dict[str, str]) -> str:
    """A failure in words that hold no day but the user's."""
    error = row["error"]
    if row["error_class"] == "NoObservation":
        error = "no observed demand in its rows"
    elif not panel.has_calendar:
        error = error.replace(str(panel.batch.cutoff), "no day, for these series have no last day in common")
    return f"{row['unique_id']}: {error} (fallback: {row['fallback']})"


def _result(panel: Panel, index: np.ndarray, made: Forecast, quantiles: tuple[float, ...], history: Frame) -> Frame:
    """The forecast as a long frame of the kind of `history`; an id or a name is one object for all its rows."""
    n_series, horizon = made.mean_SH.shape
    assert made.choice is not None
    step_SH = panel.last_step_S[index][:, None] + np.arange(1, horizon + 1)
    stamp_N = panel.axis.stamps(step_SH.ravel())
    number_CN = np.empty((1 + len(quantiles), n_series * horizon))
    number_CN[0] = made.mean_SH.cpu().numpy().ravel()
    number_CN[1:] = made.quantile_SHQ.cpu().numpy().reshape(-1, len(quantiles)).T
    names = ["mean", *(quantile_column(level) for level in quantiles)]
    ids_S, name_S = panel.ids_S[index], made.choice.name_S
    if isinstance(history, pa.Table):
        row_N = pa.array(np.repeat(np.arange(n_series), horizon))
        keys = {
            "unique_id": pa.array(ids_S).take(row_N),
            "ds": pa.array(stamp_N),
            "model": pa.array(name_S).take(row_N),
        }
        return pa.table(keys | dict(zip(names, map(pa.array, number_CN), strict=True)))
    ids = pd.Series(ids_S).astype(history["unique_id"].dtype).repeat(horizon).reset_index(drop=True)
    rows = {"unique_id": ids, "ds": stamp_N, "model": np.repeat(name_S, horizon)}
    return pd.DataFrame(rows | dict(zip(names, number_CN, strict=True)), copy=False)
