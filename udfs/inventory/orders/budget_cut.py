"""Which steps of all series a budget and a capacity leave, and the cut that says so for any part of the series.

The cut is computed once from the steps of all series. It holds the price of each limit and, for the few series at the
cut, how many steps they take; every other series takes what pays at the prices. `steps_within` can therefore be asked
for one bucket of series after another, and the sum over the buckets is within the limits.
"""

from __future__ import annotations

from dataclasses import dataclass

import numba
import numpy as np
from numpy.typing import ArrayLike

from udfs.inventory.demand_distribution import FloatArray
from udfs.inventory.orders.core_problem import fits, solve_core
from udfs.inventory.orders.dual_prices import least_bound
from udfs.inventory.orders.step_table import IntArray, Prices, StepTable, ratio_rows

CORE_LIMIT = 1500
NODE_LIMIT = 2000

_CLOSE = 1e-9
"""Steps worth as much as their bound but for this share of it are optimal as far as money is concerned."""


@dataclass(frozen=True, slots=True)
class Cut:
    """The steps that are taken under a budget and a capacity, for all series.

    prices: what a unit of each limit is worth at the cut, in expected profit: between the rates of the last step taken
    and the first one left out; 0 for a limit that does not bind. A step is taken where it earns more than what it
    takes is worth at the prices, but for the series `exception_E` (ids, ascending), which take `level_E` steps.
    value, cost, size: totals of the steps taken. upper_bound: no steps within the limits are worth more.
    """

    prices: Prices
    exception_E: IntArray
    level_E: IntArray
    value: float
    cost: float
    size: float
    budget: float
    capacity: float
    upper_bound: float

    @property
    def gap(self) -> float:
        """The most by which the steps taken fall short of the optimum, as a share of it; 0 is proven optimal."""
        return (self.upper_bound - self.value) / self.upper_bound if self.upper_bound > 0.0 else 0.0


def cut_rate(
    series_N: ArrayLike,
    cost_N: ArrayLike,
    value_N: ArrayLike,
    size_N: ArrayLike | None = None,
    *,
    count_N: ArrayLike | None = None,
    budget: float = np.inf,
    capacity: float = np.inf,
    core_limit: int = CORE_LIMIT,
    node_limit: int = NODE_LIMIT,
) -> Cut:
    """The most valuable steps whose cost is within the budget and whose size is within the capacity.

    The prices minimise the Lagrangian bound; the steps are taken by their value per priced resource, ties by series id,
    then the integer programme of those near the cut is solved (see `core_problem`). The result depends on the ids and
    not on the order in which the series come.

    Args:
        series_N: an integer id per series, the same for all its runs, which come in the order in which they are taken.
        cost_N, value_N, size_N: currency, expected profit and capacity of one step of each run, see `MarginalSteps`;
            a step is taken only with all before it. None takes a size of 0.
        count_N: equal steps in the run; None is one each.
        budget: currency to spend. capacity: total size to fill. inf for no limit.
        core_limit: most runs of the integer programme. node_limit: most nodes of its search. Where neither is reached
            the answer is optimal, otherwise `gap` says by how much it may fall short.

    Raises:
        ValueError: a limit negative or NaN, `core_limit` or `node_limit` below 1, or runs that `StepTable.of` refuses.

    Example:
        Two series, a budget of 10: the second step of the first series and the step of the second one do not both fit.

        >>> cut = cut_rate([0, 0, 1], [4.0, 4.0, 6.0], [5.0, 3.0, 4.0], budget=10.0)
        >>> (cut.value, cut.cost, cut.gap)
        (9.0, 10.0, 0.0)
    """
    for name, limit in (("budget", budget), ("capacity", capacity)):
        if not limit >= 0.0:
            raise ValueError(f"{name}: expected a number >= 0, inf for no limit, found {limit}")
    for name, most in (("core_limit", core_limit), ("node_limit", node_limit)):
        if most < 1:
            raise ValueError(f"{name}: expected at least 1, found {most}")
    table = StepTable.of(series_N, cost_N, value_N, size_N, count_N)
    free = Prices(0.0, 0.0)
    everything_R = table.best_levels(free)
    everything = table.totals(everything_R)
    if fits(everything.cost, budget) and fits(everything.size, capacity):
        return _cut(table, free, everything_R, (budget, capacity), everything.value)
    prices, bound = least_bound(table, everything, budget, capacity)
    level_R = _by_ratio(table, prices, budget, capacity)
    if bound - table.totals(level_R).value <= _CLOSE * bound:
        return _cut(table, prices, level_R, (budget, capacity), bound)
    answer = solve_core(table, prices, bound, level_R, (budget, capacity), core_limit=core_limit, node_limit=node_limit)
    return _cut(table, prices, answer.level_R, (budget, capacity), answer.upper_bound)


def steps_within(
    cut: Cut,
    series_N: ArrayLike,
    cost_N: ArrayLike,
    value_N: ArrayLike,
    size_N: ArrayLike | None = None,
    *,
    count_N: ArrayLike | None = None,
) -> IntArray:
    """Steps to take of each run, [N], of any of the series from which the cut was made, each with all its runs.

    Raises:
        ValueError: runs that `StepTable.of` refuses.

    Example:
        >>> cut = cut_rate([0, 0, 1], [4.0, 4.0, 6.0], [5.0, 3.0, 4.0], budget=10.0)
        >>> steps_within(cut, [0, 0], [4.0, 4.0], [5.0, 3.0])
        array([1, 0])
    """
    table = StepTable.of(series_N, cost_N, value_N, size_N, count_N)
    level_R = table.best_levels(cut.prices)
    if cut.exception_E.size:
        place_R = np.minimum(np.searchsorted(cut.exception_E, table.id_R), len(cut.exception_E) - 1)
        level_R = np.where(cut.exception_E[place_R] == table.id_R, cut.level_E[place_R], level_R)
    taken_N = np.empty(len(table.place_N), np.int64)
    taken_N[table.place_N] = table.taken(level_R)
    return taken_N


def _cut(table: StepTable, prices: Prices, level_R: IntArray, limits: tuple[float, float], upper_bound: float) -> Cut:
    is_exception_R = table.best_levels(prices) != level_R
    totals = table.totals(level_R)
    return Cut(
        prices,
        table.id_R[is_exception_R],
        level_R[is_exception_R],
        totals.value,
        totals.cost,
        totals.size,
        *limits,
        float(max(upper_bound, totals.value)),
    )


def _by_ratio(table: StepTable, prices: Prices, budget: float, capacity: float) -> IntArray:
    """Levels within the limits: steps by value per priced resource, each as far as it still fits."""
    price_N = prices.budget * table.cost_N + prices.capacity * table.size_N
    ratio_N = np.empty_like(price_N)
    ratio_rows(table.first_R, table.count_N, table.value_N, price_N, ratio_N)
    order_N = np.argsort(-ratio_N, kind="stable")  # equal ratios stay in the order of ids
    level_R = np.zeros(table.n_series, np.int64)
    _take(
        order_N[: np.searchsorted(-ratio_N[order_N], 0.0)],
        np.repeat(np.arange(table.n_series), np.diff(table.first_R)),
        table.first_R,
        table.count_N,
        table.cost_N,
        table.size_N,
        table.value_N,
        np.array([budget, capacity]),
        level_R,
    )
    return level_R


@numba.njit(cache=True, nogil=True, error_model="numpy")
def _take(
    order_M: IntArray,
    row_N: IntArray,
    first_R: IntArray,
    count_N: IntArray,
    cost_N: FloatArray,
    size_N: FloatArray,
    value_N: FloatArray,
    room_2: FloatArray,
    level_R: IntArray,
) -> None:
    next_R = first_R[:-1].copy()
    for j in order_M:
        r = row_N[j]
        if j != next_R[r]:
            continue  # a step before it did not fit
        count = count_N[j]
        if cost_N[j] > 0.0:
            count = min(count, np.floor(room_2[0] / cost_N[j] + 1e-12))
        if size_N[j] > 0.0:
            count = min(count, np.floor(room_2[1] / size_N[j] + 1e-12))
        level_R[r] += int(count)
        room_2[0] -= count * cost_N[j]
        room_2[1] -= count * size_N[j]
        if count == count_N[j]:
            next_R[r] += 1
    for r in range(len(level_R)):
        if level_R[r] > 0 and value_N[first_R[r]] <= 0.0:
            level_R[r] = _worth_taking(first_R[r], level_R[r], count_N, value_N)


@numba.njit(cache=True, nogil=True, error_model="numpy")
def _worth_taking(first: int, level: int, count_N: IntArray, value_N: FloatArray) -> int:
    """The level, or none where what was taken does not make good the loss of the first step."""
    value, left, j = 0.0, level, first
    while left > 0:
        count = min(left, count_N[j])
        value += count * value_N[j]
        left -= count
        j += 1
    return level if value > 0.0 else 0
