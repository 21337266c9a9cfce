"""Run a compiled kernel over the series of a batch on several threads.

The kernels of the hot loops release the interpreter's lock and treat every series alone, so a split changes no bit.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from contextvars import ContextVar
from functools import lru_cache

import torch

_CHUNKS_PER_THREAD = 2
"""Series differ in length; a few chunks per thread even that out."""

_kernel_threads: ContextVar[int | None] = ContextVar("kernel_threads", default=None)


@contextmanager
def kernels_own_the_cores() -> Iterator[None]:
    """Within it kernels have torch's threads, and torch itself has one.

    Torch's idle threads keep spinning for a while after each parallel operation, on the cores that the kernels between
    such operations need: on two cores, Croston's method made 310,000 series a second with one torch thread and
    120,000 with two.
    """
    threads = _kernel_threads.get() or torch.get_num_threads()
    token, before = _kernel_threads.set(threads), torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        yield
    finally:
        torch.set_num_threads(before)
        _kernel_threads.reset(token)


def over_series(kernel: Callable[[int, int], None], n_series: int, threads: int | None = None) -> None:
    """Call `kernel(start, stop)` on slices that cover 0..n_series once.

    Args:
        kernel: fills its own rows of arrays that the caller owns; it must be free to run on several threads.
        n_series: S.
        threads: None takes torch's thread count, which a worker's `OMP_NUM_THREADS` sets.

    Raises:
        Whatever the kernel raises.
    """
    threads = threads or _kernel_threads.get() or torch.get_num_threads()
    if threads == 1 or n_series < 2 * threads:
        kernel(0, n_series)
        return
    n_chunks = min(n_series, threads * _CHUNKS_PER_THREAD)
    bounds = [n_series * k // n_chunks for k in range(n_chunks + 1)]
    pool = _pool(threads, os.getpid())
    for done in [pool.submit(kernel, bounds[k], bounds[k + 1]) for k in range(n_chunks)]:
        done.result()


@lru_cache(maxsize=4)
def _pool(threads: int, _process: int) -> ThreadPoolExecutor:
    """Threads that stay, for starting them takes longer than many a kernel; a forked process has its own."""
    return ThreadPoolExecutor(threads, thread_name_prefix="series")
