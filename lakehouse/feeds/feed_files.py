"""Feed files: finding them below the input folder, fingerprinting them, reading them as they are.

Every source column comes through, by name. Beside them stand the columns that say where a record came from
(`source_file`, `source_row`, `batch_id`); a source column of the same name is refused.
"""

from __future__ import annotations

import codecs
import csv
import gzip
import hashlib
import json
from collections import Counter
from dataclasses import dataclass
from itertools import chain
from pathlib import Path
from typing import Literal, TextIO

import pyarrow.parquet as pq
from pyspark.errors import AnalysisException, ParseException
from pyspark.sql import Column, DataFrame, SparkSession
from pyspark.sql import functions as F
from pyspark.sql.types import StringType, StructField, StructType

from lakehouse.errors import SourceError
from lakehouse.feeds.sources import Feed

CORRUPT = "_corrupt_record"  # the whole record as text where it has not the file's columns, else NULL
LINEAGE = ("source_file", "source_row", "batch_id")

_CHUNK_BYTES = 1 << 20
_END_MARK = "\x00end of file\x00"
_SPARK_CHARSETS = {"iso8859-1": "ISO-8859-1", "ascii": "US-ASCII"}
_CSV_SUFFIXES = (".csv", ".tsv", ".txt")
_PARQUET_SUFFIXES = (".parquet", ".pq")
# monotonically_increasing_id() puts the partition above bit 33 and the record's number within it below.
_RECORD_BITS = (1 << 33) - 1


@dataclass(frozen=True, slots=True)
class FeedFile:
    """One file of a feed.

    path: relative to the input folder, with forward slashes; uri: where Spark reads it; bytes: its size on disk;
    batch_id: first 16 hex digits of the SHA-256 of path and content, so a changed file is a new batch.
    """

    path: str
    uri: str
    bytes: int
    batch_id: str


def find_feed_files(feed: Feed, input_dir: Path) -> list[FeedFile]:
    """The feed's files below `input_dir`, in order of their path; a folder stands for the files inside it.

    Returns an empty list when nothing matches an optional feed. Raises SourceError when nothing matches a required one,
    naming the folder and what is there, and when a file lies there both packed and unpacked (it would count twice).
    """
    if not input_dir.is_dir():
        raise SourceError(f"the input folder {input_dir} does not exist; pass the folder that holds {feed.files}")
    matches = {match for pattern in feed.files for match in input_dir.glob(pattern)}
    files = sorted({file for match in matches for file in _files_in(match)})
    if not files and not feed.optional:
        present = sorted(entry.name for entry in input_dir.iterdir())
        shown = ", ".join(present[:20]) + (f" and {len(present) - 20} more" if len(present) > 20 else "")
        raise SourceError(
            f"no file in {input_dir} matches {list(feed.files)}; found there: {shown or 'nothing'}. "
            "Pass the folder that holds them, or change `files` in the source mapping."
        )
    _refuse_packed_twins(files)
    return [_feed_file(file, input_dir) for file in files]


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
    if feed.lookup is None:
        return None
    lookup = feed.lookup
    source = feed.model_copy(update={"files": (lookup.file,), "lookup": None, "optional": False})
    files = find_feed_files(source, input_dir)
    if len(files) > 1:
        raise SourceError(f"look-up {lookup.file!r} matches {[file.path for file in files]}; name one file")
    frame = read_feed_file(spark, files[0], source)
    try:
        aggregates = [F.expr(sql).alias(name) for name, sql in lookup.take.items()]
        return frame.groupBy(*lookup.on).agg(*aggregates)
    except (AnalysisException, ParseException) as error:
        raise SourceError(
            f"{files[0].path}: cannot look up {dict(lookup.take)} by {list(lookup.on)}; "
            f"columns found: {frame.columns}. {error}"
        ) from error


def _files_in(match: Path) -> list[Path]:
    """A file itself, or the data files of a folder such as Spark writes (`_SUCCESS` and dot files are none)."""
    if match.is_file():
        return [match]
    return [file for file in match.rglob("*") if file.is_file() and not file.name.startswith(("_", "."))]


def _refuse_packed_twins(files: list[Path]) -> None:
    twins = [str(file) for file in files if file.with_name(file.name + ".gz") in files]
    if twins:
        raise SourceError(
            f"{twins} lie there packed (.gz) and unpacked: the rows would count twice. Remove one of each."
        )


def _feed_file(file: Path, input_dir: Path) -> FeedFile:
    path = file.relative_to(input_dir).as_posix()
    digest = hashlib.sha256(path.encode() + b"\0")
    with file.open("rb") as stream:
        while chunk := stream.read(_CHUNK_BYTES):
            digest.update(chunk)
    return FeedFile(path, str(file.resolve()), file.stat().st_size, digest.hexdigest()[:16])


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
    if file.path.lower().endswith(".gz"):
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
    opener = gzip.open if file.path.lower().endswith(".gz") else open
    quotes = 0
    with opener(file.uri, "rb") as stream:
        while chunk := stream.read(_CHUNK_BYTES):
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
        .csv(file.uri)
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
    frame = spark.read.parquet(file.uri)
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
