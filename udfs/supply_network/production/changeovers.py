"""The set-up matrix: hours and cost of a set-up by what the resource made before."""

from __future__ import annotations

import math
from collections.abc import Collection
from dataclasses import dataclass

import pyarrow as pa


@dataclass(frozen=True, slots=True)
class Setup:
    """`source`: changeovers, routings (no pair is stated, or nothing was made before) or same_item (it goes on)."""

    hours: float
    cost: float
    source: str


@dataclass(frozen=True, slots=True)
class Changeovers:
    """(hours, cost or None) by resource, item before and item after; without a pair there is no matrix."""

    pairs: dict[tuple[str, str, str], tuple[float, float | None]]

    def is_cost_stated(self, resource: str) -> bool:
        return any(cost is not None for (of, _, _), (_, cost) in self.pairs.items() if of == resource)

    def setup(self, resource: str, before: str | None, item: str, own: tuple[float, float]) -> Setup:
        """`own`: hours and cost of a set-up for the item, whatever was before."""
        if (pair := self.pairs.get((resource, before or "", item))) is not None:
            return Setup(pair[0], own[1] if pair[1] is None else pair[1], "changeovers")
        return Setup(0.0, 0.0, "same_item") if before == item else Setup(*own, "routings")


def changeovers(rows: pa.Table, resources: Collection[str], items: Collection[str]) -> Changeovers:
    """The matrix of a feed's rows. Raises ValueError for a resource or item that no other feed knows, numbers that are
    not >= 0 and a pair that is stated twice."""
    pairs: dict[tuple[str, str, str], tuple[float, float | None]] = {}
    for row in rows.to_pylist():
        key = row["resource_id"], row["from_sku_id"], row["to_sku_id"]
        where = f"from {key[1]} to {key[2]} on {key[0]}"
        hours, cost = row["setup_hours"], row.get("setup_cost")
        rules = (
            (key[0] in resources, "a resource of the feed resources", f"{key[0]!r}"),
            (key[1] in items, "articles of the feed routings", f"{key[1]!r}"),
            (key[2] in items, "articles of the feed routings", f"{key[2]!r}"),
            (hours is not None and 0.0 <= hours < math.inf, "setup_hours >= 0", f"{hours}"),
            (cost is None or 0.0 <= cost < math.inf, "setup_cost >= 0", f"{cost}"),
            (key not in pairs, "one row for each pair", "two"),
        )
        for is_good, expected, found in rules:
            if not is_good:
                raise ValueError(f"changeovers: expected {expected}, found {found} {where}; correct the row")
        pairs[key] = hours, cost
    return Changeovers(pairs)
