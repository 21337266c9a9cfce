"""What has changed about a depot's day since it was planned."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

from udfs.fulfilment.time_of_day import span_of

Row = dict[str, Any]


@dataclass(frozen=True, slots=True)
class DayChanges:
    """cancelled: locations that want nothing any more. loads: litres and kilograms of a location, in place of what it
    was to get. windows: times of a location, hh:mm to hh:mm. vehicles: how many of a type there are."""

    cancelled: tuple[str, ...] = ()
    loads: tuple[tuple[str, float, float], ...] = ()
    windows: tuple[tuple[str, str, str], ...] = ()
    vehicles: tuple[tuple[str, int], ...] = ()

    @classmethod
    def of(cls, told: Mapping[str, Sequence[Any]]) -> DayChanges:
        """From what `plain` gives."""
        return cls(
            tuple(told["cancelled"]),
            *(tuple(tuple(each) for each in told[name]) for name in ("loads", "windows", "vehicles")),
        )

    def plain(self) -> dict[str, Any]:
        return asdict(self)

    def then(self, later: DayChanges) -> DayChanges:
        """Both, the later one where they speak of one thing."""

        def both(name: str) -> tuple[Any, ...]:
            said = {each[0]: each for each in (*getattr(self, name), *getattr(later, name))}
            return tuple(said.values())

        cancelled = tuple(dict.fromkeys((*self.cancelled, *later.cancelled)))
        return DayChanges(cancelled, both("loads"), both("windows"), both("vehicles"))

    def shipments(self, rows: Sequence[Row]) -> list[Row]:
        """The rows of fulfilment.shipment as they are now.

        A location's new load is in its first shipment, the others are dropped. Raises ValueError naming a location that
        the day does not know, and times that are none.
        """
        known = {row["location_id"] for row in rows}
        said = {*self.cancelled, *(each[0] for each in self.loads), *(each[0] for each in self.windows)}
        if unknown := sorted(said - known):
            raise ValueError(
                f"expected locations of the day, found {unknown[0]!r}; they are {', '.join(sorted(known))}"
            )
        found, seen = [], set()
        loads, windows = (
            {name: amounts for name, *amounts in self.loads},
            {name: times for name, *times in self.windows},
        )
        for row in rows:
            place = row["location_id"]
            if place in self.cancelled or (place in loads and place in seen):
                continue
            seen.add(place)
            new = dict(row)
            if place in loads:
                new["load_litres"], new["load_kg"] = loads[place]
            if place in windows:
                if (window := span_of(*windows[place])) is None:
                    raise ValueError(
                        f"{place}: expected times as hh:mm, found {windows[place][0]!r} to {windows[place][1]!r}"
                    )
                new["window_from_s"], new["window_to_s"] = window
            found.append(new)
        return found

    def fleet(self, rows: Sequence[Row]) -> list[Row]:
        """The rows of fulfilment.vehicle as they are now. Raises ValueError naming a type that the depot has not."""
        counts = dict(self.vehicles)
        known = {row["vehicle_type"] for row in rows}
        if unknown := sorted(set(counts) - known):
            raise ValueError(
                f"expected vehicles of the depot, found {unknown[0]!r}; they are {', '.join(sorted(known))}"
            )
        return [
            row | {"vehicle_count": float(counts[kind])} if (kind := row["vehicle_type"]) in counts else row
            for row in rows
        ]
