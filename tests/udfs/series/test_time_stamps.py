from __future__ import annotations

import datetime as dt
import re

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest

from udfs.series.time_stamps import read_as_days, stamp_text, timestamps_of

DAYS = pd.Series(pd.date_range("2024-02-27", periods=4))
HOURS = pd.Series(pd.date_range("2024-02-27 22:00", periods=4, freq="h"))


@pytest.mark.parametrize(
    "ds",
    [
        DAYS,
        DAYS.dt.date,
        DAYS.astype(object),
        DAYS.astype("datetime64[s]"),
        DAYS.astype(pd.ArrowDtype(pa.timestamp("us"))),
        DAYS.dt.date.astype(pd.ArrowDtype(pa.date32())),
        pd.Series(DAYS.to_numpy(dtype="datetime64[D]").tolist(), dtype=object),
        *(DAYS.dt.strftime(form) for form in ("%Y-%m-%d", "%Y/%m/%d", "%Y.%m.%d", "%Y%m%d", " %Y-%m-%d ")),
        *(DAYS.dt.strftime(form) for form in ("%Y-%m-%d %H:%M", "%Y-%m-%dT%H:%M:%S", "%Y-%m-%dT%H:%M:%S.%f")),
        *(DAYS.dt.strftime("%Y-%m-%d").astype(kind) for kind in ("string", "string[pyarrow]", "category")),
        pd.Series([dt.date(2024, 2, 27), "2024-02-28", dt.datetime(2024, 2, 29), pd.Timestamp("2024-03-01")]),
    ],
)
def test_days_of_any_kind_are_these_days(ds: pd.Series) -> None:
    ds = ds.set_axis([7, 7, 3, 1])
    read = timestamps_of(ds)
    assert read.dtype == "datetime64[ns]"
    assert read.tolist() == DAYS.tolist()
    assert read.index.tolist() == ds.index.tolist()


def test_text_keeps_its_time_and_months_are_their_first_day() -> None:
    assert timestamps_of(HOURS.dt.strftime("%Y-%m-%dT%H:%M")).tolist() == HOURS.tolist()
    assert timestamps_of(pd.Series(["2024-01", "2024-12"])).tolist() == [
        pd.Timestamp("2024-01-01"),
        pd.Timestamp("2024-12-01"),
    ]


@pytest.mark.parametrize(
    ("texts", "expected"),
    [
        (["03/04/2024"], "'03/04/2024': with the day first 2024-04-03, with the month first 2024-03-04; say which by"),
        (["2024-03-01", "31.12.2024"], "'31.12.2024': with the day first 2024-12-31, with the month first no day"),
        (["12-31-2024"], "'12-31-2024': with the day first no day, with the month first 2024-12-31"),
        (["1.2.24"], "'1.2.24': with the day first 2024-02-01, with the month first 2024-01-02"),
        (["03/04/2024 05:00"], "format='%d/%m/%Y') or '%m/%d/%Y'"),
        (["01/01/2024", "13/01/2024"], "'13/01/2024': with the day first 2024-01-13, with the month first no day"),
    ],
)
def test_text_with_the_year_last_is_refused_with_both_readings(texts: list[str], expected: str) -> None:
    for kind in (object, "string", "category"):
        with pytest.raises(ValueError, match=re.escape(expected)):
            timestamps_of(pd.Series(texts).astype(kind))


@pytest.mark.parametrize(
    ("ds", "message"),
    [
        (["2024-01-01", "Jan 3 2024"], "as YYYY-MM-DD in ds, found 'Jan 3 2024'"),
        (["2024-W05"], "found '2024-W05'"),
        (["2024-0131"], "found '2024-0131'"),
        (["2024-01-01", "2024-02-30"], "days that exist.* found '2024-02-30'"),
        (["2024-01-01", "9999-12-31"], "to 2262-04-10, in ds, found '9999-12-31'"),
        ([dt.date(2024, 1, 1), dt.date(9999, 12, 31)], r"found datetime.date\(9999, 12, 31\)"),
        (np.array(["9999-12-31"], dtype="datetime64[s]"), "expected stamps from 1677-09-22 to 2262-04-10"),
        (["2024-01-01", 20240102], "found 20240102 of type int"),
        (["2024-01-01T00:00:00Z"], "without a time zone, found '2024-01-01T00:00:00Z' .Z."),
        (["2024-01-01 00:00+02:00"], "without a time zone"),
        (DAYS.dt.tz_localize("Asia/Tokyo"), "without a time zone.*Asia/Tokyo.*tz_convert"),
        (DAYS.dt.tz_localize("UTC").astype(object), "without a time zone"),
        (DAYS.dt.tz_localize("UTC").astype(pd.ArrowDtype(pa.timestamp("us", tz="UTC"))), "without a time zone"),
        (DAYS.dt.to_period("D"), "found periods .* use .dt.to_timestamp"),
        (DAYS.dt.to_period("D").astype(object), "of type Period"),
        (DAYS - DAYS[0], "found Timedelta"),
    ],
)
def test_what_is_no_plain_time_is_refused_by_its_first_such_value(ds: object, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        timestamps_of(pd.Series(ds))  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("numbers", "expected"),
    [
        ([20240131, 20240201], True),
        ([20240131, 20240132], False),
        ([20240101, 5], False),
        ([20240101, 99991231], False),
        ([1706659200], False),
    ],
)
def test_whole_numbers_that_are_all_days_are_seen(numbers: list[int], expected: bool) -> None:
    assert read_as_days(pd.Series(numbers)) is expected
    assert read_as_days(pd.Series(numbers, dtype="Int64")) is expected


def test_midnight_is_shown_as_its_day() -> None:
    assert [stamp_text(s) for s in (DAYS[0], HOURS[0], dt.date(2024, 1, 2), 7)] == [
        "2024-02-27",
        "2024-02-27 22:00:00",
        "2024-01-02",
        "7",
    ]
