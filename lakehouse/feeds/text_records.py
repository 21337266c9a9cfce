"""Records of a delimited text file (CSV and its kin), as written: every field as text, none lost.

The header may follow other lines; remarks and footers are no records; a record that has not the header's columns keeps
its place and its text. Arrow parses the file; files with remarks go through Python's own reader, which reads the same.
"""

from __future__ import annotations

import codecs
import csv
import io
import re
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from functools import reduce
from itertools import chain, islice
from typing import Any, TextIO

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.csv as pacsv

from lakehouse.errors import SourceError
from lakehouse.feeds.feed_files import CHUNK_BYTES, FeedFile, is_packed, open_bytes
from lakehouse.feeds.sources import Feed

CORRUPT = "_corrupt_record"  # the whole record as text where it has not the file's columns, else NULL
ROW = "source_row"  # number of the record in the file, from 1

_END_MARK = "\x00end of file\x00"
_BLOCK_BYTES = 16 << 20
_BATCH_ROWS = 1 << 17
_HEADER_SOUGHT = 50  # lines in which a header is looked for that is not where the mapping says
csv.field_size_limit(1 << 24)


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
    news: list[str] = field(default_factory=list)

    @classmethod
    def open(cls, file: FeedFile, feed: Feed) -> TextRecords:
        """Read the header. Raises SourceError where there is none, or a quote is never closed."""
        _refuse_open_quote(file, feed)
        header, lines = _header(file, feed)
        return cls(file, feed, header, lines)

    @property
    def names(self) -> list[str]:
        """Names of the columns that have one name of their own."""
        return columns_that_count(self.header)

    def batches(self) -> Iterator[pa.RecordBatch]:
        is_plain = self.feed.comment is None and self.feed.footer is None
        yield from _by_arrow(self) if is_plain else _by_python(self)

    def shaped(self, columns: list[pa.Array], rows: pa.Array, corrupt: pa.Array) -> pa.RecordBatch:
        """A batch of the columns that count, from all of the header's."""
        names = set(self.names)
        kept = [at for at, name in enumerate(self.header) if name in names]
        arrays = [*(columns[at] for at in kept), rows, corrupt]
        batch = pa.RecordBatch.from_arrays(arrays, [*(self.header[at] for at in kept), ROW, CORRUPT])
        if any(column.null_count == 0 for column in columns) or corrupt.null_count < len(corrupt):
            return batch
        return batch.filter(reduce(pc.or_, (pc.is_valid(column) for column in columns)))  # blank fields are no record


def columns_that_count(header: Sequence[str]) -> list[str]:
    """The names that one column has: what is nameless or repeated cannot be asked for."""
    return [name for name, count in Counter(header).items() if name and count == 1]


def _by_arrow(records: TextRecords) -> Iterator[pa.RecordBatch]:
    feed, count = records.feed, len(records.header)
    odd: list[tuple[int, str]] = []

    def put_aside(row: pacsv.InvalidRow) -> str:
        odd.append((row.number - records.header_lines, row.text))
        return "skip"

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
    try:
        for batch in reader:
            numbers = _numbers(batch.num_rows, next_row, [number for number, _ in odd if number >= next_row])
            next_row = int(numbers[-1]) + 1 if len(numbers) else next_row
            yield records.shaped(batch.columns, pa.array(numbers), pa.nulls(batch.num_rows, pa.string()))
    except (pa.ArrowInvalid, UnicodeError) as error:
        raise _not_text(records, error) from error
    if odd:
        yield _odd_batch(records, odd)


def _numbers(count: int, first: int, skipped: Sequence[int]) -> np.ndarray:
    """Numbers of `count` records from `first` on, those of the records put aside left out."""
    return np.setdiff1d(np.arange(first, first + count + len(skipped), dtype=np.int64), skipped)[:count]


def _by_python(records: TextRecords) -> Iterator[pa.RecordBatch]:
    """As `_by_arrow`, leaving out remarks, and ending where the footer begins."""
    feed, count = records.feed, len(records.header)
    rows = iter(_Rows(records))  # one pass: asked for an iterator again, it would begin anew
    odd: list[tuple[int, str]] = []
    while part := list(islice(rows, _BATCH_ROWS)):
        fitting = [(number, fields) for number, fields in part if len(fields) == count]
        odd += [(number, feed.delimiter.join(fields)) for number, fields in part if len(fields) != count]
        columns = [pa.array([fields[at] or None for _, fields in fitting], pa.string()) for at in range(count)]
        numbers = pa.array([number for number, _ in fitting], pa.int64())
        yield records.shaped(columns, numbers, pa.nulls(len(fitting), pa.string()))
    if odd:
        yield _odd_batch(records, odd)


class _Rows:
    """Numbered records of a file, without remarks, up to its footer; `line` is where the present one begins."""

    def __init__(self, records: TextRecords) -> None:
        self.feed, self.is_new, self.number, self.line = records.feed, True, 0, 0
        self.footer = re.compile(self.feed.footer) if self.feed.footer else None
        self.records = records

    def __iter__(self) -> Iterator[tuple[int, list[str]]]:
        with _open_text(self.records.file, self.feed.encoding) as text:
            lines = islice(text, self.records.header_lines, None)
            reader = _csv_reader(self._without_remarks(lines), self.feed)
            while True:
                self.is_new = True
                fields = next(reader, None)
                if fields is None:
                    return
                if not fields:
                    continue
                self.number += 1
                if self.footer and self.footer.search(self.feed.delimiter.join(fields)):
                    left = 1 + sum(1 for row in reader if row)
                    self.records.news.append(
                        f"{self.records.file.path}: {left} lines from record {self.number} on are its footer"
                    )
                    return
                yield self.number, fields

    def _without_remarks(self, lines: Iterable[str]) -> Iterator[str]:
        """A line that begins a record and begins with the mark is a remark; one inside quotes is not."""
        for number, line in enumerate(lines, start=self.records.header_lines + 1):
            if self.is_new and self.feed.comment and line.startswith(self.feed.comment):
                continue
            self.line = number if self.is_new else self.line
            self.is_new = False
            yield line


def lines_of(records: TextRecords, numbers: Iterable[int]) -> dict[int, int]:
    """The line of the file, from 1, in which each of these records begins."""
    sought = set(numbers)
    rows, found = _Rows(records), {}
    for number, _ in rows if sought else ():
        if number in sought:
            found[number] = rows.line
            if len(found) == len(sought):
                break
    return found


def _odd_batch(records: TextRecords, odd: Sequence[tuple[int, str]]) -> pa.RecordBatch:
    """Records whose number of fields is not the header's: what is only blank beyond the header does not matter."""
    count, numbers, corrupt = len(records.header), [], []
    columns: list[list[str | None]] = [[] for _ in range(count)]
    for number, text in odd:
        fields: list[str] = next(_csv_reader([text], records.feed), [])
        if not "".join(fields).strip():
            continue  # blanks, or nothing but delimiters
        fits = len(fields) > count and not "".join(fields[count:]).strip()
        for at in range(count):
            columns[at].append((fields[at] or None) if fits else None)
        numbers.append(number)
        corrupt.append(None if fits else text)
    arrays = [pa.array(values, pa.string()) for values in columns]
    return records.shaped(arrays, pa.array(numbers, pa.int64()), pa.array(corrupt, pa.string()))


def _header(file: FeedFile, feed: Feed) -> tuple[list[str], int]:
    """The names of the columns, blanks around them cut off, and the lines of the file up to them."""
    try:
        with _open_text(file, feed.encoding) as text:
            for _ in range(feed.skip_lines):
                next(text, "")
            if feed.names:
                return list(feed.names), feed.skip_lines
            read = 0
            reader = _csv_reader(text, feed)
            for row in reader:
                is_remark = bool(feed.comment) and row[:1] and row[0].startswith(str(feed.comment))
                if row and not is_remark:
                    read = reader.line_num
                    return [name.strip().strip("\ufeff") for name in row], feed.skip_lines + read
    except (OSError, EOFError, LookupError, UnicodeError, csv.Error) as error:
        raise SourceError(f"{file.path}: cannot read the CSV header: {error}. {_encoding_words(feed)}") from error
    raise SourceError(f"{file.path}: expected a CSV header, found an empty file")


def header_elsewhere(file: FeedFile, feed: Feed, wanted: Iterable[str]) -> str:
    """A hint where the wanted columns stand: on a later line, or parted by another sign; '' where neither is seen."""
    sought = set(wanted)
    with _open_text(file, feed.encoding) as text:
        lines = list(islice(text, _HEADER_SOUGHT))
    for delimiter in (feed.delimiter, *(sign for sign in (",", ";", "\t", "|") if sign != feed.delimiter)):
        for at, line in enumerate(lines):
            names = {name.strip() for name in next(csv.reader([line], delimiter=delimiter), [])}
            if sought and sought <= names:
                skip = f"skip_lines = {at}" if at != feed.skip_lines else ""
                other = f"delimiter = {delimiter!r}" if delimiter != feed.delimiter else ""
                return f"Line {at + 1} holds them: say {' and '.join(filter(None, (other, skip)))}. "
    return ""


def _csv_reader(lines: Iterable[str], feed: Feed) -> Any:
    signs: dict[str, Any] = {"delimiter": feed.delimiter, "escapechar": feed.escape}
    signs |= {"quotechar": feed.quote} if feed.quote else {"quoting": csv.QUOTE_NONE}
    return csv.reader(lines, **signs)


def _open_text(file: FeedFile, encoding: str) -> TextIO:
    codec = "utf-8-sig" if encoding.upper() in ("UTF-8", "UTF8") else encoding  # a byte order mark is no name
    return io.TextIOWrapper(open_bytes(file.local(), packed=is_packed(file.path)), encoding=codec, newline="")


def _not_text(records: TextRecords, error: Exception) -> SourceError:
    """Where the file's bytes are no text in its encoding: the first such line, by number."""
    file, feed = records.file, records.feed
    if "UTF8" not in str(error) and not isinstance(error, UnicodeError):
        return SourceError(f"{file.path}: cannot be read as CSV: {error}")
    decoder = codecs.getincrementaldecoder(feed.encoding)()
    with open_bytes(file.local(), packed=is_packed(file.path)) as stream:
        for number, line in enumerate(stream, start=1):
            try:
                decoder.decode(line)
            except UnicodeError:
                return SourceError(
                    f"{file.path}, line {number}: {line.strip()[:80]!r} is no text in {feed.encoding}. "
                    f"{_encoding_words(feed)}"
                )
    return SourceError(f"{file.path}: holds bytes that are no text in {feed.encoding}. {_encoding_words(feed)}")


def _encoding_words(feed: Feed) -> str:
    other = "windows-1252" if feed.encoding.upper().startswith("UTF") else "UTF-8"
    return f'Say the file\'s encoding in the mapping, such as encoding = "{other}".'


def _refuse_open_quote(file: FeedFile, feed: Feed) -> None:
    """Raise SourceError where a quote is never closed: the last field would swallow the rest of the file unseen.

    Quotes come in pairs, so only a file with an odd number of them is parsed to find out (it may just hold 5" pipes).
    """
    if not feed.quote or feed.escape:
        return
    quotes, mark = 0, feed.quote.encode(feed.encoding if not feed.encoding.upper().startswith("UTF") else "ascii")
    with open_bytes(file.local(), packed=is_packed(file.path)) as stream:
        while chunk := stream.read(CHUNK_BYTES):
            quotes += chunk.count(mark)
    if quotes % 2 == 0:
        return
    rows, is_open = 0, True
    with _open_text(file, feed.encoding) as text:
        try:
            for row in _csv_reader(chain(text, ["\n", _END_MARK]), feed):
                rows += bool(row)
                is_open = row != [_END_MARK]
        except (csv.Error, UnicodeError):  # the field outgrew csv's limit
            rows += 1
    if is_open:
        raise SourceError(
            f"{file.path}: a quote that opens a field in record {rows - 1} is never closed, so the field swallows the "
            "rest of the file. Close it, or double the quotes inside the field."
        )
