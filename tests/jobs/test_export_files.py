"""Tables as files: read back by other readers than wrote them, whatever text is in them."""

from __future__ import annotations

import csv
import io
import re
import zipfile
from collections.abc import Sequence
from datetime import UTC, date, datetime
from itertools import chain
from pathlib import Path
from typing import Any

import numpy as np
import openpyxl
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from openpyxl.utils.escape import unescape

from jobs.views.export_files import SHEET_ROWS, FileStyle, SheetColumn, in_decimals, write_file
from jobs.views.sorted_rows import SortedRows
from lakehouse.errors import ConfigError, ContractError

FULL_WIDTH = "\uff1d\uff0b\uff0d\uff20"  # the same four signs as they stand on a Japanese keyboard
FORMULAS = [
    "=1+1",
    "+49 30 1234",
    "-5",
    "@SUM(A1)",
    "\t=1",
    "\r=1",
    "\n=1",
    " =1+1",
    "  @x",
    "\xa0=1",
    "\u200b=1",
    "\ufeff+1",
    "\x1f=1",
    *(f"{sign}1" for sign in FULL_WIDTH),
    "=cmd|' /C calc'!A0",
    '=HYPERLINK("http://x.example","y")',
]
HARMLESS = [
    "00123",
    "1e5",
    "a=b",
    "5-3",
    "x@y",
    "",
    " ",
    "'=1",
    "4711",
    "ü€",
    'say "hi"',
    "a,b;c",
    "two\nlines",
    "TRUE",
]
COMPUTED = re.compile(rf"[\t\r\n\0]|[\s\u200b\ufeff]*[=+@{FULL_WIDTH}-]")  # Python's \s has the spaces of Unicode
RICH = ["<r><t>x</t></r>", "<r></r>", "<r>&", "_x0041_", "_x000D_", "a\0b\x1f", "\ufffe", "</t>", " padded "]
TEXT = st.text(st.characters(exclude_categories=("Cs",)), max_size=40)


def write(path: Path, values: dict[str, Sequence[Any]], schema: pa.Schema | None = None, **style: Any) -> Path:
    batch = pa.RecordBatch.from_pydict(values, schema) if schema else pa.RecordBatch.from_pydict(values)
    columns = [SheetColumn(name, name.title()) for name in batch.schema.names]
    path.unlink(missing_ok=True)
    write_file(path, "Sheet", columns, iter([batch]), FileStyle(path.suffix[1:], **style))
    return path


def csv_rows(path: Path, delimiter: str = ",") -> list[list[str]]:
    return list(csv.reader(io.StringIO(path.read_bytes().decode("utf-8-sig"), newline=""), delimiter=delimiter))


def sheet_of(path: Path) -> Any:
    return openpyxl.load_workbook(path)["Sheet"]


def text_of(cell: Any) -> str:
    """As Excel shows it: what XML cannot hold stands in the file as _x0001_."""
    assert cell.data_type == "s" or (cell.data_type == "n" and cell.value is None)
    return unescape(cell.value or "")


@pytest.mark.parametrize("text", FORMULAS)
def test_text_that_would_be_computed_gets_an_apostrophe_in_csv_and_is_a_string_in_xlsx(
    tmp_path: Path, text: str
) -> None:
    ((found,),) = csv_rows(write(tmp_path / "a.csv", {"a": [text]}))[1:]
    assert not COMPUTED.match(found)
    assert found.replace("'", "") == text.replace("'", "")
    cell = sheet_of(write(tmp_path / "a.xlsx", {"a": [text]}))["A2"]
    assert cell.data_type == "s"
    assert text_of(cell) == text


@pytest.mark.parametrize("text", [*HARMLESS, *RICH])
def test_any_other_text_stays_as_it_is(tmp_path: Path, text: str) -> None:
    assert csv_rows(write(tmp_path / "a.csv", {"a": [text], "b": ["x"]}))[1:] == [[text, "x"]]
    cell = sheet_of(write(tmp_path / "a.xlsx", {"a": [text]}))["A2"]
    assert text_of(cell) == text


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(rows=st.lists(st.tuples(st.one_of(TEXT, st.sampled_from(FORMULAS)), TEXT), min_size=1, max_size=4))
@pytest.mark.parametrize("decimal_comma", [False, True])
def test_no_text_becomes_a_formula_and_none_is_lost(
    tmp_path: Path, decimal_comma: bool, rows: list[tuple[str, str]]
) -> None:
    columns = {"a": [row[0] for row in rows], "b": [row[1] for row in rows]}
    path = write(tmp_path / "a.csv", columns, decimal_comma=decimal_comma)
    read = csv_rows(path, ";" if decimal_comma else ",")[1:]
    for found, wanted in zip(chain(*read), chain(*rows), strict=True):
        assert not COMPUTED.match(found)
        assert found.replace("'", "") == wanted.replace("'", "")
        assert found == wanted or re.search(rf"[=+@{FULL_WIDTH}\t\r\n\0-]", wanted), "no apostrophe without a cause"
    book = write(tmp_path / "a.xlsx", columns)
    with zipfile.ZipFile(book) as parts:
        assert b"<f>" not in parts.read("xl/worksheets/sheet1.xml")
    sheet = sheet_of(book)
    for number, row in enumerate(rows, start=2):
        for letter, wanted in zip("AB", row, strict=True):
            assert text_of(sheet[f"{letter}{number}"]) == wanted


@pytest.mark.parametrize(
    ("text", "by_comma", "by_semicolon"),
    [
        ("a;=1", "a;'=1", "a;=1"),
        ("a,=1", "a,=1", "a,'=1"),
        ("a; \n@x", "a; \n'@x", "a; \n'@x"),
        ("a\t+1;-2", "a\t'+1;'-2", "a\t'+1;-2"),
        ('a;"=1"', 'a;"\'=1"', 'a;"=1"'),
        ("\n=1", "'\n'=1", "'\n'=1"),
    ],
)
def test_a_sheet_that_splits_by_another_sign_finds_no_formula_either(
    tmp_path: Path, text: str, by_comma: str, by_semicolon: str
) -> None:
    """A comma's file in an Excel of semicolons, and the other way round."""
    assert csv_rows(write(tmp_path / "a.csv", {"a": [text]}))[1:] == [[by_comma]]
    assert csv_rows(write(tmp_path / "a.csv", {"a": [text]}, decimal_comma=True), ";")[1:] == [[by_semicolon]]


def test_numbers_dates_and_flags_stay_what_they_are(tmp_path: Path) -> None:
    moment = datetime(2024, 5, 6, 7, 8, 9, tzinfo=UTC)
    schema = pa.schema(
        [
            ("code", pa.string()),
            ("units", pa.float64()),
            ("count", pa.int64()),
            ("day", pa.date32()),
            ("at", pa.timestamp("us", "UTC")),
            ("flag", pa.bool_()),
        ]
    )
    values = {
        "code": ["00123", None],
        "units": [-1.5, None],
        "count": [-7, None],
        "day": [date(2024, 2, 29), None],
        "at": [moment, None],
        "flag": [True, None],
    }
    sheet = sheet_of(write(tmp_path / "a.xlsx", values, schema))
    assert [cell.value for cell in sheet[1]] == ["Code", "Units", "Count", "Day", "At", "Flag"]
    row = sheet[2]
    naive = moment.replace(tzinfo=None)
    assert [cell.value for cell in row] == ["00123", -1.5, -7, datetime(2024, 2, 29), naive, True]
    assert [cell.data_type for cell in row] == ["s", "n", "n", "d", "d", "b"]
    assert row[0].number_format == "@"
    assert row[3].number_format == "yyyy-mm-dd"
    assert [cell.value for cell in sheet[3]] == [None] * 6
    path = write(tmp_path / "a.csv", values, schema)
    assert csv_rows(path)[1:] == [
        ["00123", "-1.5", "-7", "2024-02-29", "2024-05-06 07:08:09.000000Z", "true"],
        [""] * 6,
    ]
    frame = pd.read_csv(path, dtype={"Code": str}, parse_dates=["Day"])
    assert frame["Units"].dtype == float
    assert frame["Day"][0] == pd.Timestamp(2024, 2, 29)
    table = pq.read_table(write(tmp_path / "a.parquet", values, schema))
    assert table.schema.types == schema.types
    assert table.to_pydict() == values


@pytest.mark.parametrize(
    ("type_", "value", "shown"),
    [
        (pa.float64(), float("nan"), "nan"),
        (pa.float64(), float("-inf"), "-inf"),
        (pa.int64(), 2**60 + 1, str(2**60 + 1)),
        (pa.date32(), date(1899, 12, 31), "1899-12-31"),
        (pa.list_(pa.string()), ["old count", "=late"], "old count; =late"),
        (pa.list_(pa.float64()), [1.5, None], "[1.5, null]"),
    ],
)
def test_what_a_sheet_has_no_number_for_is_text(tmp_path: Path, type_: pa.DataType, value: Any, shown: str) -> None:
    cell = sheet_of(write(tmp_path / "a.xlsx", {"a": [value]}, pa.schema([("a", type_)])))["A2"]
    assert (cell.data_type, cell.value) == ("s", shown)


def test_a_list_that_begins_with_a_sign_is_no_formula_either(tmp_path: Path) -> None:
    schema = pa.schema([("a", pa.list_(pa.string()))])
    assert csv_rows(write(tmp_path / "a.csv", {"a": [["=1", "x"], None, []]}, schema))[1:] == [["'=1; x"], [], [""]]


def test_continental_excel_gets_its_comma_and_semicolon(tmp_path: Path) -> None:
    values = {"name": ["a;b", "c"], "price": [-1234.5, 2.0], "count": [3, -4]}
    path = write(tmp_path / "a.csv", values, decimal_comma=True)
    assert csv_rows(path, ";") == [["Name", "Price", "Count"], ["a;b", "-1234,5", "3"], ["c", "2", "-4"]]
    assert pd.read_csv(path, sep=";", decimal=",")["Price"].tolist() == values["price"]


def test_the_mark_of_utf_8_is_there_unless_it_is_left_out(tmp_path: Path) -> None:
    assert write(tmp_path / "a.csv", {"ä": ["ö"]}).read_bytes().startswith(b'\xef\xbb\xbf"\xc3\x84"')
    assert write(tmp_path / "a.csv", {"ä": ["ö"]}, has_bom=False).read_bytes().startswith(b'"\xc3\x84"')


@pytest.mark.parametrize("format_", ["csv", "xlsx", "parquet"])
def test_rounding_is_of_every_format_and_as_on_an_invoice(tmp_path: Path, format_: str) -> None:
    path, values = (
        tmp_path / f"a.{format_}",
        [0.125, -0.125, 23.099999999999998, 9 * 0.945, 1.005, 0.0, 1e9 + 0.005, None],
    )
    batch = pa.RecordBatch.from_pydict({"a": values, "b": ["x"] * len(values)})
    write_file(path, "S", [SheetColumn("a", "A", decimals=2), SheetColumn("b", "B")], iter([batch]), FileStyle(format_))
    read = {"csv": pd.read_csv, "xlsx": pd.read_excel, "parquet": pd.read_parquet}[format_](path).iloc[:, 0]
    assert read[:7].tolist() == [0.13, -0.13, 23.1, 8.51, 1.01, 0.0, 1_000_000_000.01]
    assert np.isnan(read[7])


@given(st.integers(-(10**11), 10**11), st.integers(0, 4))
def test_a_number_of_so_many_decimals_is_left_alone(number: int, decimals: int) -> None:
    value = number / 10**decimals
    assert in_decimals(pa.array([value]), decimals).to_pylist() == [value]
    assert in_decimals(pa.array([np.nextafter(value, np.inf)]), decimals).to_pylist() == [value]


@pytest.mark.parametrize("format_", ["csv", "xlsx", "parquet"])
def test_many_batches_are_one_file_and_no_row_still_has_a_header(tmp_path: Path, format_: str) -> None:
    reader = {"csv": pd.read_csv, "xlsx": pd.read_excel, "parquet": pd.read_parquet}[format_]
    columns, path = [SheetColumn("a", "a"), SheetColumn("b", "b")], tmp_path / f"a.{format_}"
    batches = [pa.RecordBatch.from_pydict({"a": [n, n + 1], "b": ["x", None]}) for n in range(0, 10, 2)]
    write_file(path, "S", columns, iter(batches), FileStyle(format_))
    assert reader(path)["a"].tolist() == list(range(10))
    write_file(path, "S", columns, iter([batches[0].slice(0, 0)]), FileStyle(format_))
    assert reader(path).columns.tolist() == ["a", "b"]
    assert len(reader(path)) == 0


def test_a_sheet_is_set_up_to_be_read_and_printed(tmp_path: Path) -> None:
    values = {"code": ["1"] * 5, "note": ["word " * 40] * 5}
    sheet = sheet_of(write(tmp_path / "a.xlsx", values))
    assert sheet.freeze_panes == "A2"
    assert sheet.auto_filter.ref == "A1:B6"
    assert sheet.print_title_rows == "$1:$1"
    assert sheet.page_setup.orientation == "landscape"
    assert sheet.column_dimensions["A"].width < 12 < 50 < sheet.column_dimensions["B"].width < 65
    assert list(tmp_path.iterdir()) == [tmp_path / "a.xlsx"], "the library's own working files are gone"


def test_text_longer_than_a_cell_is_refused_rather_than_cut(tmp_path: Path) -> None:
    for text in ("x" * 32_768, "<r>" + "x" * 32_768, "😀" * 16_384):
        with pytest.raises(ContractError, match=r"A, row 1: the text is longer than the 32,767 characters"):
            write(tmp_path / "a.xlsx", {"a": [text]})
    longest = "x" * 32_767
    cell = sheet_of(write(tmp_path / "a.xlsx", {"a": [longest]}))["A2"]
    assert cell.value == longest
    assert cell.number_format == "General", "longer than 255 letters, the format Text would show as ####"


@pytest.mark.parametrize(
    ("format_", "type_", "rows", "message"),
    [
        ("xlsx", pa.int64(), SHEET_ROWS + 1, r"1,048,576 rows: an XLSX sheet holds 1,048,575"),
        ("xlsx", pa.binary(), 1, "column a holds bytes, which xlsx cannot; take --format parquet"),
        ("csv", pa.binary(), 1, "column a holds bytes, which csv cannot"),
    ],
)
def test_what_a_format_cannot_hold_is_refused(format_: str, type_: pa.DataType, rows: int, message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        FileStyle(format_).check(pa.schema([("a", type_)]), rows)


@pytest.mark.parametrize(
    ("format_", "type_", "rows"),
    [("xlsx", pa.int64(), SHEET_ROWS), ("csv", pa.int64(), SHEET_ROWS + 1), ("parquet", pa.binary(), SHEET_ROWS + 1)],
)
def test_what_it_can_hold_is_not(format_: str, type_: pa.DataType, rows: int) -> None:
    FileStyle(format_).check(pa.schema([("a", type_)]), rows)


@pytest.mark.parametrize("rows", [0, 1, 25_000])
def test_rows_put_aside_come_back_in_order_slice_by_slice(tmp_path: Path, rows: int) -> None:
    rng = np.random.default_rng(rows)
    frame = pd.DataFrame({"a": rng.choice(["x", "y", None], rows), "b": rng.integers(0, 9, rows), "at": range(rows)})
    table = pa.Table.from_pandas(frame, pa.schema([("a", pa.string()), ("b", pa.int64()), ("at", pa.int64())]))
    batches = [*table.to_batches(max_chunksize=3_000), *table.slice(0, 0).to_batches()]
    put_aside = SortedRows(iter(batches), table.schema, ["a", "b"], tmp_path)
    wanted = frame.sort_values(["a", "b"], kind="stable", na_position="last").reset_index(drop=True)
    found = list(put_aside.slices(0, rows))
    assert all(0 < batch.num_rows <= 10_000 for batch in found) or rows == 0
    assert pa.Table.from_batches(found)["at"].to_pylist() == wanted["at"].tolist()
    runs = put_aside.runs("a")
    assert [(value, stop - start) for value, start, stop in runs] == [
        (None if pd.isna(value) else value, len(group)) for value, group in wanted.groupby("a", dropna=False)
    ]
    for value, start, stop in runs:
        part = pa.Table.from_batches(put_aside.slices(start, stop))
        assert part["a"].unique().to_pylist() == [value]
        assert part["at"].to_pylist() == wanted["at"][start:stop].tolist()
