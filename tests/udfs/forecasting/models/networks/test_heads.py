from __future__ import annotations

import numpy as np
import torch
from scipy import stats

from tests.udfs.forecasting.models.networks.stores import small
from udfs.forecasting.models.networks.heads import NegativeBinomial, Quantile, make_head

LEVELS = (0.1, 0.5, 0.9)


def test_negative_binomial_agrees_with_scipy() -> None:
    rng = np.random.default_rng(1)
    raw_BHP = torch.from_numpy(rng.normal(0, 1, (5, 4, 2))).float()
    scale_B = torch.tensor([0.2, 1.0, 3.0, 30.0, 400.0])
    y_BH = torch.from_numpy(rng.poisson(scale_B.numpy()[:, None], (5, 4))).float()
    mean = np.exp(raw_BHP[..., 0].double().numpy()) * scale_B.numpy()[:, None]
    alpha = np.log1p(np.exp(raw_BHP[..., 1].double().numpy())) + 1e-3
    n, p = 1 / alpha, 1 / (1 + alpha * mean)
    head = NegativeBinomial()
    np.testing.assert_allclose(
        head.loss(raw_BHP, y_BH, scale_B).numpy(), -stats.nbinom.logpmf(y_BH.numpy(), n, p), rtol=2e-3, atol=2e-3
    )
    mean_BH, sd_BH = head.moments(raw_BHP, scale_B)
    np.testing.assert_allclose(mean_BH.numpy(), stats.nbinom.mean(n, p), rtol=1e-4)
    np.testing.assert_allclose(sd_BH.numpy(), stats.nbinom.std(n, p), rtol=1e-4)
    quantile_BHQ = head.quantiles(raw_BHP, scale_B, LEVELS)
    for q, level in enumerate(LEVELS):
        np.testing.assert_allclose(quantile_BHQ[..., q].numpy(), stats.nbinom.ppf(level, n, p), atol=1.0, rtol=1e-3)


def test_the_quantile_loss_is_least_at_the_mean_and_the_quantiles() -> None:
    rng = np.random.default_rng(2)
    y = torch.from_numpy(rng.gamma(2.0, 3.0, 20_000)).float()
    scale = torch.tensor([5.0])
    best = torch.tensor([np.log(float(y.mean()) / 5.0), *(np.quantile(y.numpy(), LEVELS) / 5.0)]).float()
    head = Quantile(LEVELS)

    def loss(raw_P: torch.Tensor) -> float:
        return float(head.loss(raw_P.expand(1, len(y), 4), y[None], scale).double().mean())

    for p in range(4):
        for shift in (-0.1, 0.1):
            other = best.clone()
            other[p] += shift
            assert loss(other) > loss(best)


def test_quantiles_never_cross_and_never_fall_below_zero() -> None:
    head = Quantile(LEVELS)
    raw_BHP = torch.tensor([[[0.0, 2.0, -1.0, 1.0]]])
    quantile_BHQ = head.quantiles(raw_BHP, torch.tensor([10.0]), LEVELS)
    torch.testing.assert_close(quantile_BHQ, torch.tensor([[[0.0, 10.0, 20.0]]]))
    mean_BH, sd_BH = head.moments(raw_BHP, torch.tensor([10.0]))
    assert float(mean_BH) == 10.0
    assert float(sd_BH) == np.float32(20.0 / (2 * 1.2815515655446004))
    assert Quantile((0.5,)).moments(raw_BHP[..., :2], torch.tensor([10.0]))[1].item() == np.float32(np.sqrt(10.0))


def test_a_spec_names_its_head() -> None:
    assert isinstance(make_head(small()), NegativeBinomial)
    assert make_head(small(head="quantile", quantiles=LEVELS)).n_outputs == 4
