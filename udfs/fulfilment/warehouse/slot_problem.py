"""What is known of products and slots before they are put together: sizes, present places, what is picked together."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from udfs.fulfilment.warehouse.layout import FloatArray, IntArray, Layout
from udfs.fulfilment.warehouse.tour_swaps import all_tours

NOWHERE = -1
_RAKE_ROUNDS = 20


@dataclass(frozen=True, eq=False)
class PickHistory:
    """What was picked together: tour k took product_N[offset_K[k] : offset_K[k + 1]] and stands for weight_K tours a
    day."""

    offset_K: IntArray
    product_N: IntArray
    weight_K: FloatArray

    def __post_init__(self) -> None:
        n = len(self.product_N)
        if len(self.offset_K) != len(self.weight_K) + 1 or self.offset_K[0] != 0 or self.offset_K[-1] != n:
            raise ValueError(f"offset_K: expected {len(self.weight_K) + 1} values from 0 to {n}, found {self.offset_K}")
        if (np.diff(self.offset_K) < 1).any() or not np.isfinite(self.weight_K).all() or (self.weight_K < 0).any():
            raise ValueError("history: expected tours with products and weights from 0")

    def for_demand(self, demand_P: FloatArray) -> PickHistory:
        """The same tours, so weighted that each product is picked about as often a day as demand_P says.

        Weights are raked: each tour's is multiplied by the mean ratio of its products. What was never picked goes by
        itself.
        """
        weight_K, sizes_K = self.weight_K.copy(), np.diff(self.offset_K)
        tour_N = np.repeat(np.arange(len(sizes_K)), sizes_K)
        for _ in range(_RAKE_ROUNDS):
            picked_P = np.bincount(self.product_N, weight_K[tour_N], minlength=len(demand_P))
            ratio_P = np.divide(demand_P, picked_P, out=np.zeros_like(demand_P), where=picked_P > 0)
            weight_K *= np.bincount(tour_N, ratio_P[self.product_N], minlength=len(sizes_K)) / sizes_K
        never = np.setdiff1d(np.flatnonzero(demand_P > 0), self.product_N)
        return PickHistory(
            np.concatenate([self.offset_K, self.offset_K[-1] + 1 + np.arange(len(never))]),
            np.concatenate([self.product_N, never]),
            np.concatenate([weight_K, demand_P[never]]),
        )

    def of_placed(self, slot_P: IntArray) -> tuple[IntArray, IntArray, FloatArray]:
        """Offsets, products and weights of the tours without products that are nowhere."""
        is_placed_N = slot_P[self.product_N] != NOWHERE
        tour_N = np.repeat(np.arange(len(self.weight_K)), np.diff(self.offset_K))[is_placed_N]
        sizes_K = np.bincount(tour_N, minlength=len(self.weight_K))
        offset_K = np.concatenate([[0], np.cumsum(sizes_K[sizes_K > 0])])
        return offset_K, self.product_N[is_placed_N], self.weight_K[sizes_K > 0]


@dataclass(frozen=True, eq=False)
class SlotProblem:
    """P products, one a slot. volume_P: litres that the slot has to hold. present_P: slot where a product is, or
    NOWHERE. is_fixed_P: it stays there.

    Raises ValueError on two products in a slot, and on a fixed one that is nowhere.
    """

    layout: Layout
    volume_P: FloatArray
    present_P: IntArray
    is_fixed_P: NDArray[np.bool_]
    history: PickHistory

    def __post_init__(self) -> None:
        n, used = len(self.volume_P), self.present_P[self.present_P != NOWHERE]
        if self.present_P.shape != (n,) or self.is_fixed_P.shape != (n,):
            raise ValueError(f"present_P, is_fixed_P: expected {n} values")
        if len(used) and (used.min() < 0 or used.max() >= len(self.layout.slot_id_L)):
            raise ValueError(f"present_P: expected slots of the layout, found {used.min()} to {used.max()}")
        if len(np.unique(used)) < len(used):
            raise ValueError("present_P: expected one product a slot")
        if (self.is_fixed_P & (self.present_P == NOWHERE)).any():
            raise ValueError("is_fixed_P: expected products that are somewhere")
        if not (np.isfinite(self.volume_P) & (self.volume_P >= 0)).all():
            raise ValueError("volume_P: expected litres from 0")

    @cached_property
    def picks(self) -> FloatArray:
        """[P] picks a day."""
        history = self.history
        weight_N = np.repeat(history.weight_K, np.diff(history.offset_K))
        found: FloatArray = np.bincount(history.product_N, weight_N, len(self.volume_P)).astype(np.float64)
        return found

    def metres(self, slot_P: IntArray) -> float:
        """Metres a day of the history's tours with products so placed."""
        offset_K, product_N, weight_K = self.history.of_placed(slot_P)
        if not len(weight_K):
            return 0.0
        rank_P = np.where(slot_P == NOWHERE, 0, self.layout.geometry.rank_L[slot_P]).astype(np.int32)
        return float(weight_K @ all_tours(offset_K, product_N, rank_P, self.layout.geometry))
