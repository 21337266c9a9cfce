"""Waves to pickers, packers and doors by CP-SAT: weighted lateness first, then overtime."""

from __future__ import annotations

from dataclasses import replace
from types import ModuleType
from typing import Any, cast

import numpy as np

from udfs.fulfilment.warehouse.dispatch_rules import best_rule
from udfs.fulfilment.warehouse.layout import IntArray
from udfs.fulfilment.warehouse.wave_tasks import NOBODY, Schedule, Tasks, Units


def solver_module() -> ModuleType:
    """CP-SAT. Raises ValueError where it is not installed."""
    try:
        from ortools.sat.python import cp_model
    except ImportError as error:
        raise ValueError(
            f"waves: expected ortools, by which tasks are scheduled, found none ({error}); "
            "pip install 'shelfcast[fulfilment]', or schedule by rules"
        ) from None
    return cast(ModuleType, cp_model)


def schedule_tasks(tasks: Tasks, units: Units, work: float, seed: int = 0) -> Schedule:
    """The schedule with least of `Schedule.aims`, one after the other, each within `work` of CP-SAT's deterministic
    time (about a second each): the same on any machine, and never worse than the best rule.

    Raises ValueError naming a task for which there is no unit.
    """
    found = best_rule(tasks, units)
    late, overtime = found.aims(tasks, units)
    if late == 0 and overtime == 0:
        return replace(found, is_proven=True)
    model = _ScheduleModel(tasks, units, solver_module())
    bound, is_proven = 0.0, True
    for number, aim in enumerate((model.late, model.overtime)):
        if found.aims(tasks, units)[number] > 0:
            better, low, is_best = model.least(aim, found, work, seed)
            if better is not None:
                found = min(found, better, key=lambda one: one.aims(tasks, units))
            bound, is_proven = (low, is_best) if number == 0 else (bound, is_proven and is_best)
        model.keep(aim, found.aims(tasks, units)[number])
    return replace(found, bound=bound, is_proven=is_proven)


class _ScheduleModel:
    def __init__(self, tasks: Tasks, units: Units, cp: ModuleType) -> None:
        self.tasks, self.units, self.cp, self.model = tasks, units, cp, cp.CpModel()
        latest = max(int(tasks.release_J.max(initial=0)), int(units.open_U.max(initial=0)))
        self.horizon = latest + int(tasks.duration_J.sum())
        self.start = [self.model.new_int_var(int(r), self.horizon, "") for r in tasks.release_J]
        for first, then in zip(tasks.first_P.tolist(), tasks.then_P.tolist(), strict=True):
            self.model.add(self.start[then] >= self._end(first))
        shifts = np.stack([units.kind_U, units.open_U, units.close_U], axis=1)
        self.groups, self.group_U = np.unique(shifts, axis=0, return_inverse=True)
        self.here: dict[tuple[int, int], Any] = {}
        self.overtime = sum(over for group in range(len(self.groups)) for over in self._share_units(group))
        for task in np.flatnonzero(tasks.kind_J != NOBODY).tolist():
            self.model.add_exactly_one(self.here[task, group] for group in self._groups_of(task))
        self.late = self._lateness()

    def _end(self, task: int) -> Any:
        return self.start[task] + int(self.tasks.duration_J[task])

    def _groups_of(self, task: int) -> list[int]:
        return np.flatnonzero(self.groups[:, 0] == self.tasks.kind_J[task]).tolist()

    def _share_units(self, group: int) -> list[Any]:
        """Units of one kind and shift are alike: so many tasks run at a time. The overtime of each task among them."""
        kind, opens, closes = self.groups[group].tolist()
        size, intervals, overtime = int((self.group_U == group).sum()), [], []
        for task in np.flatnonzero(self.tasks.kind_J == kind).tolist():
            duration = int(self.tasks.duration_J[task])
            is_here = self.model.new_bool_var("") if len(self._groups_of(task)) > 1 else self.model.new_constant(1)
            self.here[task, group] = is_here
            self.model.add(self.start[task] >= opens).only_enforce_if(is_here)
            if duration:
                intervals.append(
                    self.model.new_optional_fixed_size_interval_var(self.start[task], duration, is_here, "")
                )
            if duration and closes < self.horizon:
                over, is_all = self.model.new_int_var(0, duration, ""), self.model.new_bool_var("")
                self.model.add(over >= self._end(task) - closes).only_enforce_if(is_here, ~is_all)
                self.model.add(over == duration).only_enforce_if(is_here, is_all)
                overtime.append(over)
        if size == 1:
            self.model.add_no_overlap(intervals)
        else:
            self.model.add_cumulative(intervals, [1] * len(intervals), size)
        return overtime

    def _lateness(self) -> Any:
        terms = []
        for task in np.flatnonzero(np.isfinite(self.tasks.due_J) & (self.tasks.weight_J > 0)).tolist():
            late = self.model.new_int_var(0, self.horizon, "")
            self.model.add(late >= self._end(task) - int(np.floor(self.tasks.due_J[task])))
            terms.append(int(self.tasks.weight_J[task]) * late)
        return sum(terms)

    def keep(self, aim: Any, value: float) -> None:
        """Later aims keep what an earlier one has reached."""
        self.model.add(aim <= int(value))

    def least(self, aim: Any, known: Schedule, work: float, seed: int) -> tuple[Schedule | None, float, bool]:
        """A schedule with the least of an aim (None: none was found), its bound, and whether it is proven."""
        self.model.clear_hints()
        for variable, start in zip(self.start, known.start_J.tolist(), strict=True):
            self.model.add_hint(variable, start)
        for (task, group), is_here in self.here.items():
            if len(self._groups_of(task)) > 1:
                self.model.add_hint(is_here, int(self.group_U[known.unit_J[task]] == group))
        self.model.minimize(aim)
        solver = self.cp.CpSolver()
        solver.parameters.max_deterministic_time = work
        solver.parameters.num_workers = 1
        solver.parameters.random_seed = seed
        solver.parameters.linearization_level = 0  # its linear relaxation says little of machines and takes most time
        status = solver.solve(self.model)
        if status not in (self.cp.OPTIMAL, self.cp.FEASIBLE):
            return None, 0.0, False
        start_J = np.array([solver.value(variable) for variable in self.start], dtype=np.int64)
        group_J = np.full(len(start_J), NOBODY)
        for (task, group), is_here in self.here.items():
            if solver.boolean_value(is_here):
                group_J[task] = group
        end_J = start_J + self.tasks.duration_J
        schedule = Schedule(start_J, end_J, self._units(start_J, end_J, group_J), "cp_sat")
        return schedule, float(np.ceil(solver.best_objective_bound - 1e-6)), status == self.cp.OPTIMAL

    def _units(self, start_J: IntArray, end_J: IntArray, group_J: IntArray) -> IntArray:
        """Tasks of a group to its units as they come: there is always one that is free."""
        unit_J, free_U = np.full(len(start_J), NOBODY), self.units.open_U.copy()
        for task in np.lexsort((end_J, start_J)):
            if group_J[task] != NOBODY:
                may = np.flatnonzero(self.group_U == group_J[task])
                unit_J[task] = may[np.argmin(free_U[may])]
                free_U[unit_J[task]] = end_J[task]
        return unit_J
