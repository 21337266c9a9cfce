from __future__ import annotations

import numpy as np
import pytest
import torch

from udfs.series.series_threads import kernels_own_the_cores, over_series


@pytest.mark.parametrize("threads", [1, 2, 3])
@pytest.mark.parametrize("n_series", [0, 1, 5, 1000])
def test_every_series_is_seen_once(threads: int, n_series: int) -> None:
    seen_S = np.zeros(n_series, dtype=int)

    def kernel(start: int, stop: int) -> None:
        seen_S[start:stop] += 1

    for _ in range(3):  # the threads stay
        over_series(kernel, n_series, threads)
    assert (seen_S == 3).all()


def test_what_a_kernel_raises_is_raised() -> None:
    def kernel(start: int, stop: int) -> None:
        if stop == 100:
            raise FloatingPointError(f"series {start}")

    for threads in (1, 2):
        with pytest.raises(FloatingPointError, match="series"):
            over_series(kernel, 100, threads)


def test_torch_has_its_threads_back_afterwards_also_after_an_error() -> None:
    before = torch.get_num_threads()
    torch.set_num_threads(2)
    try:
        inside: list[int] = []

        @kernels_own_the_cores()
        def work(fail: bool) -> None:
            inside.append(torch.get_num_threads())
            if fail:
                raise KeyError("lost")

        work(False)
        with pytest.raises(KeyError, match="lost"):
            work(True)
        assert inside == [1, 1]
        assert torch.get_num_threads() == 2
    finally:
        torch.set_num_threads(before)
