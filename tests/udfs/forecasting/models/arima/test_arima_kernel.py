from __future__ import annotations

import warnings

import numpy as np
import pytest
from statsmodels.tsa.statespace.sarimax import SARIMAX

from udfs.forecasting.models.arima.arima_kernel import (
    Order,
    admissible,
    ar_part,
    difference_part,
    errors,
    fit,
    forecast,
    jacobian,
    log_determinant,
    ma_part,
    n_backcast,
    n_coefficients,
    solve,
    workspace,
)

CASES = [
    (Order(1, 0, 1, 0, 0, 0, 0, 7), [0.7, -0.3]),
    (Order(0, 1, 1, 0, 0, 0, 0, 7), [-0.8]),
    (Order(0, 1, 1, 0, 1, 1, 0, 7), [-0.6, -0.5]),
    (Order(2, 0, 1, 1, 0, 1, 0, 7), [0.5, 0.2, 0.4, 0.6, -0.3]),
    (Order(1, 2, 1, 0, 0, 0, 0, 1), [0.3, -0.7]),
    (Order(0, 0, 2, 1, 0, 0, 0, 12), [0.4, 0.2, 0.5]),
]


def simulate(order: Order, coef: np.ndarray, n: int, seed: int = 0, mean: float = 0.0) -> np.ndarray:
    """The defining equations, by the letter, with unit normal errors and 300 steps of warming up."""
    rng = np.random.default_rng(seed)
    diff, ar, ma = difference_part(order), ar_part(order, coef), ma_part(order, coef)
    e, z, y = rng.normal(size=n + 300), np.zeros(n + 300), np.zeros(n)
    for t in range(n + 300):
        z[t] = e[t]
        z[t] += sum(a * z[t - k] for k, a in zip(ar.lag, ar.coef, strict=True) if t >= k)
        z[t] += sum(b * e[t - k] for k, b in zip(ma.lag, ma.coef, strict=True) if t >= k)
    for t in range(n):
        y[t] = mean + z[300 + t] + sum(c * y[t - k] for k, c in zip(diff.lag, diff.coef, strict=True) if t >= k)
    return y


def peer(order: Order, y: np.ndarray, simple: bool = False) -> SARIMAX:
    season = (order.P, order.D, order.Q, order.m) if order.m > 1 and order.P + order.D + order.Q else (0, 0, 0, 0)
    return SARIMAX(
        y,
        order=(order.p, order.d, order.q),
        seasonal_order=season,
        trend="c" if order.c else "n",
        simple_differencing=simple,
        concentrate_scale=simple,
    )


def criterion(order: Order, coef: np.ndarray, y: np.ndarray) -> float:
    """n log(sum of squares / n) + log determinant."""
    n = len(y) - order.d - order.m * order.D
    sse = errors(order, coef, y, np.ones(len(y), dtype=bool), workspace(order, len(y), 0), workspace(order, len(y), 0))
    return float(n * np.log(sse / n) + log_determinant(order, coef, np.zeros(n)))


@pytest.mark.parametrize(("order", "values"), CASES)
def test_the_criterion_is_the_exact_likelihood_of_the_kalman_filter(order: Order, values: list[float]) -> None:
    coef = np.array(values)
    y = simulate(order, coef, 150)
    n = len(y) - order.d - order.m * order.D
    exact = -2 * peer(order, y, simple=True).loglike(coef) - n * (np.log(2 * np.pi) + 1)
    assert criterion(order, coef, y) == pytest.approx(exact, abs=0.05)


@pytest.mark.parametrize(("order", "values"), CASES)
def test_forecasts_and_their_variance_equal_statsmodels_for_the_same_coefficients(
    order: Order, values: list[float]
) -> None:
    coef = np.array(values)
    y = simulate(order, coef, 200)
    fitted = peer(order, y).smooth(np.append(coef, 1.0)).get_forecast(20)
    mean, growth, error = np.empty(20), np.empty(20), np.empty(200)
    forecast(order, coef, y, np.ones(200, dtype=bool), mean, growth, error)
    np.testing.assert_allclose(mean, fitted.predicted_mean, atol=1e-4 * np.ptp(y))
    np.testing.assert_allclose(growth, fitted.var_pred_mean, rtol=1e-6)


@pytest.mark.parametrize(("order", "values"), CASES[:4])
def test_estimates_are_those_of_maximum_likelihood(order: Order, values: list[float]) -> None:
    y = simulate(order, np.array(values), 300, seed=3)
    n = len(y) - order.d - order.m * order.D
    coef, value = fit(order, np.zeros(len(values)), y, np.ones(300, dtype=bool), n, 1.001)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        best = peer(order, y, simple=True).fit(disp=0)
    assert n * np.log(value / n) == pytest.approx(-2 * best.llf - n * (np.log(2 * np.pi) + 1), abs=0.05)
    assert np.abs(coef - np.array(values)).max() < 0.25


def test_a_constant_is_the_mean_of_the_differences() -> None:
    order = Order(1, 1, 0, 0, 0, 0, 1, 7)
    y = simulate(order, np.array([0.3, 0.0]), 400, mean=0.5)
    coef, _ = fit(order, np.array([0.0, 0.0]), y, np.ones(400, dtype=bool), 399, 1.01)
    fitted = peer(order, y, simple=True).fit(disp=0)
    # statsmodels gives the intercept, (1 - phi) mu.
    assert coef[1] * (1 - coef[0]) == pytest.approx(fitted.params[0], abs=0.01)


def test_jacobian_equals_differences_where_no_backcast_or_gap_intervenes() -> None:
    order, coef = Order(2, 1, 1, 1, 0, 1, 1, 4), np.array([0.3, -0.2, 0.4, 0.5, -0.3, 0.1])
    y = np.cumsum(simulate(Order(0, 0, 0, 0, 0, 0, 0, 4), np.empty(0), 80))
    seen = np.ones(80, dtype=bool)
    before = n_backcast(order)
    back, work = workspace(order, 80, 0), workspace(order, 80, 0)
    errors(order, coef, y, seen, back, work)
    rows = np.empty((n_coefficients(order), len(work.x)))
    jacobian(order, coef, work, before, rows)
    for k in range(len(coef)):
        sides = []
        for side in (1e-6, -1e-6):
            moved = coef.copy()
            moved[k] += side
            errors(order, moved, y, seen, back, work)
            sides.append(work.e[work.pad :].copy())
        slope = (sides[0] - sides[1]) / 2e-6
        # Backcasts move with the coefficients, and that fades after a few seasons.
        np.testing.assert_allclose(rows[k, before + 40 :], slope[before + 40 :], atol=2e-3)


def test_an_unseen_day_is_bridged_by_the_model_itself() -> None:
    order, coef = Order(1, 1, 1, 1, 0, 0, 0, 7), np.array([0.4, -0.5, 0.3])
    y = simulate(order, coef, 120)
    hole = np.ones(120, dtype=bool)
    hole[80:83] = False
    wild = y.copy()
    wild[80:83] = 1e6
    back, work = workspace(order, 120, 0), workspace(order, 120, 0)
    errors(order, coef, wild, hole, back, work)
    before = n_backcast(order)
    filled = work.x[before:].copy()
    assert (work.e[work.pad + before + 80 : work.pad + before + 83] == 0).all()
    np.testing.assert_array_equal(filled[hole], y[hole])

    mean, growth, error = np.empty(3), np.empty(3), np.empty(80)
    forecast(order, coef, y[:80], hole[:80], mean, growth, error)
    np.testing.assert_allclose(filled[80:83], mean, atol=1e-3)  # backcasts from 80 days and from 120 hardly differ
    kalman = peer(order, np.where(hole, y, np.nan)).smooth(np.append(coef, 1.0)).forecast(10)
    mean, growth, error = np.empty(10), np.empty(10), np.empty(120)
    forecast(order, coef, wild, hole, mean, growth, error)
    np.testing.assert_allclose(mean, kalman, atol=1e-2 * np.ptp(y))


def test_admissible_is_a_matter_of_roots() -> None:
    rng = np.random.default_rng(2)
    order = Order(3, 0, 2, 1, 0, 1, 0, 4)
    verdicts = []
    for coef in rng.normal(0, 0.7, (300, 7)):
        ar, ma = np.zeros(8), np.zeros(7)
        for poly, part, sign in ((ar, ar_part(order, coef), -1), (ma, ma_part(order, coef), 1)):
            poly[0] = 1
            np.add.at(poly, part.lag, sign * part.coef)
        smallest = min(np.abs(np.roots(p[::-1])).min() for p in (ar, ma))
        verdicts.append(smallest > 1.01)
        assert admissible(order, coef, 1.01) == (smallest > 1.01)
    assert 10 < sum(verdicts) < 290


def test_solve_skips_a_direction_without_information() -> None:
    rows = np.random.default_rng(4).normal(size=(3, 30))
    matrix, right = rows @ rows.T, np.array([1.0, -2.0, 0.5])
    np.testing.assert_allclose(solve(matrix, right, 0.0), np.linalg.solve(matrix, right), rtol=1e-9)
    matrix[1, :] = matrix[:, 1] = 0.0
    found = solve(matrix, right, 0.0)
    assert found[1] == pytest.approx(0.0, abs=1e-12)
    np.testing.assert_allclose(found[[0, 2]], np.linalg.solve(matrix[np.ix_([0, 2], [0, 2])], right[[0, 2]]), rtol=1e-9)
