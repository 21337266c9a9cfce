"""Seasonal ARIMA with automatic orders."""

from __future__ import annotations

from dataclasses import dataclass

import numba
import numpy as np
import torch

from udfs.contest.choice import Choice
from udfs.forecasting.forecaster import Forecast, check_request
from udfs.forecasting.intervals import empirical_quantiles
from udfs.forecasting.masked import time_major
from udfs.forecasting.models.arima.arima_kernel import forecast as forecast_series
from udfs.forecasting.models.arima.arima_kernel import n_coefficients
from udfs.forecasting.models.arima.orders import Limits, choose
from udfs.series.series_threads import kernels_own_the_cores, over_series
from udfs.series.sku_batch import SkuBatch


@dataclass(frozen=True, slots=True)
class OrderLimits:
    """The largest orders that compete.

    Attributes:
        p, q: of the ordinary polynomials.
        seasonal_p, seasonal_q: of the seasonal ones.
        total: of p + q + P + Q.
        d, seasonal_d: differences, decided by tests; never more than two in all.
        seasonal_strength: a season stronger than this is differenced away, as in forecast::nsdiffs.
    """

    p: int = 3
    q: int = 3
    seasonal_p: int = 2
    seasonal_q: int = 2
    total: int = 5
    d: int = 2
    seasonal_d: int = 1
    seasonal_strength: float = 0.64

    def __post_init__(self) -> None:
        for name in ("p", "q", "seasonal_p", "seasonal_q", "total", "d", "seasonal_d"):
            if not 0 <= getattr(self, name) <= 9:
                raise ValueError(f"expected {name} from 0 to 9, found {getattr(self, name)}")
        if self.d > 2 or self.seasonal_d > 1:
            raise ValueError(f"expected d <= 2 and seasonal_d <= 1, found {self.d} and {self.seasonal_d}")
        if not 0 <= self.seasonal_strength <= 1:
            raise ValueError(f"expected seasonal_strength within [0, 1], found {self.seasonal_strength}")


@dataclass(frozen=True, slots=True)
class Arima:
    """ARIMA(p,d,q)(P,D,Q)[m] per series: differences by tests, other orders by AICc on a stepwise path, coefficients
    by least squares within the stationary and invertible region (see `arima_orders` and `arima_kernel`).

    Unobserved days carry no error and are bridged by the model's own predictions; days between the last observed one
    and the cutoff lengthen the horizon. Quantiles are those of the in-sample errors, widened as the variance grows.

    A drift under one difference competes like any other term: on 667 series of the M5 (28 days from 2015-10-12 and
    from 2015-12-07) leaving it out raised the mean RMSSE from .7581 to .7616 and from .7192 to .7201.

    Attributes:
        season_length: m; 1 for no season.
        limits: the largest orders that compete.
        name: the forecaster's name in tables.
    """

    season_length: int = 7
    limits: OrderLimits = OrderLimits()
    name: str = "arima"

    def __post_init__(self) -> None:
        if self.season_length < 1:
            raise ValueError(f"expected season_length of at least one day, found {self.season_length}")

    @kernels_own_the_cores()
    def forecast(self, batch: SkuBatch, horizon: int, quantiles: tuple[float, ...]) -> Forecast:
        """See `Forecaster.forecast`.

        The search branches at every step and has no tensor form: on another device the batch goes to the host and
        its result comes back.
        """
        check_request(horizon, quantiles)
        fitted = fit_batch(batch, self.season_length, self.limits, horizon)
        n_S, k_S = fitted.n_obs_S, fitted.n_params_S
        sigma2_S = fitted.sse_S / (n_S - k_S).clamp(min=1)
        sd_SH = (sigma2_S[:, None] * fitted.growth_SH).sqrt()
        error_TS, mask_TS = time_major(fitted.error_ST), time_major(fitted.error_mask_ST)
        quantile_SHQ = empirical_quantiles(fitted.mean_SH, sd_SH, error_TS, mask_TS, quantiles)
        spare_S = (n_S - k_S - 1).clamp(min=1)
        score_S = (fitted.sse_S / n_S.clamp(min=1) * (n_S + k_S) / spare_S).sqrt()
        device = batch.device
        return Forecast(
            fitted.mean_SH.clamp(min=0.0).to(device),
            sd_SH.to(device),
            quantile_SHQ.to(device),
            fitted.sse_S.to(device),
            n_S.to(device),
            k_S.to(device) + 1,
            score_S.to(device),
            _choice(fitted.order_SO, score_S),
        )


@dataclass(frozen=True, slots=True)
class FittedArima:
    """Models and forecasts of S series, on the host.

    Attributes:
        order_SO: (S, 8) p, d, q, P, D, Q, constant (1 or 0), m.
        coef_SN: (S, N) phi, theta, Phi, Theta, mu, then zeros.
        mean_SH: expected value, not clipped.
        growth_SH: forecast variance over the variance of one step.
        error_ST, error_mask_ST: one-step errors and where they exist.
        sse_S: sum of squared one-step errors, backcast days included.
        n_obs_S, n_params_S: errors that differencing leaves, and coefficients.
    """

    order_SO: torch.Tensor
    coef_SN: torch.Tensor
    mean_SH: torch.Tensor
    growth_SH: torch.Tensor
    error_ST: torch.Tensor
    error_mask_ST: torch.Tensor
    sse_S: torch.Tensor
    n_obs_S: torch.Tensor
    n_params_S: torch.Tensor


def fit_batch(batch: SkuBatch, season_length: int, limits: OrderLimits, horizon: int) -> FittedArima:
    """Choose, estimate and forecast every series of the batch."""
    y_ST = np.ascontiguousarray(batch.y_ST.cpu().numpy(), dtype=np.float64)
    mask_ST = np.ascontiguousarray(batch.mask_ST.cpu().numpy())
    n_series, n_time = y_ST.shape
    bounds = Limits(
        limits.p,
        limits.d,
        limits.q,
        limits.seasonal_p if season_length > 1 else 0,
        limits.seasonal_d,
        limits.seasonal_q if season_length > 1 else 0,
        limits.total,
        limits.seasonal_strength,
    )
    order_SO, coef_SN = np.zeros((n_series, 8), dtype=np.int64), np.zeros((n_series, limits.total + 1))
    mean_SH, growth_SH = np.zeros((n_series, horizon)), np.zeros((n_series, horizon))
    error_ST, sse_S = np.zeros((n_series, n_time)), np.zeros(n_series)

    def kernel(start: int, stop: int) -> None:
        rows = slice(start, stop)
        _fit_rows(
            y_ST[rows],
            mask_ST[rows],
            season_length,
            bounds,
            order_SO[rows],
            coef_SN[rows],
            mean_SH[rows],
            growth_SH[rows],
            error_ST[rows],
            sse_S[rows],
        )

    over_series(kernel, n_series)
    lost_S = order_SO[:, 1] + order_SO[:, 4] * order_SO[:, 7]
    error_mask_ST = mask_ST & (mask_ST.cumsum(1) > lost_S[:, None])
    n_params_S = order_SO[:, [0, 2, 3, 5, 6]].sum(1)
    arrays = (order_SO, coef_SN, mean_SH, growth_SH, error_ST, error_mask_ST, sse_S, error_mask_ST.sum(1), n_params_S)
    return FittedArima(*(torch.from_numpy(a) for a in arrays))


@numba.njit(cache=True, nogil=True, error_model="numpy")
def _fit_rows(  # type: ignore[no-untyped-def]
    y_ST, mask_ST, m, limits, order_SO, coef_SN, mean_SH, growth_SH, error_ST, sse_S
) -> None:
    n_time, horizon = y_ST.shape[1], mean_SH.shape[1]
    for s in range(len(y_ST)):
        order_SO[s, 7] = m
        seen_at = np.flatnonzero(mask_ST[s])
        if len(seen_at) == 0:
            growth_SH[s] = 1.0
            continue
        first, last = seen_at[0], seen_at[-1] + 1
        y, seen = y_ST[s, first:last], mask_ST[s, first:last]
        order, coef, _ = choose(y, seen, m, limits)
        for k in range(7):
            order_SO[s, k] = (order.p, order.d, order.q, order.P, order.D, order.Q, order.c)[k]
        coef_SN[s, : n_coefficients(order)] = coef
        silent = n_time - last
        mean_X, growth_X = np.empty(silent + horizon), np.empty(silent + horizon)
        sse_S[s] = forecast_series(order, coef, y, seen, mean_X, growth_X, error_ST[s, first:last])
        mean_SH[s], growth_SH[s] = mean_X[silent:], growth_X[silent:]


def _choice(order_SO: torch.Tensor, score_S: torch.Tensor) -> Choice:
    orders = order_SO.numpy()
    rules = [
        f"ARIMA({p},{d},{q})({P},{D},{Q})[{m}]{' with a constant' if c else ''}: differences by tests, lowest AICc"
        for p, d, q, P, D, Q, c, m in orders
    ]
    choice = Choice.decided(len(orders), "arima", "", score_S.numpy())
    choice.rule_S[:] = rules
    return choice
