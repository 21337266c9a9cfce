"""Delivery days for tests."""

from __future__ import annotations

from typing import Any

import numpy as np

from udfs.fulfilment.routing.delivery_problem import DeliveryProblem, VehicleType, whole_metres, whole_seconds


def day(n: int, seed: int = 0, vehicles: tuple[VehicleType, ...] | None = None, **changes: Any) -> DeliveryProblem:
    """n stops around one depot in a square of 40 km, at 50 km/h, with windows of two to eight hours."""
    rng = np.random.default_rng(seed)
    xy = rng.uniform(0, 40, (n + 1, 2))
    km = np.hypot(*(xy[:, None] - xy[None]).transpose(2, 0, 1))
    opens = rng.integers(6, 12, n) * 3600
    fields: dict[str, Any] = {
        "stops": tuple(f"s{row}" for row in range(n)),
        "place_N": np.arange(1, n + 1),
        "load_NK": rng.integers(100, 900, (n, 2)),
        "window_N2": np.stack([opens, opens + rng.integers(2, 9, n) * 3600], axis=1),
        "service_N": rng.integers(3, 15, n) * 60,
        "release_N": np.zeros(n, dtype=np.int64),
        "prize_N": np.full(n, np.inf),
        "depots": ("depot",),
        "depot_place_D": np.array([0]),
        "depot_window_D2": np.array([[0, 86_400]]),
        "vehicles": vehicles or (van(number=max(n // 3, 3)),),
        "metres_PP": whole_metres(km * 1.3, 1000),
        "seconds_PP": whole_seconds(km * 1.3 / 50, 3600),
    }
    return DeliveryProblem(**(fields | changes))


def van(**changes: Any) -> VehicleType:
    fields: dict[str, Any] = {
        "vehicle_type": "van",
        "depot": 0,
        "number": 5,
        "capacity_K": (4000, 4000),
        "fixed_cost": 60.0,
        "km_cost": 0.4,
        "hour_cost": 22.0,
        "shift_s": (5 * 3600, 20 * 3600),
    }
    return VehicleType(**(fields | changes))
