"""What the stages of inventory read of a bucket: the champions' forecasts, terms of supply, prices."""

from __future__ import annotations

from datetime import date
from typing import TYPE_CHECKING

import pyarrow as pa
import pyarrow.compute as pc

from lakehouse.delta.files import PinnedTable
from udfs.inventory.kernels.planning_inputs import ASSUMABLE_TERMS, PATH_COLUMNS, PathTerms

if TYPE_CHECKING:
    from jobs.context import RunContext

DEMAND, CHAMPION, FEATURES, PROFILE = (
    "forecast.demand",
    "forecast.champion",
    "features.sku_daily",
    "features.sku_profile",
)
SUPPLY = "silver.supply"


def forecast_inputs(context: RunContext, first_ds: date) -> tuple[PinnedTable, ...]:
    """This run's forecasts, the demand and prices from `first_ds` to the as-of day, profiles and terms of supply."""
    lake = context.lakehouse
    this_run = (("run_id", context.run.run_id),)

    def pinned(name: str, columns: tuple[str, ...], **options: object) -> PinnedTable:
        return PinnedTable(name, lake.uri(name), lake.version(name), columns, **options)  # type: ignore[arg-type]

    quantiles = tuple(context.settings.forecast.quantile_columns())
    return (
        pinned(DEMAND, ("unique_id", "cutoff", "model", "ds", "mean", "sd", *quantiles), where=this_run),
        pinned(CHAMPION, ("unique_id", "cutoff", "model", "rule", *PATH_COLUMNS), where=this_run),
        # The last known price: silver carries it forward to the as-of day.
        pinned(FEATURES, ("unique_id", "ds", "y_latent", "unit_price"), first_ds=first_ds, last_ds=context.as_of),
        pinned(PROFILE, ("unique_id", "demand_class"), where=this_run),
        pinned(SUPPLY, ("unique_id", *ASSUMABLE_TERMS)),
    )


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
