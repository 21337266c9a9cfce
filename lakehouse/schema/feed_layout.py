"""What a feed may deliver, declared once: its columns, what of them must be there, and which rows have one meaning."""

from __future__ import annotations

from dataclasses import dataclass

from lakehouse.schema.contract import Contract
from lakehouse.schema.entities import SERIES

_LINEAGE = ("source_file", "source_row", "source_column", "row_hash", "batch_id", "ingested_at", "is_dropped")


@dataclass(frozen=True, slots=True)
class FeedLayout:
    """A feed under the names that every source is mapped to.

    Args:
        name: of the feed; its rows as they came are `bronze.<name>`.
        columns: what a source may deliver, by names of `schema.columns`.
        required: what it must.
        key: columns of which each combination has one row that counts; () where every row does.
        last: of several rows with one key the last by source order counts (a correction follows what it corrects),
            else the first.
    """

    name: str
    columns: tuple[str, ...]
    required: tuple[str, ...]
    key: tuple[str, ...] = ()
    last: bool = False

    @property
    def is_by_series(self) -> bool:
        """Whether its rows belong to a series, whose id and bucket they then get."""
        return SERIES.id in self.key

    def bronze(self) -> Contract:
        return Contract(
            name=f"bronze.{self.name}",
            comment=f"The {self.name} feed as it came, one row per source record, text where it does not parse",
            columns=(*self.columns, *_LINEAGE),
            # Files may have one name, one after the other.
            key=("batch_id", "source_file", "source_row", "source_column"),
            partitions=("batch_id",),
            text=frozenset({*self.columns, "source_column"}),  # an unmelted record has no source_column
        )
