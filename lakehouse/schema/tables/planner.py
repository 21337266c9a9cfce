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
        "withdraw: the series' earlier decisions of these days no longer count",
        OneOf(DECISIONS),
    ),
    Column("decided_qty", "double", "Units: to order instead, or of the order that is confirmed", Range(0)),
    Column("valid_from", "date", "First order day that it is for"),
    Column("valid_to", "date", "Last order day that it is for"),
    Column("author", "string", "Who decided"),
    Column("note", "string", "Why"),
    Column("is_confirmed", "boolean", "True where a planner has confirmed the line, and its order is no larger since"),
)

ANSWER = ("is_confirmed", "author", "note")
"""Whether and by whom a line that is listed has been confirmed."""

CONTRACTS: tuple[Contract, ...] = (
    Contract(
        "planner.decision",
        "Orders that planners set or confirmed, in the order in which they did; rows are added and never changed",
        (
            "decision_id",
            "decision",
            "unique_id",
            "check_rule",
            "decided_qty",
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
