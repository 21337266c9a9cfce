"""How demand answers prices: effects of each series, shrunk to those of its category, and these to those of all.

log(units) of a week is a level of the series plus effects times regressors (own log price, rivals' log prices,
promotions), with normal noise of the series' own variance. A series may have a level for each of its blocks of weeks,
so that demand which drifts while a price stays is no answer to it. The effects of a category's series are normal about
the category's, which are normal about those of all; each variance is estimated (EM, Dempster, Laird and Rubin 1977),
old weeks count less, and effects stay within their bounds: no demand that rises with its own price.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from udfs.pricing.response_kernel import centred_sums, posterior

FloatArray = NDArray[np.float64]
IntArray = NDArray[np.int64]

LEAST_OWN = -0.1
"""Demand that did not fall with its price would be worth any price."""
_USUAL_OWN = -2.0
"""What is believed of own effects, one up or down, before any price has changed: about the mean of published ones."""
_LEAST_VARIANCE = 1e-6
_NOISE_ROWS = 4.0
"""A series' variance of noise is estimated as if so many more weeks had the mean one of all."""
_SPREAD_SERIES = 20.0
"""A category's variance of effects is estimated as if so many more series had that of all: 30 say little of it."""
_MOST_SPREAD = 2.2
"""Series stray from their category's effects no more than published elasticities of all kinds of goods do from their
mean (Bijmolt, van Heerde and Pieters 2005): a few prices that changed once would say anything else."""
_COUNT_START, _MOST_STEP = 0.5, 8.0
_LOG_UNITS = (-12.0, 20.0)


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

    x_RP: regressors. y_R: log of units. weight_R: from 0 to 1. group_S: number of the category, from 0. block_R: rows
    of a series that share a level, 0 for the latest ones, those of a block together; None is one level for all.
    Raises ValueError for rows that do not fit together or are not finite: clean them first (`usable_weeks`).
    """

    first_S: IntArray
    x_RP: FloatArray
    y_R: FloatArray
    weight_R: FloatArray
    group_S: IntArray
    block_R: IntArray | None = None

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

    @property
    def series_of_rows(self) -> IntArray:
        return np.repeat(np.arange(len(self.group_S)), np.diff(self.first_S))

    def first_rows(self) -> IntArray:
        """The first row of each block of each series, [B], and R: the rows of a level."""
        starts_R = np.diff(self.series_of_rows, prepend=-1) != 0
        if self.block_R is not None:
            starts_R |= np.diff(self.block_R, prepend=-1) != 0
        return np.append(np.flatnonzero(starts_R), len(self.y_R)).astype(np.int64)


@dataclass(frozen=True, slots=True)
class Prior:
    """Effects of all: mean_P, sd_P of the categories' about it, and spread_P, that of series about their category's."""

    mean_P: FloatArray
    sd_P: FloatArray
    spread_P: FloatArray


@dataclass(frozen=True, slots=True)
class Response:
    """What was estimated.

    effect_SP, se_SP: effects and their standard errors (before bounds). level_S, level_se_S: log of units where all
    regressors are 0, and its standard error where effects are known. noise_S: standard deviation of a week's log units,
    of counts the root of variance over mean. known_SP: share of what its category leaves open that a series'
    own weeks have settled, from 0 (the category's value) to 1. mean_GP, sd_GP: of the categories. all: of all.
    """

    names: tuple[str, ...]
    effect_SP: FloatArray
    se_SP: FloatArray
    level_S: FloatArray
    level_se_S: FloatArray
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


@dataclass(frozen=True, slots=True)
class _Sums:
    """Weighted sums of squares and products about the means of each block of rows, added up by series; of each block
    its series, its weight n_B and its means, and the latest block of each series (-1: none)."""

    a_SPP: FloatArray
    b_SP: FloatArray
    yy_S: FloatArray
    series_B: IntArray
    n_B: FloatArray
    x_mean_BP: FloatArray
    y_mean_B: FloatArray
    latest_S: IntArray

    @classmethod
    def of(cls, rows: ResponseRows, y_R: FloatArray, weight_R: FloatArray) -> _Sums:
        first_B, n_series, n_effects = rows.first_rows(), len(rows.group_S), rows.x_RP.shape[1]
        n = len(first_B) - 1
        a_BPP, b_BP, x_mean_BP = np.zeros((n, n_effects, n_effects)), np.zeros((n, n_effects)), np.zeros((n, n_effects))
        yy_B, n_B, y_mean_B = np.zeros(n), np.zeros(n), np.zeros(n)
        centred_sums(first_B, rows.x_RP, y_R, weight_R, a_BPP, b_BP, yy_B, n_B, x_mean_BP, y_mean_B)
        series_B = rows.series_of_rows[first_B[:-1]]
        block_B = np.zeros(n, dtype=np.int64) if rows.block_R is None else rows.block_R[first_B[:-1]]
        order_B = np.lexsort((block_B, series_B))
        has_rows, at = np.unique(series_B[order_B], return_index=True)
        latest_S = np.full(n_series, -1)
        latest_S[has_rows] = order_B[at]
        return cls(
            _by_group(a_BPP, series_B, n_series),
            _by_group(b_BP, series_B, n_series),
            _by_group(yy_B, series_B, n_series),
            series_B,
            n_B,
            x_mean_BP,
            y_mean_B,
            latest_S,
        )

    def levels(self, effect_SP: FloatArray) -> FloatArray:
        """Log of units where all regressors are 0, of each block."""
        level_B = self.y_mean_B - (self.x_mean_BP * effect_SP[self.series_B]).sum(1)
        return np.asarray(np.clip(level_B, *_LOG_UNITS))

    def of_latest(self, values_B: FloatArray) -> FloatArray:
        """Of each series that of its latest block, 0 where it has none."""
        return np.append(values_B, 0.0)[self.latest_S]


@dataclass(slots=True)
class _State:
    """Where the estimation stands: effects of series, categories and all with their variances, variances of noise."""

    effect_SP: FloatArray
    var_SP: FloatArray
    mean_GP: FloatArray
    var_GP: FloatArray
    noise_S: FloatArray
    all: Prior


def estimate(rows: ResponseRows, effects: Effects, prior: Prior | None = None, steps: int = 60) -> Response:
    """Estimate the effects of all series at once.

    prior: of all, where this is one part of the categories; None estimates it from the categories here.
    """
    sums = _Sums.of(rows, rows.y_R, rows.weight_R)
    state = _started(sums, rows.group_S, effects, prior, noise=0.3)
    weight_S = np.bincount(rows.series_of_rows, rows.weight_R, len(rows.group_S))
    _improve(state, sums, weight_S, rows.group_S, effects, prior is not None, steps)
    return _response(state, sums, rows.group_S, effects)


def estimate_counts(
    rows: ResponseRows, effects: Effects, prior: Prior | None = None, rounds: int = 8, steps: int = 10
) -> Response:
    """The same where y_R are units, weeks without a sale among them: counts about exp(level + effects x regressors),
    with a variance of `noise_S` ** 2 times the mean (penalised quasi-likelihood, Breslow and Clayton 1993)."""
    series_R, first_B = rows.series_of_rows, rows.first_rows()
    total_S = np.bincount(series_R, rows.weight_R * rows.y_R, len(rows.group_S))
    weight_S = np.bincount(series_R, rows.weight_R, len(rows.group_S))
    level_S = np.log((total_S + _COUNT_START) / (weight_S + _COUNT_START))
    eta_R, state = level_S[series_R], None
    for _ in range(rounds):
        mean_R = np.exp(np.clip(eta_R, *_LOG_UNITS))
        working_R = eta_R + np.clip(rows.y_R / mean_R - 1.0, -1.0, _MOST_STEP)
        sums = _Sums.of(rows, working_R, rows.weight_R * mean_R)
        state = state or _started(sums, rows.group_S, effects, prior, noise=1.0)
        _improve(state, sums, weight_S, rows.group_S, effects, prior is not None, steps)
        level_R = np.repeat(sums.levels(state.effect_SP), np.diff(first_B))
        eta_R = level_R + (rows.x_RP * state.effect_SP[series_R]).sum(1)
    assert state is not None
    return _response(state, sums, rows.group_S, effects)


def _started(sums: _Sums, group_S: IntArray, effects: Effects, prior: Prior | None, noise: float) -> _State:
    n_groups, n_effects = int(group_S.max(initial=0)) + 1, len(effects.names)
    top = prior or Prior(np.r_[_USUAL_OWN, np.zeros(n_effects - 1)], np.ones(n_effects), np.ones(n_effects))
    mean_GP = _pooled(sums.a_SPP, sums.b_SP, group_S, n_groups, top, effects)
    effect_SP = mean_GP[group_S].copy()
    return _State(
        effect_SP,
        np.empty_like(effect_SP),
        mean_GP,
        np.ones((n_groups, n_effects)),
        np.full(len(group_S), noise),
        top,
    )


def _improve(
    state: _State, sums: _Sums, weeks_S: NDArray[Any], group_S: IntArray, effects: Effects, is_given: bool, steps: int
) -> None:
    """Steps of expectation and maximisation. weeks_S: that a variance of noise is estimated from."""
    n_groups = len(state.mean_GP)
    count_G = np.maximum(np.bincount(group_S, minlength=n_groups), 1)
    rss_S, bounds = np.empty(len(group_S)), (effects.low_P, effects.high_P)
    for _ in range(steps):
        posterior(
            sums.a_SPP,
            sums.b_SP,
            sums.yy_S,
            group_S,
            state.mean_GP,
            state.var_GP,
            state.noise_S,
            *bounds,
            state.effect_SP,
            state.var_SP,
            rss_S,
        )
        state.mean_GP, state.all = _means(state, group_S, count_G, effects, is_given=is_given)
        spread_SP = (state.effect_SP - state.mean_GP[group_S]) ** 2 + state.var_SP
        if not is_given and len(group_S):
            state.all = replace(state.all, spread_P=np.minimum(np.sqrt(spread_SP.mean(0)), _MOST_SPREAD))
        spread_GP = _by_group(spread_SP, group_S, n_groups) + _SPREAD_SERIES * state.all.spread_P**2
        state.var_GP = np.clip(spread_GP / (count_G[:, None] + _SPREAD_SERIES), _LEAST_VARIANCE, _MOST_SPREAD**2)
        usual = rss_S.sum() / max(weeks_S.sum(), 1.0)
        state.noise_S = np.maximum((rss_S + _NOISE_ROWS * usual) / (weeks_S + _NOISE_ROWS), _LEAST_VARIANCE)


def _response(state: _State, sums: _Sums, group_S: IntArray, effects: Effects) -> Response:
    left_SP = state.var_SP / state.var_GP[group_S]
    count_G = np.maximum(np.bincount(group_S, minlength=len(state.mean_GP)), 1)
    # That the category's value is not known either is part of what a series that leans on it does not know.
    of_mean_GP = 1.0 / (count_G[:, None] / state.var_GP + state.all.sd_P**-2.0)
    return Response(
        effects.names,
        state.effect_SP,
        np.sqrt(state.var_SP + left_SP**2 * of_mean_GP[group_S]),
        sums.of_latest(sums.levels(state.effect_SP)),
        np.sqrt(state.noise_S / np.maximum(sums.of_latest(sums.n_B), 1e-9)),
        np.sqrt(state.noise_S),
        np.clip(1.0 - left_SP, 0.0, 1.0),
        state.mean_GP,
        np.sqrt(state.var_GP),
        state.all,
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
    state: _State, group_S: IntArray, count_G: IntArray, effects: Effects, *, is_given: bool
) -> tuple[FloatArray, Prior]:
    """Effects of the categories, and of all."""
    var_GP, top = state.var_GP, state.all
    total_GP = _by_group(state.effect_SP, group_S, len(count_G))
    left_GP = 1.0 / (count_G[:, None] / var_GP + top.sd_P**-2.0)
    mean_GP = np.clip(left_GP * (total_GP / var_GP + top.mean_P * top.sd_P**-2.0), effects.low_P, effects.high_P)
    if is_given or len(count_G) == 1:  # of one category nothing says how categories differ
        return mean_GP, top
    mean_P = mean_GP.mean(0)
    sd_P = np.sqrt(np.maximum(((mean_GP - mean_P) ** 2 + left_GP).mean(0), _LEAST_VARIANCE))
    return mean_GP, replace(top, mean_P=mean_P, sd_P=sd_P)


def _by_group(values: FloatArray, group_S: IntArray, n_groups: int) -> FloatArray:
    """Sums over the series of each category."""
    total = np.zeros((n_groups, *values.shape[1:]))
    np.add.at(total, group_S, values)
    return total
