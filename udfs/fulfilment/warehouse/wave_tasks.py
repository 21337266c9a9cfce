"""What is to be done in a warehouse day, by whom it can be done, and what a schedule of it is worth.

J tasks, U units (a picker, a packer, a door), P pairs of tasks of which one waits for the other. Times are whole
seconds of the day.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np

from udfs.fulfilment.warehouse.layout import FloatArray, IntArray

NOBODY = -1


@dataclass(frozen=True, eq=False)
class Units:
    """unit_id_U: names. kind_U: what a unit is, as a number from 0. open_U, close_U: seconds at which its shift begins
    and ends; what it does later is overtime, of which there may be any amount, but it counts.

    Raises ValueError naming the first unit that cannot be.
    """

    unit_id_U: tuple[str, ...]
    kind_U: IntArray
    open_U: IntArray
    close_U: IntArray

    def __post_init__(self) -> None:
        n = len(self.unit_id_U)
        for name in ("kind_U", "open_U", "close_U"):
            if getattr(self, name).shape != (n,):
                raise ValueError(f"{name}: expected {n} values, found {getattr(self, name).shape}")
        for u in np.flatnonzero((self.kind_U < 0) | (self.open_U < 0) | (self.close_U < self.open_U)):
            raise ValueError(
                f"{self.unit_id_U[u]}: expected a kind from 0 and a shift that ends after it begins, found kind "
                f"{self.kind_U[u]}, {self.open_U[u]} to {self.close_U[u]}"
            )


@dataclass(frozen=True, eq=False)
class Tasks:
    """task_id_J: names. kind_J: of the unit that does a task, or NOBODY. duration_J, release_J: seconds. due_J:
    seconds, inf where none is. weight_J: of a second late. first_P waits for nothing of then_P, which begins when it
    has ended.

    Raises ValueError naming the first task that cannot be, and a task that waits for itself.
    """

    task_id_J: tuple[str, ...]
    kind_J: IntArray
    duration_J: IntArray
    release_J: IntArray
    due_J: FloatArray
    weight_J: IntArray
    first_P: IntArray
    then_P: IntArray

    def __post_init__(self) -> None:
        n = len(self.task_id_J)
        for name in ("kind_J", "duration_J", "release_J", "due_J", "weight_J"):
            if getattr(self, name).shape != (n,):
                raise ValueError(f"{name}: expected {n} values, found {getattr(self, name).shape}")
        for name in ("duration_J", "release_J", "weight_J"):
            for j in np.flatnonzero(getattr(self, name) < 0):
                raise ValueError(f"{name}: expected 0 or more, found {getattr(self, name)[j]} for {self.task_id_J[j]}")
        for j in np.flatnonzero(np.isnan(self.due_J) | (self.kind_J < NOBODY)):
            raise ValueError(
                f"{self.task_id_J[j]}: expected a kind and a due time, found {self.kind_J[j]}, {self.due_J[j]}"
            )
        if len(self.first_P) != len(self.then_P) or not _inside(self.first_P, n) or not _inside(self.then_P, n):
            raise ValueError(f"first_P, then_P: expected pairs of tasks from 0 to {n - 1}")
        if len(self.in_order) < n:
            waits = sorted(set(range(n)) - set(self.in_order))
            raise ValueError(f"{self.task_id_J[waits[0]]}: expected tasks that do not wait for themselves")

    @cached_property
    def after(self) -> list[list[int]]:
        """Which tasks wait for each."""
        after: list[list[int]] = [[] for _ in self.task_id_J]
        for first, then in zip(self.first_P.tolist(), self.then_P.tolist(), strict=True):
            after[first].append(then)
        return after

    @cached_property
    def in_order(self) -> list[int]:
        """Tasks before those that wait for them; without those that wait for themselves."""
        waits_J = np.bincount(self.then_P, minlength=len(self.task_id_J))
        order = np.flatnonzero(waits_J == 0).tolist()
        for task in order:
            for then in self.after[task]:
                waits_J[then] -= 1
                if waits_J[then] == 0:
                    order.append(then)
        return order


@dataclass(frozen=True, eq=False)
class Schedule:
    """start_J, end_J: seconds. unit_J: row of the units, or NOBODY. method: which rule, or `cp_sat`. bound: below which
    no schedule's weighted lateness is. is_proven: none is better in both aims.
    """

    start_J: IntArray
    end_J: IntArray
    unit_J: IntArray
    method: str
    bound: float = 0.0
    is_proven: bool = False

    def late_s(self, tasks: Tasks) -> FloatArray:
        """[J] seconds after the due time."""
        return np.maximum(self.end_J - tasks.due_J, 0.0)

    def overtime_s(self, units: Units) -> IntArray:
        """[J] seconds of each task after the end of its unit's shift."""
        close_J = np.append(units.close_U, np.iinfo(np.int64).max)[self.unit_J]
        return np.maximum(self.end_J - np.maximum(self.start_J, close_J), 0)

    def aims(self, tasks: Tasks, units: Units) -> tuple[float, float]:
        """What a schedule shall have least of, the first first: weighted seconds late, seconds of overtime."""
        return float(tasks.weight_J @ self.late_s(tasks)), float(self.overtime_s(units).sum())


def check_kinds(tasks: Tasks, units: Units) -> None:
    """Raise ValueError naming the first task for which there is no unit."""
    missing = ~np.isin(tasks.kind_J, np.append(units.kind_U, NOBODY))
    for j in np.flatnonzero(missing):
        raise ValueError(f"{tasks.task_id_J[j]}: expected a unit of kind {tasks.kind_J[j]}, found none")


def _inside(tasks_P: IntArray, n: int) -> bool:
    return all(0 <= task < n for task in np.asarray(tasks_P).tolist())
