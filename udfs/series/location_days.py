"""What the days of each location are like, known ahead: holidays, events, closures next door, festivals.

Dimensions: L locations, X days, K covariates.
"""

from __future__ import annotations

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from lakehouse.schema.tables.seasons import MAKE_UP_WORKDAY
from udfs.series.closed_days import PLANNED_CLOSURE

FLAGS = ("is_holiday", "is_event", "is_benefit_day")
NEAR = ("since_holiday", "until_holiday", "benefit_before")
CLOSURES = ("closed_before", "closed_after", "closed_ahead")
FESTIVALS = ("festival_code", "festival_day_code")
_FAR = 8
"""Days from a holiday that count as any day."""


def location_days(
    calendar: pa.Table, festivals: pa.Table | None, locations: list[str], first: int, n_days: int
) -> tuple[tuple[str, ...], np.ndarray]:
    """Names of the covariates, and (L, X, K) their values on `n_days` days from `first`, counted since 1970.

    `FLAGS` and `event_code`: 0 where the calendar has no such day; events carry the number of their name in the
    calendar's sorted names from 1, 0 for none. `NEAR`: days since and until a holiday, up to 8, and yesterday's benefit
    day, since people shop around such days, not on them alone. `CLOSURES`, where any closure is planned: whether the
    location is closed the day before and the day after, and on how many of the next three. `FESTIVALS`, where there is
    any festival: that of the nearest festival which reaches a day, coded as events are, and the days since its first
    (below 0 before it); 0 and NaN for none.

    Args:
        calendar: location_id, ds, `FLAGS`, event_name, is_closed_planned, in any order.
        festivals: location_id, ds, festival, festival_day, festival_distance_days, in any order; None for none.
        locations: L names. Codes and names are those of all locations, whichever are asked for.
    """
    # A holiday shortly before the first day or after the last one has been, or is to be, as well.
    first, n_wide = first - _FAR, n_days + 2 * _FAR
    at, use = _cells(calendar, locations, first, n_wide)
    flags_LXK = np.zeros((len(locations), n_wide, len(FLAGS) + 1))
    for k, name in enumerate((*FLAGS, PLANNED_CLOSURE)):
        flags_LXK[*at, k] = pc.fill_null(calendar[name], False).cast(pa.float64()).to_numpy()[use]
    event_LX1 = np.zeros((len(locations), n_wide, 1))
    event_LX1[*at, 0] = _codes(calendar["event_name"])[use]
    names: tuple[str, ...] = (*FLAGS, "event_code", *NEAR)
    parts = [flags_LXK[:, :, :-1], event_LX1, _near(flags_LXK)]
    if pc.any(calendar[PLANNED_CLOSURE]).as_py():
        names, parts = (*names, *CLOSURES), [*parts, _closures(flags_LXK[:, :, -1])]
    if festivals is not None and festivals.num_rows:
        names, parts = (*names, *FESTIVALS), [*parts, _festivals(festivals, locations, first, n_wide)]
    return names, np.concatenate(parts, axis=2)[:, _FAR:-_FAR]


def _cells(
    table: pa.Table, locations: list[str], first: int, n_days: int
) -> tuple[tuple[np.ndarray, np.ndarray], np.ndarray]:
    """Location and day of each row that is asked for, and which rows these are."""
    place_R = pc.index_in(table["location_id"].combine_chunks(), pa.array(locations, pa.string()))
    place_R = pc.fill_null(place_R, -1).to_numpy()
    day_R = table["ds"].cast(pa.date32()).cast(pa.int32()).to_numpy().astype(np.int64) - first
    use_R = (place_R >= 0) & (day_R >= 0) & (day_R < n_days)
    return (place_R[use_R], day_R[use_R]), use_R


def _codes(names: pa.ChunkedArray) -> np.ndarray:
    """The number of each name among the sorted ones, from 1; 0 for none."""
    known = pa.array(sorted(name for name in pc.unique(names).to_pylist() if name is not None), pa.string())
    codes: np.ndarray = pc.add(pc.fill_null(pc.index_in(names.combine_chunks(), known), -1), 1).to_numpy()
    return codes


def _near(flags_LXK: np.ndarray) -> np.ndarray:
    """(L, X, 3) `NEAR` of what `FLAGS` say of the days."""
    holiday_LX, _, benefit_LX, _ = np.moveaxis(flags_LXK, 2, 0)
    parts = [_since(holiday_LX), _since(holiday_LX[:, ::-1])[:, ::-1], _later(benefit_LX, 1)]
    return np.stack(parts, axis=2)


def _closures(closed_LX: np.ndarray) -> np.ndarray:
    """(L, X, 3) `CLOSURES`."""
    next_LX = [_later(closed_LX, -days) for days in (1, 2, 3)]
    return np.stack([_later(closed_LX, 1), next_LX[0], sum(next_LX)], axis=2)


def _festivals(table: pa.Table, locations: list[str], first: int, n_days: int) -> np.ndarray:
    """(L, X, 2) `FESTIVALS`."""
    values_LXK = np.zeros((len(locations), n_days, len(FESTIVALS)))
    values_LXK[:, :, 1] = np.nan
    # Of several on a day the nearest is written last; a make-up workday says nothing that a festival does not.
    table = table.append_column("is_less", pc.equal(table["festival"], MAKE_UP_WORKDAY))
    keys = ("is_less", "festival_distance_days", "festival")
    table = table.sort_by([(key, "descending") for key in keys])
    at, use = _cells(table, locations, first, n_days)
    values_LXK[*at, 0] = _codes(table["festival"])[use]
    values_LXK[*at, 1] = table["festival_day"].to_numpy()[use]
    return values_LXK


def _later(x_LX: np.ndarray, days: int) -> np.ndarray:
    """Each day's value on the day `days` later; at the edge that of the edge."""
    return x_LX[:, np.clip(np.arange(x_LX.shape[1]) - days, 0, x_LX.shape[1] - 1)]


def _since(flag_LX: np.ndarray) -> np.ndarray:
    """Days since a flagged day, 0 on it, at most `_FAR`."""
    day_X = np.arange(flag_LX.shape[1])
    last_LX = np.maximum.accumulate(np.where(flag_LX > 0, day_X, -_FAR), axis=1)
    return np.minimum(day_X - last_LX, _FAR).astype(np.float64)
