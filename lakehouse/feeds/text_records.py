"""Records of a delimited text file (CSV and its kin), as written: every field as text, none lost.

The header may follow other lines; remarks and footers are no records; a record that has not the header's columns keeps
its place and its text. Arrow parses the file; files with remarks go through Python's own reader, which reads the same.
"""

from __future__ import annotations

import csv
import math
import re
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from functools import reduce
from itertools import chain, islice

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.csv as pacsv

from lakehouse.errors import SourceError
from lakehouse.feeds.feed_files import FeedFile, is_packed
from lakehouse.feeds.lines_beside import FOOTER, HEADER, footer_size
from lakehouse.feeds.sources import Feed
from lakehouse.feeds.text_lines import (
    TextRecord,
    csv_reader,
    likely_encoding,
    not_text,
    open_text,
    parsed,
    refuse_open_quote,
)

CORRUPT = "_corrupt_record"  # the whole record as text where it has not the file's columns, else NULL
SHEET = "_sheet"  # the sheet that the record stands on, where several of a workbook are read
ROW = "source_row"  # number of the record in the file, from 1

_BLOCK_BYTES = 16 << 20
_BATCH_ROWS = 1 << 17
HEADER_SOUGHT = 50  # lines in which a header is looked for that is not where the mapping says


@dataclass(slots=True)
class TextRecords:
    """A text file, opened: `names` of its columns, and `batches` of its records.

    A batch has the columns `names` (string; an empty field is NULL), `ROW` (int64) and `CORRUPT` (string). Nameless
    columns and those of a repeated name are left out.
    """

    file: FeedFile
    feed: Feed
    header: list[str]
    header_lines: int
    has_body: bool = True
    news: list[str] = field(default_factory=list)
    set_aside: Counter[str] = field(default_factory=Counter)  # lines that are no records, by kind

    @classmethod
    def open(cls, file: FeedFile, feed: Feed) -> TextRecords:
        """Read the header. Raises SourceError where there is none, or a quote is never closed."""
        refuse_open_quote(file, feed)
        header, lines, has_body = _header(file, feed)
        return cls(file, feed, header, lines, has_body, likely_encoding(file, feed))

    @property
    def names(self) -> list[str]:
        """Names of the columns that have one name of their own."""
        return columns_that_count(self.header)

    def header_elsewhere(self, wanted: Iterable[str]) -> str:
        """A hint where the wanted columns stand, on another line or parted by another sign; '' if neither."""
        feed, sought, lines = self.feed, set(wanted), list[str]()
        with open_text(self.file, feed.encoding) as text, suppress(UnicodeError):
            lines.extend(islice(text, HEADER_SOUGHT))
        for delimiter in (feed.delimiter, *(sign for sign in (",", ";", "\t", "|") if sign != feed.delimiter)):
            for at, line in enumerate(lines):
                names = {name.strip() for name in next(csv.reader([line], delimiter=delimiter), [])}
                if sought and sought <= names:
                    skip = f"skip_lines = {at}" if at != feed.skip_lines else ""
                    other = f"delimiter = {delimiter!r}" if delimiter != feed.delimiter else ""
                    return f"Line {at + 1} holds them: say {' and '.join(filter(None, (other, skip)))}. "
        return ""

    def batches(self) -> Iterator[pa.RecordBatch]:
        is_plain = not self.feed.comment and self.feed.footer is None
        if not self.has_body:
            return
        try:
            yield from _by_arrow(self) if is_plain else _by_python(self)
        except (pa.ArrowInvalid, UnicodeError, csv.Error) as error:
            raise not_text(self.file, self.feed, error) from error

    def shaped(self, columns: list[pa.Array], rows: pa.Array, corrupt: pa.Array) -> pa.RecordBatch:
        """A batch of the columns that count, from all of the header's."""
        names = set(self.names)
        kept = [at for at, name in enumerate(self.header) if name in names]
        arrays = [*(columns[at] for at in kept), rows, corrupt]
        batch = pa.RecordBatch.from_arrays(arrays, [*(self.header[at] for at in kept), ROW, CORRUPT])
        if all(column.null_count for column in columns) and corrupt.null_count == len(corrupt):
            batch = batch.filter(reduce(pc.or_, (pc.is_valid(column) for column in columns)))  # blanks are no record
        return self._without_headers(batch)

    def _without_headers(self, batch: pa.RecordBatch) -> pa.RecordBatch:
        """Without the header where each page repeats it; these lines are counted."""
        names = self.names
        if self.feed.names or len(names) < 2:
            return batch
        is_header = pc.equal(pc.utf8_trim_whitespace(batch[names[0]]), names[0])
        if not pc.any(is_header).as_py():
            return batch
        same = (pc.equal(pc.utf8_trim_whitespace(batch[name]), name) for name in names[1:])
        again = pc.fill_null(reduce(pc.and_, same, is_header), False)
        self.set_aside[HEADER] += pc.sum(again.cast(pa.int64())).as_py()
        return batch.filter(pc.invert(again))


def columns_that_count(header: Sequence[str]) -> list[str]:
    """The names that one column has: what is nameless or repeated cannot be asked for."""
    return [name for name, count in Counter(header).items() if name and count == 1]


def _by_arrow(records: TextRecords) -> Iterator[pa.RecordBatch]:
    feed, count = records.feed, len(records.header)
    odd: list[tuple[int, str]] = []

    def put_aside(row: pacsv.InvalidRow) -> str:
        odd.append((row.number - records.header_lines, row.text))
        return "skip"

    def taken_before(number: float) -> list[TextRecord]:
        taken = [TextRecord(at, next(csv_reader([text], feed), []), text) for at, text in odd if at < number]
        odd[:] = [(at, text) for at, text in odd if at >= number]
        return taken

    stream = pa.input_stream(records.file.local(), compression="gzip" if is_packed(records.file.path) else None)
    names = [str(at) for at in range(count)]
    reader = pacsv.open_csv(
        stream,
        pacsv.ReadOptions(
            use_threads=False,  # only then Arrow numbers the records that it puts aside
            block_size=_BLOCK_BYTES,
            skip_rows=records.header_lines,
            column_names=names,
            encoding=feed.encoding,
        ),
        pacsv.ParseOptions(
            delimiter=feed.delimiter,
            quote_char=feed.quote or False,
            escape_char=feed.escape or False,
            newlines_in_values=True,
            invalid_row_handler=put_aside,
        ),
        pacsv.ConvertOptions(
            column_types={name: pa.string() for name in names}, null_values=[""], strings_can_be_null=True
        ),
    )
    next_row = 1
    for batch in reader:
        numbers = _numbers(batch.num_rows, next_row, [number for number, _ in odd])
        next_row = int(numbers[-1]) + 1 if len(numbers) else next_row
        whole = records.shaped(batch.columns, pa.array(numbers), pa.nulls(batch.num_rows, pa.string()))
        yield _in_order(records, whole, taken_before(next_row))
    if odd:
        yield _odd_batch(records, taken_before(math.inf))


def _numbers(count: int, first: int, skipped: Sequence[int]) -> np.ndarray:
    """Numbers of `count` records from `first` on, those of the records put aside left out."""
    return np.setdiff1d(np.arange(first, first + count + len(skipped), dtype=np.int64), skipped)[:count]


def _by_python(records: TextRecords) -> Iterator[pa.RecordBatch]:
    """As `_by_arrow`, leaving out remarks, and ending where the footer begins."""
    count, rows = len(records.header), _body(records)
    while part := list(islice(rows, _BATCH_ROWS)):
        fitting = [each for each in part if len(each.fields) == count]
        odd = [each for each in part if len(each.fields) != count]
        columns = [pa.array([each.fields[at] or None for each in fitting], pa.string()) for at in range(count)]
        numbers = pa.array([each.number for each in fitting], pa.int64())
        yield _in_order(records, records.shaped(columns, numbers, pa.nulls(len(fitting), pa.string())), odd)


def _body(records: TextRecords) -> Iterator[TextRecord]:
    """Records of a file, without remarks, up to its footer."""
    feed = records.feed
    with open_text(records.file, feed.encoding) as text:
        rows = parsed(islice(text, records.header_lines, None), feed, records.header_lines + 1)
        before: Sequence[str] = ()
        for each in rows:
            if feed.footer and re.search(feed.footer, feed.delimiter.join(each.fields)):
                below = (other.fields for other in chain([each], rows))
                size = footer_size(records.file.path, feed.footer, each.number, below, before)
                records.set_aside[FOOTER] = size
                return
            before = each.fields
            yield each


def lines_of(records: TextRecords, numbers: Iterable[int]) -> dict[int, int]:
    """The line of the file, from 1, in which each of these records begins."""
    sought = set(numbers)
    read = islice(_body(records), max(sought, default=0))  # no further: a footer is said once
    return {each.number: each.line for each in read if each.number in sought}


def _in_order(records: TextRecords, whole: pa.RecordBatch, odd: Sequence[TextRecord]) -> pa.RecordBatch:
    """The batch with the odd records in their places."""
    if not odd:
        return whole
    both = pa.Table.from_batches([whole, _odd_batch(records, odd)]).sort_by(ROW)
    return both.combine_chunks().to_batches()[0] if both.num_rows else whole


def _odd_batch(records: TextRecords, odd: Sequence[TextRecord]) -> pa.RecordBatch:
    """Records whose number of fields is not the header's: what is only blank beyond the header does not matter."""
    count, numbers, corrupt = len(records.header), [], []
    columns: list[list[str | None]] = [[] for _ in range(count)]
    for each in odd:
        fields = each.fields
        if not "".join(fields).strip():
            continue  # blanks, or nothing but delimiters
        fits = len(fields) > count and not "".join(fields[count:]).strip()
        for at in range(count):
            columns[at].append((fields[at] or None) if fits else None)
        numbers.append(each.number)
        corrupt.append(None if fits else each.text)
    arrays = [pa.array(values, pa.string()) for values in columns]
    return records.shaped(arrays, pa.array(numbers, pa.int64()), pa.array(corrupt, pa.string()))


def _header(file: FeedFile, feed: Feed) -> tuple[list[str], int, bool]:
    """The names of the columns, blanks around them cut off, the lines up to them, and whether the file goes on."""
    try:
        with open_text(file, feed.encoding) as text:
            for _ in range(feed.skip_lines):
                next(text, "")
            if feed.names:
                return list(feed.names), feed.skip_lines, next(text, None) is not None
            reader = csv_reader(text, feed)
            for row in reader:
                is_remark = bool(feed.comment) and row[:1] and row[0].startswith(feed.comment)
                if row and not is_remark:
                    lines = feed.skip_lines + reader.line_num
                    return [name.strip().strip("\ufeff") for name in row], lines, next(text, None) is not None
    except UnicodeError as error:
        raise not_text(file, feed, error) from error
    except (OSError, EOFError, LookupError, csv.Error) as error:
        raise SourceError(f"{file.path}: cannot read the CSV header: {error}.") from error
    raise SourceError(f"{file.path}: expected a CSV header, found an empty file")
