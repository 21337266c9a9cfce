"""The best capped base-stock policy of the lost-sales problem, by its exact cost."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from udfs.inventory.demand_distribution import FloatArray
from udfs.inventory.theory.lost_sales.level_search import capped_orders, cheapest_levels
from udfs.inventory.theory.lost_sales.order_table import OrderTable
from udfs.inventory.theory.lost_sales.problem import IntArray, LostSalesProblem


@dataclass(frozen=True)
class CappedBaseStockCost:
    """The policy that orders min((level - position)+, cap).

    level_S, cap_S: units, [S]. cost_S: long-run cost per period, currency, [S].
    """

    level_S: IntArray
    cap_S: IntArray
    cost_S: FloatArray
    policy: OrderTable


def best_capped_base_stock(problem: LostSalesProblem) -> CappedBaseStockCost:
    """The cheapest pair of level and cap, each pair up to the position cap evaluated exactly.

    Constant orders and base stock are its two ends (Xin 2021, "Understanding the performance of capped base-stock
    policies in lost-sales inventory models").

    >>> from udfs.inventory.theory.lost_sales.demand_pmf import poisson_pmf
    >>> best = best_capped_base_stock(LostSalesProblem(poisson_pmf(5.0), 1.0, 4.0, lead_time=2))
    >>> best.level_S.tolist(), best.cap_S.tolist(), best.cost_S.round(2).tolist()
    ([17], [5], [4.41])
    """
    cost_S, level_S, cap_S = cheapest_levels(problem, np.zeros_like(problem.position_cap_S), problem.position_cap_S)
    policy = OrderTable(capped_orders(problem, level_S, cap_S), problem.position_cap_S, problem.lead_time)
    return CappedBaseStockCost(level_S, cap_S, cost_S, policy)
