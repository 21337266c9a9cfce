"""What cleaning would do with a feed's files, asked before any run: the same reader and rules, no tables and no Spark.

Spark is only asked for where the mapping itself states SQL. What a condition needs beyond Arrow, and what is decided
between rows of several series (cancellations), is named in `left_to_run`.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, date, datetime
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc

from lakehouse.errors import SourceError
from lakehouse.faults import nearest
from lakehouse.feeds.arrow_sql import Rows, UnsupportedError, columns_of
from lakehouse.feeds.bronze import BronzeReader, as_opened
from lakehouse.feeds.feed_files import FeedFile, find_feed_files
from lakehouse.feeds.file_order import name_key
from lakehouse.feeds.quality import LINEAGE, QualityRule, lost_sql, optional_columns, value_sql, words_for
from lakehouse.feeds.reading import open_feed_file
from lakehouse.feeds.register import plan_feed
from lakehouse.feeds.sources import SourceMapping
from lakehouse.feeds.text_records import TextRecords, lines_of
from lakehouse.schema.entities import SERIES
from lakehouse.schema.tables import FEEDS
from lakehouse.transforms.silver.cleaning import delivered, rules_of

if TYPE_CHECKING:
    from pyspark.sql import SparkSession

_OF_SPARK = ("current_date", "current_timestamp")  # functions that look like columns
_ALL = "all"  # the channel of rows without one
_CENSUS = pa.schema([("location_id", pa.string()), ("ds", pa.date32()), ("rows", pa.int64()), ("sold", pa.int64())])


@dataclass(frozen=True, slots=True)
class Example:
    """A row that a rule claimed or that lost a value: where it stands, and what was found there."""

    file: str
    row: int
    words: str
    line: int | None = None

    def __str__(self) -> str:
        place = f"{self.file}:{self.line} (row {self.row})" if self.line is not None else f"{self.file} row {self.row}"
        return f"{place}: {self.words}"


@dataclass(slots=True)
class FeedCheck:
    """A feed as it would be taken in and cleaned.

    files: rows by file; rows: by (outcome, rule); lost: by column, how many values and the first text, of rows that no
    rule rejects (whether a later file or the series' scope leaves them out or not); examples: by rule, or "lost " and
    the column. census: rows and rows with a sale by location and day. left_to_run: what only a run can tell, and why.
    set_aside: by file, the lines that are no records, by kind. stated_again: as `census.stated_again` counts it;
    shared_days: the first and last day that files share. is_of_sales: the feed is taken from the lines of sales.
    refusal: why it was read no further.
    """

    feed: str
    files: dict[str, int] = field(default_factory=dict)
    rows: Counter[tuple[str, str]] = field(default_factory=Counter)
    lost: dict[str, tuple[int, str]] = field(default_factory=dict)
    examples: dict[str, Example] = field(default_factory=dict)
    first_ds: date | None = None
    last_ds: date | None = None
    series: int = 0
    news: list[str] = field(default_factory=list)
    set_aside: dict[str, Mapping[str, int]] = field(default_factory=dict)
    left_to_run: dict[str, str] = field(default_factory=dict)
    preview: pa.Table | None = None
    census: pa.Table = field(default_factory=_CENSUS.empty_table)
    stated_again: tuple[int, int, str] = (0, 0, "")
    shared_days: tuple[date, ...] = ()
    is_of_sales: bool = False
    refusal: str = ""

    @property
    def used(self) -> int:
        return sum(count for (outcome, _), count in self.rows.items() if outcome == "used")


@dataclass(slots=True)
class _Claims:
    """A feed's rules, applied piece by piece."""

    mapping: SourceMapping
    check: FeedCheck
    rules: tuple[QualityRule, ...]
    optional: tuple[str, ...]
    has_several_files: bool = False
    keys: list[pa.Table] = field(default_factory=list)
    records: list[pd.DataFrame] = field(default_factory=list)
    _seen: set[int] = field(default_factory=set)

    @property
    def feed(self) -> str:
        return self.check.feed

    def take(self, piece: pa.Table, file: FeedFile) -> None:
        """Count a piece of bronze rows by what becomes of them."""
        piece = piece.combine_chunks()
        text = {name: _one(piece[name]) for name in piece.column_names}
        written = Rows(piece.num_rows, text.get)
        copies = self._copy_numbers(piece) if self.mapping.clean.drop_exact_duplicates else None

        def column(name: str) -> pa.Array | None:
            if name.startswith("raw."):
                return text.get(name.removeprefix("raw."))
            if name == "copy_number":
                return copies
            if name in FEEDS[self.feed].columns:
                return written.evaluate(value_sql(self.feed, name))
            return text.get(name) if name == name.lower() else column(name.lower())

        rows = Rows(piece.num_rows, column)
        claimed = self._claimed(rows, piece, file)
        used = claimed < 0
        self._count_lost(rows, piece, file, used)
        self._census(rows)
        self._keep_keys(rows, pa.array(used))
        if self.feed == "sales" and self.has_several_files:
            self._keep_records(piece.filter(pa.array(used)))
        if self.check.preview is None or self.check.preview.num_rows < 5:
            self._preview(rows, pa.array(used))

    def _claimed(self, rows: Rows, piece: pa.Table, file: FeedFile) -> np.ndarray:
        """The number of the rule that claims each row, -1 for none."""
        claimed = np.full(piece.num_rows, -1, dtype=np.int16)
        for number, rule in enumerate(self.rules):
            try:
                breaks = np.asarray(rows.is_true(rule.reject_when)) & (claimed < 0)
            except UnsupportedError as error:
                self.check.left_to_run[rule.id] = str(error)
                continue
            if count := int(breaks.sum()):
                claimed[breaks] = number
                self.check.rows[rule.outcome, rule.id] += count
                shown = rule.shows or tuple(name for name in FEEDS[self.feed].required if rule.id.endswith(name))
                self._example(rule.id, piece, file, int(breaks.argmax()), shown, rule.reason)
        self.check.rows["used", ""] += int((claimed < 0).sum())
        return claimed

    def _count_lost(self, rows: Rows, piece: pa.Table, file: FeedFile, used: np.ndarray) -> None:
        for name in self.optional:
            lost = np.asarray(rows.is_true(lost_sql(name))) & used
            if count := int(lost.sum()):
                at = int(lost.argmax())
                before, example = self.check.lost.get(name, (0, str(piece[name][at].as_py())))
                self.check.lost[name] = before + count, example
                self._example(f"lost {name}", piece, file, at, (name,), f"{name} must be {words_for(name)}")

    def _example(self, key: str, piece: pa.Table, file: FeedFile, at: int, shown: Iterable[str], reason: str) -> None:
        if key in self.check.examples:
            return
        found = ", ".join(f"{name} = {piece[name][at].as_py()!r}" for name in shown)
        row = piece["source_row"][at].as_py()
        self.check.examples[key] = Example(
            piece["source_file"][at].as_py(), row, f"{reason}; found {found}" if found else reason
        )

    def _copy_numbers(self, piece: pa.Table) -> pa.Array:
        """1 for the first record of its content, 2 for any other."""
        record = piece["row_hash"].to_pandas().str.cat(piece["source_column"].fill_null("").to_pandas(), sep="|")
        if self.mapping.feeds[self.feed].latest_by:
            record = record.str.cat(piece["batch_id"].to_pandas(), sep="|")
        hashes = pd.util.hash_array(record.to_numpy(dtype=object), categorize=False)
        numbers = np.ones(len(hashes), dtype=np.int64)
        for at, value in enumerate(hashes.tolist()):
            if value in self._seen:
                numbers[at] = 2
            self._seen.add(value)
        return pa.array(numbers)

    def _census(self, rows: Rows) -> None:
        if self.feed != "sales":
            return
        sold = pc.cast(rows.is_true("units > 0"), pa.int64())
        table = pa.table({"location_id": rows.evaluate("raw.location_id"), "ds": rows.evaluate("ds"), "sold": sold})
        counts = pc.and_not(pc.is_valid(table["ds"]), rows.is_true("is_dropped"))
        table = table.filter(counts).group_by(["location_id", "ds"])
        counted = table.aggregate([("sold", "count"), ("sold", "sum")])
        counted = counted.rename_columns(["location_id", "ds", "rows", "sold"]).select(_CENSUS.names).cast(_CENSUS)
        self.check.census = pa.concat_tables([self.check.census, counted])

    def _keep_keys(self, rows: Rows, used: pa.Array) -> None:
        """Of used rows, what duplicates and series are told by, counted."""
        names = _key_columns(self.feed)
        days = [name for name in ("ds", "ds_from") if name in FEEDS[self.feed].columns and name not in names]
        columns = {name: rows.evaluate(name) for name in (*names, *days, "source_file")}
        sold = rows.is_true("units > 0") if self.feed == "sales" else pa.repeat(False, rows.count)
        table = pa.table({**columns, "sold": pc.cast(sold, pa.int64()), "row": rows.evaluate("source_row")})
        if "channel_id" in columns:
            channel = pc.coalesce(table["channel_id"].cast(pa.string()), pa.scalar(_ALL))
            table = table.set_column(table.column_names.index("channel_id"), "channel_id", channel)
        counted = (
            table.filter(used)
            .group_by([*names, *days, "source_file"])
            .aggregate([("sold", "count"), ("sold", "sum"), ("row", "max")])
        )
        self.keys.append(counted.rename_columns([*names, *days, "source_file", "rows", "sold", "row"]))

    def _preview(self, rows: Rows, used: pa.Array) -> None:
        names = [name for name in FEEDS[self.feed].columns if name in delivered(self.mapping, self.feed)]
        shown = pa.table({name: pc.cast(rows.evaluate(name), pa.string()) for name in names}).filter(used).slice(0, 5)
        self.check.preview = shown if self.check.preview is None else pa.concat_tables([self.check.preview, shown])[:5]

    def finish(self) -> FeedCheck:
        """Decide what rows of several files and pieces say together: duplicates, series, days."""
        if not self.keys:
            return self.check
        check, layout, keys = self.check, FEEDS[self.feed], pa.concat_tables(self.keys)
        day = next((name for name in ("ds", "ds_from") if name in layout.columns), None)
        if day is not None and keys.num_rows:
            span = pc.min_max(keys[day]).as_py()
            check.first_ds, check.last_ds = span["min"], span["max"]
        names = _key_columns(self.feed)
        keys = self._without_superseded(keys)
        if layout.key:
            repeated = keys.group_by(list(names)).aggregate([("rows", "sum")])
            repeated = repeated.filter(pc.greater(repeated["rows_sum"], 1))
            count = (pc.sum(repeated["rows_sum"]).as_py() or 0) - repeated.num_rows
            self._set_aside("duplicate", "repeated_key", count)
            if count:
                self._repeated_example(keys, repeated.slice(0, 1).to_pylist()[0], names)
        series = [name for name in SERIES.parts if name in keys.column_names]
        if series == list(SERIES.parts):
            check.series = keys.group_by(series).aggregate([]).num_rows
        if self.feed == "sales":
            self._finish_sales(keys)
        return check

    def _repeated_example(self, keys: pa.Table, key: Mapping[str, Any], names: Sequence[str]) -> None:
        """The last row of a key that is stated again."""
        for name in names:
            is_same = pc.is_null(keys[name]) if key[name] is None else pc.equal(keys[name], pa.scalar(key[name]))
            keys = keys.filter(is_same)
        last = keys.sort_by([("source_file", "descending"), ("row", "descending")]).slice(0, 1).to_pylist()[0]
        words = ", ".join(f"{name} = {key[name]!r}" for name in names if key[name] is not None)
        self.check.examples["repeated_key"] = Example(last["source_file"], last["row"], f"again {words}")

    def _finish_sales(self, keys: pa.Table) -> None:
        check, clean = self.check, self.mapping.clean
        check.stated_again = self._stated_again()
        if clean.cancellations is not None:
            check.left_to_run["cancellations"] = "cancellations are matched to earlier sales"
        if clean.min_selling_days:
            days = keys.group_by([*SERIES.parts, "ds"]).aggregate([("sold", "sum"), ("rows", "sum")])
            days = days.append_column("is_selling", pc.cast(pc.greater(days["sold_sum"], 0), pa.int64()))
            series = days.group_by(list(SERIES.parts)).aggregate([("is_selling", "sum"), ("rows_sum", "sum")])
            few = series.filter(pc.less(series["is_selling_sum"], clean.min_selling_days))
            self._set_aside("out_of_scope", "min_selling_days", pc.sum(few["rows_sum_sum"]).as_py() or 0)
            check.series -= few.num_rows

    def _without_superseded(self, keys: pa.Table) -> pa.Table:
        """Leave out the rows that a later file states anew (`latest_by`)."""
        feed = self.mapping.feeds[self.feed]
        if not feed.latest_by:
            return keys
        if not set(feed.latest_by) <= set(keys.column_names):
            self.check.left_to_run["superseded_by_later_file"] = f"latest_by = {list(feed.latest_by)}"
            return keys
        names = sorted(
            set(keys["source_file"].to_pylist()), key=lambda n: (name_key(feed.order_by or "()", n) or (), n)
        )
        place = pc.index_in(keys["source_file"], pa.array(names))
        keys = keys.append_column("place", place)
        last = keys.group_by(list(feed.latest_by)).aggregate([("place", "max")])
        kept = keys.join(last, list(feed.latest_by)).filter(pc.field("place") == pc.field("place_max"))
        gone = (pc.sum(keys["rows"]).as_py() or 0) - (pc.sum(kept["rows"]).as_py() or 0)
        self._set_aside("duplicate", "superseded_by_later_file", gone)
        return kept.drop_columns(["place", "place_max"])

    def _keep_records(self, piece: pa.Table) -> None:
        """Hashes of each row's series and day, and of all that it states; a row that a rule rejects states nothing."""
        given = delivered(self.mapping, self.feed)
        key = [name for name in (*SERIES.parts, "ds") if name in given]
        rows = {"key": _hashes(piece, key), "record": _hashes(piece, sorted(given))}
        rows |= {"place": _hashes(piece, ["location_id", "ds"]), "ds": piece["ds"].to_numpy(zero_copy_only=False)}
        files = piece["source_file"].to_pandas()
        self.records.append(pd.DataFrame(rows | {"file": files}).astype({"file": "category"}))

    def _stated_again(self) -> tuple[int, int, str]:
        """As `census.stated_again`: rows of series and days that files state alike, those alike, two of the files."""
        if not self.records:
            return 0, 0, ""
        rows = pd.concat([frame.astype({"file": "object"}) for frame in self.records], ignore_index=True)
        is_shared, is_alike = (_in_several_files(rows, by) for by in ("key", "record"))
        if not is_shared.any():
            return 0, 0, ""
        days = rows.loc[_in_several_files(rows, "place"), "ds"]
        self.check.shared_days = date.fromisoformat(days.min()), date.fromisoformat(days.max())
        first = rows[rows["key"] == rows.loc[is_alike if is_alike.any() else is_shared, "key"].iloc[0]]
        return int(is_shared.sum()), int(is_alike.sum()), " and ".join(sorted(first["file"].unique())[:2])

    def _set_aside(self, outcome: str, rule: str, count: int) -> None:
        if count:
            self.check.rows["used", ""] -= count
            self.check.rows[outcome, rule] += count


def check_feed(
    mapping: SourceMapping,
    feed: str,
    input_dir: Path,
    spark: Callable[[], SparkSession],
    *,
    zones: Mapping[str, str] | None = None,
    stray: Sequence[date] = (),
    most_pieces: int | None = None,
    check: FeedCheck | None = None,
) -> FeedCheck:
    """Read the feed's files as a first run would and say what would become of each row.

    zones, stray: as the run's reader and rules take them. most_pieces: of each file, read no further than so many
    pieces (of about a hundred thousand rows). check: an empty one to fill, which holds what was read before a refusal.
    Raises SourceError where the run would.
    """
    _refuse_unknown_columns(mapping, feed)
    check = check or FeedCheck(feed)
    check.is_of_sales = feed != "sales" and mapping.feeds[feed].files == mapping.feeds["sales"].files
    optional = optional_columns(feed, delivered(mapping, feed))
    claims = _Claims(mapping, check, rules_of(mapping, feed, stray), optional)
    found = find_feed_files(mapping.feeds[feed], input_dir)
    plan = plan_feed(mapping.feeds[feed], found, (), "", datetime.now(UTC))
    check.news += map(str, plan.news)
    claims.has_several_files = len(plan.readings) > 1 or bool(mapping.feeds[feed].sheet)
    for reading in plan.readings:
        file = reading.file
        if file.is_empty:
            check.files[file.path] = 0
            continue
        reader = open_feed_file(file, feed, mapping, input_dir, spark, zones=zones)
        for piece in islice(_pieces(reader), most_pieces):
            claims.take(piece, file)
            check.files[file.path] = check.files.get(file.path, 0) + piece.num_rows
        check.news += reader.records.news
        if reader.set_aside:
            check.set_aside[file.path] = dict(reader.set_aside)
        _find_lines(check, file, reader)
    return claims.finish()


def _refuse_unknown_columns(mapping: SourceMapping, feed: str) -> None:
    """Raise SourceError where a condition of the mapping names a column that no row has, as Spark would."""
    columns = FEEDS[feed].columns
    known = {*columns, *LINEAGE, "raw", "unique_id", "bucket", *_OF_SPARK, *(f"raw.{name}" for name in columns)}
    for place, sql in mapping.conditions(feed).items():
        try:
            unknown = [name for name in columns_of(sql) if name.lower() not in known]
        except UnsupportedError:
            continue  # said as left to the run
        if unknown:
            raise SourceError(
                f"{place}: no column {unknown[0]!r}{nearest(unknown[0], columns)}; conditions see the columns of the "
                f"layout: {feed} has {list(columns)}. To leave out rows by a column of the file, say drop_when beside "
                f"its files. The expression is: {sql}"
            )


def _pieces(reader: BronzeReader) -> Iterator[pa.Table]:
    return (piece for piece in reader.tables() if piece.num_rows)


def _find_lines(check: FeedCheck, file: FeedFile, reader: BronzeReader) -> None:
    """Give the examples of a text file the number of their line."""
    records = as_opened(reader.records)
    if not isinstance(records, TextRecords):
        return
    wanted = {example.row for example in check.examples.values() if example.file == file.path}
    lines = lines_of(records, wanted)
    for key, found in check.examples.items():
        if found.file == file.path:
            check.examples[key] = Example(found.file, found.row, found.words, lines.get(found.row))


def _in_several_files(rows: pd.DataFrame, by: str) -> pd.Series:
    """Whether rows with the same value of `by` stand in several files."""
    files = rows[[by, "file"]].drop_duplicates()[by].value_counts()
    return rows[by].isin(files.index[files > 1])


def _key_columns(feed: str) -> tuple[str, ...]:
    """The columns that tell a row of a feed from another."""
    layout = FEEDS[feed]
    if feed == "sales":
        return (*SERIES.parts, "ds")
    return tuple(part for name in layout.key for part in (SERIES.parts if name == SERIES.id else (name,)))


def _hashes(piece: pa.Table, names: Sequence[str]) -> np.ndarray:
    """A hash of each row's texts in these columns, NULL other than ''."""
    texts = [pc.fill_null(_one(piece[name]), "\x00") for name in names]
    joined = pc.binary_join_element_wise(*texts, "\x1f").to_numpy(zero_copy_only=False)
    return pd.util.hash_array(joined, categorize=False)


def _one(column: pa.ChunkedArray) -> pa.Array:
    array = column.combine_chunks()
    return array if isinstance(array, pa.Array) else pa.concat_arrays(array.chunks)
