"""Every column, declared once: type, unit, meaning and range.

Tables (`schema/tables`) refer to these by name, so a name means the same thing everywhere. Units are in the
names: `_qty` is in units of the SKU, `_days` in days, `_cost`, `_price` and `_value` in the currency of the
configuration. `ds` is a DATE and never passes through a time zone.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

import pyarrow as pa

from lakehouse.errors import ContractError
from lakehouse.schema.checks import Check, OneOf, Range
from lakehouse.schema.codes import DEMAND_CLASSES, ORDER_REASONS, ORDER_RULES, POLICY_DECIDERS
from lakehouse.schema.column_types import arrow_type
from lakehouse.schema.entities import SEPARATOR, SERIES

_FROM_0, _SHARE = Range(0), Range(0, 1)
_LEVELS = {"p05": 5, "p10": 10, "p25": 25, "p50": 50, "p75": 75, "p90": 90, "p95": 95, "p99": 99}  # in percent


@dataclass(frozen=True, slots=True)
class Column:
    """A column's one declaration.

    `type` is a name of `column_types`. `check` says what a value that is not NULL may be: it becomes a Delta CHECK, a
    mask over what workers write, and a quality rule of the feeds that have the column. A `volatile` column (a clock
    reading, a duration) is left out of content hashes.
    """

    name: str
    type: str
    comment: str
    check: Check | None = None
    volatile: bool = False

    def __post_init__(self) -> None:
        arrow_type(self.type)  # raises


def _column(name: str, type_: str, comment: str, check: Check | None = None, *, volatile: bool = False) -> Column:
    return Column(name, type_, comment, check, volatile)


def _quantile_columns() -> tuple[Column, ...]:
    return tuple(
        _column(name, "double", f"{level}% quantile of the demand forecast, in units", _FROM_0)
        for name, level in _LEVELS.items()
    )


def _coverage_columns() -> tuple[Column, ...]:
    words = "Share of days below the {}% quantile, a day that equals it counting in part: {} if calibrated"
    return tuple(
        _column(f"coverage_{name}", "double", words.format(level, level / 100), _SHARE)
        for name, level in _LEVELS.items()
    )


def _feature_columns() -> tuple[Column, ...]:
    lags = tuple(
        _column(f"lag_{n}", "double", f"Units sold {n} day(s) before ds; NULL where not observed")
        for n in (1, 7, 14, 28)
    )
    rolling = tuple(
        column
        for n in (7, 28, 56)
        for column in (
            _column(f"rolling_mean_{n}", "double", f"Mean units over the {n} days before ds"),
            _column(
                f"rolling_std_{n}",
                "double",
                f"Sample standard deviation of units over the {n} days before ds",
                _FROM_0,
            ),
            _column(f"zero_share_{n}", "double", f"Share of days without a sale over the {n} days before ds", _SHARE),
        )
    )
    weekday = tuple(
        _column(f"weekday_mean_{n}", "double", f"Mean units on the same weekday of the {n} weeks before ds")
        for n in (4, 8)
    )
    return lags + rolling + weekday


_ALL: tuple[Column, ...] = (
    # keys
    _column("sku_id", "string", "Stock keeping unit, as the retailer names it"),
    _column("location_id", "string", "Store, warehouse or chain that sells the SKU"),
    _column("channel_id", "string", "Sales channel, 'all' where the feed knows none"),
    _column("unique_id", "string", f"Series key: {SEPARATOR.join(SERIES.parts)}"),
    _column("ds", "date", "Calendar day at the place of sale"),
    _column("bucket", "int", "Stable hash of unique_id: the unit of work, retry and resume", _FROM_0),
    _column("cutoff", "date", "Last day whose demand the forecast knew"),
    _column("as_of", "date", "Last day of data that the run used"),
    _column("model", "string", "Forecasting model"),
    # feeds
    _column("units", "double", "Units on the source line; negative for a cancellation"),
    _column(
        "unit_price",
        "double",
        "Selling price per unit, in currency; the last known price where nothing was sold",
    ),
    _column("discount_value", "double", "Discount given on the line, in currency"),
    _column("line_value", "double", "Amount of the line, in currency; without a unit price it gives one"),
    _column(
        "is_promo",
        "boolean",
        "True where the SKU was promoted (display, mailer, price mark-down by the feed)",
    ),
    _column("on_hand_qty", "double", "Stock on hand at the end of the day, in units"),
    _column("on_order_qty", "double", "Units ordered and not yet received"),
    _column("transaction_id", "string", "Receipt or invoice that the line belongs to"),
    _column("customer_id", "string", "Customer or household of the line"),
    _column("sold_at", "timestamp", "Time of the sale as the feed states it, without a zone"),
    _column("ds_from", "date", "First day of the period, inclusive"),
    _column("ds_to", "date", "Last day of the period, inclusive"),
    _column("promo_kind", "string", "Kind of promotion as the feed names it"),
    _column("product_name", "string", "Description of the SKU"),
    _column("category", "string", "Product category, second level of the product tree"),
    _column("department", "string", "Department, first level of the product tree"),
    _column("brand", "string", "Brand"),
    _column("location_name", "string", "Name of the location"),
    _column("region", "string", "Region or state of the location"),
    _column("country", "string", "ISO 3166 alpha-2 country of the location, for public holidays"),
    _column("open_weekdays", "string", "ISO numbers of the weekdays on which the location is open, such as 1-6"),
    _column("timezone", "string", "Time zone of the location's clock, such as Europe/Berlin"),
    _column("event_name", "string", "Name of the retailer's event or the public holiday"),
    _column("is_event", "boolean", "True where the calendar feed names an event"),
    _column("benefit_regions", "string", "Regions, by comma, where food benefits (such as SNAP) are paid out that day"),
    _column("is_benefit_day", "boolean", "True where food benefits are paid out in the location's region that day"),
    _column("is_holiday", "boolean", "True on a public holiday of the location's country"),
    _column("supplier_id", "string", "Supplier of the SKU, as the retailer names it; NULL where the feed has none"),
    _column("lead_time_days", "double", "Days from order to receipt", _FROM_0),
    _column("order_cost", "double", "Fixed cost of placing one order, in currency", _FROM_0),
    _column("unit_cost", "double", "Purchase cost per unit, in currency", _FROM_0),
    _column("moq_qty", "double", "Minimum order quantity, in units", _FROM_0),
    _column("pack_qty", "double", "Units per pack; orders are whole packs", Range(0, low_open=True)),
    _column(
        "shelf_life_days",
        "double",
        "Days on which a received unit can be sold, the day of receipt included; NULL: it does not spoil",
        Range(0, low_open=True),
    ),
    _column(
        "review_weekdays", "string", "Weekdays on which the supplier takes orders, such as Mon, Thu or 1,4; Monday is 1"
    ),
    _column("most_shelf_qty", "double", "Units that there is room for; NULL: no limit", Range(0, low_open=True)),
    _column("largest_order_qty", "double", "Most units of one order; NULL: no limit", Range(0, low_open=True)),
    _column(
        "refused_values",
        "string",
        "What the feed states in columns where it is no number that can be used, as JSON by column; NULL for nothing",
    ),
    _column("kit_sku_id", "string", "An article that is sold as one and stocked as its components"),
    _column("component_sku_id", "string", "An article in a kit; it may be a kit itself"),
    _column("component_qty", "double", "Units of the component in one kit", Range(0, low_open=True)),
    # lineage
    _column("source_file", "string", "File that the row came from, relative to the input folder"),
    _column("source_row", "long", "Record number in the file, from 1, the header not counted"),
    _column("source_column", "string", "Column of a wide file that the row was melted from"),
    _column("row_hash", "string", "Hash of the whole source record: equal hashes are exact duplicates"),
    _column("batch_id", "string", "Ingest batch: a hash of the file's content, unpacked"),
    _column(
        "ingested_at", "timestamp", "When the file first came (UTC); a later one is a later statement", volatile=True
    ),
    _column("is_dropped", "boolean", "True where the mapping's drop_when leaves the record out; else NULL"),
    # silver
    _column("y", "double", "Units sold that day: demand as observed; NULL where not observed"),
    _column(
        "masked_by", "string", "Why the day's demand is not known: rejected_row, negative_units, closed, implausible"
    ),
    _column("y_stated", "double", "Units that the rows of a day with unknown demand state; NULL where none do"),
    _column("y_bound", "double", "Units that the day exceeds beyond belief; NULL where they can be believed"),
    _column("price_stated", "double", "Price that cannot be used; unit_price is then the last one before, if any"),
    _column("price_bound", "double", "Price that the day's exceeds, or falls short of, beyond belief"),
    _column("is_closed", "boolean", "True where the location is closed that day, as the feed or its sales say"),
    _column(
        "is_closed_planned",
        "boolean",
        "True where is_closed was known before the day: by the feed, opening weekdays, or a weekday without any trade",
    ),
    _column("is_filled", "boolean", "True where the feed had no row and the gap rule supplied y"),
    _column("is_censored", "boolean", "True where stock ran out, so that y may be below demand"),
    _column(
        "y_latent",
        "double",
        "Demand: y; where stock ran out its expectation given what was sold; a usual day's where y is implausible",
    ),
    _column("y_latent_low", "double", "10% quantile of demand on a day without stock; y on any other"),
    _column("y_latent_high", "double", "90% quantile of demand on a day without stock; y on any other"),
    # features
    *_feature_columns(),
    _column("days_since_sale", "int", "Days between ds and the last earlier day with a sale", _FROM_0),
    _column("history_days", "int", "Days of history before ds", _FROM_0),
    _column("price_ratio_28", "double", "Price on ds over its mean of the 28 days before"),
    *(
        _column(f"trailing_mean_{n}", "double", f"Mean demand a day over the {n} days up to ds, ds included")
        for n in (7, 28, 112)
    ),
    _column(
        "trailing_weekday_mean_8", "double", "Mean demand on the weekday of ds over the last 8 of them, ds included"
    ),
    _column("selling_share", "double", "Share of the series seen on ds that sold", _SHARE),
    _column("trailing_selling_share_28", "double", "Mean of selling_share over the 28 days up to ds", _SHARE),
    _column("day_of_week", "byte", "ISO day of week, 1 = Monday", Range(1, 7)),
    _column("week_of_year", "byte", "ISO week of the year", Range(1, 53)),
    _column("month", "byte", "Month of the year", Range(1, 12)),
    _column("is_month_end", "boolean", "True on the last day of a month"),
    # demand profile
    _column(
        "demand_class",
        "string",
        "Syntetos-Boylan class, or that there is no sale, or too little history to tell",
        OneOf(DEMAND_CLASSES),
    ),
    _column("adi", "double", "Average inter-demand interval, in days", Range(1)),
    _column("cv2", "double", "Squared coefficient of variation of the non-zero demands", _FROM_0),
    _column("zero_share", "double", "Share of observed days without a sale", _SHARE),
    _column("season_strength", "double", "Strength of the weekly season, 0 to 1 (Hyndman)", _SHARE),
    _column("first_sale_ds", "date", "First day with a sale"),
    _column("last_sale_ds", "date", "Last day with a sale"),
    _column("mean_demand", "double", "Mean units per observed day"),
    # forecast
    _column("mean", "double", "Mean of the demand forecast, in units", _FROM_0),
    _column("sd", "double", "Standard deviation of the forecast error at that horizon, in units", _FROM_0),
    *_quantile_columns(),
    _column("rule", "string", "Rule that decided, in plain words"),
    _column("runner_up", "string", "The model or policy that came second"),
    _column("score", "double", "Score of the chosen model or policy, lower is better"),
    _column("runner_up_score", "double", "Score of the runner-up, lower is better"),
    _column("artifact", "binary", "A fitted model's files: a tar archive, compressed by zlib"),
    _column("rmsse", "double", "Root mean squared error over that of one-day differences before the cutoff", _FROM_0),
    _column(
        "mase", "double", "Mean absolute error over that of the seasonal naive forecast before the cutoff", _FROM_0
    ),
    _column(
        "scaled_pinball",
        "double",
        "Mean pinball loss over the levels, over the mean absolute one-day difference",
        _FROM_0,
    ),
    *(
        _column(f"coverage_{n}", "double", f"Share of days within the central {n}% interval, its ends included", _SHARE)
        for n in (50, 80, 90)
    ),
    _column("mean_error", "double", "Forecast less actual, in units a day"),
    _column("n_days", "int", "Days of the window that were observed", _FROM_0),
    _column("score_sum", "double", "Sum over series of their mean scores"),
    _column("difference_sum", "double", "Sum over series of their mean score less that of the class's first candidate"),
    _column("difference_square_sum", "double", "Sum over series of the square of that difference", _FROM_0),
    _column("repeated_series", "long", "Series with two windows or more", _FROM_0),
    _column("window_variance_sum", "double", "Sum over these of the difference's variance between windows", _FROM_0),
    _column("inverse_windows_sum", "double", "Sum over series of one over their number of windows", _FROM_0),
    _column(
        "total_errors",
        "array<double>",
        "Forecast less actual, summed over series: by window, total and day (udfs/forecasting/choice/total_errors.py)",
    ),
    _column(
        "pair_gains", "array<double>", "What an average with each candidate of the class gains, summed over series"
    ),
    _column(
        "kind",
        "string",
        "What a row of sums is about: error (histogram) or product (of two days' errors)",
        OneOf(("error", "product")),
    ),
    _column(
        "cell", "int", "Number of the cell: demand class, part of the horizon, level and dispersion of demand", _FROM_0
    ),
    _column("horizon", "int", "Days of the forecasts summed up", Range(1)),
    _column("values", "array<double>", "The sums; see udfs/forecasting/probability/score_summary.py"),
    _column("path_level", "double", "Correlation that errors of any two days ahead share", _SHARE),
    _column("path_season", "double", "Correlation that errors a whole season apart share besides", _SHARE),
    _column("path_short", "double", "Correlation that errors share besides, fading with the days between them", _SHARE),
    _column(
        "path_decay", "double", "What is left of that fading correlation after each day", Range(0, 1, high_open=True)
    ),
    # inventory
    _column("policy", "string", "Inventory policy family"),
    _column(
        "decided_by",
        "string",
        "What chose the policy: money (its replayed cost), or why money could not",
        OneOf(POLICY_DECIDERS),
    ),
    _column("service_level", "double", "Target cycle service level", Range(0, 1, low_open=True, high_open=True)),
    _column("review_days", "double", "Days between two reviews", _FROM_0),
    _column("demand_mean", "double", "Expected demand over lead time plus review, in units"),
    _column("demand_sd", "double", "Standard deviation of demand over lead time plus review", _FROM_0),
    _column("demand_p50", "double", "Median of demand over lead time plus review", _FROM_0),
    _column("demand_p90", "double", "90% quantile of demand over lead time plus review", _FROM_0),
    _column("safety_stock_qty", "double", "Reorder point less expected demand over lead time plus review"),
    _column("reorder_point_qty", "double", "Stock position at or below which an order is placed"),
    _column(
        "order_up_to_qty",
        "double",
        "Level that an order raises the stock position to",
        _FROM_0,
    ),
    _column("expected_fill_rate", "double", "Expected share of demand served from stock", _FROM_0),
    _column(
        "expected_cost",
        "double",
        "Expected holding, ordering, lost margin and waste per year on the sample paths, in currency",
    ),
    _column("benchmark_cost", "double", "The same for the safety stock of z x sigma x sqrt(lead time + review)"),
    _column("expected_shortage_cost", "double", "Lost margin per year in expected_cost, in currency"),
    _column("expected_waste_cost", "double", "Cost per year of spoilt units in expected_cost, in currency", _FROM_0),
    _column("expected_waste_qty", "double", "Units expected to spoil a week", _FROM_0),
    _column("replayed_fill_rate", "double", "Share of demand served from stock in the replays that decided", _FROM_0),
    _column(
        "replayed_cost", "double", "Cost per year in these replays: holding, ordering, lost margin, waste, in currency"
    ),
    _column("replayed_benchmark_cost", "double", "The benchmark's cost per year in these replays, in currency"),
    _column(
        "held_out_cost",
        "double",
        "Cost per year in the last replay of the policy that the replays before it had chosen, in currency",
    ),
    _column("held_out_benchmark_cost", "double", "The benchmark's cost per year in that last replay, in currency"),
    _column("replay_cost", "double", "Holding, ordering, lost margin and waste a day in the replay, in currency"),
    _column("replay_holding_cost", "double", "Cost of holding stock a day, in currency", _FROM_0),
    _column("replay_ordering_cost", "double", "Cost of placing orders a day, in currency", _FROM_0),
    _column("replay_shortage_cost", "double", "Margin lost a day for want of stock, in currency"),
    _column("replay_waste_cost", "double", "Cost a day of units that spoilt, in currency", _FROM_0),
    _column(
        "is_service_required",
        "boolean",
        "False where shelf life leaves the service to money: a stock that reached it would spoil too often",
    ),
    _column("demand_qty", "double", "Units wanted over the days of the replay", _FROM_0),
    _column("sales_qty", "double", "Units of it served from stock the same day", _FROM_0),
    _column(
        "demand_sum", "double", "Units wanted, summed over series and replays where a service is required", _FROM_0
    ),
    _column("sales_sum", "double", "Units of it served from stock the same day", _FROM_0),
    _column(
        "step", "int", "Number of the run of equal packs, from 0, in the order in which they are worth taking", _FROM_0
    ),
    _column("step_count", "int", "Equal packs in the run", _FROM_0),
    _column("step_qty", "double", "Units of one pack of the run; the first is the least order", _FROM_0),
    _column("step_cost", "double", "What one of them costs, in currency", _FROM_0),
    _column(
        "expected_value",
        "double",
        "Expected profit, before the next order, of the units to order over not ordering them, in currency; 0 where "
        "they are for service or save order costs later",
    ),
    _column(
        "is_supply_assumed",
        "boolean",
        "True where supply terms come from the configuration, not from the feed",
    ),
    _column(
        "supply_notes",
        "string",
        "Supply terms that are not as the feed states them, by column: assumed, replaced or rounded, with both values",
    ),
    _column("price_age_days", "double", "Days since the selling price was last stated or paid; NULL: unknown", _FROM_0),
    _column("order_date", "date", "Day on which the order is to be placed"),
    _column("order_qty", "double", "Units to order, after minimum order and pack size", _FROM_0),
    _column("order_value", "double", "Order quantity times unit cost, in currency", _FROM_0),
    _column("position_qty", "double", "Stock position: on hand plus on order less backorders"),
    _column("days_of_cover", "double", "Days that the stock position lasts at the forecast mean", _FROM_0),
    _column("expected_receipt_ds", "date", "Day on which the order is expected to arrive"),
    _column("is_stock_assumed", "boolean", "True where the stock position is an assumption of the configuration"),
    _column("stockout_risk", "double", "Probability that demand over the lead time exceeds the position", _SHARE),
    _column(
        "expected_shortage_qty", "double", "Expected demand over the lead time that the position cannot serve", _FROM_0
    ),
    _column("reason", "string", "Why, in plain words and numbers"),
    _column(
        "main_reason", "string", "What decided the order's quantity, a few values to filter by", OneOf(ORDER_REASONS)
    ),
    _column(
        "headline", "string", "The line in one sentence: order, stock, need (median to 90% quantile), what decided"
    ),
    _column("assumptions", "string", "What the line assumes for want of data, codes with ; between; NULL for nothing"),
    _column("check_rule", "string", "Rule that finds the order line implausible", OneOf(ORDER_RULES)),
    _column("found_value", "double", "What the rule looks at: days of cover, expected value or order value"),
    _column("bound_value", "double", "Beyond which it is implausible; NULL for a rule without a number"),
    _column("daily_demand_qty", "double", "Expected demand per day of the horizon, in units", _FROM_0),
    _column(
        "cover_after_days",
        "double",
        "Days of expected demand that stock, open orders and this order last; NULL where none is expected",
        _FROM_0,
    ),
    _column(
        "order_rank", "int", "Place among the day's orders by expected value, then order value; NULL without order"
    ),
    _column(
        "last_order_qty", "double", "Units that the plan before this one ordered; NULL where it knew no such series"
    ),
    _column(
        "doubts",
        "string",
        "What to look at before it is believed: kind: words; kind: words (kinds: udfs/doubts.py); NULL for nothing",
    ),
    _column("sales_until_ds", "date", "Last day whose sales are known, at most the as-of day"),
    # gold
    _column("currency", "string", "ISO 4217 currency of money columns"),
    _column("value_at_risk", "double", "Expected unserved demand over the lead time at the selling price, in currency"),
    _column("actual", "double", "Units sold in the tested period, or on the day"),
    _column("level", "string", "What series are summed up by"),
    _column("group_name", "string", "Whose sum it is: the values that the level goes by, or all"),
    _column("seen_share", "double", "Share of the forecast whose days have been observed", _SHARE),
    _column("forecast", "double", "Units forecast for the tested period"),
    _column("naive_forecast", "double", "Units that the seasonal naive model forecast for the tested period"),
    _column("bias", "double", "Forecast less actual, over actual"),
    _column("wape", "double", "Weighted absolute percentage error: sum |actual - forecast| / sum actual"),
    _column("naive_wape", "double", "Weighted absolute percentage error of the seasonal naive forecast"),
    _column("share_below_p90", "double", "Share of days whose actual lies at or below the 90% quantile", _SHARE),
    *_coverage_columns(),
    _column("wql", "double", "Weighted quantile loss: twice the pinball loss, mean over levels / sum actual", _FROM_0),
    _column("days", "int", "Days compared or summed up", _FROM_0),
    # operations
    _column("run_id", "string", "Run: the as-of day and a hash of pipeline and configuration"),
    _column("stage", "string", "Stage of the pipeline"),
    _column("source", "string", "Source mapping"),
    _column("feed", "string", "Feed of the source: sales, products, stock, ..."),
    _column("config_hash", "string", "Hash of every setting that can change a result"),
    _column("input_versions", "string", "Delta version of each input table, as JSON"),
    _column("fingerprint", "string", "Hash of a stage's inputs and settings: equal means nothing to do"),
    _column("status", "string", "running, succeeded or failed"),
    _column("attempts", "int", "Times the unit was tried"),
    _column("seconds", "double", "Wall-clock seconds", volatile=True),
    _column("started_at", "timestamp", "Start (UTC)", volatile=True),
    _column("finished_at", "timestamp", "End (UTC)", volatile=True),
    _column("peak_memory_mb", "double", "Highest memory in use while the stage ran, in MiB", volatile=True),
    _column("series", "long", "Series that were summed up", _FROM_0),
    _column("ids", "long", "Keys of the entity (such as series) that the stage or unit saw to", _FROM_0),
    _column("rows", "long", "Rows written or counted", _FROM_0),
    _column("failed_ids", "long", "Keys of the entity that failed for good", _FROM_0),
    _column("unit", "string", "Unit of work: a bucket of the entity, or one of its values where it is listed"),
    _column("entity", "string", "What the unit is about, such as series or cutoff: a name of `entities`"),
    _column("id", "string", "Key of the entity that failed, such as a series' unique_id"),
    _column("attempt", "string", "What was tried and failed, where several things were; '' else"),
    _column("part", "string", "Part of the table: '' is all of it, else partition column = value"),
    _column("files", "string", "Digest of the names of the data files"),
    _column("lineage", "string", "What the part goes back to: while it stays, rows were only added"),
    _column("covers_from", "date", "First day of the rows"),
    _column("covers_to", "date", "Last day of the rows"),
    _column("recorded_at", "timestamp", "When the record was made (UTC)", volatile=True),
    _column("error_class", "string", "Class of the error"),
    _column("error", "string", "What went wrong"),
    _column("fallback", "string", "What was used instead, 'none' where nothing was"),
    _column("rule_id", "string", "Quality rule that rejected the row"),
    _column("column_name", "string", "Column of the feed layout"),
    _column("examples", "string", "Values as the feed wrote them, as JSON"),
    _column("finding", "string", "What was noticed, by name"),
    _column("words", "string", "The same in plain words and numbers"),
    _column("payload", "string", "The rejected row as JSON"),
    _column(
        "outcome",
        "string",
        "used, quarantined, duplicate, out_of_scope",
        OneOf(("used", "quarantined", "duplicate", "out_of_scope")),
    ),
    _column("file_bytes", "long", "Size of the file"),
    _column(
        "file_state",
        "string",
        "read: in the folder, its rows are in bronze; gone: no longer there, its rows stay; superseded: in the folder, "
        "a later file counts; removed: its rows were taken out. NULL: taken in when batch ids still held the path",
        OneOf(("read", "gone", "superseded", "removed")),
    ),
    _column("other_names", "string", "Further names under which the folder holds the same content, as JSON"),
    _column("host", "string", "Machine that ran it", volatile=True),
    _column("table_name", "string", "Table, as schema.table"),
)

COLUMNS: dict[str, Column] = {}


def declare(*columns: Column) -> None:
    """Make columns known by name. Raises ContractError where a name means something else already."""
    for column in columns:
        if COLUMNS.setdefault(column.name, column) != column:
            raise ContractError(f"column {column.name!r} is declared twice, as different things; give it another name")


declare(*_ALL)
if len(COLUMNS) != len(_ALL):
    raise AssertionError("a column is declared twice in lakehouse/schema/columns.py")


def schema_of(names: Iterable[str]) -> pa.Schema:
    """Declared columns as an Arrow schema, all of them nullable. Raises ContractError naming those not declared."""
    wanted = list(names)
    if unknown := [name for name in wanted if name not in COLUMNS]:
        raise ContractError(f"columns {unknown} are not declared in lakehouse/schema/columns.py")
    return pa.schema([(name, arrow_type(COLUMNS[name].type)) for name in wanted])
