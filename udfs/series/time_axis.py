"""Time stamps of any frequency as whole steps, and back.

Models count steps. This is the one place that knows what a step is: a day, a week, a month, an hour, or just 1.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date
from typing import Any

import numpy as np
import pandas as pd

from udfs.series.time_stamps import is_arrow_date, read_as_days, stamp_text, timestamps_of

_SECOND = 1_000_000_000
_NANOSECONDS = {
    "s": _SECOND,
    "min": 60 * _SECOND,
    "h": 3600 * _SECOND,
    "D": 86400 * _SECOND,
    "W": 7 * 86400 * _SECOND,
}
_CALENDAR = {"M": "M", "ME": "M", "MS": "M", "Q": "Q", "QE": "Q", "QS": "Q", "Y": "Y", "YE": "Y", "YS": "Y", "A": "Y"}
_DAY = _NANOSECONDS["D"]
_BLOCK = 2**15  # numbers worked on while they are in the cache
SUPPORTED = (
    "D, W (W-SUN ... W-SAT), MS or ME, QS or QE, YS or YE, h, min, s, multiples such as 15min, or a whole number"
)


class OffGridError(ValueError):
    """A stamp that is no step of its axis; `row` is its position in the column."""

    def __init__(self, ds: pd.Series, off: Any, expected: str) -> None:
        self.row = int(np.flatnonzero(off)[0])
        found = stamp_text(ds.iloc[self.row])
        super().__init__(f"expected every ds at {expected}, found {found}; check freq, or aggregate to it")


@dataclass(frozen=True, slots=True)
class TimeAxis:
    """The grid that a column of time stamps lies on.

    Attributes:
        unit: "integer", "fixed" (a fixed number of nanoseconds) or "calendar" (months, quarters, years).
        size: integers or nanoseconds a step; for "calendar" the number of months a step.
        origin: the time stamp of step 0, in integers or nanoseconds; months since 1970-01 for "calendar".
        anchor: for "calendar", "start" or "end" of the period, or "" before any time stamp was seen.
        is_date: stamps were given as dates without a time, and are given back so.
    """

    unit: str
    size: int
    origin: int = 0
    anchor: str = ""
    is_date: bool = False

    @classmethod
    def of(cls, ds: pd.Series, freq: str | int) -> TimeAxis:
        """The axis of these stamps; see `read`."""
        return cls.read(ds, freq)[0]

    @classmethod
    def read(cls, ds: pd.Series, freq: str | int) -> tuple[TimeAxis, np.ndarray]:
        """The axis of these stamps, and their (N,) int64 steps after its origin, the first of them.

        Args:
            ds: dates, timestamps or whole numbers, none missing, at least one.
            freq: see `SUPPORTED`.

        Raises:
            ValueError: a frequency that is not supported, stamps of another kind, or stamps off the grid.
        """
        if isinstance(freq, int | np.integer) or (isinstance(freq, str) and freq.isdigit()):
            return cls._of_integers(ds, int(freq))
        name, multiple = _parse(freq)
        if pd.api.types.is_numeric_dtype(ds):
            raise ValueError(
                f"expected dates or timestamps in ds for freq {freq!r}, found numbers such as {ds.iloc[0]}; pass "
                "freq=1 for steps; convert days written as 20240131 by pd.to_datetime(ds.astype(str), format='%Y%m%d')"
            )
        is_date = is_arrow_date(ds.dtype) or (ds.dtype == object and type(ds.iloc[0]) is date)
        stamps = timestamps_of(ds)
        if name in _CALENDAR:
            return cls._of_periods(ds, stamps, _CALENDAR[name], multiple, is_date)
        size = _NANOSECONDS[name] * multiple
        place = stamps.to_numpy().view(np.int64)
        origin = int(place.min())
        step, off = _whole(place, origin, size)
        if off is not None:
            first = stamp_text(ds.iloc[int(place.argmin())])
            raise OffGridError(ds, off, f"a whole number of steps of {freq} after {first}")
        return cls("fixed", size, origin, is_date=is_date and size % _DAY == 0), step

    @classmethod
    def _of_integers(cls, ds: pd.Series, size: int) -> tuple[TimeAxis, np.ndarray]:
        if size < 1 or not pd.api.types.is_integer_dtype(ds):
            raise ValueError(
                f"expected whole numbers in ds for freq {size}, found {ds.dtype} (and a freq of 1 or more)"
            )
        if read_as_days(ds):
            raise ValueError(
                f"expected steps in ds for freq {size}, found whole numbers that are all days, such as {ds.iloc[0]}; "
                "convert them with pd.to_datetime(ds.astype(str), format='%Y%m%d') and pass freq='D'"
            )
        place = ds.to_numpy(dtype=np.int64)
        origin = int(place.min())
        step, off = _whole(place, origin, size)
        if off is not None:
            raise OffGridError(ds, off, f"a whole number of steps of {size} after {origin}")
        return cls("integer", size, origin), step

    @classmethod
    def _of_periods(
        cls, ds: pd.Series, stamps: pd.Series, period: str, multiple: int, is_date: bool
    ) -> tuple[TimeAxis, np.ndarray]:
        months = {"M": 1, "Q": 3, "Y": 12}[period] * multiple
        is_start, is_end = stamps.dt.is_month_start, stamps.dt.is_month_end
        anchor = "start" if is_start.all() or not is_end.all() else "end"
        place = _months(stamps)
        origin = int(place.min())
        step, off = _whole(place, origin, months)
        on_anchor = (is_start if anchor == "start" else is_end).to_numpy()
        if off is not None or not on_anchor.all():
            raise OffGridError(
                ds,
                ~on_anchor if off is None else ~on_anchor | off,
                f"the first (or everywhere the last) day of a month, a multiple of {months} months apart",
            )
        return cls("calendar", months, origin, anchor, is_date), step

    def steps(self, ds: pd.Series) -> np.ndarray:
        """(N,) int64 steps after the origin; they may be negative.

        Raises:
            ValueError: stamps off the grid.
        """
        if self.unit == "integer":
            if not pd.api.types.is_integer_dtype(ds):
                raise ValueError(f"expected whole numbers in ds, as in the history, found {ds.dtype}")
            place = ds.to_numpy(dtype=np.int64)
        elif self.unit == "fixed":
            place = timestamps_of(ds).to_numpy().view(np.int64)
        else:
            stamps = timestamps_of(ds)
            on_anchor = stamps.dt.is_month_start if self.anchor == "start" else stamps.dt.is_month_end
            if not on_anchor.all():
                raise OffGridError(ds, ~on_anchor, f"the {self.anchor} of a month")
            place = _months(stamps)
        step, off = _whole(place, self.origin, self.size)
        if off is not None:
            raise OffGridError(ds, off, "a whole number of steps after the first of the history")
        return step

    def stamps(self, steps: np.ndarray) -> Any:
        """The (N,) time stamps of steps, of the kind that `of` was given."""
        offset = np.asarray(steps, dtype=np.int64) * self.size + self.origin
        if self.unit == "integer":
            return offset
        if self.unit == "fixed":
            stamps = offset.astype("datetime64[ns]")
        else:
            last = self.anchor == "end"
            month = (offset + last).astype("datetime64[M]").astype("datetime64[D]")
            stamps = (month - np.timedelta64(int(last), "D")).astype("datetime64[ns]")
        return stamps.astype("datetime64[D]").astype(object) if self.is_date else stamps


def _months(stamps: pd.Series) -> np.ndarray:
    """Whole months since 1970-01."""
    return ((stamps.dt.year - 1970) * 12 + stamps.dt.month - 1).to_numpy(dtype=np.int64)


def _whole(place: np.ndarray, origin: int, size: int) -> tuple[np.ndarray, np.ndarray | None]:
    """Places in whole steps of a size after the origin, and which are none; None where all are."""
    step, is_off = np.empty(len(place), dtype=np.int64), False
    for at in range(0, len(place), _BLOCK):
        offset = place[at : at + _BLOCK] - origin
        block = np.floor_divide(offset, size, out=step[at : at + _BLOCK])
        is_off = is_off or not np.array_equal(block * size, offset)
    return step, (place - origin) % size != 0 if is_off else None


def _parse(freq: str) -> tuple[str, int]:
    """(name, multiple) of a frequency string, or a ValueError that lists what is supported."""
    text = str(freq)
    digits = len(text) - len(text.lstrip("0123456789"))
    name = text[digits:].split("-")[0]
    name = {"H": "h", "T": "min", "S": "s"}.get(name, name)
    if name not in _NANOSECONDS and name not in _CALENDAR:
        raise ValueError(f"expected a freq among {SUPPORTED}; found {freq!r}")
    multiple = int(text[:digits] or 1)
    if multiple < 1:
        raise ValueError(f"expected a freq of at least one step, found {freq!r}")
    return name, multiple
