"""Columns of numbers as SQL sees them: read by the notation once, so that an expression need not take them apart."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import pyarrow as pa
import pyarrow.compute as pc

from lakehouse.errors import SourceError
from lakehouse.feeds.cells import TYPED, CellReader
from lakehouse.feeds.notation import Notation
from lakehouse.feeds.number_text import PLAIN
from lakehouse.feeds.records import OtherRecords, Records

_AS = "line_value"  # read as this column of the layout is: an amount, maybe with the sign of its money


@dataclass(slots=True)
class PlainNumbers(OtherRecords):
    """Records whose `numbers` are plain (-1205.5), marked as what needs no notation; what is no number stays as it is.

    notation: how the feed writes them; currency: the source's, whose sign may stand beside them. Raises SourceError
    where the file lacks one of the columns, or its texts may be two numbers each.
    """

    records: Records
    numbers: tuple[str, ...]
    notation: Notation
    currency: str
    path: str

    def __post_init__(self) -> None:
        if missing := sorted(set(self.numbers) - set(self.names)):
            raise SourceError(f"{self.path}: numbers expects the columns {missing}, found {self.names}")

    def batches(self) -> Iterator[pa.RecordBatch]:
        readers = {name: CellReader(_AS, name, self.path, self.notation, self.currency) for name in self.numbers}
        for batch in self.records.batches():
            for name, reader in readers.items():
                texts = reader.read(batch[name])
                is_number = pc.fill_null(pc.match_substring_regex(texts, PLAIN), False)
                marked = pc.if_else(is_number, pc.binary_join_element_wise(TYPED, texts, ""), texts)
                batch = batch.set_column(batch.schema.get_field_index(name), name, marked)
            yield batch
        for reader in readers.values():
            self.news.extend(reader.finish())
