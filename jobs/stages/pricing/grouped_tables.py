"""Tables of pricing as Spark makes them: pandas functions over groups, rows of a run in place of its earlier ones."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING

from pyspark.sql import DataFrame
from pyspark.sql import functions as F

from lakehouse.schema.column_types import sql_type
from lakehouse.schema.columns import COLUMNS
from lakehouse.schema.entities import SERIES
from lakehouse.schema.tables import contract
from lakehouse.transforms.keys import bucket_of

if TYPE_CHECKING:
    from jobs.context import RunContext

ELASTICITY, PLAN = "pricing.elasticity", "pricing.price_plan"
DECISION, DEMAND = "pricing.price_decision", "pricing.accepted_demand"


def schema_text(names: Iterable[str]) -> str:
    """Declared columns as Spark writes a schema."""
    return ", ".join(f"{name} {sql_type(COLUMNS[name].type)}" for name in names)


def write_run(context: RunContext, table: str, rows: DataFrame) -> int:
    """Write the run's rows, each in its series' bucket, in place of those that it left before; how many there are."""
    run_id = context.run.run_id
    keyed = rows.withColumns({"run_id": F.lit(run_id), "bucket": bucket_of(SERIES, context.settings.buckets)})
    frame = keyed.select(*contract(table).columns).repartition("bucket").sortWithinPartitions(*contract(table).key)
    version = context.lakehouse.write_spark(frame, table, replace_where=f"run_id = '{run_id}'")
    return context.lakehouse.rows(table, version, {"run_id": run_id})
