"""Weather as it was known: on a day that has come what was measured, of a day ahead what could be expected then.

Dimensions: L locations, D days, H horizon, W values (`VALUES`), R forecasts.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

VALUES = ("temperature", "precipitation")
"""In degrees Celsius, and as log(1 + mm): a wet day differs from a dry one more than from a very wet one."""

_YEAR = 365.25
_MOST_HARMONICS = 2
_RECENT_DAYS = 365
"""Forecasts so long before an origin say how far forecasts are to be trusted."""
_PRIOR_DAYS = 20.0
"""Days on which forecasts were as good as they say, added to those seen at each lead."""
_MOST_LEAD = 60
"""Longer leads are judged together."""


@dataclass(frozen=True, eq=False, slots=True)
class Weather:
    """What was measured and what was forecast when, for the days from `first` on.

    Attributes:
        first: the first day, counted since 1970, as all days here.
        known_LDW: (L, D, W) float64 each day as known at its end: measured, else as last forecast; NaN where neither.
        location_R, day_R, issued_R: (R,) int of each forecast, in the order in which they were issued.
        value_RW: (R, W) what it says, NaN where nothing.
    """

    first: int
    known_LDW: np.ndarray
    location_R: np.ndarray
    day_R: np.ndarray
    issued_R: np.ndarray
    value_RW: np.ndarray

    @classmethod
    def of(cls, table: pa.Table | None, locations: list[str]) -> Weather | None:
        """From rows of silver.weather, in any order; None where there is none of the locations."""
        if table is None or not table.num_rows:
            return None
        place_R = pc.index_in(table["location_id"].combine_chunks(), pa.array(locations, pa.string()))
        table = table.append_column("place", place_R).filter(pc.is_valid(place_R))
        if not table.num_rows:
            return None
        table = table.sort_by([("is_measured", "ascending"), ("known_on", "ascending")])
        place_R, day_R, issued_R = (table[name].cast(pa.int32()).to_numpy() for name in ("place", "ds", "known_on"))
        columns = [pc.fill_null(table[name].cast(pa.float64()), float("nan")).to_numpy() for name in VALUES]
        value_RW = np.stack([columns[0], np.log1p(columns[1])], axis=1)
        value_RW[:, np.isnan(value_RW).all(0)] = 0.0  # what nobody states is the same every day
        first = int(day_R.min())
        known_LDW = np.full((len(locations), int(day_R.max()) - first + 1, len(VALUES)), np.nan)
        _put(known_LDW, place_R, day_R - first, value_RW)
        forecasts = slice(0, int(np.count_nonzero(~table["is_measured"].to_numpy())))
        return cls(first, known_LDW, place_R[forecasts], day_R[forecasts], issued_R[forecasts], value_RW[forecasts])

    def days(self, first: int, n_days: int) -> np.ndarray:
        """(L, n_days, W) each day as known at its end; NaN where it was not."""
        at_X = first - self.first + np.arange(n_days)
        days_LXW = self.known_LDW[:, np.clip(at_X, 0, self.known_LDW.shape[1] - 1)]
        days_LXW[:, (at_X < 0) | (at_X >= self.known_LDW.shape[1])] = np.nan
        return days_LXW

    def ahead(self, origin: int, horizon: int) -> np.ndarray:
        """(L, H, W) what could be expected of the `horizon` days after `origin` at its end; NaN where nothing could.

        That is the latest forecast issued by then, as far from the season's usual as forecasts of its lead have proved
        right; beyond it and without any, the usual weather and what is left of the last day's distance from it. All of
        this is estimated from days until `origin`.
        """
        n_days = max(origin - self.first + 1, 0)
        past_LXW = self.days(self.first, n_days)
        usual_LXW = _usual(past_LXW, self.first, horizon)
        gap_LXW = past_LXW - usual_LXW[:, :n_days]
        expected_LHW = usual_LXW[:, n_days:] + _faded(gap_LXW, horizon)
        trust_BW = self._trust(origin, usual_LXW)
        use_R = (self.issued_R <= origin) & (self.day_R > origin) & (self.day_R <= origin + horizon)
        at_R, step_R = self.location_R[use_R], self.day_R[use_R] - origin - 1
        usual_RW = usual_LXW[at_R, n_days + step_R]
        lead_R = np.minimum(self.day_R[use_R] - self.issued_R[use_R], _MOST_LEAD)
        said_RW = self.value_RW[use_R]
        believed_RW = usual_RW + trust_BW[lead_R] * (said_RW - usual_RW)
        _put(expected_LHW, at_R, step_R, np.where(np.isnan(usual_RW), said_RW, believed_RW))
        return expected_LHW

    def _trust(self, origin: int, usual_LXW: np.ndarray) -> np.ndarray:
        """(B, W) by lead the share of a forecast's distance from the usual that has come true, 0 to 1."""
        use_R = (self.day_R <= origin) & (self.issued_R > origin - _RECENT_DAYS)
        at = self.location_R[use_R], self.day_R[use_R] - self.first
        lead_R = np.minimum(self.day_R[use_R] - self.issued_R[use_R], _MOST_LEAD)
        came_RW, said_RW = self.known_LDW[at] - usual_LXW[at], self.value_RW[use_R] - usual_LXW[at]
        trust_BW = np.ones((_MOST_LEAD + 1, len(VALUES)))
        for w in range(len(VALUES)):
            known_R = ~np.isnan(came_RW[:, w] + said_RW[:, w])
            came_K, said_K, lead_K = came_RW[known_R, w], said_RW[known_R, w], lead_R[known_R]
            prior = _PRIOR_DAYS * max(float(np.mean(said_K**2)) if len(said_K) else 0.0, 1e-9)
            both_B, square_B = (np.bincount(lead_K, x_K, _MOST_LEAD + 1) for x_K in (came_K * said_K, said_K**2))
            trust_BW[:, w] = np.clip((both_B + prior) / (square_B + prior), 0.0, 1.0)
        return trust_BW


@dataclass(frozen=True, eq=False, slots=True)
class WeatherResponse:
    """How demand of S series answers weather: the log of its factor is linear in `VALUES`, cut at five fold.

    Attributes:
        weather: of the locations.
        location_U, effect_UW: location of each of U units and what a unit more of each value does to the log of demand.
        unit_S: unit of each series.
        usual_W: the weather of which the factor is 1.
    """

    weather: Weather
    location_U: np.ndarray
    effect_UW: np.ndarray
    unit_S: np.ndarray
    usual_W: np.ndarray

    def came(self, first: int, n_days: int) -> np.ndarray:
        """(S, n_days) factors of days that have come; a day of unknown weather is as the day before."""
        return self._factor(_carried(self.weather.days(first, n_days)))

    def expected(self, origin: int, horizon: int) -> np.ndarray:
        """(S, H) factors of the days after `origin` by what was known at its end."""
        return self._factor(self.weather.ahead(origin, horizon))

    def select(self, index: np.ndarray) -> WeatherResponse:
        """That of the series at `index` (positions)."""
        return WeatherResponse(self.weather, self.location_U, self.effect_UW, self.unit_S[index], self.usual_W)

    def _factor(self, value_LXW: np.ndarray) -> np.ndarray:
        factor_SX: np.ndarray = factors((value_LXW - self.usual_W)[self.location_U], self.effect_UW)[self.unit_S]
        return factor_SX


def factors(gap_UXW: np.ndarray, effect_UW: np.ndarray) -> np.ndarray:
    """(U, X) factors of demand where weather is so far from what they are 1 for; what is unknown (NaN) does nothing."""
    log_UX = (np.nan_to_num(gap_UXW) * effect_UW[:, None, :]).sum(2)
    factor_UX: np.ndarray = np.exp(np.clip(log_UX, -np.log(5.0), np.log(5.0)))
    return factor_UX


def _put(target_LXW: np.ndarray, at_R: np.ndarray, day_R: np.ndarray, value_RW: np.ndarray) -> None:
    """Write values where they are known; of several for a day the last one stays."""
    for w in range(value_RW.shape[1]):
        known_R = ~np.isnan(value_RW[:, w])
        target_LXW[at_R[known_R], day_R[known_R], w] = value_RW[known_R, w]


def _usual(past_LXW: np.ndarray, first: int, horizon: int) -> np.ndarray:
    """(L, X + H, W) the season's usual weather by what X past days tell; NaN where none is known.

    A harmonic of the year for each year seen, at most two; less than a year cannot tell a season from a spell: the mean
    then.
    """
    n_past = past_LXW.shape[1]
    angle_X = 2.0 * np.pi * (first + np.arange(n_past + horizon)) / _YEAR
    waves = [f(k * angle_X) for k in range(1, min(int(n_past // _YEAR), _MOST_HARMONICS) + 1) for f in (np.sin, np.cos)]
    basis_XB = np.stack([np.ones_like(angle_X), *waves], axis=1)
    n_basis = basis_XB.shape[1]
    square_XC = (basis_XB[:n_past, :, None] * basis_XB[:n_past, None, :]).reshape(n_past, n_basis**2)
    known_LWX = ~np.isnan(past_LXW.transpose(0, 2, 1))
    gram_LWBB = (known_LWX.astype(float) @ square_XC).reshape(*known_LWX.shape[:2], n_basis, n_basis)
    moment_LWB = np.nan_to_num(past_LXW.transpose(0, 2, 1)) @ basis_XB[:n_past]
    weight_LWB = np.linalg.solve(gram_LWBB + np.diag([1e-9, *[1.0] * len(waves)]), moment_LWB[..., None])[..., 0]
    weight_LWB[~known_LWX.any(2)] = np.nan
    usual_LXW: np.ndarray = (weight_LWB @ basis_XB.T).transpose(0, 2, 1)
    return usual_LXW


def _faded(gap_LXW: np.ndarray, horizon: int) -> np.ndarray:
    """(L, H, W) what is left of the last known gap: it fades by the correlation of one day with the next."""
    n_days = gap_LXW.shape[1]
    pairs = np.stack([gap_LXW[:, :-1], gap_LXW[:, 1:]])
    pairs = np.where(np.isnan(pairs).any(0), 0.0, pairs)
    square_W = (pairs[0] ** 2).sum((0, 1))
    fade_W = np.divide((pairs[0] * pairs[1]).sum((0, 1)), square_W, out=np.zeros_like(square_W), where=square_W > 0)
    known_LXW = ~np.isnan(gap_LXW)
    last_LW = np.where(known_LXW, np.arange(n_days)[:, None], -1).max(1, initial=-1)
    gap_LW = np.take_along_axis(gap_LXW, np.maximum(last_LW, 0)[:, None], 1)[:, 0] if n_days else np.zeros_like(last_LW)
    steps_LHW = (n_days - 1 - last_LW)[:, None] + np.arange(1, horizon + 1)[:, None]
    left_LHW = np.clip(fade_W, 0.0, 0.99) ** steps_LHW
    faded_LHW: np.ndarray = np.where(last_LW[:, None] >= 0, left_LHW * gap_LW[:, None], 0.0)
    return faded_LHW


def _carried(x_LXW: np.ndarray) -> np.ndarray:
    """Each value, or the last one before it; NaN before the first."""
    seen_LXW = np.where(np.isnan(x_LXW), 0, np.arange(x_LXW.shape[1])[:, None])
    return np.take_along_axis(x_LXW, np.maximum.accumulate(seen_LXW, axis=1), axis=1)
