"""Sample paths of intermittent demand: how often an item sells, from its own past; how much, from its own and others'.

A bootstrap of an item's own sizes never draws a size that it has not sold yet, and spare parts have sold a handful of
times; so sizes are jittered (Willemain, Smart & Schwarz 2004 jitter them too), and some are drawn from the relative
sizes of all items. The frequency is drawn anew for each path from its posterior, so that paths differ by what the past
leaves open. Dimensions: S series, P paths, T periods, M relative sizes.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, fields

import numba
import numpy as np

from udfs.inventory.demand_distribution import FloatArray
from udfs.inventory.parameters import AT_LEAST_ZERO, POSITIVE, check
from udfs.series.series_threads import over_series


@dataclass(frozen=True, slots=True)
class PooledDemand:
    """What the items of an assortment have in common.

    frequency: share of periods with a demand, in (0, 1). relative_size_M: sizes over the mean size of their item, > 0.
    Raises ValueError for a frequency out of range, or no sizes, or one that is not a finite number > 0.
    """

    frequency: float
    relative_size_M: FloatArray

    def __post_init__(self) -> None:
        if not 0.0 < self.frequency < 1.0:
            raise ValueError(f"PooledDemand.frequency: expected a share in (0, 1), found {self.frequency}")
        sizes_M = self.relative_size_M
        if sizes_M.ndim != 1 or not len(sizes_M):
            raise ValueError(f"PooledDemand.relative_size_M: expected [M] with M >= 1, found shape {sizes_M.shape}")
        check("PooledDemand.relative_size_M", sizes_M, POSITIVE)

    @classmethod
    def of(cls, demand_ST: FloatArray, least_demands: int = 4) -> PooledDemand:
        """Pool the items that have at least `least_demands` periods with a demand.

        Raises ValueError for demand that is not finite and >= 0, fewer than one demand, or if no item has that many.
        """
        demand_ST = _checked(demand_ST)
        _check_count("least_demands", least_demands)
        sells_ST = demand_ST > 0.0
        known_S = sells_ST.sum(1) >= least_demands
        if not known_S.any():
            raise ValueError(f"demand: expected an item with at least {least_demands} demands, found none")
        size_ST = np.where(sells_ST, demand_ST, np.nan)[known_S]
        relative_ST = size_ST / np.nanmean(size_ST, axis=1, keepdims=True)
        frequency = min(float(sells_ST.mean()), 1.0 - 1e-9)
        return cls(frequency, relative_ST[np.isfinite(relative_ST)])


@dataclass(frozen=True, slots=True)
class SmoothedBootstrap:
    """How far an item's own past is trusted.

    Attributes:
        prior_periods: periods of the pooled frequency that each item's own are mixed with; > 0.
        pooled_demands: an item with n demands draws a share pooled_demands / (pooled_demands + n) of its sizes from the
            pooled relative sizes; >= 0.
        jitter: standard deviation of the logarithm by which a size of its own is moved; >= 0.

    Raises ValueError for a number out of range.
    """

    prior_periods: float = 2.0
    pooled_demands: float = 3.0
    jitter: float = 0.5

    def __post_init__(self) -> None:
        for field in fields(self):
            value = getattr(self, field.name)
            if not math.isfinite(value) or value < 0.0 or (field.name == "prior_periods" and value == 0.0):
                least = "> 0" if field.name == "prior_periods" else ">= 0"
                raise ValueError(f"SmoothedBootstrap.{field.name}: expected a number {least}, found {value}")

    def paths(
        self, demand_ST: FloatArray, pooled: PooledDemand, n_paths: int, n_periods: int, seed: int = 0
    ) -> FloatArray:
        """Demand of the periods to come, units, (S, n_paths, n_periods).

        demand_ST: the past, finite and >= 0, a row without any demand has none to come. Row s draws from a stream
        seeded with seed + s, whatever the other rows hold.
        Raises ValueError for other demand, fewer than one path or period, or a negative seed.
        """
        demand_ST = _checked(demand_ST)
        _check_count("n_paths", n_paths)
        _check_count("n_periods", n_periods)
        _check_count("seed", seed, least=0)
        path_SPT = np.zeros((len(demand_ST), n_paths, n_periods))
        settings = (pooled.frequency, pooled.relative_size_M, self.prior_periods, self.pooled_demands, self.jitter)
        over_series(lambda lo, hi: _draw(demand_ST, *settings, seed, path_SPT, lo, hi), len(demand_ST))
        return path_SPT


def _checked(demand_ST: FloatArray) -> FloatArray:
    demand_ST = np.ascontiguousarray(demand_ST, dtype=np.float64)
    if demand_ST.ndim != 2:
        raise ValueError(f"demand_ST: expected [S, T], found shape {demand_ST.shape}")
    check("demand_ST", demand_ST, AT_LEAST_ZERO)
    return demand_ST


def _check_count(name: str, value: int, least: int = 1) -> None:
    if not isinstance(value, int | np.integer) or value < least:
        raise ValueError(f"{name}: expected a whole number >= {least}, found {value!r}")


@numba.njit(cache=True, nogil=True, error_model="numpy")
def _draw(demand_ST, frequency, relative_M, prior, pooled, jitter, seed, path_SPT, lo, hi):  # type: ignore[no-untyped-def]
    n_time = demand_ST.shape[1]
    for s in range(lo, hi):
        size_N = demand_ST[s][demand_ST[s] > 0.0]
        n = len(size_N)
        if n == 0:
            continue
        np.random.seed(seed + s)
        mean, share = size_N.mean(), pooled / (pooled + n)
        for p in range(path_SPT.shape[1]):
            chance = np.random.beta(n + prior * frequency, n_time - n + prior * (1.0 - frequency))
            for t in range(path_SPT.shape[2]):
                if np.random.random() >= chance:
                    continue
                if np.random.random() < share:
                    path_SPT[s, p, t] = mean * relative_M[np.random.randint(len(relative_M))]
                else:
                    path_SPT[s, p, t] = size_N[np.random.randint(n)] * np.exp(jitter * np.random.standard_normal())
