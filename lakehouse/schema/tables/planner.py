"""What planners decide beside the plan."""

from __future__ import annotations

from lakehouse.schema.checks import OneOf, Range
from lakehouse.schema.codes import DECISIONS
from lakehouse.schema.columns import Column, declare
from lakehouse.schema.contract import Contract

_WHOSE = {"decided": "the decision", "planned": "the plan or model in its place"}
_ERRORS = (
    *(Column(f"{k}_short_qty", "double", f"Units by which demand exceeded {of}", Range(0)) for k, of in _WHOSE.items()),
    *(Column(f"{k}_over_qty", "double", f"Units by which {of} exceeded demand", Range(0)) for k, of in _WHOSE.items()),
    *(
        Column(f"{k}_cost", "double", f"Margin lost, holding and spoilage under {of}; NULL for a forecast", Range(0))
        for k, of in _WHOSE.items()
    ),
)

declare(
    Column("decision_id", "string", "Name of the decision, given when it is recorded"),
    Column(
        "decision",
        "string",
        "order: order this much instead; confirm: the line is as it should be, whatever the rule says; "
        "forecast: expect this much demand instead of the model's; price: sell at this price; "
        "withdraw: the series' earlier decisions of these days, whatever they are, no longer count",
        OneOf(DECISIONS),
    ),
    Column(
        "decided_qty",
        "double",
        "Units: to order instead, of the order that is confirmed, or demand of each day; NULL with a factor",
        Range(0),
    ),
    Column("decided_factor", "double", "Demand of each day as a multiple of what the model expects of it", Range(0)),
    Column("decided_price", "double", "Price that was decided, in currency", Range(0, low_open=True)),
    Column("valid_from", "date", "First day that it is for: an order day, or of a forecast a day of demand"),
    Column("valid_to", "date", "Last day that it is for: an order day, or of a forecast a day of demand"),
    Column("model_mean", "double", "Mean that the model expects of the day, in units", Range(0)),
    Column("until_p90", "double", "90% quantile of the demand of all days up to this one, in units", Range(0)),
    Column("planned_qty", "double", "Units that the plan, or the model, had in place of the decided ones", Range(0)),
    Column("realised_qty", "double", "Demand that came over the days; where stock ran out its expectation", Range(0)),
    Column("first_ds", "date", "First day of demand that is looked at"),
    Column("last_ds", "date", "Last day of demand that is looked at"),
    *_ERRORS,
    Column("value_added_qty", "double", "Units short and over of the plan or model, less those of the decision"),
    Column("value_added_value", "double", "Cost of the plan's order less that of the decided one, in currency"),
    Column("author", "string", "Who decided"),
    Column("note", "string", "Why"),
    Column("is_confirmed", "boolean", "True where a planner has confirmed the line, and its order is no larger since"),
)

ANSWER = ("is_confirmed", "author", "note")
"""Whether and by whom a line that is listed has been confirmed."""

CONTRACTS: tuple[Contract, ...] = (
    Contract(
        "planner.decision",
        "Orders and forecasts that planners set or confirmed, as they did so one by one; rows are added, never changed",
        (
            "decision_id",
            "decision",
            "unique_id",
            "check_rule",
            "decided_qty",
            "decided_factor",
            "decided_price",
            "valid_from",
            "valid_to",
            "author",
            "note",
            "recorded_at",
        ),
        ("decision_id",),
        mode="append",
    ),
    Contract(
        "gold.decision_value",
        "What planners' orders and forecasts added, by decision and plan that went by it, once their days have come",
        (
            "as_of",
            "decision_id",
            "order_date",
            "decision",
            "unique_id",
            "author",
            "note",
            "decided_factor",
            "first_ds",
            "last_ds",
            "days",
            "decided_qty",
            "planned_qty",
            "realised_qty",
            *(column.name for column in _ERRORS),
            "value_added_qty",
            "value_added_value",
            "currency",
            "run_id",
        ),
        ("as_of", "decision_id", "order_date"),
        ("as_of",),
    ),
)
