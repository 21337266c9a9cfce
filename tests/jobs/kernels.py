"""Kernels with faults, around a real kernel, at module level so that every engine unpickles them.

An id stands for its bucket: the fault strikes in the bucket that holds the series, customer or depot's day `id_`.
"""

from __future__ import annotations

import os
import signal
import uuid
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from jobs.engine.task import Kernel, KernelResult


def holds(inputs: dict[str, pa.Table], id_: str) -> bool:
    """Whether the bucket's first input has rows of the id, which is its first column."""
    ids = next(iter(inputs.values())).column(0).cast(pa.string())
    return bool(pc.any(pc.equal(ids, id_)).as_py())


@dataclass(frozen=True, slots=True)
class Raises:
    """Raises in one bucket."""

    kernel: Kernel
    id_: str

    def __call__(self, inputs: dict[str, pa.Table], parameters: Any) -> KernelResult:
        if holds(inputs, self.id_):
            raise ZeroDivisionError(f"no kernel for {self.id_}")
        return self.kernel(inputs, parameters)


@dataclass(frozen=True, slots=True)
class Dies:
    """Kills its own process in one bucket, `times` times: each death leaves a file in `folder`, with the process id.

    Without an id it does in whatever unit it is given.
    """

    kernel: Kernel
    id_: str | None
    folder: str
    times: int

    def __call__(self, inputs: dict[str, pa.Table], parameters: Any, *unit: str) -> KernelResult:
        folder = Path(self.folder)
        is_here = self.id_ is None or holds(inputs, self.id_)
        if is_here and len(list(folder.iterdir())) < self.times:
            (folder / f"{uuid.uuid4().hex}").write_text(str(os.getpid()))
            os.kill(os.getpid(), signal.SIGKILL)
        return self.kernel(inputs, parameters, *unit)


@dataclass(frozen=True, slots=True)
class Loses:
    """Forgets an id in all that it makes, as a careless join would, and says nothing."""

    kernel: Kernel
    id_: str

    def __call__(self, inputs: dict[str, pa.Table], parameters: Any) -> KernelResult:
        name = next(iter(inputs.values())).column_names[0]
        result = self.kernel(inputs, parameters)
        keyed = {table: rows for table, rows in result.tables.items() if name in rows.column_names}
        rest = {t: rows.filter(pc.not_equal(rows[name].cast(pa.string()), self.id_)) for t, rows in keyed.items()}
        return replace(result, tables=result.tables | rest)


@dataclass(frozen=True, slots=True)
class Located:
    """Notes in `folder` which Ray node and process ran the bucket, and what GPU it was given."""

    kernel: Kernel
    folder: str

    def __call__(self, inputs: dict[str, pa.Table], parameters: Any) -> KernelResult:
        import ray

        context = ray.get_runtime_context()
        gpus = ",".join(context.get_accelerator_ids().get("GPU", []))
        note = f"{context.get_node_id()} {os.getpid()} {gpus}"
        (Path(self.folder) / uuid.uuid4().hex).write_text(note)
        return self.kernel(inputs, parameters)


@dataclass(frozen=True, slots=True)
class Begun:
    """Notes each unit in `folder` as it begins, with the threads that torch and Arrow may use, and returns no rows.

    `greedy` takes three threads for itself, as a library might, and leaves them to what runs next in the process.
    """

    folder: str
    greedy: bool = False

    def __call__(self, inputs: dict[str, pa.Table], parameters: Any, unit: str) -> KernelResult:
        import torch

        if self.greedy:
            torch.set_num_threads(3)
            pa.set_cpu_count(3)
        threads = f"{os.getpid()} {torch.get_num_threads()} {pa.cpu_count()}"
        (Path(self.folder) / unit).write_text(threads)
        return KernelResult({})
