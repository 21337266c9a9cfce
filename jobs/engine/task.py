"""A bucket task: pinned inputs, a pure kernel from `udfs`, an output contract. Any runner can execute it."""

from __future__ import annotations

import time
import traceback
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import pyarrow as pa

from lakehouse.delta.files import PinnedTable, read_bucket, write_bucket
from lakehouse.delta.io import WrittenFile
from udfs.forecasting.kernels.fallbacks import OTHER_CANDIDATES


@dataclass(frozen=True, slots=True)
class KernelResult:
    """What a kernel returns for one bucket: result tables by name (without partition columns), failed series, count."""

    tables: dict[str, pa.Table]
    failures: pa.Table | None = None
    series: int = 0


# A kernel is a module-level function (so that it pickles): inputs by table name, the stage's parameters, and for a
# numbered task the unit's number.
Kernel = Callable[..., KernelResult]


@dataclass(frozen=True, slots=True)
class BucketTask:
    """One stage's work on any bucket. It carries no data: a worker opens the pinned versions itself.

    `is_numbered`: the units are not buckets of series but numbered pieces of work, and the kernel is told the number.
    """

    stage: str
    run_id: str
    inputs: tuple[PinnedTable, ...]
    kernel: Kernel
    parameters: Any
    outputs: tuple[tuple[str, str], ...]  # (table, uri)
    is_numbered: bool = False


@dataclass(frozen=True, slots=True)
class UnitResult:
    """What comes back from a bucket: files and counts, never rows, so the driver's work per bucket is constant."""

    bucket: int
    files: tuple[WrittenFile, ...] = ()
    failures: pa.Table | None = None
    series: int = 0
    seconds: float = 0.0
    attempts: int = 1
    error_class: str | None = None
    error: str | None = None

    @property
    def rows(self) -> int:
        return sum(file.rows for file in self.files)

    @property
    def failed_series(self) -> int:
        """Series that failed for good: not those that another candidate of the same stage could forecast."""
        if self.failures is None:
            return 0
        rows = self.failures.select([n for n in ("unique_id", "fallback") if n in self.failures.column_names])
        return len({row["unique_id"] for row in rows.to_pylist() if row.get("fallback") != OTHER_CANDIDATES})


@dataclass(slots=True)
class _Clock:
    started: float = field(default_factory=time.perf_counter)

    def seconds(self) -> float:
        return time.perf_counter() - self.started


def execute(task: BucketTask, bucket: int) -> UnitResult:
    """Read the bucket, run the kernel, write its files. Raises what the kernel or the contract raises."""
    clock = _Clock()
    inputs = {pinned.name: read_bucket(pinned, bucket) for pinned in task.inputs}
    result = task.kernel(inputs, task.parameters, *((bucket,) if task.is_numbered else ()))
    values = {"run_id": task.run_id, "bucket": str(bucket)}
    files = []
    for name, uri in task.outputs:
        file = write_bucket(name, uri, result.tables[name], values)
        if file:
            files.append(file)
    failures = result.failures if result.failures is not None and result.failures.num_rows else None
    return UnitResult(bucket, tuple(files), failures, result.series, clock.seconds())


def execute_caught(task: BucketTask, bucket: int) -> UnitResult:
    """`execute`, with an error turned into a failed unit that says what and where; other buckets go on."""
    clock = _Clock()
    try:
        return execute(task, bucket)
    except Exception as error:
        where = traceback.extract_tb(error.__traceback__)[-1]
        message = f"{error} (at {where.filename.rsplit('/', 1)[-1]}:{where.lineno})"
        return UnitResult(bucket, seconds=clock.seconds(), error_class=type(error).__name__, error=message)
