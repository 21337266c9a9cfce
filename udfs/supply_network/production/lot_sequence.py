"""In what order a resource makes its lots: set-ups that depend on what came before, waits, and what ends too late.

J lots of one resource by period, T periods. Hours count those of the resource from the start of the lot's period.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from udfs.supply_network.production.bill_of_materials import FloatArray
from udfs.supply_network.production.lot_problem import IntArray


@dataclass(frozen=True, eq=False)
class SequenceProblem:
    """Lots [J], those of a period beside each other and the periods in order.

    run_J: hours without set-up. due_J: hours by which a lot is wanted, inf where not within its period. weight_J: of an
    hour late. release_J: hours before which a lot cannot run, for it waits for a component. before_JJ: the row's lot
    goes into the column's of the same period. setup_KJ, cost_KJ: hours and cost of the column's set-up after the row's
    lot; the last row, J, is for the first lot of all. limit_T: hours of each period. is_cost_first: set-ups shall be
    cheap before they are short.
    """

    period_J: IntArray
    run_J: FloatArray
    due_J: FloatArray
    weight_J: FloatArray
    release_J: FloatArray
    before_JJ: NDArray[np.bool_]
    setup_KJ: FloatArray
    cost_KJ: FloatArray
    limit_T: FloatArray
    is_cost_first: bool = False


@dataclass(frozen=True, eq=False)
class LotSequence:
    """order_J: lots as they follow each other; by lot: previous_J (-1: none), and the hours at which its set-up starts,
    and it ends. gap: share of the set-ups' hours (or cost, where that comes first) by which those of a sequence that
    ends no later might be less; None where none was looked for."""

    problem: SequenceProblem
    order_J: IntArray
    previous_J: IntArray
    start_J: FloatArray
    end_J: FloatArray
    gap: float | None = None

    @property
    def setup_hours(self) -> FloatArray:
        """[J]"""
        return self.problem.setup_KJ[self.previous_J, np.arange(len(self.order_J))]

    @property
    def over_hours(self) -> FloatArray:
        """[J] by which a lot ends after the hours of its period."""
        return np.maximum(self.end_J - self.problem.limit_T[self.problem.period_J], 0.0)

    def aims(self) -> tuple[float, ...]:
        """What the best sequence has least of, the first first: hours too many, set-ups, and weighted hours late."""
        problem, over_T = self.problem, np.zeros(len(self.problem.limit_T))
        np.maximum.at(over_T, problem.period_J, self.over_hours)
        cost = problem.cost_KJ[self.previous_J, np.arange(len(self.order_J))].sum()
        setups = (cost, self.setup_hours.sum()) if problem.is_cost_first else (self.setup_hours.sum(),)
        return over_T.sum(), *setups, problem.weight_J @ np.maximum(self.end_J - problem.due_J, 0.0)


def timed(problem: SequenceProblem, order_J: IntArray, gap: float | None = None) -> LotSequence:
    """Each lot of an order as early as it can be; a set-up needs no component, and goes on before the lot may run."""
    previous_J, start_J, end_J = np.empty(len(order_J), np.int64), np.empty(len(order_J)), np.empty(len(order_J))
    last, clock, period = -1, 0.0, -1
    for lot in order_J:
        if problem.period_J[lot] != period:
            clock, period = 0.0, problem.period_J[lot]
        setup = problem.setup_KJ[last, lot]
        runs = max(clock + setup, problem.release_J[lot])
        clock = runs + problem.run_J[lot]
        previous_J[lot], start_J[lot], end_J[lot] = last, runs - setup, clock
        last = lot
    return LotSequence(problem, order_J, previous_J, start_J, end_J, gap)


def by_due_date(problem: SequenceProblem) -> LotSequence:
    """In each period the lot that is wanted first, of those whose components are made; then the shortest set-up."""
    order = [-1]
    for period in np.unique(problem.period_J):
        open_ = np.flatnonzero(problem.period_J == period).tolist()
        while open_:
            ready = [lot for lot in open_ if not problem.before_JJ[open_, lot].any()]
            chosen = min(ready, key=lambda lot: (problem.due_J[lot], problem.setup_KJ[order[-1], lot], lot))
            order.append(chosen)
            open_.remove(chosen)
    return timed(problem, np.array(order[1:], dtype=np.int64))
