from __future__ import annotations

import dataclasses
from dataclasses import dataclass

import numpy as np

from tests.udfs.forecasting.series import batch_of
from udfs.forecasting.forecaster import Forecast
from udfs.forecasting.isolate import forecast_isolated
from udfs.forecasting.models.naive import HistoricMean
from udfs.series.sku_batch import SkuBatch


@dataclass(frozen=True)
class DropsADay:
    """Forecasts one day less than asked for wherever a series sells more than five units a day."""

    name: str = "drops_a_day"

    def forecast(self, batch: SkuBatch, horizon: int, quantiles: tuple[float, ...]) -> Forecast:
        full = HistoricMean().forecast(batch, horizon, quantiles)
        if not (full.mean_SH > 5).any():
            return full
        return dataclasses.replace(full, mean_SH=full.mean_SH[:, 1:], quantile_SHQ=full.quantile_SHQ[:, 1:])


def test_a_result_of_another_shape_costs_only_the_series_that_has_it() -> None:
    batch = batch_of({f"s{level}": np.full(20, float(level)) for level in (1, 9, 2, 3)})
    parts, failures = forecast_isolated(DropsADay(), batch, 4, (0.5, 0.9))
    assert sorted(int(at) for index, _ in parts for at in index) == [0, 1, 2]
    (failure,) = failures
    assert (failure.position, failure.error_class) == (3, "ValueError")
    assert failure.error == (
        "drops_a_day: expected quantile_SHQ of shape (1, 4, 2) and mean_SH of its first two, found (1, 3, 2) and (1, 3)"
    )
