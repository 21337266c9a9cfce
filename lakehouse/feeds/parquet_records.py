"""Records of a Parquet file: its columns with their types, in batches."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from lakehouse.errors import SourceError
from lakehouse.feeds.feed_files import FeedFile
from lakehouse.feeds.text_records import CORRUPT, ROW

_BATCH_ROWS = 1 << 17


@dataclass(slots=True)
class ParquetRecords:
    """A Parquet file, opened: `names` of its columns, and `batches` of its records (see `TextRecords`)."""

    file: FeedFile
    names: list[str]
    news: list[str] = field(default_factory=list)

    @classmethod
    def open(cls, file: FeedFile) -> ParquetRecords:
        """Raises SourceError where the file is no Parquet file."""
        with _opened(file) as parquet:
            return cls(file, list(parquet.schema_arrow.names))

    def batches(self) -> Iterator[pa.RecordBatch]:
        done = 0
        with _opened(self.file) as parquet:
            for batch in parquet.iter_batches(_BATCH_ROWS):
                rows = pa.array(np.arange(done + 1, done + 1 + batch.num_rows, dtype=np.int64))
                done += batch.num_rows
                columns = [*batch.columns, rows, pa.nulls(batch.num_rows, pa.string())]
                yield pa.RecordBatch.from_arrays(columns, [*batch.schema.names, ROW, CORRUPT])


def _opened(file: FeedFile) -> pq.ParquetFile:
    try:
        return pq.ParquetFile(file.local())
    except (OSError, ValueError) as error:
        raise SourceError(f"{file.path}: expected a Parquet file: {error}") from error
