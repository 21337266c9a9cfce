"""Price: new regular prices by margin, markdowns of what has to go, and what accepted prices do to demand."""

from __future__ import annotations

from datetime import date, timedelta
from typing import TYPE_CHECKING

import pandas as pd
import pyarrow as pa
from pyspark.sql import DataFrame
from pyspark.sql import functions as F

from jobs.engine.frames import run_part
from jobs.engine.stage import THIS, FrameStage, Read
from jobs.stages.inventory.planning_reads import days_counted
from jobs.stages.pricing.grouped_tables import DECISION, DEMAND, ELASTICITY, PLAN, schema_text, write_run
from lakehouse.delta.decisions import prices_for
from lakehouse.delta.ledger import StageRecord
from lakehouse.schema.tables import contract
from lakehouse.transforms.pricing.weekly_prices import places_before_events, series_to_price
from udfs.pricing.kernels.place_prices import PriceTerms, place_prices

if TYPE_CHECKING:
    from jobs.context import RunContext
    from jobs.engine.frames import Frames

_FORECAST, _CHAMPION = "forecast.demand", "forecast.champion"
_SALES, _PRODUCTS, _CALENDAR = "silver.sales_daily", "silver.products", "silver.calendar"
_SUPPLY, _STOCK = "silver.supply", "silver.stock"
_TABLES, _PLACE = (PLAN, DECISION, DEMAND), ("category", "location_id")
_FAILURE = ("unique_id", "error_class", "error")
_KEPT_BY_WRITER = ("run_id", "bucket", "as_of")
_ROW_OF = "row_of"


def build(context: RunContext, frames: Frames) -> StageRecord:
    """Price place by place, and write what was planned, decided and failed."""
    found = _priced(context, frames).persist()
    try:
        for table in _TABLES:
            rows = found.filter(F.col(_ROW_OF) == table).select(*_columns(table))
            if "as_of" in contract(table).columns:
                rows = rows.withColumn("as_of", F.lit(context.as_of))
            write_run(context, table, rows)
        failed = found.filter(F.col(_ROW_OF) == "failure").select(*_FAILURE).toArrow()
    finally:
        found.unpersist()
    failures = failed.rename_columns(["id", *_FAILURE[1:]])
    failures = failures.append_column("fallback", pa.nulls(len(failures), pa.string()))
    by_unit = {"all": failures} if len(failures) else {}
    context.ledger.record_failures("price", "series", ["all"], by_unit)
    planned = context.lakehouse.rows(PLAN, where={"run_id": context.run.run_id})
    return StageRecord("succeeded", rows=planned, ids=planned + len(failures), failed_ids=len(failures))


def _priced(context: RunContext, frames: Frames) -> DataFrame:
    """Rows of all tables in one frame, `row_of` says which."""
    names = list(dict.fromkeys(name for table in _TABLES for name in _columns(table)))
    schema = f"{_ROW_OF} string, {schema_text([*names, *_FAILURE[1:]])}"
    terms = PriceTerms(
        context.settings.pricing,
        context.as_of,
        context.settings.horizon,
        context.run.run_id,
        prices_for(context.lakehouse, context.as_of, context.horizon_end).to_pandas(),
    )
    columns = [_ROW_OF, *names, *_FAILURE[1:]]

    def of_place(series: pd.DataFrame, elasticity: pd.DataFrame) -> pd.DataFrame:
        found = place_prices(series, elasticity, terms)
        parts = zip((*_TABLES, "failure"), (found.plan, found.decision, found.demand, found.failures), strict=True)
        rows = [part.assign(**{_ROW_OF: name}).astype(object) for name, part in parts if len(part)]
        both = pd.concat(rows) if rows else pd.DataFrame()
        # A column of no row is NULL, not NaN: Arrow makes no day of that.
        both = both.reindex(columns=columns).astype(object)
        return both.where(both.notna(), None)

    series, elasticity = _series(context, frames), frames[ELASTICITY]
    return series.groupBy(*_PLACE).cogroup(elasticity.groupBy(*_PLACE)).applyInPandas(of_place, schema)


def _series(context: RunContext, frames: Frames) -> DataFrame:
    """What the prices of today need to know of each series."""
    settings = context.settings
    key = ["unique_id", "cutoff", "model"]
    today = frames[_FORECAST].filter(F.col("cutoff") == F.lit(context.as_of))
    demand = today.join(frames[_CHAMPION].select(*key), key)
    goods = (frames[_SALES], frames[_PRODUCTS], frames[_SUPPLY], frames[_STOCK])
    series = series_to_price(demand, *goods, settings.inventory.assumed_margin)
    near = places_before_events(frames[_CALENDAR], context.as_of, settings.pricing.no_rise_days)
    marked = series.join(near.withColumn("is_before_event", F.lit(True)), "location_id", "left")
    return marked.withColumn("is_before_event", F.coalesce("is_before_event", F.lit(False)))


def _columns(table: str) -> list[str]:
    return [name for name in contract(table).columns if name not in _KEPT_BY_WRITER]


def _days_told(context: RunContext) -> tuple[date, date]:
    return context.as_of - timedelta(days=context.settings.inventory.max_price_age_days), context.as_of


def _identity(context: RunContext) -> list[object]:
    if not context.settings.pricing.enabled:
        return []
    inventory = context.settings.inventory
    decided = prices_for(context.lakehouse, context.as_of, context.horizon_end)
    days = [decided[name].cast(pa.string()).to_pylist() for name in ("decision_id", "ds")]
    return [inventory.assumed_margin, inventory.max_price_age_days, inventory.max_stock_age_days, days]


STAGE = FrameStage(
    name="price",
    version=2,
    reads=(
        Read(_FORECAST, ("unique_id", "cutoff", "model", "ds", "mean"), run=THIS),
        Read(_CHAMPION, ("unique_id", "cutoff", "model"), run=THIS),
        Read(ELASTICITY, (), run=THIS),
        Read(_SALES, ("unique_id", "sku_id", "location_id", "ds", "unit_price"), days=_days_told),
        Read(_PRODUCTS, ("sku_id", "category")),
        Read(_SUPPLY, ("unique_id", "unit_cost")),
        Read(_STOCK, ("unique_id", "ds", "on_hand_qty"), days=days_counted),
        Read(_CALENDAR, ("location_id", "ds", "is_holiday", "is_event")),
    ),
    writes=_TABLES,
    settings=("pricing", "horizon"),
    identity=_identity,
    part=run_part,
    build=build,
    is_wanted=lambda context: context.settings.pricing.enabled,
)
