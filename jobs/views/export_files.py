"""A table as a file for people: CSV, XLSX or Parquet, written batch by batch.

Text never becomes a formula: in CSV, what a spreadsheet would compute gets an apostrophe in front (OWASP's rule for CSV
injection), an XLSX cell is written as a string. Numbers stay numbers, dates dates; Parquet holds text as it is.
"""

from __future__ import annotations

import codecs
import json
import math
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from itertools import chain
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.csv as pacsv
import pyarrow.parquet as pq
import xlsxwriter
from xlsxwriter.exceptions import XlsxFileError
from xlsxwriter.format import Format
from xlsxwriter.worksheet import Worksheet

from lakehouse.errors import ConfigError, ContractError

SHEET_ROWS = 1_048_575
"""Rows that an XLSX sheet holds below its header."""

# OWASP's signs, the full-width ones included, and what does not show before them. Where a spreadsheet splits by another
# sign than the file's, as Excel does by its country, quotes do not hold a cell together: a formula may stand behind
# that sign or a line break. RE2 takes ^ as the start of the text.
_UNSEEN = r"\p{Z}\p{Cc}\p{Cf}"
_SIGN = r"[=+\-@\x{FF1D}\x{FF0B}\x{FF0D}\x{FF20}]"
_FORMULA = {
    decimal_comma: rf'(^[{_UNSEEN}]*|[{other}\t\r\n][{_UNSEEN}"]*)({_SIGN})'
    for decimal_comma, other in ((False, ";"), (True, ","))
}
_CONTROL = r"^[\t\r\n\x00]"
_EXACT_IN_EXCEL = 10**15  # a spreadsheet keeps 15 digits of a number
_FIRST_YEAR = 1900  # that a spreadsheet's calendar knows
_SHOWN_AS_TEXT = 255  # longer cells of the format Text show as #### in some Excels
_LOOKED_AT = 200  # rows that column widths are taken from
_WIDTHS = (9, 60)


@dataclass(frozen=True, slots=True)
class SheetColumn:
    """A column of a file: its `header` in CSV and XLSX; in Parquet it is called by its `name`.

    `decimals`: what numbers are rounded to before they are written, in every format; None leaves them as they are.
    """

    name: str
    header: str
    decimals: int | None = None


@dataclass(frozen=True, slots=True)
class FileStyle:
    """`format`: csv, xlsx or parquet. Of CSV: `decimal_comma` writes 1,5 and ; between cells, as Excel reads them where
    the comma is the decimal sign; `has_bom` begins the file with the mark by which Excel knows UTF-8."""

    format: str
    decimal_comma: bool = False
    has_bom: bool = True

    def check(self, schema: pa.Schema, rows: int) -> None:
        """Raise ConfigError for what the format cannot hold, before anything is written."""
        if self.format == "xlsx" and rows > SHEET_ROWS:
            raise ConfigError(
                f"{rows:,} rows: an XLSX sheet holds {SHEET_ROWS:,} below its header; take --format csv or parquet, or "
                "for orders a file each with --by supplier or --by location"
            )
        binary = [field.name for field in schema if pa.types.is_binary(field.type)]
        if binary and self.format != "parquet":
            raise ConfigError(f"column {binary[0]} holds bytes, which {self.format} cannot; take --format parquet")


def write_file(
    path: Path, title: str, columns: Sequence[SheetColumn], batches: Iterator[pa.RecordBatch], style: FileStyle
) -> None:
    """Write batches, at least one of them and all with the columns' names, to a new file.

    `title` names the sheet of an XLSX file. Memory holds a batch. Raises OSError where the disk does.
    """
    rounded = (_rounded(batch, columns) for batch in batches)
    FORMATS[style.format](path, title, columns, rounded, style)


def _rounded(batch: pa.RecordBatch, columns: Sequence[SheetColumn]) -> pa.RecordBatch:
    arrays = [
        batch[column.name] if column.decimals is None else in_decimals(batch[column.name], column.decimals)
        for column in columns
    ]
    return pa.RecordBatch.from_arrays(arrays, [column.name for column in columns])


def in_decimals(array: pa.Array, decimals: int) -> pa.Array:
    """Rounded half away from zero, as on an invoice: 9 x 0.945 is 8.51, though its double lies below 8.505."""
    values, scale = array.to_numpy(zero_copy_only=False), 10.0**decimals
    near = np.floor(np.round(np.abs(values) * scale, 6) + 0.5) / scale
    return pa.array(np.copysign(near, values), array.type, mask=array.is_null().to_numpy(zero_copy_only=False))


# -- Parquet --------------------------------------------------------------------------------------------------------
def _write_parquet(
    path: Path, _title: str, _columns: Sequence[SheetColumn], batches: Iterator[pa.RecordBatch], _style: FileStyle
) -> None:
    first = next(batches)
    with pq.ParquetWriter(path, first.schema, compression="zstd") as writer:
        for batch in chain([first], batches):
            writer.write_batch(batch)


# -- CSV ------------------------------------------------------------------------------------------------------------
def _write_csv(
    path: Path, _title: str, columns: Sequence[SheetColumn], batches: Iterator[pa.RecordBatch], style: FileStyle
) -> None:
    headers = [column.header for column in columns]
    texts = (_as_cells(batch, headers, style) for batch in batches)
    first = next(texts)
    options = pacsv.WriteOptions(delimiter=";" if style.decimal_comma else ",")
    with path.open("wb") as file:
        file.write(codecs.BOM_UTF8 if style.has_bom else b"")
        with pacsv.CSVWriter(file, first.schema, write_options=options) as writer:
            for batch in chain([first], texts):
                writer.write_batch(batch)


def _as_cells(batch: pa.RecordBatch, headers: list[str], style: FileStyle) -> pa.RecordBatch:
    arrays = [_csv_cells(array, style.decimal_comma) for array in batch.columns]
    return pa.RecordBatch.from_arrays(arrays, headers)


def _csv_cells(array: pa.Array, decimal_comma: bool) -> pa.Array:
    if pa.types.is_list(array.type):
        texts = [None if value is None else _list_text(value) for value in array.to_pylist()]
        array = pa.array(texts, pa.string())
    if pa.types.is_string(array.type):
        array = pc.replace_substring_regex(array, _FORMULA[decimal_comma], r"\1'\2")
        return pc.replace_substring_regex(array, _CONTROL, r"'\0")
    if decimal_comma and (pa.types.is_floating(array.type) or pa.types.is_decimal(array.type)):
        return pc.replace_substring(array.cast(pa.string()), ".", ",")
    return array


def _list_text(value: list[Any]) -> str:
    """A list in one cell: words by semicolon, anything else as JSON."""
    return "; ".join(value) if all(isinstance(part, str) for part in value) else json.dumps(value)


# -- XLSX -----------------------------------------------------------------------------------------------------------
def _write_xlsx(
    path: Path, title: str, columns: Sequence[SheetColumn], batches: Iterator[pa.RecordBatch], _style: FileStyle
) -> None:
    first, last = next(batches), len(columns) - 1
    # Rows go to disk as they come, into the working folder of `path`.
    options = {"constant_memory": True, "tmpdir": str(path.parent), "use_zip64": True}
    try:
        with xlsxwriter.Workbook(str(path), options) as book:
            sheet = book.add_worksheet(title[:31])
            head = book.add_format({"bold": True, "text_wrap": True, "valign": "top", "bottom": 1})
            for at, (column, width) in enumerate(zip(columns, _widths(columns, first), strict=True)):
                sheet.set_column(at, at, width)
                sheet.write_string(0, at, column.header, head)
            cells = [_Cells(book, sheet, at, *each) for at, each in enumerate(zip(columns, first.schema, strict=True))]
            row = 0
            for row, values in enumerate(_rows(chain([first], batches)), start=1):
                for cell, value in zip(cells, values, strict=True):
                    cell.write(row, value)
            sheet.autofilter(0, 0, row, last)
            sheet.ignore_errors({"number_stored_as_text": f"A1:XFD{row + 1}"})
            _for_printing(sheet)
    except XlsxFileError as error:
        raise OSError(str(error)) from error


def _rows(batches: Iterable[pa.RecordBatch]) -> Iterator[tuple[Any, ...]]:
    for batch in batches:
        yield from zip(*(array.to_pylist() for array in batch.columns), strict=True)


def _for_printing(sheet: Worksheet) -> None:
    """The header stays in sight and on every page; a page is as wide as the table."""
    sheet.freeze_panes(1, 0)
    sheet.set_landscape()
    sheet.fit_to_pages(1, 0)
    sheet.repeat_rows(0)


def _widths(columns: Sequence[SheetColumn], first: pa.RecordBatch) -> list[int]:
    """In letters, by the first rows."""
    least, most = _WIDTHS
    looked_at = first.slice(0, _LOOKED_AT)
    longest = [
        max((len(str(value)) for value in looked_at[column.name].to_pylist() if value is not None), default=0)
        for column in columns
    ]
    return [max(least, min(most, length + 2)) for length in longest]


class _Cells:
    """Writes the cells of one column: text as text, numbers as numbers, dates as dates."""

    def __init__(
        self, book: xlsxwriter.Workbook, sheet: Worksheet, at: int, column: SheetColumn, field: pa.Field
    ) -> None:
        def style(number_format: str) -> Format:
            return book.add_format({"num_format": number_format, "valign": "top"})

        self._sheet, self._at, self._header = sheet, at, column.header
        self._code, self._prose, self._digits = style("@"), style("General"), style(_number_format(column.decimals))
        self._day, self._moment = style("yyyy-mm-dd"), style("yyyy-mm-dd hh:mm:ss")
        self._put = self._writer(field.type)

    def write(self, row: int, value: Any) -> None:
        """Raises ContractError for a text that is longer than a cell may be."""
        if value is not None and self._put(row, value):
            raise ContractError(
                f"{self._header}, row {row}: the text is longer than the 32,767 characters of an XLSX cell; take "
                "--format csv or parquet"
            )

    def _writer(self, type_: pa.DataType) -> Callable[[int, Any], int]:
        if pa.types.is_boolean(type_):
            return self._write_flag
        if pa.types.is_integer(type_) or pa.types.is_floating(type_):
            return self._write_number
        if pa.types.is_date(type_) or pa.types.is_timestamp(type_):
            return self._write_time
        return self._write_text

    def _write_flag(self, row: int, value: bool) -> int:
        return int(self._sheet.write_boolean(row, self._at, value, self._prose))

    def _write_number(self, row: int, value: float) -> int:
        is_exact = abs(value) < _EXACT_IN_EXCEL if isinstance(value, int) else math.isfinite(value)
        if not is_exact:
            return self._write_text(row, str(value))
        return int(self._sheet.write_number(row, self._at, value, self._digits))

    def _write_time(self, row: int, value: date) -> int:
        if value.year < _FIRST_YEAR:
            return self._write_text(row, value.isoformat())
        if isinstance(value, datetime):
            return int(self._sheet.write_datetime(row, self._at, value.replace(tzinfo=None), self._moment))
        return int(self._sheet.write_datetime(row, self._at, value, self._day))

    def _write_text(self, row: int, value: Any) -> int:
        text = _list_text(value) if isinstance(value, list) else str(value)
        style = self._code if len(text) <= _SHOWN_AS_TEXT else self._prose
        if text.startswith("<r>"):  # what the library would take for the XML of rich text
            return int(self._sheet.write_rich_string(row, self._at, text[:1], self._prose, text[1:], style))
        return int(self._sheet.write_string(row, self._at, text, style))


def _number_format(decimals: int | None) -> str:
    """At least two decimals of money, if a column has so many; whole numbers as they are."""
    if decimals is None:
        return "General"
    return "#,##0." + "0" * min(decimals, 2) + "#" * (decimals - 2)


_Writer = Callable[[Path, str, Sequence[SheetColumn], Iterator[pa.RecordBatch], FileStyle], None]

FORMATS: dict[str, _Writer] = {"csv": _write_csv, "xlsx": _write_xlsx, "parquet": _write_parquet}
