"""One row per key in what Spark writes, looked at while it is written."""

from __future__ import annotations

from typing import TYPE_CHECKING

from lakehouse.schema.contract import Contract

if TYPE_CHECKING:
    from pyspark.sql import DataFrame

FOUND = "expected one row per key, found"
_LARGE = frozenset({"bucket", "batch_id"})


def is_guarded(declared: Contract) -> bool:
    """Whether writes look at the key by default: all but tables of series or of source records.

    Those are large, and what builds them gives each key one row: a sum by series and day, one row kept of those with
    a key, a number for each record of a file.
    """
    return not _LARGE & set(declared.partitions)


def guarded(declared: Contract, frame: DataFrame) -> DataFrame:
    """The frame, whose write fails where two rows have one key, and names it; nothing is committed then.

    Rows meet by key once more, which small tables can afford; no action runs before the write.
    """
    from pyspark.sql import Window
    from pyspark.sql import functions as F

    count = F.count("*").over(Window.partitionBy(*declared.key))
    key = F.to_json(F.struct(*declared.key))
    wrong = F.concat(F.lit(f"{declared.name}: {FOUND} "), count.cast("string"), F.lit(" of the key "), key)
    # Any column will do: it is written, so it is evaluated.
    first = declared.columns[0]
    return frame.withColumn(first, F.when(count == 1, F.col(first)).otherwise(F.raise_error(wrong)))
