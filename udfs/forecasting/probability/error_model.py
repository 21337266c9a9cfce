"""What past errors say of a forecast: calibrated quantiles, and how the errors of its days go together."""

from __future__ import annotations

from dataclasses import dataclass

from udfs.demand.demand_profile import demand_statistics
from udfs.forecasting.forecast_spec import ForecastSpec
from udfs.forecasting.forecaster import Forecast
from udfs.forecasting.probability.calibrated import calibrated
from udfs.forecasting.probability.calibration import Calibration
from udfs.forecasting.probability.error_correlation import Copula, ErrorCorrelation
from udfs.forecasting.probability.score_summary import ScoreSummary, demand_units
from udfs.series.sku_batch import SkuBatch


@dataclass(frozen=True, slots=True)
class ErrorModel:
    """Distribution and correlation of errors by kind of demand, from the backtest of many series."""

    calibration: Calibration
    correlation: ErrorCorrelation

    @classmethod
    def fit(cls, summary: ScoreSummary, spec: ForecastSpec) -> ErrorModel:
        """From the errors of the models that are to forecast."""
        return cls(Calibration.fit(summary), ErrorCorrelation.fit(summary, spec.season_length))

    def apply(self, forecast: Forecast, batch: SkuBatch, spec: ForecastSpec) -> tuple[Forecast, Copula]:
        """The forecast of the batch with calibrated quantiles and deviations, and what its paths are drawn by."""
        class_S = demand_statistics(batch, spec.season_length, spec.min_history).class_S
        unit_S = demand_units(batch.y_ST, batch.mask_ST)
        copula = self.correlation.of(forecast.mean_SH, class_S, unit_S)
        return calibrated(forecast, self.calibration, batch, class_S, spec.quantiles), copula
