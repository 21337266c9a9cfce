"""How much more a series sells than a year ago, told by its groups where it cannot tell itself."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

_MOST_LOG = np.log(3.0)


def log_growth(
    y_ST: np.ndarray,
    weight_ST: np.ndarray,
    before_ST: np.ndarray,
    groups: Sequence[np.ndarray],
    prior_steps: float,
) -> np.ndarray:
    """(S,) log of demand over that of the year before: of all, then what each group adds, then what the series adds.

    Args:
        y_ST, before_ST: demand and what it was a year before, without noise.
        weight_ST: how much a step counts, 0 where demand was not observed.
        groups: (S,) codes from 0 of each grouping; the second one explains what the first leaves.
        prior_steps: steps of weight 1 at which what a group or a series says of itself counts half.
    """
    now_S, before_S, n_S = ((x_ST * weight_ST).sum(1) for x_ST in (y_ST, before_ST, np.ones_like(y_ST)))
    tells_S = (now_S > 0) & (before_S > 0)
    now_S, before_S, n_S = (np.where(tells_S, x_S, 0.0) for x_S in (now_S, before_S, n_S))
    log_S = np.zeros(len(y_ST))
    whole, each = np.zeros(len(y_ST), dtype=np.int64), np.arange(len(y_ST))
    for code_S, prior in ((whole, 0.0), *((code_S, prior_steps) for code_S in groups), (each, prior_steps)):
        now_G, before_G, n_G = (np.bincount(code_S, x_S) for x_S in (now_S, before_S * np.exp(log_S), n_S))
        told_G = np.log(now_G, out=np.zeros_like(now_G), where=now_G > 0)
        told_G -= np.log(before_G, out=np.zeros_like(now_G), where=now_G > 0)
        share_G = np.divide(n_G, n_G + prior, out=np.zeros_like(n_G), where=n_G > 0)
        log_S = log_S + (share_G * told_G)[code_S]
    return np.clip(log_S, -_MOST_LOG, _MOST_LOG)
