"""Regression on calendar, price and promotion, with exponential smoothing or ARIMA for what it leaves."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from datetime import date, timedelta

import numpy as np
import torch

from udfs.contest.choice import Choice
from udfs.forecasting.forecaster import Forecast, Forecaster, check_request
from udfs.forecasting.models.arima.arima_model import Arima
from udfs.forecasting.models.ets.ets_forms import FORMS
from udfs.forecasting.models.ets.ets_model import ExponentialSmoothing
from udfs.forecasting.models.regression.ridge import PENALTIES, fit_ridge
from udfs.series.series_threads import kernels_own_the_cores
from udfs.series.sku_batch import SkuBatch

MAX_HARMONICS = 6
"""Pairs of sine and cosine for the season; all of them up to a season of 12 steps."""

DAYS_FOR_MONTH = 180
DAYS_FOR_YEAR = 547
"""Half a year shows several turns of the month; a year and a half shows a season of the year come back."""

ADDITIVE_FORMS = tuple(form for form in FORMS if not form.endswith("M"))
"""What regression leaves has no natural zero."""


@dataclass(frozen=True, slots=True)
class Regression:
    """y_t = effects of calendar and known covariates + n_t, with n_t forecast by ETS or ARIMA (dynamic regression,
    Hyndman & Athanasopoulos, chapter 10). Coefficients per series by ridge regression (see `ridge`).

    Covariates are `batch.known`, if any; names that end in `_code` are nominal and left out. Beyond the days for which
    a covariate is known its last value holds.

    Attributes:
        season_length: in days; 7 says that steps are days, and brings in the months and, where history allows, the
            year.
        errors: "ets" or "arima".
        use_known: False leaves the covariates out.
        penalties: see `ridge.PENALTIES`.
        name: the forecaster's name in tables.
    """

    season_length: int = 7
    errors: str = "ets"
    use_known: bool = True
    penalties: tuple[float, ...] = PENALTIES
    name: str = "regression"

    def __post_init__(self) -> None:
        if self.season_length < 1:
            raise ValueError(f"expected season_length of at least one day, found {self.season_length}")
        if self.errors not in ("ets", "arima"):
            raise ValueError(f"expected errors 'ets' or 'arima', found {self.errors!r}")
        if not self.penalties or min(self.penalties) <= 0:
            raise ValueError(f"expected penalties above zero, at least one, found {self.penalties}")

    @kernels_own_the_cores()
    def forecast(self, batch: SkuBatch, horizon: int, quantiles: tuple[float, ...]) -> Forecast:
        """See `Forecaster.forecast`."""
        check_request(horizon, quantiles)
        effect_SX = self.effects(batch, horizon)
        rest_ST = torch.where(batch.mask_ST, batch.y_ST - effect_SX[:, : batch.n_days], 0.0)
        # Forecasts of demand are clipped at 0, those of a remainder must not be: it is lifted out of reach.
        lowest_S = torch.where(batch.mask_ST, rest_ST, torch.inf).amin(1)
        highest_S = torch.where(batch.mask_ST, rest_ST, -torch.inf).amax(1)
        lift_S = torch.where(batch.mask_ST.any(1), 20.0 * (highest_S - lowest_S), 0.0)
        lifted = replace(
            batch, y_ST=torch.where(batch.mask_ST, rest_ST + lift_S[:, None], 0.0), known=None, traits=None
        )
        rest = self._error_model().forecast(lifted, horizon, quantiles)
        shift_SH = effect_SX[:, batch.n_days :] - lift_S[:, None]
        return replace(
            rest,
            mean_SH=(rest.mean_SH + shift_SH).clamp(min=0.0),
            quantile_SHQ=(rest.quantile_SHQ + shift_SH[:, :, None]).clamp(min=0.0),
            choice=None if rest.choice is None else self._choice(rest.choice),
        )

    def effects(self, batch: SkuBatch, horizon: int) -> torch.Tensor:
        """(S, T + H) what calendar and covariates add to each day, around 0 on the observed days."""
        n_days = batch.n_days + horizon
        calendar_XC = torch.from_numpy(calendar_columns(self.season_length, batch.cutoff, batch.n_days, horizon))
        span_S = _span(batch.mask_ST)
        use_SC = span_S[:, None] >= torch.from_numpy(_days_needed(self.season_length))[None, :].to(batch.device)
        known_SXK = _known(batch, n_days) if self.use_known else batch.y_ST.new_zeros((len(batch), n_days, 0))
        calendar_XC = calendar_XC.to(batch.device)
        return fit_ridge(batch.y_ST, batch.mask_ST, calendar_XC, use_SC, known_SXK, self.penalties).effect_SX

    def _error_model(self) -> Forecaster:
        if self.errors == "arima":
            return Arima(self.season_length)
        return ExponentialSmoothing(self.season_length, forms=ADDITIVE_FORMS)

    def _choice(self, choice: Choice) -> Choice:
        rule_S = np.array([f"regression with errors {rule}" for rule in choice.rule_S], dtype=object)
        return replace(choice, name_S=np.full(len(rule_S), self.name, dtype=object), rule_S=rule_S)


def calendar_columns(season_length: int, cutoff: date, n_days: int, horizon: int) -> np.ndarray:
    """(X, C) Fourier pairs of the season; for days (a season of 7) of the month and two of the year as well.

    The phase counts from the cutoff for the season, and from the calendar for month and year.
    """
    step_X = np.arange(-n_days + 1, horizon + 1)
    columns = []
    for k in range(1, min(season_length // 2, MAX_HARMONICS) + 1):
        columns.append(np.cos(2 * np.pi * k * (step_X % season_length) / season_length))
        if 2 * k < season_length:
            columns.append(np.sin(2 * np.pi * k * (step_X % season_length) / season_length))
    if season_length == 7:
        days = [cutoff + timedelta(days=int(step)) for step in step_X]
        month_X = np.array([d.day / 31.0 for d in days])
        year_X = np.array([d.timetuple().tm_yday / 365.25 for d in days])
        for turn_X, harmonics in ((month_X, 1), (year_X, 2)):
            for k in range(1, harmonics + 1):
                columns += [np.cos(2 * np.pi * k * turn_X), np.sin(2 * np.pi * k * turn_X)]
    return np.stack(columns, axis=1) if columns else np.zeros((len(step_X), 0))


def _days_needed(season_length: int) -> np.ndarray:
    """(C,) days of history that each column of `calendar_columns` asks for."""
    n_season = sum(1 + (2 * k < season_length) for k in range(1, min(season_length // 2, MAX_HARMONICS) + 1))
    needed = [2 * season_length] * n_season
    if season_length == 7:
        needed += [DAYS_FOR_MONTH] * 2 + [DAYS_FOR_YEAR] * 4
    return np.array(needed, dtype=np.int64)


def _span(mask_ST: torch.Tensor) -> torch.Tensor:
    """(S,) days from the first observed one to the cutoff."""
    return (mask_ST.cumsum(1) > 0).sum(1)


def _known(batch: SkuBatch, n_days: int) -> torch.Tensor:
    """(S, X, K) the covariates that are quantities, as long as history and horizon; NaN where not known."""
    if batch.known is None:
        return batch.y_ST.new_zeros((len(batch), n_days, 0))
    known = batch.known.only(name for name in batch.known.names if not name.endswith("_code"))
    values_SXK = known.over(batch.n_days, n_days - batch.n_days)
    missing = n_days - values_SXK.shape[1]
    return torch.nn.functional.pad(values_SXK, (0, 0, 0, missing), value=math.nan) if missing else values_SXK
