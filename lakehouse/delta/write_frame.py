"""Frames of Spark that become rows of a table; few rows are committed without Spark.

Spark's writer of Delta plans and runs several queries about the table's log beside the write itself: seconds, for a
table that a driver holds in a megabyte.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

from lakehouse.delta.files import write_rows
from lakehouse.delta.io import Lakehouse
from lakehouse.schema.contract import sql_string
from lakehouse.schema.tables import contract

if TYPE_CHECKING:
    from pyspark.sql import DataFrame

FEW_ROWS = 50_000
ALL: Mapping[str, Sequence[str]] = {}


def write_frame(
    lake: Lakehouse,
    frame: DataFrame,
    name: str,
    most_rows: int,
    replace: Mapping[str, Sequence[str]] | None = ALL,
) -> int:
    """Write the frame in place of the rows that `replace` selects; returns the table's new version.

    most_rows: as many as the frame can have, which decides who writes them; what is written is the same. replace:
    values by partition column, nothing for all rows; None adds to what is there. Raises ContractError for rows that do
    not match the table's contract.
    """
    if not lake.catalog and most_rows <= FEW_ROWS:
        return write_rows(lake, name, frame.toArrow(), replace)
    if replace is None:
        return lake.append_spark(frame, name)
    kind = contract(name).type_of
    literals = {key: [sql_string(v) if kind(key) != "int" else v for v in values] for key, values in replace.items()}
    where = [f"{column} IN ({', '.join(values)})" for column, values in literals.items()]
    return lake.write_spark(frame, name, replace_where=" AND ".join(where) or None)
