from __future__ import annotations

import json

import numpy as np
import pytest
from scipy import stats

from udfs.forecasting.models.trees.residual_bins import ResidualBins


def negative_binomial(n: int, seed: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Means, a dispersion that tells the variance, and demand."""
    rng = np.random.default_rng(seed)
    mean_R = np.exp(rng.uniform(0, 4, n))
    dispersion_R = rng.choice([0.2, 1.0], n)
    shape_R = 1.0 / dispersion_R**2
    y_R = rng.poisson(rng.gamma(shape_R, mean_R / shape_R)).astype(float)
    return mean_R, dispersion_R * rng.uniform(0.95, 1.05, n), y_R


def test_quantiles_follow_the_distribution_of_their_bin() -> None:
    bins = ResidualBins.fit(*negative_binomial(200_000, seed=1), n_dispersions=2)
    mean_SH = np.array([[10.0, 40.0], [10.0, 40.0]])
    dispersion_S = np.array([0.2, 1.0])
    levels = (0.1, 0.5, 0.9, 0.97)
    sd_SH, quantile_SHQ = bins.around(mean_SH, dispersion_S, levels)
    shape_S1 = 1.0 / dispersion_S[:, None] ** 2
    law = stats.nbinom(shape_S1, shape_S1 / (shape_S1 + mean_SH))
    np.testing.assert_allclose(sd_SH, law.std(), rtol=0.06)
    for q, level in enumerate(levels):
        np.testing.assert_allclose(quantile_SHQ[:, :, q], law.ppf(level), rtol=0.12, atol=1.0)


def test_new_days_are_covered() -> None:
    bins = ResidualBins.fit(*negative_binomial(50_000, seed=1))
    mean_S, dispersion_S, y_S = negative_binomial(20_000, seed=2)
    levels = (0.05, 0.25, 0.75, 0.95)
    _, quantile_SHQ = bins.around(mean_S[:, None], dispersion_S, levels)
    # A quantile q of counts has P(D < q) <= level <= P(D <= q).
    assert ((y_S[:, None] < quantile_SHQ[:, 0] - 1e-9).mean(0) < np.array(levels) + 0.02).all()
    assert ((y_S[:, None] <= quantile_SHQ[:, 0] + 1e-9).mean(0) > np.array(levels) - 0.02).all()
    assert (np.diff(quantile_SHQ, axis=2) >= 0).all()


def test_one_mean_for_all_leaves_empty_bins_behind_and_still_works() -> None:
    bins = ResidualBins.fit(np.ones(5000), np.zeros(5000), np.arange(5000) % 3.0)
    sd_SH, quantile_SHQ = bins.around(np.array([[0.5, 1.0, 2.0]]), np.array([0.0]), (0.1, 0.5, 0.9))
    np.testing.assert_allclose(quantile_SHQ[0], np.outer([0.5, 1.0, 2.0], [0.0, 1.0, 2.0]), atol=1e-9)
    np.testing.assert_allclose(sd_SH[0], np.array([0.5, 1.0, 2.0]) * np.sqrt(2 / 3), rtol=1e-3)


def test_few_forecasts_share_few_bins_and_fewer_are_refused() -> None:
    mean_R, dispersion_R, y_R = negative_binomial(100, seed=3)
    assert ResidualBins.fit(mean_R, dispersion_R, y_R).sd_BD.shape == (5, 1)
    with pytest.raises(ValueError, match="at least 20 held-out forecasts, found 19"):
        ResidualBins.fit(mean_R[:19], dispersion_R[:19], y_R[:19])


@pytest.mark.parametrize("n", [100, 5000])
def test_bins_survive_json(n: int) -> None:
    bins = ResidualBins.fit(*negative_binomial(n, seed=4))
    again = ResidualBins.from_dict(json.loads(json.dumps(bins.as_dict())))
    for name in ("level_B", "dispersion_BD", "ratio_BDQ", "sd_BD"):
        np.testing.assert_array_equal(getattr(again, name), getattr(bins, name))
