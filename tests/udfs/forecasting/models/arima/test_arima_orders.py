from __future__ import annotations

import warnings

import numpy as np
import pytest
from statsforecast.arima import ndiffs, nsdiffs
from statsmodels.tsa.stattools import kpss as peer_kpss

from tests.udfs.forecasting.models.arima.test_arima_kernel import simulate
from udfs.forecasting.models.arima.arima_kernel import Order, admissible
from udfs.forecasting.models.arima.orders import (
    RADIUS,
    Limits,
    aicc,
    choose,
    cross_products,
    differences,
    fill,
    kpss,
    long_autoregression,
    starting_coefficients,
)

LIMITS = Limits(3, 2, 3, 2, 1, 2, 5, 0.64)


def some_series(seed: int, n: int = 140) -> np.ndarray:
    """Counts with or without level shifts and weekly seasons."""
    rng = np.random.default_rng(seed)
    level = 5 + rng.choice([0, 0.5]) * np.abs(rng.normal(size=n).cumsum())
    week = 1 + rng.choice([0, 0.5, 0.9]) * np.sin(2 * np.pi * np.arange(n) / 7)
    return rng.poisson(level * week).astype(float)


def test_kpss_equals_statsmodels() -> None:
    for seed in range(10):
        y = some_series(seed)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            expected = peer_kpss(y, "c", nlags=int(3 * np.sqrt(len(y)) / 13))[0]
        assert kpss(y) == pytest.approx(expected, rel=1e-9)
    assert kpss(np.full(30, 4.0)) == 0.0


def test_differences_are_those_of_nsdiffs_and_ndiffs() -> None:
    expected = []
    for seed in range(60):
        y = some_series(seed)
        seasonal = nsdiffs(y, period=7)
        expected.append((ndiffs(y[7:] - y[:-7] if seasonal else y), seasonal))
        assert differences(y, 7, LIMITS) == expected[-1]
    assert len(set(expected)) >= 3


def test_fill_takes_the_day_a_season_before() -> None:
    y = np.array([1.0, 0, 3, 4, 0, 0])
    seen = np.array([True, False, True, True, False, True])
    np.testing.assert_array_equal(fill(y, seen, 3), [1, 1, 3, 4, 1, 0])


def test_long_autoregression_whitens() -> None:
    y = simulate(Order(2, 0, 0, 0, 0, 0, 0, 1), np.array([1.2, -0.5]), 4000)
    error = long_autoregression(y, 10)
    assert error[20:].var() == pytest.approx(1.0, abs=0.06)
    assert abs(np.corrcoef(error[20:-1], error[21:])[0, 1]) < 0.04


def test_starting_coefficients_are_near_the_truth_and_always_admissible() -> None:
    order, truth = Order(1, 0, 1, 1, 0, 0, 0, 7), np.array([0.6, 0.4, 0.3])
    y = simulate(order, truth, 3000)
    start = starting_coefficients(order, cross_products(y, LIMITS, 7), LIMITS, 0.0)
    np.testing.assert_allclose(start, truth, atol=0.3)
    for seed in range(20):
        walk = np.random.default_rng(seed).normal(size=60).cumsum()
        order = Order(3, 0, 2, 0, 0, 0, 1, 7)
        start = starting_coefficients(order, cross_products(walk - walk.mean(), LIMITS, 7), LIMITS, walk.mean())
        assert admissible(order, start, RADIUS)
        assert start[-1] == walk.mean()


def test_aicc_by_hand_and_without_a_degree_of_freedom() -> None:
    order = Order(1, 0, 1, 0, 0, 0, 1, 7)
    assert aicc(order, 50.0, 25) == pytest.approx(25 * np.log(2.0) + 8 + 2 * 4 * 5 / 20)
    assert aicc(order, 50.0, 5) == np.inf


@pytest.mark.parametrize(
    ("order", "values"),
    [
        (Order(1, 0, 0, 0, 0, 0, 1, 7), [0.7, 0.0]),
        (Order(0, 1, 1, 0, 0, 0, 0, 7), [-0.6]),
        (Order(0, 0, 2, 0, 0, 0, 1, 7), [0.8, 0.5, 0.0]),
        (Order(0, 1, 1, 0, 1, 1, 0, 7), [-0.5, -0.6]),
    ],
)
def test_the_path_finds_a_model_as_good_as_the_true_one(order: Order, values: list[float]) -> None:
    coef = np.array(values)
    same_orders = 0
    for seed in range(8):
        y = simulate(order, coef, 400, seed) + 20.0
        found, found_coef, _ = choose(y, np.ones(400, dtype=bool), 7, LIMITS)
        assert admissible(found, found_coef, RADIUS)
        same = found._replace(c=0) == order._replace(c=0)
        same_orders += same
        if same:
            assert np.abs(found_coef[: len(values)] - coef)[: order.p + order.q + order.P + order.Q].max() < 0.25
    # AICc does not find the order of 400 days every time, and often adds a term that changes little.
    assert same_orders >= 2


def test_degenerate_series_get_the_plainest_model() -> None:
    for y in (np.zeros(60), np.full(30, 7.0), np.array([2.0]), np.array([1.0, 4.0, 2.0])):
        order, coef, _ = choose(y, np.ones(len(y), dtype=bool), 7, LIMITS)
        assert order == Order(0, 0, 0, 0, 0, 0, 1, 7)
        assert coef[0] == pytest.approx(y.mean())
    order, coef, _ = choose(2.0 * np.arange(50) + 5, np.ones(50, dtype=bool), 7, LIMITS)
    assert (order.p, order.q, order.P, order.Q) == (0, 0, 0, 0)
    assert order.d + order.D == 1
