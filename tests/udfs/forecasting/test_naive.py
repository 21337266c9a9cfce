from __future__ import annotations

from statistics import NormalDist

import numpy as np
import pytest
from statsforecast.models import HistoricAverage
from statsforecast.models import SeasonalNaive as PeerSeasonalNaive

from tests.udfs.forecasting.series import batch_of
from udfs.forecasting.models.naive import HistoricMean, SeasonalNaive


def test_seasonal_naive_equals_statsforecast() -> None:
    rng = np.random.default_rng(4)
    series = {f"s{n:03d}": 1 + rng.poisson(5, n).astype(float) for n in (14, 20, 50, 111)}
    forecast = SeasonalNaive().forecast(batch_of(series), 20, (0.5,))
    for s, y in enumerate(series.values()):
        expected = PeerSeasonalNaive(7).forecast(y, h=20)["mean"]
        np.testing.assert_array_equal(forecast.mean_SH[s].numpy(), expected)
        error = y[7:] - y[:-7]
        sigma = np.sqrt((error**2).mean())
        growth = np.sqrt(np.repeat([1, 2, 3], 7)[:20])
        np.testing.assert_allclose(forecast.sd_SH[s].numpy(), sigma * growth, rtol=1e-12)


def test_seasonal_naive_takes_the_last_observed_day_of_a_phase() -> None:
    y = np.arange(1.0, 22.0)
    y[-3] = np.nan
    mean = SeasonalNaive().forecast(batch_of({"a": y}), 7, (0.5,)).mean_SH[0].tolist()
    assert mean == [15.0, 16.0, 17.0, 18.0, 12.0, 20.0, 21.0]


def test_seasonal_naive_on_less_than_a_week_fills_unseen_phases_with_the_mean() -> None:
    forecast = SeasonalNaive().forecast(batch_of({"a": np.array([4.0, 6.0])}), 7, (0.5,))
    assert forecast.mean_SH[0].tolist() == [5.0, 5.0, 5.0, 5.0, 5.0, 4.0, 6.0]
    assert forecast.sd_SH[0, 0].item() == pytest.approx(np.sqrt(5.0))  # no errors yet: Poisson


def test_historic_mean_equals_statsforecast() -> None:
    y = 1 + np.random.default_rng(8).poisson(30, 40).astype(float)
    y[::9] += 60
    ours = HistoricMean().forecast(batch_of({"a": y}), 3, (0.5,))
    peer = HistoricAverage().forecast(y, h=3, level=[95])
    np.testing.assert_allclose(ours.mean_SH[0].numpy(), peer["mean"], rtol=1e-12)
    np.testing.assert_allclose(
        ours.sd_SH[0].numpy(), (peer["hi-95"] - peer["mean"]) / NormalDist().inv_cdf(0.975), rtol=1e-6
    )


def test_a_season_has_days() -> None:
    with pytest.raises(ValueError, match="expected season_length of at least one day, found 0"):
        SeasonalNaive(season_length=0)
