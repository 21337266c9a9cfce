"""A unit task: pinned inputs, a pure kernel, output contracts. Any runner can execute it, on units of any entity."""

from __future__ import annotations

import time
import traceback
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from lakehouse.delta.files import PinnedTable, UnitFiles, read_bucket, write_bucket
from lakehouse.delta.io import WrittenFile
from lakehouse.errors import PromiseError
from lakehouse.schema.codes import OTHER_CANDIDATES
from lakehouse.schema.entities import Entity


@dataclass(frozen=True, slots=True)
class KernelResult:
    """What a kernel returns for one unit: result tables by name (without partition columns), failures, count of ids."""

    tables: dict[str, pa.Table]
    failures: pa.Table | None = None
    ids: int = 0


# A kernel is a module-level function (so that it pickles): inputs by table name, the stage's parameters, and for a
# listed entity the unit's name.
Kernel = Callable[..., KernelResult]


@dataclass(frozen=True, slots=True)
class UnitTask:
    """One stage's work on any unit. It carries no data: a worker opens the files of the pinned versions itself.

    `files`: those of each unit, looked up on the driver, lest each worker reads each table's log; a unit that is not
    among them is looked up where it runs.
    """

    stage: str
    entity: Entity
    run_id: str
    inputs: tuple[PinnedTable, ...]
    kernel: Kernel
    parameters: Any
    outputs: tuple[tuple[str, str], ...]  # (table, uri)
    promise: tuple[str, str] | None = None
    files: Mapping[str, UnitFiles] = field(default_factory=dict)

    def of_units(self, units: Sequence[str]) -> UnitTask:
        """The task with what concerns these units alone."""
        return replace(self, files={unit: self.files[unit] for unit in units if unit in self.files})

    def partition_values(self, unit: str) -> dict[str, str]:
        """What a result of the unit is filed under: the run, and the unit in the column of its entity."""
        return {"run_id": self.run_id, self.entity.partition: unit}


# Which partitions a batch of units replaces, by table.
Replaces = Callable[[str, list[str]], dict[str, list[str]]]


@dataclass(frozen=True, slots=True)
class Round:
    """Units that get the same task. `lineage` is told of shared tables: by part, what the part goes back to."""

    units: Sequence[str]
    task: UnitTask
    replaces: Replaces
    lineage: Callable[[Sequence[str]], Mapping[str, str]] | None = None


@dataclass(frozen=True, slots=True)
class UnitResult:
    """What comes back from a unit: files and counts, never rows, so the driver's work per unit is constant."""

    unit: str
    files: tuple[WrittenFile, ...] = ()
    failures: pa.Table | None = None
    ids: int = 0
    seconds: float = 0.0
    attempts: int = 1
    error_class: str | None = None
    error: str | None = None
    failed_ids: int = 0

    @property
    def rows(self) -> int:
        return sum(file.rows for file in self.files)


@dataclass(slots=True)
class _Clock:
    started: float = field(default_factory=time.perf_counter)

    def seconds(self) -> float:
        return time.perf_counter() - self.started


def execute(task: UnitTask, unit: str) -> UnitResult:
    """Read the unit, run the kernel, write its files. Raises what the kernel or the contract raises."""
    clock = _Clock()
    files = task.files.get(unit, {})
    inputs = {pinned.name: read_bucket(pinned, unit, files.get(pinned.name)) for pinned in task.inputs}
    result = task.kernel(inputs, task.parameters, *((unit,) if task.entity.listed else ()))
    failures = _failures(task, result)
    _check_promise(task, inputs, result.tables, failures)
    written = [write_bucket(name, uri, result.tables[name], task.partition_values(unit)) for name, uri in task.outputs]
    kept = tuple(file for file in written if file)
    return UnitResult(unit, kept, failures, result.ids, clock.seconds(), failed_ids=_failed_ids(failures))


def _failures(task: UnitTask, result: KernelResult) -> pa.Table | None:
    """The kernel's failures by the entity's neutral name `id`; None where there are none."""
    found = result.failures
    if found is None or not found.num_rows:
        return None
    return found.rename_columns(["id" if name == task.entity.id else name for name in found.column_names])


def _failed_ids(failures: pa.Table | None) -> int:
    """Ids that failed for good: not those that another candidate of the same stage could see to."""
    if failures is None:
        return 0
    if "fallback" in failures.column_names:
        failures = failures.filter(pc.fill_null(pc.not_equal(failures["fallback"], OTHER_CANDIDATES), True))
    return int(pc.count_distinct(failures["id"]).as_py())


def _check_promise(
    task: UnitTask, inputs: dict[str, pa.Table], outputs: dict[str, pa.Table], failures: pa.Table | None
) -> None:
    """Every id that came in goes out with a result or with a reason: nothing is lost inside a unit."""
    if task.promise is None:
        return
    source, target = task.promise
    known = _ids(inputs[source], task.entity.id)
    accounted = _ids(outputs[target], task.entity.id) | (set() if failures is None else _ids(failures, "id"))
    lost = sorted(known - accounted)
    if lost:
        raise PromiseError(
            f"{len(lost)} of {len(known)} {task.entity.plural} of {source} are neither in {target} nor among the "
            f"failures, such as {lost[:5]}; this is a defect of the stage: please report it"
        )


def _ids(table: pa.Table, column: str) -> set[str]:
    values = table[column].unique().to_pylist()
    return {value for value in values if value is not None}


def execute_caught(task: UnitTask, unit: str) -> UnitResult:
    """`execute`, with an error turned into a failed unit that says what and where; other units go on."""
    clock = _Clock()
    try:
        return execute(task, unit)
    except Exception as error:
        where = traceback.extract_tb(error.__traceback__)[-1]
        message = f"{error} (at {where.filename.rsplit('/', 1)[-1]}:{where.lineno})"
        return UnitResult(unit, seconds=clock.seconds(), error_class=type(error).__name__, error=message)
