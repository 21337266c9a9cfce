"""What Q-learning and Sarsa share: a table of differential costs per series, learned from sampled transitions.

The entry of a state and an order is what that order costs in the long run above the average of the policy. Nothing is
discounted: each step takes the running average cost off the cost of the period (differential learning: Sutton & Barto
2018, section 10.3; Wan, Naik & Sutton 2021). The learner sees a state, its order, the cost and the next state; the
probabilities of demand serve to draw that demand and to bound the table, and nothing else.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Final

import numba
import numpy as np

from udfs.inventory.demand_distribution import FloatArray
from udfs.inventory.theory.lost_sales.order_table import OrderTable
from udfs.inventory.theory.lost_sales.problem import LostSalesProblem
from udfs.inventory.theory.lost_sales.states import number_states, sold_out
from udfs.series.series_threads import over_series

MAX_ENTRIES: Final = 1_000_000
"""Of one series: states times orders. More of them than steps would leave most unlearned."""

_GUIDES: Final = 1024  # slots of the table by which a demand is found from a uniform number


@dataclass(frozen=True)
class TabularSpec:
    """How a table is learned.

    Attributes:
        steps: periods of simulated demand per series.
        first_exploration, last_exploration: chance of a random order, falling linearly over the steps, in [0, 1].
        rate_power: the n-th update of an entry weighs n^-rate_power, in (.5, 1].
        average_rate: weight of a step in the average cost, scaled by (1 + t / 1000)^-.75; a plain mean while 1/t
            weighs more. In (0, 1].
        least_visits: the policy takes an order that was tried less often only where no order of the state was tried
            as often; then it orders like base stock.
        order_cap: greatest order, units; None takes the p / (p + h) quantile of the demand of one period.
        seed: of the draws; a number for all series, or one per series. Equal seeds draw equal numbers, so that a
            series' result depends on no other.

    Raises:
        ValueError: a value out of range.
    """

    steps: int = 8_000_000
    first_exploration: float = 0.3
    last_exploration: float = 0.05
    rate_power: float = 0.7
    average_rate: float = 0.003
    least_visits: int = 10
    order_cap: int | None = None
    seed: Any = 0

    def __post_init__(self) -> None:
        checks = (
            ("steps", _is_count(self.steps), "a whole number >= 1"),
            ("first_exploration", 0.0 <= self.first_exploration <= 1.0, "a probability"),
            (
                "last_exploration",
                0.0 <= self.last_exploration <= self.first_exploration,
                f"0 to first_exploration {self.first_exploration}",
            ),
            ("rate_power", 0.5 < self.rate_power <= 1.0, "above .5 and at most 1"),
            ("average_rate", 0.0 < self.average_rate <= 1.0, "above 0 and at most 1"),
            ("least_visits", _is_count(self.least_visits), "a whole number >= 1"),
            ("order_cap", self.order_cap is None or _is_count(self.order_cap), "whole units >= 1, or None"),
        )
        for name, is_good, expected in checks:
            if not is_good:
                raise ValueError(f"{name}: expected {expected}, found {getattr(self, name)}")
        for name in ("steps", "least_visits"):
            object.__setattr__(self, name, int(getattr(self, name)))  # kernels take whole numbers as such
        seed = np.asarray(self.seed)
        if seed.dtype.kind not in "iu" or (seed < 0).any():
            raise ValueError(f"seed: expected whole numbers >= 0, found {self.seed}")


def _is_count(value: float) -> bool:
    return 1 <= value < np.inf and value % 1 == 0


@dataclass(frozen=True)
class TabularPolicy:
    """policy: the cheapest learned order of each state. average_cost_S: the learner's own estimate of the cost per
    period while it explored, currency, [S]. tried_S: share of the table's entries that were updated often enough."""

    policy: OrderTable
    average_cost_S: FloatArray
    tried_S: FloatArray


def learn_table(problem: LostSalesProblem, spec: TabularSpec, is_sarsa: bool) -> TabularPolicy:
    """Learn a table for each of S series; see `q_learning` and `sarsa`."""
    problem.refuse_order_cost("learned tables")
    seed_S = np.asarray(spec.seed, dtype=np.uint64)
    if seed_S.shape not in ((), (problem.n_series,)):
        raise ValueError(f"seed: expected a number or [{problem.n_series}], found shape {seed_S.shape}")
    seed_S = np.array(np.broadcast_to(seed_S, (problem.n_series,)))
    level_S = np.minimum(problem.backorder_level(), problem.position_cap_S)
    order_cap_S = problem.demand_quantile(1) if spec.order_cap is None else np.full_like(level_S, spec.order_cap)
    order_cap_S = np.clip(order_cap_S, 1, problem.position_cap_S)
    entries_S = problem.states_each * (order_cap_S + 1)
    rows = np.flatnonzero(entries_S > MAX_ENTRIES)
    if rows.size:
        raise ValueError(
            f"order_cap: expected at most {MAX_ENTRIES} entries of states by orders, found {entries_S[rows[0]]} "
            f"in row {rows[0]}; lower position_cap_S or count demand in larger units"
        )
    order_SX = np.zeros((problem.n_series, problem.n_states), dtype=np.int64)
    average_S, tried_S = np.empty(problem.n_series), np.empty(problem.n_series)
    rates = (spec.first_exploration, spec.last_exploration, spec.rate_power, spec.average_rate)

    def kernel(start: int, stop: int) -> None:
        part = slice(start, stop)
        limits = (level_S[part], order_cap_S[part], spec.least_visits)
        found = (order_SX[part], average_S[part], tried_S[part])
        terms = problem.arrays(start, stop)
        _learn_rows(*found, terms, problem.lead_time, limits, seed_S[part], spec.steps, rates, is_sarsa)

    over_series(kernel, problem.n_series)
    return TabularPolicy(OrderTable(order_SX, problem.position_cap_S, problem.lead_time), average_S, tried_S)


@numba.njit(cache=True, nogil=True, error_model="numpy", inline="always")
def uniform(state_1):  # type: ignore[no-untyped-def]
    """The next number in [0, 1) of a stream of its own: SplitMix64 (Steele, Lea & Flood 2014)."""
    state_1[0] += np.uint64(0x9E3779B97F4A7C15)
    z = state_1[0]
    z = (z ^ (z >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    z = (z ^ (z >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return ((z ^ (z >> np.uint64(31))) >> np.uint64(11)) * (1.0 / 9007199254740992.0)


@numba.njit(cache=True, nogil=True, error_model="numpy")
def _learn_rows(order_SX, average_S, tried_S, terms, lead_time, limits, seed_S, steps, rates, is_sarsa):  # type: ignore[no-untyped-def]
    pmf_SN, _, holding_S, shortage_S, cap_S = terms
    level_S, order_cap_S, least_visits = limits
    for row in range(len(cap_S)):
        states = number_states(cap_S[row], lead_time)
        cost_XA = np.zeros((len(states.block_X), order_cap_S[row] + 1))
        visits_XA = np.zeros(cost_XA.shape, dtype=np.int32)
        stock = (holding_S[row], shortage_S[row], level_S[row])
        stream_1 = np.array([seed_S[row]], dtype=np.uint64)
        average_S[row] = _learn(cost_XA, visits_XA, states, pmf_SN[row], stock, stream_1, steps, rates, is_sarsa)
        tried_S[row] = _read_off(cost_XA, visits_XA, states.position_X, level_S[row], least_visits, order_SX[row])


@numba.njit(cache=True, nogil=True, error_model="numpy")
def _learn(cost_XA, visits_XA, states, pmf_N, stock, stream_1, steps, rates, is_sarsa):  # type: ignore[no-untyped-def]
    """Fill the table along one long path; the average cost."""
    holding, shortage, level = stock
    first, last, rate_power, average_rate = rates
    cumulative_N = np.cumsum(pmf_N)
    guide = np.empty(_GUIDES, dtype=np.int64)
    for k in range(_GUIDES):
        guide[k] = min(np.searchsorted(cumulative_N, k / _GUIDES), len(pmf_N) - 1)
    state, order, average = 0, 0, 0.0
    for t in range(steps):
        number = uniform(stream_1)
        demand = guide[int(number * _GUIDES)]
        while cumulative_N[demand] <= number and demand < len(pmf_N) - 1:
            demand += 1
        block = states.block_X[state]
        sellable = state - states.start_Y[block]
        left = max(sellable - demand, 0)
        cost = holding * left + shortage * max(demand - sellable, 0)
        next_state = sold_out(states, block, order) + left
        most = min(cost_XA.shape[1] - 1, max(level - states.position_X[next_state], 0))
        best = 0
        for k in range(1, most + 1):
            if cost_XA[next_state, k] < cost_XA[next_state, best]:
                best = k
        next_order = best
        if uniform(stream_1) < first + (last - first) * t / steps:
            next_order = int(uniform(stream_1) * (most + 1))
        # The one difference: Sarsa goes by the order that it will place, Q-learning by the best it knows.
        ahead = cost_XA[next_state, next_order if is_sarsa else best]
        surprise = cost - average + ahead - cost_XA[state, order]
        visits_XA[state, order] += 1
        cost_XA[state, order] += surprise / visits_XA[state, order] ** rate_power
        average += surprise * max(1.0 / (1.0 + t), average_rate * (1.0 + t / 1000.0) ** -0.75)
        state, order = next_state, next_order
    return average


@numba.njit(cache=True, nogil=True, error_model="numpy")
def _read_off(cost_XA, visits_XA, position_X, level, least_visits, order_X):  # type: ignore[no-untyped-def]
    """The policy of a table, and the share of entries within bounds that were updated often enough."""
    n_entries, n_tried = 0, 0
    for state in range(len(position_X)):
        most = min(cost_XA.shape[1] - 1, max(level - position_X[state], 0))
        order_X[state] = most
        best = np.inf
        for order in range(most + 1):
            if position_X[state] > level:
                continue
            n_entries += 1
            if visits_XA[state, order] >= least_visits:
                n_tried += 1
                if cost_XA[state, order] < best:
                    best, order_X[state] = cost_XA[state, order], order
    return n_tried / n_entries
