"""Optimal (s, S) policies for whole-unit demand, and the exact cost of any (s, S), for many series in one call.

Periodic review of every period, infinite horizon, average cost, unmet demand waits. At the start of a period with stock
position (on hand + on order - backorders) x, order S - x if x <= s. The order arrives L whole periods later, before
that period's demand; at the end of a period each unit on hand costs h and each unit owed p. A position y after ordering
so leads to the expected cost of period t + L

    G(y) = E[h (y - D)+ + p (D - y)+],  D the demand of L + 1 periods,

and Zheng and Federgruen's algorithm (Operations Research 39(4), 1991, 654-665; Snyder & Shen 2019, algorithm 4.2) finds
the s and S that minimise the average of order and period costs. Of optima that tie, any one may be returned.

Work and memory: a series takes memory for S - s and for the width of its demand, at most 2^20 units each, and time
for (S - s) times that width: microseconds for tens of units, a second or so for 100,000. Larger series raise; count
them in packs. A pmf of N values is convolved in some (L N)^2 / 2 steps besides; Poisson and negative binomial demand
is not.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final, NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray

from udfs.inventory.theory.s_s.discrete_demand import (
    DiscreteDemand,
    FloatArray,
    NegativeBinomialDemand,
    PmfDemand,
    PoissonDemand,
    refuse,
)
from udfs.inventory.theory.s_s.s_s_kernel import SOLVED, TOO_SHORT, solve_rows
from udfs.series.series_threads import over_series

IntArray = NDArray[np.int64]

_CAPACITIES: Final = (2**11, 2**14, 2**17, 2**20)
"""Lengths of the kernel's buffers, in units: the few series that need longer ones are tried again."""


class SSPolicy(NamedTuple):
    """Order up to `order_up_to` (S) when the stock position is at or below `reorder_point` (s); int64 arrays.

    cost: expected ordering, holding and backorder cost per period, float64.
    """

    reorder_point: IntArray
    order_up_to: IntArray
    cost: FloatArray


@dataclass(frozen=True, eq=False)
class SSTerms:
    """Costs and lead time of each series, of shapes that broadcast.

    fixed_cost: K per order, finite and >= 0; 0 gives the base-stock policy, s = S - 1. holding_cost: h per unit and
    period, finite and > 0. backorder_cost: p per unit owed and period, finite and > 0. lead_time: L, whole periods
    >= 0. Raises ValueError otherwise.
    """

    fixed_cost: FloatArray
    holding_cost: FloatArray
    backorder_cost: FloatArray
    lead_time: FloatArray

    def __post_init__(self) -> None:
        for name in ("fixed_cost", "holding_cost", "backorder_cost", "lead_time"):
            object.__setattr__(self, name, np.asarray(getattr(self, name), dtype=np.float64))
        is_good = np.isfinite(self.fixed_cost) & (self.fixed_cost >= 0.0)
        refuse(~is_good, self.fixed_cost, "fixed_cost", "finite and >= 0")
        for name in ("holding_cost", "backorder_cost"):
            cost = getattr(self, name)
            refuse(~(np.isfinite(cost) & (cost > 0.0)), cost, name, "finite and > 0")
        is_whole = np.isfinite(self.lead_time) & (self.lead_time >= 0.0) & (self.lead_time == np.round(self.lead_time))
        refuse(~is_whole, self.lead_time, "lead_time", "a whole number of periods >= 0")

    def arrays(self) -> list[FloatArray]:
        return [self.fixed_cost, self.holding_cost, self.backorder_cost, self.lead_time]


def s_s_poisson(
    mean_demand: ArrayLike,
    fixed_cost: ArrayLike,
    holding_cost: ArrayLike,
    backorder_cost: ArrayLike,
    lead_time: ArrayLike = 0,
) -> SSPolicy:
    """The optimal (s, S) for Poisson demand; all arguments are scalars or arrays that broadcast.

    Args:
        mean_demand: units per period, >= 0; 0 gives s = -1, S = 0 at no cost.
        fixed_cost: K per order, >= 0; 0 gives the base-stock policy, s = S - 1.
        holding_cost, backorder_cost: h and p per unit and period, > 0.
        lead_time: L, whole periods >= 0.

    Returns:
        s, S and the cost per period, arrays of the broadcast shape.

    Raises:
        ValueError: for parameters out of range or not finite, naming the first such row; for shapes that do not
            broadcast; for a series of more than 2^20 units.

    Example (Snyder & Shen 2019, example 4.7, and a published instance):
        >>> s, S, cost = s_s_poisson([6, 10], [5, 64], 1, [4, 9])
        >>> s.tolist(), S.tolist(), cost.round(3).tolist()
        ([4, 6], [10, 40], [8.034, 35.022])
    """
    return s_s_discrete(PoissonDemand(_array(mean_demand)), fixed_cost, holding_cost, backorder_cost, lead_time)


def s_s_negative_binomial(
    mean_demand: ArrayLike,
    variance: ArrayLike,
    fixed_cost: ArrayLike,
    holding_cost: ArrayLike,
    backorder_cost: ArrayLike,
    lead_time: ArrayLike = 0,
) -> SSPolicy:
    """The optimal (s, S) for negative binomial demand of the given mean and variance per period (variance >= mean).

    Otherwise as `s_s_poisson`.
    """
    demand = NegativeBinomialDemand(_array(mean_demand), _array(variance))
    return s_s_discrete(demand, fixed_cost, holding_cost, backorder_cost, lead_time)


def s_s_discrete(
    demand: DiscreteDemand | ArrayLike,
    fixed_cost: ArrayLike,
    holding_cost: ArrayLike,
    backorder_cost: ArrayLike,
    lead_time: ArrayLike = 0,
) -> SSPolicy:
    """The optimal (s, S) for any whole-unit demand.

    demand: a `DiscreteDemand`, or probabilities of 0, 1, ..., N - 1 units in a period, [N] or [S, N], which are
    convolved over L + 1 periods. Otherwise as `s_s_poisson`.

    Example: two units or none, with equal chance.
        >>> s, S, cost = s_s_discrete([0.5, 0.0, 0.5], fixed_cost=1, holding_cost=1, backorder_cost=9)
        >>> int(s), int(S), float(cost)
        (1, 2, 1.5)
    """
    terms = SSTerms(*map(_array, (fixed_cost, holding_cost, backorder_cost, lead_time)))
    return _run(_as_demand(demand), terms, None)


def s_s_cost(
    reorder_point: ArrayLike,
    order_up_to: ArrayLike,
    demand: DiscreteDemand | ArrayLike,
    fixed_cost: ArrayLike,
    holding_cost: ArrayLike,
    backorder_cost: ArrayLike,
    lead_time: ArrayLike = 0,
) -> FloatArray:
    """The exact expected cost per period of the given (s, S), whole units with s < S.

    demand: a `DiscreteDemand` or probabilities, as in `s_s_discrete`; otherwise as `s_s_poisson`. Without any demand
    it is the cost of S units for ever. Also raises ValueError for an s or S that is no whole number below 2^52 in
    size, or s >= S.

    Example (Snyder & Shen 2019, example 4.7):
        >>> round(float(s_s_cost(4, 10, PoissonDemand(6), 5, 1, 4)), 6)
        8.034112
    """
    terms = SSTerms(*map(_array, (fixed_cost, holding_cost, backorder_cost, lead_time)))
    levels = np.broadcast_arrays(*(np.asarray(x, dtype=np.float64) for x in (reorder_point, order_up_to)))
    for name, level in zip(("reorder_point", "order_up_to"), levels, strict=True):
        is_whole = (np.abs(level) < 2.0**52) & (level == np.round(level))
        refuse(~is_whole, level, name, "a whole number below 2^52 in size")
    refuse(levels[0] >= levels[1], levels[0], "reorder_point", "less than order_up_to")
    return _run(_as_demand(demand), terms, levels).cost


def _array(values: Any) -> FloatArray:
    return np.asarray(values, dtype=np.float64)


def _as_demand(demand: DiscreteDemand | ArrayLike) -> DiscreteDemand:
    if isinstance(demand, PoissonDemand | NegativeBinomialDemand | PmfDemand):
        return demand
    return PmfDemand(_array(demand))


def _run(demand: DiscreteDemand, terms: SSTerms, levels: Sequence[FloatArray] | None) -> SSPolicy:
    """Optimise every series, or evaluate its levels."""
    columns = terms.arrays()
    shape = np.broadcast_shapes(demand.shape, *(x.shape for x in columns), *(x.shape for x in levels or []))
    terms_S4 = np.stack([np.broadcast_to(x, shape).ravel() for x in columns], axis=1)
    n_series = len(terms_S4)
    panjer_S3 = demand.panjer(shape, np.broadcast_to(terms.lead_time, shape))
    pmf_SN = demand.pmf()
    given_S2 = np.empty((n_series, 0), dtype=np.int64)
    if levels is not None:
        given_S2 = np.stack([np.broadcast_to(x, shape).ravel() for x in levels], axis=1).astype(np.int64)
    s_S, S_S = np.zeros(n_series, dtype=np.int64), np.zeros(n_series, dtype=np.int64)
    cost_S, status_S = np.zeros(n_series), np.full(n_series, TOO_SHORT, dtype=np.int8)
    rows = np.arange(n_series)
    for capacity in _CAPACITIES:
        if not rows.size:
            break
        tried = rows

        def kernel(start: int, stop: int, tried: IntArray = tried, capacity: int = capacity) -> None:
            part = tried[start:stop]
            solve_rows(part, panjer_S3, pmf_SN, terms_S4, given_S2, capacity, s_S, S_S, cost_S, status_S)

        over_series(kernel, len(tried))
        rows = tried[status_S[tried] != SOLVED]
    if rows.size:
        raise ValueError(
            f"demand: expected demand of a width and an S - s of at most {_CAPACITIES[-1]} units, found more "
            f"at row {rows[0]}; count in packs"
        )
    return SSPolicy(s_S.reshape(shape), S_S.reshape(shape), cost_S.reshape(shape))
