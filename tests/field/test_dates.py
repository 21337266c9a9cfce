"""Dates and times as systems write them: the day of a sale is that of its place, and is never guessed."""

from __future__ import annotations

from datetime import date, datetime
from pathlib import Path
from typing import Any

import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from lakehouse.errors import SourceError
from lakehouse.feeds.date_pattern import likely_days
from lakehouse.feeds.notation import Notation
from tests.field.reading import cells, read, read_text, shop

BERLIN, NEW_YORK = {"timezone": "Europe/Berlin"}, {"timezone": "America/New_York"}


def unread(text: str, *patterns: str) -> str:
    return f"{text} (not {' or '.join(patterns)})"


@pytest.mark.parametrize(
    ("notation", "read"),
    [
        ({"format": "dd.MM.yyyy"}, {"31.01.2024": "2024-01-31", "01.02.2024": "2024-02-01"}),
        ({"format": "d.M.yy"}, {"1.2.24": "2024-02-01", "31.12.23": "2023-12-31"}),
        ({"format": "MM/dd/yyyy"}, {"02/01/2024": "2024-02-01", "12/31/2024": "2024-12-31"}),
        ({"format": "dd/MM/yyyy"}, {"02/01/2024": "2024-01-02"}),
        ({"format": "yyyyMMdd"}, {"20240229": "2024-02-29"}),
        ({"format": "yyyy'年'M'月'd'日'"}, {"2024年2月29日": "2024-02-29"}),
        ({"format": "EEE, d MMM yyyy"}, {"Thu, 1 Feb 2024": "2024-02-01"}),
        (
            {"format": "MM/dd/yyyy hh:mm a"},
            {"02/01/2024 12:05 AM": "2024-02-01", "02/01/2024 11:59 p.m.": "2024-02-01"},
        ),
        ({}, {"2024-02-29": "2024-02-29", "2024-2-9": "2024-02-09", "2024-02-29T23:59:59.999": "2024-02-29"}),
    ],
)
def test_patterns_of_days(tmp_path: Path, notation: dict[str, Any], read: dict[str, str]) -> None:
    assert cells(tmp_path, "ds", list(read), **notation) == list(read.values())


@pytest.mark.parametrize(
    ("language", "pattern", "read"),
    [
        (
            "de",
            "d. MMM yyyy",
            {"5. Jan. 2024": 1, "5. Mär. 2024": 3, "5. März 2024": 3, "5. Mrz 2024": 3, "5. DEZ 2024": 12},
        ),
        ("de", "dd-MMM-yyyy", {"05-Mai-2024": 5, "05-Okt-2024": 10, "05-Sept.-2024": 9}),
        (
            "fr",
            "d MMM yyyy",
            {"5 janv. 2024": 1, "5 févr. 2024": 2, "5 fevr 2024": 2, "5 août 2024": 8, "5 déc. 2024": 12},
        ),
        ("fr", "dd/MMM/yyyy", {"05/juin/2024": 6, "05/juil./2024": 7, "05/AOUT/2024": 8, "05/Decembre/2024": 12}),
        (
            "es",
            "d 'de' MMMM 'de' yyyy",
            {"5 de enero de 2024": 1, "5 de septiembre de 2024": 9, "5 de Mayo de 2024": 5},
        ),
        (
            "es",
            "dd-MMM-yyyy",
            {"05-ene-2024": 1, "05-abr-2024": 4, "05-ago.-2024": 8, "05-sept-2024": 9, "05-dic-2024": 12},
        ),
        ("en", "dd-MMM-yyyy", {"05-Jan-2024": 1, "05-SEP-2024": 9, "05-Sept-2024": 9, "05-December-2024": 12}),
        ("en", "MMM d, yyyy", {"Feb 5, 2024": 2, "Feb. 5, 2024": 2, "May 5, 2024": 5}),
        ("it", "d MMM yyyy", {"5 gen 2024": 1, "5 giu 2024": 6, "5 dicembre 2024": 12}),
        ("zh", "yyyy MMM d", {"2024 一月 5": 1, "2024 十二月 5": 12}),
    ],
)
def test_names_of_months(tmp_path: Path, language: str, pattern: str, read: dict[str, int]) -> None:
    days = [f"2024-{month:02}-05" for month in read.values()]
    assert cells(tmp_path, "ds", list(read), language=language, format=pattern) == days


def test_a_month_of_another_language_is_not_read(tmp_path: Path) -> None:
    pattern = "d MMM yyyy"
    assert cells(tmp_path, "ds", ["5 Okt 2024", "5 Oct 2024"], format=pattern) == [
        unread("5 Okt 2024", pattern),
        "2024-10-05",
    ]


@pytest.mark.parametrize(
    ("patterns", "texts", "days"),
    [
        (["dd.MM.yyyy", "yyyyMMdd"], ["31.01.2024", "20240201"], ["2024-01-31", "2024-02-01"]),
        (
            ["yyyy-MM-dd", "d/M/yyyy", "excel"],
            ["2024-01-31", "1/2/2024", "45322"],
            ["2024-01-31", "2024-02-01", "2024-01-31"],
        ),
        (["dd.MM.yyyy HH:mm", "dd.MM.yyyy"], ["31.01.2024 23:59", "01.02.2024"], ["2024-01-31", "2024-02-01"]),
    ],
)
def test_several_patterns_in_order(tmp_path: Path, patterns: list[str], texts: list[str], days: list[str]) -> None:
    assert cells(tmp_path, "ds", [*texts, "soon"], format=patterns) == [*days, unread("soon", *patterns)]


@pytest.mark.parametrize(
    ("pattern", "text"),
    [
        ("dd.MM.yyyy", "31.04.2024"),
        ("dd.MM.yyyy", "29.02.2023"),
        ("dd.MM.yyyy", "1.2.2024"),
        ("dd.MM.yyyy", "01.02.2024 10:00"),
        ("MM/dd/yyyy", "31/01/2024"),
        ("yyyyMMdd", "20241301"),
        ("HH:mm dd.MM.yyyy", "24:00 01.02.2024"),
        ("YYYY-'W'ww", "2024-W53"),
        ("YYYY-'W'ww-e", "2024-W05-8"),
        ("excel", "soon"),
        ("excel", "20240131"),
        ("unix", "soon"),
    ],
)
def test_no_day_is_made_of_what_is_none(tmp_path: Path, pattern: str, text: str) -> None:
    assert cells(tmp_path, "ds", [text], format=pattern) == [unread(text, pattern)]


@pytest.mark.parametrize(
    "text", ["31.01.2024", "01/02/2024", "2024/01/31", "20240131", "2024-13-01", "2024-02-30", "Jan 5 2024", "2024-W05"]
)
def test_without_a_pattern_only_iso_is_read(tmp_path: Path, text: str) -> None:
    assert cells(tmp_path, "ds", [text]) == [text]


def test_a_day_that_may_be_two_is_shown_in_both_readings() -> None:
    assert ("dd/MM/yyyy", date(2024, 2, 1)) in likely_days("01/02/2024")
    assert ("MM/dd/yyyy", date(2024, 1, 2)) in likely_days("01/02/2024")
    assert [pattern for pattern, _ in likely_days("31.01.2024")] == ["dd.MM.yyyy", "d.M.yyyy"]
    assert likely_days("soon") == []


@pytest.mark.parametrize(
    "patterns",
    [
        ("dd/MM/yyyy", "MM/dd/yyyy"),
        ("d.M.yyyy", "MM.dd.yyyy"),
        ("dd-MM-yy", "yy-MM-dd"),
        ("M/d/yyyy HH:mm", "dd/MM/yyyy HH:mm"),
    ],
)
def test_patterns_that_read_one_text_as_two_days_are_refused(patterns: tuple[str, str]) -> None:
    with pytest.raises(ValueError, match="read the same text as different days"):
        Notation(format=patterns)
    for pattern in patterns:
        Notation(format=(pattern,))


@pytest.mark.parametrize(
    ("notation", "message"),
    [
        ({"format": "TT.MM.JJJJ"}, "'TT' have no meaning"),
        ({"format": "MM/yyyy/MM"}, "names the month twice"),
        ({"format": "HH:mm"}, "gives no day"),
        ({"language": "klingon"}, "language = 'klingon' is not known"),
        ({"timezone": "Berlin"}, "timezone = 'Berlin' is not known.*expected a name such as Europe/Berlin"),
    ],
)
def test_a_pattern_that_cannot_be_is_refused(notation: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        Notation(**notation)


# weeks and serial numbers


def test_iso_weeks_stand_for_their_monday_or_the_day_that_they_state(tmp_path: Path) -> None:
    weeks = {"2024-W05": "2024-01-29", "2024-W01": "2024-01-01", "2020-W53": "2020-12-28", "2025-W01": "2024-12-30"}
    assert cells(tmp_path, "ds", list(weeks), format="YYYY-'W'ww") == list(weeks.values())
    days = {"2024-W05-1": "2024-01-29", "2024-W05-7": "2024-02-04", "2021-W53-7": None, "2020-W53-7": "2021-01-03"}
    read = [day or unread(text, "YYYY-'W'ww-e") for text, day in days.items()]
    assert cells(tmp_path, "ds", list(days), format="YYYY-'W'ww-e") == read
    assert cells(tmp_path, "ds", ["5/2024", "202405"], format=["w/YYYY", "YYYYww"]) == ["2024-01-29"] * 2


def test_serial_numbers_of_spreadsheets(tmp_path: Path) -> None:
    assert cells(tmp_path, "sold_at", ["45322", "45322.75", "45322.999988426"], format="excel") == [
        "2024-01-31 00:00:00",
        "2024-01-31 18:00:00",
        "2024-01-31 23:59:59",
    ]
    assert cells(tmp_path, "ds", ["43860"], format="excel1904") == ["2024-01-31"]
    assert cells(tmp_path, "ds", ["45322"], format="excel") == ["2024-01-31"]


def test_seconds_since_1970_are_instants_on_the_clock_of_the_place(tmp_path: Path) -> None:
    """1704083400 is 2024-01-01 04:30 UTC, which is still New Year's Eve in New York."""
    seconds, millis = ["1704083400", "1704083400.5"], ["1704083400000"]
    assert cells(tmp_path, "sold_at", seconds, NEW_YORK, format="unix") == [
        "2023-12-31 23:30:00",
        "2023-12-31 23:30:00.5",
    ]
    assert cells(tmp_path, "ds", millis, NEW_YORK, format="unix_ms") == ["2023-12-31"]
    assert cells(tmp_path, "ds", millis, {"timezone": "UTC"}, format="unix_ms") == ["2024-01-01"]
    with pytest.raises(SourceError, match=r"'cell' holds instants in UTC, such as '1704083400000'.*timezone = "):
        cells(tmp_path, "ds", millis, format="unix_ms")


# offsets and zones


@pytest.mark.parametrize(
    ("text", "kept", "in_berlin"),
    [
        ("2024-01-01T22:30:00-05:00", "2024-01-01 22:30:00", "2024-01-02 04:30:00"),
        ("2024-01-01 01:15:00 +0530", "2024-01-01 01:15:00", "2023-12-31 20:45:00"),
        ("2024-06-30 23:30:00+02:00", "2024-06-30 23:30:00", "2024-06-30 23:30:00"),
        ("2024-06-30T22:30:00.250+01", "2024-06-30 22:30:00.25", "2024-06-30 23:30:00.25"),
    ],
)
def test_an_offset_says_the_clock_of_the_place_unless_its_zone_is_known(
    tmp_path: Path, text: str, kept: str, in_berlin: str
) -> None:
    assert cells(tmp_path, "sold_at", [text]) == [kept]
    assert cells(tmp_path, "ds", [text]) == [kept[:10]]
    assert cells(tmp_path, "sold_at", [text], BERLIN) == [in_berlin]
    assert cells(tmp_path, "ds", [text], BERLIN) == [in_berlin[:10]]


def test_offsets_by_pattern(tmp_path: Path) -> None:
    shopify = "yyyy-MM-dd HH:mm:ss Z"
    texts = ["2024-01-01 22:30:00 -0500", "2024-07-01 22:30:00 -0400"]
    assert cells(tmp_path, "ds", texts, format=shopify) == ["2024-01-01", "2024-07-01"]
    assert cells(tmp_path, "ds", texts, BERLIN, format=shopify) == ["2024-01-02", "2024-07-02"]
    assert cells(tmp_path, "ds", ["31.12.2024 23:30+01:00"], format="dd.MM.yyyy HH:mmXXX") == ["2024-12-31"]


@pytest.mark.parametrize("text", ["2024-01-01T23:30:00Z", "2024-01-01 23:30:00+00:00", "2024-01-01 23:30:00 +0000"])
def test_utc_alone_is_no_clock_of_a_place(tmp_path: Path, text: str) -> None:
    with pytest.raises(SourceError) as refused:
        cells(tmp_path, "ds", [text])
    for words in ("sales.csv: the column 'cell'", f"in UTC, such as '{text}'", 'timezone = "Europe/Berlin"', '"UTC"'):
        assert words in str(refused.value)
    assert cells(tmp_path, "ds", [text], {"timezone": "UTC"}) == ["2024-01-01"]
    assert cells(tmp_path, "ds", [text], BERLIN) == ["2024-01-02"]
    # London's winter beside its summer: the offsets are those of a place.
    assert cells(tmp_path, "ds", [text, "2024-07-01T23:30:00+01:00"]) == ["2024-01-01", "2024-07-01"]


def test_days_around_the_change_of_clocks(tmp_path: Path) -> None:
    """Berlin: 31 March 2024 has 23 hours, 27 October 25. An hour that the clock shows twice is the later one."""
    instants = ["2024-03-30T23:30:00Z", "2024-03-31T00:59:59Z", "2024-03-31T01:00:00Z", "2024-03-31T22:00:00Z"]
    assert cells(tmp_path, "sold_at", instants, BERLIN) == [
        "2024-03-31 00:30:00",
        "2024-03-31 01:59:59",
        "2024-03-31 03:00:00",
        "2024-04-01 00:00:00",
    ]
    instants = ["2024-10-27T00:30:00Z", "2024-10-27T01:30:00Z", "2024-10-27T22:59:59Z", "2024-10-27T23:00:00Z"]
    assert cells(tmp_path, "sold_at", instants, BERLIN) == [
        "2024-10-27 02:30:00",
        "2024-10-27 02:30:00",
        "2024-10-27 23:59:59",
        "2024-10-28 00:00:00",
    ]
    local = ["2024-10-27 02:30:00", "2024-03-31 02:30:00", "2024-10-27 00:30:00"]
    assert cells(tmp_path, "sold_at", local, {"timezone": "UTC"}, timezone="Europe/Berlin") == [
        "2024-10-27 01:30:00",
        "2024-03-31 01:00:00",
        "2024-10-26 22:30:00",
    ]


def test_times_without_an_offset_are_the_places_unless_their_zone_is_said(tmp_path: Path) -> None:
    text = "2024-01-01 02:00:00"
    assert cells(tmp_path, "ds", [text], NEW_YORK) == ["2024-01-01"]
    assert cells(tmp_path, "ds", [text], NEW_YORK, timezone="UTC") == ["2023-12-31"]
    assert cells(tmp_path, "ds", ["01.01.2024 02:00"], NEW_YORK, timezone="UTC", format="dd.MM.yyyy HH:mm") == [
        "2023-12-31"
    ]
    with pytest.raises(SourceError, match=r"'cell' is in the zone UTC, and no zone of the place of sale is known; say"):
        cells(tmp_path, "ds", [text], timezone="UTC")


LOCATIONS = {"files": ["places.csv"], "columns": {"location_id": "store", "timezone": "tz"}}
PLACES = "store,tz\nNYC,America/New_York\nBER,Europe/Berlin\nHQ,\n"


def test_each_location_has_its_own_clock(tmp_path: Path) -> None:
    (tmp_path / "places.csv").write_text(PLACES)
    (tmp_path / "sales.csv").write_text(
        "sku,store,at,qty\n4711.0,NYC,2024-01-01T03:00:00Z,1.5\n4711.0,BER,2024-01-01T03:00:00Z,2\n"
        "4711.0,HQ,2023-12-31T23:00:00Z,3\n4711.0,BER,2023-12-31T23:00:00Z,4\n4712.0,NYC,2024-01-01 03:00:00,5\n"
    )
    columns = {"location_id": "store", "ds": "at", "sold_at": "at"}
    mapping = shop(
        columns, files=["sales.csv"], source={"timezone": "Europe/London", "feeds": {"locations": LOCATIONS}}
    )
    found = read(tmp_path, mapping)
    assert found.of("location_id", "sold_at", "ds", "sku_id", "units") == [
        ("NYC", "2023-12-31 22:00:00", "2023-12-31", "4711", "1.5"),
        ("BER", "2024-01-01 04:00:00", "2024-01-01", "4711", "2"),
        ("HQ", "2023-12-31 23:00:00", "2023-12-31", "4711", "3"),
        ("BER", "2024-01-01 00:00:00", "2024-01-01", "4711", "4"),
        ("NYC", "2024-01-01 03:00:00", "2024-01-01", "4712", "5"),
    ]


def test_a_zone_of_a_location_that_is_none_is_named(tmp_path: Path) -> None:
    (tmp_path / "places.csv").write_text("store,tz\nNYC,New York\n")
    (tmp_path / "sales.csv").write_text("sku,day,qty\nA,2024-01-01,1\n")
    with pytest.raises(SourceError, match=r"places\.csv: location 'NYC': timezone = 'New York' is not known.*expected"):
        read(tmp_path, shop(files=["sales.csv"], source={"feeds": {"locations": LOCATIONS}}))


# times of Parquet


def parquet(folder: Path, **columns: Any) -> None:
    count = len(next(iter(columns.values())))
    plain = {"sku": ["A"] * count, "day": ["2024-01-01"] * count, "qty": [1] * count}
    pq.write_table(pa.table(plain | columns), folder / "sales.parquet")


AT = {"sold_at": "at", "ds": "at"}


@pytest.mark.parametrize(
    ("zone", "place", "read"),
    [
        ("America/New_York", None, ("2024-01-01 22:30:00", "2024-01-01")),
        ("America/New_York", "Europe/Berlin", ("2024-01-02 04:30:00", "2024-01-02")),
        ("UTC", "America/New_York", ("2024-01-01 22:30:00", "2024-01-01")),
        ("UTC", "UTC", ("2024-01-02 03:30:00", "2024-01-02")),
        ("+05:30", None, ("2024-01-02 09:00:00", "2024-01-02")),
    ],
)
def test_parquet_times_with_a_zone(tmp_path: Path, zone: str, place: str | None, read: tuple[str, str]) -> None:
    instant = int(datetime.fromisoformat("2024-01-02T03:30:00+00:00").timestamp()) * 10**6
    parquet(tmp_path, at=pa.array([instant, None], pa.timestamp("us", zone)))
    found = read_parquet(tmp_path, {"timezone": place} if place else {})
    assert found == [read, (None, None)]


def read_parquet(folder: Path, source: dict[str, Any], **at: Any) -> list[Any]:
    columns = {name: {"column": "at", **at} for name in ("sold_at", "ds")}
    return read(folder, shop(columns, source=source)).of("sold_at", "ds")


def test_parquet_instants_in_utc_need_the_places_zone(tmp_path: Path) -> None:
    pd.DataFrame({"sku": "A", "qty": 1, "at": pd.to_datetime(["2024-01-02 03:30"], utc=True)}).to_parquet(
        tmp_path / "sales.parquet"
    )
    with pytest.raises(SourceError, match=r"sales\.parquet: the column 'at' holds instants in UTC.*timezone = "):
        read_parquet(tmp_path, {})


def test_parquet_times_without_a_zone_and_numbers_that_are_times(tmp_path: Path) -> None:
    parquet(tmp_path, at=pa.array([datetime(2024, 1, 1, 23, 30), None], pa.timestamp("ns")))
    assert read_parquet(tmp_path, NEW_YORK) == [("2024-01-01 23:30:00", "2024-01-01"), (None, None)]
    assert read_parquet(tmp_path, NEW_YORK, timezone="UTC")[0] == ("2024-01-01 18:30:00", "2024-01-01")
    parquet(tmp_path, at=pa.array([20240131, 20240201]))
    assert read_parquet(tmp_path, {}, format="yyyyMMdd")[0] == ("2024-01-31 00:00:00", "2024-01-31")
    parquet(tmp_path, at=pa.array([1704083400, 0]))
    assert read_parquet(tmp_path, NEW_YORK, format="unix")[0] == ("2023-12-31 23:30:00", "2023-12-31")
    parquet(tmp_path, at=pa.array(["31.01.2024", "1.2.2024"]).dictionary_encode())
    assert [day for _, day in read_parquet(tmp_path, {}, format="d.M.yyyy")] == ["2024-01-31", "2024-02-01"]


def test_a_time_is_of_a_day_whatever_its_hour(tmp_path: Path) -> None:
    text = "sku;day;qty\nA;31.01.2024 00:00;1\nA;31.01.2024 23:59;1\nA;;1\n"
    found = read_text(tmp_path, text, {"ds": {"column": "day", "format": "dd.MM.yyyy HH:mm"}}, delimiter=";")
    assert found.of("ds") == ["2024-01-31", "2024-01-31", None]
