"""Where a warehouse's slots are, and how far one walks between them.

Parallel aisles run from the front cross aisle to the back one; further cross aisles part them into blocks. A picker
walks in the middle of an aisle, reaches both sides, and starts and ends at the front end of the depot's aisle.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

FloatArray = NDArray[np.float64]
IntArray = NDArray[np.int64]


class Geometry(NamedTuple):
    """What the kernels know of a layout. Slots count by rank: aisle by aisle, from the front to the back."""

    rank_L: NDArray[np.int32]
    slot_R: NDArray[np.int32]
    aisle_R: NDArray[np.int32]
    position_R: FloatArray
    cross_C: FloatArray
    pitch: float
    depot: int
    n_aisles: int


@dataclass(frozen=True, eq=False)
class Layout:
    """L slots. slot_id_L: names. slot_aisle_L: which aisle, from 0. slot_position_L: metres from the front cross aisle.
    slot_capacity_L: litres (inf where nobody states them). cross_C: metres of the cross aisles, rising, the first 0 and
    the last the length of the aisles. aisle_pitch: metres from one aisle to the next. depot_aisle: where tours begin.

    Raises ValueError naming the slot whose aisle, position or capacity cannot be.
    """

    slot_id_L: tuple[str, ...]
    slot_aisle_L: IntArray
    slot_position_L: FloatArray
    slot_capacity_L: FloatArray
    cross_C: tuple[float, ...]
    aisle_pitch: float
    depot_aisle: int = 0

    def __post_init__(self) -> None:
        cross_C = np.array(self.cross_C)
        if len(cross_C) < 2 or cross_C[0] != 0 or not np.isfinite(cross_C).all() or (np.diff(cross_C) <= 0).any():
            raise ValueError(f"cross_C: expected rising metres from 0 to the aisles' length, found {self.cross_C}")
        if not 0 < self.aisle_pitch < np.inf:
            raise ValueError(f"aisle_pitch: expected metres above 0, found {self.aisle_pitch}")
        if self.depot_aisle < 0:
            raise ValueError(f"depot_aisle: expected 0 or more, found {self.depot_aisle}")
        if len(set(self.slot_id_L)) < len(self.slot_id_L):
            raise ValueError("slot_id_L: expected each slot once")
        self._check("slot_aisle_L", self.slot_aisle_L >= 0, "0 or more")
        inside_L = (self.slot_position_L >= 0) & (self.slot_position_L <= cross_C[-1])
        self._check("slot_position_L", inside_L, f"0 to {cross_C[-1]:g} metres")
        self._check("slot_capacity_L", self.slot_capacity_L > 0, "litres above 0")

    def _check(self, name: str, is_right_L: NDArray[np.bool_], expected: str) -> None:
        if is_right_L.shape != (len(self.slot_id_L),):
            raise ValueError(f"{name}: expected {len(self.slot_id_L)} values, found {is_right_L.shape}")
        if not is_right_L.all():
            at = int(np.argmin(is_right_L))
            raise ValueError(f"{name}: expected {expected}, found {getattr(self, name)[at]} for {self.slot_id_L[at]}")

    @property
    def is_one_block(self) -> bool:
        return len(self.cross_C) == 2

    @cached_property
    def geometry(self) -> Geometry:
        slot_R = np.lexsort((self.slot_position_L, self.slot_aisle_L))
        rank_L = np.empty_like(slot_R)
        rank_L[slot_R] = np.arange(len(slot_R))
        return Geometry(
            rank_L.astype(np.int32),
            slot_R.astype(np.int32),
            self.slot_aisle_L[slot_R].astype(np.int32),
            self.slot_position_L[slot_R].astype(np.float64),
            np.array(self.cross_C, dtype=np.float64),
            float(self.aisle_pitch),
            int(self.depot_aisle),
            int(max(self.slot_aisle_L.max(initial=0), self.depot_aisle)) + 1,
        )

    def distances(self, slot_N: IntArray) -> FloatArray:
        """[N + 1, N + 1] metres on foot between some slots, the depot last."""
        aisle_N = np.append(self.slot_aisle_L[slot_N], self.depot_aisle)
        at_N = np.append(self.slot_position_L[slot_N], 0.0)
        along_NN = np.abs(at_N[:, None] - at_N[None, :])
        for_cross = [np.abs(at_N[:, None] - c) + np.abs(at_N[None, :] - c) for c in self.cross_C]
        around_NN = np.minimum.reduce(for_cross) + self.aisle_pitch * np.abs(aisle_N[:, None] - aisle_N[None, :])
        return np.asarray(np.where(aisle_N[:, None] == aisle_N[None, :], along_NN, around_NN))


def layout_from_rows(
    slot_id: Sequence[str],
    aisle: Sequence[int] | Sequence[str],
    position: Sequence[int],
    capacity: Sequence[float],
    *,
    bay_length: float,
    aisle_pitch: float,
    cross_after: Sequence[int] = (),
    depot_aisle: int | str | None = None,
) -> Layout:
    """A layout from the rows of the feed `slots`.

    aisle, position: as on the shelves. Aisles stand beside each other in the order of their names or numbers; bays are
    counted from the front and `bay_length` metres long, and one bay's length is left before the first and after the
    last. cross_after: bays behind which a cross aisle, of a bay's width, parts the block. depot_aisle: without it the
    first.
    """
    if not len(aisle):
        raise ValueError("slots: expected at least one row, found none")
    name_A, aisle_L = np.unique(np.asarray(aisle), return_inverse=True)
    depot = 0 if depot_aisle is None else int(np.searchsorted(name_A, depot_aisle))
    if depot_aisle is not None and (depot == len(name_A) or name_A[depot] != depot_aisle):
        raise ValueError(f"depot_aisle: expected an aisle of the feed slots, found {depot_aisle}")
    bay_L = np.asarray(position, dtype=np.int64)
    first, last = int(bay_L.min()), int(bay_L.max())
    cuts = np.array(sorted(set(cross_after)), dtype=np.int64)
    if len(cuts) and not (first <= cuts[0] and cuts[-1] < last):
        raise ValueError(f"cross_after: expected bays from {first} to {last - 1}, found {tuple(cross_after)}")
    step_L = bay_L - first + 1 + np.searchsorted(cuts, bay_L, side="left")
    cross = [0, *(cuts - first + 2 + np.arange(len(cuts))), last - first + 2 + len(cuts)]
    return Layout(
        slot_id_L=tuple(slot_id),
        slot_aisle_L=aisle_L.astype(np.int64),
        slot_position_L=(step_L * float(bay_length)).astype(np.float64),
        slot_capacity_L=np.asarray(capacity, dtype=np.float64),
        cross_C=tuple(float(step * bay_length) for step in cross),
        aisle_pitch=float(aisle_pitch),
        depot_aisle=depot,
    )
