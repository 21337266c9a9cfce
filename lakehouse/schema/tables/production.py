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
    Column("from_sku_id", "string", "Article that the resource made before; NULL before the first lot"),
    Column("to_sku_id", "string", "Article that the resource makes then"),
    Column("position", "long", "Place of the lot in the order of its resource and period, from 1", Range(1)),
    Column(
        "setup_source",
        "string",
        "Where the set-up is from: changeovers; routings, the article's own; same_item, which goes on without one",
    ),
    Column(
        "start_hours", "double", "Hours of the resource from the start of the period, after which work begins", _FROM_0
    ),
    Column(
        "end_hours",
        "double",
        "Hours of the resource from the start of the period, after which the lot is done",
        _FROM_0,
    ),
    Column("done_ds", "date", "Day on which the lot is done; the period's last one where its hours are too few"),
    Column("due_ds", "date", "Day on which stock and earlier lots no longer do; NULL where they last"),
    Column(
        "sequence_gap",
        "double",
        "Share of the set-ups that another order might save; NULL: none was looked for",
        Range(0, 1),
    ),
    Column("exception_kind", "string", "late_demand, late_lot (ends after its period) or late_component"),
    Column("lot_qty", "double", "Units that are made in the period", _FROM_0),
    Column("free_lot_qty", "double", "Units that would be made in the period if there were no limits", _FROM_0),
    Column("lot_hours", "double", "Hours that the lot and its set-up take", _FROM_0),
    Column("serves", "string", "Periods whose demand the lot is for, by first day with its units, as JSON"),
    Column(
        "made_in",
        "string",
        "Of late_demand: periods in which the late demand is made, by first day with its units, as JSON",
    ),
    Column("late_qty", "double", "Units wanted in the period, or planned for it, that come later", _FROM_0),
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
    FeedLayout(
        "changeovers",
        ("resource_id", "from_sku_id", "to_sku_id", "setup_hours", "setup_cost"),
        required=("resource_id", "from_sku_id", "to_sku_id", "setup_hours"),
        key=("resource_id", "from_sku_id", "to_sku_id"),
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
        "network.production_sequence",
        "The lots of each resource and period in order, with the set-up after what came before",
        (
            "as_of",
            "resource_id",
            "ds_from",
            "ds_to",
            "position",
            "sku_id",
            "from_sku_id",
            "lot_qty",
            "setup_hours",
            "setup_cost",
            "setup_source",
            "start_hours",
            "end_hours",
            "done_ds",
            "due_ds",
            "sequence_gap",
            "run_id",
        ),
        ("as_of", "sku_id", "ds_from"),
        ("as_of",),
    ),
    Contract(
        "network.exception",
        "Demand that the plan meets late or never, lots that their sequence ends too late, and what binds them",
        (
            "as_of",
            "sku_id",
            "ds_from",
            "ds_to",
            "exception_kind",
            "late_qty",
            "unmet_qty",
            "made_in",
            "binds",
            "words",
            "run_id",
        ),
        ("as_of", "sku_id", "ds_from", "exception_kind"),
        ("as_of",),
    ),
)
