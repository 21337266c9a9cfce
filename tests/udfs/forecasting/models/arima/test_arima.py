from __future__ import annotations

import numpy as np
import pytest
import torch

from tests.udfs.forecasting.series import batch_of, mixed_series
from udfs.forecasting.metrics import coverage
from udfs.forecasting.models.arima.arima_kernel import Order, errors, n_coefficients, workspace
from udfs.forecasting.models.arima.arima_model import Arima, OrderLimits, fit_batch

LEVELS = (0.05, 0.5, 0.95)


def _order(row: torch.Tensor) -> Order:
    return Order(*row.tolist())


def test_limits_and_season_are_checked() -> None:
    with pytest.raises(ValueError, match="expected total from 0 to 9, found 12"):
        OrderLimits(total=12)
    with pytest.raises(ValueError, match="expected d <= 2 and seasonal_d <= 1, found 3 and 1"):
        OrderLimits(d=3)
    with pytest.raises(ValueError, match="seasonal_strength"):
        OrderLimits(seasonal_strength=1.5)
    with pytest.raises(ValueError, match="expected season_length of at least one day"):
        Arima(season_length=0)


def test_what_is_written_is_what_the_model_says() -> None:
    batch = batch_of(mixed_series(20))
    fitted = fit_batch(batch, 7, OrderLimits(), 12)
    for s in range(len(batch)):
        seen_at = torch.nonzero(batch.mask_ST[s])[:, 0]
        first, last = int(seen_at[0]), int(seen_at[-1]) + 1
        order = _order(fitted.order_SO[s])
        y, seen = batch.y_ST[s, first:last].numpy(), batch.mask_ST[s, first:last].numpy()
        work = workspace(order, len(y), 0)
        sse = errors(
            order, fitted.coef_SN[s, : n_coefficients(order)].numpy(), y, seen, workspace(order, len(y), 0), work
        )
        assert fitted.sse_S[s] == pytest.approx(sse, rel=1e-9)
        assert fitted.n_obs_S[s] == max(int(seen.sum()) - order.d - 7 * order.D, 0)
        assert fitted.n_params_S[s] == n_coefficients(order)
        assert (fitted.growth_SH[s].diff() >= 0).all()
        assert fitted.growth_SH[s, 0] >= 1.0


def test_days_unseen_before_the_cutoff_lengthen_the_horizon() -> None:
    rng = np.random.default_rng(0)
    y = 10 + rng.normal(size=150).cumsum()
    late = y.copy()
    late[-5:] = np.nan
    model = Arima(7)
    whole = model.forecast(batch_of({"a": y[:-5]}), 10, LEVELS)
    cut = model.forecast(batch_of({"a": late}), 5, LEVELS)
    torch.testing.assert_close(cut.mean_SH, whole.mean_SH[:, 5:], rtol=1e-12, atol=0)
    torch.testing.assert_close(cut.sd_SH, whole.sd_SH[:, 5:], rtol=1e-12, atol=0)


def test_a_series_never_seen_is_forecast_as_zero() -> None:
    forecast = Arima(7).forecast(batch_of({"a": np.full(30, np.nan), "b": np.arange(30.0)}), 3, LEVELS)
    assert (forecast.mean_SH[0] == 0).all()
    assert forecast.finite_series().all()


def test_without_a_season_there_are_no_seasonal_terms() -> None:
    fitted = fit_batch(batch_of(mixed_series(15)), 1, OrderLimits(), 3)
    assert (fitted.order_SO[:, 3:6] == 0).all()


def test_a_weekly_season_and_its_intervals_are_forecast() -> None:
    rng = np.random.default_rng(1)
    t = np.arange(364 + 28)
    series = {f"s{k}": 60 + 12 * np.sin(2 * np.pi * (t + k) / 7) + rng.normal(0, 3, len(t)) for k in range(40)}
    batch = batch_of(series)
    forecast = Arima(7).forecast(batch.until(28), 28, LEVELS)
    actual_SH, mask_SH = batch.ahead(28, 28)
    truth = torch.stack([60 + 12 * torch.sin(2 * torch.pi * torch.from_numpy(t[-28:] + k) / 7) for k in range(40)])
    order = [int(s[1:]) for s in batch.unique_ids]
    assert (forecast.mean_SH - truth[order]).abs().mean() < 1.0
    inside = coverage(actual_SH, forecast.quantile_SHQ[:, :, 0], forecast.quantile_SHQ[:, :, 2], mask_SH).mean()
    assert 0.85 < inside < 0.95
    assert all(rule.startswith("ARIMA(") for rule in forecast.choice.rule_S)
