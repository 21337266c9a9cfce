"""Q-learning of orders with lost sales: one table per series, learned from simulated demand."""

from __future__ import annotations

from udfs.inventory.learning.tabular import TabularPolicy, TabularSpec, learn_table
from udfs.inventory.theory.lost_sales.problem import LostSalesProblem


def q_learning(problem: LostSalesProblem, spec: TabularSpec | None = None) -> TabularPolicy:
    """Differential Q-learning (Watkins 1989; average cost as in Wan, Naik & Sutton 2021) of S lost-sales instances.

    Each update looks ahead to the cheapest next order known, whatever order follows, so that the table is that of the
    policy without exploration. Positions stop at the level that would be best if demand waited, and orders at a
    quantile of one period's demand: an optimal policy goes beyond neither in the instances of Zipkin (2008). All
    entries begin at 0, which is cheap beside what a bad order brings, so that untried orders are tried.

    Args:
        problem: S instances; the table of one has (position cap + 1)^L states.
        spec: None takes 8 million periods, about half a second per series and core.

    Raises:
        ValueError: a table of more than a million entries.

    >>> from udfs.inventory.theory.lost_sales.demand_pmf import poisson_pmf
    >>> problem = LostSalesProblem(poisson_pmf(1.0), holding_cost_S=1.0, shortage_cost_S=4.0, lead_time=1)
    >>> learned = q_learning(problem, TabularSpec(steps=1_000_000))
    >>> learned.policy.order_SX[0, :4].tolist()  # with 0, 1, 2 or 3 units to sell in this period
    [2, 1, 1, 0]
    """
    return learn_table(problem, spec or TabularSpec(), is_sarsa=False)
