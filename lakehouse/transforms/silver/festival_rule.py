"""When a festival is: a day of the year, a weekday of a month, a date that moves with the moon, or stated dates."""

from __future__ import annotations

import calendar
import re
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from datetime import date, timedelta
from functools import lru_cache

from dateutil.easter import easter
from holidays.calendars.chinese import _ChineseLunisolar
from holidays.calendars.hindu import _HinduLunisolar
from holidays.calendars.islamic import _IslamicLunar

from lakehouse.errors import ConfigError
from lakehouse.transforms.silver.holiday_calendar import supported_countries

WEEKDAYS = ("Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun")
_WEEKDAY_RULE = re.compile(r"^(Mon|Tue|Wed|Thu|Fri|Sat|Sun) (-?[1-5]) (1[0-2]|[1-9])$")
_DAY_RULE = re.compile(r"^(\d\d)-(\d\d)$")


@dataclass(frozen=True, slots=True)
class FestivalRule:
    """A festival that moves demand, perhaps before and after its own days.

    Attributes:
        movable: name of dates that move, of `MOVABLE`. Or
        day: month and day, "12-25". Or
        weekday: weekday, number in the month (from the end below 0) and month: "Thu 4 11" is the fourth Thursday of
            November. Or
        dates: first days, year by year as somebody states them; in a year without any there is no festival.
        is_kept: False takes a rule out that another file gives.
        shift_days: days from there to the first day of the festival.
        days: how many days it lasts.
        days_before, days_after: days around it on which sales may differ.
        countries: ISO 3166 alpha-2 codes of where it is kept; none is everywhere.

    Raises:
        ValueError: not exactly one of movable, day, weekday and dates, one that says no day, or an unknown country.
    """

    movable: str | None = None
    day: str | None = None
    weekday: str | None = None
    dates: tuple[date, ...] = ()
    is_kept: bool = True
    shift_days: int = 0
    days: int = 1
    days_before: int = 7
    days_after: int = 3
    countries: tuple[str, ...] = field(default_factory=tuple)

    def __post_init__(self) -> None:
        said = {name: value for name in ("movable", "day", "weekday", "dates") if (value := getattr(self, name))}
        if len(said) != 1:
            raise ValueError(f"FestivalRule: expected one of movable, day, weekday and dates, found {said or 'none'}")
        if self.movable is not None and self.movable not in MOVABLE:
            raise ValueError(f"FestivalRule.movable: expected one of {', '.join(MOVABLE)}, found {self.movable!r}")
        if self.day is not None and not _is_day(self.day):
            raise ValueError(f"FestivalRule.day: expected month and day such as 11-11, found {self.day!r}")
        if self.weekday is not None and not _WEEKDAY_RULE.match(self.weekday):
            raise ValueError(
                f"FestivalRule.weekday: expected weekday, number and month such as 'Thu 4 11' (or 'Mon -1 5' for the "
                f"last Monday of May), found {self.weekday!r}"
            )
        for name, least, most in (("days", 1, 60), ("days_before", 0, 60), ("days_after", 0, 60)):
            if not least <= getattr(self, name) <= most:
                raise ValueError(f"FestivalRule.{name}: expected {least} to {most}, found {getattr(self, name)}")
        if not -60 <= self.shift_days <= 60:
            raise ValueError(f"FestivalRule.shift_days: expected -60 to 60, found {self.shift_days}")
        if unknown := sorted({*self.countries} - supported_countries()):
            raise ValueError(
                "FestivalRule.countries: expected ISO 3166 alpha-2 codes of countries whose public holidays are known, "
                f"such as DE, found {', '.join(unknown)}"
            )

    def is_kept_in(self, country: str | None) -> bool:
        return self.is_kept and (not self.countries or country in self.countries)

    def years(self, first: date, last: date) -> range:
        """Years whose festival may reach a day from `first` to `last`."""
        lasts = timedelta(days=self.shift_days + self.days - 1 + self.days_after)
        leads = timedelta(days=self.days_before - self.shift_days)
        return range((first - lasts).year, (last + leads).year + 1)

    def first_days(self, year: int) -> list[date]:
        """First days of the festival that its rule counts to a year: one, or where the year is the moon's none or two.

        Raises:
            ConfigError: a year whose date is not known.
        """
        if self.movable is not None:
            days = movable_days(self.movable, year)
        elif self.dates:
            days = tuple(day for day in self.dates if day.year == year)
        elif self.day is not None:
            month, day = (int(part) for part in self.day.split("-"))
            days = (date(year, month, min(day, calendar.monthrange(year, month)[1])),)
        else:
            days = (_weekday_of(str(self.weekday), year),)
        return [day + timedelta(days=self.shift_days) for day in days]


@lru_cache(maxsize=4096)
def movable_days(name: str, year: int) -> tuple[date, ...]:
    """Days of a calendar year on which one of `MOVABLE` falls. Raises ConfigError for a year that is not known."""
    days = tuple(sorted(day for day in MOVABLE[name](year) if day is not None and day.year == year))
    if not days:
        raise ConfigError(
            f"festival dates: no date of {name} is known for {year}; state them by `dates` in the rule under "
            '[festivals] (movable = "", dates = [2040-11-04]), or take the rule out (is_kept = false)'
        )
    return days


def _is_day(text: str) -> bool:
    found = _DAY_RULE.match(text)
    if not found:
        return False
    month, day = int(found[1]), int(found[2])
    return 1 <= month <= 12 and 1 <= day <= calendar.monthrange(2024, month)[1]


def _weekday_of(rule: str, year: int) -> date:
    name, nth, month = rule.split()
    weekday, number = WEEKDAYS.index(name), int(nth)
    n_days = calendar.monthrange(year, int(month))[1]
    days = [day for day in range(1, n_days + 1) if date(year, int(month), day).weekday() == weekday]
    if abs(number) > len(days):
        number = -1  # a fifth where there are four
    return date(year, int(month), days[number - 1 if number > 0 else number])


def _chinese(name: str) -> Callable[[int], Iterable[date | None]]:
    return lambda year: [getattr(_ChineseLunisolar(), f"{name}_date")(year)[0]]


def _islamic(name: str) -> Callable[[int], Iterable[date | None]]:
    return lambda year: [day for day, _ in getattr(_IslamicLunar(), f"{name}_dates")(year)]


MOVABLE: dict[str, Callable[[int], Iterable[date | None]]] = {
    "easter": lambda year: [easter(year)],
    "lunar_new_year": _chinese("lunar_new_year"),
    "qingming": _chinese("qingming"),
    "dragon_boat": _chinese("dragon_boat"),
    "mid_autumn": _chinese("mid_autumn"),
    "ramadan": _islamic("ramadan_beginning"),
    "eid_al_fitr": _islamic("eid_al_fitr"),
    "eid_al_adha": _islamic("eid_al_adha"),
    "diwali": lambda year: [_HinduLunisolar().diwali_india_date(year)[0]],
}
"""Dates that move, by name: what the `holidays` library and the computus say."""
