"""On which days orders can be placed: every so many days, or on weekdays, supplier by supplier."""

from __future__ import annotations

import re
from dataclasses import dataclass, fields
from datetime import date
from typing import Final

import numpy as np
from numpy.typing import NDArray

from udfs.inventory.demand_distribution import FloatArray

WEEKDAYS: Final = ("Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday")
_WEEK: Final = len(WEEKDAYS)
MOST_REVIEW_DAYS: Final = 365
_MONDAY: Final = -3  # 1970-01-01, day 0, was a Thursday


@dataclass(frozen=True, slots=True)
class SupplierTerms:
    """When a supplier takes orders; what is not stated is as for all.

    review_weekdays: names such as "Mon", or ISO numbers. review_days: days from one review to the next, and
    first_review, one of their days. Raises ValueError for both, for an unknown weekday or a period out of range.
    """

    review_weekdays: tuple[str, ...] = ()
    review_days: int | None = None
    first_review: date | None = None

    def __post_init__(self) -> None:
        weekday_numbers(", ".join(self.review_weekdays))  # raises
        if self.review_weekdays and self.review_days is not None:
            raise ValueError("review_days: expected either review_weekdays or review_days, found both")
        if self.review_days is not None and not (1 <= self.review_days <= MOST_REVIEW_DAYS):
            raise ValueError(
                f"review_days: expected whole days from 1 to {MOST_REVIEW_DAYS}, found {self.review_days!r}"
            )


@dataclass(frozen=True, slots=True)
class ReviewPattern:
    """The reviews of S series as a plan of a day sees them: day 0 is that day, after its sales.

    days_SH: from the first review on or after each day of the horizon to the next one, (S, H): what an order of that
    day has to last for, beside the lead time. week_S: of series that order on weekdays, bit k is set where day k is a
    review, days k + 7 likewise; 0 where they order every so many days, from day 0 on.
    """

    days_SH: FloatArray
    week_S: FloatArray

    @classmethod
    def every(cls, review_days_S: FloatArray, n_days: int) -> ReviewPattern:
        """A review every so many days."""
        days_SH = np.repeat(review_days_S[:, None], n_days, axis=1)
        return cls(days_SH, np.zeros(len(review_days_S)))

    def take(self, rows: np.ndarray) -> ReviewPattern:
        return ReviewPattern(self.days_SH[rows], self.week_S[rows])


@dataclass(frozen=True, slots=True)
class ReviewCalendar:
    """The reviews of S series. period_S: days between two, of which first_S (a day number) is one; weekday_S7: the
    weekdays, Monday first, where any is set instead."""

    period_S: NDArray[np.int64]
    first_S: NDArray[np.int64]
    weekday_S7: NDArray[np.bool_]

    @property
    def is_weekly(self) -> NDArray[np.bool_]:
        return np.asarray(self.weekday_S7.any(1))

    def days_to_review(self, day: int) -> NDArray[np.int64]:
        """Days from `day` (a day number) to the next review, 0 on one, [S]."""
        ahead_S7 = np.take(self.weekday_S7, (day - _MONDAY + np.arange(_WEEK)) % _WEEK, axis=1)
        return np.where(self.is_weekly, ahead_S7.argmax(1), (self.first_S - day) % self.period_S)

    def pattern(self, day: int, n_days: int) -> ReviewPattern:
        """As a plan of `day` sees it."""
        days_SH = np.repeat(self.period_S.astype(np.float64)[:, None], n_days, axis=1)
        weekly = np.flatnonzero(self.is_weekly)
        part = self.take(weekly)
        for h in range(n_days):
            review_S = day + h + part.days_to_review(day + h)
            days_SH[weekly, h] = [
                1 + part.take(np.array([s])).days_to_review(int(at) + 1)[0] for s, at in enumerate(review_S)
            ]
        ahead_S7 = np.take(self.weekday_S7, (day - _MONDAY + np.arange(_WEEK)) % _WEEK, axis=1)
        return ReviewPattern(days_SH, (ahead_S7 * 2.0 ** np.arange(_WEEK)).sum(1))

    def take(self, rows: np.ndarray) -> ReviewCalendar:
        """The calendars of the given rows."""
        return ReviewCalendar(**{field.name: getattr(self, field.name)[rows] for field in fields(self)})


def weekday_numbers(text: str) -> tuple[int, ...]:
    """The weekdays of a text, Monday is 0, each once and in order: "Mon, Thu", "1,4" (Monday is 1), "1-5", "Mo-Fr".

    Raises ValueError for what is no weekday.
    """
    found: set[int] = set()
    for token in filter(None, re.split(r"[,;+\s]+", re.sub(r"\s*-\s*", "-", text))):
        first, _, last = token.partition("-")
        begin, end = _weekday(first, text), _weekday(last or first, text)
        found |= {(begin + k) % _WEEK for k in range((end - begin) % _WEEK + 1)}
    return tuple(sorted(found))


def _weekday(token: str, text: str) -> int:
    if token.isdigit() and 1 <= int(token) <= _WEEK:
        return int(token) - 1
    names = [k for k, name in enumerate(WEEKDAYS) if len(token) >= 2 and name.casefold().startswith(token.casefold())]
    if len(names) != 1:
        raise ValueError(f"review_weekdays: expected weekdays such as Mon, Thu or 1,4 or 1-5, found {text!r}")
    return names[0]
