"""Who supplies whom: stages and the lanes between them, without a cycle."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from graphlib import CycleError, TopologicalSorter

import numpy as np
from numpy.typing import NDArray

from udfs.inventory.demand_distribution import FloatArray

IntArray = NDArray[np.int64]


@dataclass(frozen=True, slots=True)
class Lanes:
    """An acyclic network of N stages and E lanes. Build it with `Lanes.of`.

    names: of the stages. supplier_E, customer_E: numbers of the stages at both ends. downstream_N: the stages in an
    order with suppliers before customers.
    """

    names: tuple[str, ...]
    supplier_E: IntArray
    customer_E: IntArray
    downstream_N: IntArray

    @classmethod
    def of(cls, lanes: Sequence[tuple[object, object]], names: Sequence[object]) -> Lanes:
        """The network of these (supplier, customer) pairs of names.

        Raises ValueError naming a lane to nowhere, one that stands twice, a stage named twice, or a cycle.
        """
        place = {name: k for k, name in enumerate(names)}
        if not names or len(place) != len(names):
            raise ValueError(f"stages: expected at least one, each named once, found {list(names)}")
        for lane in lanes:
            if nowhere := [end for end in lane if end not in place]:
                raise ValueError(
                    f"lane {lane[0]} -> {lane[1]} leads to nowhere: expected two of the stages {list(names)[:20]}, "
                    f"found {nowhere[0]!r}; declare the stage or take the lane out"
                )
        pairs = [(place[supplier], place[customer]) for supplier, customer in lanes]
        if twice := [lane for k, lane in enumerate(lanes) if pairs[k] in pairs[:k]]:
            raise ValueError(f"lane {twice[0][0]} -> {twice[0][1]}: expected it once, found it twice")
        ends = np.array(pairs, dtype=np.int64).reshape(-1, 2)
        order = _suppliers_first(pairs, [str(name) for name in names])
        return cls(tuple(map(str, names)), ends[:, 0].copy(), ends[:, 1].copy(), np.array(order, dtype=np.int64))

    @property
    def n_stages(self) -> int:
        return len(self.names)

    def suppliers(self, stage: int) -> IntArray:
        """The stages that supply `stage`."""
        return self.supplier_E[self.customer_E == stage]

    def customers(self, stage: int) -> IntArray:
        """The stages that `stage` supplies."""
        return self.customer_E[self.supplier_E == stage]

    def longest_time(self, processing_time_N: FloatArray, inbound_N: FloatArray) -> FloatArray:
        """The longest replenishment time of each stage, [N]: no stage above it holds any stock."""
        longest_N = np.zeros(self.n_stages)
        for stage in self.downstream_N:
            wait = max([inbound_N[stage], *longest_N[self.suppliers(stage)]])
            longest_N[stage] = wait + processing_time_N[stage]
        return longest_N

    def paths(self) -> FloatArray:
        """Lanes' paths from stage to stage, [N, N] (from, to), 1 to itself: units there for a unit of demand here."""
        paths_NN = np.eye(self.n_stages)
        for stage in self.downstream_N[::-1]:
            paths_NN[stage] += paths_NN[self.customers(stage)].sum(axis=0)
        return paths_NN

    def pooled_sd(self, sd_N: FloatArray) -> FloatArray:
        """The standard deviation of the demand that reaches each stage, its own and all below it, [N].

        Demands from outside are independent; each unit of a stage takes one of every stage that supplies it, so that
        demand which reaches a stage by two paths counts twice.
        """
        return np.asarray(np.sqrt((self.paths() * sd_N) ** 2 @ np.ones(self.n_stages)))


def _suppliers_first(pairs: Sequence[tuple[int, int]], names: Sequence[str]) -> list[int]:
    sorter: TopologicalSorter[int] = TopologicalSorter({k: [] for k in range(len(names))})
    for supplier, customer in pairs:
        sorter.add(customer, supplier)
    try:
        return list(sorter.static_order())
    except CycleError as error:
        way = " -> ".join(names[k] for k in error.args[1])
        raise ValueError(
            f"network: expected no cycle, found {way}; goods must not come back to where they left"
        ) from None
