"""Clean: bronze becomes silver, and every source row is used, quarantined, a duplicate or out of scope."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, date, datetime, timedelta
from functools import partial, reduce
from typing import TYPE_CHECKING, Any

import pyarrow as pa
import pyarrow.compute as pc
from pyspark import StorageLevel
from pyspark.sql import DataFrame
from pyspark.sql import functions as F

from jobs.engine.hashing import digest
from jobs.engine.side_by_side import side_by_side
from jobs.engine.stage import FrameStage, Read
from lakehouse.delta.changed_buckets import Changes, write_changed_buckets
from lakehouse.delta.ledger import StageRecord
from lakehouse.delta.state import Held, parts
from lakehouse.errors import ConfigError, SourceError
from lakehouse.feeds.accounts import RowAccounts
from lakehouse.feeds.date_pattern import likely_days
from lakehouse.feeds.findings import Finding, write_findings
from lakehouse.feeds.quality import Split, check_conservation
from lakehouse.feeds.sources import SourceMapping
from lakehouse.schema.tables import FEEDS
from lakehouse.transforms.silver import dimensions
from lakehouse.transforms.silver.census import sales_census
from lakehouse.transforms.silver.cleaning import CleanedSales, clean_feed, clean_sales
from lakehouse.transforms.silver.closed_days import closed_days, weekdays_of
from lakehouse.transforms.silver.planned_daily import planned_daily
from lakehouse.transforms.silver.sales_daily import EstimateLatent, sales_daily
from udfs.demand.censoring.censored_demand import CensoringSpec, latent_table
from udfs.demand.returns import match_cancellations
from udfs.demand.trading_days import Spell, closures, stray_days, summed_period

if TYPE_CHECKING:
    from jobs.context import RunContext
    from jobs.engine.frames import Frames

_SALES_DAILY, _PLANNED = "silver.sales_daily", "silver.planned_daily"
_QUARANTINE, _COUNTS, _LOST = "ops.quarantine", "ops.row_count", "ops.value_lost"


def build(context: RunContext, frames: Frames) -> StageRecord:
    """Write silver.*, ops.quarantine, ops.row_count, ops.value_lost and ops.finding from all of bronze."""
    check_buckets(context)
    mapping, buckets = context.mapping, context.settings.buckets
    census = sales_census(frames["bronze.sales"])
    stray = [] if mapping.clean.first_day else stray_days(census)
    census = census.filter(pc.invert(pc.is_in(census["ds"], pa.array(stray, pa.date32()))))
    refuse_sums(mapping, census)
    sales = clean_sales(frames["bronze.sales"], mapping, buckets, match_cancellations, stray).persist()
    feeds = {
        feed: clean_feed(frames[f"bronze.{feed}"], feed, mapping, buckets) for feed in mapping.feeds if feed != "sales"
    }
    try:
        accounts = take_accounts(context, sales, feeds, frames)
        rejected = accounts.feeds_with("quarantined")
        # A feed without a rejected row is not read again for them.
        splits = [sales.split, *(feed for name, feed in feeds.items() if name in rejected)]
        quarantine = partial(write_quarantine, context, splits)
        if not accounts.used("sales"):
            quarantine()
            raise nothing_left(context, accounts)
        series = sales.series.persist(StorageLevel.MEMORY_AND_DISK)
        count = series.count()
        locations = dimensions.locations(feeds.get("locations"), series, mapping.country).persist()
        spells = spells_without_trade(context, census, sales.span())
        closed = closed_of(context, feeds, locations, spells, sales.span()).persist()
        small = dimensions.frames(feeds, series, locations, closed, sales.span())
        demand = partial(write_sales_daily, context, sales, series, feeds, accounts.rules("sales"), closed)
        works: dict[str, Callable[[], int]] = {
            _SALES_DAILY: demand,
            **{name: partial(write_small, context, name, frame) for name, frame in small.items()},
            _PLANNED: partial(write_planned_daily, context, sales, series, feeds),
            _QUARANTINE: quarantine,
        }
        rows = side_by_side(context.spark, works)[_SALES_DAILY]
        say_findings(context, accounts, stray, spells)
        for frame in (closed, locations, series):
            frame.unpersist()
    finally:
        sales.unpersist()
    return StageRecord("succeeded", rows=rows, ids=count)


def nothing_left(context: RunContext, accounts: RowAccounts) -> SourceError:
    """Where no row of sales can be used: the rule that most of them broke, with one of them, and what may help."""
    rule, count = next(iter(accounts.rejected("sales").items()))
    total, example = sum(accounts.outcomes("sales").values()), examples_of(context)["sales", rule]
    text = (re.findall(r"= '(.*)'", example) or [""])[0]
    readings = [f'{day} as format = "{pattern}"' for pattern, day in likely_days(text)] if rule.endswith("_ds") else []
    hint = f" {text!r} may be {' or '.join(readings)}: say it in the mapping." if readings else ""
    return SourceError(
        f"sales: no row of {total:,} can be used; {rule} rejected {count:,}, such as {example}.{hint} ops.quarantine "
        "holds them all with their reasons. Correct the mapping, or the files, and run again."
    )


def examples_of(context: RunContext) -> dict[tuple[str, str], str]:
    """By feed and rule, the first row that it rejected: file, row, reason."""
    rows = context.lakehouse.read_spark(context.spark, _QUARANTINE).groupBy("feed", "rule_id")
    first = rows.agg(F.min(F.struct("source_file", "source_row", "reason")).alias("row")).collect()
    return {
        (
            row["feed"],
            row["rule_id"],
        ): f"{row['row']['source_file']} row {row['row']['source_row']}: {row['row']['reason']}"
        for row in first
    }


def say_findings(context: RunContext, accounts: RowAccounts, stray: Sequence[date], spells: Sequence[Spell]) -> None:
    """Keep what a person should know as ops.finding; the run's summary says it."""
    rejected = bool(accounts.feeds_with("quarantined"))
    found = accounts.findings(examples_of(context) if rejected else {})
    if stray:
        words = f"days far from all others are taken for mistyped: {', '.join(map(str, stray[:5]))}"
        found.append(Finding("sales", "stray_days", words, len(stray)))
    for kind, what in (("closed", "taken as closed, not as days without demand"), ("gone", "taken as given up")):
        spans = [
            f"{spell.location_id} {spell.first} to {spell.last}"
            if spell.first < spell.last
            else f"{spell.location_id} {spell.first}"
            for spell in spells
            if spell.kind == kind
        ]
        if spans:
            words = f"{len(spans):,} spells without any sale of a location are {what}: {', '.join(spans[:5])}"
            found.append(Finding("sales", kind, words, len(spans), tuple(spans[:20])))
    shut = sorted({(spell.location_id, f"{spell.first:%A}") for spell in spells if spell.kind == "weekday"})
    if shut:
        words = f"{len(shut):,} weekdays are closed by their sales: {', '.join(f'{p} {d}s' for p, d in shut[:5])}"
        found.append(Finding("sales", "closed_weekdays", words, len(shut)))
    masked = masked_days(context)
    if masked:
        named = ", ".join(f"{reason} {count:,}" for reason, count in sorted(masked.items()))
        count = sum(masked.values())
        share = count / max(context.lakehouse.rows(_SALES_DAILY), 1)
        words = f"demand of {count:,} days of series ({share:.2%}) is unknown, not zero: {named}"
        found.append(Finding("sales", "days_masked", words, count))
    write_findings(context.lakehouse, "clean", found)


def masked_days(context: RunContext) -> dict[str, int]:
    """Days of series whose demand is unknown, by reason."""
    rows = context.lakehouse.read_spark(context.spark, _SALES_DAILY).filter("masked_by IS NOT NULL")
    return {row["masked_by"]: row["count"] for row in rows.groupBy("masked_by").count().collect()}


def refuse_sums(mapping: SourceMapping, census: pa.Table) -> None:
    """Raise SourceError where rows sum up weeks or months and the mapping does not say what they are."""
    period = summed_period(census)
    if period is None or mapping.clean.period is not None:
        return
    days = sorted(set(census["ds"].to_pylist()))
    raise SourceError(
        f"sales: expected rows of single days, found rows a {period} apart ({days[0]}, {days[1]}, {days[2]}, ...): as "
        "days they would say nothing of the days between. Say in the mapping, under [clean], what a row is: period = "
        f'"{period}" where it sums up a {period}, whose units are then spread over its days; period = "day" where it '
        "is that day's sales alone."
    )


def take_accounts(context: RunContext, sales: CleanedSales, feeds: dict[str, Split], frames: Frames) -> RowAccounts:
    """Count where each feed's rows went, and the values lost; refuse counts that do not add up to bronze."""
    counts = reduce(DataFrame.unionByName, [sales.counts, *(feed.counts for feed in feeds.values())])
    accounts = RowAccounts.of(row.asDict(recursive=True) for row in counts.collect())  # one for each rule broken
    accounts.write(context.lakehouse)
    for feed in context.mapping.feeds:
        table = f"bronze.{feed}"
        check_conservation(feed, context.lakehouse.rows(table, frames.version(table)), accounts.outcomes(feed))
    return accounts


def spells_without_trade(context: RunContext, census: pa.Table, span: tuple[date, date]) -> list[Spell]:
    """Days on which locations were closed, as their sales show; none where the mapping does not let them tell."""
    clean = context.mapping.clean
    if not clean.infer_closed_days or clean.gap_fill == "unknown" or clean.period in ("week", "month"):
        return []
    within = pc.and_(pc.greater_equal(census["ds"], span[0]), pc.less_equal(census["ds"], span[1]))
    return closures(census.filter(within), span[1])


def closed_of(
    context: RunContext, feeds: dict[str, Split], places: DataFrame, spells: list[Spell], span: tuple[date, date]
) -> DataFrame:
    """(location_id, ds, is_closed) until as far ahead as the calendar goes."""
    ahead = span[1] + timedelta(days=dimensions.CALENDAR_DAYS_AHEAD)
    found = [(spell.location_id, day) for spell in spells if spell.kind != "gone" for day in spell.days()]
    shut = {(spell.location_id, spell.first.isoweekday()) for spell in spells if spell.kind == "weekday"}
    for number in range(1, dimensions.CALENDAR_DAYS_AHEAD + 1):
        day = span[1] + timedelta(days=number)
        found += [(place, day) for place, weekday in shut if weekday == day.isoweekday()]
    opening: dict[str, set[int]] = {}
    if "locations" in feeds and "open_weekdays" in context.mapping.feeds["locations"].columns:
        stated = feeds["locations"].accepted.filter("open_weekdays IS NOT NULL").select("location_id", "open_weekdays")
        opening = {row["location_id"]: weekdays_of(row["open_weekdays"]) for row in stated.collect()}
    return closed_days(feeds.get("calendar"), places, found, opening, span[0], ahead)


def write_sales_daily(
    context: RunContext,
    sales: CleanedSales,
    series: DataFrame,
    feeds: dict[str, Split],
    rules: set[str],
    closed: DataFrame,
) -> int:
    """Write the buckets of silver.sales_daily that changed; returns the table's rows. `rules`: that rejected a row."""
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
        masks=sales.masks(rules),
        closed=closed.filter("is_closed").select("location_id", "ds"),
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
    version=4,
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
        _LOST,
    ),
    settings=("buckets", "horizon"),
    libraries=("holidays",),
    identity=lambda context: [context.mapping.clean.model_dump(mode="json"), context.mapping.country],
    is_by_day=False,
    build=build,
)
