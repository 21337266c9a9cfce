"""A file of planners' orders, CSV or XLSX: all of its rows or none, with what is wrong with each."""

from __future__ import annotations

import csv
import io
import re
import zipfile
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import date, datetime
from typing import Any

from python_calamine import CalamineError, CalamineWorkbook

from jobs.page.published import Day
from jobs.views.override import Said, decision_of
from jobs.views.series import SeriesFinder
from lakehouse.delta.decisions import Decision
from lakehouse.errors import ConfigError

MOST_BYTES, MOST_ROWS = 5_000_000, 10_000
_MOST_UNPACKED = 100_000_000
_QUANTITY = re.compile(r"\d{1,9}(\.\d{1,9}|,\d{1,2})?")
_NAMES = {"sku": "sku_id", "location": "location_id", "channel": "channel_id", "series": "unique_id"}
"""Headers of the exported list, which a planner starts from."""


@dataclass(slots=True)
class Uploaded:
    """Either `decisions` of all rows, or `errors`: row of the file, the header being row 1, and what is wrong."""

    decisions: list[Decision] = field(default_factory=list)
    errors: list[tuple[int, str]] = field(default_factory=list)


def uploaded(name: str, content: bytes, day: Day, usual: Said, fixed_author: bool) -> Uploaded:
    """Read a file of columns order_qty, note, and unique_id or sku_id and location_id (channel_id where a SKU has
    several); author and until where a row has its own.

    usual: author, note and until of rows that say none. fixed_author: a row's own author does not count.
    Raises ConfigError for a file that cannot be read as a whole.
    """
    rows = (_sheet if name.lower().endswith(".xlsx") else _csv)(content)
    if len(rows) < 2:
        raise ConfigError("the file has no rows below its header; expected one per order")
    if len(rows) > MOST_ROWS + 1:
        raise ConfigError(f"the file has {len(rows) - 1:,} rows, at most {MOST_ROWS:,} are taken; split it")
    headers = [_NAMES.get(text, text) for text in (_text(cell).lower() for cell in rows[0])]
    if "order_qty" not in headers or not ("unique_id" in headers or {"sku_id", "location_id"} <= set(headers)):
        raise ConfigError(
            "expected columns order_qty and unique_id, or order_qty, sku_id and location_id; found "
            + (", ".join(filter(None, headers))[:200] or "none")
        )
    found, seen = Uploaded(), dict[str, int]()
    named = [dict(zip(headers, cells, strict=False)) for cells in rows[1:]]
    finder = SeriesFinder(day.lines)
    for number, (row, cells) in enumerate(zip(named, rows[1:], strict=True), start=2):
        if not any(_text(cell) for cell in cells):
            continue
        try:
            decision = _decision(row, day.as_of, finder, usual, fixed_author)
            if (first := seen.setdefault(decision.unique_id, number)) != number:
                raise ConfigError(f"{decision.unique_id} is in row {first} already; keep one")
            found.decisions.append(decision)
        except ConfigError as error:
            found.errors.append((number, str(error)))
    return Uploaded(errors=found.errors) if found.errors else found


def _decision(row: dict[str, Any], as_of: date, finder: SeriesFinder, usual: Said, fixed_author: bool) -> Decision:
    said = {name: _text(cell) for name, cell in row.items()}
    author = usual.author if fixed_author else said.get("author") or usual.author
    until = _day(row["until"]) if said.get("until") else usual.until
    note = said.get("note") or usual.note
    place = said.get("location_id"), said.get("channel_id")
    unique_id = finder.find(said.get("unique_id") or said.get("sku_id", ""), *place)
    order = Said(unique_id, author, note, order=_quantity(row["order_qty"]), until=until)
    return decision_of({"as_of": as_of, "unique_id": unique_id}, order)


def _csv(content: bytes) -> Sequence[Sequence[Any]]:
    try:
        text = content.decode("utf-8-sig")
        head = text.partition("\n")[0]
        return list(
            csv.reader(io.StringIO(text, newline=""), delimiter=";" if head.count(";") > head.count(",") else ",")
        )
    except (UnicodeDecodeError, csv.Error) as error:
        raise ConfigError(f"the file is no CSV in UTF-8: {error}; save it as “CSV UTF-8” or as XLSX") from None


def _sheet(content: bytes) -> Sequence[Sequence[Any]]:
    try:
        with zipfile.ZipFile(io.BytesIO(content)) as packed:
            if sum(part.file_size for part in packed.infolist()) > _MOST_UNPACKED:
                raise ConfigError("the workbook unpacks to more than is taken; keep the rows alone")
        return CalamineWorkbook.from_filelike(io.BytesIO(content)).get_sheet_by_index(0).to_python()
    except (CalamineError, zipfile.BadZipFile) as error:
        raise ConfigError(f"the file is no XLSX workbook: {error}; save it as XLSX or CSV") from None


def _text(cell: Any) -> str:
    """A cell as it reads: a number that Excel made of a code is whole again."""
    return str(int(cell)) if isinstance(cell, float) and cell.is_integer() else str(cell).strip()


def _quantity(cell: Any) -> float:
    text = _text(cell)
    if not _QUANTITY.fullmatch(text):  # 1,000 may be one or a thousand
        raise ConfigError(
            f"order_qty: expected units, found {text[:40]!r}; write a number such as 1000, 0 for no order"
        )
    return float(text.replace(",", "."))


def _day(cell: Any) -> date:
    if isinstance(cell, date):
        return cell.date() if isinstance(cell, datetime) else cell
    try:
        return date.fromisoformat(_text(cell))
    except ValueError:
        raise ConfigError(f"until: expected a day as YYYY-MM-DD, found {_text(cell)[:40]!r}") from None
