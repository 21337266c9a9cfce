"""Where to hold safety stock in any acyclic network of stages that promise one another fixed service times.

The guaranteed-service model of `udfs.inventory.theory.network.guaranteed_service` without its tree: a stage may be
reached by several paths, where no dynamic programme over a stage at a time is exact (the problem is NP-hard, Lesnaia
2004). Here it is an integer programme over times: a column for each pair of inbound and outbound service time of each
stage, whose margins are joined along lanes by P(S_i >= t) <= P(SI_j >= t). Its relaxation is the convex hull of every
stage by itself, which leaves little to branching: rounding its margins at any level keeps every promise, and columns
whose reduced cost exceeds the gap that the best rounding leaves can be dropped.
"""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from udfs.inventory.demand_distribution import FloatArray
from udfs.inventory.theory.network.network_values import checked
from udfs.supply_network.lanes import Lanes
from udfs.supply_network.service_programme import ServiceProgramme

_MAX_TIME = 300
_ROUNDS = 30


@dataclass(frozen=True, slots=True)
class ServiceNetwork:
    """A network of N stages of one SKU; parameters as in `ServiceTree`, [N] or a number each.

    Attributes:
        lanes: (supplying stage, supplied stage) pairs of numbers 0..N-1, or of `names`, without a cycle.
        processing_time: whole periods >= 0; at most 300 along a path.
        holding_cost: >= 0, currency per unit and period. demand_sd: >= 0, of the demand per period from outside.
        demand_bound: > 0, standard deviations of demand that are guaranteed.
        outbound_service_time: whole periods >= 0: the longest that may be quoted, inf for no limit; a stage that
            supplies nobody needs a limit.
        inbound_service_time: whole periods >= 0: the wait for a supplier outside the network.

    Raises:
        ValueError: a value out of range, shapes that do not fit, a lane to nowhere, a cycle.
    """

    lanes: Sequence[tuple[object, object]]
    processing_time: FloatArray
    holding_cost: FloatArray
    demand_sd: FloatArray
    demand_bound: FloatArray | float
    outbound_service_time: FloatArray
    inbound_service_time: FloatArray | float = 0.0
    names: Sequence[object] | None = None

    def __post_init__(self) -> None:
        n_stages = np.size(self.processing_time)
        rules = {
            "processing_time": "whole",
            "holding_cost": "not_negative",
            "demand_sd": "not_negative",
            "demand_bound": "positive",
            "outbound_service_time": "whole_or_inf",
            "inbound_service_time": "whole",
        }
        for name, rule in rules.items():
            object.__setattr__(self, name, checked(name, getattr(self, name), (n_stages,), rule))
        object.__setattr__(self, "names", tuple(range(n_stages)) if self.names is None else tuple(self.names))
        graph = self.graph()
        supplies_N = np.isin(np.arange(n_stages), graph.supplier_E)
        endless_N = np.isinf(self.outbound_service_time) & ((self.demand_sd > 0.0) | ~supplies_N)
        if endless_N.any():
            name = graph.names[int(np.argmax(endless_N))]
            raise ValueError(
                f"outbound_service_time: expected a finite time at a stage with demand, found inf at {name}"
            )
        longest = graph.longest_time(self.processing_time, np.asarray(self.inbound_service_time)).max()
        if longest > _MAX_TIME:
            raise ValueError(f"processing_time: expected at most {_MAX_TIME} periods along a path, found {longest:g}")

    def graph(self) -> Lanes:
        """The stages and lanes."""
        return Lanes.of(self.lanes, self.names or ())


@dataclass(frozen=True, slots=True)
class PlacedStock:
    """The best service times found, [N] each in periods, the safety stock in units that they need, and how good it is.

    cost: currency per period for holding the safety stock. bound: no service times cost less; gap = cost / bound - 1,
    0 where the plan is proven the best.
    """

    outbound_N: FloatArray
    inbound_N: FloatArray
    net_lead_time_N: FloatArray
    safety_stock_N: FloatArray
    cost: float
    bound: float

    @property
    def gap(self) -> float:
        return 0.0 if self.cost <= self.bound else self.cost / self.bound - 1.0 if self.bound > 0.0 else np.inf


def place_safety_stock(system: ServiceNetwork, limit_s: float = 60.0) -> PlacedStock:
    """Service times of least holding cost in an acyclic network; out of time, the best found and what it may miss.

    limit_s: seconds for branching, > 0; what comes before it takes about a second for a hundred stages.

    >>> diamond = ServiceNetwork(lanes=[(0, 1), (0, 2), (1, 3), (2, 3)], processing_time=[5, 1, 2, 1],
    ...     holding_cost=[1, 2, 2, 6], demand_sd=[0, 0, 0, 1], demand_bound=2.0,
    ...     outbound_service_time=[np.inf, np.inf, np.inf, 0])
    >>> found = place_safety_stock(diamond)
    >>> found.outbound_N.tolist(), round(found.cost, 4), found.gap
    ([0.0, 1.0, 2.0, 0.0], 29.7289, 0.0)
    """
    graph, started = system.graph(), time.perf_counter()
    programme = ServiceProgramme.of(
        graph,
        system.processing_time.astype(np.int64),
        np.asarray(system.inbound_service_time).astype(np.int64),
        np.minimum(system.outbound_service_time, _MAX_TIME).astype(np.int64),
        system.holding_cost * system.demand_bound * graph.pooled_sd(system.demand_sd),
    )
    relaxed = programme.relaxed()
    assert relaxed.x is not None
    rounded = [_placed(system, graph, outbound_N, relaxed.bound) for outbound_N in programme.roundings(relaxed.x)]
    best = min((_improved(system, graph, each) for each in _distinct(rounded)), key=lambda each: each.cost)
    if best.gap <= 1e-9:
        return best
    left_s = max(limit_s - (time.perf_counter() - started), 0.1)
    exact = programme.solved(relaxed, best.cost, left_s)
    bound = min(max(exact.bound, relaxed.bound), best.cost)
    if exact.x is not None:
        found = _placed(system, graph, next(programme.roundings(exact.x)), bound)
        best = min(best, found, key=lambda each: each.cost)
    return PlacedStock(best.outbound_N, best.inbound_N, best.net_lead_time_N, best.safety_stock_N, best.cost, bound)


def _placed(system: ServiceNetwork, graph: Lanes, outbound_N: FloatArray, bound: float) -> PlacedStock:
    """Stocks of given service times; no stage quotes more than its own replenishment takes."""
    inbound_N, outbound_N = np.array(system.inbound_service_time, dtype=np.float64), np.array(outbound_N, dtype=float)
    for stage in graph.downstream_N:
        inbound_N[stage] = max([inbound_N[stage], *outbound_N[graph.suppliers(stage)]])
        outbound_N[stage] = min(outbound_N[stage], inbound_N[stage] + system.processing_time[stage])
    net_N = inbound_N + system.processing_time - outbound_N
    stock_N = system.demand_bound * graph.pooled_sd(system.demand_sd) * np.sqrt(net_N)
    return PlacedStock(outbound_N, inbound_N, net_N, stock_N, float(system.holding_cost @ stock_N), bound)


def _distinct(plans: Sequence[PlacedStock]) -> list[PlacedStock]:
    return list({each.outbound_N.tobytes(): each for each in sorted(plans, key=lambda each: each.cost)}.values())[:5]


def _improved(system: ServiceNetwork, graph: Lanes, plan: PlacedStock) -> PlacedStock:
    """The plan after changing one stage's outbound time at a time, as long as that pays."""
    weight_N = system.holding_cost * system.demand_bound * graph.pooled_sd(system.demand_sd)
    outbound_N, time_N = plan.outbound_N.copy(), system.processing_time
    longest_N = graph.longest_time(time_N, np.asarray(system.inbound_service_time))
    others = {
        (stage, customer): graph.suppliers(customer)[graph.suppliers(customer) != stage]
        for stage in range(graph.n_stages)
        for customer in graph.customers(stage)
    }
    for _ in range(_ROUNDS):
        before = outbound_N.copy()
        for stage in graph.downstream_N[::-1]:
            inbound = max([np.asarray(system.inbound_service_time)[stage], *outbound_N[graph.suppliers(stage)]])
            most = min(system.outbound_service_time[stage], inbound + time_N[stage], longest_N[stage])
            quote_T = np.arange(int(most) + 1, dtype=np.float64)
            cost_T = weight_N[stage] * np.sqrt(inbound + time_N[stage] - quote_T)
            for customer in graph.customers(stage):
                wait = max([np.asarray(system.inbound_service_time)[customer], *outbound_N[others[stage, customer]]])
                net_T = np.maximum(quote_T, wait) + time_N[customer] - outbound_N[customer]
                cost_T = cost_T + np.where(net_T < 0.0, np.inf, weight_N[customer] * np.sqrt(np.maximum(net_T, 0.0)))
            outbound_N[stage] = quote_T[cost_T.argmin()]
        if np.array_equal(before, outbound_N):
            break
    found = _placed(system, graph, outbound_N, plan.bound)
    return found if found.cost < plan.cost else plan
