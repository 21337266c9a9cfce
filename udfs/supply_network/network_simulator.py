"""A network of stages under (s, S) levels, period by period, for many replications of demand at once.

The order of events is that of stockpyl's `sim` (Snyder & Shen 2019, section 6.2), whose results it gives digit for
digit: from the customers up, each stage sees its demand and orders, and orders up to S where its position is at or
below s; then from the suppliers down, each receives, assembles one unit of each of its suppliers' goods into one of its
own, serves what waits before what is new, and ships. All unmet demand waits.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import numba
import numpy as np
from numpy.typing import ArrayLike

from udfs.inventory.demand_distribution import FloatArray
from udfs.inventory.theory.network.network_values import checked
from udfs.series.series_threads import over_series
from udfs.supply_network.lanes import Lanes

Sharing = Literal["in_order", "proportional"]


@dataclass(frozen=True, slots=True)
class StockedNetwork:
    """N stages with stock, [N] or a number each.

    Attributes:
        lanes: (supplying stage, supplied stage) of 0..N-1, without a cycle. A stage that no lane leads to is supplied
            from outside without limit. Where stock is short the lanes of a stage are served in this order, demand from
            outside last.
        order_up_to: S, >= 0, units on hand and on order less those that wait; stages start with S on hand.
        reorder_point: s <= S; equal to S for a base-stock policy.
        shipment_time: whole periods >= 0 from the supplier's shipping (or a source's order) to the stage's receipt.
        order_time: whole periods >= 0 from the order to the supplier's seeing it.
        holding_cost: >= 0, currency per unit on hand, or on its way to a customer in the network, and period.
        shortage_cost: >= 0, currency per unit that waits and period.

    Raises:
        ValueError: a value out of range, shapes that do not fit, a lane to nowhere, a cycle.
    """

    lanes: Sequence[tuple[int, int]]
    order_up_to: FloatArray
    shipment_time: FloatArray | float
    holding_cost: FloatArray | float
    shortage_cost: FloatArray | float
    reorder_point: FloatArray | None = None
    order_time: FloatArray | float = 0.0

    def __post_init__(self) -> None:
        shape = (np.size(self.order_up_to),)
        if self.reorder_point is None:
            object.__setattr__(self, "reorder_point", self.order_up_to)
        rules = {
            "order_up_to": "not_negative",
            "shipment_time": "whole",
            "order_time": "whole",
            "holding_cost": "not_negative",
            "shortage_cost": "not_negative",
        }
        for name, rule in rules.items():
            object.__setattr__(self, name, checked(name, getattr(self, name), shape, rule))
        low_N = np.array(np.broadcast_to(np.asarray(self.reorder_point, dtype=np.float64), shape))
        checked("order_up_to - reorder_point", self.order_up_to - low_N, shape, "not_negative")
        object.__setattr__(self, "reorder_point", low_N)
        self.graph()

    def graph(self) -> Lanes:
        """The stages and lanes."""
        return Lanes.of(self.lanes, range(np.size(self.order_up_to)))


@dataclass(frozen=True, slots=True)
class NetworkRuns:
    """What R replications of T periods came to.

    cost_R: currency over all periods but the warm-up. on_hand_RN, backorders_RN: mean units at the end of a period.
    fill_rate_RN: share of a stage's demand, orders of its customers included, that was served at once; 1 without any.
    level_RN: units on hand less those that wait, at the end.
    """

    cost_R: FloatArray
    on_hand_RN: FloatArray
    backorders_RN: FloatArray
    fill_rate_RN: FloatArray
    level_RN: FloatArray


def simulate(
    system: StockedNetwork, demand_RTN: ArrayLike, *, sharing: Sharing = "in_order", warm_up: int = 0
) -> NetworkRuns:
    """Run a network through R replications of T periods of demand from outside, units >= 0, [R, T, N].

    sharing: how a stage that is short serves its lanes: in their order, or in proportion to what each waits for.
    warm_up: periods, >= 0 and < T, that do not count in costs and means.
    Raises ValueError for demand out of range or a shape that does not fit.

    >>> line = StockedNetwork([(0, 1)], order_up_to=[0, 4], shipment_time=[1, 0], holding_cost=1, shortage_cost=[0, 9])
    >>> runs = simulate(line, [[[0, 5], [0, 5], [0, 0]]])
    >>> runs.cost_R.tolist(), runs.level_RN.tolist()
    ([22.0], [[0.0, 4.0]])
    """
    demand_RTN = np.asarray(demand_RTN, dtype=np.float64)
    n_stages = system.order_up_to.size
    if demand_RTN.ndim != 3 or demand_RTN.shape[2] != n_stages or 0 in demand_RTN.shape:
        raise ValueError(f"demand_RTN: expected [R, T, {n_stages}], none empty, found {demand_RTN.shape}")
    demand_RTN = checked("demand_RTN", demand_RTN, demand_RTN.shape, "not_negative")
    if sharing not in ("in_order", "proportional"):
        raise ValueError(f"sharing: expected 'in_order' or 'proportional', found {sharing!r}")
    if not 0 <= warm_up < demand_RTN.shape[1]:
        raise ValueError(f"warm_up: expected 0 to {demand_RTN.shape[1] - 1} periods, found {warm_up}")
    graph, n_runs = system.graph(), demand_RTN.shape[0]
    cost_R, (on_hand_RN, waiting_RN, fill_RN, level_RN) = np.zeros(n_runs), np.zeros((4, n_runs, n_stages))

    def kernel(start: int, stop: int) -> None:
        runs = slice(start, stop)
        _run(
            demand_RTN[runs], graph.downstream_N, graph.supplier_E, graph.customer_E, system.reorder_point,
            system.order_up_to, np.asarray(system.shipment_time).astype(np.int64),
            np.asarray(system.order_time).astype(np.int64), system.holding_cost, system.shortage_cost,
            sharing == "proportional", warm_up, cost_R[runs], on_hand_RN[runs], waiting_RN[runs], fill_RN[runs],
            level_RN[runs],
        )  # fmt: skip

    over_series(kernel, n_runs)
    return NetworkRuns(cost_R, on_hand_RN, waiting_RN, fill_RN, level_RN)


@numba.njit(cache=True, nogil=True, error_model="numpy")
def _run(  # type: ignore[no-untyped-def]
    demand_RTN, downstream_N, supplier_E, customer_E, reorder_N, up_to_N, ship_N, order_N, holding_N, shortage_N,
    is_proportional, warm_up, cost_R, on_hand_RN, waiting_RN, fill_RN, level_RN,
):  # fmt: skip
    """Lanes beyond E are those of sources from outside: lane E + n supplies stage n."""
    n_runs, n_periods, n_stages = demand_RTN.shape
    n_lanes = supplier_E.size
    out_N, out_E, in_N, in_E = _by_stage(supplier_E, customer_E, n_stages)
    n_slots = (ship_N + order_N).max() + 1
    counted = n_periods - warm_up
    for r in range(n_runs):
        level_N, open_N = up_to_N.copy(), np.zeros(n_stages)
        goods_E, waiting_E, way_E = np.zeros(n_lanes), np.zeros(n_lanes + n_stages), np.zeros(n_lanes)
        transit_EL, asked_EL = np.zeros((n_lanes + n_stages, n_slots)), np.zeros((n_lanes, n_slots))
        new_E, met_N, wanted_N = np.zeros(n_lanes + n_stages), np.zeros(n_stages), np.zeros(n_stages)
        cost = 0.0
        for t in range(n_periods):
            now = t % n_slots
            for k in range(n_stages - 1, -1, -1):
                n = downstream_N[k]
                new_E[n_lanes + n] = demand_RTN[r, t, n]
                position = level_N[n] + open_N[n] - demand_RTN[r, t, n]
                for e in out_E[out_N[n] : out_N[n + 1]]:
                    new_E[e] = asked_EL[e, now]
                    asked_EL[e, now] = 0.0
                    position -= new_E[e]
                if position <= reorder_N[n]:
                    quantity = up_to_N[n] - position
                    open_N[n] += quantity
                    for e in in_E[in_N[n] : in_N[n + 1]]:
                        asked_EL[e, (t + order_N[n]) % n_slots] += quantity
                    if in_N[n] == in_N[n + 1]:
                        transit_EL[n_lanes + n, (t + order_N[n] + ship_N[n]) % n_slots] += quantity
            for n in downstream_N:
                made = np.inf
                for e in in_E[in_N[n] : in_N[n + 1]]:
                    goods_E[e] += transit_EL[e, now]
                    way_E[e] -= transit_EL[e, now]
                    transit_EL[e, now] = 0.0
                    made = min(made, goods_E[e])
                if in_N[n] == in_N[n + 1]:
                    made = transit_EL[n_lanes + n, now]
                    transit_EL[n_lanes + n, now] = 0.0
                for e in in_E[in_N[n] : in_N[n + 1]]:
                    goods_E[e] -= made
                    if t >= warm_up:
                        cost += holding_N[supplier_E[e]] * goods_E[e]
                open_N[n] -= made
                level_N[n], met = _serve(
                    level_N[n], made, n_lanes + n, out_E[out_N[n] : out_N[n + 1]], waiting_E, new_E, is_proportional,
                    transit_EL, way_E, customer_E, ship_N, t, n_slots,
                )  # fmt: skip
                if t >= warm_up:
                    met_N[n] += met
                    wanted_N[n] += new_E[n_lanes + n]
                    for e in out_E[out_N[n] : out_N[n + 1]]:
                        wanted_N[n] += new_E[e]
                    on_hand, short = max(level_N[n], 0.0), max(-level_N[n], 0.0)
                    cost += holding_N[n] * on_hand + shortage_N[n] * short
                    on_hand_RN[r, n] += on_hand / counted
                    waiting_RN[r, n] += short / counted
            if t >= warm_up:
                for e in range(n_lanes):
                    cost += holding_N[supplier_E[e]] * way_E[e]
        cost_R[r], level_RN[r] = cost, level_N
        for n in range(n_stages):
            fill_RN[r, n] = met_N[n] / wanted_N[n] if wanted_N[n] > 0.0 else 1.0


@numba.njit(cache=True, nogil=True, error_model="numpy")
def _serve(  # type: ignore[no-untyped-def]
    level, made, own, lanes, waiting_E, new_E, is_proportional, transit_EL, way_E, customer_E, ship_N, t, n_slots
):  # fmt: skip
    """Serve what waits and what is new; the level afterwards, and the new demand that was served at once."""
    stock, met = max(level, 0.0) + made, 0.0
    wanted = waiting_E[own] + new_E[own]
    for e in lanes:
        wanted += waiting_E[e] + new_E[e]
    share = min(1.0, stock / wanted) if is_proportional and wanted > 0.0 else 1.0
    level += made
    for e in lanes:
        claim = waiting_E[e] + new_E[e]
        shipped = min(stock, share * claim)
        stock -= shipped
        met += max(shipped - waiting_E[e], 0.0)
        waiting_E[e] = claim - shipped
        level -= new_E[e]
        transit_EL[e, (t + ship_N[customer_E[e]]) % n_slots] += shipped
        way_E[e] += shipped
    claim = waiting_E[own] + new_E[own]
    shipped = min(stock, share * claim)
    met += max(shipped - waiting_E[own], 0.0)
    waiting_E[own] = claim - shipped
    return level - new_E[own], met


@numba.njit(cache=True, nogil=True)
def _by_stage(supplier_E, customer_E, n_stages):  # type: ignore[no-untyped-def]
    """Lanes out of and into each stage n: out_E[out_N[n]:out_N[n + 1]], in_E[in_N[n]:in_N[n + 1]]."""
    out_N, in_N = np.zeros(n_stages + 1, dtype=np.int64), np.zeros(n_stages + 1, dtype=np.int64)
    for e in range(supplier_E.size):
        out_N[supplier_E[e] + 1] += 1
        in_N[customer_E[e] + 1] += 1
    out_E, in_E = np.argsort(supplier_E, kind="mergesort"), np.argsort(customer_E, kind="mergesort")
    return np.cumsum(out_N), out_E, np.cumsum(in_N), in_E
