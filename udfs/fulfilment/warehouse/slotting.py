"""Which product lies in which slot: turnover, or a quadratic assignment of what is picked together, then swaps on
tours."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np

from udfs.fulfilment.warehouse.layout import FloatArray, IntArray
from udfs.fulfilment.warehouse.quadratic_assignment import FREE, AssignmentEffort, AssignmentProblem, assign
from udfs.fulfilment.warehouse.slot_problem import NOWHERE, SlotProblem
from udfs.fulfilment.warehouse.tour_swaps import EMPTY, anneal
from udfs.fulfilment.warehouse.turnover_slots import turnover_slots


@dataclass(frozen=True)
class SlotEffort:
    """assignment: of the quadratic assignment, for up to `most_assigned` products. swaps: tried on tours. heat: metres
    a day, as a share of all, that the first swaps may lose."""

    assignment: AssignmentEffort = field(default_factory=lambda: AssignmentEffort(20_000, 20_000, 1))
    most_assigned: int = 1_000
    swaps: int = 100_000
    heat: float = 2e-5

    def __post_init__(self) -> None:
        if self.swaps < 0 or self.most_assigned < 0 or not 0 <= self.heat < 1:
            raise ValueError(f"effort: expected numbers from 0 and a share below 1, found {self}")


def assign_slots(problem: SlotProblem, effort: SlotEffort, seed: int = 0) -> IntArray:
    """[P] slots of least walking, the same for a seed on any machine; NOWHERE as in `turnover_slots`.

    Swaps begin at turnover's slots and, for up to `effort.most_assigned` products, at affinity's too; where the
    history's tours end shorter counts. Neither start is better everywhere.
    """
    starts = [turnover_slots(problem)]
    if 1 < (starts[0] != NOWHERE).sum() <= effort.most_assigned:
        starts.append(affinity_slots(problem, starts[0], effort.assignment, seed))
    return min((swapped_slots(problem, slot_P, effort, seed) for slot_P in starts), key=problem.metres)


def swapped_slots(
    problem: SlotProblem, slot_P: IntArray, effort: SlotEffort, seed: int = 0, worth: float = 0.0
) -> IntArray:
    """[P] slots after swaps that shorten the history's tours. worth: metres a day that each product which leaves its
    present slot has to save."""
    offset_K, product_N, weight_K = problem.history.of_placed(slot_P)
    placed = slot_P != NOWHERE
    if not len(weight_K):
        return slot_P
    geometry = problem.layout.geometry
    rank_P = np.where(placed, geometry.rank_L[slot_P], 0).astype(np.int32)
    product_R = np.full(len(geometry.rank_L), EMPTY)
    product_R[rank_P[placed]] = np.flatnonzero(placed)
    tour_N = np.repeat(np.arange(len(weight_K)), np.diff(offset_K))
    pair_M = np.unique(product_N * len(weight_K) + tour_N)  # each tour once, however often it takes a product
    of_product_P = np.searchsorted(pair_M, np.arange(len(slot_P) + 1) * len(weight_K))
    free_F = np.flatnonzero(placed & ~problem.is_fixed_P & (problem.picks > 0))
    home_P = np.where(problem.present_P == NOWHERE, EMPTY, geometry.rank_L[problem.present_P])
    capacity_R = problem.layout.slot_capacity_L[geometry.slot_R]
    heat = effort.heat * problem.metres(slot_P)
    anneal(
        (offset_K, product_N, weight_K, of_product_P, pair_M % len(weight_K)),
        (problem.volume_P, capacity_R, problem.is_fixed_P, free_F, home_P),
        rank_P, product_R, geometry, worth, effort.swaps, heat, seed,
    )  # fmt: skip
    return np.where(placed, geometry.slot_R[rank_P], NOWHERE).astype(np.int64)


def affinity_slots(problem: SlotProblem, slot_P: IntArray, effort: AssignmentEffort, seed: int) -> IntArray:
    """The same slots, so shared out that what is picked together lies together, and what is picked much near the
    depot."""
    placed, layout = np.flatnonzero(slot_P != NOWHERE), problem.layout
    slots = np.sort(slot_P[placed])
    flow_FF, depot_F = _affinity(problem, slot_P)
    distance_NN = layout.distances(slots)
    distance_FF, from_depot_F = distance_NN[:-1, :-1], distance_NN[-1, :-1]
    linear_FF = depot_F[:, None] * from_depot_F[None, :]
    never = 1.0 + linear_FF.sum() + flow_FF.sum() * distance_FF.max()
    linear_FF[problem.volume_P[placed][:, None] > layout.slot_capacity_L[slots][None, :]] = never
    start_F = np.searchsorted(slots, slot_P[placed])
    fixed_F = np.where(problem.is_fixed_P[placed], start_F, FREE)
    found = assign(AssignmentProblem(flow_FF, distance_FF, linear_FF, fixed_F), effort, seed, start_F)
    slot_P = slot_P.copy()
    slot_P[placed] = slots[found.location_F]
    return slot_P


def _affinity(problem: SlotProblem, slot_P: IntArray) -> tuple[FloatArray, FloatArray]:
    """How often a day one walks between two placed products, and between each and the depot, were tours at random: a
    tour of m products has m + 1 ways of the m (m + 1) / 2 between its places."""
    offset_K, product_N, weight_K = problem.history.of_placed(slot_P)
    number_P = np.cumsum(slot_P != NOWHERE) - 1
    n = int(number_P[-1]) + 1
    flow_FF, depot_F = np.zeros((n, n)), np.zeros(n)
    for start, end, weight in zip(offset_K[:-1], offset_K[1:], weight_K, strict=True):
        products = number_P[product_N[start:end]]
        flow_FF[products[:, None], products[None, :]] += weight / (end - start)
        depot_F[products] += 2.0 * weight / (end - start)
    np.fill_diagonal(flow_FF, 0.0)
    return flow_FF, depot_F
