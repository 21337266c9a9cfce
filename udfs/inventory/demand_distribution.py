"""The distribution of demand over an interval, for many series at once, each with its own family.

Every family answers three questions, all elementwise over series: the quantile, the survival function and the
first-order loss function E[(D - x)+]. They are computed for each element alone, so that the series beside it never
change a bit of its answer.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final, Literal, Protocol

import numpy as np
from numpy.typing import NDArray
from scipy import special, stats

FloatArray = NDArray[np.float64]
BoolArray = NDArray[np.bool_]
DistributionName = Literal["auto", "normal", "gamma", "negative_binomial", "poisson"]

DISTRIBUTION_NAMES: Final = ("auto", "normal", "gamma", "negative_binomial", "poisson")
COUNT_MEAN_BELOW: Final = 20.0  # below this expected number of units, whole-unit steps matter: use a count family
_LEAST_GAMMA_CV = 1e-3  # a gamma's skewness is 2 cv: below this it is a normal, and its shape would exceed 1e6
_LEAST_OVERDISPERSION = 1e-6  # (variance - mean) / mean below this: the negative binomial's limit, Poisson
_GREATEST_COUNT_MEAN = 1e6  # above this a unit is less than the rounding of the quantile search


class Family(Protocol):
    """One family of distributions with moment-matched parameters; all arrays share one shape."""

    def quantile(self, mean: FloatArray, variance: FloatArray, probability: FloatArray) -> FloatArray: ...

    def survival(self, mean: FloatArray, variance: FloatArray, x: FloatArray) -> FloatArray: ...

    def loss(self, mean: FloatArray, variance: FloatArray, x: FloatArray) -> FloatArray: ...


class Point:
    """All probability on the mean: a forecast without error, or no demand at all."""

    def quantile(self, mean: FloatArray, variance: FloatArray, probability: FloatArray) -> FloatArray:
        return mean.copy()

    def survival(self, mean: FloatArray, variance: FloatArray, x: FloatArray) -> FloatArray:
        return (mean > x).astype(np.float64)

    def loss(self, mean: FloatArray, variance: FloatArray, x: FloatArray) -> FloatArray:
        return np.maximum(mean - x, 0.0)


class Normal:
    """Normal, clipped at zero. Loss: Snyder & Shen (2019), appendix C.3.1, exact for x >= 0."""

    def quantile(self, mean: FloatArray, variance: FloatArray, probability: FloatArray) -> FloatArray:
        return np.maximum(mean + np.sqrt(variance) * special.ndtri(probability), 0.0)

    def survival(self, mean: FloatArray, variance: FloatArray, x: FloatArray) -> FloatArray:
        return special.ndtr((mean - x) / np.sqrt(variance))

    def loss(self, mean: FloatArray, variance: FloatArray, x: FloatArray) -> FloatArray:
        sd = np.sqrt(variance)
        z = (x - mean) / sd
        density = np.exp(-0.5 * z * z) / np.sqrt(2.0 * np.pi)
        return sd * (density - z * special.ndtr(-z))


class Gamma:
    """Gamma with shape mean^2/variance and scale variance/mean (Burgin 1975)."""

    def quantile(self, mean: FloatArray, variance: FloatArray, probability: FloatArray) -> FloatArray:
        return special.gammaincinv(mean * mean / variance, probability) * (variance / mean)

    def survival(self, mean: FloatArray, variance: FloatArray, x: FloatArray) -> FloatArray:
        return special.gammaincc(mean * mean / variance, x / (variance / mean))

    def loss(self, mean: FloatArray, variance: FloatArray, x: FloatArray) -> FloatArray:
        # x f(x; a) = mean f(x; a + 1), so the partial expectation is a survival function of shape a + 1.
        shape, scale = mean * mean / variance, variance / mean
        return mean * special.gammaincc(shape + 1.0, x / scale) - x * special.gammaincc(shape, x / scale)


class Poisson:
    """Poisson with the given mean; the variance is ignored."""

    def quantile(self, mean: FloatArray, variance: FloatArray, probability: FloatArray) -> FloatArray:
        return np.asarray(stats.poisson.ppf(probability, mean), dtype=np.float64)

    def survival(self, mean: FloatArray, variance: FloatArray, x: FloatArray) -> FloatArray:
        return special.pdtrc(np.floor(x), mean)

    def loss(self, mean: FloatArray, variance: FloatArray, x: FloatArray) -> FloatArray:
        # d p(d) = mean p(d - 1): sum over d > k of d p(d) = mean P(D >= k), with k = floor(x).
        k = np.floor(x)
        at_least_k = np.where(k >= 1.0, special.pdtrc(np.maximum(k - 1.0, 0.0), mean), 1.0)
        return mean * at_least_k - x * special.pdtrc(k, mean)


class NegativeBinomial:
    """Negative binomial with r = mean^2 / (variance - mean) and success probability mean / variance."""

    def quantile(self, mean: FloatArray, variance: FloatArray, probability: FloatArray) -> FloatArray:
        r = mean * mean / (variance - mean)
        return np.asarray(stats.nbinom.ppf(probability, r, mean / variance), dtype=np.float64)

    def survival(self, mean: FloatArray, variance: FloatArray, x: FloatArray) -> FloatArray:
        r = mean * mean / (variance - mean)
        return special.betainc(np.floor(x) + 1.0, r, (variance - mean) / variance)

    def loss(self, mean: FloatArray, variance: FloatArray, x: FloatArray) -> FloatArray:
        # d p(d; r) = mean p(d - 1; r + 1): sum over d > k of d p(d; r) = mean P(D' >= k), D' ~ NB(r + 1).
        r, failure = mean * mean / (variance - mean), (variance - mean) / variance
        k = np.floor(x)
        at_least_k = np.where(k >= 1.0, special.betainc(np.maximum(k, 1.0), r + 1.0, failure), 1.0)
        return mean * at_least_k - x * special.betainc(k + 1.0, r, failure)


FAMILIES: Final[dict[str, Family]] = {
    "point": Point(),
    "normal": Normal(),
    "gamma": Gamma(),
    "poisson": Poisson(),
    "negative_binomial": NegativeBinomial(),
}
_CODE: Final = {name: code for code, name in enumerate(FAMILIES)}


@dataclass(frozen=True, slots=True)
class DemandDistribution:
    """Demand over one interval per series.

    mean_S, sd_S: units, finite and >= 0, shape [S]. family_S: code of the family in `FAMILIES`, shape [S].
    Build it with `fit`.
    """

    mean_S: FloatArray
    sd_S: FloatArray
    family_S: NDArray[np.int8]

    @classmethod
    def fit(
        cls,
        mean_S: FloatArray,
        variance_S: FloatArray,
        distribution: DistributionName,
        is_count_S: BoolArray | None = None,
    ) -> DemandDistribution:
        """Choose each series' family and keep its two moments.

        "auto" takes a count family where `is_count_S` (default: mean below 20 units) and the gamma elsewhere;
        a count family is the negative binomial where the variance exceeds the mean and Poisson otherwise. A mean or a
        variance of zero is the limit of a demand that is certain.
        Raises ValueError for an unknown name, or a mean or variance that is not finite and >= 0.
        """
        if distribution not in DISTRIBUTION_NAMES:
            raise ValueError(f"distribution: expected one of {DISTRIBUTION_NAMES}, found {distribution!r}")
        mean_S = np.asarray(mean_S, dtype=np.float64)
        variance_S = np.asarray(variance_S, dtype=np.float64)
        for name, values_S in (("mean_S", mean_S), ("variance_S", variance_S)):
            _refuse(name, "finite and >= 0", values_S, ~(np.isfinite(values_S) & (values_S >= 0.0)))
        if is_count_S is None:
            is_count_S = mean_S < COUNT_MEAN_BELOW
        family_S = np.full(mean_S.shape, _CODE["gamma"], dtype=np.int8)
        if distribution == "normal":
            family_S[:] = _CODE["normal"]
        elif distribution == "poisson":
            family_S[:] = _CODE["poisson"]
        elif distribution == "negative_binomial":
            family_S[:] = _CODE["negative_binomial"]
        elif distribution == "auto":
            family_S[is_count_S] = _CODE["negative_binomial"]
        _replace_limits(family_S, mean_S, variance_S)
        return cls(mean_S, np.sqrt(variance_S), family_S)

    def quantile(self, probability: float | FloatArray) -> FloatArray:
        """The smallest x with P(D <= x) >= probability, units, shape [S]; probability in (0, 1), scalar or [S].

        Raises ValueError for a probability of 0, of 1 (which no finite stock may reach) or outside.
        """
        probability = np.asarray(probability, dtype=np.float64)
        _refuse("probability", "strictly between 0 and 1", probability, ~((probability > 0.0) & (probability < 1.0)))
        return np.maximum(self._ask("quantile", probability), 0.0)

    def survival(self, x: float | FloatArray) -> FloatArray:
        """P(D > x), shape [S]; 1 for a negative x."""
        x_S = np.broadcast_to(np.asarray(x, dtype=np.float64), self.mean_S.shape)
        return np.where(x_S < 0.0, 1.0, np.clip(self._ask("survival", np.maximum(x_S, 0.0)), 0.0, 1.0))

    def loss(self, x: float | FloatArray) -> FloatArray:
        """The first-order loss function E[(D - x)+], units, shape [S].

        For a negative x it is E[D] - x, as demand is never negative.
        """
        x_S = np.broadcast_to(np.asarray(x, dtype=np.float64), self.mean_S.shape)
        above_zero_S = np.clip(self._ask("loss", np.maximum(x_S, 0.0)), 0.0, None)
        return np.where(x_S < 0.0, self.mean_S - x_S, above_zero_S)

    def on_hand(self, x: FloatArray) -> FloatArray:
        """The complementary loss E[(x - D)+], units, shape [S]: what is left of x after the demand."""
        return np.maximum(self.loss(x) + x - self.mean_S, 0.0)

    def family_names(self) -> list[str]:
        """The family of each series, as named in `FAMILIES`."""
        names = list(FAMILIES)
        return [names[code] for code in self.family_S]

    def _ask(self, question: str, argument: float | FloatArray) -> FloatArray:
        argument_S = np.broadcast_to(np.asarray(argument, dtype=np.float64), self.mean_S.shape)
        variance_S = self.sd_S * self.sd_S
        answer_S = np.empty(self.mean_S.shape, dtype=np.float64)
        for name, family in FAMILIES.items():
            rows = np.flatnonzero(self.family_S == _CODE[name])
            if rows.size:
                answer_S[rows] = getattr(family, question)(self.mean_S[rows], variance_S[rows], argument_S[rows])
        return answer_S


def _refuse(name: str, expected: str, values: FloatArray, is_bad: BoolArray) -> None:
    rows = np.flatnonzero(is_bad)
    if rows.size:
        raise ValueError(f"{name}: expected {expected}, found {np.ravel(values)[rows[0]]:g} in row {rows[0]}")


def _replace_limits(family_S: NDArray[np.int8], mean_S: FloatArray, variance_S: FloatArray) -> None:
    """Where a family's parameters leave its domain, put the family that it tends to (in place)."""
    is_big_count_S = np.isin(family_S, [_CODE["negative_binomial"], _CODE["poisson"]]) & (mean_S > _GREATEST_COUNT_MEAN)
    family_S[is_big_count_S] = _CODE["gamma"]
    is_not_overdispersed_S = variance_S - mean_S <= _LEAST_OVERDISPERSION * mean_S
    family_S[(family_S == _CODE["negative_binomial"]) & is_not_overdispersed_S] = _CODE["poisson"]
    is_narrow_S = variance_S < _LEAST_GAMMA_CV**2 * mean_S * mean_S
    family_S[(family_S == _CODE["gamma"]) & is_narrow_S] = _CODE["normal"]
    # A mean of zero leaves a non-negative demand no other value; Poisson needs no variance, all others do.
    is_point_S = (mean_S <= 0.0) | ((variance_S <= 0.0) & (family_S != _CODE["poisson"]))
    family_S[is_point_S] = _CODE["point"]
