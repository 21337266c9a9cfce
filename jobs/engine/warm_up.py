"""Kernels are compiled while Spark loads the feeds: by one quiet process, once per machine and version of the code.

A stage waits for its own kernels, since two workers that compile the same ones are no sooner done. Whatever goes wrong
here costs time and nothing else: the workers then compile for themselves.
"""

from __future__ import annotations

import contextlib
import hashlib
import os
import pickle
import platform
import subprocess
import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING, Any

import udfs

if TYPE_CHECKING:
    # Spark's workers import this module with their runner; the settings know every model.
    from jobs.settings import Settings

_SOURCES = Path(udfs.__file__).parent


@dataclass
class _Compiler:
    """The process, and the stages whose kernels it has not told of yet."""

    process: subprocess.Popen[bytes]
    waiting: set[str]

    def wait_for(self, stage: str) -> None:
        while stage in self.waiting and self.process.stdout is not None:
            line = self.process.stdout.readline()
            if not line:  # it has ended, well or not
                self.waiting.clear()
            self.waiting.discard(line.decode().strip())


_running: _Compiler | None = None


@contextlib.contextmanager
def kernels_compiled_ahead(settings: Settings, stages: Sequence[str]) -> Iterator[None]:
    """Within it the kernels of the stages are compiled beside the run; `wait_for` tells when. Ends with the run."""
    global _running
    here = [stage for stage in stages if _is_here(settings, stage)]
    asked = (here, settings.forecast, settings.inventory)
    marker = _marker(asked)
    if not here or marker.exists():
        yield
        return
    _running = _started(asked)
    try:
        yield
        if _running is not None:
            _keep(marker, _running)
    finally:
        if _running is not None:
            _running.process.kill()
            _running.process.wait()
        _running = None


def wait_for(stage: str) -> None:
    """Return once the stage's kernels are compiled, or nobody compiles them ahead."""
    if _running is not None:
        _running.wait_for(stage)


def _is_here(settings: Settings, stage: str) -> bool:
    """Whether the stage's kernels run on this machine; what is compiled here helps no other."""
    engine = getattr(settings.runner, stage, "spark")  # a stage without a runner is Spark's own
    elsewhere = {
        "spark": not settings.spark.master.startswith("local"),
        "ray": settings.ray.address is not None or settings.ray.on_spark,
    }
    return not elsewhere.get(engine, False)


def _started(asked: tuple[Any, ...]) -> _Compiler | None:
    root = str(_SOURCES.parent)
    environment = os.environ | {"PYTHONPATH": os.pathsep.join([root, os.environ.get("PYTHONPATH", "")])}
    try:
        process = subprocess.Popen(
            [sys.executable, "-m", "udfs.compile_ahead"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            env=environment,
            start_new_session=True,  # an interrupt of the run is not its own
        )
        if process.stdin is not None:
            process.stdin.write(pickle.dumps(asked))
            process.stdin.close()
    except OSError:
        return None
    return _Compiler(process, set(asked[0]))


def _keep(marker: Path, compiler: _Compiler) -> None:
    """Note that nothing is left to compile, if so, for the next run to start no process."""
    if compiler.process.poll() == 0:
        with contextlib.suppress(OSError):
            marker.parent.mkdir(parents=True, exist_ok=True)
            marker.touch()


def _marker(asked: tuple[Any, ...]) -> Path:
    """A file beside numba's own, named by all that its keys look at: sources, machine, versions; and what is asked."""
    sources = [(str(path), path.stat().st_mtime_ns, path.stat().st_size) for path in sorted(_SOURCES.rglob("*.py"))]
    machine = (platform.node(), platform.machine(), sys.version, version("numba"), version("numpy"))
    digest = hashlib.sha256(repr((sources, machine, asked)).encode()).hexdigest()[:16]
    folder = Path(os.environ.get("NUMBA_CACHE_DIR") or _SOURCES / "__pycache__")
    return folder / f"compiled-{digest}"
