"""The (R, S) policy of least cost: every R periods, order up to S."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from udfs.inventory.demand_distribution import DemandDistribution, DistributionName, FloatArray
from udfs.inventory.parameters import AT_LEAST_ZERO, POSITIVE, WHOLE, WHOLE_POSITIVE, per_series

_BISECTIONS = 200
_COUNTS = ("poisson", "negative_binomial")


@dataclass(frozen=True, slots=True)
class ReviewPlan:
    """review_period_S: R, periods. order_up_to_S: S, units. cost_S: expected currency per period. float64 [S] each."""

    review_period_S: FloatArray
    order_up_to_S: FloatArray
    cost_S: FloatArray


@dataclass(frozen=True, slots=True)
class ReviewTerms:
    """Demand and costs of S series under periodic review; numbers hold for all series.

    Attributes:
        mean_demand: units per period, > 0. demand_sd: of one period, units, >= 0; periods are independent.
        fixed_cost: currency per review (which orders, with S restored each time), >= 0.
        holding_cost, backorder_cost: currency per unit at the end of each period, > 0. lead_time: whole periods, >= 0.
        distribution: family of each interval's demand, one of "normal", "gamma", "poisson", "negative_binomial".

    Raises:
        ValueError: a parameter out of range, with its first row, another family, or arrays of different lengths.
    """

    mean_demand: Any
    demand_sd: Any
    fixed_cost: Any
    holding_cost: Any
    backorder_cost: Any
    lead_time: Any = 0
    distribution: DistributionName = "normal"

    def __post_init__(self) -> None:
        if self.distribution == "auto":
            raise ValueError("distribution: expected one family for intervals of all lengths, found 'auto'")
        names = self.__slots__[:-1]
        columns = per_series(
            mean_demand=(self.mean_demand, POSITIVE),
            demand_sd=(self.demand_sd, AT_LEAST_ZERO),
            fixed_cost=(self.fixed_cost, AT_LEAST_ZERO),
            holding_cost=(self.holding_cost, POSITIVE),
            backorder_cost=(self.backorder_cost, POSITIVE),
            lead_time=(self.lead_time, WHOLE),
        )
        for name, column in zip(names, columns, strict=True):
            object.__setattr__(self, name, column)
        DemandDistribution.fit(np.ones(0), np.ones(0), self.distribution)  # an unknown family is an error here

    def demand_over(self, periods_S: FloatArray) -> DemandDistribution:
        """Demand of so many periods for each series."""
        variance_S = np.asarray(self.demand_sd) ** 2 * periods_S
        return DemandDistribution.fit(np.asarray(self.mean_demand) * periods_S, variance_S, self.distribution)

    def for_series(self, n_series: int) -> ReviewTerms:
        """The same terms with every parameter [S]."""
        columns: dict[str, Any] = {n: np.broadcast_to(getattr(self, n), (n_series,)) for n in self.__slots__[:-1]}
        return replace(self, **columns)


def review_cost(order_up_to: ArrayLike, review_period: ArrayLike, terms: ReviewTerms) -> FloatArray:
    """Expected cost of any (R, S) policy, currency per period, [S].

    An order restores S at a review and is there L periods on; until the next one's receipt, the stock at the end of
    the k-th period is S - D(L + k), k = 1 .. R: C = (K + sum over k of h E[(S - D)+] + p E[(D - S)+]) / R (Hadley &
    Whitin 1963, section 5.3, in whole periods).

    Args:
        order_up_to: S, units, >= 0. review_period: R, whole periods, >= 1.

    Raises:
        ValueError: a level or period out of range, with its first row, or another number of series.
    """
    level_S, period_S, _ = per_series(
        order_up_to=(order_up_to, AT_LEAST_ZERO),
        review_period=(review_period, WHOLE_POSITIVE),
        terms=(np.asarray(terms.mean_demand), POSITIVE),
    )
    terms = terms.for_series(period_S.size)
    return _cost(level_S, period_S, terms)


def periodic_review(terms: ReviewTerms, review_period: ArrayLike) -> ReviewPlan:
    """The best S for a given R: the least with mean over k of P(D(L + k) <= S) >= p / (p + h).

    Args:
        review_period: R, whole periods, >= 1.

    Raises:
        ValueError: a period out of range, with its first row, or another number of series.

    >>> plan = periodic_review(ReviewTerms(50, 8, 20, 0.18, 0.7, lead_time=4), review_period=1)
    >>> float(plan.order_up_to_S[0].round(4)), float(plan.cost_S[0].round(4))
    (264.7669, 24.4668)
    """
    period_S, _ = per_series(
        review_period=(review_period, WHOLE_POSITIVE), terms=(np.asarray(terms.mean_demand), POSITIVE)
    )
    terms = terms.for_series(period_S.size)
    level_S = _best_level(period_S, terms)
    return ReviewPlan(period_S, level_S, _cost(level_S, period_S, terms))


def best_periodic_review(terms: ReviewTerms, longest: int) -> ReviewPlan:
    """The best R in 1 .. longest and its S; of equal costs the shorter.

    Raises:
        ValueError: `longest` is not a whole number >= 1.
    """
    per_series(longest=(longest, WHOLE_POSITIVE))
    plans = [periodic_review(terms, period) for period in range(1, int(longest) + 1)]
    cost_RS = np.stack([plan.cost_S for plan in plans])
    best_S, rows = cost_RS.argmin(axis=0), np.arange(cost_RS.shape[1])
    level_RS = np.stack([plan.order_up_to_S for plan in plans])
    return ReviewPlan(best_S + 1.0, level_RS[best_S, rows], cost_RS[best_S, rows])


def _cost(level_S: FloatArray, period_S: FloatArray, terms: ReviewTerms) -> FloatArray:
    total_S = np.array(terms.fixed_cost, dtype=np.float64)
    for k in range(1, int(period_S.max(initial=0.0)) + 1):
        demand = terms.demand_over(np.asarray(terms.lead_time) + k)
        cost_S = terms.holding_cost * demand.on_hand(level_S) + terms.backorder_cost * demand.loss(level_S)
        total_S = total_S + np.where(k <= period_S, cost_S, 0.0)
    return total_S / period_S


def _best_level(period_S: FloatArray, terms: ReviewTerms) -> FloatArray:
    """By bisection between the quantiles of the shortest and the longest interval; over whole units for counts."""
    ratio_S = np.asarray(terms.backorder_cost) / (np.asarray(terms.backorder_cost) + np.asarray(terms.holding_cost))
    lead_S = np.asarray(terms.lead_time)
    is_count = terms.distribution in _COUNTS
    low_S = terms.demand_over(lead_S + 1.0).quantile(ratio_S) - (1.0 if is_count else 0.0)
    high_S = terms.demand_over(lead_S + period_S).quantile(ratio_S)
    intervals = [terms.demand_over(lead_S + k) for k in range(1, int(period_S.max(initial=0.0)) + 1)]
    for _ in range(_BISECTIONS):
        middle_S = 0.5 * (low_S + high_S)
        if is_count:
            middle_S = np.floor(middle_S)
        is_open_S = (middle_S > low_S) & (middle_S < high_S)
        if not is_open_S.any():
            break
        served_S = sum(
            np.where(k <= period_S, 1.0 - demand.survival(middle_S), 0.0) for k, demand in enumerate(intervals, 1)
        )
        is_enough_S = served_S >= ratio_S * period_S - 1e-12
        high_S = np.where(is_open_S & is_enough_S, middle_S, high_S)
        low_S = np.where(is_open_S & ~is_enough_S, middle_S, low_S)
    return high_S
