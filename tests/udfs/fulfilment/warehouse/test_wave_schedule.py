"""Schedules: every order of few tasks, a job shop's published optimum, and faults that the check has to find."""

from __future__ import annotations

import sys
from dataclasses import replace
from itertools import permutations, product

import numpy as np
import pytest

from udfs.fulfilment.warehouse.dispatch_rules import best_rule, dispatch
from udfs.fulfilment.warehouse.schedule_check import schedule_faults
from udfs.fulfilment.warehouse.wave_schedule import schedule_tasks
from udfs.fulfilment.warehouse.wave_tasks import NOBODY, Tasks, Units

FT06 = """
2 1 0 3 1 6 3 7 5 3 4 6
1 8 2 5 4 10 5 10 0 10 3 4
2 5 3 4 5 8 0 9 1 1 4 7
1 5 0 5 2 5 3 3 4 8 5 9
2 9 1 3 4 5 5 4 0 3 3 1
1 3 3 3 5 9 0 10 4 4 2 1
"""  # Fisher and Thompson 1963: machine and minutes of each step; no schedule is shorter than 55.


def day_of(rng: np.random.Generator, n: int) -> tuple[Tasks, Units]:
    """A few tasks of two kinds, with all that a task can have; units with one shift or several."""
    pairs = [(j, k) for k in range(n) for j in range(k) if rng.random() < 0.2]
    tasks = Tasks(
        task_id_J=tuple(f"task {j}" for j in range(n)),
        kind_J=rng.choice([0, 0, 1, NOBODY], n),
        duration_J=rng.integers(0, 9, n),
        release_J=np.where(rng.random(n) < 0.3, rng.integers(0, 10, n), 0),
        due_J=np.where(rng.random(n) < 0.7, rng.integers(1, 20, n), np.inf).astype(float),
        weight_J=rng.integers(0, 4, n),
        first_P=np.array([j for j, _ in pairs], dtype=np.int64),
        then_P=np.array([k for _, k in pairs], dtype=np.int64),
    )
    count = int(rng.integers(2, 4))
    open_U = rng.choice([0, 0, 3], count)
    units = Units(
        tuple(f"unit {u}" for u in range(count)), np.array([0, 1, 0][:count]), open_U, open_U + rng.integers(4, 12)
    )
    return tasks, units


def best_by_hand(tasks: Tasks, units: Units) -> tuple[float, float]:
    """The least aims over every order of the tasks and every choice of units, each task as early as it can be.

    Some schedule that is so made is best: no aim is less for a task that waits without need.
    """
    n, best = len(tasks.task_id_J), (np.inf, np.inf)
    waits = {k: [int(j) for j, t in zip(tasks.first_P, tasks.then_P, strict=True) if t == k] for k in range(n)}
    choices = [np.flatnonzero(units.kind_U == kind).tolist() or [NOBODY] for kind in tasks.kind_J]
    for order in permutations(range(n)):
        if any(order.index(j) > order.index(k) for k in range(n) for j in waits[k]):
            continue
        for chosen in product(*choices):
            free, end, late, over = list(units.open_U), [0] * n, 0.0, 0
            for j in order:
                start = max([int(tasks.release_J[j]), *(end[i] for i in waits[j])])
                if chosen[j] != NOBODY:
                    start = max(start, free[chosen[j]])
                end[j] = start + int(tasks.duration_J[j])
                if chosen[j] != NOBODY:
                    free[chosen[j]] = end[j]
                    over += max(0, end[j] - max(start, int(units.close_U[chosen[j]])))
                late += int(tasks.weight_J[j]) * max(0.0, end[j] - tasks.due_J[j])
            best = min(best, (late, over))
    return best


def test_few_tasks_are_scheduled_as_well_as_can_be() -> None:
    pytest.importorskip("ortools")
    rng, is_better = np.random.default_rng(0), 0
    for case in range(40):
        tasks, units = day_of(rng, int(rng.integers(2, 6)))
        found = schedule_tasks(tasks, units, 5.0)
        assert schedule_faults(found, tasks, units) == [], f"case {case}"
        assert found.aims(tasks, units) == best_by_hand(tasks, units), f"case {case}"
        assert found.is_proven
        assert found.bound == found.aims(tasks, units)[0]
        rule = best_rule(tasks, units)
        assert schedule_faults(rule, tasks, units) == []
        is_better += found.aims(tasks, units) < rule.aims(tasks, units)
    assert is_better


def test_seven_tasks_too() -> None:
    pytest.importorskip("ortools")
    rng = np.random.default_rng(1)
    for _ in range(2):
        tasks, units = day_of(rng, 7)
        assert schedule_tasks(tasks, units, 5.0).aims(tasks, units) == best_by_hand(tasks, units)


def job_shop() -> tuple[Tasks, Units]:
    rows = np.array([row.split() for row in FT06.split("\n") if row], dtype=np.int64)
    number = np.arange(36).reshape(6, 6)
    tasks = Tasks(
        (*(f"{k // 6}.{k % 6}" for k in range(36)), "all"), np.append(rows[:, ::2].ravel(), NOBODY),
        np.append(rows[:, 1::2].ravel(), 0), np.zeros(37, np.int64), np.append(np.full(36, np.inf), 0.0),
        np.ones(37, np.int64), np.concatenate([number[:, :-1].ravel(), number[:, -1]]),
        np.concatenate([number[:, 1:].ravel(), np.full(6, 36)]),
    )  # fmt: skip
    return tasks, Units(tuple("abcdef"), np.arange(6), np.zeros(6, np.int64), np.full(6, 10**6))


def test_a_published_job_shop_is_solved_and_proven_and_the_same_again() -> None:
    pytest.importorskip("ortools")
    tasks, units = job_shop()
    one, two = (schedule_tasks(tasks, units, 10.0, seed=3) for _ in range(2))
    assert one.aims(tasks, units) == (55.0, 0.0)
    assert one.is_proven
    assert schedule_faults(one, tasks, units) == []
    assert np.array_equal(one.start_J, two.start_J)


def test_out_of_work_the_best_rule_stands() -> None:
    pytest.importorskip("ortools")
    tasks, units = job_shop()
    found, rule = schedule_tasks(tasks, units, 1e-9), best_rule(tasks, units)
    assert found.aims(tasks, units) <= rule.aims(tasks, units)
    assert found.bound <= 55.0
    assert not found.is_proven


def test_without_the_solver_the_message_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "ortools.sat.python", None)
    tasks, units = job_shop()
    with pytest.raises(ValueError, match=r"shelfcast\[fulfilment\]"):
        schedule_tasks(tasks, units, 1.0)


def test_each_rule_takes_what_it_is_named_for_first() -> None:
    # One unit; urgent by date: a; most weight a second: b; late already, c is what ATC sees first.
    none = np.zeros(0, np.int64)
    tasks = Tasks(
        ("a", "b", "c"), np.zeros(3, np.int64), np.array([10, 2, 4]), np.zeros(3, np.int64),
        np.array([2.0, 500.0, 3.0]), np.array([1, 4, 6]), none, none,
    )  # fmt: skip
    units = Units(("door",), np.zeros(1, np.int64), np.zeros(1, np.int64), np.full(1, 100))
    assert dispatch(tasks, units, "edd").start_J.tolist() == [0, 14, 10]
    assert dispatch(tasks, units, "wspt").start_J.tolist() == [6, 0, 2]
    assert dispatch(tasks, units, "atc").start_J.tolist() == [4, 14, 0]


def test_the_check_finds_each_fault() -> None:
    tasks, units = job_shop()
    good = best_rule(tasks, units)
    assert schedule_faults(good, tasks, units) == []
    same_machine = np.flatnonzero(tasks.kind_J == 2)
    one, other = same_machine[np.argsort(good.start_J[same_machine])][:2]
    double = replace(good, start_J=good.start_J.copy(), end_J=good.end_J.copy())
    double.start_J[other], double.end_J[other] = good.start_J[one], good.start_J[one] + tasks.duration_J[other]
    assert any("c is booked twice" in fault for fault in schedule_faults(double, tasks, units))
    early = replace(good, start_J=good.start_J.copy(), end_J=good.end_J.copy())
    early.start_J[35], early.end_J[35] = 0, tasks.duration_J[35]
    assert any("begins before 5.4 has ended" in fault for fault in schedule_faults(early, tasks, units))
    wrong = replace(good, unit_J=np.roll(good.unit_J, 1))
    assert any("on no unit of kind" in fault for fault in schedule_faults(wrong, tasks, units))
    short = replace(good, end_J=good.end_J - 1)
    assert any("takes" in fault for fault in schedule_faults(short, tasks, units))
    late_shift = replace(units, open_U=np.full(6, 50), close_U=np.full(6, 60))
    assert any("before the shift" in fault for fault in schedule_faults(good, tasks, late_shift))
    released = Tasks(
        **{**{name: getattr(tasks, name) for name in tasks.__dataclass_fields__}, "release_J": np.full(37, 40)}
    )
    assert any("before its release" in fault for fault in schedule_faults(good, released, units))


def test_tasks_and_units_that_cannot_be_are_named() -> None:
    tasks, units = job_shop()
    columns = {name: getattr(tasks, name) for name in tasks.__dataclass_fields__}
    with pytest.raises(ValueError, match="do not wait for themselves"):
        Tasks(**{**columns, "first_P": np.append(tasks.first_P, 36), "then_P": np.append(tasks.then_P, 0)})
    with pytest.raises(ValueError, match=r"duration_J: expected 0 or more, found -1 for 0\.0"):
        Tasks(**{**columns, "duration_J": np.where(np.arange(37) == 0, -1, tasks.duration_J)})
    with pytest.raises(ValueError, match="a: expected a kind from 0 and a shift"):
        replace(units, close_U=np.full(6, -1))
    with pytest.raises(ValueError, match="a unit of kind 2"):
        dispatch(tasks, Units(("a",), np.zeros(1, np.int64), np.zeros(1, np.int64), np.ones(1, np.int64)), "edd")
