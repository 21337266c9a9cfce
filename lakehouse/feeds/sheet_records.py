"""Records of a workbook's sheet (xlsx, xls, xlsb, ods): numbers and dates that the workbook types need no notation."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime, time
from fnmatch import fnmatchcase
from typing import Any

import pyarrow as pa
from python_calamine import CalamineError, CalamineWorkbook

from lakehouse.errors import SourceError
from lakehouse.feeds.cells import TYPED
from lakehouse.feeds.feed_files import FeedFile
from lakehouse.feeds.lines_beside import FOOTER, footer_size
from lakehouse.feeds.sources import Feed
from lakehouse.feeds.text_records import CORRUPT, HEADER_SOUGHT, ROW, SHEET, columns_that_count


@dataclass(slots=True)
class SheetRecords:
    """A sheet, opened: `names` of its columns, and `batches` of its records, which begin at `rows[start]`.

    A workbook is held in memory: a sheet ends at 1,048,576 rows. A record's number is its row below the header.
    """

    file: FeedFile
    header: list[str]
    rows: Sequence[Sequence[Any]]
    start: int
    footer: str | None = None
    news: list[str] = field(default_factory=list)
    set_aside: Counter[str] = field(default_factory=Counter)  # lines that are no records, by kind

    @classmethod
    def open(cls, file: FeedFile, feed: Feed, book: CalamineWorkbook, name: str) -> SheetRecords:
        """Raises SourceError where the sheet has no header."""
        rows = book.get_sheet_by_name(name).to_python(skip_empty_area=False)
        at = feed.skip_lines
        if not feed.names:
            at = next((number for number, row in enumerate(rows) if number >= at and any(map(_is_filled, row))), -1)
            if at < 0:
                raise SourceError(f"{file.path}: expected a header, found an empty sheet {name!r}")
        header = list(feed.names) or [_header_text(cell) for cell in rows[at]]
        return cls(file, header, rows, at + (not feed.names), feed.footer)

    @property
    def names(self) -> list[str]:
        return columns_that_count(self.header)

    def header_elsewhere(self, wanted: Iterable[str]) -> str:
        """A hint on which row the wanted columns stand, '' where that is not seen."""
        sought = set(wanted)
        for at, row in enumerate(self.rows[:HEADER_SOUGHT]):
            if sought and sought <= {_header_text(cell) for cell in row}:
                return f"Row {at + 1} holds them: say skip_lines = {at}. "
        return ""

    def batches(self) -> Iterator[pa.RecordBatch]:
        kept = [(number, row) for number, row in enumerate(self._body(), start=1) if any(map(_is_filled, row))]
        columns = [
            pa.array([_text(row[at]) or None if at < len(row) else None for _, row in kept], pa.string())
            for at, name in enumerate(self.header)
            if name in set(self.names)
        ]
        rows = pa.array([number for number, _ in kept], pa.int64())
        yield pa.RecordBatch.from_arrays(
            [*columns, rows, pa.nulls(len(kept), pa.string())], [*self.names, ROW, CORRUPT]
        )

    def _body(self) -> Iterator[Sequence[Any]]:
        """The rows up to the footer."""
        rows = self.rows[self.start :]
        for number, row in enumerate(rows):
            words = ";".join(_words(row))
            if self.footer is not None and re.search(self.footer, words):
                below = map(_words, rows[number:])
                before = _words(rows[number - 1]) if number else ()
                self.set_aside[FOOTER] = footer_size(self.file.path, self.footer, number + 1, below, before)
                return
            yield row


@dataclass(slots=True)
class BookRecords:
    """The records of several sheets of a workbook, one after the other, each with the name of its sheet."""

    sheets: dict[str, SheetRecords]
    news: list[str] = field(default_factory=list)

    @property
    def names(self) -> list[str]:
        """The columns that all sheets have."""
        first, *others = self.sheets.values()
        return [name for name in first.names if all(name in other.names for other in others)]

    @property
    def header(self) -> list[str]:
        return next(iter(self.sheets.values())).header

    @property
    def set_aside(self) -> Counter[str]:
        return sum((sheet.set_aside for sheet in self.sheets.values()), Counter())

    def header_elsewhere(self, wanted: Iterable[str]) -> str:
        """A hint where the wanted columns stand on the first sheet that lacks one, '' where that is not seen."""
        sought = set(wanted)
        name, sheet = next(((name, each) for name, each in self.sheets.items() if sought - set(each.names)))
        return f"The sheet {name!r} lacks {sorted(sought - set(sheet.names))}. {sheet.header_elsewhere(sought)}"

    def batches(self) -> Iterator[pa.RecordBatch]:
        for name, sheet in self.sheets.items():
            for batch in sheet.batches():
                kept = batch.select([*self.names, ROW, CORRUPT])
                yield kept.append_column(SHEET, pa.repeat(name, batch.num_rows))


def open_sheets(file: FeedFile, feed: Feed) -> SheetRecords | BookRecords:
    """The sheets that the feed names. Raises SourceError where there is none such, or the file is no workbook."""
    try:
        book = CalamineWorkbook.from_path(file.local())
    except (CalamineError, OSError) as error:
        raise SourceError(
            f"{file.path}: expected a workbook: {error}. Save it as xlsx; where it holds text under a workbook's "
            'name, say format = "csv" in the source mapping.'
        ) from error
    names = book.sheet_names
    wanted = [name for name in names if name in feed.sheet or any(fnmatchcase(name, each) for each in feed.sheet)]
    if feed.sheet and not wanted:
        raise SourceError(f"{file.path}: expected a sheet {' or '.join(feed.sheet)}, found {names}; correct `sheet`")
    if len(wanted) > 1:
        return BookRecords({name: SheetRecords.open(file, feed, book, name) for name in wanted})
    found = SheetRecords.open(file, feed, book, (wanted or names)[0])
    if not feed.sheet and len(names) > 1:
        found.news.append(
            f"{file.path}: of its sheets {names} the first alone was read, as `sheet` does not say otherwise"
        )
    return found


def _words(row: Sequence[Any]) -> list[str]:
    return [_text(cell).removeprefix(TYPED) for cell in row]


def _is_filled(cell: Any) -> bool:
    return cell is not None and str(cell).strip() != ""


def _header_text(cell: Any) -> str:
    """A name; of a date its day alone."""
    return _text(cell).removeprefix(TYPED).removesuffix(" 00:00:00").strip()


def _text(cell: Any) -> str:
    """A cell as text, marked as typed where the workbook knows it for a number, a flag or a time."""
    if isinstance(cell, bool):
        return TYPED + str(cell).lower()
    if isinstance(cell, float):
        return TYPED + (str(int(cell)) if cell.is_integer() and abs(cell) < 1e15 else repr(cell))
    if isinstance(cell, int):
        return TYPED + str(cell)
    if isinstance(cell, datetime):
        return TYPED + cell.isoformat(" ")
    if isinstance(cell, date | time):
        return TYPED + cell.isoformat()
    return "" if cell is None else str(cell)
