"""Wide files: a column for each day, named by the day in whatever way."""

from __future__ import annotations

from datetime import date
from pathlib import Path
from typing import Any

import pytest

from lakehouse.errors import SourceError
from lakehouse.feeds.sources import Melt, SourceMapping
from tests.field.reading import Reading, read

COLUMNS = {"sku_id": "sku", "location_id": {"const": "s1"}}


def wide(folder: Path, header: str, *rows: str, melt: dict[str, Any], **feed: Any) -> Reading:
    (folder / "sales.csv").write_text("\n".join([header, *rows, ""]), encoding="utf-8")
    sales = {"files": ["*.csv"], "delimiter": ";", "columns": COLUMNS, "melt": melt} | feed
    return read(folder, SourceMapping.model_validate({"name": "shop", "feeds": {"sales": sales}}))


@pytest.mark.parametrize(
    ("header", "melt", "feed"),
    [
        ("sku;20240101;20240102;20240103", {"format": "yyyyMMdd"}, {}),
        ("sku;2024-01-01;2024-01-02;2024-01-03", {"format": "yyyy-MM-dd"}, {}),
        ("sku;01.01.2024;02.01.2024;03.01.2024", {"format": "dd.MM.yyyy"}, {}),
        ("sku; 1/1/24;1/2/24; 1/3/24 ", {"format": "M/d/yy"}, {}),
        ("sku;d20240101;d20240102;d20240103", {"prefix": "d", "format": "yyyyMMdd"}, {}),
        ("sku;units 1 Jan 2024;units 2 Jan 2024;units 3 Jan 2024", {"prefix": "units ", "format": "d MMM yyyy"}, {}),
        ("sku;Mo 01.01.24;Di 02.01.24;Mi 03.01.24", {"format": "EEE dd.MM.yy"}, {}),
        (
            "sku;1. Jänner 2024;2. Jänner 2024;3. Jänner 2024",
            {"format": "d. MMMM yyyy"},
            {"notation": {"language": "de-AT"}},
        ),
        ("sku;2024-01-01 00:00:00;2024-01-02 00:00:00;2024-01-03 00:00:00", {"format": "yyyy-MM-dd HH:mm:ss"}, {}),
        ("sku;day 0;day 1;day 2", {"prefix": "day ", "origin": date(2024, 1, 1), "origin_number": 0}, {}),
    ],
)
def test_days_by_their_names(tmp_path: Path, header: str, melt: dict[str, Any], feed: dict[str, Any]) -> None:
    found = wide(tmp_path, header, "A;1;;3", "B;0;5;x", melt=melt, **feed)
    names = [name.strip() for name in header.split(";")[1:]]
    cells = [("A", "1"), ("B", "0"), ("A", None), ("B", "5"), ("A", "3"), ("B", "x")]
    days = ["2024-01-01", "2024-01-01", "2024-01-02", "2024-01-02", "2024-01-03", "2024-01-03"]
    expected = [
        (sku, day, units, names[at // 2]) for at, ((sku, units), day) in enumerate(zip(cells, days, strict=True))
    ]
    assert sorted(found.of("sku_id", "ds", "units", "source_column"), key=str) == sorted(expected, key=str)
    assert found.news == []


@pytest.mark.parametrize(
    ("header", "pattern", "language", "days"),
    [
        ("sku;Jan 24;Feb 24;Mar 24", "MMM yy", "en", ["2024-01-01", "2024-02-01", "2024-03-01"]),
        ("sku;Mär 24;Mai 24;Dez 24", "MMM yy", "de", ["2024-03-01", "2024-05-01", "2024-12-01"]),
        ("sku;févr. 2024;août 2024;déc. 2024", "MMM yyyy", "fr", ["2024-02-01", "2024-08-01", "2024-12-01"]),
        ("sku;2024-W01;2024-W05;2024-W52", "YYYY-'W'ww", "en", ["2024-01-01", "2024-01-29", "2024-12-23"]),
        ("sku;2024M01;2024M02;2024M03", "yyyy'M'MM", "en", ["2024-01-01", "2024-02-01", "2024-03-01"]),
    ],
)
def test_months_and_weeks_stand_for_their_first_day(
    tmp_path: Path, header: str, pattern: str, language: str, days: list[str]
) -> None:
    found = wide(tmp_path, header, "A;1;2;3", melt={"format": pattern}, notation={"language": language})
    assert found.of("ds", "units") == list(zip(days, ["1", "2", "3"], strict=True))


def test_other_columns_are_no_days_and_are_said(tmp_path: Path) -> None:
    header = "sku;name;01.01.2024;02.01.2024;Total;Total 2024;01.01.2024 %"
    found = wide(tmp_path, header, "A;Tea;1;2;3;3;.5", melt={"format": "dd.MM.yyyy"})
    assert found.of("ds", "units") == [("2024-01-01", "1"), ("2024-01-02", "2")]
    assert found.news == [
        "sales.csv: the columns ['name', 'Total', 'Total 2024', '01.01.2024 %'] are no days (<date as dd.MM.yyyy>) and "
        "were not read"
    ]


@pytest.mark.parametrize(
    ("header", "pattern", "named"),
    [
        ("sku;30.01.2024;31.01.2024;32.01.2024", "dd.MM.yyyy", ["32.01.2024"]),
        ("sku;20230227;20230228;20230229;20230230", "yyyyMMdd", ["20230229", "20230230"]),
        ("sku;Jan 24;Feb 24;Mrz 24", "MMM yy", ["Mrz 24"]),
        ("sku;12/30/24;12/31/24;31/12/24", "MM/dd/yy", ["31/12/24"]),
    ],
)
def test_a_column_that_looks_like_a_day_and_is_none_is_refused(
    tmp_path: Path, header: str, pattern: str, named: list[str]
) -> None:
    """It would be a day without sales."""
    with pytest.raises(SourceError) as refused:
        wide(tmp_path, header, "A" + ";1" * header.count(";"), melt={"format": pattern})
    assert str(refused.value) == (
        f"sales.csv: the columns {named} look like days, but are none as <date as {pattern}>. Correct their names, or "
        "`melt` in the source mapping."
    )


@pytest.mark.parametrize(
    ("header", "pattern", "named"),
    [
        ("sku;01.01.2024;02.01.2024;02.01.2024", "dd.MM.yyyy", ["02.01.2024"]),
        ("sku;01.01.2024;01.01.2024", "dd.MM.yyyy", ["01.01.2024"]),
        ("sku;01.01.2024;1.1.2024", "d.M.yyyy", ["01.01.2024", "1.1.2024"]),
    ],
)
def test_two_columns_of_one_day_are_refused(tmp_path: Path, header: str, pattern: str, named: list[str]) -> None:
    """One would be lost, or the day counted twice."""
    with pytest.raises(SourceError) as refused:
        wide(tmp_path, header, "A" + ";1" * header.count(";"), melt={"format": pattern})
    assert str(refused.value) == (
        f"sales.csv: expected one column for each day, found more: {named}. Remove all but one."
    )


@pytest.mark.parametrize(
    ("header", "melt", "words"),
    [
        ("sku;2024-01-01", {"format": "dd.MM.yyyy"}, "<date as dd.MM.yyyy>"),
        ("sku;2024-01-01", {"format": "yyyy-MM-dd", "prefix": "d_"}, "d_<date as yyyy-MM-dd>"),
        ("sku;2024-01-01", {"origin": date(2024, 1, 1), "prefix": "d_"}, "d_<number>"),
    ],
)
def test_a_file_without_days_is_refused_with_what_it_has(
    tmp_path: Path, header: str, melt: dict[str, Any], words: str
) -> None:
    with pytest.raises(SourceError) as refused:
        wide(tmp_path, header, "A;1", melt=melt)
    assert str(refused.value) == (
        f"sales.csv: expected day columns {words}, found ['sku', '2024-01-01']. Correct `melt` in the source mapping."
    )


def test_dates_that_are_counted_are_refused_with_what_to_say(tmp_path: Path) -> None:
    melt = {"origin": date(2024, 1, 1), "origin_number": 20240101}
    with pytest.raises(SourceError, match=r"the column '20240102' would be 1 days from.*format = \"yyyyMMdd\""):
        wide(tmp_path, "sku;20240102;20240103", "A;1;2", melt=melt)


@pytest.mark.parametrize(
    ("melt", "message"),
    [
        ({}, "melt needs either origin"),
        ({"origin": date(2024, 1, 1), "format": "yyyyMMdd"}, "melt needs either origin"),
        ({"format": "TTMMJJ"}, "'TT' have no meaning"),
    ],
)
def test_a_melt_that_cannot_be_is_refused(melt: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        Melt.model_validate(melt)


def test_cells_are_read_as_the_mapping_says_and_odd_records_once(tmp_path: Path) -> None:
    rows = ["A;1.205,5;(3)", "B;2,5", "C;;7-;"]
    found = wide(tmp_path, "sku;20240101;20240102", *rows, melt={"format": "yyyyMMdd"}, notation={"decimal": ","})
    assert sorted(found.of("source_row", "sku_id", "ds", "units"), key=str) == [
        (1, "A", "2024-01-01", "1205.5"),
        (1, "A", "2024-01-02", "-3"),
        (2, None, None, None),
        (3, "C", "2024-01-01", None),
        (3, "C", "2024-01-02", "-7"),
    ]
    with pytest.raises(SourceError, match=r"the column '20240101 to 20240102' holds '1\.205': that is 1205"):
        wide(tmp_path, "sku;20240101;20240102", "A;1.205;3", melt={"format": "yyyyMMdd"})
