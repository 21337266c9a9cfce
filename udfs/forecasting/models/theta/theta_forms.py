"""The forms of the Theta method that compete, and the price of their parameters."""

from __future__ import annotations

import math
from functools import lru_cache

import numpy as np

FORMS = ("STM", "OTM", "DSTM", "DOTM")
"""Standard, optimised, dynamic standard and dynamic optimised theta model, in the order of the form index."""

WARM_UP_DAYS = 3
"""The first errors hang on the initial level alone and do not count."""

MIN_FIT = 8
"""With fewer observed days than this only the standard model is fitted, to every day."""

N_PARAMS = (5, 6, 3, 4)
"""Per form: alpha, initial level and error variance, theta where it is optimised, and the line fitted to the whole
sample where it is static: its own days help to forecast them, which the dynamic line's do not."""

STANDARD_WEIGHT = 0.5  # theta = 2


@lru_cache(maxsize=16)
def penalty_table(max_obs: int, max_params: int) -> np.ndarray:
    """(N, K) exp(AICc penalty / n), by which a mean squared error is multiplied; 1 without freedom left."""
    table = np.full((max_obs + 1, max_params + 1), 1.0)
    for k in range(max_params + 1):
        for n in range(k + 2, max_obs + 1):
            table[n, k] = math.exp(min(2 * k + 2 * k * (k + 1) / (n - k - 1), 600.0 * n) / n)
    return table
