"""Small warehouses, and the shortest tour by another way: Held and Karp on distances between slots."""

from __future__ import annotations

import numba
import numpy as np

from udfs.fulfilment.warehouse.layout import Layout, layout_from_rows


def warehouse(aisles: int, depth: int, pitch: float = 5.0, depot: int = 0, cross_after: tuple[int, ...] = ()) -> Layout:
    """Aisles with bays of a metre and slots on both sides, without limits of size."""
    bay_L = np.tile(np.repeat(np.arange(1, depth + 1), 2), aisles)
    aisle_L = np.repeat(np.arange(aisles), 2 * depth)
    return layout_from_rows(
        [f"s{k}" for k in range(len(bay_L))], aisle_L, bay_L, np.full(len(bay_L), np.inf),
        bay_length=1.0, aisle_pitch=pitch, cross_after=cross_after, depot_aisle=depot,
    )  # fmt: skip


def held_karp(layout: Layout, slot_N: np.ndarray) -> float:
    """Metres of the shortest tour through different slots (Held and Karp 1962)."""
    return float(_held_karp(layout.distances(slot_N)))


@numba.njit(cache=True)
def _held_karp(distance_NN: np.ndarray) -> float:
    n = len(distance_NN) - 1
    best = np.full((1 << n, n), np.inf)
    for j in range(n):
        best[1 << j, j] = distance_NN[n, j]
    for visited in range(1, 1 << n):
        for j in range(n):
            for k in range(n):
                if visited >> j & 1 and not visited >> k & 1:
                    through = best[visited, j] + distance_NN[j, k]
                    if through < best[visited | 1 << k, k]:
                        best[visited | 1 << k, k] = through
    return (best[-1] + distance_NN[n, :n]).min()
