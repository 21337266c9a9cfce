from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
import torch

from tests.udfs.forecasting.series import CUTOFF, batch_of
from udfs.forecasting.models.naive2 import Naive2, seasonal_indices
from udfs.series.sku_batch import SkuBatch

RNG = np.random.default_rng(4)
WEEK = np.array([0.6, 0.8, 0.9, 1.0, 1.1, 1.3, 1.3])


def _classical_indices(y: np.ndarray, season_length: int) -> np.ndarray:
    """Indices by phase counted from the end, the way a textbook computes them: pandas windows, then plain means."""
    window = pd.Series(y).rolling(season_length).mean()
    if season_length % 2 == 0:
        window = window.rolling(2).mean()
    trend = window.shift(-(season_length // 2)).to_numpy()
    phase = (np.arange(len(y)) - len(y)) % season_length
    index = pd.Series(y / trend).groupby(phase).mean().to_numpy()
    return index / index.mean()


@pytest.mark.parametrize("season_length", [7, 4])
def test_indices_equal_a_classical_decomposition(season_length: int) -> None:
    week = WEEK[:season_length] / WEEK[:season_length].mean()
    y = 20 * np.tile(week, 12) * RNG.uniform(0.9, 1.1, 12 * season_length) + np.arange(12 * season_length) / 10
    index = seasonal_indices(torch.from_numpy(y)[:, None], torch.ones((len(y), 1), dtype=torch.bool), season_length)
    np.testing.assert_allclose(index[:, 0].numpy(), _classical_indices(y, season_length), rtol=1e-12)


def test_forecast_is_the_last_adjusted_day_times_the_index() -> None:
    y = 50 * np.tile(WEEK, 20) * RNG.uniform(0.95, 1.05, 140)
    forecast = Naive2(season_length=7).forecast(batch_of({"a": y}), 9, (0.5,))
    index = _classical_indices(y, 7)
    expected = y[-1] / index[-1] * index[np.arange(9) % 7]
    np.testing.assert_allclose(forecast.mean_SH[0].numpy(), expected, rtol=1e-12)
    error = y[1:] - y[:-1] / np.tile(index, 20)[:-1] * np.tile(index, 20)[1:]
    assert forecast.sd_SH[0, 3].item() == pytest.approx(np.sqrt(np.mean(error**2)) * 2)
    assert forecast.n_params_S.item() == 7


@pytest.mark.parametrize(
    "y",
    [RNG.poisson(20, 140).astype(float), np.full(60, 3.0), np.tile(WEEK, 2), np.tile([0.0, 0, 0, 0, 0, 5, 6], 20)],
    ids=["noise", "flat", "two seasons", "zero index"],
)
def test_without_a_season_it_is_naive(y: np.ndarray) -> None:
    forecast = Naive2(season_length=7).forecast(batch_of({"a": y}), 3, (0.5,))
    assert forecast.mean_SH[0].tolist() == [y[-1]] * 3
    assert forecast.n_params_S.item() == 0


def test_missing_days_are_skipped() -> None:
    y = 50 * np.tile(WEEK, 20) * RNG.uniform(0.95, 1.05, 140)
    whole = Naive2(season_length=7).forecast(batch_of({"a": y}), 7, (0.5,)).mean_SH
    y[[30, 80]] = np.nan
    y[-1] = np.nan
    gappy = Naive2(season_length=7).forecast(batch_of({"a": y}), 7, (0.5,)).mean_SH
    np.testing.assert_allclose(gappy.numpy(), whole.numpy(), rtol=0.15)
    nothing = torch.zeros((1, 28), dtype=torch.float64)
    empty = SkuBatch(np.array(["a"], dtype=object), nothing, nothing.bool(), CUTOFF)
    assert Naive2().forecast(empty, 2, (0.5,)).mean_SH.tolist() == [[0.0, 0.0]]


def test_a_season_of_no_days_is_refused() -> None:
    with pytest.raises(ValueError, match="season_length of at least one day"):
        Naive2(season_length=0)
