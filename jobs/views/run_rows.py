"""A run's rows of tables that not every run makes."""

from __future__ import annotations

import pyarrow as pa
import pyarrow.compute as pc

from lakehouse.delta.io import Lakehouse
from lakehouse.schema.tables import contract


def rows_of_run(lake: Lakehouse, table: str, run_id: str) -> pa.Table:
    """The rows that a run wrote; none where no stage has made the table."""
    if not lake.exists(table):
        return contract(table).empty(with_partitions=True)
    return lake.read_arrow(table, filters=pc.field("run_id") == run_id)
