"""The smallest change that would serve a stop which a plan leaves behind, proved by the routes that it allows."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass, replace

import numpy as np

from udfs.fulfilment.routing.delivery_problem import DeliveryProblem
from udfs.fulfilment.routing.insertion import with_stop
from udfs.fulfilment.routing.pyvrp_routes import RouteEffort, solve_routes
from udfs.fulfilment.routing.route_plan import RoutePlan

_MINUTE = 60
_HUNDREDTHS = 100  # of a load, the step of a smaller one


@dataclass(frozen=True, slots=True)
class Change:
    """kind: "prize" (it fits and costs more than it is worth), "window", "load" or "vehicle". amount: money more
    than the prize, minutes by which the window opens earlier and closes later, units of each load less, or vehicles.
    cost: money that the changed plan costs more. plan: the routes that prove it, in the changed problem's rows."""

    kind: str
    amount: tuple[float, ...]
    words: str
    cost: float
    plan: RoutePlan
    problem: DeliveryProblem


def smallest_change(problem: DeliveryProblem, plan: RoutePlan, stop: int, effort: RouteEffort) -> Change | None:
    """The change that costs least, while whoever the plan serves stays served; None where none of the kinds helps.

    Of each kind the least that was found to do, by halving. Raises ValueError for a stop that the plan serves.
    """
    if stop not in plan.unserved:
        raise ValueError(f"smallest_change: expected a stop that is unserved, found {problem.stops[stop]} in a route")
    trial = _Trial(_as_must(problem, plan, stop), plan, stop, effort)
    if (served := trial.served(trial.problem)) is not None:
        more = served.cost - plan.cost
        over = max(more - float(problem.prize_N[stop]), 0.0)
        words = f"it fits and costs {more:.2f} more, {over:.2f} above what it is worth"
        return Change("prize", (over,), words, more, served, trial.problem)
    found = [each for each in (trial.window(), trial.load(), trial.vehicle()) if each is not None]
    return min(found, key=lambda change: change.cost, default=None)


def _as_must(problem: DeliveryProblem, plan: RoutePlan, stop: int) -> DeliveryProblem:
    """Who is served, and the stop, must be; the others that are not served are worth nothing."""
    prize_N = np.full(len(problem.stops), np.inf)
    prize_N[list(plan.unserved)] = 0.0
    prize_N[stop] = np.inf
    return replace(problem, prize_N=prize_N)


@dataclass(frozen=True, slots=True)
class _Trial:
    problem: DeliveryProblem
    plan: RoutePlan
    stop: int
    effort: RouteEffort

    def served(self, problem: DeliveryProblem) -> RoutePlan | None:
        """Routes with the stop and all that were served: a mere insertion, else a search."""
        simple = with_stop(problem, self.plan, self.stop)
        if simple is not None:
            return simple
        found = solve_routes(problem, self.effort, self.plan)
        missed = found.unserved
        return None if any(math.isinf(problem.prize_N[n]) for n in missed) else found

    def _least(self, most: int, changed: Callable[[int], DeliveryProblem]) -> tuple[int, RoutePlan] | None:
        """The least amount up to `most` for which routes were found."""
        found = self.served(changed(most))
        if found is None:
            return None
        too_little, enough = 0, most
        while enough - too_little > 1:
            middle = (too_little + enough) // 2
            plan = self.served(changed(middle))
            if plan is None:
                too_little = middle
            else:
                enough, found = middle, plan
        return enough, found

    def _wider(self, minutes: int) -> DeliveryProblem:
        window_N2 = self.problem.window_N2.copy()
        early, late = window_N2[self.stop]
        window_N2[self.stop] = max(early - minutes * _MINUTE, 0), late + minutes * _MINUTE
        return replace(self.problem, window_N2=window_N2)

    def _lighter(self, hundredths: int) -> DeliveryProblem:
        load_NK = self.problem.load_NK.copy()
        load_NK[self.stop] = load_NK[self.stop] * (_HUNDREDTHS - hundredths) // _HUNDREDTHS
        return replace(self.problem, load_NK=load_NK)

    def window(self) -> Change | None:
        found = self._least(12 * 60, self._wider)
        if found is None:
            return None
        minutes, plan = found
        problem = self._wider(minutes)
        row = [(route, at) for route in plan.routes for at, n in enumerate(route.stops) if n == self.stop]
        start = row[0][0].start_s[row[0][1]]
        side = "later" if start > self.problem.window_N2[self.stop, 1] else "earlier"
        words = f"a window of {minutes} minutes {side} lets it fit"
        return Change("window", (float(minutes),), words, plan.cost - self.plan.cost, plan, problem)

    def load(self) -> Change | None:
        found = self._least(_HUNDREDTHS - 1, self._lighter)
        if found is None:
            return None
        hundredths, plan = found
        problem = self._lighter(hundredths)
        less = tuple((self.problem.load_NK[self.stop] - problem.load_NK[self.stop]).astype(float).tolist())
        words = f"{hundredths}% less of its load lets it fit: " + ", ".join(f"{each:,.0f}" for each in less)
        return Change("load", less, words, plan.cost - self.plan.cost, plan, problem)

    def vehicle(self) -> Change | None:
        options = []
        for row, kind in enumerate(self.problem.vehicles):
            more = replace(kind, number=kind.number + 1)
            kinds = (*self.problem.vehicles[:row], more, *self.problem.vehicles[row + 1 :])
            problem = replace(self.problem, vehicles=kinds)
            plan = self.served(problem)
            if plan is not None:
                words = f"one {kind.vehicle_type} more lets it fit"
                options.append(Change("vehicle", (1.0,), words, plan.cost - self.plan.cost, plan, problem))
        return min(options, key=lambda change: change.cost, default=None)
