"""Whole-unit demand per period, independent from period to period, for S series at once."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

FloatArray = NDArray[np.float64]

_SUM_TOLERANCE = 1e-6


class DiscreteDemand(Protocol):
    """What the (s, S) kernels ask of a demand; exactly one of the two arrays has rows."""

    @property
    def shape(self) -> tuple[int, ...]:
        """The shape of the series, to be broadcast with the costs."""
        ...

    def panjer(self, shape: tuple[int, ...], lead_time: FloatArray) -> FloatArray:
        """a and b of one period and b of L + 1 periods, with P(k) = (a + b / k) P(k - 1), float64 [S, 3] or [0, 3]."""
        ...

    def pmf(self) -> FloatArray:
        """P(D = 0), ..., P(D = N - 1), float64 [S or 1, N], or [0, 0]."""
        ...


def refuse(is_bad: NDArray[np.bool_], values: FloatArray, name: str, expected: str) -> None:
    """Raise ValueError that names the first bad element of `values`, if any is bad."""
    if is_bad.any():
        at = tuple(int(k) for k in np.argwhere(is_bad)[0])
        where = f" at row {at[0] if len(at) == 1 else at}" if at else ""
        raise ValueError(f"{name}: expected {expected}, found {values[at]}{where}")


@dataclass(frozen=True, eq=False)
class PoissonDemand:
    """Poisson with the given mean, units per period, finite and >= 0; a number or an array of any shape.

    Raises ValueError for a mean that is negative or not finite.
    """

    mean: FloatArray

    def __post_init__(self) -> None:
        object.__setattr__(self, "mean", np.asarray(self.mean, dtype=np.float64))
        refuse(~(np.isfinite(self.mean) & (self.mean >= 0.0)), self.mean, "mean_demand", "finite and >= 0")

    @property
    def shape(self) -> tuple[int, ...]:
        return self.mean.shape

    def panjer(self, shape: tuple[int, ...], lead_time: FloatArray) -> FloatArray:
        mean_S = np.broadcast_to(self.mean, shape).ravel()
        return np.stack([np.zeros_like(mean_S), mean_S, mean_S * (lead_time.ravel() + 1.0)], axis=1)

    def pmf(self) -> FloatArray:
        return np.empty((0, 0))


@dataclass(frozen=True, eq=False)
class NegativeBinomialDemand:
    """Negative binomial with the given mean and variance per period, of shapes that broadcast.

    In r and the success probability: mean = r (1 - prob) / prob, variance = mean / prob. A variance equal to the mean
    is the limit case, Poisson.

    Raises ValueError for a mean that is negative or not finite, or a variance that is not finite or below the mean.
    """

    mean: FloatArray
    variance: FloatArray

    def __post_init__(self) -> None:
        arrays = [np.asarray(x, dtype=np.float64) for x in (self.mean, self.variance)]
        for name, array in zip(("mean", "variance"), np.broadcast_arrays(*arrays), strict=True):
            object.__setattr__(self, name, array)
        refuse(~(np.isfinite(self.mean) & (self.mean >= 0.0)), self.mean, "mean_demand", "finite and >= 0")
        is_good = np.isfinite(self.variance) & (self.variance >= self.mean)
        refuse(~is_good, self.variance, "variance", "finite and not below the mean")

    @property
    def shape(self) -> tuple[int, ...]:
        return self.mean.shape

    def panjer(self, shape: tuple[int, ...], lead_time: FloatArray) -> FloatArray:
        # r and 1 - prob leave float64 as the variance nears the mean; a = 1 - prob and r (1 - prob) do not.
        mean_S, variance_S = (np.broadcast_to(x, shape).ravel() for x in (self.mean, self.variance))
        prob_S = np.divide(mean_S, variance_S, out=np.ones_like(mean_S), where=variance_S > 0.0)
        r_a_S = mean_S * prob_S
        a_S = 1.0 - prob_S
        return np.stack([a_S, r_a_S - a_S, r_a_S * (lead_time.ravel() + 1.0) - a_S], axis=1)

    def pmf(self) -> FloatArray:
        return np.empty((0, 0))


@dataclass(frozen=True, eq=False)
class PmfDemand:
    """Any distribution: P(D = 0), ..., P(D = N - 1) along the last axis, [N] for all series or [S, N].

    For sample paths give the shares of the values seen. Raises ValueError for an empty array, a third dimension, a
    probability that is negative or not finite, or a row whose sum is further than 1e-6 from 1.
    """

    pmf_SN: FloatArray

    def __post_init__(self) -> None:
        object.__setattr__(self, "pmf_SN", np.asarray(self.pmf_SN, dtype=np.float64, order="C"))
        if self.pmf_SN.ndim not in (1, 2) or self.pmf_SN.shape[-1] == 0:
            raise ValueError(f"pmf: expected shape [N] or [S, N] with N >= 1, found {self.pmf_SN.shape}")
        refuse(~(np.isfinite(self.pmf_SN) & (self.pmf_SN >= 0.0)), self.pmf_SN, "pmf", "finite and >= 0")
        sum_S = self.pmf_SN.sum(-1)
        refuse(np.abs(sum_S - 1.0) > _SUM_TOLERANCE, sum_S, "pmf", "a sum of 1 over each row")

    @property
    def shape(self) -> tuple[int, ...]:
        return self.pmf_SN.shape[:-1]

    def panjer(self, shape: tuple[int, ...], lead_time: FloatArray) -> FloatArray:
        return np.empty((0, 3))

    def pmf(self) -> FloatArray:
        return np.atleast_2d(self.pmf_SN)
