"""The tables that a bucket's forecast consists of."""

from __future__ import annotations

import numpy as np
import pyarrow as pa

from udfs.forecasting.forecast_spec import ForecastSpec
from udfs.forecasting.forecaster import Forecast
from udfs.forecasting.probability.error_correlation import Copula
from udfs.series.sku_batch import SkuBatch

CHAMPION_SCHEMA = pa.schema(
    [
        ("unique_id", pa.string()),
        ("cutoff", pa.date32()),
        ("model", pa.string()),
        ("rule", pa.string()),
        ("runner_up", pa.string()),
        ("score", pa.float64()),
        ("runner_up_score", pa.float64()),
        ("path_level", pa.float64()),
        ("path_season", pa.float64()),
        ("path_short", pa.float64()),
        ("path_decay", pa.float64()),
    ]
)
FAILURE_SCHEMA = pa.schema(
    [
        ("unique_id", pa.string()),
        ("cutoff", pa.date32()),
        ("error_class", pa.string()),
        ("error", pa.string()),
        ("fallback", pa.string()),
    ]
)


def demand_schema(spec: ForecastSpec) -> pa.Schema:
    """Columns of the demand table: its key, mean and sd in units a day, and one column per quantile."""
    numbers = ["mean", "sd", *spec.quantile_columns()]
    return pa.schema(
        [
            ("unique_id", pa.string()),
            ("cutoff", pa.date32()),
            ("model", pa.string()),
            ("ds", pa.date32()),
            *((name, pa.float64()) for name in numbers),
        ]
    )


def lead_time_schema(spec: ForecastSpec) -> pa.Schema:
    """Columns of the lead-time table: its key, mean and sd in units, and one column per quantile."""
    numbers = ["mean", "sd", *spec.quantile_columns()]
    key = [("unique_id", pa.string()), ("cutoff", pa.date32()), ("days", pa.int32())]
    return pa.schema([*key, *((name, pa.float64()) for name in numbers)])


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


def champion_table(batch: SkuBatch, forecast: Forecast, copula: Copula) -> pa.Table:
    """Rows of `CHAMPION_SCHEMA`, for a forecast of every series of the batch, with a choice."""
    choice = forecast.choice
    assert choice is not None
    columns = [
        pa.array(batch.unique_ids, pa.string()),
        pa.array([batch.cutoff] * len(batch), pa.date32()),
        pa.array(choice.name_S, pa.string()),
        pa.array(choice.rule_S, pa.string()),
        pa.array([name or None for name in choice.runner_up_S], pa.string()),
        pa.array(choice.score_S, pa.float64(), from_pandas=True),
        pa.array(choice.runner_up_score_S, pa.float64(), from_pandas=True),
        *(pa.array(x_S) for x_S in (copula.level_S, copula.season_S, copula.short_S, copula.decay_S)),
    ]
    return pa.table(columns, schema=CHAMPION_SCHEMA)


def failure_table(batch: SkuBatch, rows: list[tuple[int, str, str, str]]) -> pa.Table:
    """Rows of `FAILURE_SCHEMA` from (position, error class, error, fallback)."""
    columns = [
        pa.array([batch.unique_ids[at] for at, *_ in rows], pa.string()),
        pa.array([batch.cutoff] * len(rows), pa.date32()),
        *(pa.array([row[k] for row in rows], pa.string()) for k in (1, 2, 3)),
    ]
    return pa.table(columns, schema=FAILURE_SCHEMA)
