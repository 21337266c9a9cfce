"""The best sequence by CP-SAT: one circuit through all lots of a resource, over all periods, for set-ups carry over."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import replace
from itertools import pairwise
from types import ModuleType
from typing import Any, cast

import numpy as np

from udfs.supply_network.production.lot_problem import IntArray
from udfs.supply_network.production.lot_sequence import LotSequence, SequenceProblem, by_due_date, timed

_TICKS = 3600  # of an hour: CP-SAT knows whole numbers alone
_CENTS = 100
_WEIGHTS = 1000  # that of the heaviest lot


def solver_module() -> ModuleType:
    """CP-SAT. Raises ValueError where it is not installed."""
    try:
        from ortools.sat.python import cp_model
    except ImportError as error:
        raise ValueError(
            f"changeovers: expected ortools, by which lots are sequenced, found none ({error}); "
            "pip install 'shelfcast[production]', or leave the feed out"
        ) from None
    return cast(ModuleType, cp_model)


def best_sequence(problem: SequenceProblem, work: float, seed: int = 0) -> LotSequence:
    """The sequence with least of `LotSequence.aims`, one after the other, each within `work` of CP-SAT's deterministic
    time (about a second each): the same on any machine. No worse than `by_due_date`."""
    found, model, gap = by_due_date(problem), _SequenceModel(problem, solver_module()), 0.0
    # Short set-ups, a mere tour, are a far better start for the hours beyond a period than due dates are.
    for number, aim in enumerate((model.hours, *model.aims), start=-1):
        order, value, bound = model.least(aim, found, work, seed, is_kept=number >= 0)
        if order is not None:
            found = min(found, timed(problem, order), key=lambda each: np.round(each.aims(), 2).tolist())
        if number == 1:
            gap = max(value - bound, 0.0) / value if value > 0 else 0.0
    return replace(found, gap=gap)


class _SequenceModel:
    def __init__(self, problem: SequenceProblem, cp: ModuleType) -> None:
        self.problem, self.cp, self.model = problem, cp, cp.CpModel()
        self.n = len(problem.run_J)
        self.run_J, self.setup_KJ = (np.rint(hours * _TICKS).astype(int) for hours in (problem.run_J, problem.setup_KJ))
        # Rounding alone shall bring no lot beyond its period.
        self.limit_T = np.ceil(problem.limit_T * _TICKS).astype(int) + self.n
        release_J = np.floor(problem.release_J * _TICKS).astype(int)
        latest = int(release_J.max(initial=0) + self.run_J.sum() + self.setup_KJ.max(axis=0).sum())
        self.runs = [self.model.new_int_var(int(release_J[lot]), latest, "") for lot in range(self.n)]
        self.arc = {pair: self.model.new_bool_var("") for pair in _arcs(problem)}
        self.model.add_circuit([(tail, head, taken) for (tail, head), taken in self.arc.items()])
        self._follow()
        self.hours, cost = self._into(self.setup_KJ), self._into(np.rint(problem.cost_KJ * _CENTS).astype(int))
        setups = [cost, self.hours] if problem.is_cost_first else [self.hours]
        self.aims = [self._over(latest), *setups, self._late(latest)]

    def _end(self, lot: int) -> Any:
        return self.runs[lot] + int(self.run_J[lot])

    def _follow(self) -> None:
        """No lot runs before its set-up is done, which begins after the lot before it in its period."""
        period_J = self.problem.period_J
        for (tail, head), taken in self.arc.items():
            if head < self.n:
                clock = self._end(tail) if tail < self.n and period_J[tail] == period_J[head] else 0
                self.model.add(self.runs[head] >= clock + int(self.setup_KJ[tail, head])).only_enforce_if(taken)
        for first, then in np.argwhere(self.problem.before_JJ):
            self.model.add(self.runs[then] >= self._end(first))

    def _over(self, latest: int) -> Any:
        over = {int(period): self.model.new_int_var(0, latest, "") for period in np.unique(self.problem.period_J)}
        for period, ticks in over.items():
            lots = set(np.flatnonzero(self.problem.period_J == period).tolist())
            # It follows from the ends as well; said outright it is a bound that the solver has at once.
            work = int(self.run_J[list(lots)].sum()) + self._into(self.setup_KJ, lots)
            self.model.add(ticks >= work - int(self.limit_T[period]))
            for lot in lots:
                self.model.add(ticks >= self._end(lot) - int(self.limit_T[period]))
        return sum(over.values())

    def _into(self, of_KJ: IntArray, lots: Collection[int] | None = None) -> Any:
        """Sum of what the set-ups of some lots take, or of all."""
        wanted = range(self.n) if lots is None else lots
        return sum(int(of_KJ[pair]) * taken for pair, taken in self.arc.items() if pair[1] in wanted)

    def _late(self, latest: int) -> Any:
        weight_J = np.rint(_WEIGHTS * self.problem.weight_J / max(self.problem.weight_J.max(), 1e-12)).astype(int)
        terms = []
        for lot in np.flatnonzero(np.isfinite(self.problem.due_J)).tolist():
            late = self.model.new_int_var(0, latest, "")
            self.model.add(late >= self._end(lot) - int(np.floor(self.problem.due_J[lot] * _TICKS)))
            terms.append(int(weight_J[lot]) * late)
        return sum(terms)

    def least(
        self, aim: Any, known: LotSequence, work: float, seed: int, *, is_kept: bool
    ) -> tuple[IntArray | None, float, float]:
        """An order with the least of an aim (None: none was found), its value and bound; later aims keep the value."""
        follows = [*known.order_J.tolist(), self.n]
        taken = {(self.n, follows[0]), *pairwise(follows)}
        self.model.clear_hints()
        for pair, variable in self.arc.items():
            self.model.add_hint(variable, pair in taken)
        self.model.minimize(aim)
        solver = self.cp.CpSolver()
        solver.parameters.max_deterministic_time = work
        solver.parameters.num_workers = 1
        solver.parameters.random_seed = seed
        if solver.solve(self.model) not in (self.cp.OPTIMAL, self.cp.FEASIBLE):
            return None, 1.0, 0.0
        value = round(solver.objective_value)
        if is_kept:
            self.model.add(aim <= value)
        follows_J = {tail: head for (tail, head), variable in self.arc.items() if solver.boolean_value(variable)}
        order = [follows_J[self.n]]
        while len(order) < self.n:
            order.append(follows_J[order[-1]])
        return np.array(order, dtype=np.int64), float(value), float(np.ceil(solver.best_objective_bound - 1e-6))


def _arcs(problem: SequenceProblem) -> list[tuple[int, int]]:
    """Which lot can follow which, within a period or from one to the next that has lots; J is before and after all."""
    n, used = len(problem.run_J), np.unique(problem.period_J)
    rank_J = np.searchsorted(used, problem.period_J)
    step_JJ = rank_J[None, :] - rank_J[:, None]
    may_JJ = ((step_JJ == 0) & ~problem.before_JJ.T & ~np.eye(n, dtype=bool)) | (step_JJ == 1)
    may_JJ = np.pad(may_JJ, (0, 1))
    may_JJ[n, :n], may_JJ[:n, n] = rank_J == 0, rank_J == len(used) - 1
    return [(int(tail), int(head)) for tail, head in np.argwhere(may_JJ)]
