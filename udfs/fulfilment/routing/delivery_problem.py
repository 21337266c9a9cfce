"""What is to be brought where on one day: stops, depots, vehicles, and the way between any two places.

N stops, P places, D depots, K kinds of load (millilitres, grams, ...). Everything that a constraint compares is a whole
number, rounded by the functions below: loads up, so that nothing is overfilled; metres and seconds to the nearest.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

IntArray = NDArray[np.int64]
FloatArray = NDArray[np.float64]
NO_WAY = 1_000_000_000  # metres or seconds from which on there is no way from the one place to the other


@dataclass(frozen=True, slots=True)
class VehicleType:
    """Vehicles that are alike; each starts and ends at its depot.

    depot: row of `DeliveryProblem.depots`. capacity_K: of a trip. fixed_cost: a day's use, km_cost a kilometre,
    hour_cost an hour from departure to return, the break not counted, all in money. shift_s: seconds from midnight
    between which the vehicle is away (may pass 86,400). break_s: taken in one piece at a stop, after its service.
    most_trips: a day.
    """

    vehicle_type: str
    depot: int
    number: int
    capacity_K: tuple[int, ...]
    fixed_cost: float
    km_cost: float
    hour_cost: float
    shift_s: tuple[int, int]
    break_s: int = 0
    most_trips: int = 1

    def __post_init__(self) -> None:
        start, end = self.shift_s
        rules: tuple[tuple[str, bool, str], ...] = (
            ("depot", self.depot >= 0, "a row of the depots"),
            ("number", self.number >= 0, "vehicles >= 0"),
            ("capacity_K", all(_is_whole(each) and each >= 0 for each in self.capacity_K), "whole numbers >= 0"),
            *((name, _is_amount(getattr(self, name)), "money >= 0") for name in ("fixed_cost", "km_cost", "hour_cost")),
            (
                "shift_s",
                _is_whole(start) and _is_whole(end) and 0 <= start < end < NO_WAY,
                "0 <= start < end, in seconds",
            ),
            ("break_s", _is_whole(self.break_s) and 0 <= self.break_s < end - start, "seconds within the shift"),
            ("most_trips", self.most_trips >= 1, "at least 1"),
        )
        for name, is_good, expected in rules:
            if not is_good:
                raise ValueError(
                    f"vehicle type {self.vehicle_type}: {name}: expected {expected}, found {getattr(self, name)!r}; "
                    "correct its row of the feed `vehicles`"
                )


@dataclass(frozen=True, eq=False)
class DeliveryProblem:
    """A depot's day, or several depots' that share stops.

    place_N, depot_place_D: rows of the matrices. load_NK: what a stop gets. window_N2, depot_window_D2: first and last
    second from midnight at which service may start, the depot be left and be reached (may pass 86,400). service_N:
    seconds. release_N: second before which the load is not ready to leave. prize_N: money that is lost when the stop is
    not served; inf: it must be. metres_PP, seconds_PP: from row to column, `NO_WAY` and more where there is none.
    Raises ValueError for shapes that do not fit together, numbers out of range, and names that occur twice.
    """

    stops: tuple[str, ...]
    place_N: IntArray
    load_NK: IntArray
    window_N2: IntArray
    service_N: IntArray
    release_N: IntArray
    prize_N: FloatArray
    depots: tuple[str, ...]
    depot_place_D: IntArray
    depot_window_D2: IntArray
    vehicles: tuple[VehicleType, ...]
    metres_PP: IntArray
    seconds_PP: IntArray

    def __post_init__(self) -> None:
        n, depots, places = len(self.stops), len(self.depots), len(self.metres_PP)
        kinds = self.load_NK.shape[-1] if self.load_NK.ndim == 2 else 1
        shapes = {"place_N": (n,), "load_NK": (n, kinds), "window_N2": (n, 2), "service_N": (n,), "release_N": (n,)}
        shapes |= {"depot_place_D": (depots,), "depot_window_D2": (depots, 2)}
        shapes |= {"metres_PP": (places, places), "seconds_PP": (places, places)}
        for name, shape in shapes.items():
            _check_whole(name, getattr(self, name), shape, self.depots if name.startswith("depot") else self.stops)
        if self.prize_N.shape != (n,) or np.isnan(self.prize_N).any() or (self.prize_N < 0).any():
            raise ValueError(f"prize_N: expected {n} amounts >= 0 or inf, found {self.prize_N}; say what waiting loses")
        self._check_names()
        self._check_places(places)
        self._check_windows()
        self._check_vehicles(kinds)

    def _check_names(self) -> None:
        for kind, names in (("stops", self.stops), ("depots", self.depots)):
            if len(set(names)) < len(names):
                twice = sorted({name for name in names if names.count(name) > 1})
                raise ValueError(
                    f"{kind}: expected each name once, found {', '.join(twice[:5])} twice; merge their rows"
                )

    def _check_places(self, places: int) -> None:
        for name, place in (("place_N", self.place_N), ("depot_place_D", self.depot_place_D)):
            if (place >= places).any():
                raise ValueError(
                    f"{name}: expected rows of the matrices, 0 to {places - 1}, found {place.max()}; add its travel"
                )
        for name in ("metres_PP", "seconds_PP"):
            own = np.diagonal(getattr(self, name))
            if own.any():
                row = int(own.argmax())
                raise ValueError(
                    f"{name}: expected 0 from a place to itself, found {own[row]} for place {row}; drop the row"
                )

    def _check_windows(self) -> None:
        named = (("window_N2", self.window_N2, self.stops), ("depot_window_D2", self.depot_window_D2, self.depots))
        for name, window, names in named:
            is_bad = window[:, 0] > window[:, 1]
            if is_bad.any():
                row = int(is_bad.argmax())
                raise ValueError(
                    f"{name}: expected an end after the start, found {window[row].tolist()} for {names[row]}; add "
                    "86,400 to the end of a window over midnight"
                )

    def _check_vehicles(self, kinds: int) -> None:
        for each in self.vehicles:
            if each.depot >= len(self.depots) or len(each.capacity_K) != kinds:
                raise ValueError(
                    f"vehicle type {each.vehicle_type}: expected a depot of 0 to {len(self.depots) - 1} and {kinds} "
                    f"capacities, found depot {each.depot} and {len(each.capacity_K)}; correct its row of `vehicles`"
                )

    def has_way(self, start: int, end: int) -> bool:
        """Whether one comes from a place to another."""
        return bool(self.metres_PP[start, end] < NO_WAY and self.seconds_PP[start, end] < NO_WAY)


def whole_loads(amount: ArrayLike, units: float = 1.0) -> IntArray:
    """Loads in whole units, rounded up: `whole_loads(litres, 1000)` in millilitres; 1e-6 more is rounding itself.

    Raises ValueError for a load that is negative or not finite, as all three do."""
    return np.ceil(_finite("load", amount, units) - 1e-6).astype(np.int64)


def whole_metres(amount: ArrayLike, units: float = 1.0) -> IntArray:
    """Metres to the nearest: `whole_metres(km, 1000)`."""
    return np.rint(_finite("metres", amount, units)).astype(np.int64)


def whole_seconds(amount: ArrayLike, units: float = 1.0) -> IntArray:
    """Seconds to the nearest: `whole_seconds(minutes, 60)`."""
    return np.rint(_finite("seconds", amount, units)).astype(np.int64)


def _finite(name: str, amount: ArrayLike, units: float) -> FloatArray:
    value = np.asarray(amount, dtype=float) * units
    is_bad = ~(np.isfinite(value) & (value >= 0.0))
    if is_bad.any():
        raise ValueError(
            f"{name}: expected finite numbers >= 0, found {value[is_bad][0]:g}; correct it in the feed, or leave it out"
        )
    return value


def _is_whole(value: object) -> bool:
    return isinstance(value, (int, np.integer)) and not isinstance(value, bool)


def _is_amount(value: float) -> bool:
    return math.isfinite(value) and value >= 0.0


def _check_whole(name: str, value: IntArray, shape: tuple[int, ...], names: Sequence[str]) -> None:
    if value.shape != shape:
        raise ValueError(f"{name}: expected shape {shape}, found {value.shape}; give a row for each name")
    if not np.issubdtype(value.dtype, np.integer):
        raise ValueError(
            f"{name}: expected whole numbers, found {value.dtype}; use whole_loads, whole_metres or whole_seconds"
        )
    is_bad = value < 0
    if is_bad.any():
        row = int(np.argwhere(is_bad)[0][0])
        who = f"place {row}" if name.endswith("PP") else names[row]
        raise ValueError(
            f"{name}: expected numbers >= 0, found {value[is_bad][0]} for {who}; correct it in the feed or leave it out"
        )
