"""Rules by which a foreman hands out work: the yardstick of the schedule, and what stands in for it.

Whenever a unit is free, of the tasks that can begin first the most urgent: by the earliest due date (EDD, Jackson
1955), by weight over duration (WSPT, Smith 1956), or by both (ATC, Vepsalainen and Morton, Management Science 33,
1987). A task is as urgent as what waits for it.
"""

from __future__ import annotations

from typing import Literal, get_args

import numpy as np

from udfs.fulfilment.warehouse.layout import FloatArray
from udfs.fulfilment.warehouse.wave_tasks import NOBODY, Schedule, Tasks, Units, check_kinds

Rule = Literal["edd", "wspt", "atc"]
_LOOK_AHEAD = 2.0  # mean durations that ATC sees before a due time


def best_rule(tasks: Tasks, units: Units) -> Schedule:
    """The schedule by the rule that does best today."""
    found = [dispatch(tasks, units, rule) for rule in get_args(Rule)]
    return min(found, key=lambda one: one.aims(tasks, units))


def dispatch(tasks: Tasks, units: Units, rule: Rule) -> Schedule:
    """A schedule by one rule. Raises ValueError naming a task for which there is no unit."""
    check_kinds(tasks, units)
    n = len(tasks.task_id_J)
    due_J, weight_J = _urgency(tasks)
    start_J, end_J, unit_J = np.zeros(n, np.int64), np.zeros(n, np.int64), np.full(n, NOBODY)
    free_U, waits_J = units.open_U.copy(), np.bincount(tasks.then_P, minlength=n)
    ready_J, earliest_J = waits_J == 0, tasks.release_J.copy()
    mean = max(float(tasks.duration_J.mean()) if n else 1.0, 1.0)
    kinds = np.unique(units.kind_U)
    for _ in range(n):
        ready = np.flatnonzero(ready_J)
        free = {kind: free_U[units.kind_U == kind].min() for kind in kinds}
        clock = np.maximum(earliest_J[ready], [free.get(kind, 0) for kind in tasks.kind_J[ready]])
        now = clock.min()
        first = ready[clock == now]
        task = int(first[np.argmax(_priority(rule, tasks, first, due_J, weight_J, now, mean))])
        start_J[task], end_J[task], ready_J[task] = now, now + tasks.duration_J[task], False
        if tasks.kind_J[task] != NOBODY:
            may = np.flatnonzero((units.kind_U == tasks.kind_J[task]) & (free_U <= now))
            over = np.maximum(end_J[task] - np.maximum(units.close_U[may], now), 0)
            unit_J[task] = may[np.lexsort((units.close_U[may], over))[0]]
            free_U[unit_J[task]] = end_J[task]
        for then in tasks.after[task]:
            waits_J[then] -= 1
            earliest_J[then] = max(earliest_J[then], end_J[task])
            ready_J[then] = waits_J[then] == 0
    return Schedule(start_J, end_J, unit_J, rule)


def _urgency(tasks: Tasks) -> tuple[FloatArray, FloatArray]:
    """When a task has to end for all that waits for it to be in time, and the greatest weight among them."""
    due_J, weight_J = tasks.due_J.copy(), np.where(np.isfinite(tasks.due_J), tasks.weight_J, 0).astype(float)
    for task in reversed(tasks.in_order):
        for then in tasks.after[task]:
            due_J[task] = min(due_J[task], due_J[then] - tasks.duration_J[then])
            weight_J[task] = max(weight_J[task], weight_J[then])
    return due_J, weight_J


def _priority(
    rule: Rule, tasks: Tasks, among: FloatArray, due_J: FloatArray, weight_J: FloatArray, now: int, mean: float
) -> FloatArray:
    """Of each of some tasks, the highest first."""
    if rule == "edd":
        return -due_J[among]
    duration = np.maximum(tasks.duration_J[among], 1)
    density = weight_J[among] / duration
    if rule == "wspt":
        return density
    slack = np.maximum(due_J[among] - duration - now, 0.0)
    return density * np.exp(-np.minimum(slack / (_LOOK_AHEAD * mean), 700.0))
