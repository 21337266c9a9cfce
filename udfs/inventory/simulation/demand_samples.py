"""Demand for simulations, drawn by table look-up: one random number and one comparison per period.

Walker's alias method (Walker 1977; Vose 1991): of 2^k columns of equal weight each holds at most two values. Numbers
come from a counter-based generator, so that a path follows from seed, series key, path and period alone: neighbours,
order and the number of paths drawn do not matter.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numba
import numpy as np
import torch
from torch import Tensor

from udfs.inventory.demand_distribution import FloatArray
from udfs.series.series_threads import over_series

_GOLDEN, _MIX_1, _MIX_2 = 0x9E3779B97F4A7C15, 0xBF58476D1CE4E5B9, 0x94D049BB133111EB
"""Constants of splitmix64: Steele, Lea & Flood (2014), Fast splittable pseudorandom number generators, OOPSLA."""

_LEAST_WEIGHT = 1e-14  # of the most likely value; what is less likely is left out
_MOST_VALUES = 1 << 24


@dataclass(frozen=True, slots=True)
class CountDemand:
    """Independent whole-unit demand of S series: negative binomial, Poisson where variance_S is not above the mean.

    mean_S, variance_S: units and units^2, [S]; a number holds for all. key_S: uint64 of each series, None numbers them.

    Raises:
        ValueError: a mean that is not finite and >= 0, a variance that is not finite, other lengths.
    """

    mean_S: Any
    variance_S: Any = 0.0
    key_S: Any = None

    def __post_init__(self) -> None:
        mean_S, variance_S = np.broadcast_arrays(
            np.atleast_1d(np.asarray(self.mean_S, np.float64)), np.asarray(self.variance_S, np.float64)
        )
        if mean_S.ndim != 1:
            raise ValueError(f"CountDemand: expected numbers or [S], found shape {mean_S.shape}")
        for name, values, least in (("mean_S", mean_S, 0.0), ("variance_S", variance_S, -np.inf)):
            bad = np.flatnonzero(~(np.isfinite(values) & (values >= least)))
            if bad.size:
                raise ValueError(f"{name}: expected finite units >= 0, found {values[bad[0]]:g} in row {bad[0]}")
        key_S = np.arange(len(mean_S)) if self.key_S is None else np.asarray(self.key_S)
        if key_S.shape != mean_S.shape:
            raise ValueError(f"key_S: expected {len(mean_S)} keys, found shape {key_S.shape}")
        object.__setattr__(self, "mean_S", np.array(mean_S))
        object.__setattr__(self, "variance_S", np.array(variance_S))
        object.__setattr__(self, "key_S", key_S.astype(np.uint64))

    def draw(self, n_paths: int, n_periods: int, seed: int = 0, dtype: torch.dtype = torch.float32) -> Tensor:
        """(S, P, T) units, float32 or float64. Raises ValueError for another type or no path or period."""
        if n_paths < 1 or n_periods < 1 or dtype not in (torch.float32, torch.float64):
            raise ValueError(f"expected paths, periods and a float type, found {n_paths}, {n_periods} and {dtype}")
        demand_SPT = torch.empty((len(self.mean_S), n_paths, n_periods), dtype=dtype)

        def kernel(begin: int, end: int) -> None:
            _draw(self.mean_S, self.variance_S, self.key_S, np.uint64(seed % 2**64), begin, end, demand_SPT.numpy())

        over_series(kernel, len(self.mean_S))
        return demand_SPT


@numba.njit(cache=True, nogil=True, error_model="numpy")
def mix(x: np.uint64) -> np.uint64:
    x = (x ^ (x >> np.uint64(30))) * np.uint64(_MIX_1)
    x = (x ^ (x >> np.uint64(27))) * np.uint64(_MIX_2)
    return x ^ (x >> np.uint64(31))


@numba.njit(cache=True, nogil=True, error_model="numpy")
def count_weights(mean: float, variance: float) -> tuple[int, FloatArray]:
    """(least value, weights): the probabilities of Poisson or negative binomial demand, up to a factor.

    From the mode outwards, so that nothing under- or overflows: p(k+1) / p(k) = (a + b k) / (k + 1) (Panjer 1981).
    """
    b = 1.0 - mean / variance if variance > mean * (1.0 + 1e-6) else 0.0
    a = mean * (1.0 - b)
    if mean <= 0.0:
        return 0, np.ones(1)
    mode = int(max((a - b) / (1.0 - b), 0.0)) if b < 1.0 else 0
    low, weight = mode, 1.0
    while low > 0 and weight > _LEAST_WEIGHT:
        weight *= low / (a + b * (low - 1))
        low -= 1
    high, weight = mode, 1.0
    while weight > _LEAST_WEIGHT and high - low < _MOST_VALUES:
        weight *= (a + b * high) / (high + 1)
        high += 1
    weights = np.empty(high - low + 1)
    weights[mode - low] = 1.0
    for k in range(mode, high):
        weights[k + 1 - low] = weights[k - low] * (a + b * k) / (k + 1)
    for k in range(mode, low, -1):
        weights[k - 1 - low] = weights[k - low] * k / (a + b * (k - 1))
    return low, weights


@numba.njit(cache=True, nogil=True, error_model="numpy")
def alias_table(weights: FloatArray) -> tuple[int, np.ndarray, np.ndarray]:
    """(bits, keep, other) of 2^bits columns: column i is value i where 32 random bits are below keep[i]."""
    n = len(weights)
    bits = 0
    while (1 << bits) < n:
        bits += 1
    size = 1 << bits
    share = np.zeros(size)
    share[:n] = weights * (size / weights.sum())
    keep, other = np.full(size, np.uint64(1) << np.uint64(32)), np.arange(size)
    queue, n_small, n_large = np.empty(size, np.int64), 0, 0
    for i in range(size):
        if share[i] < 1.0:
            queue[n_small] = i
            n_small += 1
        else:
            n_large += 1
            queue[size - n_large] = i
    while n_small and n_large:
        small, large = queue[n_small - 1], queue[size - n_large]
        n_small -= 1
        keep[small], other[small] = np.uint64(share[small] * 4294967296.0), large
        share[large] -= 1.0 - share[small]
        if share[large] < 1.0:
            n_large -= 1
            queue[n_small] = large
            n_small += 1
    # A column that only rounding left over must not give a value without weight.
    for k in range(n_small):
        if queue[k] >= n:
            keep[queue[k]], other[queue[k]] = np.uint64(0), np.argmax(weights)
    return bits, keep, other


@numba.njit(cache=True, nogil=True, error_model="numpy")
def _draw(
    mean_S: FloatArray,
    variance_S: FloatArray,
    key_S: np.ndarray,
    seed: np.uint64,
    begin: int,
    end: int,
    demand_SPT: np.ndarray,
) -> None:
    _, n_paths, n_periods = demand_SPT.shape
    for s in range(begin, end):
        low, weights = count_weights(mean_S[s], variance_S[s])
        bits, keep, other = alias_table(weights)
        series_key = mix(mix(key_S[s] + np.uint64(_GOLDEN)) ^ mix(seed))
        for p in range(n_paths):
            counter = mix(series_key + np.uint64(p + 1) * np.uint64(_GOLDEN))
            for t in range(n_periods):
                counter += np.uint64(_GOLDEN)
                random = mix(counter)
                column = np.int64((random >> np.uint64(32)) >> np.uint64(32 - bits))
                is_kept = (random & np.uint64(0xFFFFFFFF)) < keep[column]
                demand_SPT[s, p, t] = low + (column if is_kept else other[column])
