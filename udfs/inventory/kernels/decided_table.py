"""The demand that orders went by where a planner decided it, beside the model's, as a table."""

from __future__ import annotations

from datetime import date
from typing import TYPE_CHECKING

import numpy as np
import pyarrow as pa

from lakehouse.schema.tables import contract, table_of
from lakehouse.schema.tables.column_groups import QUANTILES
from udfs.forecasting.forecast_spec import quantile_column
from udfs.inventory.kernels.plan_tables import DECIDED
from udfs.inventory.kernels.planning_inputs import ForecastInput, PathTerms

if TYPE_CHECKING:
    from udfs.inventory.kernels.planned_series import Planned


def decided_table(planned: Planned, by_model: ForecastInput, as_of: date, terms: PathTerms) -> pa.Table:
    """Rows of inventory.decided_demand: every day of the horizon of each series of which a day was decided."""
    decided = planned.decided
    if decided is None:
        return contract(DECIDED).empty()
    rows = np.flatnonzero(decided.is_decided.any(1))
    forecast, paths = planned.forecast.take(rows), planned.situation.paths.take(rows)
    n_series, horizon = paths.mean_SH.shape
    days = np.datetime64(as_of, "D") + np.arange(1, horizon + 1)
    until_p90 = np.quantile(np.cumsum(paths.path_SNH, axis=2), 0.9, axis=1)
    columns = {
        "unique_id": np.repeat(forecast.unique_id_S, horizon),
        "cutoff": [as_of] * (n_series * horizon),
        "ds": pa.array(np.tile(days, n_series), pa.date32()),
        "decision_id": decided.decision_SH[rows, :horizon].ravel(),
        "mean": forecast.mean_SH.ravel(),
        "sd": forecast.sd_SH.ravel(),
        "model_mean": by_model.mean_SH[rows, :horizon].ravel(),
        "until_p90": until_p90.ravel(),
    }
    stored = {quantile_column(level): q for q, level in enumerate(terms.levels)}
    for name in QUANTILES:
        known = name in stored
        columns[name] = (
            forecast.quantile_SHQ[:, :, stored[name]].ravel() if known else pa.nulls(n_series * horizon, pa.float64())
        )
    return table_of(DECIDED, columns)
