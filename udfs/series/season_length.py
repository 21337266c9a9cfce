"""The season that rows of a frequency have: a week of days, a year of months, a day of hours, if they show one.

Whether they do is asked of all series together, for a single one, of few sales a step, hides its season in its noise.
A season is there when values one season apart go together more than chance would have it. Trends and slow changes
would make any lag do so; a centred moving average over one season, which holds no season, is therefore taken off.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

NATURAL = {"h": 24, "D": 7, "W": 52, "M": 12, "ME": 12, "MS": 12, "Q": 4, "QE": 4, "QS": 4}
"""Steps of a season by frequency: a day, a week, a year, a year, a year."""
_STEPS_A_DAY = {"min": 1440, "s": 86400}

COUNTED = (7, 12, 24, 52)
"""Seasons that steps without a calendar may have."""

MAX_SERIES = 200
"""So many series, spread evenly, say whether there is a season."""
SURE, SURE_OF_COUNTED = 2.5, 3.5
"""Standard errors above 0 that a season's correlation has at least: of one that the calendar suggests, and of one of
`COUNTED`, among which chance has more tries."""
MIN_STRETCHES = 8
"""Stretches of time that tell how sure it is."""
CLEAR = 0.02
"""Correlation below which a season is none worth having."""
CLEAR_OF_ONE, SURE_OF_ONE, SHARE = 0.3, 4.0, 0.1
"""A season that only some series have, prices beside sales, is drowned in the mean of all: it is there as well where so
large a share has, each on its own, at least this correlation and is so many standard errors of as many pairs sure."""


@dataclass(frozen=True, slots=True)
class FoundSeason:
    """A season and why.

    Attributes:
        length: steps of a season, 1 for none.
        asked: the length that was looked for, 1 where there was none to look for.
        correlation: of values a season apart, NaN where too few steps tell.
    """

    length: int
    asked: int
    correlation: float = float("nan")


def natural_season(freq: str | int) -> int:
    """Steps of the season that a frequency has by its calendar; 1 for none, such as years or 36 hours."""
    if not isinstance(freq, str) or freq.isdigit():
        return 1
    digits = len(freq) - len(freq.lstrip("0123456789"))
    multiple, name = int(freq[:digits] or 1), freq[digits:].split("-")[0]
    name = {"H": "h", "T": "min", "S": "s"}.get(name, name)
    season = NATURAL.get(name, _STEPS_A_DAY.get(name, 1))
    return season // multiple if season % multiple == 0 else 1


def find_season(y_ST: np.ndarray, mask_ST: np.ndarray, freq: str | int) -> FoundSeason:
    """The season of these series, of the length that the frequency has by its calendar.

    Steps without a calendar (a whole number as freq) may have one of `COUNTED`; the clearest counts. Where too few
    steps tell, the calendar's season stays, and steps without a calendar have none.

    Args:
        y_ST, mask_ST: values, and where they were observed; all series end in the last column.
    """
    every = np.linspace(0, len(y_ST) - 1, min(len(y_ST), MAX_SERIES)).astype(int)
    y_ST, mask_ST = y_ST[every], mask_ST[every]
    natural = natural_season(freq)
    if natural > 1:
        correlation, error, own = _correlation(y_ST, mask_ST, natural)
        # False for NaN: nothing speaks against it.
        doubtful = correlation < max(CLEAR, SURE * error) and not own > 0
        return FoundSeason(1 if doubtful else natural, natural, correlation)
    if isinstance(freq, str) and not freq.isdigit():
        return FoundSeason(1, 1)
    best = FoundSeason(1, 1)
    for length in COUNTED:
        correlation, error, own = _correlation(y_ST, mask_ST, length)
        found = correlation if correlation > max(CLEAR, SURE_OF_COUNTED * error) else own
        if found > 0 and not found <= best.correlation:
            best = FoundSeason(length, length, found)
    return best


def _correlation(y_ST: np.ndarray, mask_ST: np.ndarray, length: int) -> tuple[float, float, float]:
    """Mean correlation of values `length` steps apart, less their trend, and its standard error; NaN for too few.

    Then the correlation of the series that are clear each on its own, times their share; 0 where that is below `SHARE`.
    Each series counts by its pairs. The error is told by stretches of time, for what happens to all series at once is
    one piece of evidence, not as many as there are series.
    """
    if y_ST.shape[1] < 2 * length:
        return float("nan"), float("nan"), 0.0
    rest_ST, seen_ST = _without_trend(y_ST, mask_ST, length)
    pair_ST = seen_ST[:, length:] & seen_ST[:, :-length]
    square_S = (rest_ST**2).sum(1)
    varies_S = square_S > 1e-12 * (np.where(mask_ST, y_ST, 0.0) ** 2).sum(1)
    pair_ST = pair_ST[varies_S]
    spread_S = square_S[varies_S] / seen_ST[varies_S].sum(1)
    rest_ST = rest_ST[varies_S] / np.sqrt(spread_S)[:, None]
    product_ST = rest_ST[:, length:] * rest_ST[:, :-length] * pair_ST
    product_T, pairs_T = product_ST.sum(0), pair_ST.sum(0)
    steps = np.flatnonzero(pairs_T)
    if len(steps) < MIN_STRETCHES:
        return float("nan"), float("nan"), 0.0
    correlation = float(product_T.sum() / pairs_T.sum())
    size = min(length, len(steps) // MIN_STRETCHES)
    stretch_N = np.arange(len(steps)) // size
    off = np.bincount(stretch_N, (product_T - correlation * pairs_T)[steps])
    error = float(np.sqrt((off**2).sum() * len(off) / (len(off) - 1)) / pairs_T.sum())
    pairs_S = np.maximum(pair_ST.sum(1), 1)
    own_S = product_ST.sum(1) / pairs_S
    clear_S = own_S > np.maximum(CLEAR_OF_ONE, SURE_OF_ONE / np.sqrt(pairs_S))
    return correlation, error, float(own_S[clear_S].sum() / len(own_S)) if clear_S.mean() >= SHARE else 0.0


def _without_trend(y_ST: np.ndarray, mask_ST: np.ndarray, length: int) -> tuple[np.ndarray, np.ndarray]:
    """Values less the centred mean of a season around them, 0 where it is not whole, and where it is."""
    window = np.ones(length + 1 - length % 2)
    if length % 2 == 0:
        window[[0, -1]] = 0.5
    reach = len(window) // 2
    total_ST = np.apply_along_axis(np.convolve, 1, np.where(mask_ST, y_ST, 0.0), window, "same")
    weight_ST = np.apply_along_axis(np.convolve, 1, mask_ST.astype(float), window, "same")
    seen_ST = mask_ST & (weight_ST >= length / 2)
    seen_ST[:, :reach] = seen_ST[:, len(seen_ST[0]) - reach :] = False
    first_S = np.where(mask_ST.any(1), mask_ST.argmax(1), mask_ST.shape[1])
    seen_ST &= np.arange(mask_ST.shape[1]) >= first_S[:, None] + reach
    return np.where(seen_ST, y_ST - total_ST / np.maximum(weight_ST, 1.0), 0.0), seen_ST
