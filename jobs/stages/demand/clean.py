"""Clean: bronze becomes silver, and every source row is used, quarantined, a duplicate or out of scope."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace
from functools import partial, reduce
from typing import TYPE_CHECKING

import pyarrow as pa
import pyarrow.compute as pc
from pyspark import StorageLevel
from pyspark.sql import DataFrame

from jobs.engine.side_by_side import side_by_side
from jobs.engine.stage import FrameStage, Read
from jobs.stages.demand.clean_findings import check_lost_share, nothing_left, say_findings
from jobs.stages.demand.daily_sales import check_buckets, write_planned_daily, write_sales_daily
from jobs.stages.demand.days_of_trade import closed_of, refuse_sums, shared_days, spells_without_trade
from lakehouse.delta.dataset import batches_of
from lakehouse.delta.files import replace_rows
from lakehouse.delta.ledger import StageRecord
from lakehouse.delta.write_frame import write_frame
from lakehouse.feeds.accounts import RowAccounts
from lakehouse.feeds.findings import Finding
from lakehouse.feeds.quality import Split, check_conservation
from lakehouse.feeds.sources import SourceMapping
from lakehouse.schema.tables import FEEDS, contract
from lakehouse.transforms.silver import dimensions
from lakehouse.transforms.silver.census import CENSUS_READS, sales_census
from lakehouse.transforms.silver.cleaning import CleanedSales, clean_feed, clean_sales
from lakehouse.transforms.silver.codes import CODES, code_findings, terms_findings
from lakehouse.transforms.silver.kits import Kits
from lakehouse.transforms.silver.weather_days import TABLE as WEATHER
from udfs.demand.returns import match_cancellations
from udfs.demand.trading_days import stray_days

if TYPE_CHECKING:
    from jobs.context import RunContext
    from jobs.engine.frames import Frames

_TOLD = {"suppliers": "silver.supplier", "weather": WEATHER}
"""Feeds that few deliver, and a table that is made of each."""
_SALES_DAILY, _PLANNED = "silver.sales_daily", "silver.planned_daily"
_QUARANTINE, _COUNTS, _LOST = "ops.quarantine", "ops.row_count", "ops.value_lost"


def build(context: RunContext, frames: Frames) -> StageRecord:
    """Write silver.*, ops.quarantine, ops.row_count, ops.value_lost and ops.finding from all of bronze."""
    check_buckets(context)
    mapping, buckets = context.mapping, context.settings.buckets
    census = sales_census(bronze_rows(context, frames, "sales", CENSUS_READS))
    stray = [] if mapping.clean.first_day else stray_days(census)
    census = census.filter(pc.invert(pc.is_in(census["ds"], pa.array(stray, pa.date32()))))
    refuse_sums(mapping, census)
    shared = shared_days(mapping, census, frames["bronze.sales"], stray)
    sales = clean_sales(frames["bronze.sales"], mapping, buckets, match_cancellations, stray).persist()
    feeds = {
        feed: clean_feed(frames[f"bronze.{feed}"], feed, mapping, buckets)
        for feed in mapping.feeds
        if feed != "sales" and (feed not in _TOLD or _is_told(context, feed))
    }
    sales = replace(sales, kits=Kits.of(feeds.get("kits"), buckets))
    try:
        accounts = take_accounts(context, sales, feeds, frames)
        rejected = accounts.feeds_with("quarantined")
        # A feed without a rejected row is not read again for them.
        splits = [feed for name, feed in ({"sales": sales.split} | feeds).items() if name in rejected]
        stated = frames.rows()
        quarantine = partial(write_quarantine, context, splits, stated)
        if not accounts.used("sales"):
            quarantine()
            raise nothing_left(context, accounts)
        series, span = sales.series.persist(StorageLevel.MEMORY_AND_DISK), sales.span()
        count = series.count()
        most = stated + count * dimensions.days_known(*span)
        locations = dimensions.locations(feeds.get("locations"), series, mapping.country).persist()
        spells = spells_without_trade(context, census, span)
        closed = closed_of(context, feeds, locations, spells, span).persist()
        everywhere = terms_hold_everywhere(mapping)
        small = dimensions.frames(feeds, series, locations, closed, span, everywhere=everywhere)
        demand = partial(
            write_sales_daily, context, sales, series, feeds, accounts.rules("sales"), closed, span[1], most
        )
        works: dict[str, Callable[[], int]] = {
            _SALES_DAILY: demand,
            **{name: partial(write_small, context, name, rows, most) for name, rows in small.items()},
            _PLANNED: partial(write_planned_daily, context, span[1], series, feeds, most),
            _QUARANTINE: quarantine,
        }
        if "weather" not in feeds and context.lakehouse.exists(WEATHER):
            context.lakehouse.commit_files(WEATHER, [], {})  # the mapping no longer has it
        rows = side_by_side(context.spark, works)[_SALES_DAILY]
        of_kits = sales.kits.findings(feeds.get("products")) if sales.kits else []
        say_findings(context, accounts, stray, spells, [*shared, *codes_of(context, frames, series), *of_kits])
        check_lost_share(context, accounts)
        for frame in (closed, locations, series):
            frame.unpersist()
    finally:
        sales.unpersist()
    return StageRecord("succeeded", rows=rows, ids=count)


def _is_told(context: RunContext, feed: str) -> bool:
    """Whether the feed has ever had a row: where it has not, its tables are not made, and nothing is asked of Spark."""
    return context.lakehouse.exists(_TOLD[feed]) or context.lakehouse.has_rows(f"bronze.{feed}")


def bronze_rows(context: RunContext, frames: Frames, feed: str, columns: tuple[str, ...]) -> Iterator[pa.RecordBatch]:
    """Columns of a feed's bronze, piece by piece and without Spark."""
    table = f"bronze.{feed}"
    return batches_of(context.lakehouse.dataset(table, frames.version(table)), columns)


def codes_of(context: RunContext, frames: Frames, series: DataFrame) -> list[Finding]:
    """What is to be said of codes that are alike, and of feeds whose codes no sale has."""
    sold = series.select(*CODES).distinct().toArrow()
    stated = {
        (feed, part): bronze_rows(context, frames, feed, (part, "is_dropped"))
        for feed in context.mapping.feeds
        for part in CODES
        if feed != "sales" and part in FEEDS[feed].required
    }
    found = code_findings(sold, stated)
    if "supply" in context.mapping.feeds:
        found += terms_findings(sold, bronze_rows(context, frames, "supply", (*CODES, "is_dropped")))
    return found


def terms_hold_everywhere(mapping: SourceMapping) -> bool:
    """Whether the terms of supply name no place, so that they hold wherever the article is sold."""
    supply = mapping.feeds.get("supply")
    return supply is not None and supply.mapping()["location_id"].const == dimensions.EVERYWHERE


def take_accounts(context: RunContext, sales: CleanedSales, feeds: dict[str, Split], frames: Frames) -> RowAccounts:
    """Count where each feed's rows went, and the values lost; refuse counts that do not add up to bronze."""
    counts = reduce(DataFrame.unionByName, [sales.counts, *(feed.counts for feed in feeds.values())])
    accounts = RowAccounts.of(row.asDict(recursive=True) for row in counts.collect())  # one for each rule broken
    accounts.write(context.lakehouse)
    for feed in context.mapping.feeds:
        table = f"bronze.{feed}"
        check_conservation(feed, context.lakehouse.rows(table, frames.version(table)), accounts.outcomes(feed))
    return accounts


def write_small(context: RunContext, name: str, frame: Callable[[], DataFrame], most: int) -> int:
    return write_frame(context.lakehouse, frame().coalesce(1), name, most)


def write_quarantine(context: RunContext, splits: list[Split], most: int) -> int:
    if not splits:
        return replace_rows(context.lakehouse, _QUARANTINE, contract(_QUARANTINE).empty(with_partitions=True))
    rows = reduce(DataFrame.unionByName, [each.quarantined for each in splits])
    return write_frame(context.lakehouse, rows.repartition("source_file", "source_row"), _QUARANTINE, most)


STAGE = FrameStage(
    name="clean",
    version=8,
    reads=tuple(Read(f"bronze.{feed}", ()) for feed in FEEDS),
    writes=(
        _SALES_DAILY,
        _PLANNED,
        "silver.products",
        "silver.locations",
        "silver.calendar",
        "silver.stock",
        "silver.supply",
        "silver.offer",
        *_TOLD.values(),
        _QUARANTINE,
        _COUNTS,
        _LOST,
    ),
    settings=("buckets", "horizon"),
    libraries=("holidays",),
    identity=lambda context: [context.mapping.clean.model_dump(mode="json"), context.mapping.country],
    is_by_day=False,
    build=build,
)
