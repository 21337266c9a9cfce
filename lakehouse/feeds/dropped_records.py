"""Records that the mapping leaves out by the file's own columns: marked, so that cleaning counts them, and not lost."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import pyarrow as pa
import pyarrow.compute as pc

from lakehouse.errors import SourceError
from lakehouse.faults import nearest
from lakehouse.feeds.arrow_sql import Rows, UnsupportedError, columns_of, try_cast
from lakehouse.feeds.cells import TYPED
from lakehouse.feeds.records import OtherRecords, Records
from lakehouse.feeds.text_records import CORRUPT

DROPPED = "_dropped"  # whether the mapping leaves the record out


@dataclass(slots=True)
class DroppedRecords(OtherRecords):
    """Records with a column DROPPED: whether `sql` is true of them. One that has not the file's columns never is.

    place: where the mapping states `sql`; numbers: columns that it sees as such. Raises SourceError where the file
    lacks a column of it, or holds text where it asks for a number or a day.
    """

    records: Records
    sql: str
    path: str
    place: str
    numbers: Sequence[str] = ()

    def batches(self) -> Iterator[pa.RecordBatch]:
        spelt = {name.lower(): name for name in self.names}
        for batch in self.records.batches():

            def column(name: str, batch: pa.RecordBatch = batch) -> pa.Array:
                cells = _without_marks(batch[spelt[name.lower()]])
                is_text = spelt[name.lower()] in self.numbers and pa.types.is_string(cells.type)
                return try_cast(cells, "DOUBLE") if is_text else cells

            try:
                dropped = Rows(batch.num_rows, column).is_true(self.sql)
            except UnsupportedError as error:
                raise SourceError(f"{self.place}: {self.path}: {error}") from error
            yield batch.append_column(DROPPED, pc.and_(dropped, pc.is_null(batch[CORRUPT])))


def can_be_told(sql: str, names: Sequence[str], place: str, path: str) -> bool:
    """Whether the condition can be evaluated without Spark. Raises SourceError where the file lacks a column of it."""
    try:
        wanted = columns_of(sql)
        known = {name.lower() for name in names}
        if missing := [name for name in wanted if name.lower() not in known]:
            raise SourceError(
                f"{place}: {path} has no column {missing[0]!r}{nearest(missing[0], names)}; it has {list(names)}"
            )
        Rows(0, lambda _: pa.array([], pa.string())).is_true(sql)
    except UnsupportedError:
        return False
    return True


def _without_marks(cells: pa.Array) -> pa.Array:
    """Cells as SQL sees them: text without the marks of what the file knows for a number."""
    if pa.types.is_dictionary(cells.type):
        cells = cells.cast(cells.type.value_type)
    if not pa.types.is_string(cells.type):
        return cells
    return pc.replace_substring_regex(cells, f"^{TYPED}", "")
