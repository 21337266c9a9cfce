"""What the stages of inventory read of a bucket: the champions' forecasts, terms of supply, prices."""

from __future__ import annotations

from datetime import date, timedelta
from typing import TYPE_CHECKING

import pyarrow as pa
import pyarrow.compute as pc

from jobs.engine.stage import THIS, Read
from udfs.inventory.kernels.planning_inputs import ASSUMABLE_TERMS, PATH_COLUMNS, PathTerms

if TYPE_CHECKING:
    from jobs.context import RunContext

DEMAND, CHAMPION, FEATURES, PROFILE = (
    "forecast.demand",
    "forecast.champion",
    "features.sku_daily",
    "features.sku_profile",
)
SUPPLY, STOCK = "silver.supply", "silver.stock"
REPLAY, REPLAY_SUMMARY = "inventory.replay", "inventory.replay_summary"
PROPOSAL, STEP = "inventory.order_proposal", "inventory.order_step"


def replay_cutoffs(context: RunContext) -> tuple[date, ...]:
    """Past days whose forecasts are held against what came: the last one is a whole horizon before the as-of day."""
    horizon, replays = context.settings.horizon, context.settings.replays
    return tuple(context.as_of - timedelta(days=back * horizon) for back in range(replays, 0, -1))


def choices(context: RunContext) -> dict[date, tuple[date, ...]]:
    """The choice for the plan, by all replays, and one that is tested on the last replay, by those before it."""
    cutoffs = replay_cutoffs(context)
    return {cutoffs[-1]: cutoffs[:-1], context.as_of: cutoffs} if len(cutoffs) > 1 else {context.as_of: cutoffs}


def _demand_columns(context: RunContext) -> tuple[str, ...]:
    quantiles = context.settings.forecast.quantile_columns()
    return ("unique_id", "cutoff", "model", "ds", "mean", "sd", *quantiles)


def since_first_replay(context: RunContext) -> tuple[date | None, date | None]:
    return replay_cutoffs(context)[0], context.as_of


FORECASTS = Read(DEMAND, _demand_columns, run=THIS)
CHAMPIONS = Read(CHAMPION, ("unique_id", "cutoff", "model", "rule", *PATH_COLUMNS), run=THIS)
PROFILES = Read(PROFILE, ("unique_id", "demand_class"), run=THIS)
SUPPLIES = Read(SUPPLY, ("unique_id", *ASSUMABLE_TERMS))
PRICES = Read(FEATURES, ("unique_id", "ds", "y_latent", "unit_price"), days=since_first_replay)
"""Demand and prices since the first replay; the last known price stands on the as-of day."""

REPLAYS = Read(REPLAY, ("unique_id", "cutoff", "policy", "replay_cost", "demand_qty", "sales_qty", "score"), run=THIS)


def champion_forecast(inputs: dict[str, pa.Table], cutoff: date) -> pa.Table:
    """Rows of the champion's forecast from a cutoff, whatever benchmark is stored beside it, with its path terms.

    `is_fallback` marks series whose model failed, so that the order's reason can say so.
    """
    demand, champion = inputs[DEMAND], inputs[CHAMPION]
    chosen = champion.filter(pc.equal(champion["cutoff"], cutoff))
    is_fallback = pc.fill_null(pc.starts_with(chosen["rule"], "fallback"), False)
    chosen = chosen.select(["unique_id", "model", *PATH_COLUMNS]).append_column("is_fallback", is_fallback)
    rows = demand.filter(pc.equal(demand["cutoff"], cutoff))
    return rows.join(chosen, keys=["unique_id", "model"], join_type="inner").sort_by(
        [("unique_id", "ascending"), ("ds", "ascending")]
    )


def prices(inputs: dict[str, pa.Table], as_of: date) -> pa.Table:
    """unique_id and unit_price on the as-of day."""
    features = inputs[FEATURES]
    return features.filter(pc.equal(features["ds"], as_of)).select(["unique_id", "unit_price"])


def path_terms(context: RunContext) -> PathTerms:
    """What makes the forecast stage's sample paths again."""
    spec = context.settings.forecast
    return PathTerms(spec.quantiles, spec.season_length, spec.seed)
