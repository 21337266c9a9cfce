"""Production: forecasts become lots in sequence that resources have hours for; what is late names what binds it."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pyarrow as pa
from pyspark.sql import DataFrame, Window
from pyspark.sql import functions as F

from jobs.engine.frames import as_of_part, write_part
from jobs.engine.stage import THIS, FrameStage, Read, until_as_of
from jobs.stages.supply_network.production_settings import PRODUCTION
from lakehouse.delta.ledger import StageRecord
from lakehouse.errors import SourceError
from lakehouse.feeds.quality import Split
from lakehouse.schema.column_types import sql_type
from lakehouse.schema.columns import COLUMNS
from lakehouse.schema.entities import SERIES
from lakehouse.schema.tables import FEEDS, contract
from lakehouse.transforms.keys import parts_of
from lakehouse.transforms.silver.cleaning import clean_feed
from udfs.supply_network.production.production_tables import ProductionFeeds, plan_production
from udfs.supply_network.production.sequence_tables import Rows

if TYPE_CHECKING:
    from jobs.context import RunContext
    from jobs.engine.frames import Frames

_PLAN, _SEQUENCE, _EXCEPTION = "network.production_plan", "network.production_sequence", "network.exception"
_DEMAND, _CHAMPION, _STOCK = "forecast.demand", "forecast.champion", "silver.stock"
_NEEDED, _FURTHER = ("routings", "resources"), ("bom", "changeovers")


def build(context: RunContext, frames: Frames) -> StageRecord:
    """Write the as-of day's plan; without the feeds of `_NEEDED` there is nothing to plan."""
    missing = [feed for feed in _NEEDED if not _has_rows(context, feed)]
    if missing:
        context.progress.say(f"  production: nothing is planned, there are no rows of {' and of '.join(missing)}")
        return StageRecord("succeeded")
    try:
        found = plan_production(
            _feeds(context, frames),
            context.as_of,
            context.settings.horizon,
            PRODUCTION.of(context.settings),
            lambda words: context.progress.say(f"  production: {words}"),
        )
    except ValueError as error:
        raise SourceError(str(error)) from error
    rows_of = {_PLAN: found.plan, _SEQUENCE: found.sequence, _EXCEPTION: found.exceptions}
    tables = {name: _table(context, name, rows) for name, rows in rows_of.items()}
    frame_of = {name: (lambda rows=rows: context.spark.createDataFrame(rows)) for name, rows in tables.items()}
    return StageRecord("succeeded", rows=write_part(context, frames, as_of_part(context), frame_of))


def _has_rows(context: RunContext, feed: str) -> bool:
    return feed in context.mapping.feeds and context.lakehouse.has_rows(f"bronze.{feed}")


def _table(context: RunContext, name: str, rows: Rows) -> pa.Table:
    schema = contract(name).arrow_schema(with_partitions=True)
    every = {"as_of": context.as_of, "run_id": context.run.run_id}
    return pa.Table.from_pylist([row | every for row in rows], schema=schema)


def _feeds(context: RunContext, frames: Frames) -> ProductionFeeds:
    stated = {feed: _stated(context, frames, feed) for feed in (*_FURTHER, *_NEEDED)}
    skus = sorted({*stated["routings"]["sku_id"].to_pylist(), *stated["bom"]["component_sku_id"].to_pylist()})
    wanted = frames[_DEMAND].join(
        frames[_CHAMPION].select("unique_id", "cutoff", "model"), ["unique_id", "cutoff", "model"]
    )
    wanted = wanted.filter(F.col("cutoff") == F.lit(context.as_of))
    demand = _of_skus(wanted, skus).groupBy("sku_id", "ds").agg(F.sum(F.col("mean").cast("decimal(28,9)")).alias("qty"))
    last = (
        frames[_STOCK]
        .filter(F.col("on_hand_qty").isNotNull())
        .groupBy("unique_id")
        .agg(F.max_by("on_hand_qty", "ds").alias("qty"))
    )
    stock = _of_skus(last, skus).groupBy("sku_id").agg(F.sum(F.col("qty").cast("decimal(28,9)")).alias("qty"))
    # What is made is a small part of what is sold, and known by day: it fits the driver.
    of_demand, of_stock = (frame.withColumn("qty", F.col("qty").cast("double")).toArrow() for frame in (demand, stock))
    return ProductionFeeds(demand=of_demand, stock=of_stock, **stated)


def _stated(context: RunContext, frames: Frames, feed: str) -> pa.Table:
    """Rows of a feed that count, typed; none where the source has no such feed."""
    if not _has_rows(context, feed):
        return pa.table({name: pa.array([], pa.string()) for name in FEEDS[feed].columns})
    split = clean_feed(frames[f"bronze.{feed}"], feed, context.mapping)
    if feed == "changeovers":
        refuse_losses(split)
    rows = split.accepted
    typed = (F.col(name).cast(sql_type(COLUMNS[name].type)).alias(name) for name in FEEDS[feed].columns)
    return rows.select(*typed).orderBy(*FEEDS[feed].key).toArrow()


def refuse_losses(matrix: Split) -> None:
    """A pair that is set aside would pass for one that is not stated, and one that a file states twice has no meaning.

    A later file corrects an earlier one, as with any feed.
    """
    is_lost = F.col("outcome") == "quarantined"
    again = F.count("*").over(Window.partitionBy("batch_id", is_lost, *FEEDS["changeovers"].key)) > 1
    rows = matrix.rows.filter("outcome <> 'out_of_scope'").select(
        "source_file", "source_row", "rule_id", is_lost.alias("is_lost"), again.alias("again")
    )
    if (row := rows.filter("is_lost OR again").orderBy("source_file", "source_row").first()) is not None:
        fault = f"breaks the rule {row.rule_id}" if row.is_lost else "states a pair that another row of the file states"
        raise SourceError(f"changeovers: row {row.source_row} of {row.source_file} {fault}; correct the file")


def _of_skus(frame: DataFrame, skus: list[str]) -> DataFrame:
    sku = dict(zip(SERIES.parts, parts_of(SERIES), strict=True))["sku_id"]
    return frame.withColumn("sku_id", sku).filter(F.col("sku_id").isin(skus))


STAGE = FrameStage(
    name="production",
    reads=(
        *(Read(f"bronze.{feed}", ()) for feed in (*_FURTHER, *_NEEDED)),
        Read(_DEMAND, ("unique_id", "cutoff", "model", "ds", "mean"), run=THIS),
        Read(_CHAMPION, ("unique_id", "cutoff", "model"), run=THIS),
        Read(_STOCK, ("unique_id", "ds", "on_hand_qty"), days=until_as_of),
    ),
    writes=(_PLAN, _SEQUENCE, _EXCEPTION),
    settings=("production", "horizon"),
    version=3,
    libraries=("scipy", "ortools"),
    build=build,
    part=as_of_part,
)
