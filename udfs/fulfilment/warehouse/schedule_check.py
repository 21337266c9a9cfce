"""What is wrong with a schedule, in words: it knows nothing of how schedules are made."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator
from itertools import pairwise

from udfs.fulfilment.warehouse.wave_tasks import NOBODY, Schedule, Tasks, Units


def schedule_faults(schedule: Schedule, tasks: Tasks, units: Units) -> list[str]:
    """Each fault in a sentence; none of a schedule that can be carried out.

    A task takes its time, not before its release, on a unit of its kind within or after the unit's shift; no unit does
    two things at once; nothing begins before what it waits for has ended.
    """
    faults, work = [], defaultdict(list)
    for j, name in enumerate(tasks.task_id_J):
        faults += [f"{name} {fault}" for fault in _task_faults(j, schedule, tasks, units)]
        if schedule.end_J[j] > schedule.start_J[j] and tasks.kind_J[j] != NOBODY:
            work[int(schedule.unit_J[j])].append((int(schedule.start_J[j]), int(schedule.end_J[j]), name))
    for unit, spells in work.items():
        for (_, end, name), (start, _, other) in pairwise(sorted(spells)):
            if start < end:
                faults.append(f"{units.unit_id_U[unit]} is booked twice at {start}: {name} and {other}")
    for first, then in zip(tasks.first_P, tasks.then_P, strict=True):
        if schedule.start_J[then] < schedule.end_J[first]:
            faults.append(f"{tasks.task_id_J[then]} begins before {tasks.task_id_J[first]} has ended")
    return faults


def _task_faults(j: int, schedule: Schedule, tasks: Tasks, units: Units) -> Iterator[str]:
    """What is wrong with one task by itself."""
    start, end, unit = int(schedule.start_J[j]), int(schedule.end_J[j]), int(schedule.unit_J[j])
    if end - start != tasks.duration_J[j]:
        yield f"takes {end - start} s, not {tasks.duration_J[j]}"
    if start < tasks.release_J[j]:
        yield f"begins at {start}, before its release at {tasks.release_J[j]}"
    if tasks.kind_J[j] == NOBODY:
        return
    if not 0 <= unit < len(units.unit_id_U) or units.kind_U[unit] != tasks.kind_J[j]:
        yield f"is on no unit of kind {tasks.kind_J[j]}"
    elif start < units.open_U[unit]:
        yield f"begins at {start}, before the shift of {units.unit_id_U[unit]}"
