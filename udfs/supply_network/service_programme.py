"""The integer programme over service times of an acyclic network, and its relaxation."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import Bounds, LinearConstraint, linprog, milp
from scipy.sparse import csr_array

from udfs.inventory.demand_distribution import FloatArray
from udfs.supply_network.lanes import Lanes

IntArray = NDArray[np.int64]
_TOLERANCE = 1e-7


@dataclass(frozen=True, slots=True)
class Answer:
    """x: values of the columns, None where none were found. bound: no plan costs less. reduced_cost: of the columns."""

    x: FloatArray | None
    bound: float
    reduced_cost: FloatArray | None = None


@dataclass(frozen=True, slots=True)
class ServiceProgramme:
    """min cost x, equal x = one, lanes x <= 0, 0 <= x <= 1.

    Columns of a stage: pairs of its inbound and outbound time, then P(inbound >= t), t = 1.., then P(outbound >= t).
    `outbound`: the columns of the last, by stage.
    """

    cost: FloatArray
    equal: csr_array
    one: FloatArray
    lanes: csr_array
    is_pair: NDArray[np.bool_]
    outbound: tuple[IntArray, ...]

    @classmethod
    def of(
        cls, graph: Lanes, time_N: IntArray, least_N: IntArray, limit_N: IntArray, weight_N: FloatArray
    ) -> ServiceProgramme:
        """The programme of a network: processing times, least inbound and longest outbound times, all whole, [N], and
        what a stage's stock costs per root of a period, [N]."""
        longest_N = graph.longest_time(time_N.astype(np.float64), least_N.astype(np.float64)).astype(np.int64)
        limit_N = np.minimum(limit_N, longest_N)
        cost, entries, one, is_pair = [], _Entries(), [], []
        inbound, outbound = [], []
        column = row = 0
        for k in range(graph.n_stages):
            most_in, most_out = longest_N[k] - time_N[k], limit_N[k]
            in_P, out_P = _pairs(least_N[k], most_in, most_out, time_N[k])
            pair_P = column + np.arange(in_P.size)
            inbound.append(pair_P.size + column + np.arange(most_in))
            outbound.append(pair_P.size + column + most_in + np.arange(most_out))
            cost += [weight_N[k] * np.sqrt(in_P + time_N[k] - out_P), np.zeros(most_in + most_out)]
            is_pair += [np.ones(in_P.size, dtype=bool), np.zeros(most_in + most_out, dtype=bool)]
            for value_P, margin in ((in_P, inbound[k]), (out_P, outbound[k])):
                entries.add(row + value_P, pair_P, 1.0)
                entries.add(row + 1 + np.arange(margin.size), margin, -1.0)
                entries.add(row + np.arange(margin.size), margin, 1.0)
                one.append(np.eye(1, margin.size + 1)[0])
                row += margin.size + 1
            column += pair_P.size + most_in + most_out
        equal = entries.matrix(row, column)
        lanes = _lane_rows(graph, inbound, outbound, column)
        return cls(np.concatenate(cost), equal, np.concatenate(one), lanes, np.concatenate(is_pair), tuple(outbound))

    def relaxed(self) -> Answer:
        """The best fractional plan, and what each column would add to its cost."""
        rows = {"A_ub": self.lanes, "b_ub": np.zeros(self.lanes.shape[0])} if self.lanes.shape[0] else {}
        found = linprog(self.cost, **rows, A_eq=self.equal, b_eq=self.one, bounds=(0.0, 1.0), method="highs")
        if found.x is None:
            raise ValueError(f"no service times keep all limits: {found.message}")
        return Answer(found.x, float(found.fun), found.lower.marginals)

    def roundings(self, x: FloatArray) -> Iterator[FloatArray]:
        """Outbound times at each level at which margins are rounded up, [N]; each keeps every promise."""
        levels = np.unique(np.round(x[np.concatenate(self.outbound)], 6))
        for level in [1.0 - _TOLERANCE, *levels[(levels > _TOLERANCE) & (levels < 1.0 - _TOLERANCE)][::-1][:200]]:
            yield np.array([(x[margin] >= level - _TOLERANCE).sum() for margin in self.outbound], dtype=np.float64)

    def solved(self, relaxed: Answer, best_cost: float, limit_s: float) -> Answer:
        """The best whole plan below `best_cost` by branch and bound, without the columns that cannot be in one."""
        spare = best_cost - relaxed.bound
        assert relaxed.reduced_cost is not None
        can_use = ~self.is_pair | (relaxed.reduced_cost <= spare * (1.0 + 1e-6) + 1e-9)
        # Inbound times follow from whole outbound times: the least that the suppliers' allow is the cheapest.
        is_whole = np.zeros(self.cost.size, dtype=np.int64)
        is_whole[np.concatenate(self.outbound)] = 1
        constraints = [LinearConstraint(self.equal, self.one, self.one)]
        if self.lanes.shape[0]:
            constraints.append(LinearConstraint(self.lanes, -np.inf, 0.0))
        found = milp(
            self.cost,
            constraints=constraints,
            bounds=Bounds(0.0, can_use.astype(np.float64)),
            integrality=is_whole,
            options={"time_limit": limit_s, "mip_rel_gap": 1e-7},
        )
        bound = getattr(found, "mip_dual_bound", None)
        known = relaxed.bound if bound is None or not np.isfinite(bound) else float(bound)
        return Answer(found.x, best_cost if found.status == 2 else known)


def _pairs(least_in: int, most_in: int, most_out: int, processing: int) -> tuple[IntArray, IntArray]:
    """Inbound and outbound times that go together: none is quoted beyond the replenishment time."""
    in_AB, out_AB = np.meshgrid(np.arange(most_in + 1), np.arange(most_out + 1), indexing="ij")
    fits_AB = (in_AB >= least_in) & (out_AB <= in_AB + processing)
    return in_AB[fits_AB], out_AB[fits_AB]


def _lane_rows(graph: Lanes, inbound: list[IntArray], outbound: list[IntArray], n_columns: int) -> csr_array:
    """P(outbound of the supplier >= t) - P(inbound of the customer >= t) <= 0, a row for each lane and time."""
    entries, row = _Entries(), 0
    for supplier, customer in zip(graph.supplier_E, graph.customer_E, strict=True):
        n_times = outbound[supplier].size
        entries.add(row + np.arange(n_times), outbound[supplier], 1.0)
        entries.add(row + np.arange(n_times), inbound[customer][:n_times], -1.0)
        row += n_times
    return entries.matrix(row, n_columns)


class _Entries:
    """Entries of a sparse matrix, gathered."""

    def __init__(self) -> None:
        self._row: list[IntArray] = [np.empty(0, dtype=np.int64)]
        self._column: list[IntArray] = [np.empty(0, dtype=np.int64)]
        self._value: list[FloatArray] = [np.empty(0)]

    def add(self, row: IntArray, column: IntArray, value: float) -> None:
        self._row.append(row)
        self._column.append(column)
        self._value.append(np.full(row.size, value))

    def matrix(self, n_rows: int, n_columns: int) -> csr_array:
        places = np.concatenate(self._row), np.concatenate(self._column)
        return csr_array((np.concatenate(self._value), places), shape=(n_rows, n_columns))
