"""What is wrong with a schedule, in words: it knows nothing of how schedules are made."""

from __future__ import annotations

from collections import defaultdict

from udfs.fulfilment.warehouse.wave_tasks import NOBODY, Schedule, Tasks, Units


def schedule_faults(schedule: Schedule, tasks: Tasks, units: Units) -> list[str]:
    """Each fault in a sentence; none of a schedule that can be carried out.

    A task takes its time, not before its release, on a unit of its kind within or after the unit's shift; no unit does two
    things at once; nothing begins before what it waits for has ended.
    """
    faults, work = [], defaultdict(list)
    for j, name in enumerate(tasks.task_id_J):
        start, end, unit = int(schedule.start_J[j]), int(schedule.end_J[j]), int(schedule.unit_J[j])
        if end - start != tasks.duration_J[j]:
            faults.append(f"{name} takes {end - start} s, not {tasks.duration_J[j]}")
        if start < tasks.release_J[j]:
            faults.append(f"{name} begins at {start}, before its release at {tasks.release_J[j]}")
        if tasks.kind_J[j] == NOBODY:
            continue
        if not 0 <= unit < len(units.unit_id_U) or units.kind_U[unit] != tasks.kind_J[j]:
            faults.append(f"{name} is on no unit of kind {tasks.kind_J[j]}")
            continue
        if start < units.open_U[unit]:
            faults.append(f"{name} begins at {start}, before the shift of {units.unit_id_U[unit]}")
        if end > start:
            work[unit].append((start, end, name))
    for unit, spells in work.items():
        spells.sort()
        for (_, end, name), (start, _, other) in zip(spells[:-1], spells[1:], strict=True):
            if start < end:
                faults.append(f"{units.unit_id_U[unit]} is booked twice at {start}: {name} and {other}")
    for first, then in zip(tasks.first_P, tasks.then_P, strict=True):
        if schedule.start_J[then] < schedule.end_J[first]:
            faults.append(f"{tasks.task_id_J[then]} begins before {tasks.task_id_J[first]} has ended")
    return faults
