"""Patterns of dates and times: text that follows one becomes a time, and no other text does.

The letters are those of Spark and Java (yyyy MM dd HH mm ss, MMM for a month's name, a for am and pm, XXX or Z for an
offset, text in single quotes). Beside them: YYYY-'W'ww for ISO weeks, "excel" and "excel1904" for the serial numbers of
spreadsheets, "unix" and "unix_ms" for seconds and milliseconds since 1970.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from functools import cache

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from babel import Locale, UnknownLocaleError
from babel.dates import get_day_names, get_month_names

_MICROS = 1_000_000
_DAY = 86_400 * _MICROS
_LAST = 8_000 * 366 * _DAY  # beyond it a serial number is none
_OFFSET = r"(?P<offset>Z|[+-]\d\d:?\d\d|[+-]\d\d)"
_TOKEN = re.compile(r"'(?:[^']|'')*'|([A-Za-z])\1*|.", re.DOTALL)
# letters -> (part, what stands there as a regular expression)
_NUMBERS = {
    "yyyy": ("year", r"\d{4}"),
    "uuuu": ("year", r"\d{4}"),
    "YYYY": ("week_year", r"\d{4}"),
    "yy": ("short_year", r"\d{2}"),
    "MM": ("month", r"\d{2}"),
    "M": ("month", r"\d{1,2}"),
    "dd": ("day", r"\d{2}"),
    "d": ("day", r"\d{1,2}"),
    "ww": ("week", r"\d{2}"),
    "w": ("week", r"\d{1,2}"),
    "e": ("weekday", r"[1-7]"),
    "HH": ("hour", r"\d{2}"),
    "H": ("hour", r"\d{1,2}"),
    "hh": ("hour12", r"\d{2}"),
    "h": ("hour12", r"\d{1,2}"),
    "mm": ("minute", r"\d{2}"),
    "ss": ("second", r"\d{2}"),
}
_SERIALS = {
    # unit in microseconds, and the day that is number 0
    "excel": (_DAY, "1899-12-30"),
    "excel1904": (_DAY, "1904-01-01"),
    "unix": (_MICROS, "1970-01-01"),
    "unix_ms": (1_000, "1970-01-01"),
}
_OF_THE_CLOCK = ("hour", "minute", "second")
_MONTHS = (1, 12)
_BOUNDS = {
    "month": _MONTHS,
    "day": (1, 31),
    "week": (1, 53),
    "hour": (0, 23),
    "hour12": (1, 12),
    "minute": (0, 59),
    "second": (0, 59),
}
_COMMON = tuple(
    day + clock
    for day in (
        *("dd.MM.yyyy", "d.M.yyyy", "dd/MM/yyyy", "MM/dd/yyyy", "d/M/yyyy", "M/d/yyyy", "yyyy/MM/dd", "dd-MM-yyyy"),
        *("MM-dd-yyyy", "yyyyMMdd", "dd.MM.yy", "dd/MM/yy", "MM/dd/yy", "dd-MMM-yyyy", "dd MMM yyyy", "yyyy.MM.dd"),
        *("YYYY-'W'ww", "yyyy'年'M'月'd'日'"),
    )
    for clock in ("", " HH:mm", " HH:mm:ss", " hh:mm a", "'T'HH:mm:ss")
)
# Forms in use that the locales do not know, beside every name's beginning.
_OTHER_MONTHS = {"de": {"mrz": 3, "maerz": 3}, "en": {"sept": 9}, "es": {"set": 9}}


@dataclass(frozen=True, slots=True)
class Times:
    """Times read from text, one each: `wall` as datetime64[us] (NaT: not read), `offset` in minutes (NaN: none)."""

    wall: np.ndarray
    offset: np.ndarray

    @classmethod
    def none(cls, count: int) -> Times:
        return cls(np.full(count, "NaT", "datetime64[us]"), np.full(count, np.nan))

    def where_missing(self, other: Times) -> Times:
        """These times, and the other's where these are not read."""
        missing = np.isnat(self.wall)
        return Times(np.where(missing, other.wall, self.wall), np.where(missing, other.offset, self.offset))


@dataclass(frozen=True, slots=True)
class DatePattern:
    """A pattern, taken apart: the regular expression that text must follow and the parts in its groups."""

    text: str
    regex: str
    parts: tuple[str, ...]

    @classmethod
    def iso(cls) -> DatePattern:
        """yyyy-MM-dd, also with a time and an offset; month and day may have one digit."""
        clock = r"[ T](?P<hour>\d{1,2}):(?P<minute>\d{2})(?::(?P<second>\d{2})(?:\.(?P<fraction>\d{1,9}))?)?"
        regex = rf"^(?P<year>\d{{4}})-(?P<month>\d{{1,2}})-(?P<day>\d{{1,2}})(?:{clock}(?: ?{_OFFSET})?)?$"
        return cls("yyyy-MM-dd", regex, ("year", "month", "day", "hour", "minute", "second", "fraction", "offset"))

    @classmethod
    def of(cls, text: str) -> DatePattern:
        """Raises ValueError for letters without a meaning, naming those that have one."""
        if text in _SERIALS:
            return cls(text, r"^\d+(?:\.\d+)?$", ("serial",))
        regex, parts = "", []
        for token in _TOKEN.finditer(text):
            part, expression = _token(token.group(), text)
            if part is not None:
                if part in parts:
                    raise ValueError(f"format = {text!r} names the {part.replace('_', ' ')} twice")
                parts.append(part)
            regex += expression
        if not _gives_a_day(set(parts)):
            raise ValueError(f"format = {text!r} gives no day: expected letters for year, month and day (dd.MM.yyyy)")
        return cls(text, f"^{regex}$", tuple(parts))

    def read(self, texts: pa.Array, language: str = "en") -> Times:
        """The times that the texts (trimmed) state; NaT where a text does not follow the pattern or is no date."""
        if self.text in _SERIALS:
            return _serial_times(texts, *_SERIALS[self.text])
        found = pc.extract_regex(texts, self.regex)
        ok = np.asarray(pc.is_valid(found))
        parts = {name: pc.struct_field(found, name) for name in self.parts}
        numbers: dict[str, np.ndarray] = {}
        for name, values in parts.items():
            if name == "month_name":
                numbers["month"] = _by_name(values, month_numbers(language))
            elif name in _OF_THE_CLOCK:
                numbers[name] = _integers(values, 0)
            elif name not in ("offset", "half", "weekday_name", "fraction"):
                numbers[name] = _integers(values, -1)
        wall = _days(numbers, ok) + _time_of_day(numbers, parts, len(texts))
        wall[~(ok & _within_bounds(numbers))] = np.datetime64("NaT")
        return Times(wall, _offsets(parts.get("offset"), len(texts)))


def likely_days(text: str) -> list[tuple[str, date]]:
    """The common patterns that a text follows, each with the day that it then states: a hint for people, no reading."""
    found = []
    for pattern in _COMMON:
        wall = DatePattern.of(pattern).read(pa.array([text.strip()], pa.string())).wall[0]
        if not np.isnat(wall):
            found.append((pattern, wall.astype("datetime64[D]").astype(date)))
    return found


def refuse_contradicting(patterns: Sequence[DatePattern]) -> None:
    """Raise ValueError where two patterns read one text as different days: day and month would be guessed."""
    for at, one in enumerate(patterns):
        for other in patterns[at + 1 :]:
            same_shape = _shape(one) == _shape(other)
            if same_shape and one.parts != other.parts:
                raise ValueError(
                    f"format = {one.text!r} and {other.text!r} read the same text as different days; give the one that "
                    "the source means, each column its own"
                )


def _shape(pattern: DatePattern) -> str:
    """The pattern's expression without names; one digit or two are the same, as both read two."""
    return re.sub(r"\?P<\w+>", "", pattern.regex).replace(r"\d{1,2}", r"\d{2}")


def check_language(language: str) -> None:
    """Raise ValueError where the names of months are not known in a language."""
    try:
        Locale.parse(language.replace("-", "_"))
    except (UnknownLocaleError, ValueError):
        raise ValueError(f"language = {language!r} is not known; expected a code such as de, fr, es or zh") from None


@cache
def month_numbers(language: str) -> Mapping[str, int]:
    """Names of months in small letters, without dots, with accents and without, whole and short, with their number."""
    names: dict[str, int] = dict(_OTHER_MONTHS.get(language[:2], {}))
    for width in ("wide", "abbreviated"):
        for context in ("format", "stand-alone"):
            known = get_month_names(width, context, language.replace("-", "_"))
            for number, name in known.items():
                names.setdefault(name.lower().replace(".", ""), number)
                names.setdefault(_bare(name), number)
    for name, number in list(names.items()):
        if len(name) > 3 and len({n for other, n in names.items() if other.startswith(name[:3])}) == 1:
            names.setdefault(name[:3], number)
    return names


def _bare(name: str) -> str:
    """In small letters, without dots and accents, which people leave out."""
    parts = unicodedata.normalize("NFKD", name.lower().replace(".", ""))
    return "".join(part for part in parts if not unicodedata.combining(part))


@cache
def weekday_names(language: str) -> frozenset[str]:
    """Names of weekdays in small letters, without dots."""
    known = (get_day_names(width, "format", language) for width in ("wide", "abbreviated", "short"))
    return frozenset(name.lower().replace(".", "") for names in known for name in names.values())


def _token(token: str, pattern: str) -> tuple[str | None, str]:
    """The part that a token of a pattern states, None for none, and the expression for what stands there."""
    if token.startswith("'") and len(token) > 1:
        return None, re.escape(token[1:-1].replace("''", "'") or "'")
    if not token.isascii() or not token[0].isalpha():
        return None, re.escape(token)
    if token in _NUMBERS:
        part, expression = _NUMBERS[token]
        return part, f"(?P<{part}>{expression})"
    if token in ("MMM", "MMMM"):
        return "month_name", r"(?P<month_name>[^\s\d]+)"
    if token in ("E", "EE", "EEE", "EEEE"):
        return "weekday_name", r"(?P<weekday_name>[^\s\d]+)"
    if token == "a":
        return "half", r"(?P<half>[AaPp]\.?[Mm]\.?)"
    if set(token) == {"S"}:
        return "fraction", rf"(?P<fraction>\d{{{len(token)}}})"
    if token[0] in "XxZ":
        return "offset", _OFFSET
    raise ValueError(
        f"format = {pattern!r}: the letters {token!r} have no meaning; known are {', '.join(sorted(_NUMBERS))}, MMM, "
        "EEE, a, SSS, Z, text in 'quotes', and excel, excel1904, unix, unix_ms"
    )


def _gives_a_day(parts: set[str]) -> bool:
    year, month = parts & {"year", "short_year"}, parts & {"month", "month_name"}
    return bool((year and month) or {"week_year", "week"} <= parts)


def _integers(values: pa.Array, absent: int) -> np.ndarray:
    return np.asarray(pc.fill_null(pc.cast(pc.if_else(pc.equal(values, ""), None, values), pa.int64()), absent))


def _by_name(values: pa.Array, numbers: Mapping[str, int]) -> np.ndarray:
    names = [_bare(name) if name else "" for name in values.to_pylist()]
    return np.array([numbers.get(name, -1) for name in names], dtype=np.int64)


def _within_bounds(numbers: Mapping[str, np.ndarray]) -> np.ndarray:
    within = np.ones(len(next(iter(numbers.values()))), dtype=bool)
    for name, values in numbers.items():
        low, high = _BOUNDS.get(name, (0, 9999))
        within &= (values >= low) & (values <= high)
    return within


def _days(numbers: Mapping[str, np.ndarray], ok: np.ndarray) -> np.ndarray:
    """Midnight of each day, NaT for a day that its month does not have."""
    if "week" in numbers:
        return _days_of_weeks(numbers, ok)
    year = numbers["year"] if "year" in numbers else numbers["short_year"] + 2000
    year, month = np.where(ok, year, 1970), np.where(ok, np.clip(numbers["month"], *_MONTHS), 1)
    day = np.where(ok, numbers.get("day", np.ones_like(year)), 1)
    months = ((year - 1970) * 12 + month - 1).astype("datetime64[M]")
    days = months.astype("datetime64[D]") + (day - 1)
    days[days.astype("datetime64[M]") != months] = np.datetime64("NaT")
    return days.astype("datetime64[us]")


def _days_of_weeks(numbers: Mapping[str, np.ndarray], ok: np.ndarray) -> np.ndarray:
    """The Monday of an ISO week, or its stated weekday: the week with the fourth of January is the first."""
    year, week = np.where(ok, numbers["week_year"], 1970), np.where(ok, numbers["week"], 1)
    fourth = (year - 1970).astype("datetime64[Y]").astype("datetime64[D]") + 3
    monday = fourth - (fourth.astype(np.int64) + 3) % 7
    days = monday + 7 * (week - 1) + (numbers["weekday"] - 1 if "weekday" in numbers else 0)
    thursday = monday + 7 * (week - 1) + 3
    days[thursday.astype("datetime64[Y]").astype(np.int64) + 1970 != year] = np.datetime64("NaT")
    return days.astype("datetime64[us]")


def _time_of_day(numbers: Mapping[str, np.ndarray], parts: Mapping[str, pa.Array], count: int) -> np.ndarray:
    hours = numbers.get("hour", np.zeros(count, np.int64))
    if "hour12" in numbers:
        half = parts.get("half")
        late = np.zeros(count, bool) if half is None else pc.fill_null(pc.starts_with(pc.utf8_lower(half), "p"), False)
        hours = numbers["hour12"] % 12 + 12 * np.asarray(late)
    seconds = hours * 3600 + numbers.get("minute", 0) * 60 + numbers.get("second", 0)
    micros = seconds * _MICROS
    if "fraction" in parts:
        digits = [(text or "0")[:6].ljust(6, "0") for text in parts["fraction"].to_pylist()]
        micros = micros + np.array(digits, dtype=np.int64)
    return np.asarray(micros).astype("timedelta64[us]")


def _offsets(texts: pa.Array | None, count: int) -> np.ndarray:
    """Minutes east of UTC; NaN without an offset."""
    if texts is None:
        return np.full(count, np.nan)
    known = texts.dictionary_encode()
    minutes = np.array([offset_minutes(text) for text in known.dictionary.to_pylist()] or [np.nan])
    at = np.asarray(pc.fill_null(known.indices, 0))
    return np.where(np.asarray(pc.is_valid(known.indices)), minutes[at], np.nan)


def offset_minutes(text: str) -> float:
    """Minutes east of UTC of an offset such as Z, +01:00, -0500; NaN for ''."""
    if not text:
        return float("nan")
    if text == "Z":
        return 0.0
    digits = text[1:].replace(":", "")
    return (1 if text[0] == "+" else -1) * (int(digits[:2]) * 60 + int(digits[2:] or 0))


def _serial_times(texts: pa.Array, unit: int, origin: str) -> Times:
    numbers = pc.cast(pc.if_else(pc.match_substring_regex(texts, r"^\d{1,13}(\.\d+)?$"), texts, None), pa.float64())
    values = np.asarray(pc.fill_null(numbers, np.nan), dtype=np.float64)
    known = np.isfinite(values) & (values * unit < _LAST)
    micros = np.rint(np.where(known, values, 0.0) * unit / 1000) * 1000  # a serial number is good to the millisecond
    wall = np.datetime64(origin, "us") + micros.astype(np.int64)
    is_instant = known & (unit < _DAY)  # seconds since 1970 are counted in UTC
    return Times(np.where(known, wall, np.datetime64("NaT")), np.where(is_instant, 0.0, np.nan))
