"""Calendar features of each (location, day), worked out once per distinct day and gathered per row."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, timedelta

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from udfs.demand.features.feature_kernel import spread
from udfs.series.arrow_arrays import bools, one_chunk

EPOCH = date(1970, 1, 1)


@dataclass(frozen=True, slots=True)
class DayFeatures:
    """Features of the days from `first_day` on: one value per day (D) or per location and day (LD)."""

    first_day: int
    day_of_week_D: np.ndarray
    week_of_year_D: np.ndarray
    month_D: np.ndarray
    is_month_end_D: np.ndarray
    is_holiday_LD: np.ndarray
    is_event_LD: np.ndarray

    def gather(self, location_S: np.ndarray, day_S: np.ndarray, lengths_S: np.ndarray) -> list[pa.Array]:
        """Return the six feature columns for runs of `lengths_S` days from `day_S` on, one run per series."""
        n = int(lengths_S.sum())
        at_S = day_S - self.first_day
        columns = []
        for values_D in (self.day_of_week_D, self.week_of_year_D, self.month_D):
            out = np.empty(n, np.int8)
            spread(values_D, at_S, lengths_S, out)
            columns.append(pa.array(out))
        cell_S = location_S * self.day_of_week_D.size + at_S
        for values, first_S in (
            (self.is_month_end_D, at_S),
            (self.is_holiday_LD.ravel(), cell_S),
            (self.is_event_LD.ravel(), cell_S),
        ):
            out = np.empty(n, np.int8)
            spread(values, first_S, lengths_S, out)
            columns.append(bools(out))
        return columns


def day_features(calendar: pa.Table, locations: pa.Array, first_day: int, last_day: int) -> DayFeatures:
    """Work out the calendar features of the days `first_day`..`last_day` (days since 1970-01-01).

    `calendar` has `location_id`, `ds`, `is_holiday`, `is_event`; a (location, day) that it lacks, and a null,
    is neither holiday nor event. The week is ISO 8601: Monday is day 1. Raises ValueError where the calendar
    names a (location, day) twice.
    """
    days = pa.array(np.arange(first_day, last_day + 2, dtype=np.int32)).view(pa.date32())
    months = pc.month(days).to_numpy().astype(np.int8)
    days = days.slice(0, last_day - first_day + 1)
    holiday_LD, event_LD = _flags(calendar, locations, first_day, len(days))
    return DayFeatures(
        first_day=first_day,
        day_of_week_D=pc.day_of_week(days, count_from_zero=False, week_start=1).to_numpy().astype(np.int8),
        week_of_year_D=pc.iso_week(days).to_numpy().astype(np.int8),
        month_D=months[:-1],
        is_month_end_D=(months[:-1] != months[1:]).astype(np.int8),
        is_holiday_LD=holiday_LD,
        is_event_LD=event_LD,
    )


def _flags(calendar: pa.Table, locations: pa.Array, first_day: int, n_days: int) -> tuple[np.ndarray, np.ndarray]:
    location = one_chunk(calendar["location_id"])
    if pa.types.is_dictionary(location.type):
        location = location.cast(location.type.value_type)
    row = pc.index_in(location.cast(pa.string()), value_set=locations)
    row_C = pc.fill_null(row, -1).to_numpy(zero_copy_only=False).astype(np.int64)
    day_C = one_chunk(calendar["ds"]).cast(pa.int32()).to_numpy(zero_copy_only=False) - first_day
    used_C = (row_C >= 0) & (day_C >= 0) & (day_C < n_days)
    cell_C = (row_C * n_days + day_C)[used_C].astype(np.int64)
    count = np.bincount(cell_C, minlength=len(locations) * n_days)
    if count.size and count.max() > 1:
        cell = int(np.argmax(count))
        where, day = locations[cell // n_days], EPOCH + timedelta(days=first_day + cell % n_days)
        raise ValueError(
            f"calendar: expected one row per location and day, found {count[cell]} for location_id {where} on"
            f" {day}; merge its feeds before the features"
        )
    flags = []
    for name in ("is_holiday", "is_event"):
        out = np.zeros(len(locations) * n_days, np.int8)
        values = pc.fill_null(one_chunk(calendar[name]), False).to_numpy(zero_copy_only=False)
        out[cell_C] = values[used_C]
        flags.append(out.reshape(len(locations), n_days))
    return flags[0], flags[1]
