"""What trees are told of a series at an origin: recent levels, how often it sells, how long ago it sold.

Levels are means with exponential forgetting, in multiples of the series' own unit, so that series of all sizes read
alike. S series, T days before the origin, L half-lives, F features.
"""

from __future__ import annotations

import numpy as np

HALF_LIVES = (1.0, 3.0, 6.0, 13.0, 30.0, 90.0, 365.0, 1e6)
"""Steps after which a day counts half; with the last one all days count alike."""

_LEVEL = 4
"""The half-life whose mean is the level of a series."""

UNITS_PER_LEVEL = 10.0
"""Above this level, demand is measured in tenths of the level, below it piece by piece."""

_SEASONS = (2.0, 8.0)
"""Half-lives of the means of one phase of the season, in seasons."""

_RECENT_STEPS = 12


def forgetting_mean(y_ST: np.ndarray, mask_ST: np.ndarray, half_life: float) -> np.ndarray:
    """(S,) mean over observed days, a day weighing half as much as one `half_life` later; 0 without any."""
    weight_T = 0.5 ** (np.arange(y_ST.shape[1] - 1, -1, -1) / half_life)
    weight_S = mask_ST @ weight_T
    return np.where(weight_S > 0, (y_ST * mask_ST) @ weight_T / np.where(weight_S > 0, weight_S, 1.0), 0.0)


def own_unit(y_ST: np.ndarray, mask_ST: np.ndarray, whole_S: np.ndarray) -> np.ndarray:
    """(S,) what demand is counted in: pieces where they are few and whole, else a tenth of the level."""
    tenth_S = forgetting_mean(y_ST, mask_ST, HALF_LIVES[_LEVEL]) / UNITS_PER_LEVEL
    return np.where(whole_S, np.maximum(tenth_S, 1.0), np.where(tenth_S > 0, tenth_S, 1.0))


def origin_features(y_ST: np.ndarray, mask_ST: np.ndarray, unit_S: np.ndarray) -> np.ndarray:
    """(S, F) what holds for all days after the origin."""
    y_ST = np.where(mask_ST, y_ST, 0.0) / unit_S[:, None]
    sold_ST = y_ST > 0
    columns = [forgetting_mean(x_ST, mask_ST, h) for h in HALF_LIVES for x_ST in (y_ST, sold_ST.astype(float))]
    size_S = forgetting_mean(y_ST, sold_ST, HALF_LIVES[_LEVEL])
    spread_S = forgetting_mean((y_ST - size_S[:, None]) ** 2, sold_ST, HALF_LIVES[_LEVEL])
    n_days = y_ST.shape[1]
    since_S = np.where(sold_ST.any(1), sold_ST[:, ::-1].argmax(1), n_days)
    last_S = np.take_along_axis(y_ST, np.maximum(n_days - 1 - since_S, 0)[:, None], 1)[:, 0]
    recent_S = y_ST[:, -_RECENT_STEPS:].max(1)
    return np.stack([*columns, size_S, spread_S, since_S, last_S, recent_S, mask_ST.sum(1), np.log(unit_S)], axis=1)


def phase_features(
    y_ST: np.ndarray, mask_ST: np.ndarray, unit_S: np.ndarray, step: int, season_length: int
) -> np.ndarray:
    """(S, F) what holds for the day `step` days after the last one (1 is the next day): its phase of the season."""
    first = (y_ST.shape[1] + step - 1) % season_length
    y_SN, mask_SN = y_ST[:, first::season_length] / unit_S[:, None], mask_ST[:, first::season_length]
    sold_SN = (y_SN > 0).astype(float)
    columns = [forgetting_mean(x_SN, mask_SN, h) for h in _SEASONS for x_SN in (y_SN, sold_SN)]
    return np.stack([*columns, np.full(len(y_ST), float(step))], axis=1)
