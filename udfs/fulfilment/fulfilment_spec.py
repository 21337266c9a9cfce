"""What fulfilment assumes where no feed says, and how long routes are looked for."""

from __future__ import annotations

import math
from dataclasses import dataclass

from udfs.fulfilment.time_of_day import seconds_of


@dataclass(frozen=True, slots=True)
class FulfilmentSpec:
    """Settings of shipments and routes. Raises ValueError for a value out of range.

    places: "generated" puts locations without coordinates into cities of their country and region, marked as made up.
    circuity: metres on the road for each of the great circle (Ballou, Rahardja & Sakai 2002: 1.2 in the United States,
    1.46 in Europe). speed_kmh: on the road. most_km: from depot to location, beyond which coordinates are wrong.
    service_minutes, receives_from, receives_to, unit_litres, unit_kg: of a location and of a unit. vehicle_*: the fleet
    of a depot that no feed names: one type, as many as are needed. brought_by_suppliers: suppliers that bring to the
    store themselves. effort: factor on the iterations that a depot's day gets by its number of stops; seed: of the
    search; limit_s: seconds after which a depot's day keeps the routes it has, a guard that is recorded.
    """

    places: str = ""
    circuity: float = 1.3
    speed_kmh: float = 45.0
    most_km: float = 1500.0
    service_minutes: float = 15.0
    receives_from: str = "06:00"
    receives_to: str = "18:00"
    unit_litres: float = 3.0
    unit_kg: float = 1.0
    vehicle_litres: float = 30000.0
    vehicle_kg: float = 10000.0
    vehicle_fixed_cost: float = 120.0
    vehicle_km_cost: float = 0.6
    vehicle_hour_cost: float = 30.0
    vehicle_shift_from: str = "05:00"
    vehicle_shift_to: str = "19:00"
    brought_by_suppliers: tuple[str, ...] = ()
    effort: float = 1.0
    seed: int = 0
    limit_s: float = 600.0

    def __post_init__(self) -> None:
        above_0 = (
            "speed_kmh",
            "most_km",
            "unit_litres",
            "unit_kg",
            "vehicle_litres",
            "vehicle_kg",
            "limit_s",
            "effort",
        )
        from_0 = ("service_minutes", "vehicle_fixed_cost", "vehicle_km_cost", "vehicle_hour_cost")
        rules = [
            ("places", self.places in ("", "generated"), '"" or "generated"'),
            ("circuity", 1.0 <= self.circuity < 10.0, "a factor from 1 to 10"),
            ("seed", self.seed >= 0, "a whole number >= 0"),
            *((name, 0.0 < getattr(self, name) < math.inf, "a number > 0") for name in above_0),
            *((name, 0.0 <= getattr(self, name) < math.inf, "a number >= 0") for name in from_0),
            *((name, seconds_of(getattr(self, name)) is not None, "a time as hh:mm") for name in _TIMES),
        ]
        for name, is_good, expected in rules:
            if not is_good:
                raise ValueError(f"FulfilmentSpec.{name}: expected {expected}, found {getattr(self, name)!r}")


_TIMES = ("receives_from", "receives_to", "vehicle_shift_from", "vehicle_shift_to")
