"""Write only what changed: later stages tell from a bucket's files whether its past is still what they used."""

from __future__ import annotations

from dataclasses import dataclass

from pyspark import StorageLevel
from pyspark.sql import DataFrame
from pyspark.sql import functions as F

from lakehouse.delta.io import Lakehouse
from lakehouse.delta.write_frame import write_frame


@dataclass(frozen=True, slots=True)
class Changes:
    """Buckets rewritten whole, and buckets that only gained later days."""

    rewritten: tuple[int, ...]
    extended: tuple[int, ...]


def write_changed_buckets(lakehouse: Lakehouse, frame: DataFrame, name: str, most_rows: int) -> Changes | None:
    """Bring a table partitioned by bucket, with rows per `ds`, to the content of `frame`.

    A bucket that only has new days gets them as a further file; one whose known days changed is replaced; the others
    are left alone. most_rows: as many as the frame can have. Returns None when the table was empty and everything was
    written.
    """
    table = lakehouse.ensure(name, frame.sparkSession)
    if not lakehouse.rows(name, table.version()):
        write_frame(lakehouse, frame, name, most_rows)
        return None
    frame = frame.persist(StorageLevel.MEMORY_AND_DISK)
    try:
        old = lakehouse.read_spark(frame.sparkSession, name, table.version())
        changes, last_day = _compare(old, frame)
        if changes.rewritten:
            chosen = frame.filter(F.col("bucket").isin(*changes.rewritten))
            write_frame(lakehouse, chosen, name, most_rows, {"bucket": [str(bucket) for bucket in changes.rewritten]})
        if changes.extended:
            later = frame.filter(F.col("bucket").isin(*changes.extended) & (F.col("ds") > F.lit(last_day)))
            write_frame(lakehouse, later, name, most_rows, None)
    finally:
        frame.unpersist()
    return changes


def _compare(old: DataFrame, new: DataFrame) -> tuple[Changes, object]:
    last_day = old.agg(F.max("ds")).collect()[0][0]
    before = _digests(old)
    known = _digests(new.filter(F.col("ds") <= F.lit(last_day)))
    rows = {row["bucket"]: row["count"] for row in new.groupBy("bucket").count().collect()}
    rewritten = [bucket for bucket in sorted(set(before) | set(rows)) if before.get(bucket) != known.get(bucket)]
    extended = [b for b in sorted(rows) if b not in set(rewritten) and rows[b] > known[b][0]]
    return Changes(tuple(rewritten), tuple(extended)), last_day


def _digests(frame: DataFrame) -> dict[int, tuple[int, int]]:
    """(rows, sum of row hashes) per bucket: equal means the same rows, whatever their order."""
    hashed = frame.select("bucket", F.xxhash64(*sorted(frame.columns)).cast("decimal(38,0)").alias("hash"))
    rows = hashed.groupBy("bucket").agg(F.count("*").alias("rows"), F.sum("hash").alias("hash")).collect()
    return {row["bucket"]: (row["rows"], int(row["hash"])) for row in rows}
