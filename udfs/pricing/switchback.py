"""Price experiments: places switch between the price of now and a new one, and what differs is what the price did.

Days come in pairs of blocks; in each pair a place has the new price in one block and that of now in the other, by lot.
So places and pairs of blocks drop out, and the mean of the pairs' differences is the effect. Blocks should be longer
than customers take to notice: what one block leaves to the next is not told apart.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy import stats

FloatArray = NDArray[np.float64]
BoolArray = NDArray[np.bool_]

_LEAST_PLACES = 3


@dataclass(frozen=True, slots=True)
class Effect:
    """The mean difference, its interval, and the probability of one so far from 0 by chance alone (two-sided)."""

    mean: float
    low: float
    high: float
    p_value: float


def schedule(n_places: int, n_pairs: int, seed: int) -> BoolArray:
    """Which place has the new price in which block, [place, 2 x pair]: by lot, half of the places first in each pair.

    Raises ValueError for fewer than two places or no pair.
    """
    if n_places < 2 or n_pairs < 1:
        raise ValueError(f"schedule: expected at least 2 places and 1 pair of blocks, found {n_places} and {n_pairs}")
    rng = np.random.default_rng(seed)
    is_new_PB = np.zeros((n_places, 2 * n_pairs), dtype=np.bool_)
    for pair in range(n_pairs):
        is_first_P = rng.permutation(np.arange(n_places) % 2 == 0)
        is_new_PB[:, 2 * pair], is_new_PB[:, 2 * pair + 1] = is_first_P, ~is_first_P
    return is_new_PB


def effect(value_PB: FloatArray, is_new_PB: BoolArray, level: float = 0.95) -> Effect:
    """What the new price did to a block's value, such as its profit.

    value_PB: of each place and block; a pair with a value that is not finite is left out. Places are independent of
    each other, the pairs of one place need not be. Raises ValueError where a pair has not one block of each, or fewer
    than three places have a pair.
    """
    first, second = is_new_PB[:, ::2], is_new_PB[:, 1::2]
    if value_PB.shape != is_new_PB.shape or first.shape != second.shape or not (first != second).all():
        raise ValueError("effect: expected values of pairs of blocks, one of each with the new price; see `schedule`")
    difference_PK = np.where(first, 1.0, -1.0) * (value_PB[:, ::2] - value_PB[:, 1::2])
    is_known_PK = np.isfinite(difference_PK)
    count_P = is_known_PK.sum(1)
    if (count_P > 0).sum() < _LEAST_PLACES:
        raise ValueError(
            f"effect: expected at least {_LEAST_PLACES} places with a pair of blocks, found {(count_P > 0).sum()}"
        )
    # Blocks that are first or second in a pair have that in common: the means take it out, and two places' worth of
    # what varies with it.
    centred_PK = difference_PK - _by_order(difference_PK, is_known_PK, first)
    mean = _balanced(difference_PK, is_known_PK, first)
    total_P = np.where(is_known_PK, centred_PK, 0.0).sum(1)
    places = int((count_P > 0).sum())
    error = float(np.sqrt((total_P**2).sum() * places / (places - 2)) / count_P.sum())
    t = stats.t.ppf(0.5 + level / 2.0, places - 2)
    p_value = 2.0 * stats.t.sf(abs(mean) / error, places - 2) if error > 0.0 else float(mean == 0.0)
    return Effect(mean, mean - t * error, mean + t * error, float(p_value))


def detectable(sd: float, n_places: int, n_pairs: int, power: float = 0.8, level: float = 0.95) -> float:
    """The least effect that is found with this probability, where a pair's difference has the standard deviation `sd`
    and pairs are independent; in the unit of `sd`."""
    df = max(n_places - 2, 1)
    factor = stats.t.ppf(0.5 + level / 2.0, df) + stats.t.ppf(power, df)
    return float(factor * sd / np.sqrt(n_places * n_pairs))


def _by_order(value_PK: FloatArray, is_known_PK: BoolArray, first: BoolArray) -> FloatArray:
    """The mean of each pair's places of the same order, [P, K]; 0 where there is none."""
    found = np.zeros_like(value_PK)
    for at in (first, ~first):
        chosen = at & is_known_PK
        count_K = np.maximum(chosen.sum(0), 1)
        found += np.where(at, np.where(chosen, value_PK, 0.0).sum(0) / count_K, 0.0)
    return found


def _balanced(value_PK: FloatArray, is_known_PK: BoolArray, first: BoolArray) -> float:
    """Mean over pairs of the mean of both orders, each pair by its places."""
    totals, weights = [], []
    for k in range(value_PK.shape[1]):
        means = [
            value_PK[at & is_known_PK[:, k], k].mean()
            for at in (first[:, k], ~first[:, k])
            if (at & is_known_PK[:, k]).any()
        ]
        if means:
            totals.append(np.mean(means))
            weights.append(is_known_PK[:, k].sum())
    return float(np.average(totals, weights=weights))
