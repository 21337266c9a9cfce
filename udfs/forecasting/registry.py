"""Forecasting models by name: what `conf` and the command line may ask for.

A new model is one file with a class that has `name` and `forecast`, and one entry in `MODELS`, or from elsewhere

    register(Model("holt", "Holt's linear trend", lambda spec: Holt(spec.season_length), cost=0.05))

Nothing else needs to know of it: the ladder reads its rung and cost here, the stages whether it has to be fitted and
how it is loaded, settings and `shelfcast models` its name. A model's module is imported when the model is first made,
so that names are known without torch or LightGBM.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING, Literal, Protocol

from udfs.contest.candidates import Registry

if TYPE_CHECKING:
    from udfs.forecasting.choice.backtest import ForecasterSource
    from udfs.forecasting.forecaster import Forecaster

AUTO = "auto"
"""No model but the contest among them: `udfs.forecasting.choice.auto`, or the stages backtest and forecast."""

RUNGS = ("naive", "local", "trees", "neural")
"""Kinds of models by what they cost, cheapest first."""

LOCAL_COST = 1.0
"""Of a model whose cost nobody has measured."""


class ModelSettings(Protocol):
    """What a model may be told of a `ForecastSpec`."""

    @property
    def season_length(self) -> int: ...

    @property
    def min_history(self) -> int: ...


@dataclass(frozen=True, slots=True)
class Model:
    """Everything that the house knows of a model.

    Attributes:
        name, meaning: as settings name it, and what it is in a line.
        make: the forecaster for some settings; None for a model that has to be fitted or brought.
        rung: one of `RUNGS`.
        cost: seconds that one forecast of a thousand series costs on one core: 28 days after 391 days of history.
            Measured on 1,017 series of the M5 for naive and local models; nominal, training shared out, for the others.
        fit: how the stage train fits it to all series: "trees" as a unit per cutoff, "network" by Ray Train.
        load: a fitted model from its folder; goes with `fit`.
        without_festivals: it knows no festivals. Where trees have learned what these do to a category, it is asked
            about demand without them; see `udfs.forecasting.festival_adjusted`.
    """

    name: str
    meaning: str = ""
    make: Callable[[ModelSettings], Forecaster] | None = None
    rung: str = "local"
    cost: float = LOCAL_COST
    fit: Literal["trees", "network"] | None = None
    load: Callable[[Path], Forecaster] | None = None
    without_festivals: bool = False

    def __post_init__(self) -> None:
        if self.rung not in RUNGS:
            raise ValueError(f"expected a rung of {', '.join(RUNGS)} for {self.name!r}, found {self.rung!r}")
        if (self.fit is None) != (self.load is None):
            raise ValueError(f"expected {self.name!r} to say both how it is fitted and how it is loaded, or neither")


def _network(folder: Path) -> Forecaster:
    loaded: Forecaster = import_module("udfs.forecasting.models.networks.network_model").NetworkModel.load(folder)
    return loaded


MODELS: Registry[Model] = Registry(
    "forecaster",
    Model(AUTO, "the contest: every series by the model or average that its backtest favours"),
    Model(
        "seasonal_naive",
        "last season again",
        lambda spec: import_module("udfs.forecasting.models.naive").SeasonalNaive(spec.season_length),
        rung="naive",
        cost=0.03,
    ),
    Model(
        "historic_mean",
        "the mean of all days",
        lambda spec: import_module("udfs.forecasting.models.naive").HistoricMean(),
        rung="naive",
        cost=0.03,
    ),
    Model(
        "naive2",
        "the last value again, seasonally adjusted where there is a season (M4's benchmark)",
        lambda spec: import_module("udfs.forecasting.models.naive2").Naive2(spec.season_length),
        rung="naive",
        cost=0.1,
    ),
    Model(
        "ets",
        "exponential smoothing with trend and season chosen per series by AICc",
        lambda spec: import_module("udfs.forecasting.models.ets.ets_model").ExponentialSmoothing(spec.season_length),
        cost=0.05,
        without_festivals=True,
    ),
    Model(
        "theta",
        "the Theta method, standard, optimised and dynamic, the best per series",
        lambda spec: import_module("udfs.forecasting.models.theta.theta_model").Theta(spec.season_length),
        cost=0.05,
        without_festivals=True,
    ),
    Model(
        "croston",
        "Croston: sizes and intervals of sales smoothed apart",
        lambda spec: import_module("udfs.forecasting.models.croston.croston_model").Croston("croston"),
        cost=0.02,
    ),
    Model(
        "sba",
        "Croston less the bias that Syntetos and Boylan found",
        lambda spec: import_module("udfs.forecasting.models.croston.croston_model").Croston("sba"),
        cost=0.02,
    ),
    Model(
        "tsb",
        "Teunter, Syntetos and Babai: sizes and chance of sales smoothed apart",
        lambda spec: import_module("udfs.forecasting.models.croston.croston_model").Croston("tsb"),
        cost=0.02,
    ),
    Model(
        "regression",
        "regression on calendar, price and promotion, exponential smoothing for the rest",
        lambda spec: import_module("udfs.forecasting.models.regression.regression_model").Regression(
            spec.season_length
        ),
        cost=0.1,
    ),
    Model(
        "lag_regression",
        "regression of a series on its own lags around one and two seasons",
        lambda spec: import_module("udfs.forecasting.models.regression.lags").LagRegression(spec.season_length),
        cost=0.05,
    ),
    Model(
        "yearly_profile",
        "what the same dates brought in past years, shapes shared by a group, grown; festivals moved by date",
        lambda spec: import_module("udfs.forecasting.models.yearly.yearly_profile").YearlyProfile(spec.season_length),
        cost=0.5,
    ),
    Model(
        "arima",
        "seasonal ARIMA with automatic orders",
        lambda spec: import_module("udfs.forecasting.models.arima.arima_model").Arima(spec.season_length),
        cost=4.0,
    ),
    Model(
        "regression_arima",
        "regression on calendar, price and promotion, ARIMA for the rest",
        lambda spec: import_module("udfs.forecasting.models.regression.regression_model").Regression(
            spec.season_length, "arima", name="regression_arima"
        ),
        cost=4.0,
    ),
    Model(
        "count_trees",
        "the whole distribution by LightGBM over classes of demand, fitted to the bucket",
        lambda spec: import_module("udfs.forecasting.models.trees.count_trees").CountTrees(spec.season_length),
        cost=8.0,
    ),
    Model(
        "class_route",
        "by demand class without a contest: ets, or the best of croston, sba and tsb",
        lambda spec: import_module("udfs.forecasting.choice.class_route").ClassRoute(
            spec.season_length, spec.min_history
        ),
    ),
    Model(
        "trees",
        "LightGBM over all series, scaled towards the totals of their groups",
        rung="trees",
        cost=5.0,
        fit="trees",
        load=lambda folder: import_module("udfs.forecasting.models.trees.tree_totals").load(folder),
    ),
    Model("lstm", "LSTM over all series, trained per cutoff", rung="neural", cost=20.0, fit="network", load=_network),
    Model("gru", "GRU over all series, trained per cutoff", rung="neural", cost=20.0, fit="network", load=_network),
    Model(
        "transformer",
        "transformer over all series, trained per cutoff",
        rung="neural",
        cost=30.0,
        fit="network",
        load=_network,
    ),
    Model("chronos", "pretrained; brought with its weights", rung="neural", cost=60.0),
)


def register(model: Model, replace: bool = False) -> None:
    """Make a model known by its name. Raises ValueError where the name is empty or, unless `replace`, taken."""
    MODELS.register(model, replace)


def unregister(name: str) -> None:
    """Forget a registered name; an unknown one is fine."""
    MODELS.unregister(name)


def make(name: str, spec: ModelSettings) -> Forecaster:
    """The forecaster registered as `name`, set up as `spec` says.

    Raises:
        ValueError: the name is unknown, or its model does not come from settings alone: it has to be fitted or brought.
    """
    if name not in MODELS:
        raise ValueError(f"expected a registered forecaster, found {name!r}; known: {', '.join(made_names())}")
    entry = MODELS[name]
    if entry.make is None:
        raise ValueError(f"expected {name!r} to be brought, fitted or chosen; settings alone do not make it")
    return entry.make(spec)


def make_all(
    wanted: Iterable[str], spec: ModelSettings, brought: Mapping[str, ForecasterSource] | None = None
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


def load(name: str, folder: Path) -> Forecaster:
    """A fitted model from its folder. Raises ValueError where the name is not that of a model that is fitted."""
    loader = MODELS[name].load
    if loader is None:
        raise ValueError(f"expected a model that is fitted, {', '.join(fitted_names())}, found {name!r}")
    return loader(folder)


def made_names() -> list[str]:
    """Models that settings alone make, sorted."""
    return sorted(entry.name for entry in MODELS.entries() if entry.make)


def fitted_names() -> list[str]:
    """Models that the stage train fits to all series, in the order of training."""
    return [entry.name for entry in MODELS.entries() if entry.fit]


def names() -> list[str]:
    """Every name that settings may give, sorted."""
    return sorted([AUTO, *made_names(), *fitted_names()])


def names_without_festivals() -> list[str]:
    """Models that settings make and that are asked about demand without festivals."""
    return [entry.name for entry in MODELS.entries() if entry.make and entry.without_festivals]


def rung_of(name: str) -> int:
    """The rung that a model is on, counted from 0; a model that nobody registered is taken for a local one."""
    return RUNGS.index(MODELS[name].rung if name in MODELS else "local")


def cost_of(name: str) -> float:
    """Seconds per thousand series and forecast."""
    return MODELS[name].cost if name in MODELS else LOCAL_COST
