"""Days on which a location could sell: mistyped days, feeds whose rows are weeks, weekdays and spells without trade.

All from one small table: rows and rows with a sale by location and day.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date, timedelta

import numpy as np
import pyarrow as pa

_EPOCH = date(1970, 1, 1)


@dataclass(frozen=True, slots=True)
class TradingSpec:
    """When a day without a sale says that the location was closed, not that nobody wanted anything.

    Attributes:
        chance: a spell is a closure where days without a sale would follow each other by chance less often than this.
        busy_rows: rows a day from which on a single day without any is no chance.
        least_days: days of trade outside the spell without which nothing is concluded.
        weekday_share: share of a weekday's days with a sale up to which the location is closed on that weekday.
        gone_days: a last spell longer than this is no closure: the location has been given up.
        stray_gap_days, stray_share: days that far from all others, with a smaller share of the rows, are mistyped;
        lone_gap_days, lone_rows: and so are days that far away with so few rows, however few there are in all.
    """

    chance: float = 0.001
    busy_rows: float = 20.0
    least_days: int = 28
    weekday_share: float = 0.02
    gone_days: int = 42
    stray_gap_days: int = 90
    stray_share: float = 0.005
    lone_gap_days: int = 365
    lone_rows: int = 2


@dataclass(frozen=True, slots=True)
class Spell:
    """Days without a sale of a location, first and last; `kind` is closed, weekday (closed every week) or gone."""

    location_id: str
    first: date
    last: date
    kind: str

    def days(self) -> Iterator[date]:
        for number in range((self.last - self.first).days + 1):
            yield self.first + timedelta(days=number)


def stray_days(census: pa.Table, spec: TradingSpec = TradingSpec()) -> list[date]:
    """Days of rows that lie far from all others and are few: a typing error in the date, or a system's null date.

    census: location_id, ds (date), rows, sold.
    """
    days, rows = _by_day(census)
    if not len(days):
        return []
    group, sums = _groups(days, rows, spec.stray_gap_days)
    lone_group, lone_sums = _groups(days, rows, spec.lone_gap_days)
    is_lone = (lone_sums <= spec.lone_rows)[lone_group] & (rows.sum() >= 10 * spec.lone_rows)
    is_stray = (sums < spec.stray_share * rows.sum())[group] | is_lone
    return [_date(int(day)) for day in days[is_stray]]


def _groups(days: np.ndarray, rows: np.ndarray, gap_days: int) -> tuple[np.ndarray, np.ndarray]:
    """The group of each day, parted by gaps longer than `gap_days`, and the rows of each group."""
    group = np.concatenate([[0], np.cumsum(np.diff(days) > gap_days)])
    return group, np.bincount(group, rows)


def summed_period(census: pa.Table) -> str | None:
    """The period, week or month, that lies between the days with rows, so that a row is no day's sales; None else."""
    days, _ = _by_day(census)
    if len(days) < 6:
        return None
    gaps = np.diff(days)
    if gaps.min() >= 6 and np.mean(gaps % 7 == 0) >= 0.9:
        return "week"
    return "month" if gaps.min() >= 27 and np.mean(gaps <= 31) >= 0.9 else None


def closures(census: pa.Table, last_day: date, spec: TradingSpec = TradingSpec()) -> list[Spell]:
    """The spells in which locations were closed, from each one's first sale to `last_day`, by location and day.

    census: as in `stray_days`, without these. A weekday on which a location hardly ever sells, though it sells on most
    others, is closed every week; its spells are single days. Of the other days, days in a row without a sale are a
    closure where chance hardly explains them: where `r` is the share of days without a sale outside the spell (half a
    day added), r to the power of the spell's length is below `chance`, or the location else has many rows a day. Where
    the feed states zeros for such days, it takes three in a row.
    """
    found: list[Spell] = []
    names = census["location_id"].to_numpy(zero_copy_only=False)
    day = census["ds"].cast(pa.int32()).to_numpy().astype(np.int64)
    rows, sold = (census[name].to_numpy().astype(np.float64) for name in ("rows", "sold"))
    for name in sorted({name for name in names if name is not None}):
        own = names == name
        if (own & (sold > 0)).any():
            found += _of_location(name, day[own], rows[own], sold[own] > 0, (last_day - _EPOCH).days, spec)
    return found


def _of_location(
    name: str, day: np.ndarray, rows: np.ndarray, has_sale: np.ndarray, last: int, spec: TradingSpec
) -> list[Spell]:
    first = int(day[has_sale].min())
    count = last - first + 1
    sold_T, stated_T = np.zeros(count, bool), np.zeros(count, bool)
    within = (day >= first) & (day <= last)
    sold_T[day[within & has_sale] - first] = True
    stated_T[day[within] - first] = True
    weekday_T = (np.arange(first, last + 1) + 3) % 7
    shut_T = np.isin(weekday_T, _shut_weekdays(sold_T, stated_T, weekday_T, spec)) & ~sold_T
    spells = [Spell(name, _date(first + int(at)), _date(first + int(at)), "weekday") for at in np.flatnonzero(shut_T)]
    busy = float(np.median(rows[has_sale])) >= spec.busy_rows
    open_T = np.flatnonzero(~shut_T)
    for begin, end in _runs(~sold_T[open_T]):
        length, outside = end - begin, len(open_T) - (end - begin)
        quiet = int((~sold_T[open_T]).sum()) - length
        chance = ((quiet + 0.5) / (outside + 1)) ** length
        states_zeros = stated_T[open_T[begin:end]].any() and length < 3
        if outside < spec.least_days or states_zeros or (chance >= spec.chance and not busy):
            continue
        one, other = first + int(open_T[begin]), first + int(open_T[end - 1])
        is_gone = other == last and other - one + 1 > spec.gone_days
        spells.append(Spell(name, _date(one), _date(other), "gone" if is_gone else "closed"))
    return sorted(spells, key=lambda spell: (spell.first, spell.last))


def _shut_weekdays(sold_T: np.ndarray, stated_T: np.ndarray, weekday_T: np.ndarray, spec: TradingSpec) -> list[int]:
    """Weekdays on which the location never trades, though it does on most others; 0 is Monday."""
    share = np.array([sold_T[weekday_T == w].mean() if (weekday_T == w).any() else 1.0 for w in range(7)])
    stated = np.array([stated_T[weekday_T == w].mean() if (weekday_T == w).any() else 1.0 for w in range(7)])
    often = np.array([(weekday_T == w).sum() >= 8 for w in range(7)])
    shut = often & (share <= spec.weekday_share) & (stated < 0.5)
    return np.flatnonzero(shut).tolist() if shut.any() and share[~shut].mean() >= 0.5 else []


def _runs(flags: np.ndarray) -> Iterator[tuple[int, int]]:
    """Begin and end (exclusive) of each run of True."""
    edges = np.diff(np.concatenate([[0], flags.astype(np.int8), [0]]))
    yield from zip(np.flatnonzero(edges == 1).tolist(), np.flatnonzero(edges == -1).tolist(), strict=True)


def _by_day(census: pa.Table) -> tuple[np.ndarray, np.ndarray]:
    """Days since 1970 in rising order, and the rows of each."""
    day = census["ds"].cast(pa.int32()).to_numpy().astype(np.int64)
    days, at = np.unique(day, return_inverse=True)
    return days, np.bincount(at, census["rows"].to_numpy().astype(np.float64), minlength=len(days))


def _date(day: int) -> date:
    return _EPOCH + timedelta(days=int(day))
