"""Measures of the gold tables, said once: what a figure is called, how it is computed, in which unit, and from what.

Spark's and Databricks' metric views and the views of the DuckDB file are made of these (`measure_sql`), so that a
figure is the same wherever it is read. Expressions are SQL that all three engines share.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from lakehouse.errors import ContractError
from lakehouse.schema.columns import COLUMNS
from lakehouse.schema.tables import contract

SCHEMA = "measures"
"""Where the views of measures stand, whatever the engine."""

CURRENCY = "currency"
"""The unit of money; its ISO code is the column of this name."""


@dataclass(frozen=True, slots=True)
class Measure:
    """A figure: `expression` is an aggregate over rows of the source, of which any number of days may be taken."""

    name: str
    unit: str
    comment: str
    expression: str


@dataclass(frozen=True, slots=True)
class MeasureView:
    """Measures of one gold table, and the `levels` that they may be seen by: text columns of it.

    `filter`: the rows that count, where not all do. Raises ContractError for a level that the source does not have.
    """

    name: str
    source: str
    comment: str
    levels: tuple[str, ...]
    measures: tuple[Measure, ...]
    filter: str = ""

    def __post_init__(self) -> None:
        unknown = [name for name in self.dimensions if name not in contract(self.source).columns]
        if unknown:
            raise ContractError(f"{self.name}: expected columns of {self.source}, found {unknown}")

    @property
    def keys(self) -> tuple[str, ...]:
        """What every figure is of: the as-of day, and the currency where one of them is money."""
        is_money = any(measure.unit == CURRENCY for measure in self.measures)
        return ("as_of", "currency") if is_money else ("as_of",)

    @property
    def dimensions(self) -> tuple[str, ...]:
        return (*self.keys, *self.levels)

    def comments(self) -> Iterator[tuple[str, str]]:
        """Comment of each dimension and measure, by name."""
        yield from ((name, COLUMNS[name].comment) for name in self.dimensions)
        yield from ((measure.name, f"{measure.comment}; unit: {measure.unit}") for measure in self.measures)


VIEWS: tuple[MeasureView, ...] = (
    MeasureView(
        "forecast_quality",
        "gold.forecast_accuracy",
        "How far forecasts were off, over the days after the last cutoff whose days have been seen",
        ("location_id", "department", "category", "demand_class", "model"),
        (
            Measure(
                "bias",
                "share of units sold",
                "Forecast less actual, over actual: above 0 too much was forecast",
                "(SUM(forecast) - SUM(actual)) / NULLIF(SUM(actual), 0)",
            ),
            Measure(
                "wape",
                "share of units sold",
                "Absolute error by series and day, over actual: weighted absolute percentage error",
                # A series that sold nothing has no wape of its own: all that was forecast for it is error.
                "SUM(CASE WHEN actual > 0 THEN wape * actual ELSE forecast END) / NULLIF(SUM(actual), 0)",
            ),
        ),
    ),
    MeasureView(
        "stock_and_orders",
        "gold.order_plan",
        "What stock is worth, how long it lasts, and what is to be spent, of series whose unit cost is known",
        ("location_id", "department", "category", "demand_class", "supplier_id"),
        (
            Measure(
                "stock_value",
                CURRENCY,
                "Stock position (on hand and on order, backorders not deducted from other goods) before the day's "
                "orders, at unit cost; of several days their mean",
                "SUM(GREATEST(position_qty, 0) * unit_cost) / COUNT(DISTINCT as_of)",
            ),
            Measure(
                "days_of_cover",
                "days",
                "Days of expected demand that the stock position lasts, both at unit cost, before the day's orders",
                # Days published before the plan knew a day's demand count on neither side.
                "SUM(CASE WHEN daily_demand_qty IS NOT NULL THEN GREATEST(position_qty, 0) * unit_cost END) / "
                "NULLIF(SUM(daily_demand_qty * unit_cost), 0)",
            ),
            Measure(
                "planned_spend", CURRENCY, "Value of the orders that are planned, at unit cost", "SUM(order_value)"
            ),
        ),
        "unit_cost IS NOT NULL",
    ),
    MeasureView(
        "stock_service",
        "gold.stock_risk",
        "Whether stock lasts until the day's order can arrive",
        ("location_id", "department", "category"),
        (
            Measure(
                "service_level",
                "share of series",
                "Cycle service level: mean probability that stock lasts until the day's order can arrive, each series "
                "counting alike",
                "1 - AVG(stockout_risk)",
            ),
        ),
    ),
)


def measure_table() -> str:
    """Every measure in Markdown: where it stands, its unit and meaning, and how it is computed."""
    rows = [
        f"| `{view.name}` | `{measure.name}` | {measure.unit} | {measure.comment} | `{measure.expression}` | "
        f"`{view.source}`{f' where `{view.filter}`' if view.filter else ''} |"
        for view in VIEWS
        for measure in view.measures
    ]
    return "\n".join(["| view | measure | unit | meaning | expression | of |", "|---|---|---|---|---|---|", *rows])
