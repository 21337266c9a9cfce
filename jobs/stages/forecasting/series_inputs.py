"""What the forecasting stages read of a bucket: demand, and what is known ahead of it."""

from __future__ import annotations

from collections.abc import Callable
from datetime import date, timedelta
from typing import TYPE_CHECKING

import pyarrow as pa

from lakehouse.delta.files import PinnedTable
from udfs.series.sku_batch import SkuBatch
from udfs.series.sku_panel import PlanTables, sku_panel

if TYPE_CHECKING:
    from jobs.context import RunContext

FEATURES, PLANNED, SALES = "features.sku_daily", "silver.planned_daily", "silver.sales_daily"
CALENDAR, PRODUCTS, LOCATIONS = "silver.calendar", "silver.products", "silver.locations"
TABLES = (FEATURES, SALES, PLANNED, CALENDAR, PRODUCTS, LOCATIONS)
_PLAN_COLUMNS = ("unique_id", "ds", "unit_price", "is_promo")


def series_inputs(context: RunContext, *, whole: bool = False) -> tuple[PinnedTable, ...]:
    """The tables at their present versions, a bucket of them or, with `whole`, all of it.

    Of silver.sales_daily only the days after the as-of day are read, for their prices and promotions: planned then.
    """
    lake, as_of = context.lakehouse, context.as_of
    until = as_of + timedelta(days=context.settings.horizon)

    def pinned(name: str, columns: tuple[str, ...], first: date | None = None, last: date | None = None) -> PinnedTable:
        by_series = "unique_id" in columns
        return PinnedTable(
            name,
            lake.uri(name),
            lake.version(name),
            columns,
            is_bucketed=by_series and not whole,
            order_by=("unique_id", "ds") if by_series else (),
            first_ds=first,
            last_ds=last,
            dictionary=("unique_id",) if by_series and not whole else (),
        )

    return (
        pinned(FEATURES, ("unique_id", "ds", "y_latent", "unit_price", "is_promo"), None, as_of),
        pinned(SALES, _PLAN_COLUMNS, as_of + timedelta(days=1), until),
        pinned(PLANNED, _PLAN_COLUMNS, as_of + timedelta(days=1), until),
        pinned(CALENDAR, ("location_id", "ds", "is_holiday", "is_event", "is_benefit_day", "event_name")),
        pinned(PRODUCTS, ("sku_id", "category", "department", "brand")),
        pinned(LOCATIONS, ("location_id", "region")),
    )


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


def batch_maker(inputs: dict[str, pa.Table], horizon: int) -> Callable[[pa.Table, date, int | None], SkuBatch]:
    """(history, cutoff, max_history) -> batch with covariates and traits."""
    planned = [inputs[name].cast(_PLAN_SCHEMA) for name in (SALES, PLANNED)]
    plan = PlanTables(pa.concat_tables(planned), inputs[CALENDAR], inputs[PRODUCTS], inputs[LOCATIONS])

    def make(history: pa.Table, cutoff: date, max_history: int | None) -> SkuBatch:
        return sku_panel(history, cutoff, horizon, plan, max_history)

    return make


_PLAN_SCHEMA = pa.schema(
    [("unique_id", pa.string()), ("ds", pa.date32()), ("unit_price", pa.float64()), ("is_promo", pa.bool_())]
)
