from __future__ import annotations

import numpy as np
import pytest
from statsforecast.arima import seas_heuristic
from statsmodels.tsa.seasonal import STL

from udfs.forecasting.models.arima.stl import seasonal_strength, stl


@pytest.mark.parametrize(("m", "n"), [(7, 14), (7, 100), (7, 335), (12, 39), (24, 200), (2, 30), (4, 41)])
def test_stl_equals_statsmodels(m: int, n: int) -> None:
    rng = np.random.default_rng(n)
    y = 3 * np.sin(2 * np.pi * np.arange(n) / m) + rng.normal(size=n).cumsum() + rng.normal(size=n)
    peer = STL(y, period=m, seasonal=11, seasonal_deg=0).fit()
    trend, season = stl(y, m)
    np.testing.assert_allclose(trend, peer.trend, atol=1e-9)
    np.testing.assert_allclose(season, peer.seasonal, atol=1e-9)
    assert seasonal_strength(y, m) == pytest.approx(seas_heuristic(y, m), abs=1e-9)


def test_seasonal_strength_of_a_pure_season_and_of_none() -> None:
    t = np.arange(210)
    assert seasonal_strength(10 + np.sin(2 * np.pi * t / 7), 7) > 0.99
    assert seasonal_strength(np.random.default_rng(0).normal(size=210), 7) < 0.45
    assert seasonal_strength(np.full(50, 3.0), 7) == 0.0
