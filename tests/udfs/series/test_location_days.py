"""What the days of each location are like: closures next door, the nearest festival."""

from __future__ import annotations

import datetime as dt

import numpy as np
import pyarrow as pa

from udfs.series.location_days import CLOSURES, FESTIVALS, FLAGS, NEAR, location_days

FIRST = dt.date(2024, 3, 1)
USUAL = (*FLAGS, "event_code", *NEAR)
FESTIVAL_SCHEMA = pa.schema(
    [
        ("location_id", pa.string()),
        ("ds", pa.date32()),
        ("festival", pa.string()),
        ("festival_day", pa.int32()),
        ("festival_distance_days", pa.int32()),
    ]
)


def _calendar(*closed: tuple[str, int]) -> pa.Table:
    rows = [(place, k) for place in ("n", "s") for k in range(10)]
    return pa.table(
        {
            "location_id": [place for place, _ in rows],
            "ds": pa.array([FIRST + dt.timedelta(days=k) for _, k in rows], pa.date32()),
            **{name: pa.nulls(len(rows), pa.bool_()) for name in FLAGS},
            "event_name": pa.nulls(len(rows), pa.string()),
            "is_closed_planned": [row in closed for row in rows],
        }
    )


def _festivals(*rows: tuple[str, int, str, int, int]) -> pa.Table:
    days = [(place, FIRST + dt.timedelta(days=k), *rest) for place, k, *rest in rows]
    return pa.Table.from_pylist([dict(zip(FESTIVAL_SCHEMA.names, row, strict=True)) for row in days], FESTIVAL_SCHEMA)


def _days(calendar: pa.Table, festivals: pa.Table | None) -> tuple[tuple[str, ...], np.ndarray]:
    return location_days(calendar, festivals, ["n", "s"], (FIRST - dt.date(1970, 1, 1)).days + 2, 5)


def test_nothing_is_added_where_nothing_is_known() -> None:
    for festivals in (None, FESTIVAL_SCHEMA.empty_table()):
        names, values_LXK = _days(_calendar(), festivals)
        assert names == USUAL
        assert values_LXK.shape == (2, 5, len(USUAL))


def test_closures_next_door_are_told_from_both_sides() -> None:
    """Days 2 to 6 are asked for; the closure of day 7 lies behind the last."""
    names, values_LXK = _days(_calendar(("n", 4), ("n", 7)), None)
    assert names == (*USUAL, *CLOSURES)
    before_X, after_X, ahead_X = values_LXK[0, :, -3:].T.tolist()
    assert before_X == [0, 0, 0, 1, 0]
    assert after_X == [0, 1, 0, 0, 1]
    assert ahead_X == [1, 1, 1, 1, 1]
    assert not values_LXK[1, :, -3:].any()


def test_the_nearest_festival_of_the_location_is_told_in_codes_of_all() -> None:
    festivals = _festivals(
        ("n", 3, "fair", -4, 4),
        ("n", 3, "easter", 2, 1),
        ("n", 4, "make_up_workday", 0, 0),
        ("n", 4, "fair", -3, 3),
        ("elsewhere", 3, "carnival", 0, 0),
    )
    names, values_LXK = _days(_calendar(), festivals)
    assert names == (*USUAL, *FESTIVALS)
    assert values_LXK[0, :, -2].tolist() == [0, 2, 3, 0, 0], "carnival is 1, easter 2, fair 3"
    assert np.array_equal(values_LXK[0, :, -1], [np.nan, 2, -3, np.nan, np.nan], equal_nan=True)
    assert not values_LXK[1, :, -2].any()
