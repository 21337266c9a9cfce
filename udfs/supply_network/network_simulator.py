"""A network of stages under (s, S) levels, period by period, for many replications of demand at once.

The order of events is that of stockpyl's `sim` (Snyder & Shen 2019, section 6.2), whose results it gives digit for
digit: from the customers up, each stage sees its demand and orders, and orders up to S where its position is at or
below s; then from the suppliers down, each receives, assembles one unit of each of its suppliers' goods into one of its
own, serves what waits before what is new, and ships. All unmet demand waits.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal, NamedTuple

import numba
import numpy as np
from numpy.typing import ArrayLike

from udfs.inventory.demand_distribution import FloatArray
from udfs.inventory.theory.network.network_values import checked
from udfs.series.series_threads import over_series
from udfs.supply_network.lanes import IntArray, Lanes

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
    net, n_runs = _net(system), demand_RTN.shape[0]
    cost_R, (on_hand_RN, waiting_RN, fill_RN, level_RN) = np.zeros(n_runs), np.zeros((4, n_runs, n_stages))

    def kernel(start: int, stop: int) -> None:
        runs = slice(start, stop)
        _run(
            net, demand_RTN[runs], sharing == "proportional", warm_up, cost_R[runs], on_hand_RN[runs],
            waiting_RN[runs], fill_RN[runs], level_RN[runs],
        )  # fmt: skip

    over_series(kernel, n_runs)
    return NetworkRuns(cost_R, on_hand_RN, waiting_RN, fill_RN, level_RN)


class _Net(NamedTuple):
    """A network as arrays. Lanes out of and into stage n: out_E[out_N[n]:out_N[n + 1]], in_E[in_N[n]:in_N[n + 1]];
    lanes beyond E are those of sources from outside: lane E + n supplies stage n."""

    supplier_E: IntArray
    customer_E: IntArray
    downstream_N: IntArray
    out_N: IntArray
    out_E: IntArray
    in_N: IntArray
    in_E: IntArray
    reorder_N: FloatArray
    up_to_N: FloatArray
    ship_N: IntArray
    order_N: IntArray
    holding_N: FloatArray
    shortage_N: FloatArray


class _State(NamedTuple):
    """Where a replication is: units on hand less those waiting, on order (received goods not yet made up included),
    goods of each lane at its customer, waiting at its supplier, on their way in sum and by slot of time, orders on
    their way by slot, and what is new in the period."""

    level_N: FloatArray
    open_N: FloatArray
    goods_E: FloatArray
    waiting_E: FloatArray
    way_E: FloatArray
    transit_EL: FloatArray
    asked_EL: FloatArray
    new_E: FloatArray
    met_N: FloatArray
    wanted_N: FloatArray


def _net(system: StockedNetwork) -> _Net:
    graph, stages = system.graph(), np.arange(system.order_up_to.size + 1)
    out_E, in_E = np.argsort(graph.supplier_E, kind="stable"), np.argsort(graph.customer_E, kind="stable")
    assert system.reorder_point is not None
    return _Net(
        graph.supplier_E, graph.customer_E, graph.downstream_N,
        np.searchsorted(graph.supplier_E[out_E], stages), out_E, np.searchsorted(graph.customer_E[in_E], stages), in_E,
        system.reorder_point, system.order_up_to, np.asarray(system.shipment_time).astype(np.int64),
        np.asarray(system.order_time).astype(np.int64), np.asarray(system.holding_cost),
        np.asarray(system.shortage_cost),
    )  # fmt: skip


@numba.njit(cache=True, nogil=True, error_model="numpy")
def _run(  # type: ignore[no-untyped-def]
    net, demand_RTN, is_proportional, warm_up, cost_R, on_hand_RN, waiting_RN, fill_RN, level_RN
):
    """Every replication of a slice, one after the other, in one state."""
    n_runs, n_periods, n_stages = demand_RTN.shape
    n_lanes, n_slots = net.supplier_E.size, 1
    while n_slots <= (net.ship_N + net.order_N).max():
        n_slots *= 2  # a power of two: its remainders are cheap
    state = _State(
        np.empty(n_stages), np.empty(n_stages), np.empty(n_lanes), np.empty(n_lanes + n_stages), np.empty(n_lanes),
        np.empty((n_lanes + n_stages, n_slots)), np.empty((n_lanes, n_slots)), np.empty(n_lanes + n_stages),
        np.empty(n_stages), np.empty(n_stages),
    )  # fmt: skip
    for r in range(n_runs):
        state.level_N[:] = net.up_to_N
        state.open_N[:], state.goods_E[:], state.waiting_E[:], state.way_E[:] = 0.0, 0.0, 0.0, 0.0
        state.transit_EL[:], state.asked_EL[:], state.met_N[:], state.wanted_N[:] = 0.0, 0.0, 0.0, 0.0
        for t in range(n_periods):
            if t == warm_up:
                state.met_N[:], state.wanted_N[:] = 0.0, 0.0
            _place_orders(net, state, demand_RTN[r, t], t, n_slots - 1)
            _ship(net, state, is_proportional, t, n_slots - 1)
            if t < warm_up:
                continue
            for n in range(n_stages):
                on_hand, short = max(state.level_N[n], 0.0), max(-state.level_N[n], 0.0)
                cost_R[r] += net.holding_N[n] * on_hand + net.shortage_N[n] * short
                on_hand_RN[r, n] += on_hand
                waiting_RN[r, n] += short
            for e in range(n_lanes):
                cost_R[r] += net.holding_N[net.supplier_E[e]] * (state.way_E[e] + state.goods_E[e])
        for n in range(n_stages):
            on_hand_RN[r, n] /= n_periods - warm_up
            waiting_RN[r, n] /= n_periods - warm_up
            fill_RN[r, n] = state.met_N[n] / state.wanted_N[n] if state.wanted_N[n] > 0.0 else 1.0
            level_RN[r, n] = state.level_N[n]


@numba.njit(cache=True, nogil=True, error_model="numpy")
def _place_orders(net, state, demand_N, t, mask):  # type: ignore[no-untyped-def]
    """From the customers up: see demand and orders, and order up to S where the position is at or below s."""
    n_lanes = net.supplier_E.size
    for k in range(demand_N.size - 1, -1, -1):
        n = net.downstream_N[k]
        wanted = state.new_E[n_lanes + n] = demand_N[n]
        for i in range(net.out_N[n], net.out_N[n + 1]):
            e = net.out_E[i]
            state.new_E[e] = state.asked_EL[e, t & mask]
            state.asked_EL[e, t & mask] = 0.0
            wanted += state.new_E[e]
        state.wanted_N[n] += wanted
        position = state.level_N[n] + state.open_N[n] - wanted
        if position > net.reorder_N[n]:
            continue
        quantity = net.up_to_N[n] - position
        state.open_N[n] += quantity
        seen = t + net.order_N[n]
        for i in range(net.in_N[n], net.in_N[n + 1]):
            state.asked_EL[net.in_E[i], seen & mask] += quantity
        if net.in_N[n] == net.in_N[n + 1]:
            state.transit_EL[n_lanes + n, (seen + net.ship_N[n]) & mask] += quantity


@numba.njit(cache=True, nogil=True, error_model="numpy")
def _ship(net, state, is_proportional, t, mask):  # type: ignore[no-untyped-def]
    """From the suppliers down: receive, make up, serve what waits and what is new."""
    n_lanes = net.supplier_E.size
    for n in net.downstream_N:
        first, last = net.in_N[n], net.in_N[n + 1]
        made = np.inf if first < last else state.transit_EL[n_lanes + n, t & mask]
        state.transit_EL[n_lanes + n, t & mask] = 0.0
        for i in range(first, last):
            e = net.in_E[i]
            came = state.transit_EL[e, t & mask]
            state.goods_E[e] += came
            state.way_E[e] -= came
            state.transit_EL[e, t & mask] = 0.0
            made = min(made, state.goods_E[e])
        for i in range(first, last):
            state.goods_E[net.in_E[i]] -= made
        state.open_N[n] -= made
        _serve(net, state, n, max(state.level_N[n], 0.0) + made, is_proportional, t, mask)
        state.level_N[n] += made


@numba.njit(cache=True, nogil=True, error_model="numpy")
def _serve(net, state, n, stock, is_proportional, t, mask):  # type: ignore[no-untyped-def]
    """Serve the lanes of a stage, then its demand from outside, what waits before what is new."""
    own = net.supplier_E.size + n
    share = 1.0
    if is_proportional:
        claims = state.waiting_E[own] + state.new_E[own]
        for i in range(net.out_N[n], net.out_N[n + 1]):
            claims += state.waiting_E[net.out_E[i]] + state.new_E[net.out_E[i]]
        share = min(1.0, stock / claims) if claims > 0.0 else 1.0
    for i in range(net.out_N[n], net.out_N[n + 1] + 1):
        e = net.out_E[i] if i < net.out_N[n + 1] else own
        claim = state.waiting_E[e] + state.new_E[e]
        shipped = min(stock, share * claim)
        stock -= shipped
        state.met_N[n] += max(shipped - state.waiting_E[e], 0.0)
        state.waiting_E[e] = claim - shipped
        state.level_N[n] -= state.new_E[e]
        if e != own:
            state.transit_EL[e, (t + net.ship_N[net.customer_E[e]]) & mask] += shipped
            state.way_E[e] += shipped
