"""Public holidays by country and region, from the `holidays` library."""

from __future__ import annotations

from datetime import date
from functools import lru_cache

import holidays

from lakehouse.errors import ConfigError

Holidays = dict[date, str]


@lru_cache(maxsize=1)
def supported_countries() -> frozenset[str]:
    """ISO 3166 alpha-2 codes of the countries whose public holidays are known."""
    return frozenset(holidays.list_supported_countries(include_aliases=False))


def subdivision_of(country: str, region: str | None) -> str | None:
    """The region as the library's code of a subdivision, None where it is not one (the country's holidays apply)."""
    if not region:
        return None
    known = holidays.list_supported_countries(include_aliases=False).get(country, [])
    code = region.strip().upper().removeprefix(f"{country}-")
    return code if code in known else None


def public_holidays(country: str, region: str | None, first: date, last: date) -> Holidays:
    """Public holidays from `first` to `last`, day to English name; several on a day are joined by ' + ', sorted.

    Raises ConfigError for a country that the library does not know.
    """
    if country not in supported_countries():
        raise ConfigError(f"no public holidays known for country {country!r}; set an ISO 3166 alpha-2 code")
    found = holidays.country_holidays(
        country,
        subdiv=subdivision_of(country, region),
        years=range(first.year, last.year + 1),
        language=_english(country),
    )
    return {day: " + ".join(sorted(found.get_list(day))) for day in sorted(found) if first <= day <= last}


def make_up_workdays(country: str, first: date, last: date) -> list[date]:
    """Days of weekends from `first` to `last` on which a country works in place of another day, as China around its
    long holidays."""
    found = holidays.country_holidays(country, years=range(first.year, last.year + 1))
    return sorted(day for day in found.weekend_workdays if first <= day <= last)


@lru_cache(maxsize=64)
def _english(country: str) -> str | None:
    """English where the library has it, else None for the country's own language."""
    languages = holidays.list_localized_countries(include_aliases=False).get(country, [])
    return next((language for language in ("en_US", "en_GB", "en") if language in languages), None)
