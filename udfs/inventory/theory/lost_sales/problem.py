"""The lost-sales problem with a lead time, and the whole numbers of which its states consist.

The state of a series when it orders is (x_0, x_1, ..., x_{L-1}): x_0 units can be sold in this period (on hand and
arriving now), x_k arrive k periods later. An order of z units arrives after L periods; with demand d the next state
is ((x_0 - d)+ + x_1, x_2, ..., x_{L-1}, z) and the period costs h (x_0 - d)+ + p (d - x_0)+ (Zipkin 2008, "Old and
new methods for lost-sales inventory systems"), and K more where something is ordered. A state's position, the sum of
its numbers, does not exceed the cap; `states` numbers the C(cap + L, L) states that are left.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from udfs.inventory.demand_distribution import FloatArray

IntArray = NDArray[np.int64]

MAX_LEAD_TIME: Final = 4
MAX_STATES: Final = 2_000_000
"""Of one series, C(position cap + L, L): about 40 bytes each while it is solved."""

MAX_TABLE_BYTES: Final = 1 << 30
"""Of the orders of all series at 8 bytes a state: a row for each series, as long as the longest."""

_SUM_TOLERANCE: Final = 1e-9


@dataclass(frozen=True)
class LostSalesProblem:
    """S instances of the lost-sales problem with one lead time.

    Attributes:
        pmf_SN: pmf_SN[s, d] is the probability of a demand of d units in a period; independent between periods.
        holding_cost_S: currency per unit on hand at the end of a period, > 0; a number holds for all.
        shortage_cost_S: currency per unit of lost demand, > 0; a number holds for all.
        lead_time: whole periods from order to receipt, 1 to 4.
        position_cap_S: the greatest stock position (on hand and on order, after an order) that is looked at, whole
            units >= 1; a number holds for all. None takes the p / (p + h) quantile of the demand of L + 1 periods,
            the base-stock level that would be best if demand waited, and one period's mean demand above it; an
            optimal policy does not go beyond the former (Zipkin 2008, "On the structure of lost-sales inventory
            models"). With a cost per order the economic order quantity comes on top.
        order_cost_S: currency per order, >= 0; a number holds for all.

    Raises:
        ValueError: a value out of range, a pmf that does not sum to 1, no demand, or more states than `MAX_STATES` or
            `MAX_TABLE_BYTES` allow.
    """

    pmf_SN: FloatArray
    holding_cost_S: Any
    shortage_cost_S: Any
    lead_time: int
    position_cap_S: Any = None
    order_cost_S: Any = 0.0
    mean_S: FloatArray = field(init=False, repr=False)

    def __post_init__(self) -> None:
        pmf_SN = np.ascontiguousarray(self.pmf_SN, dtype=np.float64)
        _check_pmf(pmf_SN)
        if not 1 <= self.lead_time <= MAX_LEAD_TIME or self.lead_time % 1 != 0:
            raise ValueError(f"lead_time: expected whole periods from 1 to {MAX_LEAD_TIME}, found {self.lead_time}")
        object.__setattr__(self, "lead_time", int(self.lead_time))  # kernels take whole numbers as such
        object.__setattr__(self, "pmf_SN", pmf_SN)
        # Added up from the left, so that the zeros behind a short pmf change no bit.
        object.__setattr__(self, "mean_S", np.cumsum(pmf_SN * np.arange(pmf_SN.shape[1]), axis=1)[:, -1].copy())
        n_series = len(pmf_SN)
        for name in ("holding_cost_S", "shortage_cost_S"):
            cost_S = _column(name, getattr(self, name), n_series)
            _refuse(name, "currency > 0", cost_S, ~(np.isfinite(cost_S) & (cost_S > 0.0)))
            object.__setattr__(self, name, cost_S)
        order_cost_S = _column("order_cost_S", self.order_cost_S, n_series)
        _refuse("order_cost_S", "currency >= 0", order_cost_S, ~(np.isfinite(order_cost_S) & (order_cost_S >= 0.0)))
        object.__setattr__(self, "order_cost_S", order_cost_S)
        cap_S = self._default_caps() if self.position_cap_S is None else self.position_cap_S
        cap_S = _column("position_cap_S", cap_S, n_series)
        _refuse("position_cap_S", "whole units >= 1", cap_S, ~((cap_S >= 1.0) & (cap_S == np.floor(cap_S))))
        _refuse("position_cap_S", f"at most {MAX_STATES} states of a series", cap_S, cap_S >= MAX_STATES)
        object.__setattr__(self, "position_cap_S", cap_S.astype(np.int64))
        self._check_size()

    @property
    def n_series(self) -> int:
        """S."""
        return len(self.pmf_SN)

    @property
    def states_each(self) -> IntArray:
        """The number of states of each series, [S]."""
        return np.array([math.comb(int(cap) + self.lead_time, self.lead_time) for cap in self.position_cap_S])

    @property
    def n_states(self) -> int:
        """X: the number of states of the series that has most of them."""
        return int(self.states_each.max())

    def arrays(self, start: int, stop: int) -> tuple[FloatArray, FloatArray, FloatArray, FloatArray, IntArray]:
        """pmf, mean, holding cost, shortage cost and position cap of some series, as kernels take them."""
        part = slice(start, stop)
        costs = self.holding_cost_S[part], self.shortage_cost_S[part]
        return self.pmf_SN[part], self.mean_S[part], *costs, self.position_cap_S[part]

    def backorder_level(self) -> IntArray:
        """The least level with P(demand of L + 1 periods <= level) >= p / (p + h), units, [S]."""
        return self.demand_quantile(self.lead_time + 1)

    def demand_quantile(self, n_periods: int) -> IntArray:
        """The least x with P(demand of `n_periods` periods <= x) >= p / (p + h), units, [S]."""
        fractile_S = self.shortage_cost_S / (self.shortage_cost_S + self.holding_cost_S)
        pairs = zip(self.pmf_SN, fractile_S, strict=True)
        return np.array([_quantile(pmf_N, n_periods, fractile) for pmf_N, fractile in pairs], dtype=np.int64)

    def _check_size(self) -> None:
        n_states_S = self.states_each.astype(np.float64)
        _refuse("position_cap_S", f"at most {MAX_STATES} states of a series", n_states_S, n_states_S > MAX_STATES)
        if 8.0 * self.n_series * n_states_S.max() > MAX_TABLE_BYTES:
            raise ValueError(
                f"position_cap_S: expected tables of at most {MAX_TABLE_BYTES} bytes, found {self.n_series} series of "
                f"up to {n_states_S.max():.0f} states at 8 bytes; take fewer series at once"
            )

    def _default_caps(self) -> IntArray:
        lot_S = np.sqrt(2.0 * self.order_cost_S * self.mean_S / self.holding_cost_S)
        return np.maximum(self.backorder_level() + np.ceil(self.mean_S + lot_S).astype(np.int64), 1)

    def refuse_order_cost(self, method: str) -> None:
        """Raise ValueError for `method`, which knows no cost per order, where a series has one."""
        _refuse("order_cost_S", f"0 for {method}", self.order_cost_S, self.order_cost_S > 0.0)


def _quantile(pmf_N: FloatArray, n_periods: int, fractile: float) -> int:
    total = pmf_N
    for _ in range(n_periods - 1):
        total = np.convolve(total, pmf_N)
    cumulative = np.cumsum(total)
    # A last sum of .999...9 must not put the quantile beyond the greatest demand.
    return min(int(np.searchsorted(cumulative, fractile - 1e-12)), len(cumulative) - 1)


def _check_pmf(pmf_SN: FloatArray) -> None:
    if pmf_SN.ndim != 2 or not pmf_SN.size:
        raise ValueError(f"pmf_SN: expected probabilities [S, N], found shape {pmf_SN.shape}")
    sum_S = pmf_SN.sum(1)
    is_bad_S = ~((pmf_SN >= 0.0).all(1) & (np.abs(sum_S - 1.0) <= _SUM_TOLERANCE))
    _refuse("pmf_SN", "probabilities >= 0 that sum to 1", sum_S, is_bad_S)
    _refuse("pmf_SN", "some demand, so P(0 units) < 1", pmf_SN[:, 0], pmf_SN[:, 0] >= 1.0)


def _column(name: str, values: Any, n_series: int) -> FloatArray:
    values = np.asarray(values, dtype=np.float64)
    if values.shape not in ((), (n_series,)):
        raise ValueError(f"{name}: expected a number or [{n_series}], found shape {values.shape}")
    return np.array(np.broadcast_to(values, (n_series,)))


def _refuse(name: str, expected: str, found_S: FloatArray, is_bad_S: NDArray[np.bool_]) -> None:
    rows = np.flatnonzero(is_bad_S)
    if rows.size:
        raise ValueError(f"{name}: expected {expected}, found {found_S[rows[0]]:g} in row {rows[0]}")
