"""A tree of stages: who supplies whom, and an order in which a dynamic programme can take them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from operator import index

import numpy as np
from numpy.typing import NDArray

from udfs.inventory.demand_distribution import BoolArray, FloatArray

IntArray = NDArray[np.int64]


@dataclass(frozen=True, slots=True)
class Tree:
    """A directed tree of N stages. Build it with `Tree.of`.

    supplier_E, customer_E: both ends of each edge. order_N: the stages in an order in which every one but the last has
    a single neighbour that comes later (Graves & Willems 2000), which is next_N; is_next_downstream_N tells whether it
    is a customer. downstream_N: the stages with suppliers before customers.
    """

    supplier_E: IntArray
    customer_E: IntArray
    order_N: IntArray
    next_N: IntArray
    is_next_downstream_N: BoolArray
    downstream_N: IntArray

    @classmethod
    def of(cls, edges: Sequence[tuple[int, int]], n_nodes: int) -> Tree:
        """The tree of these (supplier, customer) edges between the stages 0..n_nodes-1; ValueError if it is none."""
        if n_nodes < 1:
            raise ValueError(f"stages: expected at least 1, found {n_nodes}")
        pairs = [(index(supplier), index(customer)) for supplier, customer in edges]
        for pair in pairs:
            if pair[0] == pair[1] or not all(0 <= node < n_nodes for node in pair):
                raise ValueError(f"edges: expected two different stages of 0 to {n_nodes - 1}, found {pair}")
        if len(pairs) != n_nodes - 1:
            raise ValueError(f"edges: expected {n_nodes - 1} for a tree of {n_nodes} stages, found {len(pairs)}")
        neighbours: list[set[int]] = [set() for _ in range(n_nodes)]
        for supplier, customer in pairs:
            neighbours[supplier].add(customer)
            neighbours[customer].add(supplier)
        order, following = _leaves_first(neighbours)
        if len(order) < n_nodes:
            missing = min(set(range(n_nodes)) - set(order))
            raise ValueError(
                f"edges: expected a connected tree without a cycle, found stage {missing} on or behind one"
            )
        ends = np.array(pairs, dtype=np.int64).reshape(-1, 2)
        down = [(k, following[k]) in set(pairs) for k in range(n_nodes)]
        return cls(
            ends[:, 0],
            ends[:, 1],
            np.array(order, dtype=np.int64),
            np.array(following, dtype=np.int64),
            np.array(down, dtype=np.bool_),
            np.array(_suppliers_first(pairs, n_nodes), dtype=np.int64),
        )

    def suppliers(self, node: int) -> IntArray:
        """The stages that supply `node`."""
        return self.supplier_E[self.customer_E == node]

    def longest_time(self, processing_time_N: FloatArray, inbound_N: FloatArray) -> FloatArray:
        """The longest replenishment time of each stage, [N]: no stage above it holds any stock."""
        longest_N = np.zeros(self.order_N.size)
        for node in self.downstream_N:
            wait = max([inbound_N[node], *(longest_N[k] for k in self.suppliers(node))])
            longest_N[node] = wait + processing_time_N[node]
        return longest_N

    def pooled_sd(self, sd_SN: FloatArray) -> FloatArray:
        """The standard deviation of the demand that reaches each stage, its own and all below it, [S, N]."""
        variance_SN = sd_SN * sd_SN
        for node in self.downstream_N[::-1]:
            for supplier in self.suppliers(node):
                variance_SN[:, supplier] += variance_SN[:, node]
        return np.sqrt(variance_SN)


def _leaves_first(neighbours: list[set[int]]) -> tuple[list[int], list[int]]:
    """Take off leaves until one stage is left; the order, and the neighbour left at each (-1 for the last).

    A graph with a cycle or of several parts yields fewer stages.
    """
    left = [set(near) for near in neighbours]
    following = [-1] * len(left)
    order: list[int] = []
    leaves = [k for k, near in enumerate(left) if len(near) == 1]
    while leaves:
        node = leaves.pop()
        if not left[node]:
            continue
        following[node] = left[node].pop()
        order.append(node)
        left[following[node]].discard(node)
        if len(left[following[node]]) == 1:
            leaves.append(following[node])
    last = [k for k in range(len(left)) if k not in set(order) and not left[k]]
    return order + last[:1], following


def _suppliers_first(pairs: list[tuple[int, int]], n_nodes: int) -> list[int]:
    waits = [0] * n_nodes
    for _, customer in pairs:
        waits[customer] += 1
    ready = [k for k in range(n_nodes) if waits[k] == 0]
    order: list[int] = []
    while ready:
        node = ready.pop()
        order.append(node)
        for supplier, customer in pairs:
            if supplier == node:
                waits[customer] -= 1
                if waits[customer] == 0:
                    ready.append(customer)
    return order
