"""Lot sizing as a mixed-integer programme in the facility-location form (Krarup & Bilde 1977), which is as tight as
all (l, S) inequalities: a column says which share of a period's demand is made in which period.

Demand is that of the echelon, so that the form holds for every level of a bill of materials; that no stock of a
component falls below 0 ties the levels together.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from scipy.optimize import Bounds, LinearConstraint, OptimizeResult, milp
from scipy.sparse import csc_matrix, csr_matrix, vstack

from udfs.supply_network.production.bill_of_materials import FloatArray
from udfs.supply_network.production.lot_problem import IntArray, LotProblem


class Shares(NamedTuple):
    """Columns [C]: units `qty` of an item, made in one period and wanted in another."""

    item: IntArray
    made: IntArray
    wanted: IntArray
    qty: FloatArray


@dataclass(frozen=True, eq=False)
class LotModel:
    """Columns in this order: shares [C], set-ups [I, T], overtime [R, T], hours that no resource has [R, T], and where
    lateness is allowed shares of demand that are never met [I, T]."""

    problem: LotProblem
    shares: Shares
    cost_N: FloatArray
    upper_N: FloatArray
    rows: csc_matrix
    low: FloatArray
    high: FloatArray

    @property
    def setup(self) -> slice:
        first = len(self.shares.item)
        return slice(first, first + self.problem.demand_IT.size)

    @property
    def overtime(self) -> slice:
        return slice(self.setup.stop, self.setup.stop + self.problem.capacity_RT.size)

    @property
    def missing(self) -> slice:
        return slice(self.overtime.stop, self.overtime.stop + self.problem.capacity_RT.size)

    @property
    def unmet(self) -> slice:
        return slice(self.missing.stop, self.cost_N.size)

    def solve(
        self,
        low_IT: FloatArray,
        high_IT: FloatArray,
        seconds: float,
        *,
        whole_IT: FloatArray | None = None,
        gap: float = 1e-4,
        nodes: int | None = None,
    ) -> OptimizeResult:
        """The best plan with set-ups within bounds; `whole_IT`: which must be 0 or 1, all where nothing is said.
        `nodes`: of the search tree at most, a limit that falls at the same place on any machine."""
        lower_N, upper_N, kind_N = np.zeros(self.cost_N.size), self.upper_N.copy(), np.zeros(self.cost_N.size)
        lower_N[self.setup], upper_N[self.setup] = low_IT.ravel(), high_IT.ravel()
        kind_N[self.setup] = 1.0 if whole_IT is None else whole_IT.ravel()
        return milp(
            self.cost_N,
            integrality=kind_N,
            bounds=Bounds(lower_N, upper_N),
            constraints=LinearConstraint(self.rows, self.low, self.high),
            options={"time_limit": max(seconds, 0.05), "mip_rel_gap": gap, "node_limit": nodes},
        )


_Block = tuple[csr_matrix, FloatArray, FloatArray]


def lot_model(problem: LotProblem, *, is_late_allowed: bool = False) -> LotModel:
    """The model of a problem; lateness makes it twice as large, so it comes only where nothing else will do."""
    demand_IT = problem.net_echelon_demand()
    shares = _shares(demand_IT, is_late_allowed)
    n_unmet = demand_IT.size if is_late_allowed else 0
    size = len(shares.item) + demand_IT.size + 2 * problem.capacity_RT.size + n_unmet
    blocks = [
        _covered(shares, demand_IT, size, n_unmet),
        _set_up(shares, demand_IT, size),
        _within_capacity(shares, problem, size),
        *_components_at_hand(shares, problem, size, n_unmet, demand_IT),
    ]
    low, high = (np.concatenate([block[k] for block in blocks]) for k in (1, 2))
    cost, upper = _costs(shares, problem, demand_IT, n_unmet)
    return LotModel(problem, shares, cost, upper, vstack([block[0] for block in blocks]).tocsc(), low, high)


def _shares(demand_IT: FloatArray, is_late_allowed: bool) -> Shares:
    of_item, of_period = np.nonzero(demand_IT > 0)
    periods = demand_IT.shape[1]
    item, made, wanted = (
        np.repeat(of_item, periods),
        np.tile(np.arange(periods), len(of_item)),
        of_period.repeat(periods),
    )
    keep = (made <= wanted) | is_late_allowed
    item, made, wanted = item[keep], made[keep], wanted[keep]
    return Shares(item, made, wanted, demand_IT[item, wanted])


def _covered(shares: Shares, demand_IT: FloatArray, size: int, n_unmet: int) -> _Block:
    key, row = np.unique(shares.item * demand_IT.shape[1] + shares.wanted, return_inverse=True)
    column = np.arange(len(row))
    if n_unmet:
        row, column = np.append(row, np.arange(len(key))), np.append(column, size - n_unmet + key)
    return csr_matrix((np.ones(len(row)), (row, column)), (len(key), size)), np.ones(len(key)), np.ones(len(key))


def _set_up(shares: Shares, demand_IT: FloatArray, size: int) -> _Block:
    n = len(shares.item)
    setup = n + shares.item * demand_IT.shape[1] + shares.made
    where = np.tile(np.arange(n), 2), np.append(np.arange(n), setup)
    return csr_matrix((np.repeat([1.0, -1.0], n), where), (n, size)), np.full(n, -np.inf), np.zeros(n)


def _within_capacity(shares: Shares, problem: LotProblem, size: int) -> _Block:
    """Hours of production and set-ups within capacity, overtime and what is not there."""
    n_items, periods = problem.demand_IT.shape
    n_hours, n = problem.capacity_RT.size, len(shares.item)
    setup_item, setup_period = np.divmod(np.arange(n_items * periods), periods)
    item, period = np.append(shares.item, setup_item), np.append(shares.made, setup_period)
    hours = np.append(problem.unit_time_I[shares.item] * shares.qty, problem.setup_time_I[setup_item])
    used = np.flatnonzero(problem.resource_I[item] >= 0)
    row = np.append((problem.resource_I[item] * periods + period)[used], np.tile(np.arange(n_hours), 2))
    column = np.append(used, n + n_items * periods + np.arange(2 * n_hours))
    rows = csr_matrix((np.append(hours[used], -np.ones(2 * n_hours)), (row, column)), (n_hours, size))
    return rows, np.full(n_hours, -np.inf), problem.capacity_RT.ravel()


def _components_at_hand(
    shares: Shares, problem: LotProblem, size: int, n_unmet: int, demand_IT: FloatArray
) -> list[_Block]:
    """Made and in stock of a component up to a period, at least what its products made up to it took."""
    periods = problem.demand_IT.shape[1]
    blocks = []
    for component in np.flatnonzero(problem.is_component):
        weight_I = -problem.needs_II[:, component]
        weight_I[component] = 1.0
        of = np.flatnonzero(weight_I[shares.item])
        at = [(shares.made[of] <= t).nonzero()[0] for t in range(periods)]
        row, column = np.repeat(np.arange(periods), [len(a) for a in at]), of[np.concatenate(at)]
        value = weight_I[shares.item[column]] * shares.qty[column]
        rows = csr_matrix((value, (row, column)), (periods, size))
        blocks.append((rows, np.full(periods, -problem.stock_I[component]), np.full(periods, np.inf)))
    return blocks


def _costs(shares: Shares, problem: LotProblem, demand_IT: FloatArray, n_unmet: int) -> tuple[FloatArray, FloatArray]:
    n_setups, n_hours, periods = demand_IT.size, problem.capacity_RT.size, demand_IT.shape[1]
    wait = shares.wanted - shares.made
    late_I = np.where(problem.is_component, 0.0, problem.late_cost_I)
    of_share = shares.qty * (
        problem.echelon_holding[shares.item] * np.maximum(wait, 0) + late_I[shares.item] * np.maximum(-wait, 0)
    )
    never = (late_I * (periods + 1))[:, None] * demand_IT
    cost = [of_share, problem.setup_cost_I.repeat(periods), problem.overtime_cost_R.repeat(periods)]
    # An hour that is not there must be dearer than whatever it could save.
    missing = np.full(n_hours, 10.0 * (of_share.max(initial=0.0) + problem.setup_cost_I.max(initial=0.0)) + 1.0)
    upper = [
        np.ones(len(wait) + n_setups),
        problem.overtime_RT.ravel(),
        np.full(n_hours, np.inf if not n_unmet else 0.0),
    ]
    return np.concatenate([*cost, missing, never.ravel()[:n_unmet]]), np.concatenate([*upper, np.ones(n_unmet)])
