"""Unit tasks in this process, one after the other: for tests, debugging and small jobs."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from jobs.engine.task import UnitResult, UnitTask, execute_caught
from jobs.engine.warm_up import wait_for


@dataclass(frozen=True, slots=True)
class LocalRunner:
    def run(self, task: UnitTask, units: Sequence[str]) -> Iterator[UnitResult]:
        wait_for(task.stage)
        for unit in units:
            yield execute_caught(task, unit)
