"""Cron lines: five fields as Unix and Airflow have them, and the Quartz form that Databricks wants."""

from __future__ import annotations

import re

_DAYS = ("SUN", "MON", "TUE", "WED", "THU", "FRI", "SAT")
_FIELDS = (("minute", 0, 59), ("hour", 0, 23), ("day of month", 1, 31), ("month", 1, 12), ("day of week", 0, 7))
_PART = re.compile(r"(?:\*|(\w+)(?:-(\w+))?)(?:/(\d+))?")


def checked_cron(line: str) -> str:
    """The line, if it has five fields of numbers, ranges, lists and steps. Raises ValueError that names the field."""
    fields = line.split()
    if len(fields) != len(_FIELDS):
        raise ValueError(f"expected five fields (minute, hour, day of month, month, day of week), found {line!r}")
    for text, (name, least, most) in zip(fields, _FIELDS, strict=True):
        _values(text, name, least, most, _DAYS if name == "day of week" else ())
    return line


def quartz(line: str) -> str:
    """A checked line as Quartz writes it: seconds first, days of the week by name, `?` for the day that does not count.

    Raises ValueError where days of the month and of the week are both named: Quartz cannot say "either".
    """
    minute, hour, day, month, weekday = checked_cron(line).split()
    if day != "*" and weekday != "*":
        raise ValueError(f"expected days of the month or of the week, found both in {line!r}; leave one at *")
    if weekday == "*":
        return f"0 {minute} {hour} {day} {month} ?"
    numbers = {value % 7 for value in _values(weekday, "day of week", 0, 7, _DAYS)}
    return f"0 {minute} {hour} ? {month} {','.join(_DAYS[number] for number in sorted(numbers))}"


def check_quartz(line: str) -> None:
    """Raise ValueError for a line that Quartz would refuse; of its many forms those are known that `quartz` makes."""
    fields = line.split()
    if len(fields) != 6:
        raise ValueError(
            f"expected six fields (second, minute, hour, day of month, month, day of week), found {line!r}"
        )
    if (fields[3] == "?") == (fields[5] == "?"):
        raise ValueError(f"expected ? for either the day of month or the day of week, found {line!r}")
    places = (("second", 0, 59), *_FIELDS[:4], ("day of week", 1, 7))
    for text, (name, least, most) in zip(fields, places, strict=True):
        if text != "?":
            _values(text, name, least, most, _DAYS if name == "day of week" else ())


def _values(text: str, name: str, least: int, most: int, names: tuple[str, ...]) -> set[int]:
    """The numbers that a field stands for; names count from `least`."""
    known = {word: least + number for number, word in enumerate(names)}
    found: set[int] = set()
    for part in text.split(","):
        match = _PART.fullmatch(part)
        start, stop, step = match.groups() if match else (None, None, None)
        try:
            first = least if start is None else _number(start, known)
            last = _number(stop, known) if stop else first if start and not step else most
        except ValueError:
            match = None
        if match is None or not least <= first <= last <= most or step == "0":
            raise ValueError(f"expected a {name} from {least} to {most} (*, a, a-b, a,b or */n), found {text!r}")
        found |= set(range(first, last + 1, int(step or 1)))
    return found


def _number(word: str, known: dict[str, int]) -> int:
    return known[word.upper()] if word.upper() in known else int(word)
