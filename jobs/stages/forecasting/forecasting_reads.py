"""What the forecasting stages read and share: demand, what is known ahead of it, fitted models, earlier scores."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from datetime import date, timedelta
from functools import partial
from typing import TYPE_CHECKING, Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from jobs.engine.stage import THIS, Read, Sum, until_as_of
from lakehouse.delta.state import parts
from udfs.forecasting.choice.selection import merge_class_summaries
from udfs.forecasting.probability.score_summary import ScoreSummary
from udfs.series.closed_days import PLANNED_CLOSURE
from udfs.series.scope import in_scope, scope_days
from udfs.series.sku_batch import SkuBatch
from udfs.series.sku_panel import STATED, PlanTables, sku_panel

if TYPE_CHECKING:
    from jobs.context import RunContext

_PLAN_FEEDS = {"unit_price": "bronze.prices", "is_promo": "bronze.promotions"}
FEATURES, GROUPS = "features.sku_daily", "features.group_daily"
PLANNED, SALES = "silver.planned_daily", "silver.sales_daily"
CALENDAR, PRODUCTS, LOCATIONS = "silver.calendar", "silver.products", "silver.locations"
FESTIVALS, WEATHER = "silver.festival", "silver.weather"
MODELS, NETWORKS = "forecast.model", "forecast.network"
BACKTEST, CLASS_SUMMARY = "forecast.backtest", "forecast.class_summary"
ERROR_SUMMARY = "forecast.error_summary"
TABLES = (FEATURES, SALES, PLANNED, CALENDAR, PRODUCTS, LOCATIONS, FESTIVALS, WEATHER)
_PLAN_COLUMNS = ("unique_id", "ds", "unit_price", "is_promo")


def _planned_days(context: RunContext) -> tuple[date | None, date | None]:
    return context.as_of + timedelta(days=1), context.horizon_end


_daily = partial(Read, order_by=("unique_id", "ds"), dictionary=("unique_id",))
HISTORY = (
    _daily(FEATURES, ("unique_id", "ds", "y_latent", "unit_price", "is_promo"), days=until_as_of),
    # Of the days after the as-of day only prices and promotions are read, and used where they were planned then.
    _daily(SALES, _PLAN_COLUMNS, days=_planned_days),
    _daily(PLANNED, _PLAN_COLUMNS, days=_planned_days),
    Read(CALENDAR, ("location_id", "ds", "is_holiday", "is_event", "is_benefit_day", "event_name", PLANNED_CLOSURE)),
    Read(PRODUCTS, ("sku_id", "category", "department", "brand")),
    Read(LOCATIONS, ("location_id", "region")),
    Read(FESTIVALS, ("location_id", "ds", "festival", "festival_day", "festival_distance_days")),
    Read(WEATHER, ("location_id", "ds", "known_on", "is_measured", "temperature", "precipitation")),
)
"""Demand, and what is known ahead of it."""


def learnt_buckets(context: RunContext) -> tuple[str, ...]:
    """The buckets that models of all series are taught from, () for all: a bucket is a random share of the series.

    Where there is more than `forecast.max_learnt_rows`, an even choice of buckets that holds about so much.
    """
    spec, whole = context.settings.forecast, parts(context.lakehouse, FEATURES).get("")
    if whole is None or whole.covers_from is None:
        return ()
    span = max((context.as_of - whole.covers_from).days + 1, 1)
    rows = context.lakehouse.rows(FEATURES) * min(1.0, spec.max_history_days / span)
    if rows <= spec.max_learnt_rows:
        return ()
    buckets = sorted(parts(context.lakehouse, FEATURES, "bucket"), key=int)
    n = max(1, int(len(buckets) * spec.max_learnt_rows / rows))
    return tuple(buckets[k * len(buckets) // n] for k in range(n))


def say_what_is_drawn(context: RunContext, stage: str) -> None:
    """A stage that teaches models of all series says where it looks at a part of them."""
    if drawn := learnt_buckets(context):
        settings = context.settings
        context.progress.say(
            f"  {stage}: models of all series learn from {len(drawn)} of {settings.buckets} buckets, since there are "
            f"more than forecast.max_learnt_rows = {settings.forecast.max_learnt_rows:,} days of series"
        )


WHOLE_HISTORY = tuple(replace(read, whole=True, only=learnt_buckets, dictionary=()) for read in HISTORY)
"""The same of all series at once, or of a draw of them, for models that learn from them together."""

FITTED = tuple(Read(name, ("model", "cutoff", "artifact"), run=THIS) for name in (MODELS, NETWORKS))
"""The models that this run has trained."""


def earlier_runs(context: RunContext) -> tuple[str, ...]:
    """The latest run before the as-of day, of the same settings and mapping, whose backtest succeeded; () for none."""
    done = [row for row in context.ledger.succeeded("backtest") if _is_earlier(row, context)]
    return (max(done, key=lambda row: row["as_of"])["run_id"],) if done else ()


def _is_earlier(row: dict[str, Any], context: RunContext) -> bool:
    return bool(row["as_of"] < context.as_of and row["config_hash"] == context.run.config_hash)


def merged_classes(rows: pa.Table) -> pa.Table:
    return merge_class_summaries([rows.sort_by("bucket")])


CLASSES = Sum(CLASS_SUMMARY, merged_classes)
"""What this run's backtest of all buckets says about each demand class."""

EARLIER_CLASSES = Sum(CLASS_SUMMARY, merged_classes, run=earlier_runs, is_past=True, name="earlier classes")
"""The same of an earlier day's run: dear models that did not pay need not be tried again. See `known_before`."""


def known_before(context: RunContext, earlier: pa.Table | None) -> pa.Table | None:
    """What an earlier run said at cutoffs up to the first of this run's; None where it said nothing.

    What it learnt later must not decide which models a past cutoff has to choose from.
    """
    if earlier is None:
        return None
    then = earlier.filter(pc.less_equal(earlier["cutoff"], pa.scalar(cutoffs(context)[0], pa.date32())))
    return then if then.num_rows else None


def _score_columns(context: RunContext) -> tuple[str, ...]:
    return "unique_id", "cutoff", "model", context.settings.forecast.score


SCORES = Read(BACKTEST, _score_columns, run=THIS)
"""The scores of this run that the settings choose by."""


def _by_bucket(rows: pa.Table) -> pa.Table:
    return rows.sort_by("bucket")


ERRORS = Sum(ERROR_SUMMARY, _by_bucket)
"""The champions' past errors, of all buckets."""


def error_summaries(rows: pa.Table, made: Sequence[date], horizon: int) -> dict[date, ScoreSummary]:
    """By cutoff of the forecast, the errors of all buckets."""
    return {cutoff: ScoreSummary.from_arrow(rows.filter(pc.equal(rows["cutoff"], cutoff)), horizon) for cutoff in made}


def cutoffs(context: RunContext) -> tuple[date, ...]:
    """Of the forecasts to make, rising: the as-of day, and before it days a horizon apart that policies replay from."""
    return (*replay_cutoffs(context), context.as_of)


def replay_cutoffs(context: RunContext) -> tuple[date, ...]:
    """Past days whose forecasts are held against what came: the last one is a whole horizon before the as-of day."""
    horizon, replays = context.settings.horizon, context.settings.replays
    return tuple(context.as_of - timedelta(days=back * horizon) for back in range(replays, 0, -1))


def history_of(inputs: dict[str, pa.Table]) -> pa.Table:
    """Demand as models see it: latent demand is their `y`."""
    table = inputs[FEATURES]
    return table.rename_columns(["y" if name == "y_latent" else name for name in table.column_names])


@dataclass(frozen=True, slots=True)
class KnownThen:
    """What a cutoff knows besides the days until it.

    Attributes:
        foreseen: see `PlanTables`.
        min_selling_days: days with a sale by which a series comes into scope.
        planned_day: on it every series is forecast, in scope or not; None for no day.
    """

    foreseen: tuple[str, ...] = STATED
    min_selling_days: int = 0
    planned_day: date | None = None


def known_then(context: RunContext) -> KnownThen:
    """Prices and promotions are foreseen where a feed of theirs states them, or where the settings say so of all."""
    lake, spec = context.lakehouse, context.settings.forecast
    stated = [name for name, feed in _PLAN_FEEDS.items() if lake.has_rows(feed)]
    foreseen = STATED if spec.future_prices == "realised" else tuple(stated)
    return KnownThen(foreseen, context.mapping.clean.min_selling_days)


def batch_maker(
    inputs: dict[str, pa.Table], horizon: int, then: KnownThen = KnownThen()
) -> Callable[[pa.Table, date, int | None], SkuBatch]:
    """(history, cutoff, max_history) -> batch of the series in scope then, with covariates and traits."""
    planned = [inputs[name].cast(_PLAN_SCHEMA) for name in (SALES, PLANNED)]
    tables = (pa.concat_tables(planned), inputs[CALENDAR], inputs[PRODUCTS], inputs[LOCATIONS])
    plan = PlanTables(*tables, then.foreseen, inputs[FESTIVALS], inputs[WEATHER])

    def make(history: pa.Table, cutoff: date, max_history: int | None) -> SkuBatch:
        if not then.min_selling_days:
            return sku_panel(history, cutoff, horizon, plan, max_history)
        scope = scope_days(history, then.min_selling_days)
        rows = history if cutoff == then.planned_day else in_scope(history, scope, cutoff)
        batch = sku_panel(rows, cutoff, horizon, plan, max_history)
        return replace(batch, scope_S=np.array([scope[name] for name in batch.unique_ids], dtype=np.int64))

    return make


_PLAN_SCHEMA = pa.schema(
    [("unique_id", pa.string()), ("ds", pa.date32()), ("unit_price", pa.float64()), ("is_promo", pa.bool_())]
)
