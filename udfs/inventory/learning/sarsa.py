"""Sarsa of orders with lost sales: one table per series, learned from demand simulated under its own policy."""

from __future__ import annotations

from typing import Final

from udfs.inventory.learning.tabular import TabularPolicy, TabularSpec, learn_table
from udfs.inventory.theory.lost_sales.problem import LostSalesProblem

SARSA_SPEC: Final = TabularSpec(first_exploration=0.2, last_exploration=0.01)
"""Sarsa learns what its own random orders cost as well, so that they must nearly cease."""


def sarsa(problem: LostSalesProblem, spec: TabularSpec | None = None) -> TabularPolicy:
    """Differential Sarsa (Rummery & Niranjan 1994; Sutton & Barto 2018, section 10.3) of S lost-sales instances.

    Each update looks ahead to the order that is really placed next, random ones included. Bounds and start of the
    table are those of `q_learning`.

    Args:
        problem: S instances; the table of one has (position cap + 1)^L states.
        spec: None takes `SARSA_SPEC`.

    Raises:
        ValueError: a table of more than a million entries.

    >>> from udfs.inventory.theory.lost_sales.demand_pmf import poisson_pmf
    >>> problem = LostSalesProblem(poisson_pmf(1.0), holding_cost_S=1.0, shortage_cost_S=4.0, lead_time=1)
    >>> learned = sarsa(problem, TabularSpec(steps=1_000_000, last_exploration=0.01))
    >>> learned.policy.order_SX[0, :4].tolist()  # with 0, 1, 2 or 3 units to sell in this period
    [2, 1, 1, 0]
    """
    return learn_table(problem, spec or SARSA_SPEC, is_sarsa=True)
