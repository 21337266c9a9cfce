"""Where in a file its table stands: encoding, delimiter, lines above the header, lines below the data, the sheet.

What is found is said as the keys of a feed, and the table is then read by the reader that runs use.
"""

from __future__ import annotations

import csv
import glob
import io
import re
from collections import Counter, deque
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from itertools import islice
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc
from python_calamine import CalamineError, CalamineWorkbook

from lakehouse.errors import SourceError
from lakehouse.feeds.cells import TYPED
from lakehouse.feeds.dropped_records import DROPPED, DroppedRecords
from lakehouse.feeds.feed_files import FeedFile, find_feed_files, is_packed, open_bytes
from lakehouse.feeds.guessing.words import begins_with_sum, is_known
from lakehouse.feeds.lines_beside import DataBelowError
from lakehouse.feeds.records import Records, format_of, open_records
from lakehouse.feeds.sources import Feed
from lakehouse.feeds.text_records import CORRUPT

_DELIMITERS = ",;\t|^~"
_SEEN_BYTES, _HEAD, _TAIL, _HEADER_SOUGHT = 32 << 20, 300, 30, 40
_READ_ROWS, _DISTINCT = 1_000_000, 50_000
_SAMPLED, _COUNTED = 5_000, 20
_RULED = 3
_RULER = re.compile(r"^[|+ ]?[-=_]{3}[-=_|+\s]*$")  # a line drawn between the rows
_NUMBER = re.compile(r"^[\s\d.,:;/+\-()%€$£¥]*\d[\s\d.,:;/+\-()%€$£¥]*$")


@dataclass(slots=True)
class ColumnLook:
    """A column as the reader gives it: distinct texts (at most 50,000), and the file's own type where it has one.

    counts: rows by text, of a column with few.
    """

    name: str
    texts: list[str]
    rows: int
    blanks: int
    distinct: int
    type: pa.DataType | None = None
    counts: dict[str, int] = field(default_factory=dict)


@dataclass(slots=True)
class TableLook:
    """A table found in a file: the feed's keys that read it (`shape`), its columns and how many rows were looked at.

    sample: the first rows, as text, in which columns can be seen beside each other. strange: why the
    file holds no table that can be read, None where it does.
    """

    path: str
    file: FeedFile | None = None
    shape: dict[str, Any] = field(default_factory=dict)
    header: list[str] = field(default_factory=list)
    columns: dict[str, ColumnLook] = field(default_factory=dict)
    rows: int = 0
    strange: str | None = None
    is_ascii: bool = False
    sample: pa.Table = field(default_factory=lambda: pa.table({}))

    @property
    def key(self) -> tuple[Any, ...]:
        """What files must have in common to be read as one feed."""
        shape = {
            k: v
            for k, v in self.shape.items()
            if k not in ("footer", "drop_when") and not (k == "encoding" and self.is_ascii)
        }
        shape |= {"sheet": "any"} if "sheet" in shape else {}
        return (tuple(self.header), tuple(sorted((k, str(v)) for k, v in shape.items())))


def look_at(folder: Path) -> list[TableLook]:
    """The tables of all files below a folder, in order of their path; a workbook may have one in each sheet."""
    every = Feed(files=("**/*",), columns={}, optional=True)
    found = []
    for file in find_feed_files(every, folder):
        found += _tables_in(file, folder)
    return found


def _tables_in(file: FeedFile, folder: Path) -> list[TableLook]:
    if file.is_empty:
        return [TableLook(file.path, file, strange="empty")]
    try:
        kind = format_of(file, Feed(files=(file.path,), columns={}))
        match kind:
            case "csv":
                shapes = [_text_shape(file)]
            case "excel":
                shapes = _sheet_shapes(file)
            case "parquet":
                shapes = [({}, False)]
        return [_read(file, shape, is_ascii) for shape, is_ascii in shapes]
    except (SourceError, UnicodeError, csv.Error) as error:
        return [TableLook(file.path, file, strange=str(error).removeprefix(f"{file.path}: "))]


def _read(file: FeedFile, shape: dict[str, Any], is_ascii: bool) -> TableLook:
    try:
        return _read_as(file, shape, is_ascii)
    except DataBelowError:
        # Sums stand between the rows: no footer, but lines of their own.
        pattern = shape.pop("footer")
        shape["drop_when"] = _of_sums(_read_as(file, shape, is_ascii), pattern, shape.get("delimiter", ","))
        return _read_as(file, shape, is_ascii)


def _of_sums(look: TableLook, pattern: str, delimiter: str) -> str:
    """The condition of the lines that begin as the pattern says: by the column and the word with which they do."""
    for row in look.sample.to_pylist():
        name, text = next(((name, text) for name, text in row.items() if text), ("", ""))
        if text and re.search(pattern.lstrip("^").lstrip("\\" + delimiter), text):
            word = (re.match(r"[^\W\d_]+|\S+", text) or [""])[0].lower().replace("'", "\\'")
            return f"lower(`{name}`) LIKE '{word}%'"
    return "false"


def _read_as(file: FeedFile, shape: dict[str, Any], is_ascii: bool) -> TableLook:
    feed = Feed(files=(glob.escape(file.path),), columns={}, **shape)
    records: Records = open_records(file, feed)
    if feed.drop_when is not None:
        records = DroppedRecords(records, feed.drop_when, file.path, "drop_when")
    batches, rows = [], 0
    for batch in records.batches():
        batches.append(batch)
        rows += batch.num_rows
        if rows >= _READ_ROWS:
            break
    table = (
        pa.Table.from_batches(batches)
        if batches
        else pa.table({name: pa.array([], pa.string()) for name in records.names})
    )
    if CORRUPT in table.column_names:
        table = table.filter(pc.is_null(table[CORRUPT]))
    if DROPPED in table.column_names:
        table = table.filter(pc.invert(table[DROPPED]))
    columns = {name: _look(name, table[name]) for name in records.names if not pa.types.is_nested(table[name].type)}
    sample = pa.table({name: _texts_of(table[name].slice(0, _SAMPLED)) for name in columns})
    return TableLook(file.path, file, shape, list(columns), columns, table.num_rows, is_ascii=is_ascii, sample=sample)


def _texts_of(values: pa.ChunkedArray) -> pa.ChunkedArray:
    """Cells as text without marks and blanks around, NULL for a blank one; a copy."""
    if pa.types.is_dictionary(values.type):
        values = values.cast(values.type.value_type)
    texts = pc.utf8_trim_whitespace(pc.replace_substring_regex(values.cast(pa.string()), f"^{TYPED}", ""))
    return pc.if_else(pc.equal(texts, ""), None, texts)


def _look(name: str, values: pa.ChunkedArray) -> ColumnLook:
    kind = None if pa.types.is_string(values.type) or pa.types.is_null(values.type) else values.type
    if pa.types.is_dictionary(values.type):
        values, kind = values.cast(values.type.value_type), None
    known = pc.unique(values).drop_null()
    texts = known.slice(0, _DISTINCT).cast(pa.string())
    if kind is None and pc.any(pc.starts_with(texts, TYPED)).as_py():
        marked = pc.mean(pc.cast(pc.fill_null(pc.starts_with(texts, TYPED), False), pa.int8())).as_py()
        texts = pc.replace_substring_regex(texts, f"^{TYPED}", "")
        kind = pa.bool_() if marked > 0.9 and _all_true_false(texts) else _typed_kind(texts) if marked > 0.9 else None
    texts = pc.utf8_trim_whitespace(texts.drop_null())
    is_text = pa.types.is_string(values.type)
    no_text = pc.fill_null(pc.equal(pc.utf8_trim_whitespace(values), ""), True) if is_text else pc.is_null(values)
    blanks = pc.sum(no_text).as_py() or 0
    counts = _counts(values) if len(known) <= _COUNTED else {}
    return ColumnLook(name, [text for text in texts.to_pylist() if text], len(values), blanks, len(known), kind, counts)


def _counts(values: pa.ChunkedArray) -> dict[str, int]:
    counted = pc.value_counts(_texts_of(values)).to_pylist()
    return {each["values"]: each["counts"] for each in counted if each["values"] is not None}


def _all_true_false(texts: pa.Array) -> bool:
    return set(texts.drop_null().to_pylist()) <= {"true", "false"}


def _typed_kind(texts: pa.Array) -> pa.DataType:
    is_day = pc.all(pc.match_substring_regex(texts.drop_null(), r"^\d{4}-\d\d-\d\d")).as_py()
    return pa.timestamp("us") if is_day else pa.float64()


# -- text files -----------------------------------------------------------------------------------------------------
def _text_shape(file: FeedFile) -> tuple[dict[str, Any], bool]:
    with open_bytes(file.uri, packed=is_packed(file.path)) as stream:
        data = stream.read(_SEEN_BYTES)
    encoding = encoding_of(data)
    codec = "utf-8-sig" if encoding == "UTF-8" else encoding
    with open_bytes(file.uri, packed=is_packed(file.path)) as stream:
        text = io.TextIOWrapper(stream, encoding=codec, newline="")
        head = list(islice(text, _HEAD))
        tail = deque(head[-_TAIL:], maxlen=_TAIL)
        tail.extend(text)
    delimiter, rows = _delimiter(head)
    at, names = header_of([row for _, row in rows])
    shape: dict[str, Any] = {"delimiter": delimiter} if delimiter != "," else {}
    shape |= {"encoding": encoding} if encoding != "UTF-8" else {}
    skip = rows[at][0] if rows else 0
    if skip and any(line.strip() for line in head[:skip]):
        shape["skip_lines"] = skip
    if names:
        shape["names"] = names
    width = len(rows[at][1]) if rows else 0
    if rulers := sorted({line[:_RULED] for line in (*head[skip + 1 :], *tail) if _RULER.match(line)}):
        shape["comment"] = rulers[0] if len(rulers) == 1 else rulers
    below = [line for line in tail if not _RULER.match(line)]
    if footer := footer_of([row for _, row in _rows(below, delimiter)], width, delimiter):
        shape["footer"] = footer
    return shape, data.isascii()


def encoding_of(data: bytes) -> str:
    """The encoding that the bytes show: by a mark, as UTF-8, as Chinese, else Western European."""
    if data[:2] in (b"\xff\xfe", b"\xfe\xff"):
        return "UTF-16"
    zeros = (data[0:2000:2].count(0), data[1:2000:2].count(0))
    if max(zeros) > 0.3 * len(data[0:2000:2]):
        return "UTF-16BE" if zeros[0] > zeros[1] else "UTF-16LE"
    try:
        data[: len(data) - 4 if len(data) == _SEEN_BYTES else None].decode("utf-8")
        return "UTF-8"
    except UnicodeDecodeError as error:
        if len(data) == _SEEN_BYTES and error.start > len(data) - 10:
            return "UTF-8"
    pairs = re.findall(rb"[\x81-\xfe][\x40-\x7e\x80-\xfe]", data[:200_000])
    common = sum(1 for pair in pairs if 0xB0 <= pair[0] <= 0xD7 and pair[1] >= 0xA1)
    return "GB18030" if pairs and common > 0.7 * len(pairs) else "windows-1252"


def _delimiter(head: Sequence[str]) -> tuple[str, list[tuple[int, list[str]]]]:
    """The sign that parts the lines best, and the head's rows by it, each with the number of lines before it."""
    best, chosen = (-1.0, -1.0, -1), (",", _rows(head, ","))
    for sign in _DELIMITERS:
        rows = _rows(head, sign)
        widths = Counter(len(row) for _, row in rows if len(row) > 1)
        if not widths:
            continue
        width, count = widths.most_common(1)[0]
        at, _ = header_of([row for _, row in rows])
        known = sum(map(is_known, rows[at][1]))
        score = (known, round(count / len(rows), 1), width)
        if score > best:
            best, chosen = score, (sign, rows)
    return chosen


def _rows(lines: Sequence[str], delimiter: str) -> list[tuple[int, list[str]]]:
    reader, found, before = csv.reader(lines, delimiter=delimiter), [], 0
    for row in reader:
        if any(cell.strip() for cell in row):
            found.append((before, [cell.strip() for cell in row]))
        before = reader.line_num
    return found


def header_of(rows: Sequence[Sequence[str]]) -> tuple[int, list[str]]:
    """Which row is the header, and names to give the columns where no row is one (then the first row of data)."""
    widths = Counter(len(row) for row in rows if len(row) > 1)
    width = widths.most_common(1)[0][0] if widths else 1
    best, at = (0.0, 0.0), -1
    for number, row in enumerate(rows[:_HEADER_SOUGHT]):
        filled = [cell for cell in row if cell]
        if len(row) != width or len(filled) < max(1, 0.5 * width):
            continue
        known = sum(map(is_known, filled))
        texts = sum(not _NUMBER.match(cell) for cell in filled) / len(filled)
        days = _looks_like_days(filled)
        score = (float(known), texts)
        if (known or texts == 1.0 or days) and score > best:
            best, at = score, number
    if at >= 0:
        return at, []
    first = next((number for number, row in enumerate(rows) if len(row) == width), 0)
    return first, [f"column_{number}" for number in range(1, width + 1)]


def _looks_like_days(cells: Sequence[str]) -> bool:
    """Whether most cells, but not the first, name days: the header of a wide table."""
    days = sum(bool(re.match(r"^(\d{8}|\d{1,4}[-./]\d{1,2}[-./]\d{1,4})$", cell)) for cell in cells)
    return days >= 5 and days > 0.5 * len(cells) and not _NUMBER.match(cells[0])


def footer_of(rows: Sequence[Sequence[str]], width: int, delimiter: str = ";") -> str | None:
    """A regular expression for the first of the lines below the table, None where it ends with its last record."""
    found: Sequence[str] | None = None
    for row in reversed(rows):
        filled = [cell for cell in row if cell]
        first = filled[0] if filled else ""
        is_short = len(row) != width and not (len(row) > width and not "".join(row[width:]))
        if not (begins_with_sum(first) or (width > 2 and (is_short or len(filled) == 1))):
            break
        found = row
    if found is None or len(rows) < 2:
        return None
    blanks = next(at for at, cell in enumerate(found) if cell)
    start = re.match(r"[^\W\d_]+|\S+", found[blanks])
    assert start is not None
    word = re.sub(r"\d+", lambda _: r"\d+", re.escape(start.group()))
    pattern = "^" + re.escape(delimiter) * blanks + word
    is_unique = sum(bool(re.match(pattern, delimiter.join(row))) for row in rows) <= len(rows) // 2
    return pattern if is_unique else None


# -- workbooks ------------------------------------------------------------------------------------------------------
def _sheet_shapes(file: FeedFile) -> list[tuple[dict[str, Any], bool]]:
    try:
        book = CalamineWorkbook.from_path(file.uri)
    except (CalamineError, OSError) as error:
        raise SourceError(f"{file.path}: expected a workbook: {error}") from error
    found = []
    for name in book.sheet_names:
        cells = book.get_sheet_by_name(name).to_python(skip_empty_area=False)
        rows = [["" if cell is None else str(cell).strip() for cell in row] for row in cells]
        if found_shape := _sheet_shape(rows):
            found.append((found_shape | ({"sheet": name} if len(book.sheet_names) > 1 else {}), True))
    return found


def _sheet_shape(rows: list[list[str]]) -> dict[str, Any]:
    filled = [(number, row) for number, row in enumerate(rows) if any(row)]
    if len(filled) < 2:
        return {}
    at, names = header_of([row for _, row in filled])
    shape: dict[str, Any] = {"format": "excel"}
    if at:
        shape["skip_lines"] = filled[at][0]
    if names:
        shape["names"] = names
    width = len([cell for cell in filled[at][1] if cell])
    below = [row for _, row in filled[at + 1 :]][-_TAIL:]
    if below and (footer := footer_of(below, len(filled[at][1]))) and width > 1:
        shape["footer"] = footer
    return shape


def iter_groups(tables: Sequence[TableLook]) -> Iterator[list[TableLook]]:
    """Tables of one shape, together: files of one feed. Plain ASCII goes with whatever encoding the others have."""
    groups: dict[tuple[Any, ...], list[TableLook]] = {}
    for table in sorted(tables, key=lambda each: each.is_ascii):
        same = next(
            (
                key
                for key in groups
                if key[0] == table.key[0]
                and table.is_ascii
                and set(table.key[1]) == {e for e in key[1] if e[0] != "encoding"}
            ),
            table.key,
        )
        groups.setdefault(same, []).append(table)
    for group in groups.values():
        yield sorted(group, key=lambda each: each.path)
