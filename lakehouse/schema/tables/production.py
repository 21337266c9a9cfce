"""What is made, on what, and when: the feeds of a production plan, and the plan."""

from __future__ import annotations

from lakehouse.schema.checks import Range
from lakehouse.schema.columns import Column, declare
from lakehouse.schema.contract import Contract
from lakehouse.schema.feed_layout import FeedLayout

_FROM_0 = Range(0)

declare(
    Column("resource_id", "string", "Line, machine or crew that things are made on"),
    Column("capacity_hours", "double", "Hours of work of the resource in a period", _FROM_0),
    Column(
        "overtime_hours", "double", "Hours beyond capacity_hours: that may be worked, or that the plan works", _FROM_0
    ),
    Column("overtime_cost", "double", "Cost of an hour of overtime beside that of a regular one, in currency", _FROM_0),
    Column("unit_hours", "double", "Hours of the resource that a unit takes", _FROM_0),
    Column("setup_hours", "double", "Hours of the resource that a set-up for the item takes", _FROM_0),
    Column("setup_cost", "double", "Cost of a set-up, in currency", _FROM_0),
    Column("lot_qty", "double", "Units that are made in the period", _FROM_0),
    Column("free_lot_qty", "double", "Units that would be made in the period if there were no limits", _FROM_0),
    Column("lot_hours", "double", "Hours that the lot and its set-up take", _FROM_0),
    Column("serves", "string", "Periods whose demand the lot is for, by first day with its units, as JSON"),
    Column("made_in", "string", "Periods in which the late demand is made, by first day with its units, as JSON"),
    Column("late_qty", "double", "Units wanted in the period that come later", _FROM_0),
    Column("unmet_qty", "double", "Units wanted in the period that never come within the horizon", _FROM_0),
    Column("binds", "string", "Resources without hours for the demand, each with its periods; NULL where none is full"),
    Column("plan_cost", "double", "Cost of the whole plan: set-ups, stock, overtime, lateness; in currency", _FROM_0),
    Column("plan_gap", "double", "Share of plan_cost by which the best plan might be cheaper", Range(0, 1)),
)

FEEDS: tuple[FeedLayout, ...] = (
    FeedLayout(
        "bom",
        ("sku_id", "component_sku_id", "component_qty"),
        required=("sku_id", "component_sku_id", "component_qty"),
        key=("sku_id", "component_sku_id"),
        last=True,
    ),
    FeedLayout(
        "routings",
        ("sku_id", "resource_id", "unit_hours", "setup_hours", "setup_cost", "unit_cost", "currency"),
        required=("sku_id", "resource_id", "unit_hours"),
        key=("sku_id",),
        last=True,
    ),
    FeedLayout(
        "resources",
        ("resource_id", "ds_from", "ds_to", "capacity_hours", "overtime_hours", "overtime_cost", "currency"),
        required=("resource_id", "ds_from", "ds_to", "capacity_hours"),
        key=("resource_id", "ds_from"),
        last=True,
    ),
)

CONTRACTS: tuple[Contract, ...] = (
    Contract(
        "network.production_plan",
        "Lots by item and period that the resources have hours for, beside those that there would be without limits",
        (
            "as_of",
            "sku_id",
            "ds_from",
            "ds_to",
            "resource_id",
            "lot_qty",
            "lot_hours",
            "free_lot_qty",
            "serves",
            "plan_cost",
            "plan_gap",
            "run_id",
        ),
        ("as_of", "sku_id", "ds_from"),
        ("as_of",),
    ),
    Contract(
        "network.exception",
        "Demand that the plan meets late or never, and the resources that have no hours for it",
        ("as_of", "sku_id", "ds_from", "ds_to", "late_qty", "unmet_qty", "made_in", "binds", "words", "run_id"),
        ("as_of", "sku_id", "ds_from"),
        ("as_of",),
    ),
)
