"""Launches and once-a-year items: the seasons that a planner names, what they are like, and what to buy for them."""

from __future__ import annotations

from lakehouse.schema.checks import OneOf, Range
from lakehouse.schema.columns import Column, declare
from lakehouse.schema.contract import Contract
from lakehouse.schema.entities import WHOLE
from lakehouse.schema.feed_layout import FeedLayout

PHASES = ("ahead", "running", "refused")

declare(
    Column("season_name", "string", "Season or launch, as the planner names it, such as Mid-Autumn"),
    Column("salvage_value", "double", "What a leftover brings after the season, in currency per unit", Range(0)),
    Column(
        "season_phase",
        "string",
        "ahead: a first commitment is due; running: sales so far tell; refused: no plan can be made, words says why",
        OneOf(PHASES),
    ),
    Column(
        "leftover_source",
        "string",
        "Where salvage_value is from: stated; sold_off, what one more brings in a sell-off; assumed, of the unit cost",
        OneOf(("stated", "sold_off", "assumed")),
    ),
    Column("analogue_rank", "int", "1 is the earlier launch that is most alike", Range(1)),
    Column("analogue_id", "string", "Series whose earlier launch is alike"),
    Column("analogue_ds", "date", "First day of that launch"),
    Column("analogue_weight", "double", "Share of the forecast that the analogue bears", Range(0, 1)),
    Column("analogue_qty", "double", "Units that the analogue sold over as many days", Range(0)),
    Column("scaled_qty", "double", "Units of this season if it is as strong as the analogue was", Range(0)),
    Column("season_mean", "double", "Mean of the whole season's demand, in units", Range(0)),
    *(
        Column(f"season_p{level}", "double", f"{level}% quantile of the whole season's demand, in units", Range(0))
        for level in (10, 50, 90)
    ),
    Column("sold_qty", "double", "Units sold in the season so far", Range(0)),
    Column("one_buy_qty", "double", "What to buy if there is no second order", Range(0)),
    Column("commitment_qty", "double", "What to buy before the season, where a reorder follows", Range(0)),
    Column("reorder_qty", "double", "Units to reorder, expected before the season and due within it", Range(0)),
    Column(
        "best_price",
        "double",
        "Price that earns most with a quantity of its own; NULL: its effect is not known",
        Range(0),
    ),
    Column("best_price_qty", "double", "One buy at best_price", Range(0)),
    Column(
        "best_price_gain", "double", "What the two are expected to earn beyond the stated price with one buy", Range(0)
    ),
    Column("critical_ratio", "double", "Probability of serving the season that pays best: of margin and leftover loss"),
    Column("launch_curve", "array<double>", "Expected share of the season's units sold by the end of each of its days"),
)

FEEDS: tuple[FeedLayout, ...] = (
    FeedLayout(
        "seasons",
        (
            "sku_id",
            "location_id",
            "channel_id",
            "season_name",
            "ds_from",
            "ds_to",
            "unit_price",
            "unit_cost",
            "salvage_value",
            "currency",
        ),
        required=("sku_id", "location_id", "ds_from", "ds_to"),
        key=("unique_id", "ds_from"),
        last=True,
    ),
)

CONTRACTS: tuple[Contract, ...] = (
    Contract(
        "silver.season",
        "Seasons and launches that a planner has named, one row per series and first day",
        ("unique_id", "season_name", "ds_from", "ds_to", "unit_price", "unit_cost", "salvage_value"),
        ("unique_id", "ds_from"),
        mode="overwrite",
    ),
    Contract(
        "seasonal.analogue",
        "The earlier launches that a season is most like, and what it would sell if it went as they did",
        (
            "unique_id",
            "ds_from",
            "analogue_rank",
            "analogue_id",
            "analogue_ds",
            "analogue_weight",
            "analogue_qty",
            "scaled_qty",
            "run_id",
            "unit",
        ),
        ("unique_id", "ds_from", "analogue_rank", "run_id"),
        ("run_id", "unit"),
        unit=WHOLE,
    ),
    Contract(
        "seasonal.buy_plan",
        "What to buy for each season that lies ahead or runs: at once, or a commitment and a reorder",
        (
            "unique_id",
            "season_name",
            "ds_from",
            "ds_to",
            "season_phase",
            "season_mean",
            "season_p10",
            "season_p50",
            "season_p90",
            "launch_curve",
            "sold_qty",
            "unit_price",
            "unit_cost",
            "salvage_value",
            "leftover_source",
            "critical_ratio",
            "one_buy_qty",
            "commitment_qty",
            "reorder_qty",
            "best_price",
            "best_price_qty",
            "best_price_gain",
            "words",
            "run_id",
            "unit",
        ),
        ("unique_id", "ds_from", "run_id"),
        ("run_id", "unit"),
        unit=WHOLE,
    ),
)
