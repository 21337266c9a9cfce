"""The weights of an average that make a loss least: not negative, of sum one."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

STEPS, RATE = 60, 5.0
"""Of the search; the rate is halved after a step that gains nothing."""
LEAST = 0.02
"""Weights below are none."""


def least_loss(loss_and_slope: Callable[[np.ndarray], tuple[float, np.ndarray]], n: int) -> np.ndarray:
    """(K,) weights by exponentiated gradient (Kivinen & Warmuth, 1997, Information and Computation 132(1)), which keeps
    them positive and of sum one, from all alike and in few steps.

    Args:
        loss_and_slope: of (K,) weights; the loss is positive and its scale does not matter.
        n: weights to find.
    """
    weight_K = np.full(n, 1.0 / n)
    loss, slope_K = loss_and_slope(weight_K)
    rate = RATE
    for _ in range(STEPS):
        if loss <= 0:
            break
        tried_K = weight_K * np.exp(np.clip(-rate * (slope_K - weight_K @ slope_K) / loss, -20.0, 20.0))
        tried_K /= tried_K.sum()
        tried_loss, tried_slope_K = loss_and_slope(tried_K)
        if tried_loss < loss:
            weight_K, loss, slope_K = tried_K, tried_loss, tried_slope_K
        else:
            rate /= 2.0
    weight_K = np.where(weight_K >= LEAST, weight_K, 0.0)
    return np.asarray(weight_K / weight_K.sum())
