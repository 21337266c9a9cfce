"""A depot's day as a delivery problem: its shipments, vehicles and ways, and what cannot be planned at all."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from udfs.fulfilment.fulfilment_spec import FulfilmentSpec
from udfs.fulfilment.routing.delivery_problem import DeliveryProblem, VehicleType
from udfs.fulfilment.travel_matrix import assumed_travel, great_circle_m, stated_travel

_NO_LIMIT = 10**12
_FASTEST_KMH = 200.0
Row = Mapping[str, Any]
Ways = Mapping[tuple[str, str], tuple[float, float]]


@dataclass(frozen=True, eq=False)
class DepotDay:
    """rows: the shipments of `problem.stops`, in its order. refused: shipments that no way leads to, with the reason.
    is_travel_assumed: no feed states ways."""

    depot_id: str
    rows: tuple[Row, ...]
    refused: tuple[tuple[Row, str], ...]
    problem: DeliveryProblem
    is_travel_assumed: bool


def depot_day(
    shipments: Sequence[Row], vehicles: Sequence[Row], ways: Ways | None, weekday: int, spec: FulfilmentSpec
) -> DepotDay:
    """The problem of one depot on one day, all of whose `shipments` are required.

    shipments: rows of fulfilment.shipment of one depot_day_id. vehicles: of fulfilment.vehicle of its depot. ways: of
    fulfilment.leg, None where no feed states any. weekday: ISO number, for vehicles that do not run every day.
    """
    depot = vehicles[0]
    rows, refused = list(shipments), []
    if ways is not None:
        faults = {row["location_id"]: _way_fault(depot, row, ways) for row in rows}
        refused = [(row, fault) for row in rows if (fault := faults[row["location_id"]])]
        rows = [row for row in rows if not faults[row["location_id"]]]
    places = [depot["depot_id"], *dict.fromkeys(row["location_id"] for row in rows)]
    metres, seconds = _travel(depot, rows, places, ways, spec)
    at = {place: index for index, place in enumerate(places)}
    running = [row for row in vehicles if row["vehicle_count"] and str(weekday) in row["ship_weekdays"].split(",")]
    problem = DeliveryProblem(
        stops=tuple(row["shipment_id"] for row in rows),
        place_N=np.array([at[row["location_id"]] for row in rows], np.int64),
        load_NK=np.array([_load(row) for row in rows], np.int64).reshape(len(rows), 2),
        window_N2=np.array([(row["window_from_s"], row["window_to_s"]) for row in rows], np.int64).reshape(-1, 2),
        service_N=np.array([row["service_s"] for row in rows], np.int64),
        release_N=np.zeros(len(rows), np.int64),
        prize_N=np.full(len(rows), np.inf),
        depots=(depot["depot_id"],),
        depot_place_D=np.zeros(1, np.int64),
        depot_window_D2=np.array([(depot["window_from_s"], depot["window_to_s"])], np.int64),
        vehicles=tuple(_vehicle(row, len(rows)) for row in running),
        metres_PP=metres,
        seconds_PP=seconds,
    )
    return DepotDay(depot["depot_id"], tuple(rows), tuple(refused), problem, ways is None)


def part_of(problem: DeliveryProblem, kept: Sequence[int]) -> DeliveryProblem:
    """The problem of some of its stops, in the order given."""
    rows = np.array(kept, dtype=np.int64)
    by_stop = ("place_N", "load_NK", "window_N2", "service_N", "release_N", "prize_N")
    return replace(
        problem,
        stops=tuple(problem.stops[stop] for stop in kept),
        **{name: getattr(problem, name)[rows] for name in by_stop},
    )


def _load(row: Row) -> tuple[int, int]:
    """Millilitres and grams, rounded up: a load never looks smaller than it is."""
    litres, kg = (math.ceil(round(row[name] * 1000, 6)) for name in ("load_litres", "load_kg"))
    return litres, kg


def _vehicle(row: Row, stops: int) -> VehicleType:
    held = (row["capacity_litres"], row["capacity_kg"])
    return VehicleType(
        vehicle_type=row["vehicle_type"],
        depot=0,
        number=min(int(row["vehicle_count"]), stops),
        capacity_K=tuple(_NO_LIMIT if each is None else math.floor(round(each * 1000, 6)) for each in held),
        fixed_cost=row["fixed_cost"],
        km_cost=row["km_cost"],
        hour_cost=row["hour_cost"],
        shift_s=(row["shift_from_s"], row["shift_to_s"]),
        break_s=round(60 * row["break_minutes"]),
        most_trips=int(row["most_trips"]),
    )


def _travel(
    depot: Row, rows: Sequence[Row], places: Sequence[str], ways: Ways | None, spec: FulfilmentSpec
) -> tuple[np.ndarray, np.ndarray]:
    """Metres and seconds between places; where a stated way is missing, the way by the depot, which is stated."""
    if ways is None:
        point = {row["location_id"]: (row["latitude"], row["longitude"]) for row in rows}
        degrees = np.array([(depot["latitude"], depot["longitude"]), *(point[place] for place in places[1:])])
        return assumed_travel(degrees[:, 0], degrees[:, 1], spec.circuity, spec.speed_kmh)
    metres, seconds, missing = stated_travel(places, ways)
    at = {place: index for index, place in enumerate(places)}
    for start, end in missing:
        i, j = at[start], at[end]
        metres[i, j], seconds[i, j] = metres[i, 0] + metres[0, j], seconds[i, 0] + seconds[0, j]
    return metres, seconds


def _way_fault(depot: Row, row: Row, ways: Ways) -> str | None:
    """Why the location cannot be reached from the depot and back by stated ways; None where it can."""
    name, place = depot["depot_id"], row["location_id"]
    points = np.array([(each["latitude"], each["longitude"]) for each in (depot, row)])
    crow = float(great_circle_m(points[:, 0], points[:, 1])[0, 1])
    for start, end in ((name, place), (place, name)):
        if name == place:
            continue
        if (way := ways.get((start, end))) is None:
            return f"travel states no way from {start} to {end}; add it, or leave the feed out"
        metres, seconds = way
        words = f"travel says {metres:,.0f} m in {seconds:,.0f} s from {start} to {end}"
        if metres < 0.9 * crow - 500:
            return f"{words}, which are {crow:,.0f} m apart as the crow flies; are these kilometres?"
        if metres > 2000 and metres * 3.6 > _FASTEST_KMH * max(seconds, 1e-9):
            return f"{words}, faster than {_FASTEST_KMH:.0f} km/h; are these minutes?"
    return None
