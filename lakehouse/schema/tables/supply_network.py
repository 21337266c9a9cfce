"""Suppliers to choose from, what is bought from whom, and stock levels over a network of depots and locations."""

from __future__ import annotations

from lakehouse.schema.checks import OneOf, Range
from lakehouse.schema.columns import Column, declare
from lakehouse.schema.contract import Contract
from lakehouse.schema.entities import WHOLE
from lakehouse.schema.feed_layout import FeedLayout

_FROM_0, _ABOVE_0, _SHARE = Range(0), Range(0, low_open=True), Range(0, 1)

declare(
    Column("lead_time_sd_days", "double", "Standard deviation of the days from order to receipt", _FROM_0),
    Column("added_share", "double", "Freight, duty and handling as a share of the unit cost", _FROM_0),
    Column("minimum_value", "double", "What an order to the supplier must come to at least, in currency", _FROM_0),
    Column("truck_qty", "double", "Units that one order to the supplier can hold; NULL: no limit", _ABOVE_0),
    Column("break_qty", "double", "Units of an article in one order from which its price falls", _ABOVE_0),
    Column("break_share", "double", "Share by which the price falls from break_qty on", Range(0, 1, high_open=True)),
    Column(
        "sourcing", "string", "single supplier, split order, dual: base and surge", OneOf(("single", "split", "dual"))
    ),
    Column("second_supplier_id", "string", "The supplier of the rest: of a split order, or of surges; else NULL"),
    Column("first_share", "double", "Share of what is bought that comes from supplier_id", _SHARE),
    Column("cycle_days", "double", "Days between two orders to the supplier", _ABOVE_0),
    Column("cycle_multiple", "long", "The article is in every so many orders", Range(1)),
    Column("landed_unit_cost", "double", "Price paid with breaks, freight, duty and handling, per unit", _FROM_0),
    Column("daily_purchase_cost", "double", "Landed cost of a day's demand, in currency", _FROM_0),
    Column("daily_order_cost", "double", "Cost of order lines, in currency a day", _FROM_0),
    Column("daily_holding_cost", "double", "Holding cycle and safety stock, in currency a day", _FROM_0),
    Column("runner_up_supplier_id", "string", "Supplier of the cheapest other way to buy; NULL where there is none"),
    Column("runner_up_extra_cost", "double", "What that way would cost more a day; below 0 where limits forbid it"),
    Column("choice_gap", "double", "Share by which all suppliers' choice may miss the optimum; 0: proven", _FROM_0),
    Column("is_offer_assumed", "boolean", "True where no feed states suppliers' terms: those of the network's file"),
    Column("wanted_qty", "double", "Units wanted before suppliers' terms", _FROM_0),
    Column("purchase_qty", "double", "Units to buy from the supplier", _FROM_0),
    Column("purchase_value", "double", "The same in currency, without freight and duty", _FROM_0),
    Column("purchase_note", "string", "What the supplier's terms made of the quantity"),
    Column("stage_name", "string", "Depot or location"),
    Column("depot_name", "string", "Depot that supplies the location"),
    Column("level_qty", "double", "Base-stock level: units on hand and on order less those that wait", _FROM_0),
    Column("mean_on_hand_qty", "double", "Units expected on hand", _FROM_0),
    Column("mean_backorder_qty", "double", "Units expected to wait", _FROM_0),
    Column("stage_lead_days", "double", "Days from the stage's supplier to it", _FROM_0),
    Column(
        "network_cost", "double", "Holding and shortage of the article at a depot and its locations, a day", _FROM_0
    ),
    Column("alone_cost", "double", "The same where each location buys for itself, without a depot", _FROM_0),
    Column("pool_qty", "double", "Units that the depot can allocate today", _FROM_0),
    Column("is_pool_assumed", "boolean", "True where no feed counts the depot's stock: its level was taken"),
    Column("allocated_qty", "double", "Units that the depot allocates to the location", _FROM_0),
    Column("next_unit_value", "double", "What one more unit there would be expected to earn", _FROM_0),
)

FEEDS: tuple[FeedLayout, ...] = (
    FeedLayout(
        "suppliers",
        (
            "supplier_id",
            "order_cost",
            "currency",
            "minimum_value",
            "truck_qty",
            "lead_time_sd_days",
            "added_share",
            "break_qty",
            "break_share",
            "review_days",
            "review_weekdays",
        ),
        required=("supplier_id",),
        key=("supplier_id",),
        last=True,
    ),
)

CONTRACTS: tuple[Contract, ...] = (
    Contract(
        "silver.supplier",
        "Terms of each supplier of the feed suppliers, the last that are stated",
        tuple(name for name in FEEDS[0].columns if name != "currency"),
        ("supplier_id",),
        mode="overwrite",
    ),
    Contract(
        "silver.offer",
        "What each supplier of the feed supply asks for a series, where the feed suppliers is delivered",
        (
            "unique_id",
            "supplier_id",
            "lead_time_days",
            "order_cost",
            "unit_cost",
            "moq_qty",
            "pack_qty",
            "bucket",
        ),
        ("unique_id", "supplier_id"),
        ("bucket",),
    ),
    Contract(
        "network.purchase_plan",
        "From whom each series is bought, how often, what that costs a day, and what the runner-up would",
        (
            "unique_id",
            "supplier_id",
            "second_supplier_id",
            "sourcing",
            "first_share",
            "cycle_days",
            "cycle_multiple",
            "landed_unit_cost",
            "daily_purchase_cost",
            "daily_order_cost",
            "daily_holding_cost",
            "runner_up_supplier_id",
            "runner_up_extra_cost",
            "choice_gap",
            "is_offer_assumed",
            "reason",
            "run_id",
            "unit",
        ),
        ("unique_id", "run_id"),
        ("run_id", "unit"),
        unit=WHOLE,
    ),
    Contract(
        "network.purchase_order",
        "What to buy today of each series from each supplier, within the suppliers' terms",
        (
            "unique_id",
            "supplier_id",
            "order_date",
            "wanted_qty",
            "purchase_qty",
            "purchase_value",
            "expected_receipt_ds",
            "is_offer_assumed",
            "purchase_note",
            "run_id",
            "unit",
        ),
        ("unique_id", "supplier_id", "run_id"),
        ("run_id", "unit"),
        unit=WHOLE,
    ),
    Contract(
        "network.level",
        "Base-stock levels of each article at each depot and location of the network",
        (
            "sku_id",
            "channel_id",
            "stage_name",
            "depot_name",
            "level_qty",
            "mean_on_hand_qty",
            "mean_backorder_qty",
            "expected_fill_rate",
            "stage_lead_days",
            "network_cost",
            "alone_cost",
            "run_id",
            "unit",
        ),
        ("sku_id", "channel_id", "stage_name", "run_id"),
        ("run_id", "unit"),
        unit=WHOLE,
    ),
    Contract(
        "network.allocation",
        "How each depot's stock is shared by its locations, by what the next unit would earn there",
        (
            "unique_id",
            "depot_name",
            "pool_qty",
            "is_pool_assumed",
            "wanted_qty",
            "allocated_qty",
            "next_unit_value",
            "reason",
            "run_id",
            "unit",
        ),
        ("unique_id", "run_id"),
        ("run_id", "unit"),
        unit=WHOLE,
    ),
)
