"""What a unit of work is about: a series, a customer, a document, a depot's day, a cutoff, the whole.

An entity's id is made of its parts and taken apart again here and nowhere else; Spark's columns of the same are in
`lakehouse/transforms/keys.py`.
"""

from __future__ import annotations

import zlib
from dataclasses import dataclass
from typing import Final

import pyarrow as pa
import pyarrow.compute as pc

from lakehouse.errors import ContractError

SEPARATOR = "|"
"""Stands between the parts of an id; a part must not contain it."""


@dataclass(frozen=True, slots=True)
class Entity:
    """One kind of thing that tables are keyed by and that work is cut along.

    Attributes:
        name: in words and in the ledger.
        id: the column that holds the id.
        parts: the columns that the id is made of, in order; none where the id stands for itself.
        listed: units are the values themselves, not buckets of hashed ids.
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

    def key(self, *parts: object) -> str:
        """The id of one: its parts, joined; a day is written YYYY-MM-DD.

        Raises ContractError for too few or too many parts, one that is None, and one that contains the separator: ids
        of different things could be equal then.
        """
        names = self.parts or (self.id,)
        if len(parts) != len(names) or None in parts:
            raise ContractError(f"{self.id}: expected {', '.join(names)}, found {parts}")
        texts = [str(part) for part in parts]
        for name, text in zip(self.parts, texts, strict=False):
            if SEPARATOR in text:
                raise ContractError(
                    f"{name}: expected no {SEPARATOR!r}, which separates the parts of {self.id}, found {text!r}"
                )
        return SEPARATOR.join(texts)

    def split(self, id_: str) -> tuple[str, ...]:
        """The parts of an id. Raises ContractError where it has not as many as it should."""
        found = tuple(id_.split(SEPARATOR)) if self.parts else (id_,)
        if self.parts and len(found) != len(self.parts):
            raise ContractError(f"expected {self.id} as {SEPARATOR.join(self.parts)}, found {id_!r}")
        return found

    def parts_of(self, ids: pa.Array | pa.ChunkedArray) -> dict[str, pa.Array]:
        """The parts of many ids, by column, as strings; NULL for a NULL id.

        `ids` may be a dictionary. Raises ContractError naming an id that has not as many parts as it should.
        """
        array = ids.combine_chunks() if isinstance(ids, pa.ChunkedArray) else ids
        if pa.types.is_dictionary(array.type):
            return {name: part.take(array.indices) for name, part in self.parts_of(array.dictionary).items()}
        array = array.cast(pa.string())
        if not self.parts:
            return {self.id: array}
        separators = pc.count_substring(array, SEPARATOR)
        wrong = array.filter(pc.not_equal(separators, len(self.parts) - 1))
        if len(wrong):
            self.split(wrong[0].as_py())  # raises
        pieces = pc.split_pattern(array, SEPARATOR)
        return {name: pc.list_element(pieces, at) for at, name in enumerate(self.parts)}

    def bucket_of(self, id_: str, buckets: int) -> int:
        """The bucket of an id: CRC-32 of its UTF-8 bytes modulo the number of buckets, as Spark's `crc32` has it."""
        if self.listed:
            raise ContractError(f"units of {self.name} are listed one by one, not hashed into buckets")
        return zlib.crc32(id_.encode()) % buckets


SERIES: Final = Entity("series", "unique_id", ("sku_id", "location_id", "channel_id"))
CUSTOMER: Final = Entity("customer", "customer_id")
DOCUMENT: Final = Entity("document", "document_id")
DEPOT_DAY: Final = Entity("depot_day", "depot_day_id", ("depot_id", "ds"))
CUTOFF: Final = Entity("cutoff", "cutoff", listed=True)
WHOLE: Final = Entity("whole", "whole", listed=True)
