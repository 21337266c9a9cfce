"""What the rows of sales are, before any is judged: how many a location has a day, and how many several files state."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING

import pyarrow as pa
from pyspark.sql import functions as F

from lakehouse.schema.entities import SERIES
from lakehouse.schema.tables import FEEDS

if TYPE_CHECKING:
    from pyspark.sql import DataFrame

_SCHEMA = pa.schema(
    [
        ("location_id", pa.string()),
        ("ds", pa.date32()),
        ("rows", pa.int64()),
        ("sold", pa.int64()),
        ("is_shared", pa.bool_()),
    ]
)


def sales_census(bronze: DataFrame) -> pa.Table:
    """(location_id, ds, rows, sold, is_shared) of bronze.sales, by location and day.

    rows; those with units above zero; whether they come from several files. Locations times days: a table that fits the
    driver. Rows without a day are left out.
    """
    day = F.when(F.length("ds") == 10, F.col("ds").try_cast("date"))
    counted = (
        bronze.groupBy("location_id", "ds")
        .agg(
            F.count("*").alias("rows"),
            F.count_if(F.col("units").try_cast("double") > 0).alias("sold"),
            (F.min("batch_id") != F.max("batch_id")).alias("is_shared"),
        )
        .select("location_id", day.alias("ds"), "rows", "sold", "is_shared")
        .filter("ds IS NOT NULL")
    )
    return pa.Table.from_pylist([row.asDict() for row in counted.collect()], _SCHEMA)


def stated_again(bronze: DataFrame, delivered: Iterable[str]) -> tuple[int, int, str]:
    """Of the rows whose series and day several files state: all, those that two files state alike, two of these files.

    delivered: the feed columns that the source has.
    """
    names = [name for name in FEEDS["sales"].columns if name in set(delivered)]
    key = [*(name for name in SERIES.parts if name in names), "ds"]
    places = bronze.groupBy("location_id", "ds").agg((F.min("batch_id") != F.max("batch_id")).alias("is_shared"))
    shared = bronze.join(places.filter("is_shared").select("location_id", "ds"), ["location_id", "ds"], "left_semi")
    rows = shared.groupBy(*names).agg(F.count("*").alias("rows"), F.collect_set("source_file").alias("files"))
    is_alike = F.size("files") > 1
    days = rows.groupBy(*key).agg(
        F.sum("rows").alias("rows"),
        F.sum(F.when(is_alike, F.col("rows"))).alias("alike"),
        F.array_sort(F.array_distinct(F.flatten(F.collect_list("files")))).alias("files"),
    )
    found = days.filter(is_alike).agg(
        F.sum("rows").alias("rows"),
        F.sum("alike").alias("alike"),
        F.min(F.when(F.col("alike") > 0, F.concat_ws(" and ", F.slice("files", 1, 2)))).alias("files"),
    )
    row = found.collect()[0]
    return row["rows"] or 0, row["alike"] or 0, row["files"] or ""
