"""The lots of a plan in sequence, resource by resource: those of components first, for which products wait."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property
from graphlib import CycleError, TopologicalSorter
from typing import NamedTuple

import numpy as np

from udfs.supply_network.production.bill_of_materials import FloatArray
from udfs.supply_network.production.changeovers import Changeovers
from udfs.supply_network.production.lot_problem import IntArray
from udfs.supply_network.production.lot_sequence import LotSequence, SequenceProblem
from udfs.supply_network.production.production_plan import ProductionPlan
from udfs.supply_network.production.work_calendar import Hours, Periods, day_when, hours_until

Lot = tuple[int, int]
"""Item and period."""


class Made(NamedTuple):
    """Days of a lot's period that are over when it runs, set up, and when it is done."""

    runs: float
    done: float


@dataclass(frozen=True, eq=False)
class Shop:
    """A plan, hours by day, the set-up matrix, and due_IT: the day of the horizon on which a lot of a period is
    wanted, inf where on none."""

    plan: ProductionPlan
    periods: Periods
    hours: Hours
    matrix: Changeovers
    due_IT: FloatArray

    @cached_property
    def waits(self) -> list[tuple[int, int, int]]:
        """(component, product, period) where lots of one period need a component beyond what is left from before."""
        lot, lot_IT = self.plan.problem, self.plan.lot_IT
        used_IT = lot.needs_II.T @ lot_IT
        left_IT = lot.stock_I[:, None] + np.cumsum(lot_IT - used_IT, axis=1) - (lot_IT - used_IT)
        is_made_IT = (lot_IT > 0) & (lot.resource_I >= 0)[:, None]
        short = np.argwhere(is_made_IT & (used_IT > left_IT + 1e-6)).tolist()
        return [(c, int(p), t) for c, t in short for p in np.flatnonzero(lot.needs_II[:, c] * is_made_IT[:, t])]

    def work(self, resource: int) -> FloatArray:
        """[T, D] hours worked on each day of each period, with the overtime that the plan has."""
        shape, allowed_T = (self.periods.count, self.periods.days), self.plan.problem.overtime_RT[resource]
        share_T = np.minimum(self.plan.overtime_RT[resource] / np.maximum(allowed_T, 1e-12), 1.0)
        regular, overtime = (of[resource].reshape(shape) for of in (self.hours.capacity_RD, self.hours.overtime_RD))
        return regular + overtime * share_T[:, None]

    def lots(self, resource: int) -> list[Lot]:
        """By period, and in it components before their products."""
        made_IT = (self.plan.lot_IT > 0) & (self.plan.problem.resource_I == resource)[:, None]
        return [(len(made_IT) - 1 - i, t) for t, i in np.argwhere(made_IT.T[:, ::-1]).tolist()]

    def own_setup(self, item: int) -> tuple[float, float]:
        return float(self.plan.problem.setup_time_I[item]), float(self.plan.problem.setup_cost_I[item])

    def problem(self, resource: int, lots: list[Lot], made: dict[Lot, Made]) -> SequenceProblem:
        """Of a resource, where lots of others are `made` already."""
        plan, work_TD, row_of = self.plan.problem, self.work(resource), {lot: row for row, lot in enumerate(lots)}
        item_J, period_J = np.array(lots, dtype=np.int64).T
        release_J, before_JJ = np.zeros(len(lots)), np.zeros((len(lots), len(lots)), dtype=bool)
        for component, product, t in self.waits:
            if (row := row_of.get((product, t))) is not None and (component, t) in row_of:
                before_JJ[row_of[component, t], row] = True
            elif row is not None and (component, t) in made:
                release_J[row] = max(release_J[row], hours_until(made[component, t].done, work_TD[t]))
        setup_KJ, cost_KJ = self._setups(resource, item_J)
        qty_J = self.plan.lot_IT[item_J, period_J]
        return SequenceProblem(
            period_J=period_J,
            run_J=plan.unit_time_I[item_J] * qty_J,
            due_J=np.array([self._due_hours(i, t, work_TD[t]) for i, t in lots]),
            weight_J=plan.late_cost_I[item_J] * qty_J,
            release_J=release_J,
            before_JJ=before_JJ,
            setup_KJ=setup_KJ,
            cost_KJ=cost_KJ,
            limit_T=plan.capacity_RT[resource] + plan.overtime_RT[resource],
            is_cost_first=self.matrix.is_cost_stated(plan.resource_R[resource]),
        )

    def _setups(self, resource: int, item_J: IntArray) -> tuple[FloatArray, FloatArray]:
        name, names = self.plan.problem.resource_R[resource], [self.plan.problem.item_I[item] for item in item_J]
        after = list(zip(names, map(self.own_setup, item_J), strict=True))
        rows = [[self.matrix.setup(name, before, *each)[:2] for each in after] for before in (*names, None)]
        hours, cost = np.moveaxis(np.array(rows), -1, 0)
        return hours, cost

    def _due_hours(self, item: int, period: int, work_D: FloatArray) -> float:
        day = self.due_IT[item, period] + 1 - period * self.periods.days
        return hours_until(day, work_D) if day <= self.periods.days else np.inf


def sequenced(
    shop: Shop, solve: Callable[[SequenceProblem], LotSequence]
) -> tuple[dict[int, tuple[list[Lot], LotSequence]], dict[Lot, Made]]:
    """Lots and their sequence by resource, and when each is made. Where two resources need each other's lots, one
    cannot know what it should wait for: such a lot runs before its component is done."""
    made, found = dict[Lot, Made](), dict[int, tuple[list[Lot], LotSequence]]()
    for resource in _in_order(shop):
        if lots := shop.lots(resource):
            sequence, work_TD = solve(shop.problem(resource, lots, made)), shop.work(resource)
            found[resource] = lots, sequence
            hours = zip(lots, sequence.start_J + sequence.setup_hours, sequence.end_J, strict=True)
            made |= {lot: Made(*(day_when(of, work_TD[lot[1]]) for of in run)) for lot, *run in hours}
    return found, made


def _in_order(shop: Shop) -> list[int]:
    resource_I = shop.plan.problem.resource_I
    every = np.unique(resource_I[resource_I >= 0]).tolist()
    sorter: TopologicalSorter[int] = TopologicalSorter(dict.fromkeys(every, ()))
    for component, product, _ in shop.waits:
        if resource_I[component] != resource_I[product]:
            sorter.add(int(resource_I[product]), int(resource_I[component]))
    try:
        return list(sorter.static_order())
    except CycleError:
        return every
