"""One search by PyVRP's iterated local search, which ends by iterations: any machine finds the same."""

from __future__ import annotations

import math
import time
import warnings
from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from udfs.fulfilment.routing.delivery_problem import NO_WAY, DeliveryProblem, FloatArray
from udfs.fulfilment.routing.pyvrp_data import SolverData, solver_data, solver_module
from udfs.fulfilment.routing.simple_routes import savings
from udfs.fulfilment.routing.timetable import Trips

_INFEASIBLE = 2**63 - 1  # PyVRP's cost of a solution that breaks something
_PERTURBATIONS = (10, 25)  # stops that a step moves at most: as many as a route has, within these
_LEAST = 1e-4  # of the penalty at the start, the least that it falls to
_ROOM = 1.06  # vehicles for each that the loads would fill, with which a search begins
_BETWEEN = 50  # steps between changes of the penalties; PyVRP's 500 are too slow for searches of a second


@dataclass(frozen=True, slots=True)
class RouteEffort:
    """How long routes are searched for: iterations, a seed, and a guard in seconds by `clock`, not to be met.

    Raises ValueError for a value out of range.
    """

    iterations: int
    seed: int = 0
    deadline_s: float | None = None
    clock: Callable[[], float] = time.monotonic

    def __post_init__(self) -> None:
        rules = (
            ("iterations", self.iterations >= 1, "at least 1"),
            ("seed", self.seed >= 0, "a whole number >= 0"),
            ("deadline_s", self.deadline_s is None or self.deadline_s > 0, "seconds > 0, or None"),
        )
        for name, is_good, expected in rules:
            if not is_good:
                raise ValueError(f"RouteEffort.{name}: expected {expected}, found {getattr(self, name)!r}")

    @classmethod
    def for_stops(cls, stops: int, seed: int = 0, deadline_s: float | None = None) -> RouteEffort:
        """What a problem of that many stops needs, measured by tests/benchmarks/bench_routes.py (effort)."""
        return cls(400 + 20 * stops + 40 * max(0, stops - 60), seed, deadline_s)


class RouteSearch:
    """The searches for some stops of a problem; iterations and is_cut count all of them.

    start: (vehicle type, trips), which may break limits. is_first_enough: ends with the first routes that serve all,
    and finds none where that fails, instead of leaving stops out.
    """

    def __init__(
        self,
        problem: DeliveryProblem,
        stops: Collection[int],
        effort: RouteEffort,
        start: Sequence[tuple[int, Trips]] = (),
        more_cost_VN: FloatArray | None = None,
        *,
        is_first_enough: bool = False,
    ) -> None:
        self.problem, self.stops, self.effort, self.start = problem, stops, effort, start
        self.more_cost_VN, self.is_first_enough = more_cost_VN, is_first_enough
        self.iterations, self.is_cut = 0, False
        self.end = None if effort.deadline_s is None else effort.clock() + effort.deadline_s

    def routes(self, rest_s: Sequence[int]) -> list[tuple[int, Trips]]:
        """(vehicle type, trips) of all stops, or else of as many as can be; vehicle types' shifts end by rest_s before.

        A quarter of the iterations without routes that hold is taken as a sign that there are none for all.
        """
        patience = self.effort.iterations if self.is_first_enough else self.effort.iterations // 4
        few = None if self.start or self.is_first_enough else few_vehicles(self.problem, self.stops)
        if few is not None:
            found = solver_data(few, self.stops, rest_s, None, self.more_cost_VN)
            best = self._best(found, patience, (), is_trial=True)
            if best.is_feasible():
                return found.trips_of(best)
        found = solver_data(self.problem, self.stops, rest_s, None, self.more_cost_VN)
        if not found.vehicles:
            return []
        best = self._best(found, patience, self.start)
        if best.is_feasible() or self.is_first_enough:
            return found.trips_of(best) if best.is_feasible() else []
        simple: list[tuple[int, Trips]] = [
            (route.vehicle, route.trips) for route in savings(self.problem, self.stops).routes
        ]
        found = solver_data(self.problem, self.stops, rest_s, self._forced_prize(), self.more_cost_VN)
        is_start_sound = bool(self.start) and found.solution_of(self.start).is_feasible()
        best = self._best(found, self.effort.iterations, self.start if is_start_sound else simple)
        return found.trips_of(best) if best.is_feasible() else simple

    def _forced_prize(self) -> float:
        """More than any one stop could cost."""
        problem = self.problem
        farthest = 2 * float(problem.metres_PP[problem.metres_PP < NO_WAY].max(initial=0)) / 1000
        dearest = max(
            kind.fixed_cost + kind.km_cost * farthest + kind.hour_cost * (kind.shift_s[1] - kind.shift_s[0]) / 3600
            for kind in problem.vehicles
        )
        return (
            3 * dearest + max((prize for prize in problem.prize_N.tolist() if math.isfinite(prize)), default=0.0) + 1.0
        )

    def _best(
        self, found: SolverData, patience: int, start: Sequence[tuple[int, Trips]], *, is_trial: bool = False
    ) -> Any:
        solution = found.solution_of(start) if start else None
        result = searched(found, self.effort.seed, _Stop(self, patience, is_trial=is_trial), solution)
        self.iterations += result.num_iterations
        return result.best


class _Stop:
    """Ends a search by its iterations, and, where nothing holds, by its patience; the clock is a guard.

    is_trial: where nothing holds it may take a quarter of the time that is left, for another search comes then.
    """

    def __init__(self, search: RouteSearch, patience: int, *, is_trial: bool = False) -> None:
        self.search, self.patience, self.count = search, patience, 0
        self.end = self.end_unserved = math.inf if search.end is None else search.end
        if is_trial and search.end is not None:
            now = search.effort.clock()
            self.end_unserved = now + (search.end - now) / 4

    def __call__(self, best_cost: int) -> bool:
        search, done, is_served = self.search, self.count, best_cost < _INFEASIBLE
        self.count += 1
        if done >= (search.effort.iterations if is_served else self.patience) or (is_served and search.is_first_enough):
            return True
        end = self.end if is_served else self.end_unserved
        if end < math.inf and search.effort.clock() >= end:
            search.is_cut = True
            return True
        return False


def few_vehicles(problem: DeliveryProblem, rows: Collection[int]) -> DeliveryProblem | None:
    """The problem with little more of its one vehicle type than the loads fill; None where other things limit routes.

    A search that may always open one more route keeps too many where stops are large beside a vehicle.
    """
    stops = list(rows)
    if len(problem.vehicles) != 1 or not np.isinf(problem.prize_N[stops]).all():
        return None
    kind, window_N2 = problem.vehicles[0], problem.window_N2[stops]
    if kind.most_trips > 1 or (window_N2[:, 0].max() > kind.shift_s[0]) or (window_N2[:, 1].min() < kind.shift_s[1]):
        return None
    filled = (problem.load_NK[stops].sum(axis=0) / np.maximum(kind.capacity_K, 1)).max()
    few = math.ceil(_ROOM * math.ceil(filled)) + 1
    return replace(problem, vehicles=(replace(kind, number=few),)) if few < min(kind.number, len(stops)) else None


def searched(found: SolverData, seed: int, stop: Any, start: Any = None) -> Any:
    """PyVRP's result from `start`, or from stops put in at random: its `solve` with penalties that fit the costs."""
    solver_module()
    from pyvrp import (
        IteratedLocalSearch,
        IteratedLocalSearchParams,
        PenaltyManager,
        PenaltyParams,
        RandomNumberGenerator,
        Solution,
    )
    from pyvrp.exceptions import PenaltyBoundWarning
    from pyvrp.search import (
        OPERATORS,
        LocalSearch,
        PerturbationManager,
        PerturbationParams,
        compute_neighbours,
    )

    data, rng = found.data, RandomNumberGenerator(seed=seed)
    neighbours = compute_neighbours(data)
    least, most = _PERTURBATIONS
    moves = PerturbationParams(1, round(min(max(found.stops_a_route, least), most)))
    search = LocalSearch(data, rng, neighbours, PerturbationManager(moves))
    for operator in OPERATORS:
        if operator.supports(data):
            search.add_operator(operator(data))
    lowest = min(*found.penalties[0], found.penalties[1], 1.0) * _LEAST
    penalties = PenaltyManager(
        found.penalties, PenaltyParams(_BETWEEN, min_penalty=lowest, max_penalty=found.largest_penalty)
    )
    if start is None:
        start = search(Solution.make_random(data, rng), penalties.max_cost_evaluator(), exhaustive=True)
    with warnings.catch_warnings():
        # That nothing holds is no matter for a log: stops are left out then, each with its reason.
        warnings.simplefilter("ignore", PenaltyBoundWarning)
        search_all = IteratedLocalSearch(data, penalties, search, start, IteratedLocalSearchParams())
        return search_all.run(stop, collect_stats=False)
