"""The lots of a plan in sequence, resource by resource: those of components first, for which products wait."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from graphlib import CycleError, TopologicalSorter

import numpy as np

from udfs.supply_network.production.bill_of_materials import FloatArray
from udfs.supply_network.production.changeovers import Changeovers
from udfs.supply_network.production.lot_problem import IntArray
from udfs.supply_network.production.lot_sequence import LotSequence, SequenceProblem
from udfs.supply_network.production.production_plan import ProductionPlan
from udfs.supply_network.production.work_calendar import Hours, Periods, day_when, hours_until

Wait = tuple[int, int, int]


@dataclass(frozen=True, eq=False)
class ResourceSequence:
    """The lots, J, of a resource: their items, the sequence, and the days of the period after which each runs (set up)
    and is done, [J]."""

    resource: int
    item_J: IntArray
    sequence: LotSequence
    runs_J: FloatArray
    done_J: FloatArray


@dataclass(frozen=True, eq=False)
class Shop:
    """A plan, hours by day, the set-up matrix, and due_IT: the day of the horizon on which a lot of a period is
    wanted, inf where on none."""

    plan: ProductionPlan
    periods: Periods
    hours: Hours
    matrix: Changeovers
    due_IT: FloatArray

    def work(self, resource: int) -> FloatArray:
        """[T, D] hours worked on each day of each period, with the overtime that the plan has."""
        problem, shape = self.plan.problem, (self.periods.count, self.periods.days)
        allowed_T = problem.overtime_RT[resource]
        share_T = np.minimum(self.plan.overtime_RT[resource] / np.maximum(allowed_T, 1e-12), 1.0)
        regular, overtime = (of[resource].reshape(shape) for of in (self.hours.capacity_RD, self.hours.overtime_RD))
        return regular + overtime * share_T[:, None]

    def own_setup(self, item: int) -> tuple[float, float]:
        problem = self.plan.problem
        return float(problem.setup_time_I[item]), float(problem.setup_cost_I[item])

    def problem(self, resource: int, waits: set[Wait], done: dict[tuple[int, int], float]) -> SequenceProblem:
        """`done`: days after which lots of other resources are made, by item and period."""
        lot, (period_J, item_J), work_TD = self.plan.problem, self.lots(resource), self.work(resource)
        keys = list(zip(item_J.tolist(), period_J.tolist(), strict=True))
        row_of = {key: row for row, key in enumerate(keys)}
        release_J, before_JJ = np.zeros(len(keys)), np.zeros((len(keys), len(keys)), dtype=bool)
        for component, product, t in waits:
            if (row := row_of.get((product, t))) is None:
                continue
            if (component, t) in row_of:
                before_JJ[row_of[component, t], row] = True
            elif (component, t) in done:
                release_J[row] = max(release_J[row], hours_until(done[component, t], work_TD[t]))
        setup_KJ, cost_KJ = self._setups(resource, item_J)
        lot_J = self.plan.lot_IT[item_J, period_J]
        return SequenceProblem(
            period_J=period_J,
            run_J=lot.unit_time_I[item_J] * lot_J,
            due_J=np.array([self._due_hours(i, t, work_TD[t]) for i, t in keys]),
            weight_J=lot.late_cost_I[item_J] * lot_J,
            release_J=release_J,
            before_JJ=before_JJ,
            setup_KJ=setup_KJ,
            cost_KJ=cost_KJ,
            limit_T=lot.capacity_RT[resource] + lot.overtime_RT[resource],
            is_cost_first=self.matrix.is_cost_stated(lot.resource_R[resource]),
        )

    def _setups(self, resource: int, item_J: IntArray) -> tuple[FloatArray, FloatArray]:
        lot = self.plan.problem
        name, names = lot.resource_R[resource], [lot.item_I[item] for item in item_J]
        own = [self.own_setup(int(item)) for item in item_J]
        rows = [
            [self.matrix.setup(name, before, *after) for after in zip(names, own, strict=True)]
            for before in (*names, None)
        ]
        hours, cost = (np.array([[getattr(each, of) for each in row] for row in rows]) for of in ("hours", "cost"))
        return hours, cost

    def _due_hours(self, item: int, period: int, work_D: FloatArray) -> float:
        day = self.due_IT[item, period] + 1 - period * self.periods.days
        return hours_until(day, work_D) if day <= self.periods.days else np.inf

    def lots(self, resource: int) -> tuple[IntArray, IntArray]:
        """Period and item of each lot of a resource; components of a period before their products."""
        made_IT = (self.plan.lot_IT > 0) & (self.plan.problem.resource_I == resource)[:, None]
        found = np.argwhere(made_IT.T[:, ::-1])
        return found[:, 0], len(made_IT) - 1 - found[:, 1]

    def waits(self) -> set[Wait]:
        """(component, product, period) where lots of one period need a component beyond what is left from before."""
        lot, lot_IT = self.plan.problem, self.plan.lot_IT
        used_IT = lot.needs_II.T @ lot_IT
        left_IT = lot.stock_I[:, None] + np.cumsum(lot_IT - used_IT, axis=1) - (lot_IT - used_IT)
        is_made_IT = (lot_IT > 0) & (lot.resource_I >= 0)[:, None]
        short = np.argwhere(is_made_IT & (used_IT > left_IT + 1e-6))
        return {
            (int(c), int(p), int(t)) for c, t in short for p in np.flatnonzero(lot.needs_II[:, c] * is_made_IT[:, t])
        }


def sequenced(shop: Shop, solve: Callable[[SequenceProblem], LotSequence]) -> list[ResourceSequence]:
    """Each resource that makes anything. Where two need each other's lots, one of them cannot know what it waits for:
    `waiting` finds that afterwards."""
    waits, done = shop.waits(), dict[tuple[int, int], float]()
    found = []
    for resource in _in_order(shop.plan.problem.resource_I, waits):
        period_J, item_J = shop.lots(resource)
        if not len(item_J):
            continue
        sequence, work_TD = solve(shop.problem(resource, waits, done)), shop.work(resource)
        starts_J = sequence.start_J + sequence.setup_hours
        runs_J, done_J = (
            np.array([day_when(hours, work_TD[t]) for hours, t in zip(of_J, period_J, strict=True)])
            for of_J in (starts_J, sequence.end_J)
        )
        found.append(ResourceSequence(resource, item_J, sequence, runs_J, done_J))
        done |= {(int(i), int(t)): float(day) for i, t, day in zip(item_J, period_J, done_J, strict=True)}
    return found


def waiting(shop: Shop, found: list[ResourceSequence]) -> dict[tuple[int, int], list[int]]:
    """By item and period of a product that runs before components of its period are done: these."""
    runs, done = dict[tuple[int, int], float](), dict[tuple[int, int], float]()
    for each in found:
        keys = [(int(i), int(t)) for i, t in zip(each.item_J, each.sequence.problem.period_J, strict=True)]
        runs |= dict(zip(keys, each.runs_J.tolist(), strict=True))
        done |= dict(zip(keys, each.done_J.tolist(), strict=True))
    missed: dict[tuple[int, int], list[int]] = {}
    for component, product, t in sorted(shop.waits()):
        if done[component, t] > runs[product, t] + 1e-6:
            missed.setdefault((product, t), []).append(component)
    return missed


def _in_order(resource_I: IntArray, waits: set[Wait]) -> list[int]:
    sorter = TopologicalSorter({int(resource): () for resource in np.unique(resource_I[resource_I >= 0])})
    for component, product, _ in sorted(waits):
        if resource_I[component] != resource_I[product]:
            sorter.add(int(resource_I[product]), int(resource_I[component]))
    try:
        return list(sorter.static_order())
    except CycleError:
        return np.unique(resource_I[resource_I >= 0]).tolist()
