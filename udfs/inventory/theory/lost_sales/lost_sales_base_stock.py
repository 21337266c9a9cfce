"""Base-stock policies of the lost-sales problem by their exact cost: the best, and the usual one."""

from __future__ import annotations

from dataclasses import dataclass

from udfs.inventory.demand_distribution import FloatArray
from udfs.inventory.theory.lost_sales.level_search import capped_orders, cheapest_levels
from udfs.inventory.theory.lost_sales.order_table import OrderTable
from udfs.inventory.theory.lost_sales.problem import IntArray, LostSalesProblem
from udfs.inventory.theory.lost_sales.value_iteration import policy_cost


@dataclass(frozen=True)
class BaseStockCost:
    """level_S: position after each order, units, [S]. cost_S: long-run cost per period, currency, [S]."""

    level_S: IntArray
    cost_S: FloatArray
    policy: OrderTable


def best_base_stock(problem: LostSalesProblem) -> BaseStockCost:
    """The cheapest level from 0 to the position cap, each evaluated exactly (Zipkin 2008, "best base-stock").

    >>> from udfs.inventory.theory.lost_sales.demand_pmf import poisson_pmf
    >>> best = best_base_stock(LostSalesProblem(poisson_pmf(5.0), 1.0, 4.0, lead_time=2))
    >>> best.level_S.tolist(), best.cost_S.round(2).tolist()
    ([16], [4.64])
    """
    no_cap_S = problem.position_cap_S
    cost_S, level_S, _ = cheapest_levels(problem, no_cap_S, no_cap_S)
    return BaseStockCost(level_S, cost_S, _table(problem, level_S))


def backorder_base_stock(problem: LostSalesProblem) -> BaseStockCost:
    """The level that would be best if unmet demand waited (Zipkin 2008, "standard base-stock"), at its exact cost.

    Raises:
        ValueError: the level exceeds the position cap of `problem`.
    """
    level_S = problem.backorder_level()
    table = _table(problem, level_S)
    return BaseStockCost(level_S, policy_cost(problem, table.order_SX), table)


def _table(problem: LostSalesProblem, level_S: IntArray) -> OrderTable:
    order_SX = capped_orders(problem, level_S, problem.position_cap_S)
    return OrderTable(order_SX, problem.position_cap_S, problem.lead_time)
