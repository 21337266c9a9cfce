"""The vehicles of depots, as a feed states them or as they are assumed."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from udfs.fulfilment.fulfilment_spec import FulfilmentSpec
from udfs.fulfilment.time_of_day import span_of

EVERY_DAY = frozenset(range(1, 8))
_MANY = 999  # vehicles of an assumed fleet: as many as are needed


@dataclass(frozen=True, slots=True)
class Vehicle:
    """A kind of vehicle of a depot: capacities are infinite where there is no limit. weekdays: ISO numbers."""

    vehicle_type: str
    count: int
    litres: float
    kg: float
    fixed_cost: float
    km_cost: float
    hour_cost: float
    shift: tuple[int, int]
    break_s: int
    most_trips: int
    weekdays: frozenset[int]
    is_assumed: bool = False


def fleets_of(rows: Iterable[Mapping[str, Any]], spec: FulfilmentSpec) -> dict[str, tuple[Vehicle, ...]]:
    """Each depot's vehicles, by depot, from rows of the feed `vehicles`; costs and shifts that it does not state are
    the settings'.

    Raises ValueError for a shift or weekdays that cannot be read: a fleet that is guessed would carry real goods.
    """
    found: dict[str, list[Vehicle]] = {}
    for row in sorted(rows, key=lambda each: (each["depot_id"], each["vehicle_type"])):
        found.setdefault(row["depot_id"], []).append(_vehicle(row, spec))
    return {depot: tuple(vehicles) for depot, vehicles in found.items()}


def assumed_fleet(spec: FulfilmentSpec) -> tuple[Vehicle, ...]:
    """As many vehicles of the settings' kind as are needed, on every day."""
    shift = span_of(spec.vehicle_shift_from, spec.vehicle_shift_to)
    assert shift is not None  # the settings are checked
    return (
        Vehicle(
            "assumed", _MANY, spec.vehicle_litres, spec.vehicle_kg, spec.vehicle_fixed_cost, spec.vehicle_km_cost,
            spec.vehicle_hour_cost, shift, 0, 1, EVERY_DAY, is_assumed=True,
        ),
    )  # fmt: skip


def _vehicle(row: Mapping[str, Any], spec: FulfilmentSpec) -> Vehicle:
    who = f"vehicles: {row['vehicle_type']} of {row['depot_id']}"
    said = row["shift_from"] or spec.vehicle_shift_from, row["shift_to"] or spec.vehicle_shift_to
    if (shift := span_of(*said)) is None:
        raise ValueError(f"{who}: expected shift_from and shift_to as hh:mm, found {said[0]!r} and {said[1]!r}")
    count = row["vehicle_count"]
    if count is None or count != int(count):
        raise ValueError(f"{who}: expected vehicle_count as a whole number, found {count!r}")
    return Vehicle(
        row["vehicle_type"],
        int(count),
        _or(row["capacity_litres"], math.inf),
        _or(row["capacity_kg"], math.inf),
        _or(row["fixed_cost"], spec.vehicle_fixed_cost),
        _or(row["km_cost"], spec.vehicle_km_cost),
        _or(row["hour_cost"], spec.vehicle_hour_cost),
        shift,
        round(60 * _or(row["break_minutes"], 0.0)),
        int(_or(row["most_trips"], 1)),
        _weekdays(row["ship_weekdays"], who),
    )


def _or(value: float | None, other: float) -> float:
    return other if value is None else value


def _weekdays(text: str | None, who: str) -> frozenset[int]:
    if not text:
        return EVERY_DAY
    days: set[int] = set()
    for part in text.replace(" ", "").split(","):
        first, _, last = part.partition("-")
        ends = first, last or first
        if not all(end.isdigit() and 1 <= int(end) <= 7 for end in ends) or int(ends[0]) > int(ends[1]):
            raise ValueError(f"{who}: expected ship_weekdays as ISO numbers such as 1-6 or 1,3,5, found {text!r}")
        days |= set(range(int(ends[0]), int(ends[1]) + 1))
    return frozenset(days)
