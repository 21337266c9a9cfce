from __future__ import annotations

import datetime as dt

import numpy as np
import pandas as pd
import pytest

from udfs.series.time_axis import OffGridError, TimeAxis


@pytest.mark.parametrize(
    ("freq", "start", "peer"),
    [
        ("D", "2024-02-25", "D"),
        ("W", "2024-02-25", "W-SUN"),
        ("W-WED", "2024-02-28", "W-WED"),
        ("MS", "2023-11-01", "MS"),
        ("ME", "2023-11-30", "ME"),
        ("M", "2023-11-30", "ME"),
        ("QE", "2023-12-31", "QE"),
        ("QS", "2023-10-01", "QS"),
        ("YS", "2019-01-01", "YS"),
        ("h", "2024-02-28 05:00", "h"),
        ("15min", "2024-02-28 05:45", "15min"),
        ("6h", "2024-02-28 05:00", "6h"),
    ],
)
def test_steps_count_what_pandas_lists_and_stamps_go_on_as_it_does(freq: str, start: str, peer: str) -> None:
    listed = pd.Series(pd.date_range(start, periods=30, freq=peer))
    axis = TimeAxis.of(listed[:20], freq)
    np.testing.assert_array_equal(axis.steps(listed), np.arange(30))
    np.testing.assert_array_equal(axis.stamps(np.arange(30)), listed.to_numpy())


def test_integers_and_dates_come_back_as_they_were_given() -> None:
    steps = pd.Series([10, 12, 16])
    axis = TimeAxis.of(steps, 2)
    assert axis.steps(steps).tolist() == [0, 1, 3]
    assert axis.stamps(np.array([4])).tolist() == [18]
    days = pd.Series([dt.date(2024, 2, 28), dt.date(2024, 3, 1)])
    axis = TimeAxis.of(days, "D")
    assert axis.steps(days).tolist() == [0, 2]
    assert axis.stamps(np.array([3])).tolist() == [dt.date(2024, 3, 2)]
    assert TimeAxis.of(days, "h").stamps(np.array([1])).tolist() == np.array(["2024-02-28T01"], "M8[ns]").tolist()


@pytest.mark.parametrize(
    ("ds", "freq", "message"),
    [
        (["2024-01-01"], "B", "a freq among D, W"),
        (["2024-01-01"], "0D", "at least one step"),
        ([1, 2], "D", "pass freq=1"),
        ([1.5, 2.0], 1, "whole numbers"),
        ([1, 2], 0, "whole numbers"),
        ([1, 2], 2, "whole number of steps of 2 after 1, found 2"),
        (["2024-01-01", "2024-01-05"], "W", "found 2024-01-05"),
        (["2024-01-01", "2024-02-15"], "MS", "found 2024-02-15"),
        (["2024-01-01", "2024-02-01"], "QS", "found 2024-02-01"),
        (["not a day"], "D", "dates as YYYY-MM-DD in ds, found 'not a day'"),
        (["2024-01-01", "03/04/2024"], "D", "with the day first 2024-04-03, with the month first 2024-03-04"),
        ([20240131, 20240201], "D", "found numbers such as 20240131; pass freq=1 for steps"),
        ([20240131, 20240201], 1, "whole numbers that are all days, such as 20240131"),
        (pd.Series(pd.date_range("2024-01-01", periods=2, tz="UTC")), "D", "time zone"),
    ],
)
def test_stamps_off_the_grid_and_unknown_frequencies_are_refused(ds: object, freq: str | int, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        TimeAxis.of(pd.Series(ds), freq)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("ds", "freq", "row"),
    [
        ([1, 3, 4, 5], 2, 2),
        (["2024-01-01", "2024-01-08", "2024-01-09"], "W", 2),
        (["2024-01-01", "2024-02-15", "2024-03-01"], "MS", 1),
    ],
)
def test_a_stamp_off_the_grid_is_pointed_at(ds: list[object], freq: str | int, row: int) -> None:
    with pytest.raises(OffGridError, match=f"found {ds[row]};") as raised:
        TimeAxis.of(pd.Series(ds), freq)
    assert raised.value.row == row


def test_later_stamps_must_lie_on_the_same_grid() -> None:
    with pytest.raises(ValueError, match="found 2024-01-02 05:00"):
        TimeAxis.of(pd.Series(["2024-01-01"]), "D").steps(pd.Series(["2024-01-02 05:00"]))
    with pytest.raises(ValueError, match=r"expected whole numbers in ds, as in the history, found datetime64"):
        TimeAxis.of(pd.Series([3, 4]), 1).steps(pd.Series(pd.date_range("2024-01-01", periods=2)))
    with pytest.raises(ValueError, match="the end of a month"):
        TimeAxis.of(pd.Series(["2024-01-31"]), "ME").steps(pd.Series(["2024-02-15"]))
