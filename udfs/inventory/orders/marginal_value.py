"""The marginal expected profit of each next pack of every series, from sample paths of its demand.

With N the units of an order that would sell within the protection interval, an order of q earns

    G(q) = (u + o) E[min(q, N)] - o q - K 1(q > 0),

u being the profit of a unit sold, o the loss on a unit left over and K the cost of an order (the newsvendor's expected
profit, Snyder & Shen 2019, section 4.3). Over P paths E[min(q, N)] is the mean of min(q, N_p), each of them concave
in q, so G is concave from the first step on, and the steps after the first, which are equal in units, have
non-increasing values. The first step, the least deliverable order, is worth at least as much per unit as the second
unless K lowers it. Between two neighbouring needs N_p the slope is constant: equal packs are kept as one run with a
count, at most 2 P + 2 runs a series however large the order, and nothing is approximated.
"""

from __future__ import annotations

from dataclasses import dataclass

import numba
import numpy as np
from numpy.typing import ArrayLike, NDArray

from udfs.inventory.demand_distribution import BoolArray, FloatArray
from udfs.inventory.orders.order_terms import OrderTerms
from udfs.series.series_threads import over_series

IntArray = NDArray[np.int64]
_jit = numba.njit(cache=True, nogil=True, error_model="numpy")

_TOLERANCE = 1e-9
"""A quantity that misses a whole pack by this share of a pack is whole: needs are sums of floats."""


@dataclass(frozen=True, slots=True)
class OrderEnd:
    """What comes after the last listed step of a series, or the least order where none is listed, [S] each.

    value_S, cost_S: expected profit and purchase cost of that step. unit_value_S: expected profit of one further unit
    by itself, so that above 0 it is the pack or the minimum order that ends the order. is_capped_S: the step would
    pay, but `most_qty` ends the order. is_raised_S: the least order is more than the demand is worth, its last pack
    by itself would lose.
    """

    value_S: FloatArray
    cost_S: FloatArray
    unit_value_S: FloatArray
    is_capped_S: BoolArray
    is_raised_S: BoolArray


@dataclass(frozen=True, slots=True)
class MarginalSteps:
    """N runs of equal steps, those of a series in the order in which they are taken; the first is one least order.

    row_N: the series of the run, 0 .. S - 1, ascending. count_N: steps in the run. quantity_N, cost_N, value_N: units,
    purchase cost and marginal expected profit of one step of it. Every series' steps together are worth more than 0.
    """

    row_N: IntArray
    count_N: IntArray
    quantity_N: FloatArray
    cost_N: FloatArray
    value_N: FloatArray
    end: OrderEnd

    @property
    def n_series(self) -> int:
        return len(self.end.value_S)

    def rates(self) -> FloatArray:
        """Expected profit per unit of currency spent, [N]; inf where the unit costs nothing."""
        with np.errstate(divide="ignore"):
            return self.value_N / self.cost_N

    def total(self, taken_N: IntArray, amount_N: FloatArray) -> FloatArray:
        """The sum of an amount per step over the `taken_N` steps of each run, [S]."""
        return np.bincount(self.row_N, taken_N * amount_N, minlength=self.n_series).astype(np.float64)


def marginal_values(
    demand_SP: ArrayLike,
    position_S: ArrayLike,
    terms: OrderTerms,
    *,
    lead_time_demand_SP: ArrayLike | None = None,
    most_steps: int | None = None,
) -> MarginalSteps:
    """Every step of an order that is worth taking, per series.

    Args:
        demand_SP: units of demand over the protection interval (lead time and review period), P sample paths.
        position_S: inventory position (on hand and on order less backorders), units.
        terms: what a unit earns and costs, packs and minimum orders.
        lead_time_demand_SP: units of demand over the lead time, on the same paths. With it, what the position does not
            meet before the order arrives is lost to the order but for `terms.backorder_share`; without it, it waits.
        most_steps: where an order could run to more packs than this, a step is the least number of packs that keeps
            it to so many steps; the values stay exact, the order is whole steps. None: every pack is a step.

    Raises:
        ValueError: demand negative or not finite, a position not finite, lead-time demand above the demand of the
            interval that contains it, shapes that differ, or `most_steps` below 1.

    Example:
        Demand 0, 4 or 8, none in stock, packs of 4 bought at 1 and sold at 3; what is left over is lost:

        >>> terms = OrderTerms(unit_price=3.0, unit_cost=1.0, carry_value=0.0, pack=4.0)
        >>> marginal_values([[0.0, 4.0, 8.0]], [0.0], terms).value_N
        array([4.])
        >>> marginal_values([[0.0, 4.0, 8.0]], [0.0], terms).end.value_S  # 3 * 4 / 3 - 4: the second pack earns 0
        array([0.])
    """
    demand_SP, position_S = _paths("demand_SP", demand_SP), np.asarray(position_S, dtype=np.float64)
    S = len(demand_SP)
    if position_S.shape != (S,) or not np.isfinite(position_S).all():
        raise ValueError(f"position_S: expected {S} finite numbers, found {_first_bad(position_S)}")
    if most_steps is not None and most_steps < 1:
        raise ValueError(f"most_steps: expected at least 1 or None, found {most_steps}")
    terms_8S = _terms(terms, S)
    need_SP = _sorted_needs(demand_SP, _lead_time(lead_time_demand_SP, demand_SP), position_S, terms_8S[7])
    return _steps(need_SP, terms_8S[:7], 0 if most_steps is None else int(most_steps))


def _steps(need_SP: FloatArray, terms_7S: FloatArray, most_steps: int) -> MarginalSteps:
    S = len(need_SP)
    runs_S, end_S4 = np.zeros(S, np.int64), np.zeros((S, 4))
    over_series(lambda a, b: _count_rows(a, b, need_SP, terms_7S, most_steps, runs_S, end_S4), S)
    first_S = np.concatenate(([0], np.cumsum(runs_S)))
    N = int(first_S[-1])
    count_N, amount_3N = np.empty(N, np.int64), np.empty((3, N))
    over_series(lambda a, b: _fill_rows(a, b, need_SP, terms_7S, most_steps, first_S, count_N, amount_3N), S)
    value_S, quantity_S, unit_value_S, last_value_S = end_S4.T.copy()
    end = OrderEnd(value_S, quantity_S * terms_7S[3], unit_value_S, value_S > 0.0, last_value_S < 0.0)
    quantity_N, cost_N, value_N = amount_3N
    return MarginalSteps(np.repeat(np.arange(S), runs_S), count_N, quantity_N, cost_N, value_N, end)


def _terms(terms: OrderTerms, S: int) -> FloatArray:
    """What the kernels read of the terms: the seven of `_sweep`, and the share of backorders."""
    values = (
        terms.least_order(),
        terms.pack,
        terms.most_qty,
        terms.unit_cost,
        terms.underage(),
        terms.overage(),
        terms.order_cost,
        terms.backorder_share,
    )
    try:
        return np.array([np.broadcast_to(np.asarray(v, np.float64), (S,)) for v in values])
    except ValueError as error:
        raise ValueError(f"terms: expected scalars or {S} values each, as demand_SP has rows; {error}") from error


def _paths(name: str, values: ArrayLike) -> FloatArray:
    paths_SP = np.ascontiguousarray(values, dtype=np.float64)
    if paths_SP.ndim != 2 or paths_SP.shape[1] == 0:
        raise ValueError(f"{name}: expected [S, P] with at least one path, found shape {paths_SP.shape}")
    is_bad_S = ~((paths_SP.min(axis=1) >= 0.0) & (paths_SP.max(axis=1) < np.inf))
    if is_bad_S.any():
        row = int(np.argmax(is_bad_S))
        raise ValueError(f"{name}: expected finite units >= 0, found {_first_bad(paths_SP[row], 0.0)} in row {row}")
    return paths_SP


def _lead_time(values: ArrayLike | None, demand_SP: FloatArray) -> FloatArray:
    if values is None:
        return np.empty((0, 0))
    lead_SP = _paths("lead_time_demand_SP", values)
    if lead_SP.shape != demand_SP.shape:
        raise ValueError(f"lead_time_demand_SP: expected shape {demand_SP.shape}, found {lead_SP.shape}")
    is_above_S = (lead_SP > demand_SP * (1.0 + _TOLERANCE) + _TOLERANCE).any(axis=1)
    if is_above_S.any():
        raise ValueError(
            "lead_time_demand_SP: expected at most the demand of the whole interval on each path, found more in row "
            f"{int(np.argmax(is_above_S))}"
        )
    return lead_SP


def _first_bad(values: FloatArray, least: float = -np.inf) -> str:
    bad = values[~(np.isfinite(values) & (values >= least))]
    return f"{bad.flat[0]:g}" if bad.size else f"shape {values.shape}"


def _sorted_needs(
    demand_SP: FloatArray, lead_SP: FloatArray, position_S: FloatArray, backorder_share_S: FloatArray
) -> FloatArray:
    need_SP = np.empty_like(demand_SP)
    over_series(
        lambda a, b: _need_rows(a, b, demand_SP, lead_SP, position_S, backorder_share_S, need_SP), len(demand_SP)
    )
    return need_SP


@_jit
def _need_rows(
    start: int,
    stop: int,
    demand_SP: FloatArray,
    lead_SP: FloatArray,
    position_S: FloatArray,
    backorder_share_S: FloatArray,
    need_SP: FloatArray,
) -> None:
    """Units of an order that would sell on each path, ascending."""
    has_lead_time = lead_SP.shape[0] > 0
    for s in range(start, stop):
        stock, waiting = max(position_S[s], 0.0), max(-position_S[s], 0.0)
        for p in range(demand_SP.shape[1]):
            lead = lead_SP[s, p] if has_lead_time else 0.0
            if lead <= stock:
                need_SP[s, p] = max(demand_SP[s, p] - stock, 0.0) + waiting
            else:
                after = max(demand_SP[s, p] - lead, 0.0)
                need_SP[s, p] = after + backorder_share_S[s] * (lead - stock) + waiting
        need_SP[s].sort()


@_jit
def _count_rows(
    start: int,
    stop: int,
    need_SP: FloatArray,
    terms_7S: FloatArray,
    most_steps: int,
    runs_S: IntArray,
    end_S4: FloatArray,
) -> None:
    count_0, amount_30 = np.empty(0, np.int64), np.empty((3, 0))
    for s in range(start, stop):
        runs_S[s] = _sweep(need_SP[s], terms_7S[:, s], most_steps, -1, count_0, amount_30, end_S4[s])


@_jit
def _fill_rows(
    start: int,
    stop: int,
    need_SP: FloatArray,
    terms_7S: FloatArray,
    most_steps: int,
    first_S: IntArray,
    count_N: IntArray,
    amount_3N: FloatArray,
) -> None:
    end_4 = np.empty(4)
    for s in range(start, stop):
        if first_S[s + 1] > first_S[s]:
            _sweep(need_SP[s], terms_7S[:, s], most_steps, first_S[s], count_N, amount_3N, end_4)


@_jit
def _sweep(
    need_P: FloatArray,
    terms_7: FloatArray,
    most_steps: int,
    at: int,
    count_N: IntArray,
    amount_3N: FloatArray,
    end_4: FloatArray,
) -> int:
    """Count the runs of one series, and write them from `at` on unless it is negative.

    end_4 receives value, quantity and value per unit of what comes after them, and the value of the least order's
    last pack. One pass over the ascending needs: the first `k` of them are met by the quantity so far.
    """
    least, pack, most, unit_cost, underage, overage, order_cost = terms_7
    P, gain = len(need_P), underage + overage
    first_value = gain * _mean_sold(need_P, 0, 0.0, least) - overage * least - order_cost
    above_zero = P - np.searchsorted(need_P, 0.0, side="right")
    last_value = gain * _mean_sold(need_P, 0, least - pack, pack) - overage * pack if least > pack else 0.0
    _write_end(end_4, first_value, least, gain * above_zero / P - overage, last_value)
    if least > most * (1.0 + _TOLERANCE) or (first_value <= 0.0 and order_cost == 0.0):
        return 0
    _write(at, least, unit_cost, 1, first_value, count_N, amount_3N)
    step = _step_size(need_P[P - 1] - least, pack, most_steps)
    runs, steps, k, profit, value = 1, 0.0, 0, first_value, np.inf
    while True:
        quantity = least + steps * step
        while k < P and need_P[k] <= quantity + _TOLERANCE * step:
            k += 1
        count = np.floor((need_P[k] - quantity) / step + _TOLERANCE) if k < P else 0.0
        sold = (P - k) / P * step if count >= 1.0 else _mean_sold(need_P, k, quantity, step)
        value = min(value, gain * sold - overage * step)  # rounding must not make a later step look better
        left = np.floor((most - quantity) / step + _TOLERANCE)
        if value <= 0.0 or left < 1.0:
            break
        count = min(max(count, 1.0), left)
        _write(at + runs if at >= 0 else -1, step, unit_cost, int(count), value, count_N, amount_3N)
        runs, steps, profit = runs + 1, steps + count, profit + count * value
    if profit <= 0.0:
        return 0
    _write_end(end_4, value, step, gain * (P - k) / P - overage, last_value)
    return runs


@_jit
def _write_end(end_4: FloatArray, value: float, quantity: float, unit_value: float, last_value: float) -> None:
    end_4[0], end_4[1], end_4[2], end_4[3] = value, quantity, unit_value, last_value


@_jit
def _mean_sold(need_P: FloatArray, k: int, quantity: float, step: float) -> float:
    """E[min(step, (N - quantity)+)], where the quantity meets the first k needs."""
    sold = 0.0
    while k < len(need_P) and need_P[k] < quantity + step:
        sold += max(need_P[k] - quantity, 0.0)
        k += 1
    return (sold + (len(need_P) - k) * step) / len(need_P)


@_jit
def _step_size(need: float, pack: float, most_steps: int) -> float:
    return pack * max(np.ceil(need / pack / most_steps), 1.0) if most_steps > 0 else pack


@_jit
def _write(
    at: int, quantity: float, unit_cost: float, count: int, value: float, count_N: IntArray, amount_3N: FloatArray
) -> None:
    if at >= 0:
        count_N[at] = count
        amount_3N[0, at], amount_3N[1, at], amount_3N[2, at] = quantity, quantity * unit_cost, value
