"""A delivery problem as PyVRP's data, and back.

Money is whole millionths of the currency, divided by what all amounts have in common: costs that are mere
metres stay metres.
"""

from __future__ import annotations

import math
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from types import ModuleType
from typing import Any, cast

import numpy as np

from udfs.fulfilment.routing.delivery_problem import NO_WAY, DeliveryProblem, FloatArray, IntArray
from udfs.fulfilment.routing.timetable import Trips

_MILLIONTHS = 1_000_000
_FINEST = 100  # whole numbers of the least cost of a metre or second
_DEARER = 20.0  # than what a limit could save, at the start of a search
_LARGEST = 1e17  # of a penalty in all, so that sums stay within 64 bits


def solver_module() -> ModuleType:
    """PyVRP. Raises ValueError where it is not installed."""
    try:
        import pyvrp
    except ImportError as error:
        raise ValueError(
            f"routes: expected pyvrp, by which routes are searched, found none ({error}); "
            "pip install 'shelfcast[fulfilment]', or leave the coordinates out"
        ) from None
    return cast(ModuleType, pyvrp)


@dataclass(frozen=True, slots=True)
class SolverData:
    """data: PyVRP's; stops, vehicles: the rows that its clients and vehicle types are. penalties: what a unit of each
    load, a second and a metre too much cost at the start of a search, and the most that a unit may cost. stops_a_route:
    that the mean vehicle's capacity takes."""

    data: Any
    stops: tuple[int, ...]
    vehicles: tuple[int, ...]
    penalties: tuple[list[float], float, float]
    largest_penalty: float
    stops_a_route: float

    def trips_of(self, solution: Any) -> list[tuple[int, Trips]]:
        """A solution's routes as (vehicle type, trips)."""
        routes: list[tuple[int, Trips]] = []
        for route in solution.routes():
            trips: list[list[int]] = [[] for _ in range(route.num_trips())]
            for visit in route:
                if visit.is_client():
                    trips[visit.trip].append(self.stops[visit.idx])
            routes.append((self.vehicles[route.vehicle_type()], trips))
        return routes

    def solution_of(self, plan: Sequence[tuple[int, Trips]]) -> Any:
        """Routes of (vehicle type, trips) as a solution; stops that are not among the clients are left out."""
        vrp = solver_module()
        client_of = {stop: vrp.Activity(vrp.ActivityType.CLIENT, row) for row, stop in enumerate(self.stops)}
        type_of = {vehicle: row for row, vehicle in enumerate(self.vehicles)}
        routes = []
        for vehicle, trips in plan:
            if vehicle not in type_of:
                continue
            reload = vrp.Activity(vrp.ActivityType.DEPOT, self.data.vehicle_type(type_of[vehicle]).start_depot)
            visits: list[Any] = []
            for trip in trips:
                clients = [client_of[stop] for stop in trip if stop in client_of]
                visits.extend([reload] * bool(visits and clients) + clients)
            if visits:
                routes.append(vrp.Route(self.data, visits, type_of[vehicle]))
        return vrp.Solution(self.data, routes)


def solver_data(
    problem: DeliveryProblem,
    stops: Collection[int],
    rest_s: Sequence[int],
    forced_prize: float | None = None,
    more_cost_VN: FloatArray | None = None,
) -> SolverData:
    """PyVRP's data for some of the stops.

    rest_s: seconds by which each vehicle type's shift ends before. forced_prize: None, or what a stop that must be
    served counts when it may be left out. more_cost_VN: money that a stop costs more on a vehicle type.
    """
    vrp, rows = solver_module(), tuple(stops)
    hours = [_hours(problem, v, rest) for v, rest in enumerate(rest_s)]
    used = tuple(v for v, kind in enumerate(problem.vehicles) if kind.number and hours[v][0] <= hours[v][1])
    scale = _Scale.of(problem, used, rows, forced_prize, is_exact=more_cost_VN is None)
    metres_PP, seconds_PP = _matrices(problem)
    is_timed = _is_timed(problem, seconds_PP, [hours[v] for v in used])
    kinds = []
    for row, v in enumerate(used):
        kind = problem.vehicles[v]
        kinds.append(
            vrp.VehicleType(
                kind.number,
                list(kind.capacity_K),
                start_depot=kind.depot,
                end_depot=kind.depot,
                fixed_cost=scale.whole(kind.fixed_cost),
                unit_distance_cost=1 if more_cost_VN is not None else scale.whole(kind.km_cost / 1000),
                unit_duration_cost=scale.whole(kind.hour_cost / 3600),
                profile=0 if more_cost_VN is None else row,
                reload_depots=[kind.depot] * (kind.most_trips > 1),
                max_reloads=kind.most_trips - 1,
                **({"tw_early": hours[v][0], "tw_late": hours[v][1]} if is_timed else {}),
            )
        )
    profiles = [metres_PP]
    if more_cost_VN is not None:
        profiles = [_in_money(problem, v, metres_PP, scale, more_cost_VN[v]) for v in used]
    data = vrp.ProblemData(
        [vrp.Location(0, 0)] * len(metres_PP),
        [_client(vrp, problem, n, scale, forced_prize, is_timed=is_timed) for n in rows],
        [vrp.Depot(int(place)) for place in problem.depot_place_D],
        kinds,
        profiles,
        [seconds_PP] * len(profiles),
    )
    penalties, largest = _penalties(problem, used, rows, scale, metres_PP, seconds_PP)
    return SolverData(data, rows, used, penalties, largest, _stops_a_route(problem, used, rows))


@dataclass(frozen=True, slots=True)
class _Scale:
    per_money: int
    divisor: int = 1

    @classmethod
    def of(
        cls, problem: DeliveryProblem, used: Sequence[int], rows: Sequence[int], forced: float | None, *, is_exact: bool
    ) -> _Scale:
        kinds = [problem.vehicles[v] for v in used]
        units = [unit for kind in kinds for unit in (kind.km_cost / 1000, kind.hour_cost / 3600) if unit > 0]
        per_money = _MILLIONTHS
        while units and min(units) * per_money < _FINEST:
            per_money *= 10
        prizes = [float(prize) for prize in problem.prize_N[list(rows)] if math.isfinite(prize)]
        every = [*units, *(kind.fixed_cost for kind in kinds), *prizes, forced or 0.0]
        common = math.gcd(*(cls(per_money).whole(each) for each in every)) if is_exact else 1
        return cls(per_money, max(common, 1))

    def whole(self, money: float) -> int:
        return round(money * self.per_money / self.divisor)


def _hours(problem: DeliveryProblem, vehicle: int, rest_s: int) -> tuple[int, int]:
    kind = problem.vehicles[vehicle]
    opens, closes = problem.depot_window_D2[kind.depot].tolist()
    return max(opens, kind.shift_s[0]), min(closes, kind.shift_s[1]) - rest_s


def _matrices(problem: DeliveryProblem) -> tuple[IntArray, IntArray]:
    """Where there is no way, one that is longer than any shift."""
    is_barred = (problem.metres_PP >= NO_WAY) | (problem.seconds_PP >= NO_WAY)
    if not is_barred.any():
        return problem.metres_PP, problem.seconds_PP
    longest = max(kind.shift_s[1] for kind in problem.vehicles) + 1
    farthest = 2 * int(problem.metres_PP[~is_barred].max(initial=1))
    return np.where(is_barred, farthest, problem.metres_PP), np.where(is_barred, longest, problem.seconds_PP)


def _is_timed(problem: DeliveryProblem, seconds_PP: IntArray, hours: Sequence[tuple[int, int]]) -> bool:
    """Whether time binds anybody: PyVRP is faster where it knows of none."""
    opens = max([*problem.window_N2[:, 0].tolist(), *(first for first, _ in hours)], default=0)
    closes = min([*problem.window_N2[:, 1].tolist(), *(last for _, last in hours)], default=NO_WAY)
    return bool(seconds_PP.any() or problem.service_N.any() or problem.release_N.any() or opens > closes)


def _client(
    vrp: Any, problem: DeliveryProblem, stop: int, scale: _Scale, forced: float | None, *, is_timed: bool
) -> Any:
    prize, (early, late) = float(problem.prize_N[stop]), problem.window_N2[stop].tolist()
    return vrp.Client(
        int(problem.place_N[stop]),
        problem.load_NK[stop].tolist(),
        service_duration=int(problem.service_N[stop]),
        release_time=int(problem.release_N[stop]),
        prize=scale.whole(prize if math.isfinite(prize) else forced or 0.0),
        required=forced is None and math.isinf(prize),
        **({"tw_early": early, "tw_late": late} if is_timed else {}),
    )


def _stops_a_route(problem: DeliveryProblem, used: Sequence[int], rows: Sequence[int]) -> float:
    capacity_K = np.array([problem.vehicles[v].capacity_K for v in used], dtype=float).mean(axis=0)
    load_K = np.maximum(problem.load_NK[list(rows)].mean(axis=0), 1e-9)
    return float(min((capacity_K / load_K).min(initial=len(rows)), len(rows)))


def _in_money(
    problem: DeliveryProblem, vehicle: int, metres_PP: IntArray, scale: _Scale, more_cost_N: FloatArray
) -> IntArray:
    more_P = np.zeros(len(metres_PP))
    np.maximum.at(more_P, problem.place_N, more_cost_N)
    cost_PP = metres_PP * (problem.vehicles[vehicle].km_cost / 1000) + more_P[None, :]
    np.fill_diagonal(cost_PP, 0.0)
    return np.rint(cost_PP * scale.per_money).astype(np.int64)


def _penalties(
    problem: DeliveryProblem,
    used: Sequence[int],
    rows: Sequence[int],
    scale: _Scale,
    metres_PP: IntArray,
    seconds_PP: IntArray,
) -> tuple[tuple[list[float], float, float], float]:
    """Some times as dear as what one could save by it: the mean way a mean load, a vehicle's fixed cost a capacity.

    With 1 a search with windows begins far from what is allowed; with 1,000 one without windows never leaves it."""
    kinds = [problem.vehicles[v] for v in used]
    mean = [float(np.mean([getattr(kind, name) for kind in kinds])) for name in ("fixed_cost", "km_cost", "hour_cost")]
    way_m, way_s = float(metres_PP.mean()), max(float(seconds_PP.mean()), 1.0)
    fixed, way = scale.whole(mean[0]), scale.whole(mean[1] * way_m / 1000 + mean[2] * way_s / 3600)
    load_NK, capacity_VK = problem.load_NK[list(rows)], np.array([kind.capacity_K for kind in kinds], dtype=float)
    loads = way / np.maximum(load_NK.mean(axis=0), 1.0) + fixed / np.maximum(capacity_VK.mean(axis=0), 1.0)
    shift = float(np.mean([kind.shift_s[1] - kind.shift_s[0] for kind in kinds]))
    second = way / way_s + fixed / max(shift, 1.0)
    first = (np.array([*loads, second]) * _DEARER).tolist()
    violation = max(float(load_NK.sum(axis=0).max(initial=1)), len(rows) * way_s, 1.0)
    largest = max(min(100.0 * max(*first, 1.0), _LARGEST / violation), *first)
    return (first[:-1], first[-1], 1.0), largest
