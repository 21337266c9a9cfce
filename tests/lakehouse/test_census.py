"""The census of sales against plain counting, on rows that are hard to count."""

from __future__ import annotations

from collections import Counter
from datetime import date

import pyarrow as pa

from lakehouse.transforms.silver.census import CENSUS_READS, sales_census

UNITS = ("3", "0", "0.0", "-2", "", "twelve", "+4", "0.25", " 7", "1e3", "-0.5", None)
SOLD = {"3", "+4", "0.25", " 7", "1e3"}
DAYS = ("2024-01-01", "2024-02-29", "2024-02-30", "01.01.2024", "", "2024-1-1", None)


def test_it_counts_rows_days_and_files_as_a_loop_does() -> None:
    rows = [
        {
            "location_id": place,
            "ds": day,
            "units": units,
            "batch_id": f"file {number % 2 if place == 'both' else 0}",
            "source_file": "a.csv",
        }
        for place in ("both", "one", None)
        for day in DAYS
        for number, units in enumerate(UNITS)
    ]
    table = pa.Table.from_pylist(
        rows, pa.schema({name: pa.string() for name in CENSUS_READS[:-1]} | {"is_dropped": pa.bool_()})
    )
    left_out = {
        "location_id": "one",
        "ds": DAYS[0],
        "units": "9",
        "batch_id": "file 0",
        "source_file": "a",
        "is_dropped": True,
    }
    table = pa.concat_tables([table, pa.Table.from_pylist([left_out], table.schema)])
    found = sales_census(table.to_batches(max_chunksize=5))
    counted = Counter((row["location_id"], row["ds"]) for row in rows)
    sold = Counter((row["location_id"], row["ds"]) for row in rows if row["units"] in SOLD)
    expected = {
        (place, date.fromisoformat(str(day)), count, sold[place, day], place == "both")
        for (place, day), count in counted.items()
        if day in DAYS[:2]
    }
    assert {tuple(row.values()) for row in found.to_pylist()} == expected
    assert sales_census([]).num_rows == 0
