"""How wrong the chosen models have been on one bucket of series: what quantiles and paths are calibrated on.

The pure kernel between the backtest, which chooses, and the forecast, which is calibrated: each series' champion
forecasts the backtest's windows once more, and its errors are summed up by cell.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import date

import numpy as np
import pyarrow as pa
import torch

from lakehouse.schema.tables import contract, table_of
from udfs.demand.demand_profile import demand_statistics
from udfs.forecasting.choice.backtest import ForecasterSource, Windows, backtest_windows, forecaster_at
from udfs.forecasting.choice.champions import Champions
from udfs.forecasting.forecast_spec import ForecastSpec, choose_device
from udfs.forecasting.forecaster import Forecaster, check_request
from udfs.forecasting.kernels.forecast_bucket import BatchOf, Evidence, forecaster_for, sources_for
from udfs.forecasting.probability.score_summary import ScoreSummary, demand_units
from udfs.series.sku_batch import SkuBatch

ERROR_SUMMARY = "forecast.error_summary"


def calibrate_bucket(
    history: pa.Table,
    cutoffs: Sequence[date],
    horizon: int,
    spec: ForecastSpec | None = None,
    *,
    evidence: Evidence | None = None,
    forecasters: Mapping[str, ForecasterSource] | None = None,
    batch_of: BatchOf = SkuBatch.from_arrow,
) -> pa.Table:
    """The bucket's share of the error summary, as rows of forecast.error_summary.

    Args and errors are those of `forecast_bucket`: the models whose errors are summed up are the ones that it will
    forecast with. A series that its champion cannot forecast in a window does not count there.
    """
    spec = spec or ForecastSpec()
    if not cutoffs:
        raise ValueError("expected at least one cutoff, found none")
    check_request(horizon, spec.quantiles)
    device = choose_device(spec.device)
    sources = sources_for(spec, evidence, forecasters)
    parts = [contract(ERROR_SUMMARY).empty()]
    for cutoff in sorted(set(cutoffs)):
        batch = batch_of(history, cutoff, spec.max_history_days).to(device)
        if not len(batch):
            continue
        champions = forecaster_for(sources, batch, horizon, spec, evidence)
        windows = Windows.of(batch, spec.backtest().days_back(horizon), horizon, spec.min_history, spec.season_length)
        result = backtest_windows(_where_fitted(champions, sources), windows, spec.quantiles, champions.name)
        summary = ScoreSummary.from_backtest(
            result.mean_WSH,
            result.sd_WSH,
            windows.actual_WSH,
            result.mask_WSH,
            _classes(windows, spec),
            demand_units(batch.y_ST, batch.mask_ST),
        ).to_arrow()
        sums = dict(zip(summary.column_names, summary.columns, strict=True))
        parts.append(table_of(ERROR_SUMMARY, {"cutoff": [cutoff] * summary.num_rows, **sums}))
    return pa.concat_tables(parts)


def _where_fitted(champions: Forecaster, sources: Mapping[str, ForecasterSource]) -> ForecasterSource:
    """The champions, for windows whose cutoff every model in use was fitted for; a window without is left out."""

    used = list(sources)
    if isinstance(champions, Champions):
        used = [champions.selection.names[k] for k in np.flatnonzero(champions.selection.weight_SK.any(0))]

    def at(cutoff: date) -> Forecaster | None:
        return champions if all(forecaster_at(sources[name], cutoff) for name in used) else None

    return at


def _classes(windows: Windows, spec: ForecastSpec) -> torch.Tensor:
    """(W, S) demand classes as each window's cutoff saw them."""
    known = [windows.batch.until(days) for days in windows.days_back]
    classes = [demand_statistics(batch, spec.season_length, spec.min_history).class_S for batch in known]
    return torch.stack(classes) if classes else torch.zeros((0, len(windows.batch)), dtype=torch.long)
