"""Workbooks as people keep them: titles above, totals below, several sheets, cells of every type."""

from __future__ import annotations

import re
from collections.abc import Sequence
from datetime import date, datetime, time
from pathlib import Path
from typing import Any

import pytest
import xlsxwriter
from openpyxl import Workbook
from openpyxl.utils.datetime import CALENDAR_MAC_1904

from lakehouse.errors import SourceError
from tests.field.reading import Reading, read, shop

HEADER = ["sku", "day", "qty"]
NAMES = ("source_row", "sku_id", "ds", "units")
ROWS = [HEADER, ["A", date(2024, 1, 31), 1], ["B", date(2024, 2, 1), 2.5]]
READ = [(1, "A", "2024-01-31", "1"), (2, "B", "2024-02-01", "2.5")]


def book(folder: Path, rows: Sequence[Sequence[Any]], name: str = "sales.xlsx", title: str = "Sheet") -> Workbook:
    made = Workbook()
    sheet = made.worksheets[0]
    sheet.title = title
    for row in rows:
        sheet.append(list(row))
    made.save(folder / name)
    return made


def read_book(
    folder: Path, rows: Sequence[Sequence[Any]], columns: dict[str, Any] | None = None, **feed: Any
) -> Reading:
    book(folder, rows)
    return read(folder, shop(columns, **feed))


@pytest.mark.parametrize(
    ("rows", "feed", "first"),
    [
        (ROWS, {}, 1),
        ([[], [], *ROWS], {}, 1),
        ([["Sales by item"], ["January"], [], *ROWS], {"skip_lines": 2}, 1),
        ([["Sales by item"], *ROWS[1:]], {"names": HEADER, "skip_lines": 1}, 1),
        ([["Article", "Day", "Pieces"], *ROWS[1:]], {"names": HEADER, "skip_lines": 1}, 1),
        ([HEADER, [], *ROWS[1:]], {}, 2),
        ([[" sku ", "day", "qty", None, "qty 2"], *ROWS[1:]], {}, 1),
    ],
)
def test_the_header_is_found_where_the_mapping_says(
    tmp_path: Path, rows: list[list[Any]], feed: dict[str, Any], first: int
) -> None:
    """Records are counted from the header, so that an empty row keeps its number."""
    shifted = [(number + first - 1, *rest) for number, *rest in READ]
    assert read_book(tmp_path, rows, **feed).of(*NAMES) == shifted


def test_a_header_elsewhere_is_pointed_at(tmp_path: Path) -> None:
    with pytest.raises(SourceError) as refused:
        read_book(tmp_path, [["Sales by item"], [], *ROWS])
    assert str(refused.value).startswith("sales.xlsx: expected columns ['day', 'qty', 'sku'], found ['Sales by item'].")
    assert "Row 3 holds them: say skip_lines = 2." in str(refused.value)


@pytest.mark.parametrize(
    ("end", "footer", "count"),
    [
        ([["Total", None, 3.5]], "^Total", 1),
        ([[], ["Summe", None, 3.5], ["printed by K. M."]], "^Summe", 2),
        ([[None, None, 3.5]], "^;;", 1),
    ],
)
def test_a_footer_is_no_data_and_is_said(tmp_path: Path, end: list[list[Any]], footer: str, count: int) -> None:
    found = read_book(tmp_path, [*ROWS, *end], footer=footer)
    assert found.of(*NAMES) == READ
    assert found.set_aside == {"footer line": count}
    assert len(read_book(tmp_path, [*ROWS, *end]).rows) > 2


def test_several_sheets(tmp_path: Path) -> None:
    made = book(tmp_path, ROWS, title="January")
    other = made.create_sheet("February 2024")
    other.append(HEADER)
    other.append(["C", "2024-02-28", 7])
    made.create_sheet("Notes")
    made.save(tmp_path / "sales.xlsx")
    found = read(tmp_path, shop())
    assert found.of(*NAMES) == READ
    sheets = "['January', 'February 2024', 'Notes']"
    said = f"sales.xlsx: of its sheets {sheets} the first alone was read, as `sheet` does not say otherwise"
    assert found.news == [said]
    found = read(tmp_path, shop(sheet="February 2024"))
    assert (found.of(*NAMES), found.news) == ([(1, "C", "2024-02-28", "7")], [])
    with pytest.raises(SourceError, match=re.escape(f"expected a sheet March, found {sheets}; correct `sheet`")):
        read(tmp_path, shop(sheet="March"))
    with pytest.raises(SourceError, match=r"sales\.xlsx: expected a header, found an empty sheet"):
        read(tmp_path, shop(sheet="Notes"))


@pytest.mark.parametrize("sheet", [["Ventes 2025", "Ventes 2026"], "Ventes *", ["Ventes 2026", "* 2025"]])
def test_sheets_of_one_shape_are_read_one_after_the_other(tmp_path: Path, sheet: Any) -> None:
    """Each row says its sheet; a value that is filled down ends with it, and so does a footer."""
    made = book(tmp_path, [["shop", *HEADER, "note"], ["Lyon", *ROWS[1], "x"], [None, *ROWS[2]]], title="Ventes 2025")
    other = made.create_sheet("Ventes 2026")
    for row in ([*HEADER, "shop"], [*ROWS[1], None], [*ROWS[2], "Nantes"], ["Total"]):
        other.append(row)
    made.create_sheet("Notes").append(["nothing"])
    made.save(tmp_path / "sales.xlsx")
    feed: dict[str, Any] = {"sheet": sheet, "footer": "^Total", "fill_down": {"columns": ["shop"]}}
    found = read(tmp_path, shop({"location_id": "shop"}, **feed))
    assert found.of("source_file", "source_row", "location_id", "sku_id") == [
        ("sales.xlsx [Ventes 2025]", 1, "Lyon", "A"),
        ("sales.xlsx [Ventes 2025]", 2, "Lyon", "B"),
        ("sales.xlsx [Ventes 2026]", 1, None, "A"),
        ("sales.xlsx [Ventes 2026]", 2, "Nantes", "B"),
    ]
    assert found.set_aside == {"footer line": 1}
    with pytest.raises(SourceError, match=r"The sheet 'Ventes 2026' lacks \['note'\]"):
        read(tmp_path, shop({"location_id": "shop", "customer_id": "note"}, **feed))


def test_a_sum_between_the_rows_is_no_footer(tmp_path: Path) -> None:
    blocks = [["A", date(2024, 1, day), day] for day in range(1, 10)]
    rows = [HEADER, *blocks, ["Total", None, 45], *blocks, ["Total", None, 45], ["TOTAL"]]
    with pytest.raises(SourceError, match=r"footer '\^Total' begins at record 10, yet 9 rows .* drop_when"):
        read_book(tmp_path, rows, footer="^Total")
    found = read_book(tmp_path, rows, drop_when="lower(sku) LIKE 'total%'")
    assert [row["is_dropped"] for row in found.rows].count(True) == 3
    assert len(found.rows) == 21


# what a cell is


@pytest.mark.parametrize(
    ("cell", "read"),
    [
        (date(2024, 1, 31), ("2024-01-31", "2024-01-31 00:00:00")),
        (datetime(2024, 1, 31, 23, 30, 15), ("2024-01-31", "2024-01-31 23:30:15")),
        ("31.01.2024 23:30", ("2024-01-31", "2024-01-31 23:30:00")),
        (20240131, ("2024-01-31", "2024-01-31 00:00:00")),
        (45322.75, ("2024-01-31", "2024-01-31 18:00:00")),
        (None, (None, None)),
    ],
)
def test_days_and_times_whatever_the_cells_type(tmp_path: Path, cell: Any, read: tuple[str | None, str | None]) -> None:
    """The pattern is for text and numbers; a date that the workbook knows for one needs none."""
    at = {"column": "day", "format": ["dd.MM.yyyy HH:mm", "yyyyMMdd", "excel"]}
    found = read_book(tmp_path, [HEADER, ["A", cell, 1]], {"ds": at, "sold_at": at})
    assert found.of("ds", "sold_at") == [read]


def test_times_of_a_workbook_are_in_the_zone_that_the_mapping_says(tmp_path: Path) -> None:
    at = {"column": "day", "timezone": "UTC"}
    rows = [HEADER, ["A", datetime(2024, 1, 1, 2, 30), 1], ["A", "2024-01-01 02:30", 1], ["A", "2024-01-01T02:30Z", 1]]
    found = read_book(tmp_path, rows, {"ds": at, "sold_at": at}, source={"timezone": "America/New_York"})
    assert found.of("ds", "sold_at") == [("2023-12-31", "2023-12-31 21:30:00")] * 3


def test_days_that_count_from_1904(tmp_path: Path) -> None:
    made = Workbook()
    made.epoch = CALENDAR_MAC_1904
    made.worksheets[0].append(HEADER)
    made.worksheets[0].append(["A", datetime(2024, 1, 31), 1])
    made.save(tmp_path / "sales.xlsx")
    assert read(tmp_path, shop()).of("ds") == ["2024-01-31"]


def test_numbers_that_the_workbook_knows_need_no_notation_and_text_does(tmp_path: Path) -> None:
    rows = [HEADER, *(["A", "2024-01-01", cell] for cell in (1.205, 2, -0.5, 1e-7, 12345678.9, "1.205,5", "7-", "x"))]
    assert read_book(tmp_path, rows, notation={"decimal": ","}).of("units") == [
        *("1.205", "2", "-0.5", "0.0000001", "12345678.9", "1205.5", "-7", "x")
    ]
    # Numbers of the workbook are never doubtful.
    assert read_book(tmp_path, [HEADER, ["A", "2024-01-01", 1.205]]).of("units") == ["1.205"]
    with pytest.raises(SourceError, match=r"sales\.xlsx: the column 'qty' holds '1\.205'"):
        read_book(tmp_path, [HEADER, ["A", "2024-01-01", "1.205"]])


def test_codes_in_number_cells_are_whole_and_missing_values_have_words(tmp_path: Path) -> None:
    cells = [4711, 4711.0, 4006381333931, "0815", " A-1 ", "4711.0", -1, True]
    rows = [HEADER, *([cell, "2024-01-01", 1] for cell in cells)]
    found = read_book(tmp_path, rows, notation={"null_values": ["-1"]})
    assert found.of("sku_id") == ["4711", "4711", "4006381333931", "0815", "A-1", "4711.0", None, "true"]
    found = read_book(
        tmp_path, [HEADER, ["A", "2024-01-01", -1], ["A", "2024-01-01", 3]], notation={"null_values": ["-1"]}
    )
    assert found.of("units") == [None, "3"]


@pytest.mark.parametrize(
    ("notation", "cells", "flags"),
    [
        ({}, [True, False, 1, 0, "yes", None], ["true", "false", "true", "false", "true", None]),
        ({"true_values": ["1"], "false_values": ["2"]}, [1, 2, "2", 3], ["true", "false", "false", "3"]),
        ({"true_values": ["x"], "false_values": [""]}, ["X", None, ""], ["true", "false", "false"]),
    ],
)
def test_flags(tmp_path: Path, notation: dict[str, Any], cells: list[Any], flags: list[Any]) -> None:
    rows = [[*HEADER, "promo"], *(["A", "2024-01-01", 1, cell] for cell in cells)]
    assert read_book(tmp_path, rows, {"is_promo": {"column": "promo", **notation}}).of("is_promo") == flags


def test_formulas_stand_for_their_values(tmp_path: Path) -> None:
    made = xlsxwriter.Workbook(str(tmp_path / "sales.xlsx"))
    sheet, day = made.add_worksheet(), made.add_format({"num_format": "dd.mm.yyyy"})
    sheet.write_row(0, 0, HEADER)
    for row, (sku, serial, units) in enumerate([("A", 45322, 3), ("B", 45323, 0.5), ("C", 45324, "#N/A")], start=1):
        sheet.write_formula(row, 0, '="' + sku + '"', None, sku)
        sheet.write_formula(row, 1, f"=DATE(2024,1,30)+{row}", day, serial)
        sheet.write_formula(row, 2, "=SUM(X1:X9)", None, units)
    made.close()
    found = read(tmp_path, shop())
    assert found.of(*NAMES)[:2] == [(1, "A", "2024-01-31", "3"), (2, "B", "2024-02-01", "0.5")]
    assert found.of("sku_id", "units")[2] in [("C", "#N/A"), ("C", None)]


def test_merged_cells_hold_for_their_group(tmp_path: Path) -> None:
    made = book(tmp_path, [["store", *HEADER], ["N", "A", "2024-01-01", 1], [None, None, "2024-01-02", 2]])
    sheet = made.worksheets[0]
    sheet.append(["S", None, "2024-01-03", 3])
    sheet.merge_cells("A2:A3")
    sheet.merge_cells("B2:B3")
    made.save(tmp_path / "sales.xlsx")
    columns = {"location_id": "store"}
    rule = {"columns": ["sku", "store"], "within": []}
    assert read(tmp_path, shop(columns, fill_down=rule)).of("location_id", "sku_id", "units") == [
        ("N", "A", "1"),
        ("N", "A", "2"),
        ("S", "A", "3"),
    ]
    assert read(tmp_path, shop(columns)).of("sku_id") == ["A", None, None]


def test_days_as_names_of_columns(tmp_path: Path) -> None:
    """Cells of dates are named by their day, however the workbook shows them."""
    rows = [["sku", date(2024, 1, 31), datetime(2024, 2, 1), "2024-02-02", "Total"], ["A", 1, None, 2, 3]]
    book(tmp_path, rows)
    columns = {"sku_id": "sku", "location_id": {"const": "s1"}}
    mapping = shop(melt={"format": "yyyy-MM-dd"}).model_dump()
    mapping["feeds"]["sales"]["columns"] = columns
    found = read(tmp_path, type(shop()).model_validate(mapping))
    assert found.of("ds", "units") == [("2024-01-31", "1"), ("2024-02-01", None), ("2024-02-02", "2")]
    assert found.news == ["sales.xlsx: the columns ['Total'] are no days (<date as yyyy-MM-dd>) and were not read"]


def test_a_time_of_day_alone_is_no_time(tmp_path: Path) -> None:
    rows = [[*HEADER, "at"], ["A", "2024-01-01", 1, time(10, 30)]]
    assert read_book(tmp_path, rows, {"sold_at": "at"}).of("sold_at") == ["10:30:00"]


@pytest.mark.parametrize(
    "content", [b"<html><table><tr><td>sku</td></tr></table>", b"sku;day;qty\n", b"PK\x03\x04 cut off"]
)
def test_what_is_no_workbook_is_refused(tmp_path: Path, content: bytes) -> None:
    """Many systems call text or HTML xls."""
    (tmp_path / "sales.xls").write_bytes(content)
    with pytest.raises(SourceError, match=r"sales\.xls: expected a workbook: .*Save it as xlsx.*format = \"csv\""):
        read(tmp_path, shop())
    (tmp_path / "sales.xls").write_text("sku,day,qty\nA,2024-01-01,1\n")
    assert read(tmp_path, shop(format="csv")).of("units") == ["1"]
