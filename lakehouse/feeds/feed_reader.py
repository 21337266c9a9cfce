"""Reading feed files as they are: every source column comes through, by name.

Beside them stand the columns that say where a record came from (`source_file`, `source_row`, `batch_id`); a source
column of the same name is refused.
"""

from __future__ import annotations

import codecs
import csv
import gzip
import json
import tempfile
from collections import Counter
from functools import cache
from itertools import chain
from pathlib import Path
from typing import Literal, TextIO

import pyarrow.parquet as pq
from pyspark.errors import AnalysisException, ParseException
from pyspark.sql import Column, DataFrame, SparkSession
from pyspark.sql import functions as F
from pyspark.sql.types import StringType, StructField, StructType

from lakehouse.errors import SourceError
from lakehouse.feeds.feed_files import CHUNK_BYTES, FeedFile, is_packed, lookup_file, open_bytes
from lakehouse.feeds.sources import Feed

CORRUPT = "_corrupt_record"  # the whole record as text where it has not the file's columns, else NULL
LINEAGE = ("source_file", "source_row", "batch_id")

_END_MARK = "\x00end of file\x00"
_SPARK_CHARSETS = {"iso8859-1": "ISO-8859-1", "ascii": "US-ASCII"}
_CSV_SUFFIXES = (".csv", ".tsv", ".txt")
_PARQUET_SUFFIXES = (".parquet", ".pq")
# monotonically_increasing_id() puts the partition above bit 33 and the record's number within it below.
_RECORD_BITS = (1 << 33) - 1


def read_feed_file(spark: SparkSession, file: FeedFile, feed: Feed) -> DataFrame:
    """The file's records: every source column, then `source_file`, `source_row` (from 1), `batch_id`.

    CSV columns are STRING, taken by name from the file's own header; a record with too many or too few fields keeps
    its place and its text in `_corrupt_record`. Parquet columns keep their type; nanosecond timestamps are cut to
    microseconds. Raises SourceError when the file cannot be read as its mapping says.
    """
    is_parquet = _format_of(file, feed) == "parquet"
    frame = _read_parquet(spark, file) if is_parquet else _read_csv(spark, file, feed)
    return frame.withColumns({"source_file": F.lit(file.path), "batch_id": F.lit(file.batch_id)})


def read_lookup(spark: SparkSession, feed: Feed, input_dir: Path) -> DataFrame | None:
    """The feed's look-up table: one row per value of `on`, with the aggregates `take`; None where it has none."""
    found = lookup_file(feed, input_dir)
    if found is None or feed.lookup is None:
        return None
    lookup = feed.lookup
    file, source = found
    frame = read_feed_file(spark, file, source)
    try:
        aggregates = [F.expr(sql).alias(name) for name, sql in lookup.take.items()]
        return frame.groupBy(*lookup.on).agg(*aggregates)
    except (AnalysisException, ParseException) as error:
        raise SourceError(
            f"{file.path}: cannot look up {dict(lookup.take)} by {list(lookup.on)}; "
            f"columns found: {frame.columns}. {error}"
        ) from error


def _format_of(file: FeedFile, feed: Feed) -> Literal["csv", "parquet"]:
    if feed.format != "auto":
        return feed.format
    name = file.path.lower().removesuffix(".gz")
    if name.endswith(_PARQUET_SUFFIXES):
        return "parquet"
    if name.endswith(_CSV_SUFFIXES):
        return "csv"
    raise SourceError(
        f"{file.path}: cannot tell the format from the name (known: {_CSV_SUFFIXES + _PARQUET_SUFFIXES}, .gz for CSV); "
        "set `format` in the source mapping"
    )


def _check_names(names: list[str], path: str) -> None:
    """Spark matches names without regard to case, so two that differ by case alone are one name too many."""
    repeated = sorted(name for name, count in Counter(name.lower() for name in names).items() if count > 1)
    reserved = sorted(set(names) & {*LINEAGE, CORRUPT})
    if repeated or reserved or "" in names:
        raise SourceError(
            f"{path}: column names must be distinct, not empty and none of {[*LINEAGE, CORRUPT]}; "
            f"repeated {repeated}, reserved {reserved}, columns found {names}"
        )


def _open_text(file: FeedFile, encoding: str) -> TextIO:
    codec = "utf-8-sig" if encoding.upper() in ("UTF-8", "UTF8") else encoding  # a byte order mark is no name
    if is_packed(file.path):
        return gzip.open(file.uri, "rt", encoding=codec, errors="replace", newline="")
    return open(file.uri, encoding=codec, errors="replace", newline="")


def _csv_header(file: FeedFile, feed: Feed) -> list[str]:
    try:
        with _open_text(file, feed.encoding) as stream:
            header = next((row for row in csv.reader(stream, delimiter=feed.delimiter) if row), [])
    except (OSError, EOFError, LookupError, csv.Error) as error:
        raise SourceError(f"{file.path}: cannot read the CSV header: {error}") from error
    if not header:
        raise SourceError(f"{file.path}: expected a CSV header, found an empty file")
    _check_names(header, file.path)
    return header


def _refuse_open_quote(file: FeedFile, feed: Feed) -> None:
    """Raise SourceError where a quote is never closed: the last field would swallow the rest of the file unseen.

    Quotes come in pairs, so only a file with an odd number of them is parsed to find out (it may just hold 5" pipes).
    """
    quotes = 0
    with open_bytes(file.uri, packed=is_packed(file.path)) as stream:
        while chunk := stream.read(CHUNK_BYTES):
            quotes += chunk.count(b'"')
    if quotes % 2 == 0:
        return
    rows, is_open = 0, True
    with _open_text(file, feed.encoding) as text:
        try:
            for row in csv.reader(chain(text, ["\n", _END_MARK]), delimiter=feed.delimiter):
                rows += bool(row)
                is_open = row != [_END_MARK]
        except csv.Error:  # the field outgrew csv's limit
            rows += 1
    if is_open:
        raise SourceError(
            f"{file.path}: a quote that opens a field in record {rows - 1} is never closed, so the field swallows the "
            "rest of the file. Close it, or double the quotes inside the field."
        )


def _spark_charset(spark: SparkSession, encoding: str) -> str:
    """The encoding as Spark names it; Spark keeps to a short list unless told that Java's names will do."""
    try:
        name = codecs.lookup(encoding).name
    except LookupError as error:
        raise SourceError(f"encoding {encoding!r} is unknown; use for instance UTF-8 or windows-1252") from error
    if name.startswith("utf-") or name in _SPARK_CHARSETS:
        return _SPARK_CHARSETS.get(name, name)
    spark.conf.set("spark.sql.legacy.javaCharsets", "true")  # read again when the query runs, so it stays on
    return "windows-" + name[2:] if name.startswith("cp125") else name


def _spark_path(file: FeedFile) -> str:
    """Where Spark reads the file: by a link of a plain name where it would not take the file's own as it stands.

    It passes over names that begin with _ or ., takes brackets and stars for patterns, and knows .gz in small letters.
    """
    name, suffix = Path(file.uri).name, ".gz" if is_packed(file.path) else ""
    is_plain = not name.startswith(("_", ".")) and not set(file.uri) & set("{}[]*?\\")
    if is_plain and name.endswith(".gz") == bool(suffix):
        return file.uri
    link = Path(_folder_of_links().name) / f"{file.batch_id}{suffix}"
    link.unlink(missing_ok=True)
    link.symlink_to(file.uri)
    return str(link)


@cache
def _folder_of_links() -> tempfile.TemporaryDirectory[str]:
    """A folder that goes with the process: frames are read long after they are made."""
    return tempfile.TemporaryDirectory(prefix="shelfcast-")


def _read_csv(spark: SparkSession, file: FeedFile, feed: Feed) -> DataFrame:
    header = _csv_header(file, feed)
    _refuse_open_quote(file, feed)
    fields = [StructField(name, StringType()) for name in (*header, CORRUPT)]
    frame = (
        spark.read.schema(StructType(fields))
        .option("header", True)
        .option("enforceSchema", False)  # Spark checks the header against the names: no silent swap
        .option("mode", "PERMISSIVE")
        .option("columnNameOfCorruptRecord", CORRUPT)
        .option("columnPruning", False)  # a pruned record is not checked for its number of fields
        .option("multiLine", True)  # quoted line breaks; the file is one task, so records number from its start
        .option("quote", '"')
        .option("escape", '"')  # RFC 4180: a quote inside quotes is doubled
        .option("delimiter", feed.delimiter)
        .option("encoding", _spark_charset(spark, feed.encoding))
        .csv(_spark_path(file))
    )
    # Numbered before anything can move or drop a record.
    number = F.monotonically_increasing_id().bitwiseAND(F.lit(_RECORD_BITS)) + 1
    return frame.withColumn("source_row", number)


def _read_parquet(spark: SparkSession, file: FeedFile) -> DataFrame:
    try:
        metadata = pq.ParquetFile(file.uri)
    except (OSError, ValueError) as error:
        raise SourceError(f"{file.path}: expected a Parquet file: {error}") from error
    _check_names(metadata.schema_arrow.names, file.path)
    nanos = _nanosecond_columns(metadata)
    if nanos:
        # Spark refuses nanosecond timestamps unless told to hand them over as numbers. The setting is read again when
        # the query runs, so it stays on; it changes nothing but that refusal.
        spark.conf.set("spark.sql.legacy.parquet.nanosAsLong", "true")
    frame = spark.read.parquet(_spark_path(file))
    row = (F.col("_metadata.row_index") + 1).alias("source_row")
    columns = [
        _timestamp_of_nanos(name, nanos[name]) if name in nanos else F.col(quoted(name)) for name in frame.columns
    ]
    return frame.select(*columns, row)


def _nanosecond_columns(file: pq.ParquetFile) -> dict[str, bool]:
    """Columns stored as INT64 nanoseconds, with whether they are instants (True) or wall-clock times (False)."""
    found = {}
    for index in range(len(file.schema)):
        column = file.schema.column(index)
        logical = json.loads(column.logical_type.to_json())
        if column.physical_type == "INT64" and logical.get("timeUnit") == "nanoseconds":
            found[column.path] = bool(logical["isAdjustedToUTC"])
    return found


def _timestamp_of_nanos(name: str, is_instant: bool) -> Column:
    nanos = quoted(name)
    micros = f"({nanos} - pmod({nanos}, 1000)) div 1000"  # floor, also before 1970
    sql = (
        f"timestamp_micros({micros})"
        if is_instant
        else f"timestampadd(MICROSECOND, {micros}, TIMESTAMP_NTZ'1970-01-01 00:00:00')"
    )
    return F.expr(sql).alias(name)


def quoted(name: str) -> str:
    """The name as a Spark identifier, whatever characters it holds."""
    return "`" + name.replace("`", "``") + "`"
