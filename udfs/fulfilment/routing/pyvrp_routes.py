"""The routes by PyVRP's iterated local search, which ends by iterations and seed, so that any machine finds the same."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass
from typing import Any

from udfs.fulfilment.routing.delivery_problem import DeliveryProblem, FloatArray
from udfs.fulfilment.routing.pyvrp_data import SolverData, solver_data, solver_module
from udfs.fulfilment.routing.route_plan import RoutePlan
from udfs.fulfilment.routing.simple_routes import savings
from udfs.fulfilment.routing.timetable import Trips, plan_of, timed_route
from udfs.fulfilment.routing.unserved_reason import impossible

_INFEASIBLE = 2**63 - 1  # PyVRP's cost of a solution that breaks something


@dataclass(frozen=True, slots=True)
class RouteEffort:
    """How long routes are searched for: iterations, a seed, and a guard in seconds by `clock`, which should never be met.

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
        return cls(400 + 20 * stops, seed, deadline_s)


def solve_routes(problem: DeliveryProblem, effort: RouteEffort, start: RoutePlan | None = None) -> RoutePlan:
    """Routes of least cost and lost prizes, each with its timetable, never dearer than `start`'s.

    Stops that no vehicle could serve stay behind, and so do the fewest others where not all can be served together.
    Raises ValueError where PyVRP is not installed.
    """
    return improved_routes(problem, effort, [(route.vehicle, route.trips) for route in start.routes] if start else [])


def improved_routes(
    problem: DeliveryProblem,
    effort: RouteEffort,
    start: Sequence[tuple[int, Trips]],
    stops: Collection[int] | None = None,
    more_cost_VN: FloatArray | None = None,
) -> RoutePlan:
    """`solve_routes` for some of the stops, the others count as unserved, from (vehicle type, trips) that may break limits.

    more_cost_VN: money by which the search counts a stop dearer on a vehicle type; no route's cost contains it.
    """
    barred = impossible(problem)
    rows = [n for n in (range(len(problem.stops)) if stops is None else stops) if n not in barred]
    if not rows:
        return plan_of(problem, [])
    search, rest_s = _Search(problem, rows, effort, start, more_cost_VN), [0] * len(problem.vehicles)
    while True:
        routes = search.routes(rest_s)
        timed = [timed_route(problem, vehicle, trips) for vehicle, trips in routes]
        late = {vehicle for (vehicle, _), route in zip(routes, timed, strict=True) if route is None}
        if all(rest_s[vehicle] for vehicle in late):
            break
        # A break does not fit: the shifts of such vehicles end by it earlier, after whose last stop it then fits.
        rest_s = [kind.break_s if v in late else rest_s[v] for v, kind in enumerate(problem.vehicles)]
    return plan_of(problem, [route for route in timed if route], search.iterations, is_cut=search.is_cut)


class _Search:
    """The searches for one problem; iterations and is_cut count all of them."""

    def __init__(
        self,
        problem: DeliveryProblem,
        stops: Collection[int],
        effort: RouteEffort,
        start: Sequence[tuple[int, Trips]],
        more_cost_VN: FloatArray | None,
    ) -> None:
        self.problem, self.stops, self.effort = problem, stops, effort
        self.start, self.more_cost_VN = start, more_cost_VN
        self.iterations, self.is_cut = 0, False
        self.end = None if effort.deadline_s is None else effort.clock() + effort.deadline_s

    def routes(self, rest_s: Sequence[int]) -> list[tuple[int, Any]]:
        """(vehicle type, trips) of the best solution: of all stops, or else of as many as can be."""
        for forced in (None, self._forced_prize()):
            found = solver_data(self.problem, self.stops, rest_s, forced, self.more_cost_VN)
            if not found.vehicles:
                return []
            best = self._best(found, is_first=forced is None)
            if best.is_feasible():
                return found.trips_of(best)
        return [(route.vehicle, route.trips) for route in savings(self.problem, self.stops).routes]

    def _forced_prize(self) -> float:
        """More than any one stop could cost."""
        problem, farthest = self.problem, 2 * float(self.problem.metres_PP[self.problem.metres_PP < 1e9].max(initial=0))
        dearest = max(
            kind.fixed_cost
            + kind.km_cost * farthest / 1000
            + kind.hour_cost * (kind.shift_s[1] - kind.shift_s[0]) / 3600
            for kind in problem.vehicles
        )
        prizes = problem.prize_N[[math.isfinite(prize) for prize in problem.prize_N]]
        return float(3 * dearest + prizes.max(initial=0.0) + 1.0)

    def _best(self, found: SolverData, *, is_first: bool) -> Any:
        """is_first: a quarter of the iterations without a solution that holds is enough; then stops are left out."""
        start = found.solution_of(self.start) if self.start else None
        patience = self.effort.iterations // 4 if is_first else self.effort.iterations
        result = searched(found, self.effort.seed, _Stop(self, patience), start)
        self.iterations += result.num_iterations
        return result.best


class _Stop:
    """Ends a search by its iterations, and, where nothing holds, by its patience; the clock is a guard."""

    def __init__(self, search: _Search, patience: int) -> None:
        self.search, self.patience, self.count = search, patience, 0

    def __call__(self, best_cost: int) -> bool:
        search, done = self.search, self.count
        self.count += 1
        if done >= search.effort.iterations or (done >= self.patience and best_cost == _INFEASIBLE):
            return True
        if search.end is not None and search.effort.clock() >= search.end:
            search.is_cut = True
        return search.is_cut


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
    from pyvrp.search import (
        OPERATORS,
        LocalSearch,
        NeighbourhoodParams,
        PerturbationManager,
        PerturbationParams,
        compute_neighbours,
    )

    data, rng = found.data, RandomNumberGenerator(seed=seed)
    neighbours = compute_neighbours(data, NeighbourhoodParams(num_neighbours=_NEIGHBOURS))
    search = LocalSearch(data, rng, neighbours, PerturbationManager(PerturbationParams(1, _PERTURBATIONS)))
    for operator in OPERATORS:
        if operator.supports(data):
            search.add_operator(operator(data))
    least = min(*found.penalties[0], found.penalties[1], 1.0) / 1000 if found.penalties[0] else 0.001
    penalties = PenaltyManager(found.penalties, PenaltyParams(min_penalty=least, max_penalty=found.largest_penalty))
    if start is None:
        start = search(Solution.make_random(data, rng), penalties.max_cost_evaluator(), exhaustive=True)
    return IteratedLocalSearch(data, penalties, search, start, IteratedLocalSearchParams()).run(
        stop, collect_stats=False
    )


_NEIGHBOURS, _PERTURBATIONS = 25, 10
