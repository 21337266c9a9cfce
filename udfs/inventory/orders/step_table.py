"""The steps of all series in one order that no split of them changes, and what given prices would buy of them.

R series with steps; N runs of equal steps, those of a series side by side. A level of a series is how many of its
steps are taken, from the first on.
"""

from __future__ import annotations

from dataclasses import dataclass

import numba
import numpy as np
from numpy.typing import ArrayLike, NDArray

from udfs.inventory.demand_distribution import FloatArray
from udfs.series.series_threads import over_series

IntArray = NDArray[np.int64]
_jit = numba.njit(cache=True, nogil=True, error_model="numpy")

_TOLERANCE = 1e-9


@dataclass(frozen=True, slots=True)
class Prices:
    """What a unit of currency of the budget and a unit of the capacity are worth, in expected profit, >= 0."""

    budget: float
    capacity: float


@dataclass(frozen=True, slots=True)
class Totals:
    """Value, cost and size of levels, summed over the series."""

    value: float
    cost: float
    size: float


@dataclass(frozen=True, slots=True)
class StepTable:
    """Steps sorted by series id, each series' own in their order. Build it with `of`.

    id_R: ascending. first_R: where the runs of a series begin, [R + 1]. place_N: where a run stood in the input.
    count_N: steps in a run. cost_N, value_N, size_N: of one step.
    """

    id_R: IntArray
    first_R: IntArray
    place_N: IntArray
    count_N: IntArray
    cost_N: FloatArray
    value_N: FloatArray
    size_N: FloatArray

    @classmethod
    def of(
        cls,
        series_N: ArrayLike,
        cost_N: ArrayLike,
        value_N: ArrayLike,
        size_N: ArrayLike | None = None,
        count_N: ArrayLike | None = None,
    ) -> StepTable:
        """Check and sort the runs.

        Raises:
            ValueError: lengths differ; an id is not an integer; a cost or size negative or not finite; a value not
                finite; a count below 1; a first run of more than one step; or, after the first, steps of a series
                that differ in cost or size or rise in value, so that more than the first would stand or fall together.
        """
        series_N = np.asarray(series_N)
        if series_N.ndim != 1 or (series_N.size and series_N.dtype.kind not in "iu"):
            raise ValueError(f"series_N: expected integers [N], found {series_N.dtype} of shape {series_N.shape}")
        series_N, N = series_N.astype(np.int64), len(series_N)
        size_N = np.zeros(N) if size_N is None else size_N
        costs_N, sizes_N = _amounts("cost_N", cost_N, N, 0.0), _amounts("size_N", size_N, N, 0.0)
        values_N = _amounts("value_N", value_N, N, -np.inf)
        counts_N = _amounts("count_N", np.ones(N) if count_N is None else count_N, N, 1.0).astype(np.int64)
        place_N = np.arange(N)
        if (np.diff(series_N) < 0).any():
            place_N = np.argsort(series_N, kind="stable")
            series_N, costs_N, sizes_N = series_N[place_N], costs_N[place_N], sizes_N[place_N]
            values_N, counts_N = values_N[place_N], counts_N[place_N]
        id_R, first_R = np.unique(series_N, return_index=True)
        table = cls(id_R, np.append(first_R, N), place_N, counts_N, costs_N, values_N, sizes_N)
        _check_order(table)
        return table

    @property
    def n_series(self) -> int:
        return len(self.id_R)

    def reduced(self, prices: Prices) -> FloatArray:
        """What a step earns beyond what the budget and the capacity that it takes are worth, [N]."""
        return self.value_N - prices.budget * self.cost_N - prices.capacity * self.size_N

    def best_levels(self, prices: Prices) -> IntArray:
        """The level that earns most at the prices, per series; the least such level where several do, [R]."""
        level_R, _ = self._best(prices)
        return level_R

    def best_gains(self, prices: Prices) -> FloatArray:
        """What those levels earn beyond the worth of what they take, [R]."""
        _, gain_R = self._best(prices)
        return gain_R

    def dual_value(self, prices: Prices, budget: float, capacity: float) -> float:
        """The Lagrangian at the prices: no levels within the budget and the capacity are worth more."""
        _, gain_R = self._best(prices)
        return float(gain_R.sum()) + _worth(prices.budget, budget) + _worth(prices.capacity, capacity)

    def totals(self, level_R: IntArray) -> Totals:
        """What the levels are worth, cost and take."""
        taken_N = self.taken(level_R)
        return Totals(*(float((taken_N * amount_N).sum()) for amount_N in (self.value_N, self.cost_N, self.size_N)))

    def taken(self, level_R: IntArray) -> IntArray:
        """Steps taken of each run at the given levels, [N], in this table's order."""
        before_N = np.cumsum(self.count_N) - self.count_N
        runs_R = np.diff(self.first_R)
        before_N -= np.repeat(before_N[self.first_R[:-1]], runs_R)
        return np.clip(np.repeat(level_R, runs_R) - before_N, 0, self.count_N)

    def _best(self, prices: Prices) -> tuple[IntArray, FloatArray]:
        level_R, gain_R = np.zeros(self.n_series, np.int64), np.zeros(self.n_series)
        reduced_N = self.reduced(prices)
        over_series(
            lambda a, b: _best_rows(a, b, self.first_R, self.count_N, reduced_N, level_R, gain_R), self.n_series
        )
        return level_R, gain_R


def _worth(price: float, limit: float) -> float:
    return price * limit if price > 0.0 else 0.0  # a limit of inf has the price 0


def _amounts(name: str, values: ArrayLike, N: int, least: float) -> FloatArray:
    amount_N = np.asarray(values, dtype=np.float64)
    if amount_N.shape != (N,):
        raise ValueError(f"{name}: expected shape ({N},) as series_N has, found {amount_N.shape}")
    is_bad_N = ~(np.isfinite(amount_N) & (amount_N >= least))
    if is_bad_N.any():
        row = int(np.argmax(is_bad_N))
        expected = f"finite numbers >= {least:g}" if np.isfinite(least) else "finite numbers"
        raise ValueError(f"{name}: expected {expected}, found {amount_N[row]:g} in row {row}")
    return amount_N


def _check_order(table: StepTable) -> None:
    """What the levels rely on: after the first step of a series, equal steps of falling value."""
    is_first_N = np.zeros(len(table.count_N), np.bool_)
    is_first_N[table.first_R[:-1]] = True
    blocks = np.flatnonzero(is_first_N & (table.count_N > 1))
    if blocks.size:
        raise ValueError(
            f"count_N: expected 1 for the first run of a series, found {table.count_N[blocks[0]]} in row "
            f"{table.place_N[blocks[0]]}"
        )
    later = np.flatnonzero(~is_first_N[1:] & ~is_first_N[:-1]) + 1
    for name, amount_N, may_fall in (
        ("cost_N", table.cost_N, 0),
        ("size_N", table.size_N, 0),
        ("value_N", table.value_N, 1),
    ):
        change, scale = amount_N[later] - amount_N[later - 1], np.abs(amount_N[later - 1])
        bad = later[(change if may_fall else np.abs(change)) > _TOLERANCE * scale + 1e-300]
        if bad.size:
            expected = "no rise" if may_fall else "no change"
            raise ValueError(
                f"{name}: expected {expected} after the first step of a series, found {amount_N[bad[0]]:g} after "
                f"{amount_N[bad[0] - 1]:g} in row {table.place_N[bad[0]]}"
            )


@_jit
def _best_rows(
    start: int,
    stop: int,
    first_R: IntArray,
    count_N: IntArray,
    reduced_N: FloatArray,
    level_R: IntArray,
    gain_R: FloatArray,
) -> None:
    for r in range(start, stop):
        gain, best, level, best_level = 0.0, 0.0, 0, 0
        for j in range(first_R[r], first_R[r + 1]):
            if j > first_R[r] and reduced_N[j] <= 0.0:
                break
            gain += count_N[j] * reduced_N[j]
            level += count_N[j]
            if gain > best:
                best, best_level = gain, level
        level_R[r], gain_R[r] = best_level, best


@_jit
def levels_within_rows(
    first_R: IntArray,
    count_N: IntArray,
    reduced_N: FloatArray,
    best_R: FloatArray,
    loss: float,
    low_R: IntArray,
    high_R: IntArray,
) -> None:
    """The least and the greatest level of each series that earn at most `loss` less than the best one.

    `best_R` is the gain of the best; the gain is concave in the level after the first step.
    """
    for r in range(len(best_R)):
        floor = best_R[r] - loss
        gain, level, low, high = 0.0, 0, -1, 0
        if gain >= floor:
            low = 0
        for j in range(first_R[r], first_R[r + 1]):
            step, count = reduced_N[j], count_N[j]
            if low < 0 and gain + count * step >= floor:
                low = level + max(int(np.ceil((floor - gain) / step)) if step > 0.0 else 1, 1)
            if gain + count * step >= floor:
                high = level + count
            elif gain >= floor:
                high = level + min(int(np.floor((floor - gain) / step)), count)
            gain += count * step
            level += count
        low_R[r], high_R[r] = max(low, 0), high


@_jit
def ratio_rows(
    first_R: IntArray, count_N: IntArray, value_N: FloatArray, price_N: FloatArray, ratio_N: FloatArray
) -> None:
    """Value per priced resource of each run, of the best first steps together where the first alone is worth less.

    The ratios of a series do not rise, so that sorting by them keeps its steps in order.
    """
    for r in range(len(first_R) - 1):
        first = first_R[r]
        value, price, best, end = 0.0, 0.0, -np.inf, first
        for j in range(first, first_R[r + 1]):
            value += count_N[j] * value_N[j]
            price += count_N[j] * price_N[j]
            ratio = _ratio(value, price)
            if ratio > best:
                best, end = ratio, j
        ratio_N[first : end + 1] = best
        for j in range(end + 1, first_R[r + 1]):
            ratio_N[j] = min(_ratio(value_N[j], price_N[j]), ratio_N[j - 1])


@_jit
def _ratio(value: float, price: float) -> float:
    if price > 0.0:
        return value / price
    return np.inf if value > 0.0 else -np.inf
