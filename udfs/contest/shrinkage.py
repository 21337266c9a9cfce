"""A series' own scores, shrunk toward those of its demand class.

A few windows of one series say little: on 12,196 daily series of the M5 (28 days after each of three cutoffs, chosen
by the three windows before), the single model with a series' own best score had a scaled pinball loss of .2335, the
best of its class .2273, the best by shrunk scores .2279, and the average of the best three by shrunk scores .2264.
How much a series' own scores count is therefore estimated
(Efron & Morris, 1975, Data analysis using Stein's estimator and its generalizations, JASA 70(350)). Per class and
candidate, with d the difference of a candidate's score to that of the class's first candidate, averaged over the W
windows of a series,

    own weight = tau^2 / (tau^2 + sigma^2 / W),

where sigma^2 is the mean variance of d between windows of a series and tau^2 what the variance of d between series
exceeds sigma^2 / W by. The class's mean of d counts as if `prior_series` more series had shown no difference. Scores
with heavy tails, money, are shrunk by their noise as well: the mean counts by

    1 - doubt se^2 / mean^2, at least 0 (the positive part of James & Stein, 1961),

with se its standard error over the class's series: what one series has shown alone says nothing of others.

Where sums of errors are known, scores are multiplied by `total_factors`: candidates that are right in sum come first.

Everything a class needs is a sum over its series (`class_sums`), so buckets of series can be summarised apart and added
up. Dimensions as in `udfs.series.sku_batch`, and W windows, K candidates.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from udfs.contest.scores import mean_over_windows


@dataclass(frozen=True, slots=True)
class Shrunk:
    """Scores to choose by. score_KS: infinite where a candidate has none. own_KS: weight of a series' own scores, from
    0 to 1. windows_S: windows of its own."""

    score_KS: np.ndarray
    own_KS: np.ndarray
    windows_S: np.ndarray


def shrink(
    score_KWS: np.ndarray, sums_K: Sequence[Mapping[str, float] | None], prior_series: float, doubt: float = 0.0
) -> Shrunk:
    """The scores of the series of one class.

    Args:
        sums_K: the class's sums of each candidate, None without; the first candidate must have them.
    """
    first = sums_K[0]
    if first is None:
        raise ValueError("expected class sums of the first candidate, found none")
    mean_S, windows_S = mean_over_windows(score_KWS[0])
    base_S = np.where(windows_S > 0, mean_S, first["score_sum"] / first["series"])
    score_KS = np.full((len(sums_K), score_KWS.shape[2]), np.inf)
    own_KS = np.zeros_like(score_KS)
    for k, sums in enumerate(sums_K):
        if sums is None:
            continue
        class_difference, between, within = components(sums, prior_series, doubt)
        own_S, n_S = mean_over_windows(score_KWS[k] - score_KWS[0])
        with np.errstate(divide="ignore", invalid="ignore"):
            own_KS[k] = np.where((n_S > 0) & (between > 0), between / (between + within / n_S), 0.0)
        difference_S = class_difference + own_KS[k] * np.where(n_S > 0, own_S - class_difference, 0.0)
        # The class's difference may exceed what a series' first candidate lost; no score is negative.
        score_KS[k] = np.maximum(base_S + difference_S, 1e-3 * base_S)
    return Shrunk(score_KS, own_KS, windows_S)


def total_factors(sums_K: Sequence[Mapping[str, Any] | None], weight: float) -> np.ndarray:
    """(K,) what scores are multiplied by for the errors of sums: (root mean square over the least one)^weight, from 1.

    Only sums that all candidates have are compared; one without any, and all where there is no error, have 1.
    """
    factor_K = np.ones(len(sums_K))
    known = [k for k, sums in enumerate(sums_K) if sums is not None and _states_errors(sums)]
    if not known or not weight:
        return factor_K
    square_K = (errors_of_sums([sums for k in known if (sums := sums_K[k]) is not None]) ** 2).sum(1)
    if square_K.min() > 0:
        factor_K[known] = (square_K / square_K.min()) ** (0.5 * weight)
    return factor_K


def errors_of_sums(sums_K: Sequence[Mapping[str, Any]]) -> np.ndarray:
    """(K, X) the errors of those sums that all of these candidates have; X is 0 where one of them has none."""
    if not all(_states_errors(sums) for sums in sums_K):
        return np.empty((len(sums_K), 0))
    error_KX = np.array([sums["total_errors"] for sums in sums_K], dtype=float)
    return error_KX[:, np.isfinite(error_KX).all(0)]


def _states_errors(sums: Mapping[str, Any]) -> bool:
    return bool(sums.get("total_errors")) and bool(np.isfinite(sums["total_errors"]).any())


def components(sums: Mapping[str, float], prior_series: float, doubt: float = 0.0) -> tuple[float, float, float]:
    """(class difference, variance between series, variance between windows of a series) of a candidate."""
    n = sums["series"]
    mean = sums["difference_sum"] / n
    within = sums["window_variance_sum"] / sums["repeated_series"] if sums["repeated_series"] else 0.0
    total = max(sums["difference_square_sum"] / n - mean**2, 0.0) * n / max(n - 1, 1)
    # Without repeated windows nothing tells noise from difference: the class decides.
    between = max(total - within * sums["inverse_windows_sum"] / n, 0.0) if sums["repeated_series"] else 0.0
    proven = max(1.0 - doubt * total / n / mean**2, 0.0) if mean else 1.0
    return proven * sums["difference_sum"] / (n + prior_series), between, within
