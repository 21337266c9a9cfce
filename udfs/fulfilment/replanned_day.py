"""A depot's day planned again while it runs, near to its routes so far."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from typing import Any

from udfs.fulfilment.day_changes import DayChanges
from udfs.fulfilment.depot_day import Ways, depot_day
from udfs.fulfilment.fulfilment_spec import FulfilmentSpec
from udfs.fulfilment.routing.delivery_problem import DeliveryProblem
from udfs.fulfilment.routing.pyvrp_routes import RouteEffort
from udfs.fulfilment.routing.replan import replan
from udfs.fulfilment.routing.route_check import faults_of
from udfs.fulfilment.routing.route_plan import RoutePlan
from udfs.fulfilment.routing.timetable import plan_of, timed_route

Row = dict[str, Any]


@dataclass(frozen=True, eq=False)
class RunningDay:
    """A depot's day as it was planned last. shipments, fleet, ways: of the day's own plan. changes: since then. stops:
    rows of the last plan, with route_id, vehicle_type, trip, stop_position, shipment_id and depart_s of their route."""

    day: date
    shipments: Sequence[Row]
    fleet: Sequence[Row]
    ways: Ways | None
    changes: DayChanges
    stops: Sequence[Row]


def replanned(running: RunningDay, more: DayChanges, now_s: int, spec: FulfilmentSpec) -> list[Row]:
    """A row for each shipment that is served now or was before: its stop, `stop_state` and why it moved.

    stop_state: departed, kept, moved, new or dropped. Raises ValueError for changes that do not fit the day, and where
    the routes do not pass their check.
    """
    before, changes = running.changes, running.changes.then(more)
    old = _problem(running, before, spec)
    new = _problem(running, changes, spec)
    plan = _plan(old, running.stops)
    effort = RouteEffort.for_stops(len(new.stops), spec.seed, spec.limit_s)
    found = replan(old, plan, new, now_s, effort)
    if faults := faults_of(new, found.plan):
        raise ValueError(f"the new routes break {len(faults)} rules: {'; '.join(faults[:3])}")
    return _rows(running, changes, old, new, plan, found.plan, frozenset(found.frozen), dict(found.moved))


def _problem(running: RunningDay, changes: DayChanges, spec: FulfilmentSpec) -> DeliveryProblem:
    rows, fleet = changes.shipments(running.shipments), changes.fleet(running.fleet)
    return depot_day(rows, fleet, running.ways, running.day.isoweekday(), spec).problem


def _plan(problem: DeliveryProblem, stops: Sequence[Row]) -> RoutePlan:
    """The routes of stored rows, with the timetable that they had."""
    at = {name: stop for stop, name in enumerate(problem.stops)}
    kinds = {kind.vehicle_type: number for number, kind in enumerate(problem.vehicles)}
    routes = []
    by_route: dict[str, list[Row]] = {}
    for row in sorted(stops, key=lambda row: (row["route_id"], row["stop_position"])):
        by_route.setdefault(row["route_id"], []).append(row)
    for name, rows in by_route.items():
        trips: dict[int, list[int]] = {}
        for row in rows:
            trips.setdefault(row["trip"], []).append(at[row["shipment_id"]])
        kind, leave = kinds[rows[0]["vehicle_type"]], rows[0]["depart_s"]
        # As it was timed at first; one that has left by a later plan is timed from then on.
        route = timed_route(problem, kind, [tuple(trip) for trip in trips.values()])
        if route is None or route.depart_s != leave:
            route = timed_route(problem, kind, [tuple(trip) for trip in trips.values()], leave)
        if route is None:
            raise ValueError(f"expected the plan's route {name} to be possible on its own day, found it is not")
        routes.append(route)
    return plan_of(problem, routes)


def _rows(
    running: RunningDay,
    changes: DayChanges,
    old: DeliveryProblem,
    new: DeliveryProblem,
    before: RoutePlan,
    after: RoutePlan,
    frozen: frozenset[int],
    moved: Mapping[int, str],
) -> list[Row]:
    place = {row["shipment_id"]: row["location_id"] for row in running.shipments}
    was_served = {old.stops[stop] for route in before.routes for stop in route.stops}
    rows = []
    for number, route in enumerate(after.routes, 1):
        trips = [trip for trip, stops in enumerate(route.trips, 1) for _ in stops]
        for at, stop in enumerate(route.stops):
            name = new.stops[stop]
            state = (
                "departed"
                if stop in frozen
                else "new"
                if name not in was_served
                else "moved"
                if stop in moved
                else "kept"
            )
            rows.append(
                {
                    "route_id": f"{new.depots[0]}|{running.day}:{number}",
                    "vehicle_type": new.vehicles[route.vehicle].vehicle_type,
                    "trip": trips[at],
                    "stop_position": at + 1,
                    "shipment_id": name,
                    "location_id": place[name],
                    "depart_s": route.depart_s,
                    "arrive_s": route.arrive_s[at],
                    "leave_s": route.leave_s[at],
                    "slack_s": route.slack_s[at],
                    "stop_state": state,
                    "reason": moved.get(stop),
                }
            )
    served = {row["shipment_id"] for row in rows}
    for name in sorted(was_served - served):
        is_wanted = name in new.stops
        why = moved.get(new.stops.index(name)) if is_wanted else "it is not wanted any more"
        rows.append(
            dict.fromkeys(rows[0] if rows else _EMPTY)
            | {"shipment_id": name, "location_id": place[name], "stop_state": "dropped", "reason": why}
        )
    return rows


_EMPTY = (
    "route_id", "vehicle_type", "trip", "stop_position", "shipment_id", "location_id", "depart_s", "arrive_s",
    "leave_s", "slack_s", "stop_state", "reason",
)  # fmt: skip
