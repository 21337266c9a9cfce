"""The economic order quantity under quantity discounts: on all units of an order, or on those beyond a break."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from udfs.inventory.demand_distribution import FloatArray
from udfs.inventory.parameters import POSITIVE, per_series, reject


@dataclass(frozen=True, slots=True)
class PriceBreaks:
    """Price lists of S series with J tiers.

    Attributes:
        breakpoint_SJ: least quantity of each tier, units, [S, J] (or [J] for all series): 0 first, then rising. A list
            with fewer tiers is padded with inf.
        unit_cost_SJ: currency per unit in the tier, > 0, not rising from tier to tier; padding is ignored.

    Raises:
        ValueError: anything else.
    """

    breakpoint_SJ: Any
    unit_cost_SJ: Any

    def __post_init__(self) -> None:
        breaks = np.atleast_2d(np.asarray(self.breakpoint_SJ, dtype=np.float64))
        costs = np.atleast_2d(np.asarray(self.unit_cost_SJ, dtype=np.float64))
        if breaks.shape != costs.shape or breaks.ndim != 2 or breaks.shape[1] < 1:
            raise ValueError(f"PriceBreaks: expected one shape [S, J], found {breaks.shape} and {costs.shape}")
        is_tier = ~np.isposinf(breaks)
        with np.errstate(invalid="ignore"):
            rises_SJ = (breaks[:, 1:] > breaks[:, :-1]) | ~is_tier[:, 1:]
            falls_SJ = (costs[:, 1:] <= costs[:, :-1]) | ~is_tier[:, 1:]
        is_priced_S = (~is_tier | (np.isfinite(costs) & (costs > 0.0))).all(axis=1)
        _reject_list(np.asarray(breaks[:, 0] != 0.0), "breakpoint_SJ: expected 0 for the first tier", breaks)
        _reject_list(np.asarray(~rises_SJ.all(axis=1)), "breakpoint_SJ: expected rising quantities, then inf", breaks)
        _reject_list(np.asarray(~is_priced_S), "unit_cost_SJ: expected finite numbers > 0", costs)
        _reject_list(
            np.asarray(~falls_SJ.all(axis=1)), "unit_cost_SJ: expected prices that do not rise with the quantity", costs
        )
        object.__setattr__(self, "breakpoint_SJ", breaks)
        object.__setattr__(self, "unit_cost_SJ", np.where(is_tier, costs, np.inf))


@dataclass(frozen=True, slots=True)
class DiscountedLot:
    """quantity_S: units per order. tier_S: index of the tier it is bought in. cost_S: purchase, ordering and holding,
    currency per unit of time. [S] each.
    """

    quantity_S: FloatArray
    tier_S: NDArray[np.int64]
    cost_S: FloatArray


def eoq_all_units_discounts(
    prices: PriceBreaks, fixed_cost: ArrayLike, holding_cost_rate: ArrayLike, demand_rate: ArrayLike
) -> DiscountedLot:
    """Lot size where the tier's price holds for all units of the order (Snyder & Shen 2019, equations (3.18), (3.19)).

    Each tier's best quantity is its EOQ, or its breakpoint where the EOQ is less; a tier whose EOQ lies beyond it is
    beaten by a cheaper one. Holding cost is the rate times the price paid.

    Args:
        prices: price lists, one or one per series.
        fixed_cost: K, currency per order, > 0. demand_rate: units per unit of time, > 0.
        holding_cost_rate: share of the price per unit of time, > 0.

    Raises:
        ValueError: a parameter out of range, with its first row.

    >>> prices = PriceBreaks([0, 400, 800], [0.75, 0.72, 0.68])
    >>> lot = eoq_all_units_discounts(prices, fixed_cost=8, holding_cost_rate=0.3, demand_rate=1300)
    >>> float(lot.quantity_S[0]), float(lot.cost_S[0].round(4))
    (800.0, 978.6)
    """
    breaks_SJ, price_SJ, fixed_S1, rate_S1, demand_S1 = _table(prices, fixed_cost, holding_cost_rate, demand_rate)
    eoq_SJ = np.sqrt(2.0 * fixed_S1 * demand_S1 / (rate_S1 * price_SJ))
    quantity_SJ = np.maximum(eoq_SJ, breaks_SJ)
    with np.errstate(invalid="ignore"):
        cost_SJ = price_SJ * demand_S1 + fixed_S1 * demand_S1 / quantity_SJ + 0.5 * rate_S1 * price_SJ * quantity_SJ
    return _cheapest(quantity_SJ, cost_SJ, quantity_SJ < _next_break(breaks_SJ))


def eoq_incremental_discounts(
    prices: PriceBreaks, fixed_cost: ArrayLike, holding_cost_rate: ArrayLike, demand_rate: ArrayLike
) -> DiscountedLot:
    """Lot size where each tier's price holds for the units within it (Snyder & Shen 2019, equations (3.20) to (3.22)).

    Within tier j an order costs c_bar_j + c_j Q, so c_bar_j adds to the fixed cost. Tiers whose own optimum lies
    outside them are left out: the best of all never lies on a breakpoint. Arguments and errors as in
    `eoq_all_units_discounts`.

    >>> prices = PriceBreaks([0, 400, 800], [0.75, 0.72, 0.68])
    >>> lot = eoq_incremental_discounts(prices, fixed_cost=8, holding_cost_rate=0.3, demand_rate=1300)
    >>> float(lot.quantity_S[0].round(4)), float(lot.cost_S[0].round(4))
    (304.0468, 1043.4105)
    """
    breaks_SJ, price_SJ, fixed_S1, rate_S1, demand_S1 = _table(prices, fixed_cost, holding_cost_rate, demand_rate)
    with np.errstate(invalid="ignore"):
        saved_SJ = np.where(np.isinf(breaks_SJ), 0.0, -np.diff(price_SJ, axis=1, prepend=price_SJ[:, :1]) * breaks_SJ)
    extra_SJ = np.cumsum(saved_SJ, axis=1)
    quantity_SJ = np.sqrt(2.0 * (fixed_S1 + extra_SJ) * demand_S1 / (rate_S1 * price_SJ))
    with np.errstate(invalid="ignore", divide="ignore"):
        cost_SJ = (
            price_SJ * demand_S1
            + 0.5 * rate_S1 * extra_SJ
            + (fixed_S1 + extra_SJ) * demand_S1 / quantity_SJ
            + 0.5 * rate_S1 * price_SJ * quantity_SJ
        )
    return _cheapest(quantity_SJ, cost_SJ, (quantity_SJ >= breaks_SJ) & (quantity_SJ < _next_break(breaks_SJ)))


def _table(prices: PriceBreaks, fixed_cost: ArrayLike, rate: ArrayLike, demand: ArrayLike) -> list[FloatArray]:
    """Breakpoints and prices [S, J]; fixed cost, holding rate and demand rate [S, 1]."""
    n_lists = prices.breakpoint_SJ.shape[0]
    fixed_S, rate_S, demand_S, _ = per_series(
        fixed_cost=(fixed_cost, POSITIVE),
        holding_cost_rate=(rate, POSITIVE),
        demand_rate=(demand, POSITIVE),
        prices=(np.ones(n_lists), POSITIVE),
    )
    shape = (fixed_S.size, prices.breakpoint_SJ.shape[1])
    tables = [np.broadcast_to(table, shape) for table in (prices.breakpoint_SJ, prices.unit_cost_SJ)]
    return [*tables, fixed_S[:, None], rate_S[:, None], demand_S[:, None]]


def _next_break(breaks_SJ: FloatArray) -> FloatArray:
    return np.concatenate([breaks_SJ[:, 1:], np.full((breaks_SJ.shape[0], 1), np.inf)], axis=1)


def _cheapest(quantity_SJ: FloatArray, cost_SJ: FloatArray, is_in_tier_SJ: NDArray[np.bool_]) -> DiscountedLot:
    cost_SJ = np.where(is_in_tier_SJ & np.isfinite(cost_SJ), cost_SJ, np.inf)
    tier_S = cost_SJ.argmin(axis=1)
    rows = np.arange(tier_S.size)
    return DiscountedLot(quantity_SJ[rows, tier_S], tier_S, cost_SJ[rows, tier_S])


def _reject_list(is_bad_S: NDArray[np.bool_], expected: str, lists: FloatArray) -> None:
    reject(is_bad_S, lambda row: f"{expected}, found {lists[row].tolist()}")
