"""What an earlier day's run with the same settings has found: dear models that did not pay need not be tried again."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pyarrow as pa
import pyarrow.compute as pc

from udfs.forecasting.choice.selection import merge_class_summaries

if TYPE_CHECKING:
    from jobs.context import RunContext

CLASS_SUMMARY = "forecast.class_summary"


def earlier_run(context: RunContext) -> str | None:
    """The latest run before the as-of day, of the same settings and mapping, whose backtest succeeded."""
    done = [row for row in context.ledger.succeeded("backtest") if _is_earlier(row, context)]
    return max(done, key=lambda row: row["as_of"])["run_id"] if done else None


def earlier_summary(context: RunContext) -> pa.Table | None:
    """Its class summary; None where there is no such run."""
    run_id = earlier_run(context)
    return None if run_id is None else class_summary_of(context, run_id)


def class_summary_of(context: RunContext, run_id: str) -> pa.Table:
    """What the backtest of all buckets says about each demand class."""
    rows = context.lakehouse.read_arrow(CLASS_SUMMARY, filters=pc.field("run_id") == run_id)
    return merge_class_summaries([rows.sort_by("bucket")])


def _is_earlier(row: dict[str, Any], context: RunContext) -> bool:
    return bool(row["as_of"] < context.as_of and row["config_hash"] == context.run.config_hash)
