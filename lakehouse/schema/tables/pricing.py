"""How demand answers prices, the prices that follow, and the demand that orders go by where one was accepted."""

from __future__ import annotations

from lakehouse.schema.checks import OneOf, Range
from lakehouse.schema.codes import IDENTIFICATIONS, PRICE_KINDS, PRICE_STATUS
from lakehouse.schema.columns import Column, declare
from lakehouse.schema.contract import Contract

declare(
    Column("effect", "string", "own: of its own price; promotion; cross: of the price of rival_id"),
    Column("rival_id", "string", "The series whose price the effect is of; the series itself where it is its own"),
    Column(
        "elasticity",
        "double",
        "Change of the log of units by one of the log price; of a promotion, the log of its lift",
    ),
    Column("elasticity_se", "double", "Standard error of it", Range(0)),
    Column("class_elasticity", "double", "The same of the series' category"),
    Column("known_share", "double", "Share of what the category leaves open that its own weeks settle", Range(0, 1)),
    Column(
        "identification",
        "string",
        "Whose weeks the own effect rests on: own (mostly the series'), shared, category (it takes that one's value) "
        "or all (nor has its category changed prices)",
        OneOf(IDENTIFICATIONS),
    ),
    Column("n_weeks", "int", "Weeks that were learned from", Range(0)),
    Column("n_prices", "int", "Different prices in these weeks", Range(0)),
    Column("usual_price", "double", "Median of the weeks' prices without a promotion, in currency", Range(0)),
    Column("is_promoted", "boolean", "True where the last week had a promotion"),
    Column("price_kind", "string", "regular: by margin; sell off: a markdown of what has to go", OneOf(PRICE_KINDS)),
    Column("planned_price", "double", "Price that the plan proposes, in currency", Range(0, low_open=True)),
    Column(
        "is_cost_assumed", "boolean", "True where no feed states the unit cost: it is what the assumed margin leaves"
    ),
    Column("planned_units", "double", "Expected units of the horizon at the planned price", Range(0)),
    Column("kept_units", "double", "Expected units of the horizon at the price of now", Range(0)),
    Column(
        "planned_profit",
        "double",
        "Expected margin of the horizon at the planned prices; of what is sold off, expected revenue to the end",
    ),
    Column(
        "kept_profit",
        "double",
        "The same if this price alone stayed as it is, with what that takes from the margins of its rivals",
    ),
    Column("binding", "string", "Guardrails that keep a price away that would earn more, with commas; NULL for none"),
    Column("price_status", "string", "proposed: nothing goes by it; accepted: orders do", OneOf(PRICE_STATUS)),
    Column("demand_factor", "double", "Expected demand as a multiple of that at the price of now", Range(0)),
)

CONTRACTS: tuple[Contract, ...] = (
    Contract(
        "pricing.elasticity",
        "How units answer the own price, promotions and rivals' prices, by series, shrunk to category and all",
        (
            "unique_id",
            "effect",
            "rival_id",
            "category",
            "location_id",
            "elasticity",
            "elasticity_se",
            "class_elasticity",
            "known_share",
            "identification",
            "n_weeks",
            "n_prices",
            "unit_price",
            "usual_price",
            "is_promoted",
            "run_id",
            "bucket",
        ),
        ("unique_id", "effect", "rival_id", "run_id"),
        ("run_id", "bucket"),
    ),
    Contract(
        "pricing.price_plan",
        "The price that each series should have, what it earns beside that of now, and which guardrails bind",
        (
            "unique_id",
            "as_of",
            "price_kind",
            "unit_price",
            "unit_cost",
            "is_cost_assumed",
            "planned_price",
            "kept_units",
            "planned_units",
            "kept_profit",
            "planned_profit",
            "elasticity",
            "elasticity_se",
            "identification",
            "binding",
            "reason",
            "run_id",
            "bucket",
        ),
        ("unique_id", "run_id"),
        ("run_id", "bucket"),
    ),
    Contract(
        "pricing.price_decision",
        "New prices, proposed or accepted, by series and days",
        (
            "unique_id",
            "decision_id",
            "price_status",
            "unit_price",
            "decided_price",
            "valid_from",
            "valid_to",
            "author",
            "note",
            "run_id",
            "bucket",
        ),
        ("unique_id", "decision_id", "valid_from", "run_id"),
        ("run_id", "bucket"),
    ),
    Contract(
        "pricing.accepted_demand",
        "What accepted prices, its own and rivals', do to each series' demand, by day; orders go by it",
        (
            "unique_id",
            "ds",
            "decision_id",
            "demand_factor",
            "unit_price",
            "author",
            "note",
            "run_id",
            "bucket",
        ),
        ("unique_id", "ds", "run_id"),
        ("run_id", "bucket"),
    ),
)
