"""A stage as one value: what it reads, what it writes, which settings, which kernel. All else follows from it.

The order of stages, their commands, pinned inputs, what is replaced, fingerprints and the promise are derived here and
in the modules beside this one; a stage never names another stage.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from graphlib import CycleError, TopologicalSorter
from typing import TYPE_CHECKING, Any

from jobs.engine.reads import THIS, Read, Sum, until_as_of
from lakehouse.errors import ConfigError
from lakehouse.schema.entities import Entity

if TYPE_CHECKING:
    # A worker unpickles a kernel by its module, which holds the stage: it must not load what only the driver needs.
    from jobs.context import RunContext
    from jobs.engine.frames import Frames
    from jobs.engine.task import KernelResult, Round
    from lakehouse.delta.ledger import StageRecord

__all__ = [
    "THIS",
    "FrameStage",
    "Needs",
    "Read",
    "Stage",
    "Sum",
    "UnitStage",
    "edges",
    "in_order",
    "until_as_of",
    "upstream",
    "writers",
]


@dataclass(frozen=True, slots=True, kw_only=True)
class Needs:
    """What a scheduler gives a stage, beside its turn.

    Args:
        timeout_minutes: a try that takes longer is stopped.
        retries: times that it is tried again; what a try has committed is not done again.
        gpu: it is faster on a machine with one.
    """

    timeout_minutes: int = 120
    retries: int = 1
    gpu: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class StageValue:
    """What every kind of stage declares.

    Args:
        name: the command, and the name of the file that holds the stage.
        writes: the tables that it alone writes.
        settings: names of the settings that can change its result; `ignores` names fields of them that cannot.
        version: of its code: raise it when the same inputs give another result.
        libraries: packages whose release can change the result.
        identity: what else the result depends on, as plain values.
        is_by_day: the result is for the as-of day.
        needs: what a scheduler gives it.
    """

    name: str
    writes: tuple[str, ...]
    reads: tuple[Read, ...] = ()
    settings: tuple[str, ...] = ()
    ignores: tuple[str, ...] = ()
    version: int = 1
    libraries: tuple[str, ...] = ()
    identity: Callable[[RunContext], Any] | None = None
    is_by_day: bool = True
    needs: Needs = Needs()

    def tables_read(self) -> tuple[str, ...]:
        return tuple(dict.fromkeys(read.table for read in self.reads))

    def depends_on(self) -> tuple[str, ...]:
        """Tables that must be written before this stage runs."""
        return tuple(dict.fromkeys(read.table for read in self.reads if not read.is_past))


@dataclass(frozen=True, slots=True, kw_only=True)
class FrameStage(StageValue):
    """Relational work in Spark on the driver: `build` gets the frames that `reads` name and writes what it promises.

    `part` names the part of its tables that the stage replaces, such as the as-of day's; '' is the whole table. `look`
    is called instead of `build` where there is nothing to do, for what is to be said and noted even then. Where the
    settings do not want its tables (`is_wanted`), the stage does nothing and nobody waits for it. `lineage` is noted
    with the part: what it goes back to, for a later run that adds to it.
    """

    build: Callable[[RunContext, Frames], StageRecord]
    part: Callable[[RunContext], str] = field(default=lambda _context: "")
    look: Callable[[RunContext], None] | None = None
    lineage: Callable[[RunContext], str] | None = None
    is_wanted: Callable[[RunContext], bool] = field(default=lambda _context: True)


@dataclass(frozen=True, slots=True, kw_only=True)
class UnitStage(StageValue):
    """Work on units of an entity: pure kernels that any runner calls, one unit at a time.

    Args:
        unit: the entity; a hashed one gives buckets, those of the first table read, a listed one the values that
            `units` names.
        kernel: (inputs by table, parameters) -> KernelResult; for a listed entity it gets the unit's name as well.
        parameters: (context, sums by key) -> plain values that travel with the task.
        engine: the runner where the settings name none: local, spark or ray.
        keeps_engine: settings may not name another, for the kernel itself spreads its work.
        promise: (table read, table written): each id of the first has a row in the second, or a failure.
        commit_every: units per commit, where the settings' number is not wanted.
        rounds: (context, stage) -> what is left to do, for a stage whose tables grow by day and are shared by runs.
    """

    unit: Entity
    kernel: Callable[..., KernelResult]
    parameters: Callable[[RunContext, Mapping[str, Any]], Any]
    sums: tuple[Sum, ...] = ()
    engine: str = "ray"
    keeps_engine: bool = False
    units: Callable[[RunContext], Sequence[str]] | None = None
    promise: tuple[str, str] | None = None
    commit_every: int | None = None
    rounds: Callable[[RunContext, UnitStage], Sequence[Round]] | None = None

    def tables_read(self) -> tuple[str, ...]:
        return tuple(dict.fromkeys([*(read.table for read in self.reads), *(each.table for each in self.sums)]))

    def depends_on(self) -> tuple[str, ...]:
        sums = (each.table for each in self.sums if not each.is_past)
        return tuple(dict.fromkeys([*StageValue.depends_on(self), *sums]))


Stage = FrameStage | UnitStage


def in_order(stages: Iterable[Stage]) -> tuple[Stage, ...]:
    """The stages, each after those that write what it reads; by name where the tables leave it open.

    Raises ConfigError where two write one table, a name stands twice, or stages wait for each other.
    """
    found = tuple(stages)
    by_name = {stage.name: stage for stage in found}
    if len(by_name) != len(found):
        raise ConfigError(f"stages must have different names; found {sorted(stage.name for stage in found)}")
    sorter = TopologicalSorter(edges(found))
    try:
        sorter.prepare()
    except CycleError as error:
        raise ConfigError(f"stages wait for each other: {' -> '.join(error.args[1])}") from None
    order: list[Stage] = []
    while sorter.is_active():
        ready = sorted(sorter.get_ready())
        order += [by_name[name] for name in ready]
        sorter.done(*ready)
    return tuple(order)


def edges(stages: Iterable[Stage]) -> dict[str, set[str]]:
    """By stage the names of those that write what it reads, so that it comes after them."""
    found = tuple(stages)
    writer = writers(found)
    return {s.name: {writer[t].name for t in s.depends_on() if t in writer} - {s.name} for s in found}


def writers(stages: Iterable[Stage]) -> dict[str, Stage]:
    """The one stage that writes each table. Raises ConfigError where there are two."""
    found: dict[str, Stage] = {}
    for stage in stages:
        for table in stage.writes:
            if table in found:
                raise ConfigError(f"{table} is written by two stages, {found[table].name} and {stage.name}")
            found[table] = stage
    return found


def upstream(stage: Stage, stages: Iterable[Stage]) -> set[str]:
    """Names of the stages that `stage` builds on, however far up."""
    writer = writers(stages)
    names: set[str] = set()
    waiting = [stage]
    while waiting:
        for table in waiting.pop().depends_on():
            if table in writer and writer[table].name not in names:
                names.add(writer[table].name)
                waiting.append(writer[table])
    return names - {stage.name}
