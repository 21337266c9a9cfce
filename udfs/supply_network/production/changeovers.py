"""The set-up matrix: hours and cost of a set-up by what the resource made before."""

from __future__ import annotations

import math
from collections.abc import Collection
from dataclasses import dataclass

import pyarrow as pa


@dataclass(frozen=True, slots=True)
class Changeovers:
    """(hours, cost or None) by resource, item before and item after; without a pair there is no matrix."""

    pairs: dict[tuple[str, str, str], tuple[float, float | None]]

    def is_cost_stated(self, resource: str) -> bool:
        return any(cost is not None for (of, _, _), (_, cost) in self.pairs.items() if of == resource)

    def setup(self, resource: str, before: str | None, item: str, own: tuple[float, float]) -> tuple[float, float, str]:
        """Hours, cost and source: changeovers; routings, the item's `own` where no pair is stated or nothing was made
        before; same_item, which goes on."""
        if (pair := self.pairs.get((resource, before or "", item))) is not None:
            return pair[0], own[1] if pair[1] is None else pair[1], "changeovers"
        return (0.0, 0.0, "same_item") if before == item else (*own, "routings")


def changeovers(rows: pa.Table, resources: Collection[str], items: Collection[str]) -> Changeovers:
    """The matrix of a feed's rows. Raises ValueError for a resource or item that no other feed knows, numbers that are
    not >= 0 and a pair that is stated twice."""
    pairs: dict[tuple[str, str, str], tuple[float, float | None]] = {}
    for row in rows.to_pylist():
        key = resource, before, item = row["resource_id"], row["from_sku_id"], row["to_sku_id"]
        hours, cost = row["setup_hours"], row["setup_cost"]
        rules = (
            (resource in resources, "a resource of the feed resources", resource),
            (before in items, "articles of the feed routings", before),
            (item in items, "articles of the feed routings", item),
            (hours is not None and 0.0 <= hours < math.inf, "setup_hours >= 0", hours),
            (cost is None or 0.0 <= cost < math.inf, "setup_cost >= 0", cost),
            (key not in pairs, "one row for each pair", "two"),
        )
        for is_good, expected, found in rules:
            if not is_good:
                where = f"from {before} to {item} on {resource}"
                raise ValueError(f"changeovers: expected {expected}, found {found} {where}; correct the row")
        pairs[key] = hours, cost
    return Changeovers(pairs)
