"""What planners decide beside the plan."""

from __future__ import annotations

from lakehouse.schema.checks import OneOf, Range
from lakehouse.schema.codes import DECISIONS
from lakehouse.schema.columns import Column, declare
from lakehouse.schema.contract import Contract

declare(
    Column("decision_id", "string", "Name of the decision, given when it is recorded"),
    Column(
        "decision",
        "string",
        "order: order this much instead; confirm: the line is as it should be, whatever the rule says; "
        "forecast: expect this much demand instead of the model's; "
        "withdraw: the series' earlier decisions of these days, orders and forecasts, no longer count",
        OneOf(DECISIONS),
    ),
    Column(
        "decided_qty",
        "double",
        "Units: to order instead, of the order that is confirmed, or demand of each day; NULL with a factor",
        Range(0),
    ),
    Column("decided_factor", "double", "Demand of each day as a multiple of what the model expects of it", Range(0)),
    Column("valid_from", "date", "First day that it is for: an order day, or of a forecast a day of demand"),
    Column("valid_to", "date", "Last day that it is for: an order day, or of a forecast a day of demand"),
    Column("model_mean", "double", "Mean that the model expects of the day, in units", Range(0)),
    Column("until_p90", "double", "90% quantile of the demand of all days up to this one, in units", Range(0)),
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
            "valid_from",
            "valid_to",
            "author",
            "note",
            "recorded_at",
        ),
        ("decision_id",),
        mode="append",
    ),
)
