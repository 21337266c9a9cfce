"""What settings say of the goods of a category or a department: how they are supplied, how long they keep."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields
from typing import Final

import numpy as np

from udfs.inventory.demand_distribution import FloatArray
from udfs.inventory.supply import MAX_PROTECTION_DAYS

ALL: Final = "all"
"""The group of everything."""


@dataclass(frozen=True, slots=True)
class GroupTerms:
    """Terms of a group, used for a series of it where no feed states them. None is not stated here.

    lead_time_days: order to receipt. shelf_life_days, waste_cost, most_cover_days, most_shelf_qty, largest_order_qty:
    see `StockLimits`. Raises ValueError for a value out of range.
    """

    lead_time_days: int | None = None
    shelf_life_days: int | None = None
    waste_cost: float | None = None
    most_cover_days: int | None = None
    most_shelf_qty: float | None = None
    largest_order_qty: float | None = None

    def __post_init__(self) -> None:
        for field in fields(self):
            value, (least, expected) = getattr(self, field.name), _RULES[field.name]
            if value is None:
                continue
            most = MAX_PROTECTION_DAYS - 1 if field.name == "lead_time_days" else math.inf
            is_whole = not field.name.endswith("_days") or value % 1 == 0
            if not (least <= value <= most and value < math.inf and is_whole):
                raise ValueError(f"{field.name}: expected {expected}, found {value!r}")


_RULES: Final = {
    "lead_time_days": (0.0, f"whole days from 0 to {MAX_PROTECTION_DAYS - 1}"),
    "shelf_life_days": (1.0, "whole days >= 1"),
    "waste_cost": (0.0, "currency per unit >= 0"),
    "most_cover_days": (1.0, "whole days >= 1"),
    "most_shelf_qty": (1e-3, "units > 0"),
    "largest_order_qty": (1e-3, "units > 0"),
}


def of_groups(
    groups: Mapping[str, GroupTerms], group_SK: Sequence[Sequence[str | None]], name: str, otherwise: float
) -> FloatArray:
    """A term of each series, [S]: that of the first of its groups which states it, of `ALL` last.

    group_SK: names of the groups of each series, the narrowest first; upper and lower case count alike.
    """
    by_name = {key.strip().casefold(): terms for key, terms in groups.items()}
    found = np.full(len(group_SK), otherwise)
    if not by_name:
        return found
    for row, names in enumerate(group_SK):
        for group in (*names, ALL):
            terms = by_name.get(group.strip().casefold()) if group else None
            if terms is not None and (value := getattr(terms, name)) is not None:
                found[row] = value
                break
    return found
