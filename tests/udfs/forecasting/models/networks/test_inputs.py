from __future__ import annotations

import numpy as np
import pytest
import torch

from tests.udfs.forecasting.models.networks.stores import HORIZON, small, stores
from udfs.forecasting.models.networks.network_inputs import Inputs
from udfs.forecasting.models.networks.network_spec import NetworkSpec
from udfs.forecasting.models.networks.windows import NetworkSeries, Window


def measured(series: NetworkSeries, spec: NetworkSpec | None = None) -> Inputs:
    inputs = Inputs(spec or small(), len(series.known_names))
    inputs.measure(series)
    return inputs


def window_of(series: NetworkSeries, start: int = 140) -> Window:
    return series.window(np.arange(len(series)), np.full(len(series), start), 28, HORIZON)


def test_the_scale_is_the_mean_of_the_observed_context() -> None:
    series = NetworkSeries.from_batch(stores(8))
    features = measured(series)(window_of(series))
    for s in range(8):
        seen = series.mask_ST[s, -28:]
        assert float(features.scale_B[s]) == pytest.approx(float(series.y_ST[s, -28:][seen].mean()), rel=1e-5)
    assert features.past_BCF.shape == (8, 28, measured(series).n_past)
    assert features.future_BHF.shape == (8, HORIZON, measured(series).n_future)
    assert all(x.isfinite().all() for x in features)


def test_demand_of_the_horizon_and_of_unobserved_days_cannot_be_seen() -> None:
    series = NetworkSeries.from_batch(stores(8))
    inputs, window = measured(series), window_of(series, 100)
    tampered = window.y_BL.clone()
    tampered[:, 28:] = 777.0
    tampered[~window.mask_BL] = 999.0
    for expected, found in zip(inputs(window), inputs(window._replace(y_BL=tampered)), strict=True):
        torch.testing.assert_close(found, expected, rtol=0, atol=0)


def test_ten_times_the_demand_is_the_same_pattern() -> None:
    series = NetworkSeries.from_batch(stores(8))
    inputs, window = measured(series), window_of(series)
    small_ones, large_ones = inputs(window), inputs(window._replace(y_BL=window.y_BL * 10))
    torch.testing.assert_close(large_ones.scale_B, small_ones.scale_B * 10)
    torch.testing.assert_close(large_ones.past_BCF, small_ones.past_BCF)
    torch.testing.assert_close(large_ones.numbers_BA[:, 1:], small_ones.numbers_BA[:, 1:])


def test_a_price_enters_by_its_ratio_to_the_context_and_a_flag_standardised() -> None:
    series = NetworkSeries.from_batch(stores(30))
    inputs = measured(series)
    assert inputs.positive_K.tolist() == [True, False]
    price = np.log(series.known_SXK[:, :, 0].astype(float))
    assert float(inputs.mean_K[0]) == pytest.approx(np.nanmean(price), rel=1e-4)
    assert float(inputs.sd_K[1]) == pytest.approx(series.known_SXK[:, :, 1].std(), rel=1e-4)
    window = window_of(series)
    first = inputs(window).future_BHF.shape[2] - 6
    shift_BH = inputs(window).future_BHF[..., first + 2]
    doubled = window.known_BLK.clone()
    doubled[..., 0] *= 2
    torch.testing.assert_close(inputs(window._replace(known_BLK=doubled)).future_BHF[..., first + 2], shift_BH)
    missing_BH = ~window.known_BLK[:, 28:, 0].isfinite()
    assert missing_BH.any()
    assert (shift_BH[missing_BH] == 0).all()
    assert torch.equal(inputs(window).future_BHF[..., first + 4] == 0, missing_BH)


def test_the_calendar_is_that_of_the_running_day_and_the_profile_that_of_its_phase() -> None:
    series = NetworkSeries.from_batch(stores(3))
    inputs = measured(series)
    window = window_of(series)
    features = inputs(window)
    for h in range(HORIZON):
        day = series.day + 1 + h
        assert float(features.future_BHF[0, h, 3]) == pytest.approx(np.sin(2 * np.pi * day / 7), abs=1e-5)
        assert float(features.future_BHF[0, h, 8]) == pytest.approx(np.cos(2 * np.pi * 3 * day / 7), abs=1e-5)
        same = [t for t in range(112, 140) if (t - 140 - h) % 7 == 0 and series.mask_ST[0, t]]
        mean = np.mean(series.y_ST[0, same]) / float(features.scale_B[0])
        assert float(features.future_BHF[0, h, 0]) == pytest.approx(np.log1p(mean), rel=1e-5)


def test_a_series_that_sold_nothing_in_its_context_is_finite() -> None:
    series = NetworkSeries.from_batch(stores(2))
    window = window_of(series)
    silent = window._replace(y_BL=torch.zeros_like(window.y_BL))
    unseen = silent._replace(mask_BL=torch.zeros_like(window.mask_BL))
    for features in (measured(series)(silent), measured(series)(unseen)):
        assert (features.scale_B == 1.0).all()
        assert all(x.isfinite().all() for x in features)
