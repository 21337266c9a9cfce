"""What the stages of forecasting are told, and which names they know."""

from __future__ import annotations

from collections.abc import Iterable

from jobs.engine.setting import Setting
from udfs.forecasting import registry
from udfs.forecasting.choice.backtest_scores import DECIDING_SCORES
from udfs.forecasting.forecast_spec import ForecastSpec
from udfs.forecasting.models.networks.network_spec import NetworkSpec
from udfs.forecasting.models.trees.tree_spec import TreeSpec
from udfs.forecasting.quantile_levels import QUANTILES


def check_forecast(spec: ForecastSpec) -> None:
    """Raises ValueError where a name is unknown, or where a later stage could not go on with what is asked for."""
    models = registry.names()
    candidates = [name for name in models if name != registry.AUTO]
    _known("model", [spec.model], models)
    _known("benchmark", [spec.benchmark] if spec.benchmark else [], registry.made_names())
    _known("regular_candidates", spec.regular_candidates, candidates)
    _known("intermittent_candidates", spec.intermittent_candidates, candidates)
    _known("costs", spec.costs, candidates)
    _known("score", [spec.score], DECIDING_SCORES, " (of what decides lower is better)")
    if spec.quantiles != QUANTILES:
        raise ValueError(
            f"quantiles: expected {list(QUANTILES)}, the columns of the tables, found {list(spec.quantiles)}"
        )


def check_network(spec: NetworkSpec) -> None:
    """Raises ValueError where a network is told what the rest of the settings says."""
    if spec.horizon != NetworkSpec().horizon:
        raise ValueError(f"horizon: expected none, networks look `horizon` of the job ahead; found {spec.horizon}")
    if spec.block != NetworkSpec().block:
        raise ValueError(
            f"block: expected none, the candidates in [forecast] name the blocks that are trained; found {spec.block!r}"
        )


def _known(key: str, found: Iterable[str], known: Iterable[str], why: str = "") -> None:
    unknown = [name for name in found if name not in known]
    if unknown:
        raise ValueError(f"{key}: expected one of {', '.join(known)}{why}, found {', '.join(map(repr, unknown))}")


HORIZON: Setting[int] = Setting("horizon", int, "days to forecast", default=28, ge=1, le=366)
REPLAYS: Setting[int] = Setting(
    "replays", int, "past cutoffs, a horizon apart, that policies are replayed on", default=3, ge=1, le=26
)
FORECAST: Setting[ForecastSpec] = Setting(
    "forecast", ForecastSpec, "which models compete, how they are tested and chosen", check=check_forecast
)
TREES: Setting[TreeSpec] = Setting("trees", TreeSpec, "how gradient-boosted trees are grown")
NETWORK: Setting[NetworkSpec] = Setting(
    "network", NetworkSpec, "what a network looks like and how it is trained", check=check_network
)
