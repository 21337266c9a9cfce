"""Rows in the order of some columns when there may be more of them than memory holds."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

_SLICE = 10_000


class SortedRows:
    """Batches, put aside in a file and read back in the order of `keys`, ascending and NULL last.

    Memory holds the keys and a slice: the file, in `folder`, is mapped. Rows with equal keys stay as they came.
    """

    def __init__(self, batches: Iterable[pa.RecordBatch], schema: pa.Schema, keys: Sequence[str], folder: Path) -> None:
        path = str(folder / "rows.arrow")
        with pa.OSFile(path, "wb") as sink, pa.ipc.new_file(sink, schema) as writer:
            for batch in batches:
                writer.write_batch(batch)
        file = pa.ipc.open_file(pa.memory_map(path))
        self._batches = [file.get_batch(at) for at in range(file.num_record_batches)]
        self._starts = np.cumsum([0] + [batch.num_rows for batch in self._batches])
        self.table = pa.Table.from_batches(self._batches, schema)
        order = pc.sort_indices(self.table.select(list(keys)), sort_keys=[(key, "ascending") for key in keys])
        self._order = order.to_numpy().astype(np.int64)

    def runs(self, column: str) -> list[tuple[str | None, int, int]]:
        """Value, first row and the row after the last of each run of a sorted column."""
        values = pc.run_end_encode(self.table[column].take(pa.array(self._order)).combine_chunks())
        ends = values.run_ends.to_pylist()
        return list(zip(values.values.to_pylist(), [0, *ends][: len(ends)], ends, strict=True))

    def slices(self, start: int, stop: int) -> Iterator[pa.RecordBatch]:
        """Sorted rows `start` to `stop` - 1, some thousands at a time; an empty batch where there are none."""
        if start >= stop:
            yield pa.RecordBatch.from_pylist([], self.table.schema)
        for at in range(start, stop, _SLICE):
            yield self._taken(self._order[at : min(at + _SLICE, stop)])

    def _taken(self, rows: np.ndarray) -> pa.RecordBatch:
        # Batch by batch: `take` of the whole table would copy each of its text columns every time.
        batch_of = np.searchsorted(self._starts, rows, side="right") - 1
        by_batch = np.argsort(batch_of, kind="stable")
        parts = []
        for at in np.unique(batch_of):
            wanted = rows[by_batch][batch_of[by_batch] == at] - self._starts[at]
            parts.append(self._batches[at].take(pa.array(wanted)))
        back = np.empty_like(by_batch)
        back[by_batch] = np.arange(len(rows))
        return pa.Table.from_batches(parts).combine_chunks().take(pa.array(back)).to_batches()[0]
