"""What the stages of inventory read of a bucket: the champions' forecasts, terms of supply, prices."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import date, timedelta
from typing import TYPE_CHECKING, Any

import pyarrow as pa
import pyarrow.compute as pc

from jobs.engine.stage import THIS, Read
from udfs.inventory.inventory_spec import InventorySpec
from udfs.inventory.kernels.last_prices import last_prices
from udfs.inventory.kernels.planning_inputs import PATH_COLUMNS, PathTerms
from udfs.inventory.kernels.product_input import PRODUCT_COLUMNS
from udfs.inventory.kernels.review_input import REVIEW_COLUMNS
from udfs.inventory.kernels.stock_position import StockTables
from udfs.inventory.kernels.supply_input import REFUSED
from udfs.inventory.stated_terms import LIMITS, TERMS
from udfs.inventory.supply import MAX_PROTECTION_DAYS
from udfs.series.closed_days import PLANNED_CLOSURE, ClosedDays

if TYPE_CHECKING:
    from jobs.context import RunContext

DEMAND, CHAMPION, FEATURES = "forecast.demand", "forecast.champion", "features.sku_daily"
SUPPLY, STOCK, PRODUCT = "silver.supply", "silver.stock", "silver.products"
REPLAY, REPLAY_SUMMARY = "inventory.replay", "inventory.replay_summary"
PROPOSAL, STEP = "inventory.order_proposal", "inventory.order_step"
CALENDAR = "silver.calendar"
ORDER_PLAN = "inventory.order_plan"
DECIDED = "inventory.decided_demand"
ACCEPTED = "pricing.accepted_demand"
_PRICE_FEED = "bronze.prices"


def replay_cutoffs(context: RunContext) -> tuple[date, ...]:
    """Past days whose forecasts are held against what came: the last one is a whole horizon before the as-of day."""
    horizon, replays = context.settings.horizon, context.settings.replays
    return tuple(context.as_of - timedelta(days=back * horizon) for back in range(replays, 0, -1))


def choices(context: RunContext) -> dict[date, tuple[date, ...]]:
    """The choice for the plan, by all replays, and one that is tested on the last replay, by those before it."""
    cutoffs = replay_cutoffs(context)
    return {cutoffs[-1]: cutoffs[:-1], context.as_of: cutoffs} if len(cutoffs) > 1 else {context.as_of: cutoffs}


def _demand_columns(context: RunContext) -> tuple[str, ...]:
    quantiles = context.settings.forecast.quantile_columns()
    return ("unique_id", "cutoff", "model", "ds", "mean", "sd", *quantiles)


def days_told(context: RunContext) -> tuple[date, date]:
    """The days whose prices and sales tell of today: of a price that still holds, of what was sold since a count."""
    spec = context.settings.inventory
    return context.as_of - timedelta(days=max(spec.max_price_age_days, spec.max_stock_age_days)), context.as_of


def days_counted(context: RunContext) -> tuple[date, date]:
    """The days whose counts of stock still tell of today."""
    return context.as_of - timedelta(days=context.settings.inventory.max_stock_age_days), context.as_of


def days_told_or_replayed(context: RunContext) -> tuple[date, date]:
    """The same, and those that told of the first day replayed: a replay knows the price of its day."""
    first, last = days_told(context)
    return first - (context.as_of - replay_cutoffs(context)[0]), last


def _days_looked_at(context: RunContext) -> tuple[date | None, date | None]:
    """From the first day that is replayed, or that tells of today, to the last that is planned."""
    first, _ = days_told_or_replayed(context)
    return first, context.horizon_end


def earlier_plans(context: RunContext) -> list[tuple[str, str]]:
    """(run, fingerprint of its publish) of the plans that can still be on order or have come in since a count."""
    lake, spec = context.lakehouse, context.settings.inventory
    longest = spec.lead_time_days
    if lake.exists(SUPPLY):
        known = pc.max(lake.read_arrow(SUPPLY, columns=["lead_time_days"])["lead_time_days"]).as_py()
        longest = max(longest, min(int(known or 0) + 1, MAX_PROTECTION_DAYS))
    return plans_on_order(context.ledger.succeeded("publish"), context.as_of, longest + spec.max_stock_age_days)


def plans_on_order(published: Iterable[Mapping[str, Any]], as_of: date, days: int) -> list[tuple[str, str]]:
    """The values of `plans_by_day`, by day."""
    return list(plans_by_day(published, as_of, days).values())


def plans_by_day(published: Iterable[Mapping[str, Any]], as_of: date, days: int) -> dict[date, tuple[str, str]]:
    """(run_id, fingerprint) of the last publish of each of the `days` before `as_of`, in the order of days.

    published: its rows in the ledger, of any day and in any order. What several runs of one day planned was ordered
    once, as the last of them says.
    """
    last: dict[date, tuple[str, str]] = {}
    for row in sorted(published, key=lambda row: row["finished_at"]):
        if as_of - timedelta(days=days) <= row["as_of"] < as_of:
            last[row["as_of"]] = row["run_id"], row["fingerprint"]
    return dict(sorted(last.items()))


def _earlier_runs(context: RunContext) -> tuple[str, ...]:
    # No run is named '': without an earlier plan nothing is read.
    return tuple(run_id for run_id, _ in earlier_plans(context)) or ("",)


EARLIER_ORDERS = Read(
    ORDER_PLAN,
    ("unique_id", "order_date", "order_qty", "expected_receipt_ds", "on_hand_qty"),
    run=_earlier_runs,
    is_past=True,
)
"""What the plans of earlier days have ordered, and the stock that they reckoned with."""

FORECASTS = Read(DEMAND, _demand_columns, run=THIS)
CHAMPIONS = Read(CHAMPION, ("unique_id", "cutoff", "demand_class", "model", "rule", *PATH_COLUMNS, "doubts"), run=THIS)
SUPPLIES = Read(SUPPLY, ("unique_id", *TERMS, *LIMITS, *REVIEW_COLUMNS, REFUSED))
PRODUCTS = Read(PRODUCT, PRODUCT_COLUMNS)
REPLAYED_DAYS = Read(FEATURES, ("unique_id", "ds", "y", "y_latent", "unit_price"), days=days_told_or_replayed)
"""Demand and prices since the first replay, and before it as long as a price holds."""

CLOSED = Read(CALENDAR, ("location_id", "ds", "is_closed", PLANNED_CLOSURE), days=_days_looked_at)
"""Which locations are closed on which days, and where that was known ahead."""

ACCEPTED_PRICES = Read(
    ACCEPTED, ("unique_id", "ds", "decision_id", "demand_factor", "unit_price", "author", "note"), run=THIS
)
"""What accepted prices do to demand; nothing where no prices are planned."""

REPLAYS = Read(REPLAY, ("unique_id", "cutoff", "policy", "replay_cost", "demand_qty", "sales_qty", "score"), run=THIS)


def champion_forecast(inputs: dict[str, pa.Table], cutoff: date) -> pa.Table:
    """Rows of the champion's forecast from a cutoff, whatever benchmark is stored beside it, with its path terms.

    `is_fallback` marks series whose model failed, so that the order's reason can say so; `is_closed`, where there is
    such a day, the days on which a series' location is known to be closed.
    """
    demand, champion = inputs[DEMAND], inputs[CHAMPION]
    chosen = champion.filter(pc.equal(champion["cutoff"], cutoff))
    is_fallback = pc.fill_null(pc.starts_with(chosen["rule"], "fallback"), False)
    chosen = chosen.select(["unique_id", "model", *PATH_COLUMNS]).append_column("is_fallback", is_fallback)
    rows = demand.filter(pc.equal(demand["cutoff"], cutoff))
    forecast = rows.join(chosen, keys=["unique_id", "model"], join_type="inner").sort_by(
        [("unique_id", "ascending"), ("ds", "ascending")]
    )
    closed = ClosedDays.of(inputs[CALENDAR], PLANNED_CLOSURE)
    return forecast if closed is None else forecast.append_column("is_closed", closed.of_rows(forecast))


def classes_at(inputs: dict[str, pa.Table], day: date) -> pa.Table:
    """unique_id, demand_class, as seen on the day of a forecast."""
    champion = inputs[CHAMPION]
    return champion.filter(pc.equal(champion["cutoff"], day)).select(["unique_id", "demand_class"])


def demand_on_open_days(inputs: dict[str, pa.Table], name: str) -> pa.Table:
    """unique_id, ds, y: the features' demand `name`, NULL where it was not observed, but 0 on a closed day."""
    daily = inputs[FEATURES].select(["unique_id", "ds", name]).rename_columns(["unique_id", "ds", "y"])
    closed = ClosedDays.of(inputs[CALENDAR])
    return daily if closed is None else closed.zero_where_unseen(daily)


def stock_tables(inputs: dict[str, pa.Table], as_of: date, spec: InventorySpec) -> StockTables:
    """Counts, what was sold since, and what earlier plans have on order."""
    sold = since(demand_on_open_days(inputs, "y"), as_of - timedelta(days=spec.max_stock_age_days))
    return StockTables(inputs[STOCK], sold, inputs[ORDER_PLAN])


def since(daily: pa.Table, first: date) -> pa.Table:
    """The rows of a day and those after it."""
    return daily.filter(pc.greater_equal(daily["ds"], pa.scalar(first, pa.date32())))


def prices_of(inputs: dict[str, pa.Table], as_of: date, spec: InventorySpec, *, is_listed: bool) -> pa.Table:
    """See `last_prices`."""
    return last_prices(inputs[FEATURES], as_of, spec.max_price_age_days, is_listed=is_listed)


def are_prices_listed(context: RunContext) -> bool:
    """Whether a feed states prices whether something is sold or not; else they are known of sales alone."""
    return context.lakehouse.has_rows(_PRICE_FEED)


def doubts_told(inputs: dict[str, pa.Table], as_of: date) -> pa.Table:
    """What earlier stages found doubtful, as unique_id, doubts: of every table that is read with a column `doubts`.

    Of rows by cutoff those of the as-of day count.
    """
    found = [pa.table({"unique_id": pa.array([], pa.string()), "doubts": pa.array([], pa.string())})]
    for table in (each for each in inputs.values() if "doubts" in each.column_names):
        if "cutoff" in table.column_names:
            table = table.filter(pc.equal(table["cutoff"], as_of))
        told = table.filter(table["doubts"].is_valid()).select(["unique_id", "doubts"])
        found.append(told.cast(found[0].schema))
    return pa.concat_tables(found)


def path_terms(context: RunContext) -> PathTerms:
    """What makes the forecast stage's sample paths again."""
    spec = context.settings.forecast
    return PathTerms(spec.quantiles, spec.season_length, spec.seed)
