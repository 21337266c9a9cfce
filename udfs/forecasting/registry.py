"""Forecasters by name: what `conf` and the command line may ask for.

A new model is one class with `name` and `forecast` and one call:

    register("holt", lambda spec: Holt(season_length=spec.season_length))
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping

from udfs.forecasting.choice.auto import AutoForecaster
from udfs.forecasting.choice.backtest import ForecasterSource
from udfs.forecasting.choice.class_route import ClassRoute
from udfs.forecasting.forecast_spec import ForecastSpec
from udfs.forecasting.forecaster import Forecaster
from udfs.forecasting.models.arima.arima_model import Arima
from udfs.forecasting.models.croston.croston_model import VARIANTS, Croston
from udfs.forecasting.models.ets.ets_model import ExponentialSmoothing
from udfs.forecasting.models.naive import HistoricMean, SeasonalNaive
from udfs.forecasting.models.naive2 import Naive2
from udfs.forecasting.models.regression.lags import LagRegression
from udfs.forecasting.models.regression.regression_model import Regression
from udfs.forecasting.models.theta.theta_model import Theta
from udfs.forecasting.models.trees.count_trees import CountTrees

Factory = Callable[[ForecastSpec], Forecaster]

_FACTORIES: dict[str, Factory] = {}


def register(name: str, factory: Factory, replace: bool = False) -> None:
    """Make a forecaster known under `name`.

    Raises:
        ValueError: the name is empty or, unless `replace`, already taken.
    """
    if not name:
        raise ValueError("expected a name for the forecaster, found an empty one")
    if name in _FACTORIES and not replace:
        raise ValueError(f"expected a new name, found {name!r}, which is registered; pass replace=True to replace it")
    _FACTORIES[name] = factory


def unregister(name: str) -> None:
    """Forget a registered name; an unknown one is fine."""
    _FACTORIES.pop(name, None)


def make(name: str, spec: ForecastSpec) -> Forecaster:
    """The forecaster registered as `name`, set up as `spec` says.

    Raises:
        ValueError: the name is unknown; the message lists the known ones.
    """
    if name not in _FACTORIES:
        raise ValueError(f"expected a registered forecaster, found {name!r}; known: {', '.join(names())}")
    return _FACTORIES[name](spec)


def make_all(
    wanted: Iterable[str], spec: ForecastSpec, brought: Mapping[str, ForecasterSource] | None = None
) -> dict[str, ForecasterSource]:
    """A source of forecasts per name, in their order.

    Args:
        brought: sources that go before registered names: fitted models, or functions that give the model fitted for
            a cutoff.

    Raises:
        ValueError: a name is neither brought nor registered.
    """
    brought = brought or {}
    return {name: brought[name] if name in brought else make(name, spec) for name in dict.fromkeys(wanted)}


def names() -> list[str]:
    """Registered names, sorted."""
    return sorted(_FACTORIES)


def _croston(variant: str) -> Factory:
    return lambda _spec: Croston(variant)


register("auto", lambda spec: AutoForecaster(make_all(AutoForecaster.wanted(spec), spec), spec))
register("arima", lambda spec: Arima(season_length=spec.season_length))
register("class_route", lambda spec: ClassRoute(season_length=spec.season_length, min_history=spec.min_history))
register("count_trees", lambda spec: CountTrees(season_length=spec.season_length))
register("ets", lambda spec: ExponentialSmoothing(season_length=spec.season_length))
register("historic_mean", lambda _spec: HistoricMean())
register("lag_regression", lambda spec: LagRegression(season_length=spec.season_length))
register("naive2", lambda spec: Naive2(season_length=spec.season_length))
register("regression", lambda spec: Regression(season_length=spec.season_length))
register("regression_arima", lambda spec: Regression(spec.season_length, "arima", name="regression_arima"))
register("seasonal_naive", lambda spec: SeasonalNaive(season_length=spec.season_length))
register("theta", lambda spec: Theta(season_length=spec.season_length))
for _variant in VARIANTS:
    register(_variant, _croston(_variant))
