"""Run a compiled kernel over the series of a batch on several threads.

The kernels of the hot loops release the interpreter's lock and treat every series alone, so a split changes no bit.
"""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

import torch

_CHUNKS_PER_THREAD = 4
"""Series differ in length; a few chunks per thread even that out."""


def over_series(kernel: Callable[[int, int], None], n_series: int, threads: int | None = None) -> None:
    """Call `kernel(start, stop)` on slices that cover 0..n_series once.

    Args:
        kernel: fills its own rows of arrays that the caller owns; it must be free to run on several threads.
        n_series: S.
        threads: None takes torch's thread count, which a worker's `OMP_NUM_THREADS` sets.

    Raises:
        Whatever the kernel raises.
    """
    threads = threads or torch.get_num_threads()
    if threads == 1 or n_series < 2 * threads:
        kernel(0, n_series)
        return
    n_chunks = min(n_series, threads * _CHUNKS_PER_THREAD)
    bounds = [n_series * k // n_chunks for k in range(n_chunks + 1)]
    with ThreadPoolExecutor(threads) as pool:
        for done in [pool.submit(kernel, bounds[k], bounds[k + 1]) for k in range(n_chunks)]:
            done.result()
