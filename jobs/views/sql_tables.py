"""Tables of a lakehouse under plain names, for the SQL cells of a notebook that has a Spark session."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from lakehouse.delta.io import Lakehouse

if TYPE_CHECKING:
    from pyspark.sql import SparkSession


def register_tables(spark: SparkSession, lake: Lakehouse, names: Sequence[str]) -> list[str]:
    """Make tables known to a session as temporary views, gold.order_plan as `gold_order_plan`; returns the views.

    They are read by their address, so that no catalog needs to know them. A table that is not there yet is left out.
    """
    views = []
    for name in names:
        if lake.exists(name):
            views.append(name.replace(".", "_"))
            lake.spark_table(spark, name).createOrReplaceTempView(views[-1])
    return views
