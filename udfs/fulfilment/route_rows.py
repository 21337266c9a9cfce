"""The rows of a depot-day's routes, stops and shipments left behind, and of the day itself."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from datetime import date
from typing import Any

import numpy as np

from lakehouse.schema.entities import DEPOT_DAY
from udfs.fulfilment.depot_day import DepotDay, part_of
from udfs.fulfilment.routing.delivery_problem import DeliveryProblem
from udfs.fulfilment.routing.route_plan import Route, RoutePlan
from udfs.fulfilment.routing.simple_routes import nearest_neighbour, savings

_MARKS = ("is_place_assumed", "is_load_assumed", "is_fleet_assumed")


def unserved_row(name: str, row: Mapping[str, Any], code: str, reason: str, change: str | None) -> dict[str, Any]:
    same = ("shipment_id", "location_id", "shipped_qty", "order_value", "wait_value", "wait_until_ds")
    said = {"depot_day_id": name, "unserved_code": code, "reason": reason, "smallest_change": change}
    return {each: row[each] for each in same} | said


def route_row(
    name: str, day: DepotDay, problem: DeliveryProblem, rows: Sequence[Mapping[str, Any]], number: int, route: Route
) -> dict[str, Any]:
    stops = [rows[stop] for stop in route.stops]
    return {
        "depot_day_id": name,
        "depot_id": day.depot_id,
        "ds": rows[0]["ds"],
        "route_id": f"{name}:{number}",
        "vehicle_type": problem.vehicles[route.vehicle].vehicle_type,
        "stop_count": len(stops),
        "load_litres": sum(row["load_litres"] for row in stops),
        "load_kg": sum(row["load_kg"] for row in stops),
        "depart_s": route.depart_s,
        "return_s": route.trip_return_s[-1],
        "metres": float(route.metres),
        "route_cost": route.cost,
        "is_travel_assumed": day.is_travel_assumed,
        **{mark: any(row[mark] for row in stops) for mark in _MARKS},
    }


def stop_rows(name: str, route_id: str, rows: Sequence[Mapping[str, Any]], route: Route) -> Iterator[dict[str, Any]]:
    trips = [number for number, trip in enumerate(route.trips, 1) for _ in trip]
    for at, stop in enumerate(route.stops):
        yield {
            "depot_day_id": name,
            "route_id": route_id,
            "stop_position": at + 1,
            "trip": trips[at],
            "shipment_id": rows[stop]["shipment_id"],
            "location_id": rows[stop]["location_id"],
            "arrive_s": route.arrive_s[at],
            "wait_s": route.wait_s[at],
            "leave_s": route.leave_s[at],
            "slack_s": route.slack_s[at],
            "load_litres": rows[stop]["load_litres"],
            "load_kg": rows[stop]["load_kg"],
        }


def day_row(
    name: str, day: DepotDay, problem: DeliveryProblem, rows: Sequence[Mapping[str, Any]], plan: RoutePlan
) -> dict[str, Any]:
    """The day, beside the same stops by two rules of practice: NULL where they leave one out that the routes serve."""
    served = [stop for route in plan.routes for stop in route.stops]
    same = replace(part_of(problem, sorted(served)), prize_N=np.full(len(served), np.inf))
    practice = {"nearest_neighbour_cost": nearest_neighbour(same), "savings_cost": savings(same)}
    return {
        "depot_day_id": name,
        "depot_id": day.depot_id,
        "ds": date.fromisoformat(DEPOT_DAY.split(name)[1]),
        "stop_count": len(served),
        "vehicle_used_count": len(plan.routes),
        "shipped_qty": sum(rows[stop]["shipped_qty"] for stop in served),
        "metres": float(sum(route.metres for route in plan.routes)),
        "route_cost": plan.cost,
        "is_cut": plan.is_cut,
        "is_travel_assumed": day.is_travel_assumed,
        **{column: None if routes.unserved else routes.cost for column, routes in practice.items()},
    }
