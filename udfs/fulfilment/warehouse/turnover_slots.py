"""Slots as warehouses have them today: what is picked most where one walks least."""

from __future__ import annotations

import numpy as np

from udfs.fulfilment.warehouse.layout import IntArray
from udfs.fulfilment.warehouse.slot_problem import NOWHERE, SlotProblem


def turnover_slots(problem: SlotProblem) -> IntArray:
    """[P] slots by turnover, aisle by aisle from the depot's.

    Fixed products stay. Each slot holds its product's litres; a product is NOWHERE where no slot holds it, or all are
    taken by what is picked more.
    """
    layout = problem.layout
    slot_P = np.where(problem.is_fixed_P, problem.present_P, NOWHERE)
    free = np.setdiff1d(np.arange(len(layout.slot_id_L)), slot_P)
    way = free[np.lexsort((layout.slot_position_L[free], np.abs(layout.slot_aisle_L[free] - layout.depot_aisle)))]
    size_C = np.unique(layout.slot_capacity_L[free])
    size_P = np.searchsorted(size_C, problem.volume_P)
    queues = [way[layout.slot_capacity_L[way] == size][::-1].tolist() for size in size_C]
    place = {slot: k for k, slot in enumerate(way.tolist())}
    waiting = np.flatnonzero(~problem.is_fixed_P & (size_P < len(size_C)))
    waiting = waiting[np.argsort(-problem.picks[waiting], kind="stable")]
    # By size: slots so large or larger that no product so large or larger needs (nested sets, Hall's condition).
    spare_C = np.cumsum([len(queue) for queue in queues][::-1])[::-1].copy()
    kept = []
    for p in waiting:
        if spare_C[: size_P[p] + 1].min() > 0:
            spare_C[: size_P[p] + 1] -= 1
            kept.append(p)
    for p in kept:
        chosen, least = NOWHERE, len(place)
        for size in range(size_P[p], len(size_C)):
            if size > size_P[p] and spare_C[size] < 1:
                break
            if queues[size] and place[queues[size][-1]] < least:
                chosen, least = size, place[queues[size][-1]]
        slot_P[p] = queues[chosen].pop()
        spare_C[size_P[p] + 1 : chosen + 1] -= 1
    return slot_P
