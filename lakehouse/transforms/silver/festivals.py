"""Which days are near a festival, by the rules of `conf` and the public holidays of each place."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import date, timedelta

import pyarrow as pa

from lakehouse.schema.tables import contract
from lakehouse.schema.tables.seasons import MAKE_UP_WORKDAY
from lakehouse.transforms.silver.festival_rule import FestivalRule
from lakehouse.transforms.silver.holiday_calendar import Holidays, make_up_workdays, public_holidays

TABLE = "silver.festival"
PUBLIC_HOLIDAY = FestivalRule(day="01-01", days_before=3, days_after=2)
"""How far a public holiday reaches that no rule speaks of; its days are the library's."""


@dataclass(frozen=True, slots=True)
class Spell:
    """A festival's days in one year: from `first`, `days` long, and how far around it sales may differ."""

    festival: str
    first: date
    days: int
    days_before: int
    days_after: int

    def rows(self, first: date, last: date) -> Iterator[tuple[date, str, int, int, str]]:
        """(ds, festival, festival_day, festival_distance_days, festival_phase) from `first` to `last`."""
        for day in range(-self.days_before, self.days + self.days_after):
            ds = self.first + timedelta(days=day)
            if first <= ds <= last:
                distance = -day if day < 0 else max(0, day - self.days + 1)
                phase = "before" if day < 0 else "on" if not distance else "after"
                yield ds, self.festival, day, distance, phase


def spells(
    rules: Mapping[str, FestivalRule], country: str | None, region: str | None, first: date, last: date
) -> list[Spell]:
    """Festivals that a place keeps, with reach into `first` to `last`; a public holiday within one is part of it.

    Weekend days on which work makes up for a holiday are a festival of their own.

    country: ISO 3166 alpha-2; None keeps only what is kept everywhere.

    Raises:
        ConfigError: a country whose holidays are not known, or a year for which a rule knows no day.
    """
    found = [
        Spell(name, day, rule.days, rule.days_before, rule.days_after)
        for name, rule in rules.items()
        if rule.is_kept_in(country)
        for year in rule.years(first, last)
        for day in rule.first_days(year)
    ]
    if country is None:
        return found
    of_rules = {each.first + timedelta(days=k) for each in found for k in range(each.days)}
    reach = PUBLIC_HOLIDAY
    around = first - timedelta(days=reach.days_after), last + timedelta(days=reach.days_before)
    found += [
        # "Eid al-Fitr (observed)" is that feast; a day given off in exchange is none.
        Spell(name.split(" (")[0], day, 1, reach.days_before, reach.days_after)
        for day, name in _kept(public_holidays(country, region, *around)).items()
        if day not in of_rules
    ]
    found += [Spell(MAKE_UP_WORKDAY, day, 1, 0, 0) for day in make_up_workdays(country, first, last)]
    return found


def _kept(known: Holidays) -> Holidays:
    """Without days off given for another one: in exchange, or for a holiday that falls on a weekend a few days away."""

    def is_near(day: date, name: str) -> bool:
        around = (known.get(day + timedelta(days=k), "") for k in range(-3, 4) if k)
        return any(name in other and not other.endswith("(observed)") for other in around)

    return {
        day: name
        for day, name in known.items()
        if not name.startswith("Day off") and not (name.endswith("(observed)") and is_near(day, name.split(" (")[0]))
    }


def festivals(locations: pa.Table, rules: Mapping[str, FestivalRule], first: date, last: date) -> pa.Table:
    """silver.festival of locations (location_id, country, region) from `first` to `last`, by location, day and name.

    Where one festival reaches a day from two of its years, the nearer one counts.

    Raises:
        ConfigError: see `spells`.
    """
    schema, parts = contract(TABLE).arrow_schema(), []
    at_place: dict[tuple[str | None, str | None], pa.Table] = {}
    for row in locations.sort_by("location_id").to_pylist():
        place = row["country"], row["region"]
        if place not in at_place:  # thousands of stores lie in a handful of places
            at_place[place] = _of_place(spells(rules, *place, first, last), first, last)
        rows = at_place[place]
        names = pa.repeat(pa.scalar(row["location_id"], pa.string()), rows.num_rows)
        parts.append(rows.add_column(0, "location_id", names))
    return pa.concat_tables(parts).select(schema.names).cast(schema) if parts else schema.empty_table()


def _of_place(found: list[Spell], first: date, last: date) -> pa.Table:
    nearest: dict[tuple[date, str], tuple[int, int, str]] = {}
    for spell in found:
        for ds, festival, day, distance, phase in spell.rows(first, last):
            known = nearest.get((ds, festival))
            if known is None or distance < known[1]:
                nearest[ds, festival] = day, distance, phase
    keys = sorted(nearest)
    columns = {"ds": pa.array([ds for ds, _ in keys], pa.date32()), "festival": [name for _, name in keys]}
    values = zip(*(nearest[key] for key in keys), strict=True) if keys else ([], [], [])
    named = zip(("festival_day", "festival_distance_days", "festival_phase"), values, strict=True)
    return pa.table(columns | {name: list(each) for name, each in named})
