"""A column of time stamps as pandas reads it, where it can be read in one way only."""

from __future__ import annotations

import re
from datetime import date
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa

_DAY = r"(?P<y>\d{4})(?P<sep>[-/.]?)(?P<m>\d{2})(?P=sep)(?P<d>\d{2})"
_TIME = r"(?P<t>[T ]\d{2}(?::?\d{2}(?::?\d{2}(?:[.,]\d+)?)?)?)?"
_ZONE = r"(?P<zone>\s*(?:Z|UTC|[+-]\d{2}(?::?\d{2})?))?"
_YEAR_FIRST = re.compile(_DAY + _TIME + _ZONE)
_MONTH = re.compile(r"\d{4}-\d{2}")
_YEAR_LAST = re.compile(r"(\d{1,2})([-/. ])(\d{1,2})[-/. ](\d{4}|\d{2})(?!\d).*")
_DAYS_AS_NUMBERS = (1900_01_01, 2100_12_31)
_TEXTUAL = (str, date, np.datetime64)


def timestamps_of(ds: pd.Series) -> pd.Series:
    """(N,) datetime64[ns] of dates, timestamps or text with the year first: 2024-01-31, 2024/01/31, 20240131, 2024-01.

    Raises:
        ValueError: stamps with a time zone, periods, or other kinds of values; text that is read in two ways, such as
            03/04/2024, or in none; stamps before 1677-09-22 or after 2262-04-10, which nanoseconds cannot count.
    """
    dtype = ds.dtype
    if isinstance(dtype, pd.PeriodDtype):
        raise ValueError(f"expected dates or timestamps in ds, found periods ({dtype}); use .dt.to_timestamp() first")
    if dtype == "datetime64[ns]":
        return ds
    if is_arrow_date(dtype):
        return ds.astype("datetime64[s]").astype("datetime64[ns]")
    if isinstance(dtype, pd.CategoricalDtype) or pd.api.types.is_string_dtype(dtype) or dtype.kind == "O":
        code, unique = pd.factorize(ds)
        read = _read(pd.Series(unique, dtype=object))
        return pd.Series(read.to_numpy()[code], index=ds.index)
    zone = getattr(dtype, "tz", None) or getattr(getattr(dtype, "pyarrow_dtype", None), "tz", None)
    if zone is not None:
        raise _zoned(ds.iloc[0], zone)
    try:
        return pd.to_datetime(ds).astype("datetime64[ns]")
    except pd.errors.OutOfBoundsDatetime as error:
        raise ValueError(f"expected stamps from 1677-09-22 to 2262-04-10 in ds, found others: {error}") from error
    except (ValueError, TypeError) as error:
        raise ValueError(f"expected dates or timestamps in ds, found {ds.iloc[0]!r} ({dtype})") from error


def is_arrow_date(dtype: Any) -> bool:
    """Whether a column holds Arrow's days without a time."""
    return isinstance(dtype, pd.ArrowDtype) and pa.types.is_date32(dtype.pyarrow_dtype)


def read_as_days(ds: pd.Series) -> bool:
    """Whether whole numbers are all days written as 20240131."""
    if ds.min() < _DAYS_AS_NUMBERS[0] or ds.max() > _DAYS_AS_NUMBERS[1]:
        return False
    return bool(pd.to_datetime(pd.Series(ds.unique()).astype(str), format="%Y%m%d", errors="coerce").notna().all())


def stamp_text(stamp: Any) -> str:
    """A stamp as messages show it, midnight as its day."""
    return str(stamp).removesuffix(" 00:00:00")


def _read(unique: pd.Series) -> pd.Series:
    """(U,) datetime64[ns] of distinct values of any kind."""
    other = next((value for value in unique if not isinstance(value, _TEXTUAL)), None)
    if other is not None:
        raise ValueError(f"expected dates or timestamps in ds, found {other!r} of type {type(other).__name__}")
    zoned = next((value for value in unique if getattr(value, "tzinfo", None) is not None), None)
    if zoned is not None:
        raise _zoned(zoned, zoned.tzinfo)
    is_text = unique.map(lambda value: isinstance(value, str)).to_numpy(dtype=bool)
    read = pd.Series(np.empty(len(unique), dtype="datetime64[ns]"))
    read[is_text] = pd.to_datetime(_iso(unique[is_text]), format="ISO8601", errors="coerce").to_numpy()
    read[~is_text] = pd.to_datetime(unique[~is_text], errors="coerce").to_numpy()
    if read.isna().any():
        raise ValueError(
            f"expected days that exist, from 1677-09-22 to 2262-04-10, in ds, found {unique[read.isna()].iloc[0]!r}"
        )
    return read


def _iso(texts: pd.Series) -> pd.Series:
    """Text with the year first as pandas' ISO8601 wants it."""
    plain = texts.str.strip()
    plain = plain.where(~plain.map(lambda text: _MONTH.fullmatch(text) is not None), plain + "-01")
    found = [_YEAR_FIRST.fullmatch(text) for text in plain]
    unreadable = [text for text, match in zip(texts, found, strict=True) if match is None]
    if unreadable:
        raise _unreadable(unreadable)
    matches = [match for match in found if match]
    zoned = next((match for match in matches if match["zone"]), None)
    if zoned is not None:
        raise _zoned(zoned[0], zoned["zone"].strip())
    return pd.Series([f"{m['y']}-{m['m']}-{m['d']}{(m['t'] or '').replace(',', '.')}" for m in matches], dtype=object)


def _unreadable(texts: list[str]) -> ValueError:
    """What was found instead of a year first, with both ways to read it, best of a text where these differ."""
    read = [(text, *_readings(text)) for text in texts]
    text, day_first, month_first, form = next((r for r in read if r[1] != r[2]), read[0])
    if not form:
        return ValueError(
            f"expected dates as YYYY-MM-DD in ds, found {text!r}; convert them by pd.to_datetime(ds, format=...) first"
        )
    return ValueError(
        f"expected dates as YYYY-MM-DD in ds, found {text!r}: with the day first {day_first}, with the month first "
        f"{month_first}; say which by pd.to_datetime(ds, format={form.format('%d', '%m')!r}) or "
        f"{form.format('%m', '%d')!r}"
    )


def _readings(text: str) -> tuple[str, str, str]:
    """A text with the year last, read with the day and with the month first, and how it is written; else "" thrice."""
    found = _YEAR_LAST.fullmatch(text.strip())
    if found is None:
        return "", "", ""
    first, sep, second, year = found.groups()
    full, sign = (int(year), "%Y") if len(year) == 4 else (2000 + int(year), "%y")
    return _day(full, second, first), _day(full, first, second), f"{{}}{sep}{{}}{sep}{sign}"


def _day(year: int, month: str, day: str) -> str:
    try:
        return date(year, int(month), int(day)).isoformat()
    except ValueError:
        return "no day"


def _zoned(value: Any, zone: Any) -> ValueError:
    return ValueError(
        f"expected ds without a time zone, found {value!r} ({zone}); turn it into the shop's own days first with "
        ".dt.tz_convert('<its zone>').dt.tz_localize(None)"
    )
