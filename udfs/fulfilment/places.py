"""Where locations and depots are and when they receive, and what is wrong with what a feed says of them."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from udfs.fulfilment.fulfilment_spec import FulfilmentSpec
from udfs.fulfilment.time_of_day import span_of
from udfs.fulfilment.travel_matrix import great_circle_m


@dataclass(frozen=True, slots=True)
class Place:
    """window: seconds from midnight; has_hours: whether the feed states it. fault: code of `unshipped_code` and words,
    why nothing can be brought there."""

    location_id: str
    depot_id: str | None
    latitude: float
    longitude: float
    window: tuple[int, int]
    service_s: int
    is_assumed: bool
    has_hours: bool
    fault: tuple[str, str] | None = None


def places_of(rows: Iterable[Mapping[str, Any]], depot_of: Mapping[str, str], spec: FulfilmentSpec) -> dict[str, Place]:
    """Each location of rows of silver.locations (and `is_place_assumed`), by name; a depot is a location too.

    depot_of: depots by location or region, for locations that name none.
    """
    found = {row["location_id"]: _place(row, depot_of, spec) for row in rows}
    depots = {place.depot_id for place in found.values()}
    return {
        name: place if place.fault or name in depots else _beside_depot(place, found, spec)
        for name, place in found.items()
    }


def _place(row: Mapping[str, Any], depot_of: Mapping[str, str], spec: FulfilmentSpec) -> Place:
    name, latitude, longitude = row["location_id"], row["latitude"], row["longitude"]
    said = row["receives_from"] or spec.receives_from, row["receives_to"] or spec.receives_to
    window, fault = span_of(*said), None
    has_place = latitude is not None and longitude is not None
    if not has_place:
        fault = ("no_coordinates", f"{name} has no latitude and longitude that can be read")
    elif latitude == 0 == longitude:
        fault = ("no_coordinates", f"{name} is said to be at 0/0, which is in the sea; state where it is")
    elif window is None:
        fault = ("bad_place", f"{name}: expected times to receive as hh:mm, found {said[0]!r} to {said[1]!r}")
    minutes = spec.service_minutes if row["service_minutes"] is None else row["service_minutes"]
    return Place(
        name,
        row["depot_id"] or depot_of.get(name) or depot_of.get(row["region"] or ""),
        latitude if has_place else math.nan,
        longitude if has_place else math.nan,
        window or (0, 0),
        round(60 * minutes),
        bool(row["is_place_assumed"]),
        bool(row["receives_from"] or row["receives_to"]),
        fault,
    )


def _beside_depot(place: Place, found: Mapping[str, Place], spec: FulfilmentSpec) -> Place:
    """The place, with a fault where it cannot be supplied from its depot."""
    fault = None
    if place.depot_id is None:
        fault = ("no_depot", f"{place.location_id} names no depot, nor does a network; state depot_id in locations")
    elif (depot := found.get(place.depot_id)) is None:
        fault = ("no_depot", f"its depot {place.depot_id} is no location; add a row with its latitude and longitude")
    elif depot.fault:
        fault = ("no_depot", f"its depot cannot ship: {depot.fault[1]}")
    else:
        fault = _too_far(place, depot, spec.most_km)
    return place if fault is None else replace(place, fault=fault)


def _too_far(place: Place, depot: Place, most_km: float) -> tuple[str, str] | None:
    lat, lon = place.latitude, place.longitude
    km = _km(depot, lat, lon)
    if km <= most_km:
        return None
    words = f"{place.location_id} at {lat:g}, {lon:g} is {km:,.0f} km from its depot {depot.location_id}"
    if abs(lon) <= 90 and _km(depot, lon, lat) <= most_km:
        return "bad_place", f"{words}, and near it with latitude and longitude the other way round; correct them"
    return "bad_place", f"{words}, further than fulfilment.most_km of {most_km:,.0f}; correct the place or the limit"


def _km(depot: Place, latitude: float, longitude: float) -> float:
    points = np.array([[depot.latitude, depot.longitude], [latitude, longitude]])
    return float(great_circle_m(points[:, 0], points[:, 1])[0, 1]) / 1000
