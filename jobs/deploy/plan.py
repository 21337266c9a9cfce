"""The stages as a scheduler sees them: tasks, what each waits for, and the command that each is."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from jobs.engine.stage import Needs, Stage, edges, in_order

NAME = "shelfcast"
"""Of the job, the DAG, the package and the command."""

WAIT_MINUTES = 120
"""How long a task waits for one beside it: a lakehouse has one writer."""


@dataclass(frozen=True, slots=True)
class Request:
    """What every task is told, each as the scheduler writes it: a value, or a reference that it fills in."""

    source: str
    input: str
    lakehouse: str
    as_of: str = ""
    conf: str | None = None
    set: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Task:
    """A stage: `arguments` of the command, `waits_for` the tasks that must have succeeded."""

    name: str
    waits_for: tuple[str, ...]
    arguments: tuple[str, ...]
    needs: Needs

    @property
    def timeout_minutes(self) -> int:
        return self.needs.timeout_minutes + WAIT_MINUTES


def tasks_of(stages: Iterable[Stage], request: Request) -> tuple[Task, ...]:
    """A task for each stage, in the order in which the local runner takes them."""
    ordered = in_order(stages)
    before = edges(ordered)
    names = [stage.name for stage in ordered]
    arguments = _arguments(request)
    return tuple(
        Task(stage.name, tuple(sorted(before[stage.name], key=names.index)), (stage.name, *arguments), stage.needs)
        for stage in ordered
    )


def _arguments(request: Request) -> tuple[str, ...]:
    pairs = [
        ("--source", request.source),
        ("--input", request.input),
        ("--lakehouse", request.lakehouse),
        ("--as-of", request.as_of),
        *([("--conf", request.conf)] if request.conf else []),
        *(("--set", each) for each in request.set),
        ("--wait", str(WAIT_MINUTES)),
    ]
    return tuple(word for pair in pairs for word in pair)
