"""The best (s, S) levels of each period of a finite horizon, by dynamic programming over whole units of stock."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Final

import numba
import numpy as np
from numpy.typing import ArrayLike, NDArray

from udfs.inventory.demand_distribution import DemandDistribution, DistributionName, FloatArray
from udfs.inventory.parameters import (
    AT_LEAST_ZERO,
    POSITIVE,
    WHOLE_POSITIVE,
    Rule,
    per_period,
    per_series,
    reject,
)
from udfs.inventory.theory.lot_sizing.eoq_backorders import eoq_backorders
from udfs.series.series_threads import over_series

_DISCOUNT: Final = Rule("a factor in (0, 1]", lambda v: (v > 0.0) & (v <= 1.0))
_WHOLE: Final = Rule("a whole number", lambda v: np.isfinite(v) & (v == np.floor(v)))
_SPREAD = 7.0  # standard deviations of demand on either side; beyond them lies less than 1e-11
MAX_UNITS: Final = 20_000  # most units demanded in a period: work grows with its square
_COUNTS = ("poisson", "negative_binomial")
_PER_PERIOD = ("mean_demand", "demand_sd", "fixed_cost", "unit_cost", "holding_cost", "backorder_cost", "discount")


@dataclass(frozen=True, slots=True)
class FiniteHorizon:
    """Demand and costs of S series over T periods without a lead time; unmet demand waits.

    Attributes:
        n_periods: T, whole, >= 1.
        mean_demand: units per period, > 0; a number, [S] or [S, T], as all up to `discount`.
        demand_sd: units, >= 0. fixed_cost: currency per order, >= 0. unit_cost: currency per unit, >= 0.
        holding_cost, backorder_cost: currency per unit at the end of a period, > 0.
        discount: value of a cost one period later, in (0, 1].
        terminal_holding_cost, terminal_backorder_cost: currency per unit left or waiting after the last period, >= 0,
            a number or [S].
        distribution: "normal" (or "gamma"), in whole units by rounding, or "poisson" or "negative_binomial".

    Raises:
        ValueError: a parameter out of range or of another shape, or another family.
    """

    n_periods: int
    mean_demand: Any
    demand_sd: Any
    fixed_cost: Any
    unit_cost: Any
    holding_cost: Any
    backorder_cost: Any
    discount: Any = 1.0
    terminal_holding_cost: Any = 0.0
    terminal_backorder_cost: Any = 0.0
    distribution: DistributionName = "normal"

    def __post_init__(self) -> None:
        per_series(n_periods=(self.n_periods, WHOLE_POSITIVE))
        if self.distribution == "auto":
            raise ValueError("distribution: expected one family for all periods, found 'auto'")
        DemandDistribution.fit(np.ones(0), np.ones(0), self.distribution)  # an unknown family is an error here
        sizes = {np.shape(getattr(self, n))[0] for n in (*_PER_PERIOD, *_TERMINAL) if np.ndim(getattr(self, n))}
        n_series = max(sizes, default=1)
        rules = dict.fromkeys(_PER_PERIOD, POSITIVE) | {"discount": _DISCOUNT}
        rules |= dict.fromkeys(("demand_sd", "fixed_cost", "unit_cost"), AT_LEAST_ZERO)
        given = {name: (getattr(self, name), rules[name]) for name in _PER_PERIOD}
        for name, table in zip(_PER_PERIOD, per_period(n_series, int(self.n_periods), **given), strict=True):
            object.__setattr__(self, name, table)
        ends = {name: (getattr(self, name), AT_LEAST_ZERO) for name in _TERMINAL}
        for name, column in zip(_TERMINAL, per_series(series=(np.ones(n_series), POSITIVE), **ends)[1:], strict=True):
            object.__setattr__(self, name, column)
        most_S = self.most_units()
        reject(
            most_S > MAX_UNITS,
            lambda row: (
                f"mean_demand: expected units that make the demand of a period at most {MAX_UNITS}, "
                f"found {most_S[row]}; count in larger units"
            ),
        )

    def most_units(self) -> NDArray[np.int64]:
        """A number of units that no period's demand exceeds but for a probability of about 1e-11, [S]."""
        return np.ceil((self.mean_demand + _SPREAD * self.demand_sd).max(axis=1)).astype(np.int64) + 1


_TERMINAL = ("terminal_holding_cost", "terminal_backorder_cost")


@dataclass(frozen=True, slots=True)
class FiniteHorizonPlan:
    """What is best in each period.

    Attributes:
        reorder_point_ST: s_t, units: a stock of s_t or less is lifted to S_t; -inf where not even the grid's lowest
            stock pays for an order.
        order_up_to_ST: S_t, units; NaN where no order pays.
        cost_SG: expected discounted cost of the horizon from each stock `least_stock_S + g`, currency; NaN beyond a
            series' own grid.
        least_stock_S: units.
    """

    reorder_point_ST: FloatArray
    order_up_to_ST: FloatArray
    cost_SG: FloatArray
    least_stock_S: NDArray[np.int64]

    def cost_at(self, stock: ArrayLike) -> FloatArray:
        """Expected discounted cost from a stock on hand (less backorders), whole units, [S].

        Raises:
            ValueError: a stock that is not whole, or beyond the grid that the levels needed.
        """
        stock_S, _ = per_series(stock=(stock, _WHOLE), plan=(np.ones(self.least_stock_S.size), POSITIVE))
        column_S = stock_S.astype(np.int64) - self.least_stock_S
        rows = np.arange(column_S.size)
        is_inside_S = (column_S >= 0) & (column_S < self.cost_SG.shape[1])
        cost_S = np.where(is_inside_S, self.cost_SG[rows, np.where(is_inside_S, column_S, 0)], np.nan)
        if np.isnan(cost_S).any():
            row = int(np.flatnonzero(np.isnan(cost_S))[0])
            raise ValueError(f"stock: expected a stock within the plan's grid, found {stock_S[row]:g} in row {row}")
        return cost_S


def finite_horizon(problem: FiniteHorizon) -> FiniteHorizonPlan:
    """Solve V_t(x) = min over y >= x of K 1(y > x) + c (y - x) + g_t(y) + gamma E[V_(t+1)(y - D_t)] for all series.

    Snyder & Shen (2019), section 4.3.3; s and S describe the optimum where K_t >= gamma K_(t+1) (Scarf 1960). The
    stock is cut off far below any reorder point, where V goes on as a line, and above where ordering no longer pays;
    a series whose best level meets that bound is solved again on twice the grid, up to the demand of all periods. Work
    grows with T, the grid and the spread of demand: count slow and fast movers in units of their own.

    >>> plan = finite_horizon(FiniteHorizon(2, 18, 3, fixed_cost=0, unit_cost=1, holding_cost=1, backorder_cost=25))
    >>> plan.order_up_to_ST.tolist()
    [[23.0, 22.0]]
    """
    quantity_ST = eoq_backorders(
        *(getattr(problem, n).ravel() for n in ("fixed_cost", "holding_cost", "backorder_cost", "mean_demand"))
    ).quantity_S.reshape(problem.mean_demand.shape)
    most_S = problem.most_units()
    whole_S = most_S * int(problem.n_periods)
    lot_S = np.minimum(np.ceil(quantity_ST.max(axis=1)), whole_S).astype(np.int64)
    least_S, n_grid_S = -(2 * most_S + lot_S), 4 * most_S + 3 * lot_S
    limit_S = np.maximum(n_grid_S, whole_S - least_S + 1)
    reorder_ST, level_ST = np.empty(problem.mean_demand.shape), np.empty(problem.mean_demand.shape)
    cost_rows: list[FloatArray] = [np.empty(0)] * least_S.size
    rows = np.arange(least_S.size)
    while rows.size:
        reorder_ST[rows], level_ST[rows], cost_SG, is_cut_S = _solve(problem, rows, least_S, n_grid_S)
        for row, cost_G in zip(rows, cost_SG, strict=True):
            cost_rows[row] = cost_G[: n_grid_S[row]]
        rows = rows[is_cut_S & (n_grid_S[rows] < limit_S[rows])]
        n_grid_S[rows] = np.minimum(2 * n_grid_S[rows], limit_S[rows])
    cost_SG = np.full((least_S.size, int(n_grid_S.max(initial=0))), np.nan)
    for row, cost_G in enumerate(cost_rows):
        cost_SG[row, : cost_G.size] = cost_G
    return FiniteHorizonPlan(reorder_ST, level_ST, cost_SG, least_S)


def _solve(
    problem: FiniteHorizon, rows: NDArray[np.int64], least_S: NDArray[np.int64], n_grid_S: NDArray[np.int64]
) -> tuple[FloatArray, FloatArray, FloatArray, NDArray[np.bool_]]:
    """Levels, costs of the first period and whether the grid cut them off, for the given rows."""
    n_periods, n_grid = problem.mean_demand.shape[1], int(n_grid_S[rows].max(initial=1))
    table = {name: np.ascontiguousarray(getattr(problem, name)[rows]) for name in _PER_PERIOD}
    demand = DemandDistribution.fit(table["mean_demand"].ravel(), table["demand_sd"].ravel() ** 2, problem.distribution)
    stock_SG = (least_S[rows][:, None] + np.arange(n_grid)).astype(np.float64)
    stage_STG = np.empty((rows.size, n_periods, n_grid))
    for g in range(n_grid):
        stock_N = np.repeat(stock_SG[:, g], n_periods)
        h_N, p_N = table["holding_cost"].ravel(), table["backorder_cost"].ravel()
        cost_N = h_N * demand.on_hand(stock_N) + p_N * demand.loss(stock_N)
        stage_STG[:, :, g] = cost_N.reshape(rows.size, n_periods)
    pmf_STN = _pmf(demand, problem.distribution in _COUNTS).reshape(rows.size, n_periods, -1)
    reorder_ST, level_ST = np.empty((rows.size, n_periods)), np.empty((rows.size, n_periods))
    cost_SG, is_cut_S = np.full((rows.size, n_grid), np.nan), np.zeros(rows.size, dtype=np.bool_)
    left_S, short_S = (np.ascontiguousarray(getattr(problem, name)[rows]) for name in _TERMINAL)
    arrays = [pmf_STN, stage_STG, table["fixed_cost"], table["unit_cost"], table["discount"], left_S, short_S]
    arrays += [least_S[rows], n_grid_S[rows], reorder_ST, level_ST, cost_SG, is_cut_S]
    over_series(lambda start, stop: _backward(start, stop, *arrays), rows.size)
    return reorder_ST, level_ST, cost_SG, is_cut_S


def _pmf(demand: DemandDistribution, is_count: bool) -> FloatArray:
    """P(D = n), n = 0, 1, ... for each element of `demand`; the last holds the tail."""
    n_numbers = int(np.ceil((demand.mean_S + _SPREAD * demand.sd_S).max(initial=0.0))) + 2
    if is_count:
        n_numbers = max(n_numbers, int(demand.quantile(1.0 - 1e-12).max(initial=0.0)) + 2)
    half = 0.0 if is_count else 0.5
    above = np.stack([demand.survival(n + half) for n in range(n_numbers - 1)] + [np.zeros(demand.mean_S.size)], axis=1)
    return np.maximum(-np.diff(above, axis=1, prepend=1.0), 0.0)


@numba.njit(cache=True, nogil=True, error_model="numpy")
def _backward(
    start: int,
    stop: int,
    pmf_STN: FloatArray,
    stage_STG: FloatArray,
    fixed_ST: FloatArray,
    unit_ST: FloatArray,
    discount_ST: FloatArray,
    left_S: FloatArray,
    short_S: FloatArray,
    least_S: NDArray[np.int64],
    n_grid_S: NDArray[np.int64],
    reorder_ST: FloatArray,
    level_ST: FloatArray,
    cost_SG: FloatArray,
    is_cut_S: NDArray[np.bool_],
) -> None:
    n_periods = pmf_STN.shape[1]
    for s in range(start, stop):
        n_grid, least = n_grid_S[s], least_S[s]
        later_G = np.empty(n_grid)
        for g in range(n_grid):
            stock = float(least + g)
            later_G[g] = left_S[s] * stock if stock > 0.0 else -short_S[s] * stock
        for t in range(n_periods - 1, -1, -1):
            kept_G = _kept(pmf_STN[s, t], stage_STG[s, t], later_G, discount_ST[s, t])
            level, reorder = _order(kept_G, fixed_ST[s, t], unit_ST[s, t], later_G)
            is_cut_S[s] |= level == n_grid - 1
            reorder_ST[s, t] = least + reorder if reorder >= 0 else -np.inf
            level_ST[s, t] = least + level if reorder >= 0 else np.nan
        cost_SG[s, :n_grid] = later_G


@numba.njit(cache=True, nogil=True, error_model="numpy")
def _kept(pmf_N: FloatArray, stage_G: FloatArray, later_G: FloatArray, discount: float) -> FloatArray:
    """Cost of having y after the order, now and later; below the grid the cost to go is a line."""
    slope = later_G[0] - later_G[1]
    kept_G = np.empty(later_G.size)
    for g in range(later_G.size):
        future = 0.0
        for n in range(pmf_N.size):
            future += pmf_N[n] * (later_G[g - n] if n <= g else later_G[0] + slope * (n - g))
        kept_G[g] = stage_G[g] + discount * future
    return kept_G


@numba.njit(cache=True, nogil=True, error_model="numpy")
def _order(kept_G: FloatArray, fixed: float, unit: float, to_go_G: FloatArray) -> tuple[int, int]:
    """Fill the cost to go, and give the level ordered up to from the bottom and the greatest stock it is best for.

    The second is -1 where not even the bottom orders.
    """
    best, best_at = np.inf, kept_G.size - 1
    chosen_G = np.empty(kept_G.size, dtype=np.int64)
    for g in range(kept_G.size - 1, -1, -1):
        # The best level above g; of equal costs the lowest, and no order before any.
        ordered = fixed + best - unit * g
        chosen_G[g] = best_at if ordered < kept_G[g] else g
        to_go_G[g] = min(ordered, kept_G[g])
        if kept_G[g] + unit * g <= best:
            best, best_at = kept_G[g] + unit * g, g
    level, reorder = chosen_G[0], -1
    if level > 0:
        while reorder + 1 < kept_G.size and chosen_G[reorder + 1] == level:
            reorder += 1
    return level, reorder
