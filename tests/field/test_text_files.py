"""Text files as systems export them: around the rows, between them and inside them."""

from __future__ import annotations

import gzip
import re
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from lakehouse.errors import SourceError
from lakehouse.feeds.bronze import CORRUPT_PREFIX
from lakehouse.feeds.feed_files import find_feed_files
from lakehouse.feeds.sources import Feed
from lakehouse.feeds.text_records import TextRecords, lines_of
from tests.field.reading import read, read_text, shop

ROWS = "sku,day,qty\nA,2024-01-01,1\nB,2024-01-02,2\n"
READ = [(1, "A", "2024-01-01", "1"), (2, "B", "2024-01-02", "2")]
NAMES = ("source_row", "sku_id", "ds", "units")
CORRUPT = ("source_row", "sku_id", "units", "sold_at")  # sold_at is the layout's last column, which holds the text


def refusal(folder: Path, text: str | bytes, columns: dict[str, Any] | None = None, **feed: Any) -> str:
    with pytest.raises(SourceError) as refused:
        read_text(folder, text, columns, **feed)
    return str(refused.value)


# before the rows


@pytest.mark.parametrize(
    ("text", "feed"),
    [
        ("\n\n" + ROWS, {}),
        ("Sales by item\nJanuary 2024\n\n" + ROWS, {"skip_lines": 3}),
        ('"Sales, by item",,\n"all, shops",,\n' + ROWS, {"skip_lines": 2}),
        ('"An open quote\n' + ROWS, {"skip_lines": 1}),
        ("# made by till 7\n# no rows lost\n" + ROWS, {"comment": "#"}),
        ("sep=,\n" + ROWS, {"skip_lines": 1}),
        ("A,2024-01-01,1\nB,2024-01-02,2\n", {"names": ["sku", "day", "qty"]}),
        ("Artikel,Tag,Menge\nA,2024-01-01,1\nB,2024-01-02,2\n", {"names": ["sku", "day", "qty"], "skip_lines": 1}),
        ("\ufeffA,2024-01-01,1\nB,2024-01-02,2\n", {"names": ["sku", "day", "qty"]}),
        ("\ufeff" + ROWS, {}),
        ("sku , day ,\tqty\nA,2024-01-01,1\nB,2024-01-02,2\n", {}),
    ],
)
def test_the_header_is_found_where_the_mapping_says(tmp_path: Path, text: str, feed: dict[str, Any]) -> None:
    assert read_text(tmp_path, text, **feed).of(*NAMES) == READ
    # Remarks and footers are left to another parser, which must find the same.
    assert read_text(tmp_path, text, **{"comment": "//", **feed}).of(*NAMES) == READ
    assert read_text(tmp_path, text, footer="^Total", **feed).of(*NAMES) == READ


@pytest.mark.parametrize(
    ("text", "feed", "advice"),
    [
        ("Sales by item\n\n" + ROWS, {}, "Line 3 holds them: say skip_lines = 2."),
        (ROWS.replace(",", ";"), {}, "Line 1 holds them: say delimiter = ';'."),
        ("Report\n" + ROWS.replace(",", "\t"), {}, "Line 2 holds them: say delimiter = '\\t' and skip_lines = 1."),
        (ROWS, {"skip_lines": 1}, "Line 1 holds them: say skip_lines = 0."),
        (ROWS.replace("sku", "SKU").replace("qty", "quantity"), {}, "'sku' may be 'SKU'"),
    ],
)
def test_a_header_elsewhere_is_pointed_at(tmp_path: Path, text: str, feed: dict[str, Any], advice: str) -> None:
    message = refusal(tmp_path, text, **feed)
    assert message.startswith("sales.csv: expected columns [")
    assert "found [" in message
    assert advice in message


# after the rows, and between them


@pytest.mark.parametrize(
    ("end", "footer", "lines"),
    [
        ("Total,,3\n", "^Total", 1),
        ("\n,,3\nPrinted by K. M.\n", "^,,", 2),
        ("-----\nSumme: 3\nSeite 1 von 1\n", "^-{3,}", 3),
        ('"Gesamt\nsumme",,3\n', "(?i)^gesamt", 1),
    ],
)
def test_a_footer_is_no_data_and_is_said(tmp_path: Path, end: str, footer: str, lines: int) -> None:
    found = read_text(tmp_path, ROWS + end, footer=footer)
    assert found.of(*NAMES) == READ
    assert found.set_aside == {"footer line": lines}
    unsaid = read_text(tmp_path, ROWS + end)
    assert len(unsaid.rows) > 2
    assert unsaid.of("units")[:2] == ["1", "2"]


def test_remarks_are_left_out_wherever_a_record_begins(tmp_path: Path) -> None:
    text = 'sku,day,qty\n# morning "shift\n"A\n# not a remark",2024-01-01,1\n#,"\nB#2,2024-01-02,2\n#'
    assert read_text(tmp_path, text, comment="#").of(*NAMES) == [
        (1, "A\n# not a remark", "2024-01-01", "1"),
        (2, "B#2", "2024-01-02", "2"),
    ]
    text = "-- a\nsku,day,qty\n-- b\nA,2024-01-01,-1\n"
    assert read_text(tmp_path, text, comment="--").of(*NAMES) == [(1, "A", "2024-01-01", "-1")]


PAGES = """Liste
-----
|sku|day       |qty |
-----
|A  |2024-01-01|1   |
|*  |          |1   |
-----
|sku|day       |qty |
-----
|B  |2024-01-02|2   |
|sku|day|x|
"""


def test_headers_that_pages_repeat_and_several_marks_of_remarks(tmp_path: Path) -> None:
    """A line that is the header again is no record; one that is so but for a cell is. Numbers count both."""
    found = read_text(tmp_path, PAGES, delimiter="|", skip_lines=1, comment=["-", "|*"])
    assert found.of("source_row", "sku_id", "units") == [(1, "A", "1"), (3, "B", "2"), (4, "sku", "x")]
    assert found.set_aside == {"repeated header line": 1}
    plain = read_text(tmp_path, "sku,day,qty\nA,2024-01-01,1\n sku ,day,qty\nB,2024-01-02,2\n")
    assert plain.of("source_row", "sku_id") == [(1, "A"), (3, "B")]
    assert plain.set_aside == {"repeated header line": 1}


@pytest.mark.parametrize("comment", [(), "#"])
@pytest.mark.parametrize("end", ["\n", "\r\n", "\r"])
def test_line_ends_and_blank_lines(tmp_path: Path, end: str, comment: str | tuple[str, ...]) -> None:
    """A line without anything is no record; one of blanks or of delimiters alone is one that states nothing."""
    lines = ["sku,day,qty", "", "A,2024-01-01,1", "", "   ", ",,", "B,2024-01-02,2", "C,2024-01-03,3"]
    read = [(1, "A", "2024-01-01", "1"), (4, "B", "2024-01-02", "2"), (5, "C", "2024-01-03", "3")]
    assert read_text(tmp_path, end.join(lines), comment=comment).of(*NAMES) == read
    assert read_text(tmp_path, end.join(["Report", "", *lines, ""]), comment=comment, skip_lines=2).of(*NAMES) == read


# inside the rows


@pytest.mark.parametrize("comment", [(), "#"])
def test_quotes_delimiters_and_line_breaks_inside_fields(tmp_path: Path, comment: str | tuple[str, ...]) -> None:
    text = 'sku,day,qty\n"say ""hi"", twice",2024-01-01,1\n"two\r\nlines",2024-01-01,"2"\n5" pipe,2024-01-01,3\n'
    text += '"",2024-01-01,4\n'
    assert read_text(tmp_path, text, comment=comment).of("sku_id", "units") == [
        ('say "hi", twice', "1"),
        ("two\r\nlines", "2"),
        ('5" pipe', "3"),
        (None, "4"),
    ]


@pytest.mark.parametrize("comment", [(), "#"])
@pytest.mark.parametrize(
    ("field", "feed", "value"),
    [
        ('"6\\" nail"', {"escape": "\\"}, '6" nail'),
        ("red\\, large", {"escape": "\\"}, "red, large"),
        ("'a,b'", {"quote": "'"}, "a,b"),
        ("'it''s'", {"quote": "'"}, "it's"),
        ('"x', {"quote": ""}, '"x'),
        ('5"', {"quote": ""}, '5"'),
    ],
)
def test_other_quotes_and_escapes(
    tmp_path: Path, field: str, feed: dict[str, Any], value: str, comment: str | tuple[str, ...]
) -> None:
    text = f"sku,day,qty\n{field},2024-01-01,1\n"
    assert read_text(tmp_path, text, comment=comment, **feed).of(*NAMES) == [(1, value, "2024-01-01", "1")]


@pytest.mark.parametrize(
    ("text", "feed", "record"),
    [
        (ROWS + 'C,2024-01-03,"3\nD,2024-01-04,4\n', {}, 3),
        (ROWS + '"C,2024-01-03,3\nD,2024-01-04,4\n', {"escape": "\\"}, 3),
        ("Report\n\n" + ROWS + '"C,2024-01-03,3\n', {"skip_lines": 2}, 3),
        ("A,2024-01-01,'1\nB,2024-01-02,2\n", {"names": ["sku", "day", "qty"], "quote": "'"}, 1),
        ('# "note\n' + ROWS + '"C,2024-01-03,3\n', {"comment": "#"}, 3),
    ],
)
def test_a_quote_that_is_never_closed_swallows_no_row_unseen(
    tmp_path: Path, text: str, feed: dict[str, Any], record: int
) -> None:
    assert refusal(tmp_path, text, **feed) == (
        f"sales.csv: a quote that opens a field in record {record} is never closed, so the field swallows the rest of "
        "the file. Close it, or double the quotes inside the field."
    )


# columns


@pytest.mark.parametrize("comment", [(), "#"])
@pytest.mark.parametrize(
    "text",
    [
        "sku;day;qty;\nA;2024-01-01;1;\nB;2024-01-02;2;\n",
        "sku;day;qty;;\nA;2024-01-01;1;;\nB;2024-01-02;2;;\n",
        "sku;day;qty\nA;2024-01-01;1;\nB;2024-01-02;2\n",
        'sku;day;qty\n"A";2024-01-01;1;;;\nB;2024-01-02;2; ;\n',
        "sku;;day;;qty\nA;x;2024-01-01;y;1\nB;x;2024-01-02;;2\n",
        "sku;price;day;price;qty\nA;1;2024-01-01;2;1\nB;3;2024-01-02;4;2\n",
        ";sku;day;qty\n0;A;2024-01-01;1\n1;B;2024-01-02;2\n",
    ],
)
def test_nameless_repeated_and_trailing_columns_do_not_matter_unmapped(
    tmp_path: Path, text: str, comment: str | tuple[str, ...]
) -> None:
    assert read_text(tmp_path, text, delimiter=";", comment=comment).of(*NAMES) == READ


@pytest.mark.parametrize("feed", [{}, {"fill_down": {"columns": ["sku"], "within": ["day"]}}])
def test_a_repeated_column_that_is_mapped_is_refused(tmp_path: Path, feed: dict[str, Any]) -> None:
    message = refusal(tmp_path, "sku,qty,day,qty\nA,1,2024-01-01,2\n", **feed)
    assert message == (
        "sales.csv: the column names ['qty'] occur more than once, so that it is not clear which is meant; columns "
        "found: ['sku', 'qty', 'day', 'qty']. Rename them in the file, or give all names by `names` and skip_lines = 1."
    )
    text = "sku,qty,day,qty\nA,1,2024-01-01,2\n"
    found = read_text(tmp_path, text, names=["sku", "qty", "day", "returned"], skip_lines=1, **feed)
    assert found.of("sku_id", "units") == [("A", "1")]


@pytest.mark.parametrize("comment", [(), "#"])
def test_a_record_that_does_not_fit_keeps_its_place_and_text(tmp_path: Path, comment: str | tuple[str, ...]) -> None:
    text = "sku,day,qty\nA,2024-01-01,1\nB,2024-01-02\nC,2024-01-03,3,4\nD,2024-01-04,4,\nE,2024-01-05,5\n"
    found = read_text(tmp_path, text, comment=comment)
    assert found.of(*CORRUPT) == [
        (1, "A", "1", None),
        (2, None, None, CORRUPT_PREFIX + "B,2024-01-02"),
        (3, None, None, CORRUPT_PREFIX + "C,2024-01-03,3,4"),
        (4, "D", "4", None),
        (5, "E", "5", None),
    ]


@pytest.mark.parametrize("comment", [(), "#"])
def test_a_field_in_quotes_is_one_field_also_where_the_record_has_too_many(
    tmp_path: Path, comment: str | tuple[str, ...]
) -> None:
    text = 'sku,day,qty\n"Shirt, red",2024-01-01,1,\n"Shirt\nblue",2024-01-02,2,\n"a ""b""",2024-01-03,3,,\n'
    assert read_text(tmp_path, text, comment=comment).of(*NAMES) == [
        (1, "Shirt, red", "2024-01-01", "1"),
        (2, "Shirt\nblue", "2024-01-02", "2"),
        (3, 'a "b"', "2024-01-03", "3"),
    ]


def test_names_of_columns_in_any_letters(tmp_path: Path) -> None:
    for sku, day, quantity in (("Größe", "Año", "Qté"), ("品番", "日付", "数量"), ("sku (EAN)", "sale.date", "qty`%")):
        columns = {"sku_id": sku, "ds": day, "units": quantity}
        text = f'"{sku}","{day}","{quantity}"\nA,2024-01-01,1\nB,2024-01-02,2\n'
        assert read_text(tmp_path, text, columns).of(*NAMES) == READ


def test_a_name_over_two_lines(tmp_path: Path) -> None:
    text = 'sku,"day\nof sale",qty\nA,2024-01-01,1\nB,2024-01-02\n'
    found = read_text(tmp_path, text, {"ds": "day\nof sale"})
    assert found.of(*CORRUPT) == [(1, "A", "1", None), (2, None, None, CORRUPT_PREFIX + "B,2024-01-02")]


# fill down


ORDER = {"columns": ["sku", "day"], "within": ["order"]}


@pytest.mark.parametrize("comment", [(), "#"])
@pytest.mark.parametrize(
    ("rule", "text", "read"),
    [
        (
            ORDER,
            "order,sku,day,qty\n1,A,2024-01-01,1\n1,,,2\n2,,,3\n2,B,2024-01-02,4\n2,C,,5\n1,,,6\n",
            [("A", "1"), ("A", "2"), (None, "3"), ("B", "4"), ("C", "5"), (None, "6")],
        ),
        (  # the first record of an order has a delimiter too many, a later one none of the columns
            ORDER,
            "order,sku,day,qty\n1,A,2024-01-01,1,\n1,,,2\n1, , ,3\n2,B\n2,C,2024-01-02,5\n",
            [("A", "1"), ("A", "2"), ("A", "3"), (None, None), ("C", "5")],
        ),
        (
            {"columns": ["sku", "day"], "within": []},
            "sku,day,qty\nA,2024-01-01,1\n,,2,\nB,,3\n",
            [("A", "1"), ("A", "2"), ("B", "3")],
        ),
        (
            {"columns": ["order", "sku", "day"], "within": ["order"]},
            "order,sku,day,qty\n1,A,2024-01-01,1\n1,,,2\n",
            [("A", "1"), ("A", "2")],
        ),
    ],
)
def test_values_of_a_groups_first_record_hold_for_the_group(
    tmp_path: Path, rule: dict[str, Any], text: str, read: list[Any], comment: str | tuple[str, ...]
) -> None:
    found = read_text(tmp_path, text, fill_down=rule, comment=comment)
    assert found.of("sku_id", "units") == read
    assert found.of("source_row") == list(range(1, len(read) + 1))


def test_fill_down_of_a_column_that_is_not_there_is_refused(tmp_path: Path) -> None:
    message = refusal(tmp_path, ROWS, fill_down=ORDER)
    assert message == "sales.csv: fill_down expects the columns ['order'], found ['sku', 'day', 'qty']"


# encodings


@pytest.mark.parametrize("comment", [(), "#"])
@pytest.mark.parametrize(
    ("encoding", "written"),
    [
        ("UTF-8", "utf-8-sig"),
        ("windows-1252", "cp1252"),
        ("latin-1", "latin-1"),
        ("UTF-16", "utf-16"),
        ("utf-16-le", "utf-16-le"),
        ("utf-16-be", "utf-16-be"),
        ("cp850", "cp850"),
        ("gb18030", "gb18030"),
        ("mac-roman", "mac-roman"),
    ],
)
def test_encodings(tmp_path: Path, encoding: str, written: str, comment: str | tuple[str, ...]) -> None:
    text = 'Größe;Tag;qty\nÄpfel;2024-01-01;1\n"é;\nü";2024-01-02;2\nodd\n'
    columns = {"sku_id": "Größe", "ds": "Tag"}
    found = read_text(tmp_path, text.encode(written), columns, delimiter=";", encoding=encoding, comment=comment)
    assert found.of(*CORRUPT) == [
        (1, "Äpfel", "1", None),
        (2, "é;\nü", "2", None),
        (3, None, None, CORRUPT_PREFIX + "odd"),
    ]


@pytest.mark.parametrize("comment", [(), "#"])
@pytest.mark.parametrize(
    ("text", "declared", "line", "shown", "advice"),
    [
        ((ROWS + "Ä,2024-01-03,3\n").encode("cp1252"), "UTF-8", 4, r"b'\xc4,2024-01-03,3'", "windows-1252"),
        ((ROWS * 3000 + "Ä,2024-01-03,3\n").encode("cp1252"), "UTF-8", 9001, r"b'\xc4,", "windows-1252"),
        ("sku,day,qté\n".encode("cp1252"), "UTF-8", 1, r"b'sku,day,qt\xe9'", "windows-1252"),
        ((ROWS + "Á,2024-01-03,3\n").encode(), "windows-1252", 4, r"b'\xc3\x81,", "UTF-8"),
        (ROWS.encode("utf-16"), "UTF-8", 1, r"b'\xff\xfes", "UTF-16"),
    ],
)
def test_text_of_another_encoding_is_refused_by_its_line(
    tmp_path: Path, text: bytes, declared: str, line: int, shown: str, advice: str, comment: str | tuple[str, ...]
) -> None:
    message = refusal(tmp_path, text, encoding=declared, comment=comment)
    assert message.startswith(f"sales.csv, line {line}: {shown}")
    assert message.endswith(
        f'is no text in {declared}. Say the file\'s encoding in the mapping, such as encoding = "{advice}".'
    )


def test_utf_8_read_as_something_else_is_said(tmp_path: Path) -> None:
    """windows-1252 makes letters of nearly all bytes, so that nothing would fail: only names would match nothing."""
    found = read_text(tmp_path, "sku,day,qty\nKäse,2024-01-01,1\n", encoding="windows-1252")
    assert found.of("sku_id") == ["KÃ¤se"]
    assert found.news == [
        "sales.csv: is read as windows-1252, yet its text is valid UTF-8, such as 'Käse,2024-01-01,1'; "
        'say encoding = "UTF-8" if that is right'
    ]
    assert read_text(tmp_path, "sku,day,qty\nKäse,2024-01-01,1\n".encode("cp1252"), encoding="windows-1252").news == []
    assert read_text(tmp_path, ROWS, encoding="windows-1252").news == []


# files


def test_hidden_packed_and_oddly_named_files_are_read_and_leftovers_are_not(tmp_path: Path) -> None:
    names = ["_sales.csv", ".sales.csv", "sales [2024] *.csv", "Umsätze 100%.csv", "a;b.csv", "#x.csv"]
    for number, name in enumerate(names):
        (tmp_path / name).write_text(f"sku,day,qty\nA,2024-01-01,{number}\n")
    (tmp_path / "z.CSV.gz").write_bytes(gzip.compress(b"sku,day,qty\nA,2024-01-01,9\n"))
    for leftover in ("._sales.csv", "~$sales.csv", ".~lock.sales.csv#"):
        (tmp_path / leftover).write_text("x")
    found = read(tmp_path, shop(files=["*.csv", "*.gz"]))
    assert sorted(found.of("source_file", "units")) == sorted(
        [*((name, str(n)) for n, name in enumerate(names)), ("z.CSV.gz", "9")]
    )


@pytest.mark.parametrize("content", [b"", b"\n\n", b"\xef\xbb\xbf", b"\xff\xfe", b" \r\n", b"\x00" * 512])
def test_a_file_without_content_is_known_for_it(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "a.csv").write_text(ROWS)
    (tmp_path / "b.csv").write_bytes(content)
    files = find_feed_files(Feed(files=("*.csv",), columns={}), tmp_path)
    assert [(file.path, file.is_empty) for file in files] == [("a.csv", False), ("b.csv", True)]
    assert read(tmp_path, shop()).of(*NAMES) == READ


def test_a_header_alone_gives_no_row(tmp_path: Path) -> None:
    for text in ("sku,day,qty", "sku,day,qty\n", "sku,day,qty\n\n"):
        assert read_text(tmp_path, text).rows == []
        assert read_text(tmp_path, text, comment="#").rows == []


def test_other_names_and_delimiters(tmp_path: Path) -> None:
    for name, delimiter in (("s.tsv", "\t"), ("s.txt", "|"), ("s.dat", "\x1f"), ("s.asc", "^")):
        (tmp_path / name).write_text(ROWS.replace(",", delimiter))
        assert read(tmp_path, shop(files=[name], delimiter=delimiter)).of(*NAMES) == READ
    (tmp_path / "export").write_text(ROWS)
    with pytest.raises(SourceError, match=r'export: cannot tell the format from the name.*format = "csv"'):
        read(tmp_path, shop(files=["export"]))
    assert read(tmp_path, shop(files=["export"], format="csv")).of(*NAMES) == READ


# lines


def test_the_line_in_which_a_record_begins(tmp_path: Path) -> None:
    text = 'Report\nsku,day,qty\n# shift 1\n"A\nred",2024-01-01,1\n\nB,2024-01-02,2\nC,2024-01-03\nTotal,,3\n'
    (tmp_path / "sales.csv").write_text(text)
    feed = shop(skip_lines=1, comment="#", footer="^Total").feeds["sales"]
    (file,) = find_feed_files(feed, tmp_path)
    records = TextRecords.open(file, feed)
    assert lines_of(records, [1, 2, 3]) == {1: 4, 2: 7, 3: 8}
    assert lines_of(records, [2]) == {2: 7}
    assert lines_of(records, []) == {}


# both parsers


field = st.text(alphabet=st.sampled_from('ab1 ,"\né'), max_size=5)
record = st.lists(field, min_size=1, max_size=5)


def written(fields: list[str], quoted: bool) -> str:
    doubled = [text.replace('"', '""') for text in fields]
    return ",".join(f'"{text}"' for text in doubled) if quoted else ",".join(re.sub(r'[,"\n]', "", f) for f in fields)


@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    records=st.lists(st.tuples(record, st.booleans()), max_size=8),
    end=st.sampled_from(["\n", "\r\n"]),
    blank=st.sampled_from(["", "\n", "  \n", ",,\n"]),
    encoding=st.sampled_from(["UTF-8", "UTF-16"]),
)
def test_with_remarks_or_without_a_file_reads_the_same(
    tmp_path: Path, records: list[tuple[list[str], bool]], end: str, blank: str, encoding: str
) -> None:
    """Two parsers share the work: what one makes of a record, the other makes of it too."""
    lines = [written(fields, quoted) for fields, quoted in records]
    text = ("sku,day,qty\n" + blank + "".join(f"{line}\n" for line in lines)).replace("\n", end).encode(encoding)
    columns = {"transaction_id": "sku", "customer_id": "day", "channel_id": "qty"}
    names = ("source_row", "transaction_id", "customer_id", "channel_id", "sold_at")
    plain = read_text(tmp_path, text, columns, encoding=encoding).of(*names)
    assert read_text(tmp_path, text, columns, encoding=encoding, comment="//").of(*names) == plain
