"""A shop's file read as its mapping says, without Spark: rows of bronze, and what the reader has to tell."""

from __future__ import annotations

import csv
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pyarrow as pa

from lakehouse.feeds.feed_files import find_feed_files
from lakehouse.feeds.reading import open_feed_file, zones_of_places
from lakehouse.feeds.sources import SourceMapping

if TYPE_CHECKING:
    from pyspark.sql import SparkSession

PLAIN: dict[str, Any] = {"sku_id": "sku", "location_id": {"const": "s1"}, "ds": "day", "units": "qty"}


@dataclass(frozen=True)
class Reading:
    """Rows in the order of files and records, and the readers' news."""

    rows: list[dict[str, Any]]
    news: list[str]
    set_aside: dict[str, int] = field(default_factory=dict)

    def of(self, *names: str) -> list[Any]:
        """The values of one column, or tuples of several."""
        found = [tuple(row[name] for name in names) for row in self.rows]
        return [value for (value,) in found] if len(names) == 1 else found


def shop(columns: dict[str, Any] | None = None, *, source: dict[str, Any] | None = None, **feed: Any) -> SourceMapping:
    """A mapping of a sales feed. columns: beside or instead of the plain ones; source: keys of the mapping itself."""
    sales = {"files": ["*"], "columns": PLAIN | (columns or {})} | feed
    said = dict(source or {})
    feeds = {"sales": sales} | said.pop("feeds", {})
    return SourceMapping.model_validate({"name": "shop", "feeds": feeds} | said)


def read(folder: Path, mapping: SourceMapping, feed: str = "sales") -> Reading:
    """Every file of the feed. Raises what the readers raise; a reader that asks for Spark fails the test."""
    zones = zones_of_places(mapping, folder, _no_spark)
    found: list[pa.Table] = []
    news: list[str] = []
    set_aside: Counter[str] = Counter()
    for file in find_feed_files(mapping.feeds[feed], folder):
        if file.is_empty:
            continue
        reader = open_feed_file(
            file, feed, mapping, folder, _no_spark, arrived_at=datetime(2024, 3, 1, tzinfo=UTC), zones=zones
        )
        found.extend(reader.tables())
        news.extend(reader.records.news)
        set_aside.update(reader.set_aside)
    rows = [row for table in found for row in table.to_pylist()]
    order = ("source_file", "source_row")
    return Reading(sorted(rows, key=lambda row: tuple(row[name] for name in order)), news, dict(set_aside))


def read_text(folder: Path, text: str | bytes, columns: dict[str, Any] | None = None, **feed: Any) -> Reading:
    """The one file sales.csv with the text, read as `shop` says."""
    (folder / "sales.csv").write_bytes(text.encode() if isinstance(text, str) else text)
    return read(folder, shop(columns, **feed))


def cells(
    folder: Path, target: str, texts: Sequence[str], source: dict[str, Any] | None = None, **notation: Any
) -> list[Any]:
    """What the layout's column makes of the texts, each the cell of one record of sales.csv.

    source: keys of the mapping itself, such as its currency or notation; notation: how the column is written.
    """
    with (folder / "sales.csv").open("w", newline="", encoding="utf-8") as stream:
        writer = csv.writer(stream, delimiter=";")
        writer.writerow(["sku", "day", "qty", "cell"])
        writer.writerows([number, "2024-01-01", 1, text] for number, text in enumerate(texts, start=1))
    columns = {"transaction_id": "sku", target: {"column": "cell", **notation}}
    return read(folder, shop(columns, source=source, delimiter=";")).of(target)


def _no_spark() -> SparkSession:
    raise AssertionError("reading asked for Spark, though the mapping states no SQL")
