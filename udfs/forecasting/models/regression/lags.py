"""Regression of a series on its own lags around one and two seasons, closed form, several lag sets averaged."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from statistics import NormalDist

import numba
import numpy as np
import torch

from udfs.forecasting.forecaster import Forecast, check_request
from udfs.forecasting.intervals import MIN_ERRORS, error_quantiles
from udfs.forecasting.models.regression.lag_kernel import average_coefficients, predict, run_ahead, standardise
from udfs.series.series_threads import kernels_own_the_cores, over_series
from udfs.series.sku_batch import SkuBatch

LONGER_SEASON = {7: 364, 24: 168, 48: 336, 96: 672}
"""The season above the given one: 52 weeks over a week; a week over a day of hours, half hours or quarters."""

MIN_LONG_SEASONS = 3
"""Observed days, in seasons, from which a season's lags are used."""

LEAST_REACH = 60.0
"""Days over which the weight of a day falls by e at least: of fewer, a dozen coefficients fit noise and run away. On
windows of M5 before the tested ones the pooled quantile loss was .694 without, .592 with 40 days, .577 with 80."""


@dataclass(frozen=True, slots=True)
class LagRegression:
    """Linear autoregression on chosen lags, fitted by weighted ridge regression and run on as its own input.

    Three sets of lags are fitted apart and their coefficients averaged, which errs less than one regression on all of
    them: the nearest days and the days around the last seasons; the lags that a product of seasonal polynomials has;
    and wider neighbourhoods. The lags of a season are used where the series has three such seasons.

    Series above zero throughout are fitted as log(1 + y), so the forecast is a median on their scale.

    Attributes:
        season_length: m, in days.
        longer_season: p, a season of seasons; None takes `LONGER_SEASON`, 0 none.
        ridge: penalty on squared coefficients of the standardised series, per unit of weight.
        memory: weight of a day falls by e over this many of the longest season in use, `LEAST_REACH` days at least.
        margin: forecasts stay within the range seen, widened on both sides by this share of it.
        name: the forecaster's name in tables.

    The kernel runs on the CPU whatever the batch's device; results return to it.
    """

    season_length: int = 7
    longer_season: int | None = None
    ridge: float = 1e-4
    memory: float = 1.5
    margin: float = 0.1
    name: str = "lag_regression"

    def __post_init__(self) -> None:
        if self.season_length < 1:
            raise ValueError(f"expected season_length of at least one day, found {self.season_length}")
        if self.longer_season and self.longer_season <= self.season_length:
            raise ValueError(
                f"expected longer_season above the season_length {self.season_length}, 0 or None, "
                f"found {self.longer_season}"
            )
        for field in ("ridge", "memory", "margin"):
            if not 0 < getattr(self, field) < float("inf"):
                raise ValueError(f"expected {field} above 0 and finite, found {getattr(self, field)}")

    @kernels_own_the_cores()
    def forecast(self, batch: SkuBatch, horizon: int, quantiles: tuple[float, ...]) -> Forecast:
        """See `Forecaster.forecast`."""
        check_request(horizon, quantiles)
        y_ST, mask_ST = batch.y_ST.cpu().contiguous(), batch.mask_ST.cpu().contiguous()
        n_series = len(batch)
        longer = LONGER_SEASON.get(self.season_length, 0) if self.longer_season is None else self.longer_season
        levels = _lag_levels(self.season_length, longer)
        reach = np.array([self.memory * season for season in (longer, self.season_length, self.season_length)])
        out = {
            "path": np.zeros((n_series, horizon)),
            "growth": np.ones((n_series, horizon)),
            "error": np.zeros(y_ST.shape),
            "counts": np.zeros(y_ST.shape, dtype=np.bool_),
            "unit": np.zeros((n_series, len(_UNIT))),
        }
        arrays = (y_ST.numpy(), mask_ST.numpy(), *out.values())
        settings = (
            self.season_length,
            longer,
            levels,
            np.exp(-1.0 / np.maximum(reach, LEAST_REACH)),
            self.ridge,
            self.margin,
        )
        over_series(lambda a, b: _fit_numba(*(x[a:b] for x in arrays), *settings), n_series)  # type: ignore[call-arg]
        return _to_demand(out, quantiles, batch.device)


_UNIT = ("centre", "scale", "log", "n_errors", "n_params", "sse")


def _to_demand(out: dict[str, np.ndarray], quantiles: tuple[float, ...], device: torch.device) -> Forecast:
    """From the standardised scale to units a day."""
    centre_S1, scale_S1, log_S1, n_S1, n_params_S1, sse_S1 = (out["unit"][:, k : k + 1] for k in range(len(_UNIT)))
    z_sse_S1 = np.add.accumulate(out["error"] ** 2, axis=1)[:, -1:]
    sigma_S1 = np.sqrt(z_sse_S1 / np.maximum(n_S1 - n_params_S1, 1))
    spread_SH = np.sqrt(out["growth"])
    error_SQ = error_quantiles(torch.from_numpy(out["error"]), torch.from_numpy(out["counts"]), quantiles).numpy()
    normal_Q = np.array([NormalDist().inv_cdf(level) for level in quantiles])
    error_SQ = np.where(n_S1 >= MIN_ERRORS, error_SQ, sigma_S1 * normal_Q)

    def back(z_SX: np.ndarray) -> np.ndarray:
        plain = centre_S1 + scale_S1 * z_SX
        return np.where(log_S1 > 0, np.expm1(np.where(log_S1 > 0, plain, 0.0)), plain)

    mean_SH = back(out["path"])
    slope_SH = scale_S1 * np.where(log_S1 > 0, 1.0 + mean_SH, 1.0)  # of demand along the standardised scale
    z_SHQ = out["path"][:, :, None] + spread_SH[:, :, None] * error_SQ[:, None, :]
    quantile_SHQ = np.maximum(back(z_SHQ.reshape(len(z_SHQ), -1)).reshape(z_SHQ.shape), 0.0)
    n_S, n_params_S, sse_S = (x[:, 0] for x in (n_S1, n_params_S1, sse_S1))
    # n + k over n - k: the final prediction error of Akaike (1969), close to AIC for long series.
    score_S = np.sqrt(sse_S / np.maximum(n_S, 1) * (n_S + n_params_S) / np.maximum(n_S - n_params_S, 1))
    tensors = (np.maximum(mean_SH, 0.0), slope_SH * sigma_S1 * spread_SH, quantile_SHQ, sse_S)
    mean, sd, quantile, sse = (torch.from_numpy(np.ascontiguousarray(x)).to(device) for x in tensors)
    n_obs, n_params = (torch.from_numpy(x.astype(np.int64)).to(device) for x in (n_S, n_params_S))
    return Forecast(mean, sd, quantile, sse, n_obs, n_params, torch.from_numpy(score_S).to(device))


@lru_cache(maxsize=16)
def _lag_levels(season: int, longer: int) -> np.ndarray:
    """(3, 3, K) lags, zero-filled, three sets each: for both seasons, for the shorter one, for the last day alone."""
    m, p = season, longer
    near = [1, 2, 3, m - 1, m, m + 1, 2 * m]
    product = [1, 2, m, m + 1, m + 2]
    wide = [1, 2, 3, m - 2, m - 1, m, m + 1, m + 2, 2 * m]
    one = [near, product, wide] if m > 1 else [[1, 2, 3], [1, 2], [1]]
    both = [
        [*near, p - 1, p, p + 1, 2 * p],
        [*product, p, p + 1, p + 2, p + m, p + m + 1, p + m + 2],
        [*wide, p - 2, p - 1, p, p + 1, p + 2, p + m],
    ]
    levels = [both if p else one, one, [[1], [1], [1]]]
    clean = [[sorted({lag for lag in lags if lag > 0}) for lags in sets] for sets in levels]
    width = max(len(lags) for sets in clean for lags in sets)
    table = np.zeros((3, 3, width), dtype=np.int64)
    for k, sets in enumerate(clean):
        for row, lags in enumerate(sets):
            table[k, row, : len(lags)] = lags
    return table


@numba.njit(cache=True, nogil=True, error_model="numpy")
def _fit_numba(  # type: ignore[no-untyped-def]
    y_ST, mask_ST, path_SH, growth_SH, error_ST, counts_ST, unit_SU, season, longer, levels, keeps, ridge, margin
) -> None:
    n_series, n_days = y_ST.shape
    for s in range(n_series):
        first, positive = 0, True
        while first < n_days and not mask_ST[s, first]:
            first += 1
        for t in range(first, n_days):
            positive &= (not mask_ST[s, t]) | (y_ST[s, t] > 0)
        y_N, mask_N = y_ST[s, first:], mask_ST[s, first:]
        z_N = np.zeros(len(y_N))
        centre, scale = standardise(y_N, mask_N, season, positive, z_N)
        unit_SU[s, 0], unit_SU[s, 1], unit_SU[s, 2] = centre, scale, 1.0 if positive else 0.0
        n_seen = mask_N.sum()
        level = 0 if longer > 0 and n_seen >= MIN_LONG_SEASONS * longer else 1
        if level == 1 and n_seen < MIN_LONG_SEASONS * season + 10:
            level = 2
        if n_seen < 3:
            continue
        lags_LK = levels[level]
        coefficient_L = np.zeros(lags_LK.max() + 1)
        average_coefficients(z_N, mask_N, lags_LK, keeps[level], ridge, coefficient_L)
        lag_J = np.flatnonzero(coefficient_L[1:]) + 1
        run_ahead(z_N, lag_J, coefficient_L, margin, path_SH[s], growth_SH[s])
        n, sse = 0, 0.0
        for t in range(len(coefficient_L) - 1, len(z_N)):
            if mask_N[t]:
                fitted = predict(z_N, t, lag_J, coefficient_L)
                error_ST[s, first + t] = z_N[t] - fitted
                counts_ST[s, first + t] = True
                plain = centre + scale * fitted
                sse += (y_N[t] - (np.expm1(plain) if positive else plain)) ** 2
                n += 1
        unit_SU[s, 3], unit_SU[s, 4], unit_SU[s, 5] = n, len(lag_J) + 2, sse
