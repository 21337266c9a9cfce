from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

import numpy as np
import pytest
import torch

from tests.udfs.forecasting.series import batch_of, mixed_series
from udfs.forecasting.forecaster import Forecaster
from udfs.forecasting.models.regression.log_totals import LogRegression
from udfs.series.covariates import Covariates
from udfs.series.sku_batch import SkuBatch

LEVELS = (0.1, 0.5, 0.9)
HORIZON = 28


def totals(noise: float = 0.0, n_days: int = 336) -> tuple[SkuBatch, np.ndarray]:
    """Two series of known log-linear form, with a covariate, and the (S, H) demand after the cutoff."""
    batch = batch_of({name: np.ones(n_days) for name in "ab"})
    rng = np.random.default_rng(1)
    first = batch.cutoff - timedelta(days=batch.n_days - 1)
    days = [first + timedelta(days=t) for t in range(batch.n_days + HORIZON)]
    weekday = np.array([[0.0, -0.1, -0.1, 0.0, 0.2, 0.5, 0.4][d.weekday()] for d in days])
    pay_day = np.array([0.15 * (d.day <= 5) for d in days])
    promo_SX = (rng.random((2, len(days))) < 0.2).astype(float)
    log_SX = np.array([[6.0], [3.0]]) + weekday + pay_day + 0.3 * promo_SX
    y_SX = np.exp(log_SX + noise * rng.standard_normal(log_SX.shape))
    known = Covariates(("is_promo",), torch.from_numpy(promo_SX[:, :, None]))
    return replace(batch, y_ST=torch.from_numpy(y_SX[:, : batch.n_days]), known=known), np.exp(log_SX[:, -HORIZON:])


def test_a_log_linear_series_is_recovered() -> None:
    batch, ahead_SH = totals()
    forecast = LogRegression(ridge=1e-6).forecast(batch, HORIZON, LEVELS)
    np.testing.assert_allclose(forecast.mean_SH.numpy(), ahead_SH, rtol=1e-4)
    np.testing.assert_allclose(forecast.sd_SH.numpy(), 0.0, atol=1e-2)


def test_coefficients_are_those_of_weighted_least_squares() -> None:
    """Against numpy's solver on the rows stacked with the penalty, with no level of the latest days."""
    batch, _ = totals(noise=0.1)
    model = LogRegression(level_half_life_days=1e-3, ridge=2.0)
    x_STK = model._regressors(batch, HORIZON)
    past, n_days = x_STK[0, : batch.n_days], batch.n_days
    weight_T = 0.5 ** (np.arange(n_days)[::-1] / model.pattern_half_life_days)
    log_T = batch.y_ST[0].log().numpy()
    centre = np.average(log_T, weights=weight_T)
    root_T1 = np.sqrt(weight_T)[:, None]
    stacked = np.vstack([past * root_T1, np.sqrt(2.0) * np.eye(past.shape[1])])
    target = np.concatenate([(log_T - centre) * root_T1[:, 0], np.zeros(past.shape[1])])
    beta_K = np.linalg.lstsq(stacked, target, rcond=None)[0]
    error_T = log_T - centre - past @ beta_K
    level = error_T[-1] / (1.0 + 3.0)
    expected_H = centre + x_STK[0, n_days:] @ beta_K + level
    median_H = model.forecast(batch, HORIZON, LEVELS).quantile_SHQ[0, :, 1].log().numpy()
    np.testing.assert_allclose(median_H, expected_H, rtol=1e-9)


def test_noise_widens_quantiles_as_the_log_normal_does() -> None:
    batch, ahead_SH = totals(noise=0.1)
    forecast = LogRegression().forecast(batch, HORIZON, LEVELS)
    assert (forecast.mean_SH.numpy() / ahead_SH).mean() == pytest.approx(1.0, abs=0.03)
    assert (forecast.sd_SH / forecast.mean_SH).mean().item() == pytest.approx(0.1, abs=0.02)
    ratio = (forecast.quantile_SHQ[:, :, 2] / forecast.quantile_SHQ[:, :, 0]).log() / (2 * 1.2816)
    assert ratio.mean().item() == pytest.approx(0.1, abs=0.02)


def test_a_new_level_is_taken_up() -> None:
    batch, ahead_SH = totals()
    y_ST = batch.y_ST.clone()
    y_ST[:, -28:] *= 1.5
    forecast = LogRegression().forecast(replace(batch, y_ST=y_ST), HORIZON, LEVELS)
    assert 1.35 < (forecast.mean_SH.numpy() / ahead_SH).mean() < 1.55


def test_every_kind_of_series_gets_finite_numbers() -> None:
    batch = batch_of(mixed_series(30) | {"s900": np.zeros(60)})
    model = LogRegression()
    assert isinstance(model, Forecaster)
    assert model.name == "log_regression"
    forecast = model.forecast(batch, 10, LEVELS)
    assert forecast.finite_series().all()
    assert (forecast.quantile_SHQ.diff(dim=2) >= 0).all()
    assert forecast.mean_SH[30].max() == 0


def test_it_is_checked() -> None:
    batch, _ = totals()
    with pytest.raises(ValueError, match="29 days ahead, found 28"):
        LogRegression().forecast(batch, 29, LEVELS)
    for name in ("pattern_half_life_days", "level_half_life_days", "ridge"):
        with pytest.raises(ValueError, match=f"LogRegression.{name}"):
            LogRegression(**{name: 0.0})
