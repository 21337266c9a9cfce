"""How many rows of sales each location has a day: one pass over bronze, before any row is judged."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pyarrow as pa
from pyspark.sql import functions as F

if TYPE_CHECKING:
    from pyspark.sql import DataFrame

_SCHEMA = pa.schema([("location_id", pa.string()), ("ds", pa.date32()), ("rows", pa.int64()), ("sold", pa.int64())])


def sales_census(bronze: DataFrame) -> pa.Table:
    """(location_id, ds, rows, sold) of bronze.sales: its rows by location and day, and those with units above zero.

    Locations times days: a table that fits the driver. Rows without a day are left out.
    """
    day = F.when(F.length("ds") == 10, F.col("ds").try_cast("date"))
    counted = (
        bronze.groupBy("location_id", "ds")
        .agg(F.count("*").alias("rows"), F.count_if(F.col("units").try_cast("double") > 0).alias("sold"))
        .select("location_id", day.alias("ds"), "rows", "sold")
        .filter("ds IS NOT NULL")
    )
    return pa.Table.from_pylist([row.asDict() for row in counted.collect()], _SCHEMA)
