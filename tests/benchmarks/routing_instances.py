"""Published routing instances as delivery problems, and uniform ones."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import vrplib

from tests import real_data
from udfs.fulfilment.routing.delivery_problem import DeliveryProblem, VehicleType, whole_loads, whole_metres


def x_instances() -> list[tuple[str, DeliveryProblem, float]]:
    """Capacitated, distances to the nearest whole number; no time at all. Each with the best known distance."""
    folder = real_data.find("vrp_cvrp")
    best = pd.read_csv(folder / "best_known.csv").set_index("instance")["bks_cost"]
    return [
        (str(name), _capacitated(vrplib.read_instance(folder / f"{name}.vrp")), float(cost))
        for name, cost in best.items()
    ]


def windowed(group: str, scale: int, *, is_truncated: bool) -> list[tuple[str, DeliveryProblem, pd.Series]]:
    """Instances with windows; all in units of 1 / scale, distances truncated or rounded to them."""
    folder = real_data.find("vrptw")
    best = pd.read_csv(folder / f"{group}_best_known.csv").set_index("instance")
    found = []
    for name, row in best.iterrows():
        path = next(path for path in sorted((folder / group).glob(f"{name}.*vrp*")))
        found.append((str(name), _windowed(path, scale, is_truncated=is_truncated), row))
    return found


def uniform(stops: int, capacity: int, seed: int) -> DeliveryProblem:
    """Kool et al. (2019): a square, demands of 1 to 9; here 10 km wide."""
    rng = np.random.default_rng(seed)
    xy, demand = rng.random((stops + 1, 2)) * 10_000, rng.integers(1, 10, stops)
    return _problem(_between(xy), demand, VehicleType("vehicle", 0, stops, (capacity,), 0.0, 1000.0, 0.0, (0, 1)))


def _between(xy: np.ndarray) -> np.ndarray:
    return np.hypot(*(xy[:, None].astype(float) - xy[None]).transpose(2, 0, 1))


def _capacitated(read: dict[str, Any]) -> DeliveryProblem:
    stops = len(read["demand"]) - 1
    kind = VehicleType("vehicle", 0, stops, (int(read["capacity"]),), 0.0, 1000.0, 0.0, (0, 1))
    return _problem(_between(read["node_coord"]), read["demand"][1:], kind)


def _windowed(path: Path, scale: int, *, is_truncated: bool) -> DeliveryProblem:
    read = vrplib.read_instance(path)
    km = _between(read["node_coord"]) * scale
    metres = np.floor(km + 1e-9) if is_truncated else km
    window = np.rint(np.asarray(read["time_window"]) * scale).astype(np.int64)
    # VRPLIB: one service time for all stops, or one each.
    service = np.broadcast_to(np.asarray(read["service_time"]), len(metres))[1:] * scale
    end = int(window[0, 1])
    kind = VehicleType("vehicle", 0, int(read["vehicles"]), (int(read["capacity"]),), 0.0, 1000.0, 0.0, (0, end))
    return _problem(metres, read["demand"][1:], kind, window[1:], np.rint(service).astype(np.int64))


def _problem(
    metres: np.ndarray,
    demand: np.ndarray,
    kind: VehicleType,
    window: np.ndarray | None = None,
    service: np.ndarray | None = None,
) -> DeliveryProblem:
    n = len(demand)
    whole = whole_metres(metres)
    return DeliveryProblem(
        stops=tuple(f"stop {row}" for row in range(n)),
        place_N=np.arange(1, n + 1),
        load_NK=whole_loads(demand)[:, None],
        window_N2=np.tile([0, 1], (n, 1)) if window is None else window,
        service_N=np.zeros(n, dtype=np.int64) if service is None else service,
        release_N=np.zeros(n, dtype=np.int64),
        prize_N=np.full(n, np.inf),
        depots=("depot",),
        depot_place_D=np.array([0]),
        depot_window_D2=np.array([kind.shift_s]),
        vehicles=(kind,),
        metres_PP=whole,
        seconds_PP=np.zeros_like(whole) if window is None else whole,
    )
