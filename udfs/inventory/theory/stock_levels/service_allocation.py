"""Where the next euro buys most service: one choice for each series of an assortment, under one budget.

Marginal analysis: every series starts with its cheapest choice, and the steps to better ones are taken in the order of
what they add to the value per unit of cost, until the budget is spent. Choices below the upper hull of a series' value
over its cost are never taken. Each stop is the optimum at its own cost (Fox 1966, "Discrete optimization via marginal
analysis"; used for spare parts since Sherbrooke 1968, METRIC; Sinha & Zoltners 1979 for the hull).
Dimensions: S series, G choices of a series, such as order-up-to levels, B budgets.
"""

from __future__ import annotations

import numba
import numpy as np
from numpy.typing import ArrayLike, NDArray

from udfs.inventory.demand_distribution import FloatArray
from udfs.series.series_threads import over_series

_ROUNDING = 1e-9


def allocate_service(value_SG: FloatArray, cost_SG: FloatArray, budget: ArrayLike) -> NDArray[np.int64]:
    """The choice of each series under each budget, an index into G, (S, B).

    value_SG: what the assortment gains by each choice, in any unit. cost_SG: what the choice costs. budget: [B] or a
    number, in the money of the cost. Spending stops at the first step that is not affordable, so that less than that
    step's cost stays unspent.

    Raises:
        ValueError: shapes that differ, no choice, values or costs that are not finite, or a budget (NaN included)
            below the cost of the cheapest choices.

    >>> value_SG = np.array([[0.0, 0.5, 0.7], [0.0, 0.3, 0.5]])
    >>> allocate_service(value_SG, np.array([[0.0, 1.0, 2.0]] * 2), [1.0, 3.0]).T
    array([[1, 0],
           [1, 2]])
    """
    budget_B = np.atleast_1d(np.asarray(budget, dtype=np.float64))
    value_SG = np.ascontiguousarray(value_SG, dtype=np.float64)
    cost_SG = np.ascontiguousarray(cost_SG, dtype=np.float64)
    _check(value_SG, cost_SG)
    shape = value_SG.shape
    choice_SG, size_S = np.zeros(shape, dtype=np.int64), np.zeros(len(value_SG), dtype=np.int64)
    over_series(lambda lo, hi: _hulls(value_SG, cost_SG, choice_SG, size_S, lo, hi), len(value_SG))
    first_cost = float(np.take_along_axis(cost_SG, choice_SG[:, :1], 1).sum())
    slack = _ROUNDING * max(float(np.abs(cost_SG).max(initial=0.0)), abs(first_cost))
    if not (budget_B >= first_cost - slack).all():
        raise ValueError(f"budget: expected at least the cheapest choices' cost, {first_cost:g}, found {budget_B}")
    rank_SG, spent = _ranked_steps(value_SG, cost_SG, choice_SG, size_S, first_cost)
    n_steps_B = np.searchsorted(spent, budget_B + slack, side="right")
    taken_SB = np.stack([(rank_SG < n).sum(1) for n in n_steps_B], axis=1)
    return np.take_along_axis(choice_SG, taken_SB, axis=1)


def _ranked_steps(
    value_SG: FloatArray,
    cost_SG: FloatArray,
    choice_SG: NDArray[np.int64],
    size_S: NDArray[np.int64],
    first_cost: float,
) -> tuple[NDArray[np.int64], FloatArray]:
    """Rank of each step along the hulls, (S, G - 1), the worst of all for no step; and what is spent after each."""
    gain_SG = np.diff(np.take_along_axis(value_SG, choice_SG, 1), axis=1)
    price_SG = np.diff(np.take_along_axis(cost_SG, choice_SG, 1), axis=1)
    is_step_SG = np.arange(1, value_SG.shape[1]) < size_S[:, None]
    ratio_SG = np.where(is_step_SG, gain_SG / np.where(is_step_SG, price_SG, 1.0), -np.inf)
    # Slopes fall along a hull; rounding must not reorder two steps of one series, and a stable sort keeps equal ones.
    ratio_SG = np.minimum.accumulate(ratio_SG, axis=1)
    order = np.argsort(-ratio_SG, axis=None, kind="stable")
    rank_SG = np.empty(order.size, dtype=np.int64)
    rank_SG[order] = np.arange(order.size)
    spent = first_cost + np.cumsum(price_SG.ravel()[order][: int(is_step_SG.sum())])
    return np.where(is_step_SG, rank_SG.reshape(ratio_SG.shape), order.size), spent


def _check(value_SG: FloatArray, cost_SG: FloatArray) -> None:
    if value_SG.ndim != 2 or value_SG.shape != cost_SG.shape or value_SG.shape[1] < 1:
        raise ValueError(f"expected values and costs of one shape (S, G), found {value_SG.shape}, {cost_SG.shape}")
    for name, array_SG in (("value", value_SG), ("cost", cost_SG)):
        bad = np.argwhere(~np.isfinite(array_SG))
        if len(bad):
            row, choice = (int(k) for k in bad[0])
            raise ValueError(
                f"{name}: expected finite numbers, found {array_SG[row, choice]:g} in row {row}, choice {choice}"
            )


@numba.njit(cache=True, nogil=True, error_model="numpy")
def _hulls(value_SG, cost_SG, choice_SG, size_S, lo, hi):  # type: ignore[no-untyped-def]
    """Fill rows lo..hi with the choices on the upper hull, cheapest first, and their number; the last one repeats."""
    n_choices = value_SG.shape[1]
    for s in range(lo, hi):
        value_G, cost_G, hull_G, n = value_SG[s], cost_SG[s], choice_SG[s], 0
        for g in np.argsort(cost_G, kind="mergesort"):
            if n and value_G[g] <= value_G[hull_G[n - 1]]:
                continue  # as dear or dearer, and no better
            if n and cost_G[g] == cost_G[hull_G[n - 1]]:
                n -= 1  # as cheap, and better
            while n >= 2:
                a, b = hull_G[n - 2], hull_G[n - 1]
                if (value_G[b] - value_G[a]) * (cost_G[g] - cost_G[b]) > (value_G[g] - value_G[b]) * (
                    cost_G[b] - cost_G[a]
                ):
                    break
                n -= 1
            hull_G[n] = g
            n += 1
        size_S[s] = n
        for k in range(n, n_choices):
            hull_G[k] = hull_G[n - 1]
