"""What the rows of sales are, before any is judged: how many a location has a day, and how many several files state."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import date
from typing import TYPE_CHECKING

import pyarrow as pa
import pyarrow.compute as pc
from pyspark.sql import functions as F

from lakehouse.schema.entities import SERIES
from lakehouse.schema.tables import FEEDS

if TYPE_CHECKING:
    from pyspark.sql import DataFrame

CENSUS_READS = ("location_id", "ds", "units", "batch_id", "source_file", "is_dropped")
_BY_FILE = {
    "location_id": pa.string(),
    "ds": pa.string(),
    "batch_id": pa.string(),
    "source_file": pa.string(),  # with the sheet, where a workbook has several
    "rows": pa.int64(),
    "sold": pa.int64(),
}

_FILE = ("batch_id", "source_file")
_SCHEMA = pa.schema(
    [
        ("location_id", pa.string()),
        ("ds", pa.date32()),
        ("rows", pa.int64()),
        ("sold", pa.int64()),
        ("is_shared", pa.bool_()),
    ]
)


def sales_census(bronze: Iterable[pa.RecordBatch]) -> pa.Table:
    """(location_id, ds, rows, sold, is_shared) of bronze.sales, by location and day.

    rows; those with units above zero; whether they come from several files. Locations times days: a table that fits the
    driver. Rows without a day are left out.

    bronze: `CENSUS_READS`; what the mapping leaves out is not counted. By Arrow: a third of what Spark takes to
    count the same.
    """
    key, by_file = ["location_id", "ds"], [pa.table({name: pa.array([], type_) for name, type_ in _BY_FILE.items()})]
    for batch in (each.filter(pc.invert(pc.fill_null(each["is_dropped"], False))) for each in bronze):
        # A number above zero has a digit other than 0, and no minus before it; text that is none does not matter here.
        is_sold = pc.match_substring_regex(pc.fill_null(batch["units"], ""), r"^[ +]*[0-9.]*[1-9]")
        held = {name: batch[name] for name in (*key, *_FILE)} | {"sold": is_sold.cast(pa.int64())}
        rows = pa.table(held).group_by([*key, *_FILE], use_threads=False)
        counted = rows.aggregate([("sold", "count"), ("sold", "sum")])
        by_file.append(counted.rename_columns([*key, *_FILE, "rows", "sold"]).cast(by_file[0].schema))
    files = pa.concat_tables(by_file).group_by([*key, *_FILE]).aggregate([("rows", "sum"), ("sold", "sum")])
    days = files.group_by(key).aggregate([("rows_sum", "sum"), ("sold_sum", "sum"), ("batch_id", "count")])
    is_day = pc.match_substring_regex(pc.fill_null(days["ds"], ""), r"^\d{4}-(0\d|1[0-2])-([0-2]\d|3[01])$")
    days = days.filter(is_day)
    ds = pa.chunked_array([pa.array([_day(text) for text in days["ds"].to_pylist()], pa.date32())])
    is_shared = pc.greater(days["batch_id_count"], 1)
    census = pa.table([days["location_id"], ds, days["rows_sum_sum"], days["sold_sum_sum"], is_shared], _SCHEMA.names)
    return census.cast(_SCHEMA).filter(pc.is_valid(ds))


def _day(text: str) -> date | None:
    try:
        return date.fromisoformat(text)
    except ValueError:
        return None


def stated_again(rows: DataFrame, delivered: Iterable[str]) -> tuple[int, int, str]:
    """Of the rows whose series and day several files state: all, those that two files state alike, two of these files.

    rows: those of bronze.sales that state a sale (`cleaning.stating_rows`); delivered: the feed columns that the source
    has.
    """
    names = [name for name in FEEDS["sales"].columns if name in set(delivered)]
    key = [*(name for name in SERIES.parts if name in names), "ds"]
    file = F.struct(*_FILE)
    places = rows.groupBy("location_id", "ds").agg((F.min(file) != F.max(file)).alias("is_shared"))
    shared = rows.join(places.filter("is_shared").select("location_id", "ds"), ["location_id", "ds"], "left_semi")
    records = shared.groupBy(*names).agg(F.count("*").alias("rows"), F.collect_set("source_file").alias("files"))
    is_alike = F.size("files") > 1
    days = records.groupBy(*key).agg(
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
