"""The tables that a bucket's forecast consists of."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pyarrow as pa

from lakehouse.schema.columns import schema_of
from lakehouse.schema.tables import table_of
from udfs.demand.demand_profile import DEMAND_CLASSES, demand_statistics
from udfs.forecasting.forecast_spec import ForecastSpec
from udfs.forecasting.forecaster import Forecast
from udfs.forecasting.probability.error_correlation import Copula
from udfs.series.sku_batch import SkuBatch

CHAMPION = "forecast.champion"
FAILURE_SCHEMA = schema_of(("unique_id", "cutoff", "error_class", "error", "fallback"))


def demand_schema(spec: ForecastSpec) -> pa.Schema:
    """Columns of the demand table: its key, mean and sd in units a day, and one column per quantile."""
    return _numbered(("unique_id", "cutoff", "model", "ds"), spec)


def lead_time_schema(spec: ForecastSpec) -> pa.Schema:
    """Columns of the lead-time table: its key, mean and sd in units, and one column per quantile."""
    return _numbered(("unique_id", "cutoff", "days"), spec)


def _numbered(key: tuple[str, ...], spec: ForecastSpec) -> pa.Schema:
    """The levels may be others than the lakehouse stores: a quantile of any level is a number as the mean is."""
    numbers = schema_of(("mean", "sd"))
    return pa.schema(
        [*schema_of(key), *numbers, *(numbers.field("mean").with_name(q) for q in spec.quantile_columns())]
    )


def demand_table(batch: SkuBatch, forecast: Forecast, spec: ForecastSpec) -> pa.Table:
    """Rows of `demand_schema`, for a forecast of every series of the batch, with a choice."""
    assert forecast.choice is not None
    n_series, horizon = forecast.mean_SH.shape
    row_X = np.repeat(np.arange(n_series), horizon)
    ds_H = np.array(batch.horizon_dates(horizon), dtype="datetime64[D]")
    stored = forecast.conformed()
    quantile_SHQ = stored.quantile_SHQ.cpu().numpy()
    columns = [
        pa.array(batch.unique_ids, pa.string()).take(pa.array(row_X)),
        pa.array(np.full(len(row_X), np.datetime64(batch.cutoff, "D")), pa.date32()),
        pa.array(forecast.choice.name_S, pa.string()).take(pa.array(row_X)),
        pa.array(np.tile(ds_H, n_series), pa.date32()),
        pa.array(stored.mean_SH.cpu().numpy().ravel()),
        pa.array(forecast.sd_SH.cpu().numpy().ravel()),
        *(pa.array(quantile_SHQ[:, :, q].ravel()) for q in range(len(spec.quantiles))),
    ]
    return pa.table(columns, schema=demand_schema(spec))


def champion_table(
    batch: SkuBatch, forecast: Forecast, copula: Copula, doubts: Sequence[str | None], spec: ForecastSpec
) -> pa.Table:
    """Rows of forecast.champion, for a forecast of every series of the batch, with a choice.

    doubts: texts of `udfs.doubts`, one of each series.
    """
    choice = forecast.choice
    assert choice is not None
    class_S = demand_statistics(batch, spec.season_length, spec.min_history).class_S.cpu().numpy()
    columns = {
        "unique_id": batch.unique_ids,
        "cutoff": [batch.cutoff] * len(batch),
        "demand_class": np.array(DEMAND_CLASSES, dtype=object)[class_S],
        "model": choice.name_S,
        "rule": choice.rule_S,
        "runner_up": [name or None for name in choice.runner_up_S],
        "score": pa.array(choice.score_S, from_pandas=True),
        "runner_up_score": pa.array(choice.runner_up_score_S, from_pandas=True),
        "path_level": copula.level_S,
        "path_season": copula.season_S,
        "path_short": copula.short_S,
        "path_decay": copula.decay_S,
        "doubts": doubts,
    }
    return table_of(CHAMPION, columns)


def failure_table(batch: SkuBatch, rows: list[tuple[int, str, str, str]]) -> pa.Table:
    """Rows of `FAILURE_SCHEMA` from (position, error class, error, fallback)."""
    records = [(batch.unique_ids[at], batch.cutoff, *what) for at, *what in rows]
    columns = {name: [record[k] for record in records] for k, name in enumerate(FAILURE_SCHEMA.names)}
    return pa.table(columns, schema=FAILURE_SCHEMA)
