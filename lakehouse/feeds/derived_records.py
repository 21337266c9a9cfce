"""Columns that a mapping states as Spark SQL, and look-ups: the part of reading that needs Spark."""

from __future__ import annotations

import json
import re
import tempfile
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cache, reduce
from pathlib import Path

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.dataset as ds
import pyarrow.parquet as pq
from pyspark.sql import Column, DataFrame, SparkSession
from pyspark.sql import functions as F

from lakehouse.errors import SourceError
from lakehouse.faults import nearest
from lakehouse.feeds.cells import TYPED
from lakehouse.feeds.dropped_records import DROPPED
from lakehouse.feeds.feed_files import FeedFile, lookup_file
from lakehouse.feeds.parquet_records import ParquetRecords
from lakehouse.feeds.records import OtherRecords, Records, open_records
from lakehouse.feeds.sources import Feed
from lakehouse.feeds.sql_clauses import SparkFault, clauses_of, named_clause
from lakehouse.feeds.text_records import CORRUPT, ROW, SHEET
from lakehouse.schema.columns import COLUMNS

DERIVED, FAILED = "=", "!"  # before a target's name: what the expression gave, and what it gave nothing from
WRITTEN = "#"  # before the name of a column that SQL sees as a number: its cells as text
MARKED = "~"  # before a column's name: its cells with the marks of those that are typed


@dataclass(slots=True)
class DerivedRecords(OtherRecords):
    """Records with a column `=target` for each expression, and `!target`: the inputs of which it made nothing.

    expressions: target -> Spark SQL over the columns of `records`. kept: columns that are needed besides. places: where
    the mapping states each of them, and `drop_when`, of which the column DROPPED is made. numbers: columns
    that SQL sees as DOUBLE. Raises
    SourceError where Spark cannot compute one, by its place.
    """

    spark: SparkSession
    records: Records
    file: FeedFile
    expressions: Mapping[str, str]
    kept: Sequence[str]
    places: Mapping[str, str]
    drop_when: str | None = None
    numbers: Sequence[str] = ()

    def batches(self) -> Iterator[pa.RecordBatch]:
        with tempfile.TemporaryDirectory(prefix="shelfcast-") as folder:
            types = {} if not isinstance(self.records, ParquetRecords) else _zones(self.file)
            frame = staged(self.spark, self.records, self.file, Path(folder) / "in.parquet")
            try:
                self._derived(frame).write.parquet(str(Path(folder) / "out"))
            except SparkFault as error:
                if (words := named_clause(error, self._clauses())) is not None:
                    raise SourceError(f"{self.file.path}: {words}") from error
                raise
            for batch in ds.dataset(str(Path(folder) / "out"), format="parquet").to_batches():
                yield _with_types(batch, types)

    def _clauses(self) -> dict[str, str]:
        stated = {self.places[target]: sql for target, sql in self.expressions.items()}
        return stated | ({self.places["drop_when"]: self.drop_when} if self.drop_when is not None else {})

    def _derived(self, frame: DataFrame) -> DataFrame:
        hint = f"\n  {self.file.path} has the columns {self.names}"
        for name in self.numbers:
            number = F.expr(f"try_cast({quoted(name)} AS DOUBLE)")
            frame = frame.withColumn(WRITTEN + name, F.col(quoted(name))).withColumn(name, number)
        with clauses_of(self._clauses(), frame.select, hint):
            columns: list[Column] = []
            for target, sql in self.expressions.items():
                value = F.expr(sql)
                columns.append(value.alias(DERIVED + target))
                columns.append(_nothing_from(value, sql, target, self.names, self.numbers).alias(FAILED + target))
            if self.drop_when is not None:
                is_true = F.coalesce(F.expr(self.drop_when).cast("boolean"), F.lit(False))
                columns.append((is_true & F.col(CORRUPT).isNull()).alias(DROPPED))
            there = set(frame.columns)
            kept = {
                name: next(each for each in (MARKED + name, WRITTEN + name, name) if each in there)
                for name in (*dict.fromkeys(self.kept), *([SHEET] if SHEET in there else []), ROW, CORRUPT)
            }
            return frame.select(*(F.col(quoted(held)).alias(name) for name, held in kept.items()), *columns)


def staged(spark: SparkSession, records: Records, file: FeedFile, path: Path) -> DataFrame:
    """The records as a Spark frame: a Parquet file is read where it lies, anything else by way of one."""
    if isinstance(records, ParquetRecords):
        return _of_parquet(spark, file)
    if repeated := sorted(n for n, count in Counter(name.lower() for name in records.names).items() if count > 1):
        raise SourceError(
            f"{file.path}: the columns {repeated} differ by case alone; an expression cannot tell them apart"
        )
    writer = None
    for batch in records.batches():
        for name in batch.schema.names:
            if pa.types.is_string(batch[name].type) and pc.any(pc.starts_with(batch[name], TYPED)).as_py():
                plain = pc.replace_substring_regex(batch[name], f"^{TYPED}", "")
                batch = batch.append_column(MARKED + name, batch[name])
                batch = batch.set_column(batch.schema.get_field_index(name), name, plain)
        writer = writer or pq.ParquetWriter(path, batch.schema)
        missing = [pa.field(f.name, f.type) for f in writer.schema if f.name not in batch.schema.names]
        for field in missing:
            batch = batch.append_column(field, pa.nulls(batch.num_rows, field.type))
        writer.write_batch(batch.select(writer.schema.names))
    if writer is None:
        fields = [pa.field(name, pa.string()) for name in records.names]
        writer = pq.ParquetWriter(path, pa.schema([*fields, (ROW, pa.int64()), (CORRUPT, pa.string())]))
    writer.close()
    return spark.read.parquet(str(path))


def read_lookup(spark: SparkSession, feed: Feed, input_dir: Path, where: str) -> pa.Table | None:
    """The feed's look-up table: one row per value of `on`, with the aggregates `take`; None where it has none.

    where: the place of `take` in the mapping, for messages.
    """
    found = lookup_file(feed, input_dir)
    if found is None or feed.lookup is None:
        return None
    lookup = feed.lookup
    file, source = found
    records = open_records(file, source)
    with tempfile.TemporaryDirectory(prefix="shelfcast-") as folder:
        frame = staged(spark, records, file, Path(folder) / "in.parquet")
        if missing := sorted({*lookup.on} - {*records.names}):
            raise SourceError(
                f"{where}: the look-up's file {file.path} lacks the columns {missing} of `on`"
                f"{nearest(missing[0], records.names)}; columns found: {records.names}"
            )
        clauses = {f"{where}.{name}": sql for name, sql in lookup.take.items()}
        groups = frame.groupBy(*map(quoted, lookup.on))
        with clauses_of(clauses, groups.agg, f"\n  {file.path} has the columns {records.names}"):
            return groups.agg(*(F.expr(sql).alias(name) for name, sql in lookup.take.items())).toArrow()


def quoted(name: str) -> str:
    """The name as a Spark identifier, whatever characters it holds."""
    return "`" + name.replace("`", "``") + "`"


def _nothing_from(value: Column, sql: str, target: str, names: Sequence[str], numbers: Sequence[str]) -> Column:
    """What an expression made nothing of, in words: NULL though all that it reads is there.

    Text may well be NULL, and so may what an expression says itself that it makes NULL.
    """
    read = [name for name in names if re.search(rf"(?<![\w']){re.escape(name)}(?![\w'])", sql, re.IGNORECASE)]
    if COLUMNS[target].type == "string" or not read or re.search(r"\bnull(if)?\b", sql, re.IGNORECASE):
        return F.lit(None).cast("string")
    written = [WRITTEN + name if name in numbers else name for name in read]
    texts = [F.trim(F.col(quoted(name)).cast("string")) for name in written]
    all_there = reduce(Column.__and__, (F.coalesce(text != "", F.lit(False)) for text in texts))
    inputs = [F.concat(F.lit(f"{name} = '"), text, F.lit("'")) for name, text in zip(read, texts, strict=True)]
    return F.when(value.isNull() & all_there, F.concat(F.lit("nothing from "), F.concat_ws(", ", *inputs)))


def _zones(file: FeedFile) -> dict[str, pa.DataType]:
    """Instants of a Parquet file with the zone that they were written in, which Spark forgets."""
    return {field.name: field.type for field in pq.read_schema(file.local()) if getattr(field.type, "tz", None)}


def _with_types(batch: pa.RecordBatch, types: Mapping[str, pa.DataType]) -> pa.RecordBatch:
    for name, type_ in types.items():
        if name in batch.schema.names:
            instants = pc.cast(batch[name], pa.timestamp("us", type_.tz))
            batch = batch.set_column(batch.schema.get_field_index(name), name, instants)
    return batch


def _of_parquet(spark: SparkSession, file: FeedFile) -> DataFrame:
    nanos = _nanosecond_columns(pq.ParquetFile(file.local()))
    if nanos:
        # Spark refuses nanosecond timestamps unless told to hand them over as numbers. The setting is read again when
        # the query runs, so it stays on; it changes nothing but that refusal.
        spark.conf.set("spark.sql.legacy.parquet.nanosAsLong", "true")
    frame = spark.read.parquet(_spark_path(file))
    row = (F.col("_metadata.row_index") + 1).alias(ROW)
    columns = [
        _timestamp_of_nanos(name, nanos[name]) if name in nanos else F.col(quoted(name)) for name in frame.columns
    ]
    return frame.select(*columns, row, F.lit(None).cast("string").alias(CORRUPT))


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


def _spark_path(file: FeedFile) -> str:
    """Where Spark reads the file: by a link of a plain name where it would not take the file's own as it stands.

    It passes over names that begin with _ or . and takes brackets and stars for patterns.
    """
    lies = file.local()
    is_plain = not Path(lies).name.startswith(("_", ".")) and not set(lies) & set("{}[]*?\\")
    if is_plain:
        return lies
    link = Path(_folder_of_links().name) / file.batch_id
    link.unlink(missing_ok=True)
    link.symlink_to(lies)
    return str(link)


@cache
def _folder_of_links() -> tempfile.TemporaryDirectory[str]:
    """A folder that goes with the process: frames are read long after they are made."""
    return tempfile.TemporaryDirectory(prefix="shelfcast-")
