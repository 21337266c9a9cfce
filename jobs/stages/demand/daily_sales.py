"""silver.sales_daily, written bucket by bucket where it changed, with what can be believed and latent demand.

And silver.planned_daily, what feeds state of the days ahead."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, date, datetime
from functools import partial
from typing import TYPE_CHECKING, Any

from pyspark.sql import DataFrame

from jobs.engine.hashing import digest
from lakehouse.delta.changed_buckets import Changes, write_changed_buckets
from lakehouse.delta.state import Held, parts
from lakehouse.delta.write_frame import write_frame
from lakehouse.errors import ConfigError
from lakehouse.feeds.quality import Split
from lakehouse.feeds.sources import SourceMapping
from lakehouse.transforms.silver import dimensions
from lakehouse.transforms.silver.believed import Judge
from lakehouse.transforms.silver.cleaning import CleanedSales
from lakehouse.transforms.silver.planned_daily import planned_daily
from lakehouse.transforms.silver.sales_daily import EstimateLatent, sales_daily
from udfs.demand.censoring.censored_demand import CensoringSpec, latent_table
from udfs.demand.plausibility import PlausibilitySpec, verdicts

if TYPE_CHECKING:
    from jobs.context import RunContext

_SALES_DAILY, _PLANNED = "silver.sales_daily", "silver.planned_daily"


def write_sales_daily(
    context: RunContext,
    sales: CleanedSales,
    series: DataFrame,
    feeds: dict[str, Split],
    rules: set[str],
    closed: DataFrame,
    last_day: date,
    most: int,
) -> int:
    """Write the buckets of silver.sales_daily that changed; returns the table's rows.

    rules: that rejected a row; last_day: with a sale; most: rows that there can be.
    """
    shut = closed.filter("is_closed").select("location_id", "ds")
    stock = feeds.get("stock")
    frame = sales_daily(
        sales.lines,
        series,
        context.mapping,
        last_day,
        context.settings.buckets,
        prices=feeds["prices"].accepted if "prices" in feeds else None,
        promotions=feeds["promotions"].accepted if "promotions" in feeds else None,
        stock=dimensions.stock(stock, context.spark) if stock else None,
        masks=sales.masks(rules),
        closed=None if shut.isEmpty() else shut,
        judge=judge_of(context.mapping),
        latent=latent_demand(context.mapping),
    )
    held = Held(context.lakehouse)
    before = held.of(_SALES_DAILY, "bucket")
    changes = write_changed_buckets(context.lakehouse, frame, _SALES_DAILY, most)
    record_lineage(held, before, changes)
    if changes is not None:
        context.progress.say(
            f"  clean: {len(changes.extended)} buckets gained days, {len(changes.rewritten)} were rewritten"
        )
    return context.lakehouse.rows(_SALES_DAILY)


def write_planned_daily(
    context: RunContext, last_day: date, series: DataFrame, feeds: dict[str, Split], most: int
) -> int:
    """Write the prices and promotions that the feeds state for the horizon after the last sale."""
    stated = {name: feeds[name].accepted if name in feeds else None for name in ("prices", "promotions")}
    frame = planned_daily(series, last_day, context.settings.horizon, **stated)
    return write_frame(context.lakehouse, frame, _PLANNED, most)


def record_lineage(held: Held, before: Mapping[str, dict[str, Any]], changes: Changes | None) -> None:
    """Say of each bucket of silver.sales_daily what its past goes back to: it stays while days are only added.

    before: the records that counted when the table was written; changes: None where all of it is new.
    """
    fresh = f"{held.lake.version(_SALES_DAILY)}-{digest(str(datetime.now(UTC)))}"
    names = [f"bucket={bucket}" for bucket in parts(held.lake, _SALES_DAILY, "bucket")]
    rewritten = set(names) if changes is None else {f"bucket={bucket}" for bucket in changes.rewritten}
    kept = {name: row["lineage"] for name, row in before.items() if name not in rewritten and row["lineage"]}
    held.record(_SALES_DAILY, names, {name: kept.get(name, fresh) for name in names})


def judge_of(mapping: SourceMapping) -> Judge | None:
    """How days that can only be typing errors are found; None where the mapping does not look for them."""
    if mapping.clean.implausible == "use":
        return None
    return partial(verdicts, spec=PlausibilitySpec(most_qty=mapping.clean.most_daily_units))


def latent_demand(mapping: SourceMapping) -> EstimateLatent | None:
    """How demand on days without stock is estimated; None where no feed says and the mapping infers no such days."""
    delivers_stock = "stock" in mapping.feeds or "on_hand_qty" in mapping.feeds["sales"].columns
    if not delivers_stock and not mapping.clean.infer_stockouts:
        return None
    return partial(latent_table, spec=CensoringSpec(infer_runs=mapping.clean.infer_stockouts))


def check_buckets(context: RunContext) -> None:
    """The number of buckets is fixed for the life of a lakehouse: another one would split each series' history."""
    context.lakehouse.ensure(_SALES_DAILY, context.spark)
    known = context.lakehouse.settled_property(_SALES_DAILY, "shelfcast.buckets", str(context.settings.buckets))
    if known != str(context.settings.buckets):
        raise ConfigError(
            f"buckets = {context.settings.buckets}, but the lakehouse was made with {known}; "
            "keep that number or start a new lakehouse"
        )
