"""How many threads a worker's libraries may start: the cores it was given, not all that the machine has."""

from __future__ import annotations

import os
import sys

import pyarrow as pa


def keep_to_cores(cores: float) -> None:
    """Arrow and torch of this process use at most `cores` threads, at least one.

    A kernel that needs no torch does not wait for its import: OMP_NUM_THREADS tells torch if it is loaded later.
    """
    threads = max(1, int(cores))
    pa.set_cpu_count(threads)
    os.environ["OMP_NUM_THREADS"] = str(threads)
    torch = sys.modules.get("torch")
    if torch is not None:
        torch.set_num_threads(threads)
