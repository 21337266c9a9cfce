"""Reading a feed's file: from its records to rows of bronze, with Spark only where the mapping states SQL."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import UTC, date, datetime
from pathlib import Path
from typing import TYPE_CHECKING

from lakehouse.errors import SourceError
from lakehouse.feeds.bronze import BronzeReader, needed_columns
from lakehouse.feeds.derived_records import DerivedRecords, read_lookup
from lakehouse.feeds.dropped_records import DroppedRecords, can_be_told
from lakehouse.feeds.feed_files import FeedFile, find_feed_files
from lakehouse.feeds.notation import check_zone
from lakehouse.feeds.plain_numbers import PlainNumbers
from lakehouse.feeds.records import LookedUp, Records, open_records
from lakehouse.feeds.sources import SourceMapping

if TYPE_CHECKING:
    from pyspark.sql import SparkSession


def open_feed_file(
    file: FeedFile,
    feed_name: str,
    mapping: SourceMapping,
    input_dir: Path,
    spark: Callable[[], SparkSession],
    *,
    arrived_at: datetime | None = None,
    zones: Mapping[str, str] | None = None,
    as_of: date | None = None,
) -> BronzeReader:
    """What gives the file's rows of `bronze.<feed_name>`.

    spark: asked for a session where an expression or a look-up needs one; arrived_at: when the file first came, now if
    not given; zones: time zone by location; as_of: the run's day. Raises SourceError where the file cannot be read as
    its mapping says.
    """
    feed = mapping.feeds[feed_name]
    records: Records = open_records(file, feed)
    if feed.numbers:
        notation = feed.notation.over(mapping.notation)
        records = PlainNumbers(records, feed.numbers, notation, mapping.currency, file.path)
    if feed.lookup is not None:
        table = read_lookup(spark(), feed, input_dir, mapping.place("feeds", feed_name, "lookup", "take"))
        assert table is not None
        records = LookedUp(records, table, feed.lookup.on, file.path)
    expressions = {target: origin.expr for target, origin in feed.mapping().items() if origin.expr is not None}
    drop_when, place = feed.drop_when, mapping.place("feeds", feed_name, "drop_when")
    if drop_when is not None and can_be_told(drop_when, records.names, place, file.path) and not expressions:
        records, drop_when = DroppedRecords(records, drop_when, file.path, place, feed.numbers), None
    if expressions or drop_when is not None:
        whole = mapping.clean.drop_exact_duplicates  # the hash of a record is of all its columns
        kept = list(records.names) if whole else needed_columns(mapping, feed_name, records.names)
        places = {target: mapping.place("feeds", feed_name, "columns", target, "expr") for target in expressions}
        places["drop_when"] = place
        records = DerivedRecords(spark(), records, file, expressions, kept, places, drop_when, feed.numbers)
    return BronzeReader(feed_name, mapping, file, records, arrived_at or datetime.now(UTC), zones or {}, as_of)


def zones_of_places(mapping: SourceMapping, input_dir: Path, spark: Callable[[], SparkSession]) -> dict[str, str]:
    """Time zone by location, of those for which the locations feed states one."""
    feed = mapping.feeds.get("locations")
    if feed is None or "timezone" not in feed.columns:
        return {}
    zones: dict[str, str] = {}
    for file in find_feed_files(feed.model_copy(update={"optional": True}), input_dir):
        if file.is_empty:
            continue
        for table in open_feed_file(file, "locations", mapping, input_dir, spark).tables():
            for place, zone in zip(*(table[name].to_pylist() for name in ("location_id", "timezone")), strict=True):
                if place and zone:
                    zones[place] = _checked(zone, place, file)
    return zones


def _checked(zone: str, place: str, file: FeedFile) -> str:
    try:
        check_zone(zone)
    except ValueError as error:
        raise SourceError(f"{file.path}: location {place!r}: {error}") from None
    return zone
