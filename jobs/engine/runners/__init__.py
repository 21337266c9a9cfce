"""One unit task, three engines: in this process, on Spark, on Ray. All give the same content, to the bit."""

from __future__ import annotations

import sys
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Protocol

from jobs.engine.task import UnitResult, UnitTask

if TYPE_CHECKING:
    from jobs.context import RunContext


class Runner(Protocol):
    """Executes a task on units and yields each result as it is ready, in any order; failed units included."""

    def run(self, task: UnitTask, units: Sequence[str]) -> Iterator[UnitResult]: ...


def runner_for(name: str, context: RunContext) -> Runner:
    """The runner that the configuration names for a stage; engines are imported only when used."""
    if name == "spark":
        from jobs.engine.runners.spark import SparkRunner

        return SparkRunner(context.spark, context.settings.runner.commit_every)
    if name == "ray":
        from jobs.engine.runners.ray import RayRunner

        if context.settings.ray.on_spark:
            _ = context.spark  # on whose machines Ray starts
        return RayRunner(context.settings.ray)
    from jobs.engine.runners.local import LocalRunner

    return LocalRunner()


def let_go_of_workers() -> None:
    """End workers that a stage has left for a next one; nothing to do where no engine keeps any."""
    if "jobs.engine.runners.ray" in sys.modules:
        from jobs.engine.runners.ray import leave_spark, let_go

        let_go()
        leave_spark()
