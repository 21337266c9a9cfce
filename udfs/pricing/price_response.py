"""How demand answers prices: effects of each series, shrunk to those of its category, and these to those of all.

log(units) of a week is a level of the series plus effects times regressors (own log price, rivals' log prices,
promotions), with normal noise of the series' own variance. The effects of a category's series are normal about the
category's, which are normal about those of all; each variance is estimated (EM, Dempster, Laird and Rubin 1977), old
weeks count less, and effects stay within their bounds: no demand that rises with its own price.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from udfs.pricing.response_kernel import centred_sums, posterior

FloatArray = NDArray[np.float64]
IntArray = NDArray[np.int64]

LEAST_OWN = -0.1
"""Demand that did not fall with its price would be worth any price."""
_LEAST_VARIANCE = 1e-6
_NOISE_ROWS = 4.0
"""A series' variance of noise is estimated as if so many more weeks had the mean one of all."""


@dataclass(frozen=True, slots=True)
class Effects:
    """Which regressors there are: name and bounds of the effect of each of P. The first is the own price."""

    names: tuple[str, ...]
    low_P: FloatArray
    high_P: FloatArray

    @classmethod
    def of(cls, promotions: Sequence[str], rivals: Sequence[str], rival_promotions: Sequence[str] = ()) -> Effects:
        """An own price, promotions (which lift), rivals' prices (which lift when they rise), rivals' promotions."""
        n_up, n_down = len(promotions) + len(rivals), len(rival_promotions)
        low_P = np.r_[-np.inf, np.zeros(n_up), np.full(n_down, -np.inf)]
        high_P = np.r_[LEAST_OWN, np.full(n_up, np.inf), np.zeros(n_down)]
        return cls(("own", *promotions, *rivals, *rival_promotions), low_P, high_P)

    def without_bounds(self) -> Effects:
        free_P = np.full(len(self.names), np.inf)
        return Effects(self.names, -free_P, free_P)


@dataclass(frozen=True, slots=True)
class ResponseRows:
    """R weeks of S series, those of a series together: row first_S[s] to first_S[s + 1] are its.

    x_RP: regressors. y_R: log of units. weight_R: from 0 to 1. group_S: number of the category, from 0.
    Raises ValueError for rows that do not fit together or are not finite: clean them first (`usable_weeks`).
    """

    first_S: IntArray
    x_RP: FloatArray
    y_R: FloatArray
    weight_R: FloatArray
    group_S: IntArray

    def __post_init__(self) -> None:
        if len(self.first_S) != len(self.group_S) + 1 or self.first_S[-1] != len(self.y_R):
            raise ValueError(
                f"first_S: expected {len(self.group_S)} + 1 places, the last one at {len(self.y_R)} rows, found "
                f"{len(self.first_S)} and {self.first_S[-1] if len(self.first_S) else 'none'}"
            )
        for name in ("x_RP", "y_R", "weight_R"):
            values = getattr(self, name)
            if len(values) != len(self.y_R) or not np.isfinite(values).all():
                raise ValueError(f"{name}: expected {len(self.y_R)} finite rows; leave unusable weeks out")


@dataclass(frozen=True, slots=True)
class Prior:
    """Effects of all: mean_P, and sd_P of the categories' about it."""

    mean_P: FloatArray
    sd_P: FloatArray


@dataclass(frozen=True, slots=True)
class Response:
    """What was estimated.

    effect_SP, se_SP: effects and their standard errors (before bounds). level_S: log of units where all regressors are
    0. noise_S: standard deviation of a week's log units. known_SP: share of what its category leaves open that a series'
    own weeks have settled, from 0 (the category's value) to 1. mean_GP, sd_GP: of the categories. all: of all.
    """

    names: tuple[str, ...]
    effect_SP: FloatArray
    se_SP: FloatArray
    level_S: FloatArray
    noise_S: FloatArray
    known_SP: FloatArray
    mean_GP: FloatArray
    sd_GP: FloatArray
    all: Prior

    def log_units(self, series_R: IntArray, x_RP: FloatArray) -> FloatArray:
        """Expected log units of weeks, [R]."""
        return np.asarray(self.level_S[series_R] + (x_RP * self.effect_SP[series_R]).sum(1))


def discount(age_R: FloatArray, half_life: float) -> FloatArray:
    """Weights of weeks by their age, both in weeks."""
    return np.asarray(0.5 ** (age_R / half_life))


def estimate(rows: ResponseRows, effects: Effects, prior: Prior | None = None, steps: int = 60) -> Response:
    """Estimate the effects of all series at once.

    prior: of all, where this is one part of the categories; None estimates it from the categories here.
    """
    n_series, n_effects, n_groups = len(rows.group_S), len(effects.names), int(rows.group_S.max(initial=0)) + 1
    a_SPP, b_SP = np.zeros((n_series, n_effects, n_effects)), np.zeros((n_series, n_effects))
    yy_S, n_S, y_mean_S, x_mean_SP = np.zeros(n_series), np.zeros(n_series), np.zeros(n_series), np.zeros_like(b_SP)
    centred_sums(rows.first_S, rows.x_RP, rows.y_R, rows.weight_R, a_SPP, b_SP, yy_S, n_S, x_mean_SP, y_mean_S)
    group_S, count_G = rows.group_S, np.maximum(np.bincount(rows.group_S, minlength=n_groups), 1)
    top = prior or Prior(np.zeros(n_effects), np.ones(n_effects))
    mean_GP = _pooled(a_SPP, b_SP, group_S, n_groups, top, effects)
    var_GP, noise_S = np.ones((n_groups, n_effects)), np.full(n_series, 0.3)
    effect_SP, var_SP, rss_S = mean_GP[group_S].copy(), np.empty_like(b_SP), np.empty(n_series)
    bounds = effects.low_P, effects.high_P
    for _ in range(steps):
        posterior(a_SPP, b_SP, yy_S, group_S, mean_GP, var_GP, noise_S, *bounds, effect_SP, var_SP, rss_S)
        mean_GP, top = _means(effect_SP, var_GP, group_S, count_G, top, effects, is_given=prior is not None)
        spread_SP = (effect_SP - mean_GP[group_S]) ** 2 + var_SP
        var_GP = np.maximum(_by_group(spread_SP, group_S, n_groups) / count_G[:, None], _LEAST_VARIANCE)
        usual = rss_S.sum() / max(n_S.sum(), 1.0)
        noise_S = np.maximum((rss_S + _NOISE_ROWS * usual) / (n_S + _NOISE_ROWS), _LEAST_VARIANCE)
    return Response(
        effects.names,
        effect_SP,
        np.sqrt(var_SP),
        y_mean_S - (x_mean_SP * effect_SP).sum(1),
        np.sqrt(noise_S),
        np.clip(1.0 - var_SP / var_GP[group_S], 0.0, 1.0),
        mean_GP,
        np.sqrt(var_GP),
        top,
    )


def _pooled(
    a_SPP: FloatArray, b_SP: FloatArray, group_S: IntArray, n_groups: int, top: Prior, effects: Effects
) -> FloatArray:
    """Effects that all series of a category would share, to start from."""
    a_GPP, b_GP = _by_group(a_SPP, group_S, n_groups), _by_group(b_SP, group_S, n_groups)
    precision_P = top.sd_P**-2.0
    free_GP = np.linalg.solve(a_GPP + np.diag(precision_P), (b_GP + precision_P * top.mean_P)[:, :, None])[:, :, 0]
    return np.asarray(np.clip(free_GP, effects.low_P, effects.high_P))


def _means(
    effect_SP: FloatArray,
    var_GP: FloatArray,
    group_S: IntArray,
    count_G: IntArray,
    top: Prior,
    effects: Effects,
    *,
    is_given: bool,
) -> tuple[FloatArray, Prior]:
    """Effects of the categories, and of all."""
    total_GP = _by_group(effect_SP, group_S, len(count_G))
    left_GP = 1.0 / (count_G[:, None] / var_GP + top.sd_P**-2.0)
    mean_GP = np.clip(left_GP * (total_GP / var_GP + top.mean_P * top.sd_P**-2.0), effects.low_P, effects.high_P)
    if is_given or len(count_G) == 1:  # of one category nothing says how categories differ
        return mean_GP, top
    mean_P = mean_GP.mean(0)
    sd_P = np.sqrt(np.maximum(((mean_GP - mean_P) ** 2 + left_GP).mean(0), _LEAST_VARIANCE))
    return mean_GP, Prior(mean_P, sd_P)


def _by_group(values: FloatArray, group_S: IntArray, n_groups: int) -> FloatArray:
    """Sums over the series of each category."""
    total = np.zeros((n_groups, *values.shape[1:]))
    np.add.at(total, group_S, values)
    return total
