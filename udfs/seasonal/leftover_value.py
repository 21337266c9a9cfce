"""What one more unit left over brings when it is sold off after its season, by the markdown programme.

In the weeks after the season demand fades, and answers the prices of a falling ladder with the category's elasticity.
How much is left depends on what is bought, and that on what a leftover brings: the two are found in turn.
"""

from __future__ import annotations

import numpy as np
from scipy.special import ndtri

from udfs.pricing.markdown import Beliefs, Markdown, values
from udfs.seasonal.season_spec import SeasonSpec
from udfs.seasonal.two_stage import FloatArray

_LADDER = np.array([1.0, 0.85, 0.7, 0.55, 0.4, 0.25])
_ROUNDS = 6
_SEASONS = 8  # of equal probability among those that leave anything
_STEP = 0.05  # of the leftovers, over which one more is valued
_BELOW_COST = 0.999  # a leftover that brings its cost would be bought without end


def leftover_values(
    log_mean_I: FloatArray,
    log_sd_I: FloatArray,
    last_week_I: FloatArray,
    price_I: FloatArray,
    cost_I: FloatArray,
    assumed_I: FloatArray,
    elasticity_I: FloatArray,
    spec: SeasonSpec,
) -> FloatArray:
    """Currency a unit, below its cost: the mean over seasons that leave anything of the one buy; NaN where the
    elasticity is NaN, not known.

    log_mean_I, log_sd_I: of the season's demand. last_week_I: its last week's share of it. assumed_I: what a leftover
    is taken to bring otherwise, with which the search begins. What the ladder does not sell brings nothing.
    """
    found_I = np.full(len(price_I), np.nan)
    known = np.isfinite(elasticity_I) & (elasticity_I < 0)
    if not known.any():
        return found_I
    mean, sd, share, price, cost = (each[known] for each in (log_mean_I, log_sd_I, last_week_I, price_I, cost_I))
    value = assumed_I[known]
    for _ in range(_ROUNDS):
        ratio = (price - cost) / (price - value)
        less_IK = np.exp(mean[:, None] + sd[:, None] * ndtri(ratio[:, None] * (np.arange(_SEASONS) + 0.5) / _SEASONS))
        left_IK = np.exp(mean + sd * ndtri(ratio))[:, None] - less_IK
        now = _marginal(left_IK, less_IK * share[:, None], price, elasticity_I[known], spec).mean(1)
        value = (value + np.clip(now, 0.0, _BELOW_COST * cost)) / 2
    found_I[known] = value
    return found_I


def _marginal(
    left_IK: FloatArray, week_IK: FloatArray, price_I: FloatArray, elasticity_I: FloatArray, spec: SeasonSpec
) -> FloatArray:
    """What one more unit brings beside so many left over, [I, K]. week_IK: units of the season's last week."""
    left, week = left_IK.ravel(), np.maximum(week_IK.ravel(), 1e-9)
    price, elasticity = (np.repeat(each, left_IK.shape[1]) for each in (price_I, elasticity_I))
    nothing = np.zeros(len(left))
    beliefs = Beliefs.of(np.log(week), nothing, elasticity, nothing)
    season_ST = np.tile(spec.fading_rate ** np.arange(1, spec.sell_off_weeks + 1), (len(left), 1))
    many = np.ceil(np.maximum(left, 1.0))
    few = many - np.maximum(np.round(_STEP * many), 1.0)
    most, less = (
        values(Markdown(price[:, None] * _LADDER, season_ST, stock, nothing), beliefs).max(1) for stock in (many, few)
    )
    return np.asarray((most - less) / (many - few)).reshape(left_IK.shape)
