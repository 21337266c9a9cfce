"""Metres and seconds between places: by the great circle, or as a feed states them."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence

import numpy as np
from numpy.typing import NDArray

IntArray = NDArray[np.int64]
_EARTH_M = 6_371_008.8  # mean radius


def great_circle_m(latitude_P: NDArray[np.float64], longitude_P: NDArray[np.float64]) -> NDArray[np.float64]:
    """Metres of the great circle between each two places, P x P, from degrees."""
    rows = [great_circle_from(latitude_P, longitude_P, place) for place in range(len(latitude_P))]
    return np.array(rows).reshape(len(latitude_P), len(latitude_P))


def great_circle_from(
    latitude_P: NDArray[np.float64], longitude_P: NDArray[np.float64], start: int
) -> NDArray[np.float64]:
    """Metres of the great circle from one place to each, from degrees (haversine formula)."""
    lat, lon = np.radians(latitude_P), np.radians(longitude_P)
    half = np.sin((lat - lat[start]) / 2) ** 2
    half += np.cos(lat) * np.cos(lat[start]) * np.sin((lon - lon[start]) / 2) ** 2
    return 2 * _EARTH_M * np.arcsin(np.sqrt(np.minimum(half, 1.0)))


def assumed_travel(
    latitude_P: NDArray[np.float64], longitude_P: NDArray[np.float64], circuity: float, speed_kmh: float
) -> tuple[IntArray, IntArray]:
    """Metres and seconds P x P, rounded to the nearest, of ways `circuity` times as long as the great circle."""
    metres = np.rint(great_circle_m(latitude_P, longitude_P) * circuity)
    return metres.astype(np.int64), np.rint(metres * 3.6 / speed_kmh).astype(np.int64)


def stated_travel(
    names: Sequence[str], ways: Mapping[tuple[str, str], tuple[float, float]]
) -> tuple[IntArray, IntArray, list[tuple[str, str]]]:
    """Metres and seconds P x P of the ways (from, to) -> (metres, seconds), rounded to the nearest, and ways that are
    not stated; these hold 0. A way from a place to itself is 0 unless it is stated.

    Raises ValueError for a way that is negative, no number, or longer than any on earth.
    """
    size = len(names)
    metres, seconds = np.zeros((size, size), np.int64), np.zeros((size, size), np.int64)
    missing = []
    for i, start in enumerate(names):
        for j, end in enumerate(names):
            way = ways.get((start, end), (0.0, 0.0) if start == end else None)
            if way is None:
                missing.append((start, end))
                continue
            if not all(math.isfinite(value) and 0 <= value < 4e7 for value in way):
                raise ValueError(
                    f"travel: expected metres and seconds from 0 to 4e7 from {start} to {end}, found {way}"
                )
            metres[i, j], seconds[i, j] = round(way[0]), round(way[1])
    return metres, seconds, missing
