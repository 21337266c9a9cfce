"""Time stamps of any frequency as whole steps, and back.

Models count steps. This is the one place that knows what a step is: a day, a week, a month, an hour, or just 1.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date
from typing import Any

import numpy as np
import pandas as pd

_SECOND = 1_000_000_000
_NANOSECONDS = {
    "s": _SECOND,
    "min": 60 * _SECOND,
    "h": 3600 * _SECOND,
    "D": 86400 * _SECOND,
    "W": 7 * 86400 * _SECOND,
}
_CALENDAR = {"M": "M", "ME": "M", "MS": "M", "Q": "Q", "QE": "Q", "QS": "Q", "Y": "Y", "YE": "Y", "YS": "Y", "A": "Y"}
SUPPORTED = (
    "D, W (W-SUN ... W-SAT), MS or ME, QS or QE, YS or YE, h, min, s, multiples such as 15min, or a whole number"
)


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
        """The axis of these stamps.

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
                f"expected dates or timestamps in ds for freq {freq!r}, found numbers; pass freq=1 for steps"
            )
        is_date = ds.dtype == object and type(ds.iloc[0]) is date
        stamps = _as_datetime(ds)
        if name in _CALENDAR:
            return cls._of_periods(stamps, _CALENDAR[name], multiple, is_date)
        size = _NANOSECONDS[name] * multiple
        origin = int(stamps.min().value)
        axis = cls("fixed", size, origin, is_date=is_date)
        off = (stamps.astype("int64").to_numpy() - origin) % size != 0
        if off.any():
            raise _off_grid(stamps[off].iloc[0], f"a whole number of steps of {freq} after {stamps.min()}")
        return axis

    @classmethod
    def _of_integers(cls, ds: pd.Series, size: int) -> TimeAxis:
        if size < 1 or not pd.api.types.is_integer_dtype(ds):
            raise ValueError(
                f"expected whole numbers in ds for freq {size}, found {ds.dtype} (and a freq of 1 or more)"
            )
        axis = cls("integer", size, int(ds.min()))
        off = (ds.to_numpy(dtype=np.int64) - axis.origin) % size != 0
        if off.any():
            raise _off_grid(ds[off].iloc[0], f"a whole number of steps of {size} after {axis.origin}")
        return axis

    @classmethod
    def _of_periods(cls, stamps: pd.Series, period: str, multiple: int, is_date: bool) -> TimeAxis:
        months = {"M": 1, "Q": 3, "Y": 12}[period] * multiple
        is_start, is_end = stamps.dt.is_month_start, stamps.dt.is_month_end
        anchor = "start" if is_start.all() or not is_end.all() else "end"
        month = (stamps.dt.year - 1970) * 12 + stamps.dt.month - 1
        origin = int(month.min())
        off = ~(is_start if anchor == "start" else is_end) | ((month - origin) % months != 0)
        if off.any():
            raise _off_grid(stamps[off].iloc[0], f"the first (or everywhere the last) day of a month, {months} apart")
        return cls("calendar", months, origin, anchor, is_date)

    def steps(self, ds: pd.Series) -> np.ndarray:
        """(N,) int64 steps after the origin; they may be negative.

        Raises:
            ValueError: stamps off the grid.
        """
        if self.unit == "integer":
            offset = ds.to_numpy(dtype=np.int64) - self.origin
        elif self.unit == "fixed":
            offset = _as_datetime(ds).astype("int64").to_numpy() - self.origin
        else:
            stamps = _as_datetime(ds)
            on_anchor = stamps.dt.is_month_start if self.anchor == "start" else stamps.dt.is_month_end
            if not on_anchor.all():
                raise _off_grid(stamps[~on_anchor].iloc[0], f"the {self.anchor} of a month")
            offset = ((stamps.dt.year - 1970) * 12 + stamps.dt.month - 1 - self.origin).to_numpy(dtype=np.int64)
        off = offset % self.size != 0
        if off.any():
            raise _off_grid(ds[off].iloc[0], "a whole number of steps after the first of the history")
        return np.asarray(offset // self.size)

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


def _as_datetime(ds: pd.Series) -> pd.Series:
    try:
        stamps = pd.to_datetime(ds)
    except (ValueError, TypeError) as error:
        raise ValueError(f"expected dates or timestamps in ds, found {ds.iloc[0]!r}: {error}") from error
    if getattr(stamps.dt, "tz", None) is not None:
        raise ValueError("expected ds without a time zone, found one; convert with .dt.tz_localize(None) first")
    return stamps.astype("datetime64[ns]")


def _off_grid(found: Any, expected: str) -> ValueError:
    return ValueError(f"expected every ds at {expected}, found {found}; check freq, or aggregate to it")
