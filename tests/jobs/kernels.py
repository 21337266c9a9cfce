"""Kernels with faults, around a real kernel, at module level so that every engine unpickles them.

A series stands for its bucket: the fault strikes in the bucket that holds `unique_id`.
"""

from __future__ import annotations

import os
import signal
import uuid
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from jobs.engine.task import Kernel, KernelResult


def holds(inputs: dict[str, pa.Table], unique_id: str) -> bool:
    """Whether the bucket's first input has rows of the series."""
    ids = next(iter(inputs.values()))["unique_id"].cast(pa.string())
    return bool(pc.any(pc.equal(ids, unique_id)).as_py())


@dataclass(frozen=True, slots=True)
class Raises:
    """Raises in one bucket."""

    kernel: Kernel
    unique_id: str

    def __call__(self, inputs: dict[str, pa.Table], parameters: Any) -> KernelResult:
        if holds(inputs, self.unique_id):
            raise ZeroDivisionError(f"no kernel for {self.unique_id}")
        return self.kernel(inputs, parameters)


@dataclass(frozen=True, slots=True)
class Dies:
    """Kills its own process in one bucket, `times` times: each death leaves a file in `folder`, with the process id."""

    kernel: Kernel
    unique_id: str
    folder: str
    times: int

    def __call__(self, inputs: dict[str, pa.Table], parameters: Any) -> KernelResult:
        folder = Path(self.folder)
        if holds(inputs, self.unique_id) and len(list(folder.iterdir())) < self.times:
            (folder / f"{uuid.uuid4().hex}").write_text(str(os.getpid()))
            os.kill(os.getpid(), signal.SIGKILL)
        return self.kernel(inputs, parameters)


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

    def __call__(self, inputs: dict[str, pa.Table], parameters: Any, unit: int) -> KernelResult:
        import torch

        if self.greedy:
            torch.set_num_threads(3)
            pa.set_cpu_count(3)
        threads = f"{os.getpid()} {torch.get_num_threads()} {pa.cpu_count()}"
        (Path(self.folder) / f"{unit:03d}").write_text(threads)
        return KernelResult({})
