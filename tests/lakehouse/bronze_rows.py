"""Bronze rows written by hand: a dict per row, everything else as ingest would set it."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from pyspark.sql import DataFrame, SparkSession

from lakehouse.feeds.sources import SourceMapping
from lakehouse.schema.tables import contract

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


def mapping(*feeds: str, **clean: Any) -> SourceMapping:
    """A mapping whose feeds `sales` and `feeds` deliver every column of the layout under its own name."""
    columns = {
        feed: {name: name for name in contract(f"bronze.{feed}").columns[:-6]}
        for feed in dict.fromkeys(("sales", *feeds))
    }
    declared = {feed: {"files": ("x.csv",), "columns": names} for feed, names in columns.items()}
    return SourceMapping.model_validate(
        {"name": "test", "description": "test", "country": "US", "feeds": declared, "clean": clean}
    )
