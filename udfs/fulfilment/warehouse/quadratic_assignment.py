"""Quadratic assignment by tabu searches on a small population, the same for a seed on any machine."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from udfs.fulfilment.warehouse.assignment_problem import FREE, Assignment, AssignmentProblem
from udfs.fulfilment.warehouse.layout import FloatArray, IntArray
from udfs.fulfilment.warehouse.swap_search import tabu_search

_BITS = 18  # to which numbers are rounded that are not whole
_PATIENCE = 5  # times the population: children in a row without a better one, before all but the best make room


@dataclass(frozen=True)
class AssignmentEffort:
    """iterations: swaps in all. stretch: of each tabu search. people: size of the population."""

    iterations: int = 200_000
    stretch: int = 5_000
    people: int = 10

    def __post_init__(self) -> None:
        if min(self.iterations, self.stretch, self.people) < 1:
            raise ValueError(f"effort: expected numbers from 1, found {self}")


def assign(
    problem: AssignmentProblem, effort: AssignmentEffort, seed: int = 0, start_F: IntArray | None = None
) -> Assignment:
    """The best assignment that the searches find. start_F: one to begin with; others begin at random.

    After U. Benlic and J. K. Hao, Memetic search for the quadratic assignment problem, Expert Systems with Applications
    42 (2015): a child has what two of the population agree on, and a place of either elsewhere; it is improved by tabu
    search and takes the worst one's place.
    """
    if problem.fixed_F is not None and (problem.fixed_F != FREE).all():
        return Assignment(problem.fixed_F, problem.cost(problem.fixed_F))
    search = _Search(problem, effort, seed)
    for number in range(-(-effort.iterations // effort.stretch)):
        search.step(search.part(start_F) if number == 0 and start_F is not None else None)
    location_F = search.whole(search.best)
    return Assignment(location_F, problem.cost(location_F))


class _Search:
    """A population [n] of places of the free facilities among the free locations, empty places being facilities too."""

    def __init__(self, problem: AssignmentProblem, effort: AssignmentEffort, seed: int) -> None:
        self.problem, self.effort, self.rng = problem, effort, np.random.default_rng(seed)
        n, m = len(problem.flow_FF), len(problem.distance_LL)
        self.fixed_F = np.full(n, FREE) if problem.fixed_F is None else problem.fixed_F
        self.free = np.flatnonzero(self.fixed_F == FREE)
        self.open = np.setdiff1d(np.arange(m), self.fixed_F)
        self.kernel = _whole_numbers(*self._reduced())
        self.people: list[tuple[int, IntArray]] = []
        self.stalled = 0

    def _reduced(self) -> tuple[FloatArray, FloatArray, FloatArray]:
        """Flow, distance and linear cost of what is free; what is fixed becomes linear, and empty places have no
        flow."""
        problem, size = self.problem, len(self.open)
        flow_FF, distance_LL = problem.flow_FF.astype(float), problem.distance_LL.astype(float)
        linear_FL = np.outer(np.diag(flow_FF), np.diag(distance_LL))
        if problem.linear_FL is not None:
            linear_FL += problem.linear_FL
        kept = np.flatnonzero(self.fixed_F != FREE)
        to_LK = distance_LL[:, self.fixed_F[kept]]
        from_KL = distance_LL[self.fixed_F[kept], :]
        linear_FL += flow_FF[:, kept] @ to_LK.T + flow_FF[kept, :].T @ from_KL
        flow, linear = np.zeros((size, size)), np.zeros((size, size))
        flow[: len(self.free), : len(self.free)] = flow_FF[np.ix_(self.free, self.free)]
        linear[: len(self.free)] = linear_FL[np.ix_(self.free, self.open)]
        return flow, distance_LL[np.ix_(self.open, self.open)], linear

    @property
    def best(self) -> IntArray:
        return self.people[0][1]

    def part(self, location_F: IntArray) -> IntArray:
        """The places of a whole assignment, empty ones behind it."""
        at = np.searchsorted(self.open, location_F[self.free])
        return np.concatenate([at, np.setdiff1d(np.arange(len(self.open)), at)])

    def whole(self, at_F: IntArray) -> IntArray:
        location_F = self.fixed_F.copy()
        location_F[self.free] = self.open[at_F[: len(self.free)]]
        return location_F

    def step(self, child: IntArray | None) -> None:
        """Improve a child, or a given assignment, and take it into the population."""
        if child is None:
            child = self._random() if len(self.people) < self.effort.people else self._child()
        flow, distance, linear, most = self.kernel
        at_F, number = child.copy(), int(self.rng.integers(2**32))
        tabu_search(flow, distance, linear, len(self.free), at_F, self.effort.stretch, number, most)
        self._take(at_F)

    def _random(self) -> IntArray:
        return self.rng.permutation(len(self.open))

    def _child(self) -> IntArray:
        """What two agree on; elsewhere a place of either that is left, or any."""
        one, other = (self.people[k][1] for k in self.rng.choice(len(self.people), 2, replace=False))
        child = np.where(one == other, one, FREE)
        is_taken_L = np.zeros(len(child), dtype=bool)
        is_taken_L[child[child != FREE]] = True
        for f in self.rng.permutation(np.flatnonzero(child == FREE)):
            places = [place for place in (one[f], other[f]) if not is_taken_L[place]]
            if places:
                child[f] = places[self.rng.integers(len(places))]
                is_taken_L[child[f]] = True
        child[child == FREE] = self.rng.permutation(np.flatnonzero(~is_taken_L))
        return child

    def _take(self, at_F: IntArray) -> None:
        """Into the population, unless it is in it or worse than all; what has long found nothing better is stirred."""
        cost, full = self._cost(at_F), len(self.people) >= self.effort.people
        self.stalled = 0 if not self.people or cost < self.people[0][0] else self.stalled + 1
        if not any(cost == known and (at_F == other).all() for known, other in self.people):
            self.people = sorted([*self.people, (cost, at_F)], key=lambda one: one[0])[: self.effort.people]
        if full and self.stalled > _PATIENCE * self.effort.people:
            self.stalled = 0
            self.people = self.people[:1]

    def _cost(self, at_F: IntArray) -> int:
        """In the kernel's whole numbers, twice the flows of each pair."""
        flow_PFF, distance_PLL, linear_FL, _ = self.kernel
        cost = 2 * int(linear_FL[np.arange(len(at_F)), at_F].sum(dtype=np.int64))
        for flow_FF, distance_LL in zip(flow_PFF, distance_PLL, strict=True):
            cost += int((flow_FF.astype(np.int64) * distance_LL[np.ix_(at_F, at_F)]).sum())
        return cost


def _whole_numbers(flow_FF: FloatArray, distance_LL: FloatArray, linear_FL: FloatArray) -> tuple[Any, Any, Any, Any]:
    """Flow and distance, one of them symmetric or both in a symmetric and a skew part, linear cost, and what is above
    all.

    A pair's cost is the product of its parts, once for both directions. Numbers that are not whole are rounded to 2^-18
    of the largest flow and distance.
    """
    values = (flow_FF, distance_LL, linear_FL)
    if not all((np.rint(each) == each).all() for each in values):
        scales = [2.0 ** (_BITS - np.ceil(np.log2(np.abs(each).max() or 1.0))) for each in values[:2]]
        flow_FF, distance_LL = np.rint(flow_FF * scales[0]), np.rint(distance_LL * scales[1])
        linear_FL = np.rint(np.clip(linear_FL * scales[0] * scales[1], -(2.0**57), 2.0**57))
    flows, distances, scale = [flow_FF + flow_FF.T], [distance_LL], 1.0
    if (distance_LL != distance_LL.T).any():
        flows, distances = [flow_FF], [distance_LL + distance_LL.T]
        if (flow_FF != flow_FF.T).any():
            flows, scale = [flow_FF + flow_FF.T, flow_FF - flow_FF.T], 2.0
            distances = [distance_LL + distance_LL.T, distance_LL - distance_LL.T]
    parts = zip(flows, distances, strict=True)
    largest = sum(np.abs(flow).sum(axis=1).max() * np.abs(distance).max() for flow, distance in parts)
    is_small = 8 * (largest + scale * np.abs(linear_FL).max()) < 2**31
    whole = np.int32 if is_small else np.int64
    flow_PFF, distance_PLL = np.array(flows).astype(whole), np.array(distances).astype(whole)
    for matrix in (*flow_PFF, *distance_PLL):
        np.fill_diagonal(matrix, 0)
    return flow_PFF, distance_PLL, (scale * linear_FL).astype(whole), whole(2**31 - 1 if is_small else 2**62)
