"""Clean: bronze becomes silver, and every source row is used, quarantined, a duplicate or out of scope."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from functools import partial, reduce
from typing import TYPE_CHECKING, Any

import pyarrow as pa
from pyspark import StorageLevel
from pyspark.sql import DataFrame

from jobs.engine.hashing import digest
from jobs.engine.side_by_side import side_by_side
from jobs.engine.stage import FrameStage, Read
from lakehouse.delta.changed_buckets import Changes, write_changed_buckets
from lakehouse.delta.files import replace_rows
from lakehouse.delta.ledger import StageRecord
from lakehouse.delta.state import Held, parts
from lakehouse.errors import ConfigError
from lakehouse.feeds.quality import Split, check_conservation
from lakehouse.feeds.sources import SourceMapping
from lakehouse.schema.tables import FEEDS, contract
from lakehouse.transforms.silver import dimensions
from lakehouse.transforms.silver.cleaning import CleanedSales, clean_feed, clean_sales
from lakehouse.transforms.silver.planned_daily import planned_daily
from lakehouse.transforms.silver.sales_daily import EstimateLatent, sales_daily
from udfs.demand.censoring.censored_demand import CensoringSpec, latent_table
from udfs.demand.returns import match_cancellations

if TYPE_CHECKING:
    from jobs.context import RunContext
    from jobs.engine.frames import Frames

_SALES_DAILY, _PLANNED = "silver.sales_daily", "silver.planned_daily"
_QUARANTINE, _COUNTS = "ops.quarantine", "ops.row_count"


def build(context: RunContext, frames: Frames) -> StageRecord:
    """Write silver.*, ops.quarantine and ops.row_count from all of bronze."""
    check_buckets(context)
    versions = {feed: frames.version(f"bronze.{feed}") for feed in context.mapping.feeds}
    sales = clean_sales(frames["bronze.sales"], context.mapping, context.settings.buckets, match_cancellations)
    sales.persist()
    feeds = {
        feed: clean_feed(frames[f"bronze.{feed}"], feed, context.mapping, context.settings.buckets)
        for feed in context.mapping.feeds
        if feed != "sales"
    }
    try:
        rejected = check_rows(context, sales, feeds, versions)
        # A feed without a rejected row is not read again for them.
        splits = [sales.split, *(feed for name, feed in feeds.items() if name in rejected)]
        series = sales.series.persist(StorageLevel.MEMORY_AND_DISK)
        count = series.count()
        locations = dimensions.locations(feeds.get("locations"), series, context.mapping.country).persist()
        small = dimensions.frames(feeds, series, locations, sales.span())
        works: dict[str, Callable[[], int]] = {
            _SALES_DAILY: partial(write_sales_daily, context, sales, series, feeds),
            **{name: partial(write_small, context, name, frame) for name, frame in small.items()},
            _PLANNED: partial(write_planned_daily, context, sales, series, feeds),
            _QUARANTINE: partial(write_quarantine, context, splits),
        }
        rows = side_by_side(context.spark, works)[_SALES_DAILY]
        locations.unpersist()
        series.unpersist()
    finally:
        sales.unpersist()
    return StageRecord("succeeded", rows=rows, ids=count)


def check_rows(context: RunContext, sales: CleanedSales, feeds: dict[str, Split], versions: dict[str, int]) -> set[str]:
    """Count where each feed's rows went into ops.row_count; refuse counts that do not add up to bronze.

    Returns the feeds with quarantined rows.
    """
    counts = reduce(DataFrame.unionByName, [sales.counts, *(feed.counts for feed in feeds.values())])
    rows = [row.asDict() for row in counts.collect()]  # one for each rule that a row broke
    replace_rows(context.lakehouse, _COUNTS, pa.Table.from_pylist(rows, contract(_COUNTS).arrow_schema()))
    for feed, version in versions.items():
        outcomes = {(row["outcome"], row["rule_id"]): row["rows"] for row in rows if row["feed"] == feed}
        check_conservation(feed, context.lakehouse.rows(f"bronze.{feed}", version), outcomes)
    return {row["feed"] for row in rows if row["outcome"] == "quarantined"}


def write_sales_daily(context: RunContext, sales: CleanedSales, series: DataFrame, feeds: dict[str, Split]) -> int:
    """Write the buckets of silver.sales_daily that changed; returns the table's rows."""
    _, last_day = sales.span()
    stock = feeds.get("stock")
    frame = sales_daily(
        sales.lines,
        series,
        context.mapping,
        last_day,
        context.settings.buckets,
        prices=feeds["prices"].accepted if "prices" in feeds else None,
        promotions=feeds["promotions"].accepted if "promotions" in feeds else None,
        stock=dimensions.stock(stock, context.spark) if stock else None,
        latent=latent_demand(context.mapping),
    )
    held = Held(context.lakehouse)
    before = held.of(_SALES_DAILY, "bucket")
    changes = write_changed_buckets(context.lakehouse, frame, _SALES_DAILY)
    record_lineage(held, before, changes)
    if changes is not None:
        context.progress.say(
            f"  clean: {len(changes.extended)} buckets gained days, {len(changes.rewritten)} were rewritten"
        )
    return context.lakehouse.rows(_SALES_DAILY)


def record_lineage(held: Held, before: Mapping[str, dict[str, Any]], changes: Changes | None) -> None:
    """Say of each bucket of silver.sales_daily what its past goes back to: it stays while days are only added.

    before: the records that counted when the table was written; changes: None where all of it is new.
    """
    fresh = f"{held.lake.version(_SALES_DAILY)}-{digest(str(datetime.now(UTC)))}"
    names = [f"bucket={bucket}" for bucket in parts(held.lake, _SALES_DAILY, "bucket")]
    rewritten = set(names) if changes is None else {f"bucket={bucket}" for bucket in changes.rewritten}
    kept = {name: row["lineage"] for name, row in before.items() if name not in rewritten and row["lineage"]}
    held.record(_SALES_DAILY, names, {name: kept.get(name, fresh) for name in names})


def latent_demand(mapping: SourceMapping) -> EstimateLatent | None:
    """How demand on days without stock is estimated; None where no feed says and the mapping infers no such days."""
    delivers_stock = "stock" in mapping.feeds or "on_hand_qty" in mapping.feeds["sales"].columns
    if not delivers_stock and not mapping.clean.infer_stockouts:
        return None
    return partial(latent_table, spec=CensoringSpec(infer_runs=mapping.clean.infer_stockouts))


def write_planned_daily(context: RunContext, sales: CleanedSales, series: DataFrame, feeds: dict[str, Split]) -> int:
    """Write the prices and promotions that the feeds state for the horizon after the last sale."""
    frame = planned_daily(
        series,
        sales.span()[1],
        context.settings.horizon,
        prices=feeds["prices"].accepted if "prices" in feeds else None,
        promotions=feeds["promotions"].accepted if "promotions" in feeds else None,
    )
    return context.lakehouse.write_spark(frame, _PLANNED)


def write_small(context: RunContext, name: str, frame: Callable[[], DataFrame]) -> int:
    return context.lakehouse.write_spark(frame().coalesce(1), name)


def write_quarantine(context: RunContext, splits: list[Split]) -> int:
    rows = reduce(DataFrame.unionByName, [each.quarantined for each in splits])
    return context.lakehouse.write_spark(rows.repartition("source_file", "source_row"), _QUARANTINE)


def check_buckets(context: RunContext) -> None:
    """The number of buckets is fixed for the life of a lakehouse: another one would split each series' history."""
    context.lakehouse.ensure(_SALES_DAILY, context.spark)
    known = context.lakehouse.settled_property(_SALES_DAILY, "shelfcast.buckets", str(context.settings.buckets))
    if known != str(context.settings.buckets):
        raise ConfigError(
            f"buckets = {context.settings.buckets}, but the lakehouse was made with {known}; "
            "keep that number or start a new lakehouse"
        )


STAGE = FrameStage(
    name="clean",
    version=3,
    reads=tuple(Read(f"bronze.{feed}", ()) for feed in FEEDS),
    writes=(
        _SALES_DAILY,
        _PLANNED,
        "silver.products",
        "silver.locations",
        "silver.calendar",
        "silver.stock",
        "silver.supply",
        _QUARANTINE,
        _COUNTS,
    ),
    settings=("buckets", "horizon"),
    libraries=("holidays",),
    identity=lambda context: [context.mapping.clean.model_dump(mode="json"), context.mapping.country],
    is_by_day=False,
    build=build,
)
