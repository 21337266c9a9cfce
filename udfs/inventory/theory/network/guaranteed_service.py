"""Where to hold safety stock in a tree of stages that promise one another fixed service times.

The guaranteed-service model: each stage quotes an outbound service time and meets it as long as demand stays within
its bound, z standard deviations. Its safety stock covers the net lead time, inbound service time + processing time -
outbound service time. The dynamic programme of Graves & Willems (2000, erratum 2003) finds the service times of least
holding cost on a tree; on a line it is that of Inderfurth (1991). Notation of Snyder & Shen (2019), section 6.3.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numba
import numpy as np
from numpy.typing import ArrayLike, NDArray

from udfs.inventory.demand_distribution import FloatArray
from udfs.inventory.theory.network.network_values import checked, common_shape
from udfs.inventory.theory.network.tree import Tree
from udfs.series.series_threads import over_series

IntArray = NDArray[np.int64]
_MAX_TIME = 5000  # periods from the first supplier to the last customer; more is a unit error


@dataclass(frozen=True, slots=True)
class ServiceTree:
    """A tree of N stages that S SKUs share; each SKU has its own costs and demand.

    Attributes:
        edges: (supplying stage, supplied stage) pairs of numbers 0..N-1 that form a tree; lines and single stages are
            trees, and a stage may have several suppliers and several customers.
        processing_time: [N], whole periods >= 0, from having all inputs to being able to serve.
        holding_cost: >= 0, currency per unit and period at the stage, [S, N] or [N].
        demand_sd: >= 0, standard deviation of the demand per period from outside at the stage, [S, N] or [N]; demands
            of different stages are independent.
        demand_bound: z > 0, standard deviations of demand that are guaranteed, [S, N], [N] or a number.
        inbound_service_time: [N] or a number, whole periods >= 0: the wait for a supplier outside the tree, 0 if none.
        outbound_service_time: [N] or a number, whole periods >= 0: the longest time that may be quoted, inf for no
            limit. A stage with demand from outside needs a limit, or it would promise to be late and hold nothing.

    Raises:
        ValueError: a value out of range, shapes that do not fit, edges that form no tree.
    """

    edges: Sequence[tuple[int, int]]
    processing_time: FloatArray
    holding_cost: FloatArray
    demand_sd: FloatArray
    demand_bound: FloatArray
    outbound_service_time: FloatArray
    inbound_service_time: FloatArray | float = 0.0

    def __post_init__(self) -> None:
        per_sku = {"holding_cost": self.holding_cost, "demand_sd": self.demand_sd, "demand_bound": self.demand_bound}
        n_nodes = np.size(self.processing_time)
        shape_SN = common_shape({**per_sku, "processing_time": self.processing_time}, 2)
        put = object.__setattr__
        rules = {"holding_cost": "not_negative", "demand_sd": "not_negative", "demand_bound": "positive"}
        for name, values in per_sku.items():
            put(self, name, checked(name, values, shape_SN, rules[name]))
        put(self, "processing_time", checked("processing_time", self.processing_time, (n_nodes,), "whole"))
        put(
            self,
            "inbound_service_time",
            checked("inbound_service_time", self.inbound_service_time, (n_nodes,), "whole"),
        )
        put(
            self,
            "outbound_service_time",
            checked("outbound_service_time", self.outbound_service_time, (n_nodes,), "whole_or_inf"),
        )
        has_demand_N = (self.demand_sd > 0.0).any(axis=0)
        endless = np.flatnonzero(has_demand_N & np.isinf(self.outbound_service_time))
        if endless.size:
            raise ValueError(
                f"outbound_service_time: expected a finite time at a stage with demand, found inf at [{endless[0]}]"
            )
        longest = self.tree().longest_time(self.processing_time, np.asarray(self.inbound_service_time)).max()
        if longest > _MAX_TIME:
            raise ValueError(f"processing_time: expected at most {_MAX_TIME} periods along a path, found {longest:g}")

    def tree(self) -> Tree:
        """The shape of the tree."""
        return Tree.of(self.edges, np.size(self.processing_time))


@dataclass(frozen=True, slots=True)
class ServiceTimes:
    """The service times of least cost, and the safety stock that they need; [S, N] each, cost_S [S].

    outbound_SN, inbound_SN, net_lead_time_SN: periods. safety_stock_SN: units, z sd sqrt(net lead time).
    cost_S: currency per period for holding the safety stock.
    """

    outbound_SN: FloatArray
    inbound_SN: FloatArray
    net_lead_time_SN: FloatArray
    safety_stock_SN: FloatArray
    cost_S: FloatArray


def place_safety_stock(system: ServiceTree) -> ServiceTimes:
    """Service times of least holding cost on a tree (Graves & Willems 2000), for every SKU.

    >>> system = ServiceTree(  # Snyder & Shen (2019), example 6.5: stage 0 supplies 1, and 1 supplies 2 and 3
    ...     edges=[(0, 1), (1, 2), (1, 3)], processing_time=[2, 1, 1, 1], holding_cost=[1, 2, 3, 3],
    ...     demand_sd=[0, 0, 1, 1], demand_bound=1, inbound_service_time=[1, 0, 0, 0],
    ...     outbound_service_time=[np.inf, np.inf, 0, 1])
    >>> times = place_safety_stock(system)
    >>> times.outbound_SN.tolist(), times.cost_S.round(4).tolist()
    ([[0.0, 0.0, 0.0, 1.0]], [8.2779])
    """
    tree = system.tree()
    inbound_N = np.asarray(system.inbound_service_time).astype(np.int64)
    time_N = system.processing_time.astype(np.int64)
    longest_N = tree.longest_time(system.processing_time, np.asarray(system.inbound_service_time)).astype(np.int64)
    limit_N = np.minimum(system.outbound_service_time, longest_N).astype(np.int64)
    sd_SN = tree.pooled_sd(system.demand_sd)
    weight_SN = system.holding_cost * system.demand_bound * sd_SN
    n_series, n_nodes = weight_SN.shape
    best_SN = np.empty((n_series, n_nodes), dtype=np.int64)

    def kernel(start: int, stop: int) -> None:
        _best_times(
            tree.order_N, tree.next_N, tree.is_next_downstream_N, time_N, inbound_N, limit_N, longest_N,
            weight_SN[start:stop], best_SN[start:stop],
        )  # fmt: skip

    over_series(kernel, n_series)
    return _service(system, tree, best_SN.astype(np.float64), sd_SN)


def service_cost(system: ServiceTree, outbound_SN: ArrayLike) -> ServiceTimes:
    """Safety stock and cost of given outbound service times, [S, N] or [N], whole periods within their limits.

    A time longer than a stage's inbound service time + processing time is cut to that. ValueError beyond the limits.
    """
    outbound_SN = checked("outbound_SN", outbound_SN, system.holding_cost.shape, "whole")
    late = np.argwhere(outbound_SN > system.outbound_service_time)
    if late.size:
        s, n = (int(k) for k in late[0])
        raise ValueError(
            f"outbound_SN: expected at most {system.outbound_service_time[n]:g} at stage {n}, "
            f"found {outbound_SN[s, n]:g} at [{s}, {n}]"
        )
    tree = system.tree()
    return _service(system, tree, outbound_SN, tree.pooled_sd(system.demand_sd))


def _service(system: ServiceTree, tree: Tree, outbound_SN: FloatArray, sd_SN: FloatArray) -> ServiceTimes:
    """Stocks of given service times, from the suppliers down: no stage quotes more than its own replenishment takes."""
    inbound_SN = np.empty_like(outbound_SN)
    inbound_SN[:] = system.inbound_service_time
    for node in tree.downstream_N:
        for supplier in tree.suppliers(node):
            inbound_SN[:, node] = np.maximum(inbound_SN[:, node], outbound_SN[:, supplier])
        outbound_SN[:, node] = np.minimum(outbound_SN[:, node], inbound_SN[:, node] + system.processing_time[node])
    net_SN = inbound_SN + system.processing_time - outbound_SN
    stock_SN = system.demand_bound * sd_SN * np.sqrt(net_SN)
    return ServiceTimes(outbound_SN, inbound_SN, net_SN, stock_SN, (system.holding_cost * stock_SN).sum(axis=1))


@numba.njit(cache=True, nogil=True, error_model="numpy")
def _best_times(  # type: ignore[no-untyped-def]
    order_N, next_N, is_next_downstream_N, time_N, inbound_N, limit_N, longest_N, weight_SN, best_SN
):
    """Fill the best outbound service times of a slice of SKUs.

    Stages come in an order in which each has one neighbour left, `next_N`. If that is a customer, a stage reports its
    subtree's least cost per outbound time that it quotes, else per inbound time that it is quoted. An upstream
    neighbour may quote less than the stage's inbound time, a downstream one may be quoted more than its outbound time.
    """
    n_nodes, n_times = order_N.size, longest_N.max() + 1
    root_time = np.sqrt(np.arange(n_times).astype(np.float64))
    suppliers_NT, customers_NT = np.empty((n_nodes, n_times)), np.empty((n_nodes, n_times))
    own_NT = np.empty((n_nodes, n_times), dtype=np.int64)
    reported_NT = np.empty((n_nodes, n_times), dtype=np.int64)
    cost_T = np.empty(n_times)
    for s in range(weight_SN.shape[0]):
        suppliers_NT[:], customers_NT[:] = 0.0, 0.0
        for k in order_N:
            root_T = weight_SN[s, k] * root_time
            most_in = longest_N[k] - time_N[k]
            down = is_next_downstream_N[k]
            _least_cost(
                root_T, suppliers_NT[k], customers_NT[k], time_N[k], inbound_N[k], most_in, limit_N[k], down, cost_T,
                own_NT[k],
            )  # fmt: skip
            if down:
                _add_least_up_to(cost_T, suppliers_NT[next_N[k]], reported_NT[k])
            elif next_N[k] >= 0:
                _add_least_from(cost_T, customers_NT[next_N[k]], reported_NT[k])
        _trace(order_N, next_N, is_next_downstream_N, own_NT, reported_NT, np.argmin(cost_T), best_SN[s])


@numba.njit(cache=True, nogil=True, error_model="numpy")
def _least_cost(  # type: ignore[no-untyped-def]
    root_T, suppliers_T, customers_T, time, least_in, most_in, limit, by_outbound, cost_T, other_T
):
    """A subtree's least cost per outbound time (or per inbound time) of its stage, and the other time that gives it."""
    cost_T[:] = np.inf
    for inbound in range(least_in, most_in + 1):
        for outbound in range(min(limit, inbound + time) + 1):
            value = root_T[inbound + time - outbound] + suppliers_T[inbound] + customers_T[outbound]
            own, other = (outbound, inbound) if by_outbound else (inbound, outbound)
            if value < cost_T[own]:
                cost_T[own], other_T[own] = value, other


@numba.njit(cache=True, nogil=True, error_model="numpy")
def _add_least_up_to(cost_T, sum_T, where_T):  # type: ignore[no-untyped-def]
    """Add to sum(t) the least cost of a time up to t, and remember that time."""
    best = 0
    for t in range(cost_T.size):
        if cost_T[t] < cost_T[best]:
            best = t
        sum_T[t] += cost_T[best]
        where_T[t] = best


@numba.njit(cache=True, nogil=True, error_model="numpy")
def _add_least_from(cost_T, sum_T, where_T):  # type: ignore[no-untyped-def]
    """Add to sum(t) the least cost of a time from t on, and remember that time.

    Times above the longest that the stage can be quoted stay infinite; none of its suppliers quotes them.
    """
    best = cost_T.size - 1
    while cost_T[best] == np.inf:
        best -= 1
    for t in range(cost_T.size - 1, -1, -1):
        if t <= best and cost_T[t] <= cost_T[best]:
            best = t
        sum_T[t] += cost_T[best]
        where_T[t] = best


@numba.njit(cache=True, nogil=True, error_model="numpy")
def _trace(order_N, next_N, is_next_downstream_N, own_NT, reported_NT, best_inbound, best_N):  # type: ignore[no-untyped-def]
    """Read the chosen outbound times from the last stage back to the first."""
    inbound_N = np.empty_like(best_N)
    last = order_N[-1]
    inbound_N[last], best_N[last] = best_inbound, own_NT[last, best_inbound]
    for i in range(order_N.size - 2, -1, -1):
        k = order_N[i]
        if is_next_downstream_N[k]:
            best_N[k] = reported_NT[k, inbound_N[next_N[k]]]
            inbound_N[k] = own_NT[k, best_N[k]]
        else:
            inbound_N[k] = reported_NT[k, best_N[next_N[k]]]
            best_N[k] = own_NT[k, inbound_N[k]]
