"""What a unit of work is about: a series, a customer, a document, a depot's day, a cutoff, the whole."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final


@dataclass(frozen=True, slots=True)
class Entity:
    """A kind of thing that work is divided by.

    `id` is the column of its key, made of `parts`. Keys are hashed into buckets, which are the units of work; a
    `listed` entity is not hashed: each of its values is a unit.
    """

    name: str
    id: str
    parts: tuple[str, ...] = ()
    listed: bool = False

    @property
    def partition(self) -> str:
        """The column that tables are partitioned by, unit by unit."""
        return "unit" if self.listed else "bucket"

    @property
    def plural(self) -> str:
        return self.name if self.name.endswith("s") else f"{self.name}s"


SERIES: Final = Entity("series", "unique_id", ("sku_id", "location_id", "channel_id"))
CUSTOMER: Final = Entity("customer", "customer_id")
DOCUMENT: Final = Entity("document", "document_id")
DEPOT_DAY: Final = Entity("depot_day", "depot_day_id", ("depot_id", "ds"))
CUTOFF: Final = Entity("cutoff", "cutoff", listed=True)
WHOLE: Final = Entity("whole", "whole", listed=True)
