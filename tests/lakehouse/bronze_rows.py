"""Bronze rows: written by hand, a dict per row and everything else as ingest would set it; or read from files."""

from __future__ import annotations

import tempfile
from datetime import datetime
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
from pyspark.sql import DataFrame, SparkSession

from lakehouse.feeds.feed_files import find_feed_files
from lakehouse.feeds.reading import open_feed_file, zones_of_places
from lakehouse.feeds.sources import SourceMapping
from lakehouse.schema.tables import FEEDS, contract

INGESTED_AT = datetime(2024, 6, 1, 12)


def bronze(spark: SparkSession, feed: str, rows: list[dict[str, Any]]) -> DataFrame:
    declared = contract(f"bronze.{feed}")
    schema = ", ".join(f"{name} {declared.sql_type(name)}" for name in declared.columns)
    defaults = {"source_file": f"{feed}.csv", "source_column": "", "row_hash": "", "batch_id": "b1"}
    if feed in ("sales", "prices", "promotions", "stock", "supply"):
        defaults |= {"sku_id": "A", "location_id": "L"}
    if feed == "sales":
        defaults |= {"ds": "2024-01-01", "units": "1"}
    records = []
    for number, row in enumerate(rows, start=1):
        record = {**defaults, "source_row": number, "ingested_at": INGESTED_AT, **row}
        records.append(tuple(record.get(name) for name in declared.columns))
    return spark.createDataFrame(records, schema)


def read_table(spark: SparkSession, folder: Path, mapping: SourceMapping, feed: str = "sales") -> pa.Table:
    """The rows of `bronze.<feed>` that the folder's files give."""
    zones = {} if feed == "locations" else zones_of_places(mapping, folder, lambda: spark)
    pieces = [
        piece
        for file in find_feed_files(mapping.feeds[feed], folder)
        for piece in open_feed_file(file, feed, mapping, folder, lambda: spark, zones=zones).tables()
    ]
    columns = contract(f"bronze.{feed}").empty(with_partitions=True)
    return pa.concat_tables([columns, *(piece.cast(columns.schema) for piece in pieces)])


def read_files(spark: SparkSession, folder: Path, mapping: SourceMapping, feed: str = "sales") -> DataFrame:
    """The same as a Spark frame, with the types that bronze has."""
    table = read_table(spark, folder, mapping, feed)
    path = Path(tempfile.mkdtemp()) / "bronze.parquet"  # a frame is read long after it is made
    pq.write_table(contract(f"bronze.{feed}").conform(table, with_partitions=True), path, store_schema=False)
    return spark.read.parquet(str(path))


def mapping(*feeds: str, **clean: Any) -> SourceMapping:
    """A mapping whose feeds `sales` and `feeds` deliver every column of the layout under its own name."""
    columns = {feed: {name: name for name in FEEDS[feed].columns} for feed in dict.fromkeys(("sales", *feeds))}
    declared = {feed: {"files": ("x.csv",), "columns": names} for feed, names in columns.items()}
    return SourceMapping.model_validate(
        {"name": "test", "description": "test", "country": "US", "feeds": declared, "clean": clean}
    )
