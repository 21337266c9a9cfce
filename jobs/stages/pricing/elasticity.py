"""Elasticity: how each series' units answer its price, its promotions and its rivals' prices, category by category.

Effects of all are estimated from some categories in some places, and each category's series are shrunk to its own.
"""

from __future__ import annotations

from datetime import date, timedelta
from typing import TYPE_CHECKING

from jobs.engine.frames import run_part
from jobs.engine.stage import FrameStage, Read
from jobs.stages.pricing.grouped_tables import ELASTICITY, schema_text, write_run
from lakehouse.delta.ledger import StageRecord
from lakehouse.transforms.pricing.weekly_prices import sampled_places, weekly_prices
from udfs.pricing.kernels.category_elasticities import ROWS, category_elasticities, prior_of

if TYPE_CHECKING:
    import pandas as pd

    from jobs.context import RunContext
    from jobs.engine.frames import Frames

_SALES, _PRODUCTS = "silver.sales_daily", "silver.products"
_SALES_COLUMNS = ("unique_id", "sku_id", "location_id", "ds", "y", "y_latent", "unit_price", "is_promo")
_SAMPLED_SERIES = 2000


def build(context: RunContext, frames: Frames) -> StageRecord:
    """Write the effects of every series with a week of sales at a price."""
    spec = context.settings.pricing
    weeks = weekly_prices(frames[_SALES], frames[_PRODUCTS], context.as_of).persist()
    try:
        prior = prior_of(sampled_places(weeks, _SAMPLED_SERIES).toPandas(), spec)

        def of_category(rows: pd.DataFrame) -> pd.DataFrame:
            return category_elasticities(rows, spec, prior)

        found = weeks.groupBy("category").applyInPandas(of_category, schema_text(ROWS))
        rows = write_run(context, ELASTICITY, found)
    finally:
        weeks.unpersist()
    return StageRecord("succeeded", rows=rows)


def _days(context: RunContext) -> tuple[date, date]:
    return context.as_of - timedelta(days=7 * context.settings.pricing.weeks - 1), context.as_of


STAGE = FrameStage(
    name="elasticity",
    reads=(
        Read(_SALES, _SALES_COLUMNS, days=_days),
        Read(_PRODUCTS, ("sku_id", "category")),
    ),
    writes=(ELASTICITY,),
    settings=("pricing",),
    part=run_part,
    build=build,
    is_wanted=lambda context: context.settings.pricing.enabled,
)
