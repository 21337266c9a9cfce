"""Forecast one bucket of series: Arrow tables in, Arrow tables out.

This is the pure kernel that a worker calls. It reads nothing, writes nothing and knows no engine.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date

import numpy as np
import pyarrow as pa

from lakehouse.schema.tables import contract
from udfs.contest.choice import Choice, Selection, select
from udfs.contest.scores import WindowScores
from udfs.demand.demand_profile import demand_profile, demand_statistics
from udfs.forecasting import registry
from udfs.forecasting.choice.backtest import ForecasterSource, forecaster_at
from udfs.forecasting.choice.champions import Champions
from udfs.forecasting.forecast_spec import ForecastSpec, choose_device
from udfs.forecasting.forecaster import Forecast, Forecaster, check_request, merge
from udfs.forecasting.isolate import SeriesFailure, forecast_isolated
from udfs.forecasting.kernels.forecast_tables import (
    CHAMPION,
    FAILURE_SCHEMA,
    champion_table,
    demand_schema,
    demand_table,
    failure_table,
    lead_time_schema,
)
from udfs.forecasting.models.naive import SeasonalNaive
from udfs.forecasting.probability.error_correlation import Copula
from udfs.forecasting.probability.error_model import ErrorModel
from udfs.forecasting.probability.lead_time import lead_time_demand
from udfs.forecasting.probability.paths import PathSource
from udfs.forecasting.sound_forecast import sound_forecast
from udfs.series.sku_batch import SkuBatch

BatchOf = Callable[[pa.Table, date, int | None], SkuBatch]
"""(history, cutoff, max_history) -> batch: `SkuBatch.from_arrow`, or one that adds covariates and traits."""


@dataclass(frozen=True, slots=True)
class Evidence:
    """What a backtest has found, for `auto` to choose by.

    Attributes:
        backtest: rows of `backtest_bucket.backtest_schema`; those of other series are ignored.
        class_summary: `selection.merge_class_summaries` of all buckets.
        errors: by cutoff, what the chosen models' past errors say; a cutoff without keeps its forecast as it is.
    """

    backtest: pa.Table
    class_summary: pa.Table
    errors: Mapping[date, ErrorModel] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class BucketForecast:
    """Results for one bucket, sorted by unique_id within each cutoff.

    Attributes:
        demand: see `demand_schema`; `model` is the model that made the row, for the champion the same as in
            `champion`, so that the two join on (unique_id, cutoff, model).
        lead_time: demand over the first 1, 2, ... days of the horizon, from sample paths with the champion's quantiles.
        champion: one row per series and cutoff with a forecast.
        profile: `demand_profile` at the last cutoff.
        failures: series without a forecast from the model asked for; `fallback` names the model whose forecast stands
            in `demand` instead, "none" where there is no forecast at all.
    """

    demand: pa.Table
    lead_time: pa.Table
    champion: pa.Table
    profile: pa.Table
    failures: pa.Table


def forecast_bucket(
    history: pa.Table,
    cutoffs: Sequence[date],
    horizon: int,
    spec: ForecastSpec | None = None,
    *,
    evidence: Evidence | None = None,
    forecasters: Mapping[str, ForecasterSource] | None = None,
    batch_of: BatchOf = SkuBatch.from_arrow,
) -> BucketForecast:
    """Forecast every series of a bucket at every cutoff.

    Args:
        history: columns unique_id, ds, y, sorted by (unique_id, ds); what others mean is up to `batch_of`.
        cutoffs: last known days; results come in rising order. A series that starts after a cutoff has no rows there.
        horizon: days to forecast after each cutoff.
        spec: the model and its settings; the default is `ForecastSpec()`.
        evidence: what `auto` chooses by, and what quantiles are calibrated on. Without it, `auto` takes the route of
            each series' demand class.
        forecasters: models beside the registered ones, by name; a function gives the model for a cutoff.
        batch_of: what makes a batch of the history.

    On days on which the batch says that a series is closed, mean, sd and quantiles are 0 whatever the model says.
    Every series with a row on or before a cutoff ends in `demand` or in `failures` (or in both: a fallback).

    Raises:
        ValueError: no cutoff, a bad horizon, an unknown model or device, or history that `SkuBatch.from_arrow` refuses.
    """
    spec = spec or ForecastSpec()
    if not cutoffs:
        raise ValueError("expected at least one cutoff, found none")
    check_request(horizon, spec.quantiles)
    device = choose_device(spec.device)
    sources = sources_for(spec, evidence, forecasters)
    benchmark = registry.make(spec.benchmark, spec) if spec.benchmark else None
    ordered = sorted(set(cutoffs))
    demand, lead_time, champion, failures = [], [], [], []
    for cutoff in ordered:
        batch = batch_of(history, cutoff, spec.max_history_days).to(device)
        forecaster = forecaster_for(sources, batch, horizon, spec, evidence)
        index, forecast, failure_rows = forecast_or_fall_back(forecaster, batch, horizon, spec)
        failures.append(failure_rows)
        if forecast is not None:
            known = batch.select(index)
            forecast, copula, doubts = _with_errors(forecast, known, spec, evidence)
            champions = demand_table(known, forecast, spec)
            champion.append(champion_table(known, forecast, copula, doubts, spec))
            lead_time.append(_lead_time_table(known, forecast, copula, spec))
            if benchmark is not None and cutoff != ordered[-1]:
                champions = _with_benchmark(champions, benchmark, batch, horizon, spec)
            demand.append(champions)
    profile = demand_profile(batch, spec.season_length, spec.min_history)
    return BucketForecast(
        demand=pa.concat_tables([demand_schema(spec).empty_table(), *demand]),
        lead_time=pa.concat_tables([lead_time_schema(spec).empty_table(), *lead_time]),
        champion=pa.concat_tables([contract(CHAMPION).empty(), *champion]),
        profile=profile,
        failures=pa.concat_tables([FAILURE_SCHEMA.empty_table(), *failures]),
    )


def _with_errors(
    forecast: Forecast, batch: SkuBatch, spec: ForecastSpec, evidence: Evidence | None
) -> tuple[Forecast, Copula, list[str | None]]:
    """The forecast as past errors correct it, 0 on closed days; how its days go together; what is doubtful of it."""
    errors = evidence.errors.get(batch.cutoff) if evidence else None
    corrected, copula = errors.apply(forecast, batch, spec) if errors else (forecast, Copula.independent(len(batch)))
    sound, doubts = sound_forecast(corrected, forecast, spec.quantiles)
    return sound.closed_on(batch.closed_SH), copula, doubts


def sources_for(
    spec: ForecastSpec, evidence: Evidence | None, forecasters: Mapping[str, ForecasterSource] | None
) -> dict[str, ForecasterSource]:
    if spec.model != "auto":
        return registry.make_all([spec.model], spec, forecasters)
    routes = registry.make_all(["class_route"], spec)
    if evidence is None:
        return routes
    names = (name for names in spec.candidates().values() for name in names)
    return registry.make_all(names, spec, forecasters) | routes


def forecaster_for(
    sources: Mapping[str, ForecasterSource],
    batch: SkuBatch,
    horizon: int,
    spec: ForecastSpec,
    evidence: Evidence | None,
) -> Forecaster:
    """The model asked for, as of the batch's cutoff; for `auto` what the evidence until then has chosen."""
    if spec.model == "auto" and evidence is not None:
        route = sources["class_route"]
        assert isinstance(route, Forecaster)
        selection = _select(batch, horizon, spec, evidence)
        return Champions(batch.unique_ids, selection, sources, route)
    name = "class_route" if spec.model == "auto" else spec.model
    model = forecaster_at(sources[name], batch.cutoff)
    if model is None:
        raise ValueError(f"expected a model {name!r} for the cutoff {batch.cutoff}, found none; fit or bring one")
    return model


def _select(batch: SkuBatch, horizon: int, spec: ForecastSpec, evidence: Evidence) -> Selection:
    class_S = demand_statistics(batch, spec.season_length, spec.min_history).class_S.cpu().numpy()
    windows = spec.backtest().cutoffs(batch.cutoff, horizon)
    scores = WindowScores.from_rows(evidence.backtest, batch.unique_ids, "model", spec.score, windows)
    return select(scores, class_S, evidence.class_summary, batch.cutoff, spec.selection(spec.candidates()))


def forecast_or_fall_back(
    forecaster: Forecaster, batch: SkuBatch, horizon: int, spec: ForecastSpec
) -> tuple[np.ndarray, Forecast | None, pa.Table]:
    """Positions with a forecast, that forecast (None where there is not one), and the rows of `failures`."""
    observed = np.asarray(batch.mask_ST.cpu().numpy().any(1))
    index = np.flatnonzero(observed)
    parts, failed = forecast_isolated(forecaster, batch.select(index), horizon, spec.quantiles)
    parts = [(index[at], forecast) for at, forecast in parts]
    failed = [SeriesFailure(int(index[f.position]), f.error_class, f.error) for f in failed]

    rescued: set[int] = set()
    fallback = SeasonalNaive(spec.season_length)
    if failed:
        positions = np.array([f.position for f in failed])
        fallback_parts, _ = forecast_isolated(fallback, batch.select(positions), horizon, spec.quantiles)
        classes = np.array([f"fallback: the chosen model ended in {f.error_class}" for f in failed], dtype=object)
        for at, forecast in fallback_parts:
            choice = Choice.decided(len(at), fallback.name, "", forecast.score_S.cpu().numpy())
            choice.rule_S[:] = classes[at]
            parts.append((positions[at], forecast.with_choice(choice)))
            rescued.update(positions[at].tolist())

    rows = [(f.position, f.error_class, f.error, fallback.name if f.position in rescued else "none") for f in failed]
    rows += [
        (
            int(at),
            "NoObservation",
            f"no observed demand in the {spec.max_history_days} days up to {batch.cutoff}",
            "none",
        )
        for at in np.flatnonzero(~observed)
    ]
    failures = failure_table(batch, sorted(rows))
    if not parts:
        return np.empty(0, dtype=np.int64), None, failures
    merged_index, merged = merge(parts)
    return merged_index, merged, failures


def _with_benchmark(
    champions: pa.Table, benchmark: Forecaster, batch: SkuBatch, horizon: int, spec: ForecastSpec
) -> pa.Table:
    """The champions' rows, and the benchmark's for series whose champion is another model (a key must be unique)."""
    is_benchmark = champions["model"].to_numpy() == benchmark.name
    has_row = set(champions["unique_id"].to_numpy()[is_benchmark])
    wanted = [at for at in range(len(batch)) if batch.unique_ids[at] not in has_row]
    observed = np.asarray(batch.mask_ST.cpu().numpy().any(1))
    index = np.array([at for at in wanted if observed[at]], dtype=np.int64)
    parts, _ = forecast_isolated(benchmark, batch.select(index), horizon, spec.quantiles)
    if not parts:
        return champions
    at, forecast = merge(parts)
    named = forecast.with_choice(Choice.decided(len(at), benchmark.name, "benchmark"))
    known = batch.select(index[at])
    return pa.concat_tables([champions, demand_table(known, named.closed_on(known.closed_SH), spec)])


def _lead_time_table(batch: SkuBatch, forecast: Forecast, copula: Copula, spec: ForecastSpec) -> pa.Table:
    """Rows of `lead_time_schema`, from what `demand_table` and `champion_table` store."""
    stored = forecast.conformed()
    source = PathSource.prepare(
        batch.unique_ids, stored.mean_SH, stored.quantile_SHQ, spec.quantiles, copula, spec.seed
    )
    return lead_time_demand(source, batch.cutoff, spec.quantiles).cast(lead_time_schema(spec))
