"""A matrix of series that share their shape, without its noise and with its gaps filled.

Soft-impute (Mazumder, Hastie & Tibshirani, 2010): singular values are shrunk, and what was not observed is replaced by
what the rest says of it, in turns. The first singular value, that of the common shape, keeps its size.

Dimensions: N series, T steps.
"""

from __future__ import annotations

import numpy as np

_ROUNDS = 8
_MOST = 4.0
"""What fills a gap is at most so many times the series' level."""


def soft_impute(y_NT: np.ndarray, mask_NT: np.ndarray, shrinkage: float) -> np.ndarray:
    """(N, T) the low-rank values behind series of one group.

    Args:
        y_NT, mask_NT: values, 0 where there is none, and where they were observed.
        shrinkage: how much is taken off all singular values but the first, in shares of their median, which is one of
            noise: a shape that several series share stands far above it.

    Series are divided by the root of their level, for the larger one's noise is larger, but less than in proportion.
    """
    n_N1 = np.maximum(mask_NT.sum(1, keepdims=True), 1)
    level_N1 = np.abs(y_NT).sum(1, keepdims=True) / n_N1
    unit_N1 = np.sqrt(np.where(level_N1 > 0, level_N1, 1.0))
    expected_T = (level_N1 * mask_NT).sum(0)
    shape_T = np.where(expected_T > 0, y_NT.sum(0) / np.where(expected_T > 0, expected_T, 1.0), 1.0)
    filled_NT = np.where(mask_NT, y_NT, level_N1 * shape_T)
    for _ in range(1 if mask_NT.all() else _ROUNDS):
        left_NK, size_K, right_KT = np.linalg.svd(filled_NT / unit_N1, full_matrices=False)
        size_K[1:] = np.maximum(size_K[1:] - shrinkage * np.median(size_K), 0.0)
        low_NT = (left_NK * size_K) @ right_KT * unit_N1
        filled_NT = np.where(mask_NT, y_NT, np.clip(low_NT, 0.0, _MOST * level_N1))
    return low_NT
