"""Peak memory of the run: driver, JVM and workers together."""

from __future__ import annotations

import threading

import psutil


class MemoryWatch:
    """Samples the resident memory of this process and all below it; `peak_mb` is the highest sum seen.

    Shared pages count once per process, so the figure errs on the high side.
    """

    def __init__(self, interval_seconds: float = 0.5) -> None:
        self._interval = interval_seconds
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._watch, daemon=True)
        self.peak_mb = 0.0

    def __enter__(self) -> MemoryWatch:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stop.set()
        self._thread.join()

    def _watch(self) -> None:
        while True:
            self.peak_mb = max(self.peak_mb, _tree_mb())
            if self._stop.wait(self._interval):
                return


def _tree_mb() -> float:
    process = psutil.Process()
    total = 0
    for member in [process, *process.children(recursive=True)]:
        try:
            total += member.memory_info().rss
        except psutil.Error:  # it ended between the listing and the look
            continue
    return total / 2**20
