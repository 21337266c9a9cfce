"""One distribution centre (DC) and its stores: base-stock levels at both echelons, for many SKUs at once.

Each store orders every unit sold from the DC, and the DC every unit ordered from its supplier; all unmet demand waits,
and the DC serves the stores first come, first served. With Poisson demand the stock a store has outstanding is

    O_c = B_c + D_c(L_c),   B_c | B ~ Binomial(B, rate_c / rate),   B = (D(L) - dc_level)+,

the units it waits for at the DC and its demand over the transport time (Simon 1971; Graves 1985; Axsater 1990), so all
costs are exact. The two-moment approximation of Graves (1985) fits a negative binomial to the mean and variance of O_c;
it also takes demand more variable than Poisson, with backorders about 5% from those of a simulation where the variance
is three to six times the mean. METRIC (Sherbrooke 1968), the cruder one, takes a Poisson O_c.
A store that reviews once per period is modelled by a transport time longer by that period.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import ArrayLike

from udfs.inventory.demand_distribution import FloatArray
from udfs.inventory.theory.network.network_values import checked, common_shape
from udfs.inventory.theory.network.two_echelon_kernel import EXACT, METRIC, TWO_MOMENTS, solve
from udfs.series.series_threads import over_series

Method = Literal["exact", "negative_binomial", "metric"]
_CODE = {"exact": EXACT, "negative_binomial": TWO_MOMENTS, "metric": METRIC}
_MAX_LEAD_TIME_DEMAND = 20_000.0  # units; a system this large wants a unit other than the single piece


@dataclass(frozen=True, slots=True)
class TwoEchelon:
    """S SKUs, each stocked at a DC and C stores.

    Attributes:
        demand_rate: >= 0, units per period at each store, [S, C] or [C]; 0 is a store that never sells and gets no
            stock. At least one store of an SKU sells.
        dc_lead_time: >= 0, periods from the supplier to the DC, [S] or a number.
        store_lead_time: >= 0, periods of transport from the DC to a store, [S, C], [C] or a number.
        dc_holding_cost, store_holding_cost: > 0, currency per unit on hand and period, [S] and [S, C] or broadcast.
            Units under way are not counted: no level changes their number.
        shortage_cost: > 0, currency per unit backordered at a store and period, [S, C] or broadcast.
        variance_to_mean: >= 1, of the demand per period, [S, C] or broadcast; above 1 only "negative_binomial" fits.

    Raises:
        ValueError: a value out of range, shapes that do not fit, an SKU that sells nowhere, a mean demand of more than
            20,000 units over the lead times.
    """

    demand_rate: FloatArray
    dc_lead_time: FloatArray | float
    store_lead_time: FloatArray | float
    dc_holding_cost: FloatArray | float
    store_holding_cost: FloatArray | float
    shortage_cost: FloatArray | float
    variance_to_mean: FloatArray | float = 1.0

    def __post_init__(self) -> None:
        per_store = {
            "demand_rate": (self.demand_rate, "not_negative"),
            "store_lead_time": (self.store_lead_time, "not_negative"),
            "store_holding_cost": (self.store_holding_cost, "positive"),
            "shortage_cost": (self.shortage_cost, "positive"),
            "variance_to_mean": (self.variance_to_mean, "positive"),
        }
        per_sku = {
            "dc_lead_time": (self.dc_lead_time, "not_negative"),
            "dc_holding_cost": (self.dc_holding_cost, "positive"),
        }
        shapes: dict[str, ArrayLike] = {name: values for name, (values, _) in per_store.items()}
        shapes |= {name: np.asarray(values)[..., None] for name, (values, _) in per_sku.items()}
        shape_SC = common_shape(shapes, 2)
        for name, (values, rule) in per_store.items():
            object.__setattr__(self, name, checked(name, values, shape_SC, rule))
        for name, (values, rule) in per_sku.items():
            object.__setattr__(self, name, checked(name, values, shape_SC[:1], rule))
        checked("variance_to_mean - 1", np.asarray(self.variance_to_mean) - 1.0, shape_SC, "not_negative")
        checked("total demand_rate of an SKU", self.demand_rate.sum(axis=1), shape_SC[:1], "positive")
        waiting_S = self.demand_rate.sum(axis=1) * self.dc_lead_time
        most_S = np.maximum(waiting_S, (self.demand_rate * self.store_lead_time).max(axis=1))
        if (most_S > _MAX_LEAD_TIME_DEMAND).any():
            row = int(np.argmax(most_S > _MAX_LEAD_TIME_DEMAND))
            raise ValueError(
                f"demand_rate: expected at most {_MAX_LEAD_TIME_DEMAND:g} units over a lead time, "
                f"found {most_S[row]:g} at [{row}]"
            )


@dataclass(frozen=True, slots=True)
class TwoEchelonLevels:
    """Base-stock levels and what they lead to.

    dc_level_S, store_level_SC: whole units on hand and on order less backorders. cost_S: currency per period.
    dc_on_hand_S, dc_backorders_S, store_on_hand_SC, store_backorders_SC: expected units.
    fill_rate_SC: share of a store's demand served at once; NaN at a store that never sells.
    """

    dc_level_S: FloatArray
    store_level_SC: FloatArray
    cost_S: FloatArray
    dc_on_hand_S: FloatArray
    dc_backorders_S: FloatArray
    store_on_hand_SC: FloatArray
    store_backorders_SC: FloatArray
    fill_rate_SC: FloatArray


def optimal_levels(system: TwoEchelon, method: Method = "exact") -> TwoEchelonLevels:
    """The DC and store levels of least holding and shortage cost; optimal for "exact", as every DC level is tried.

    For a DC level each store solves its own newsvendor problem. DC levels go from 0 to the point where the DC runs out
    with a probability below 1e-12: stock beyond it costs more and serves nobody.
    Raises ValueError for a method that does not fit the demand.

    >>> system = TwoEchelon([0.5, 1.0], 4.0, 1.0, 1.0, 1.2, 20.0)
    >>> levels = optimal_levels(system)
    >>> levels.dc_level_S.tolist(), levels.store_level_SC.tolist(), levels.cost_S.round(3).tolist()
    ([8.0], [[2.0, 3.0]], [8.436])
    """
    shape_SC = system.demand_rate.shape
    return _run(system, np.full(shape_SC[0], -1.0), np.full(shape_SC, -1.0), method)


def levels_cost(
    system: TwoEchelon, dc_level_S: ArrayLike, store_level_SC: ArrayLike, method: Method = "exact"
) -> TwoEchelonLevels:
    """What given levels, whole units >= 0, lead to; [S] and [S, C] or broadcast."""
    shape_SC = system.demand_rate.shape
    dc_level_S = checked("dc_level_S", dc_level_S, shape_SC[:1], "whole")
    return _run(system, dc_level_S, checked("store_level_SC", store_level_SC, shape_SC, "whole"), method)


def _run(system: TwoEchelon, dc_level_S: FloatArray, store_level_SC: FloatArray, method: Method) -> TwoEchelonLevels:
    if method not in _CODE:
        raise ValueError(f"method: expected one of {tuple(_CODE)}, found {method!r}")
    if method != "negative_binomial" and (np.asarray(system.variance_to_mean) > 1.0).any():
        raise ValueError(f"method: expected 'negative_binomial' where variance_to_mean exceeds 1, found {method!r}")
    n_series, n_stores = system.demand_rate.shape
    dc_SM, store_SCM = np.empty((n_series, 4)), np.empty((n_series, n_stores, 4))
    ratio_SC, dc_lead_S = np.asarray(system.variance_to_mean), np.asarray(system.dc_lead_time)
    lead_SC, dc_holding_S = np.asarray(system.store_lead_time), np.asarray(system.dc_holding_cost)
    holding_SC, shortage_SC = np.asarray(system.store_holding_cost), np.asarray(system.shortage_cost)

    def kernel(start: int, stop: int) -> None:
        rows = slice(start, stop)
        solve(
            _CODE[method], system.demand_rate[rows], ratio_SC[rows], dc_lead_S[rows], lead_SC[rows],
            dc_holding_S[rows], holding_SC[rows], shortage_SC[rows], dc_level_S[rows], store_level_SC[rows],
            dc_SM[rows], store_SCM[rows],
        )  # fmt: skip

    over_series(kernel, n_series)
    fill_SC = np.where(system.demand_rate > 0.0, store_SCM[..., 3], np.nan)
    level_S, cost_S, dc_on_hand_S, dc_backorders_S = dc_SM.T
    store_level_SC, on_hand_SC, backorders_SC, _ = np.moveaxis(store_SCM, 2, 0)
    return TwoEchelonLevels(
        level_S, store_level_SC, cost_S, dc_on_hand_S, dc_backorders_S, on_hand_SC, backorders_SC, fill_SC
    )
