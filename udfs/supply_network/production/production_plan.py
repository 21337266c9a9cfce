"""A production plan in full or with what is late, what binds it, and the plan that there would be without limits."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from udfs.supply_network.production.bill_of_materials import FloatArray, exploded
from udfs.supply_network.production.fix_and_optimise import Solution, solve
from udfs.supply_network.production.lot_model import LotModel, lot_model
from udfs.supply_network.production.lot_problem import LotProblem
from udfs.supply_network.production.production_spec import ProductionSpec


@dataclass(frozen=True, eq=False)
class Peg:
    """`qty` units of an item that are made in one period for the demand of another."""

    item: int
    made: int
    wanted: int
    qty: float


@dataclass(frozen=True, eq=False)
class Late:
    """Of the demand of an item for a period: units that come later, and units that never come; `full`: (resource, first
    and last period) of those that the item and its components are made on, where too few hours are left for them."""

    item: int
    wanted: int
    late_qty: float
    unmet_qty: float
    full: tuple[tuple[int, int, int], ...]


@dataclass(frozen=True, eq=False)
class ProductionPlan:
    """lot_IT units, setup_IT, hours_RT with overtime_RT among them; free_lot_IT: lots if there were no limits.

    cost: set-ups, stock, overtime and lateness; bound: no plan costs less; free_cost: without limits.
    """

    problem: LotProblem
    lot_IT: FloatArray
    setup_IT: FloatArray
    hours_RT: FloatArray
    overtime_RT: FloatArray
    pegs: tuple[Peg, ...]
    late: tuple[Late, ...]
    cost: float
    bound: float
    free_lot_IT: FloatArray
    free_cost: float

    @property
    def gap(self) -> float:
        """How much dearer the plan may be than the best one, as a share of its cost."""
        return max(self.cost - self.bound, 0.0) / self.cost if self.cost > 0 else 0.0


def production_plan(
    problem: LotProblem, spec: ProductionSpec, clock: Callable[[], float] = time.monotonic
) -> ProductionPlan:
    """The cheapest plan found in `spec.seconds`; demand is late only where no plan in full was found."""
    model = lot_model(problem)
    found = solve(model, spec.seconds, spec.rounds, spec.seed, clock)
    if found.value_N[model.missing].sum() > 1e-6:
        model = lot_model(problem, is_late_allowed=True)
        found = solve(model, spec.seconds, spec.rounds, spec.seed, clock)
    free = lot_model(problem.without_limits())
    unlimited = solve(free, spec.seconds, spec.rounds, spec.seed, clock)
    return _plan(problem, model, found, lots(free, unlimited.value_N), unlimited.cost)


def lots(model: LotModel, value_N: FloatArray) -> FloatArray:
    """Units made, [I, T]."""
    shares, lot_IT = model.shares, np.zeros(model.problem.demand_IT.shape)
    np.add.at(lot_IT, (shares.item, shares.made), value_N[: len(shares.item)] * shares.qty)
    return np.where(lot_IT > 1e-6, lot_IT, 0.0)


def _plan(
    problem: LotProblem, model: LotModel, found: Solution, free_lot_IT: FloatArray, free_cost: float
) -> ProductionPlan:
    lot_IT, shape = lots(model, found.value_N), problem.capacity_RT.shape
    setup_IT = np.round(found.value_N[model.setup]).reshape(lot_IT.shape) * (lot_IT > 0)
    hours_RT = np.zeros(shape)
    limited = np.flatnonzero(problem.resource_I >= 0)
    hours_IT = problem.unit_time_I[:, None] * lot_IT + problem.setup_time_I[:, None] * setup_IT
    np.add.at(hours_RT, problem.resource_I[limited], hours_IT[limited])
    overtime_RT = np.maximum(hours_RT - problem.capacity_RT, 0.0)
    pegs = _pegs(model, found.value_N)
    late = _late(model, found.value_N, pegs, hours_RT, setup_IT)
    return ProductionPlan(
        problem, lot_IT, setup_IT, hours_RT, overtime_RT, pegs, late, found.cost, found.bound, free_lot_IT, free_cost
    )


def _pegs(model: LotModel, value_N: FloatArray) -> tuple[Peg, ...]:
    shares = model.shares
    qty_C = value_N[: len(shares.item)] * shares.qty
    return tuple(
        Peg(int(shares.item[c]), int(shares.made[c]), int(shares.wanted[c]), float(qty_C[c]))
        for c in np.flatnonzero(qty_C > 1e-6)
    )


def _late(
    model: LotModel, value_N: FloatArray, pegs: tuple[Peg, ...], hours_RT: FloatArray, setup_IT: FloatArray
) -> tuple[Late, ...]:
    problem = model.problem
    late_IT, unmet_IT = np.zeros(problem.demand_IT.shape), np.zeros(problem.demand_IT.shape)
    for peg in pegs:
        late_IT[peg.item, peg.wanted] += peg.qty * (peg.made > peg.wanted)
    if model.unmet.stop > model.unmet.start:
        unmet_IT = value_N[model.unmet].reshape(unmet_IT.shape) * problem.net_echelon_demand()
    is_late_IT = (late_IT + unmet_IT > 1e-6) & ~problem.is_component[:, None]
    return tuple(
        Late(
            int(i),
            int(t),
            late_IT[i, t],
            unmet_IT[i, t],
            _full_spans(problem, hours_RT, setup_IT, int(i), int(t), float(late_IT[i, t] + unmet_IT[i, t])),
        )
        for i, t in np.argwhere(is_late_IT)
    )


def _full_spans(
    problem: LotProblem, hours_RT: FloatArray, setup_IT: FloatArray, item: int, wanted: int, qty: float
) -> tuple[tuple[int, int, int], ...]:
    """The last run of periods up to the one wanted, by resource, in which `qty` more of the item could not be made."""
    one_I1 = np.zeros((len(problem.item_I), 1))
    one_I1[item] = qty
    asked_I = exploded(one_I1, problem.needs_II)[:, 0]
    more_IT = problem.unit_time_I[:, None] * asked_I[:, None] + problem.setup_time_I[:, None] * (1.0 - setup_IT)
    spans = []
    for resource in sorted(set(problem.resource_I[asked_I > 0].tolist()) - {-1}):
        users = np.flatnonzero((asked_I > 0) & (problem.resource_I == resource))
        limit_T = problem.capacity_RT[resource] + problem.overtime_RT[resource]
        is_full_T = hours_RT[resource] + more_IT[users].sum(0) > limit_T + 1e-9
        periods = np.flatnonzero(is_full_T[: wanted + 1])
        if len(periods):
            breaks = np.flatnonzero(np.diff(periods) > 1)
            first = periods[breaks[-1] + 1] if len(breaks) else periods[0]
            spans.append((int(resource), int(first), int(periods[-1])))
    return tuple(spans)
