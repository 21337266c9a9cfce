"""What is known ahead of days that are like no other: festivals."""

from __future__ import annotations

from lakehouse.schema.checks import OneOf
from lakehouse.schema.columns import Column, declare
from lakehouse.schema.contract import Contract

FESTIVAL_PHASES = ("before", "on", "after")
MAKE_UP_WORKDAY = "make_up_workday"
"""The festival of a weekend day on which a country works in place of a holiday."""
NO_CATEGORY = "(none)"
"""What stands in the column category for series without one, where it is part of a key."""

declare(
    Column("festival", "string", "Name of the festival: of [festivals] in conf, else of the public holiday"),
    Column("festival_day", "int", "Days from the festival's first day: below 0 before it, 0 on it"),
    Column("festival_distance_days", "int", "Days to the nearest of the festival's own days, 0 on them"),
    Column("day_kind", "string", "A festival and its day, or how many days a location is closed next to a day"),
    Column("lift_factor", "double", "Demand of a category on such a day over what is usual; 1 where none is known"),
    Column("festival_phase", "string", "Whether the day is before, on or after the festival", OneOf(FESTIVAL_PHASES)),
)

CONTRACTS: tuple[Contract, ...] = (
    Contract(
        "silver.festival",
        "Days within reach of a festival, per location and festival, from the first sale to a year after the last",
        ("location_id", "ds", "festival", "festival_day", "festival_distance_days", "festival_phase"),
        ("location_id", "ds", "festival"),
        mode="overwrite",
    ),
    Contract(
        "forecast.festival_lift",
        "What festivals and closures next door do to demand, learned by trees from the days until their cutoff",
        ("cutoff", "category", "day_kind", "festival", "festival_day", "lift_factor", "run_id", "unit"),
        ("cutoff", "category", "day_kind", "run_id"),
        ("run_id", "unit"),
    ),
)
