"""The order list: which packs of which series to order under one budget and one capacity, each line with its reason."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike

from udfs.inventory.demand_distribution import FloatArray
from udfs.inventory.orders.binding import binding_notes, find_binding
from udfs.inventory.orders.budget_cut import Cut, cut_rate, steps_within
from udfs.inventory.orders.marginal_value import MarginalSteps, marginal_values
from udfs.inventory.orders.order_terms import OrderTerms
from udfs.inventory.orders.order_words import order_head, plural, units
from udfs.inventory.orders.path_summary import PathSummary, summarise_paths
from udfs.inventory.orders.step_table import IntArray


@dataclass(frozen=True, slots=True)
class OrderList:
    """What to order of S series.

    quantity_S: units, whole packs and at least the minimum order, or 0. cost_S: currency. size_S: units of capacity.
    value_S: expected profit over no order. reason: why, one line per series.
    steps, taken_N: the steps that were worth ranking and how many of each run are ordered. cut: totals, prices and
    bound of the list; `cut.value`, `cut.cost`, `cut.size`, `cut.upper_bound`, `cut.gap`.
    """

    quantity_S: FloatArray
    cost_S: FloatArray
    size_S: FloatArray
    value_S: FloatArray
    reason: list[str]
    steps: MarginalSteps
    taken_N: IntArray
    cut: Cut


def order_list(
    demand_SP: ArrayLike,
    position_S: ArrayLike,
    terms: OrderTerms,
    *,
    interval_days_S: ArrayLike,
    lead_time_demand_SP: ArrayLike | None = None,
    unit_size_S: ArrayLike | None = None,
    series_id_S: ArrayLike | None = None,
    budget: float = np.inf,
    capacity: float = np.inf,
    most_steps: int | None = None,
    currency: str = "unit of currency",
) -> OrderList:
    """The most profitable order list within the budget and the capacity.

    Every next pack is ranked by its marginal expected profit (`marginal_values`). What the limits leave is the optimum
    of the integer programme, or at most `cut.gap` below it (`cut_rate`); without limits it is the newsvendor's order.

    Args:
        demand_SP, position_S, terms, lead_time_demand_SP, most_steps: see `marginal_values`.
        interval_days_S: days of the protection interval that `demand_SP` covers, > 0, for the reasons.
        unit_size_S: capacity that one unit takes (volume, shelf space), >= 0; needed with a capacity.
        series_id_S: a different integer per series, which decides between equal steps; None is the row.
        budget: currency to spend. capacity: total size to fill. inf for no limit.
        currency: the name of its unit in the reasons.

    Raises:
        ValueError: what `marginal_values` and `cut_rate` refuse, days not above 0, bad or missing sizes, equal ids.

    Example:
        A budget for two packs of 4: the second pack of the first series earns more than the first of the other.

        >>> terms = OrderTerms(unit_price=np.array([3.0, 1.4]), unit_cost=1.0, carry_value=0.5, pack=4.0)
        >>> done = order_list([[4.0, 8.0], [4.0, 8.0]], [0.0, 0.0], terms, interval_days_S=2.0, budget=8.0)
        >>> done.quantity_S
        array([8., 0.])
        >>> done.reason[1]  # doctest: +NORMALIZE_WHITESPACE
        "No order: position 0 covers 0.0 days; demand over 2 days p50 4, p90 8; the least order of 4 would earn 0.40 per
        unit of currency, below the budget's cut of 0.58."
    """
    demand_SP, position_S = np.asarray(demand_SP, np.float64), np.asarray(position_S, np.float64)
    steps = marginal_values(
        demand_SP, position_S, terms, lead_time_demand_SP=lead_time_demand_SP, most_steps=most_steps
    )
    S = steps.n_series
    days_S, size_S = _positive_days(interval_days_S, S), _sizes(unit_size_S, capacity, S)
    cut, taken_N = _within(steps, _ids(series_id_S, S), size_S, budget, capacity)
    quantity_S = steps.total(taken_N, steps.quantity_N)
    notes = binding_notes(find_binding(steps, taken_N, size_S, terms, cut), quantity_S, terms, cut, currency)
    return OrderList(
        quantity_S,
        steps.total(taken_N, steps.cost_N),
        quantity_S * size_S,
        steps.total(taken_N, steps.value_N),
        _reasons(quantity_S, position_S, terms, days_S, summarise_paths(demand_SP), notes),
        steps,
        taken_N,
        cut,
    )


def _within(
    steps: MarginalSteps, id_S: IntArray, unit_size_S: FloatArray, budget: float, capacity: float
) -> tuple[Cut, IntArray]:
    """The cut of the limits, and the steps taken of each run."""
    runs = (id_S[steps.row_N], steps.cost_N, steps.value_N, steps.quantity_N * unit_size_S[steps.row_N])
    cut = cut_rate(*runs, count_N=steps.count_N, budget=budget, capacity=capacity)
    return cut, steps_within(cut, *runs, count_N=steps.count_N)


def explain(orders: OrderList, series: int) -> pd.DataFrame:
    """Each run of steps of one series: what it adds and whether the list takes it.

    Columns: order_qty (units ordered once the run is taken whole), step_qty, steps, step_cost, step_value, rate
    (expected profit per unit of currency), steps_taken.

    Raises:
        ValueError: no such row.
    """
    if not 0 <= series < orders.steps.n_series:
        raise ValueError(f"series: expected a row below {orders.steps.n_series}, found {series}")
    steps = orders.steps
    n = slice(*np.searchsorted(steps.row_N, [series, series + 1]))
    return pd.DataFrame(
        {
            "order_qty": np.cumsum(steps.count_N[n] * steps.quantity_N[n]),
            "step_qty": steps.quantity_N[n],
            "steps": steps.count_N[n],
            "step_cost": steps.cost_N[n],
            "step_value": steps.value_N[n],
            "rate": steps.rates()[n],
            "steps_taken": orders.taken_N[n],
        }
    )


def _positive_days(days: ArrayLike, S: int) -> FloatArray:
    days_S = np.broadcast_to(np.asarray(days, np.float64), (S,))
    if not (np.isfinite(days_S) & (days_S > 0.0)).all():
        row = int(np.argmin(np.isfinite(days_S) & (days_S > 0.0)))
        raise ValueError(f"interval_days_S: expected days > 0, found {days_S[row]:g} in row {row}")
    return days_S


def _sizes(unit_size_S: ArrayLike | None, capacity: float, S: int) -> FloatArray:
    if unit_size_S is None:
        if capacity < np.inf:
            raise ValueError(f"unit_size_S: expected the size of a unit with a capacity of {capacity:g}, found None")
        return np.zeros(S)
    size_S = np.broadcast_to(np.asarray(unit_size_S, np.float64), (S,))
    is_good_S = np.isfinite(size_S) & (size_S >= 0.0)
    if not is_good_S.all():
        row = int(np.argmin(is_good_S))
        raise ValueError(f"unit_size_S: expected a size >= 0, found {size_S[row]:g} in row {row}")
    return size_S


def _ids(series_id_S: ArrayLike | None, S: int) -> IntArray:
    if series_id_S is None:
        return np.arange(S)
    ids_S = np.asarray(series_id_S)
    if ids_S.shape != (S,) or ids_S.dtype.kind not in "iu" or len(np.unique(ids_S)) != S:
        raise ValueError(
            f"series_id_S: expected {S} different integers, found {len(np.unique(ids_S))} of {ids_S.dtype} in shape "
            f"{ids_S.shape}"
        )
    return ids_S.astype(np.int64)


def _reasons(
    quantity_S: FloatArray,
    position_S: FloatArray,
    terms: OrderTerms,
    days_S: FloatArray,
    demand: PathSummary,
    notes: list[str],
) -> list[str]:
    with np.errstate(divide="ignore", invalid="ignore"):
        cover_S = np.where(demand.mean_S > 0.0, np.maximum(position_S, 0.0) * days_S / demand.mean_S, np.inf)
    pack_S = np.broadcast_to(np.asarray(terms.pack), quantity_S.shape)
    columns = (quantity_S, pack_S, position_S, cover_S, days_S, demand.p50_S, demand.p90_S)
    return [
        f"{_line(*row)}; {note}."
        for row, note in zip(zip(*(c.tolist() for c in columns), strict=True), notes, strict=True)
    ]


def _line(order: float, pack: float, position: float, cover: float, days: float, p50: float, p90: float) -> str:
    covers = f"covers {cover:.1f} days" if cover < np.inf else "meets no expected demand"
    over = f"demand over {units(days)} {plural(days, 'day')} p50 {units(p50)}, p90 {units(p90)}"
    return f"{order_head(order, pack)}: position {units(position)} {covers}; {over}"
