"""Routes with their timetable, and what stays behind."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Route:
    """A vehicle's day. Seconds count from midnight; the tuples of stops run over all trips, in order.

    vehicle: row of the problem's vehicle types. trips: rows of stops. trip_leave_s, trip_return_s: a trip each, at the
    depot. arrive_s, wait_s (before service), start_s and leave_s (service, and the break where it is taken there): a
    stop each. load_K: on arrival. slack_s: how much later one could arrive and still keep every window and the shift.
    break_s: second in which the break begins, None where the vehicle needs none. metres; seconds: from departure to
    return without the break; cost: money.
    """

    vehicle: int
    trips: tuple[tuple[int, ...], ...]
    trip_leave_s: tuple[int, ...]
    trip_return_s: tuple[int, ...]
    arrive_s: tuple[int, ...]
    wait_s: tuple[int, ...]
    start_s: tuple[int, ...]
    leave_s: tuple[int, ...]
    load_K: tuple[tuple[int, ...], ...]
    slack_s: tuple[int, ...]
    break_s: int | None
    metres: int
    seconds: int
    cost: float

    @property
    def stops(self) -> tuple[int, ...]:
        return tuple(stop for trip in self.trips for stop in trip)

    @property
    def depart_s(self) -> int:
        return self.trip_leave_s[0]


@dataclass(frozen=True, slots=True)
class RoutePlan:
    """Routes, and the rows of the stops that none serves. iterations: of the search; is_cut: the deadline ended it, so
    that another machine may find other routes."""

    routes: tuple[Route, ...]
    unserved: tuple[int, ...]
    iterations: int = 0
    is_cut: bool = False

    @property
    def cost(self) -> float:
        return sum(route.cost for route in self.routes)
