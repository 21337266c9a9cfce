"""The order list as an integer programme over whole levels, solved by HiGHS, and random instances of it."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy.optimize import Bounds, LinearConstraint, milp

from udfs.inventory.orders.marginal_value import MarginalSteps, marginal_values
from udfs.inventory.orders.order_terms import OrderTerms


@dataclass(frozen=True)
class Instance:
    """Steps of a few series and the size of each step."""

    steps: MarginalSteps
    size_N: np.ndarray

    @property
    def runs(self) -> tuple[np.ndarray, ...]:
        return self.steps.row_N, self.steps.cost_N, self.steps.value_N, self.size_N

    def whole(self, amount_N: np.ndarray) -> float:
        return float((amount_N * self.steps.count_N).sum())


def random_instance(rng: np.random.Generator, *, with_order_cost: bool = False) -> Instance:
    """1 to 8 series with packs of 1 to 3 and minimum orders of up to 8, costs in cents."""
    S = int(rng.integers(1, 9))
    demand_SP = rng.poisson(rng.uniform(1.0, 15.0, S)[:, None], (S, 10)).astype(float)
    terms = OrderTerms(
        unit_price=rng.uniform(2.0, 6.0, S).round(2),
        unit_cost=rng.uniform(0.5, 3.0, S).round(2),
        holding_cost=rng.uniform(0.0, 0.5, S),
        carry_value=0.0 if rng.random() < 0.3 else None,
        order_cost=rng.uniform(0.0, 8.0, S) if with_order_cost else 0.0,
        moq=rng.integers(0, 9, S).astype(float),
        pack=rng.integers(1, 4, S).astype(float),
    )
    steps = marginal_values(demand_SP, rng.integers(-2, 5, S).astype(float), terms)
    return Instance(steps, steps.quantity_N * rng.uniform(0.1, 3.0, S)[steps.row_N])


def optimum(instance: Instance, budget: float, capacity: float, time_limit: float = np.inf) -> float:
    """The greatest value found: one 0-1 variable per series and number of steps; the optimum without a time limit."""
    steps, columns = instance.steps, []
    for s in np.unique(steps.row_N):
        mine = np.flatnonzero(steps.row_N == s)
        each = np.repeat(mine, steps.count_N[mine])
        sums = np.cumsum([steps.value_N[each], steps.cost_N[each], instance.size_N[each]], axis=1)
        columns.append(np.vstack([np.full(len(each), s), sums]))
    if not columns:
        return 0.0
    row_V, value_V, cost_V, size_V = np.hstack(columns)
    lines = [(row_V == s).astype(float) for s in np.unique(row_V)]
    limits = [1.0] * len(lines)
    for amount_V, limit in ((cost_V, budget), (size_V, capacity)):
        if np.isfinite(limit):
            lines.append(amount_V)
            limits.append(limit)
    solution = milp(
        -value_V,
        integrality=np.ones(len(value_V)),
        bounds=Bounds(0, 1),
        constraints=LinearConstraint(np.array(lines), ub=limits),
        options={"mip_rel_gap": 0.0, **({"time_limit": time_limit} if time_limit < np.inf else {})},
    )
    return -float(solution.fun)
