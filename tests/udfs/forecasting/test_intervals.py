from __future__ import annotations

import numpy as np
import pytest
import torch
from scipy import stats

from udfs.forecasting.intervals import MIN_ERRORS, count_quantiles, empirical_quantiles, error_quantiles

LEVELS = (0.05, 0.1, 0.25, 0.5, 0.75, 0.9, 0.95, 0.99)


def test_empirical_quantiles_equal_numpy_and_widen_with_the_horizon() -> None:
    rng = np.random.default_rng(0)
    error_TS = torch.from_numpy(rng.normal(0, 2, (60, 5)))
    mask_TS = torch.from_numpy(rng.random((60, 5)) < 0.8)
    mean_SH = torch.full((5, 3), 4.0, dtype=torch.float64)
    growth_H = torch.tensor([1.0, 1.5, 2.0], dtype=torch.float64)
    quantile_SHQ = empirical_quantiles(mean_SH, 2.0 * growth_H.repeat(5, 1), error_TS, mask_TS, LEVELS)
    for s in range(5):
        error_Q = np.quantile(error_TS[:, s].numpy()[mask_TS[:, s].numpy()], LEVELS)
        expected_HQ = np.maximum(4.0 + growth_H.numpy()[:, None] * error_Q, 0.0)
        np.testing.assert_allclose(quantile_SHQ[s].numpy(), expected_HQ, atol=1e-12)


def test_few_errors_give_normal_quantiles() -> None:
    n = MIN_ERRORS - 1
    mean_SH, sd_SH = torch.full((1, 1), 50.0, dtype=torch.float64), torch.full((1, 1), 3.0, dtype=torch.float64)
    error_TS = torch.ones((n, 1), dtype=torch.float64)
    quantile_SHQ = empirical_quantiles(mean_SH, sd_SH, error_TS, error_TS.bool(), LEVELS)
    np.testing.assert_allclose(quantile_SHQ[0, 0].numpy(), stats.norm.ppf(LEVELS, 50, 3), rtol=1e-9)


@pytest.mark.parametrize("mean", [0.01, 0.3, 1.0, 4.7, 19.0])
@pytest.mark.parametrize("dispersion", [1.5, 4.0, 30.0])
def test_count_quantiles_equal_scipy_negative_binomial(mean: float, dispersion: float) -> None:
    variance = mean * dispersion
    ours = count_quantiles(
        torch.tensor([mean], dtype=torch.float64), torch.tensor([variance**0.5], dtype=torch.float64), LEVELS
    )
    expected = stats.nbinom.ppf(LEVELS, mean**2 / (variance - mean), 1 / dispersion)
    np.testing.assert_array_equal(ours[0].numpy(), expected)
    by_torch = count_quantiles(torch.tensor([mean]).double(), torch.tensor([variance**0.5]).double(), LEVELS, "torch")
    np.testing.assert_array_equal(by_torch[0].numpy(), expected)


def test_count_quantiles_without_overdispersion_are_poisson() -> None:
    for mean in (0.2, 3.3, 12.0):
        ours = count_quantiles(
            torch.tensor([mean], dtype=torch.float64), torch.tensor([0.0], dtype=torch.float64), LEVELS
        )
        np.testing.assert_array_equal(ours[0].numpy(), stats.poisson.ppf(LEVELS, mean))


def test_error_quantiles_equal_numpy_on_both_backends() -> None:
    rng = np.random.default_rng(4)
    rows = [
        rng.normal(0, 1, 400),
        np.r_[rng.normal(0, 1, 399), 1e12],  # one bin holds nearly all
        rng.integers(0, 3, 400).astype(float),  # ties
        np.full(400, -2.5),
        rng.lognormal(0, 3, 400),
        np.linspace(-1e300, 1e300, 400),
    ]
    error_ST = torch.from_numpy(np.stack(rows))
    mask_ST = torch.from_numpy(rng.random(error_ST.shape) < 0.7)
    mask_ST[3] = torch.arange(400) == 17  # a single error
    for backend in ("numba", "torch"):
        error_SQ = error_quantiles(error_ST, mask_ST, LEVELS, backend)
        for s in range(len(rows)):
            expected = np.quantile(error_ST[s].numpy()[mask_ST[s].numpy()], LEVELS)
            np.testing.assert_allclose(error_SQ[s].numpy(), expected, rtol=1e-12)
    nothing_ST = torch.zeros((2, 5), dtype=torch.float64)
    for backend in ("numba", "torch"):
        assert error_quantiles(nothing_ST, nothing_ST.bool(), LEVELS, backend).isnan().all()
