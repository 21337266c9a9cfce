"""The day on which a depot ships what a location expects on another."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import date, timedelta

LONGEST_DAYS = 60
"""Days after the expected receipt within which a day is looked for."""


@dataclass(frozen=True, slots=True)
class ShipDay:
    """ds: the depot's day. wait_until: its next one, until which the shipment might wait; None where there is none.
    is_late: whether `ds` is after the day on which the orders are expected."""

    ds: date
    wait_until: date | None
    is_late: bool


def ship_day(first: date, due: date, is_possible: Callable[[date], bool]) -> ShipDay | None:
    """The last possible day from `first` to `due`, or the earliest after it; None within `LONGEST_DAYS` of both.

    is_possible: whether the depot ships and the location receives on a day. A vehicle comes on the day that it leaves.
    """
    on_time = (due - timedelta(days=back) for back in range((due - first).days + 1))
    found = next((day for day in on_time if is_possible(day)), None)
    is_late = found is None
    if found is None:
        found = _next(max(first, due + timedelta(days=1)), is_possible)
        if found is None:
            return None
    return ShipDay(found, _next(found + timedelta(days=1), is_possible), is_late)


def _next(first: date, is_possible: Callable[[date], bool]) -> date | None:
    days = (first + timedelta(days=ahead) for ahead in range(LONGEST_DAYS))
    return next((day for day in days if is_possible(day)), None)
