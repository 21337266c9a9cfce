from __future__ import annotations

import numpy as np
import pytest
import torch
from statsforecast.models import TSB, CrostonClassic, CrostonSBA

from tests.udfs.forecasting.series import batch_of, mixed_series
from udfs.forecasting.models.croston.croston_model import Croston
from udfs.forecasting.models.smoothing_prior import SmoothingPrior

PEERS = {
    "croston": (CrostonClassic(), Croston("croston", size_alphas=(0.1,), warm_up_days=1)),
    "sba": (CrostonSBA(), Croston("sba", size_alphas=(0.1,), warm_up_days=1)),
    "tsb": (TSB(0.2, 0.1), Croston("tsb", size_alphas=(0.2,), probability_alphas=(0.1,), warm_up_days=1)),
}


def _sparse(n_series: int, n_days: int, seed: int = 2) -> dict[str, np.ndarray]:
    rng = np.random.default_rng(seed)
    series = {}
    for s in range(n_series):
        y = rng.poisson(3, n_days) * (rng.random(n_days) < rng.uniform(0.05, 0.6))
        y[0] = 2  # both sides then start from the first day
        series[f"s{s:02d}"] = y.astype(float)
    return series


@pytest.mark.parametrize("variant", PEERS)
def test_fixed_parameters_equal_statsforecast(variant: str) -> None:
    peer, ours = PEERS[variant]
    series = _sparse(20, 90)
    forecast = ours.forecast(batch_of(series), 5, (0.5,))
    for s, y in enumerate(series.values()):
        expected = peer.forecast(y, h=5, fitted=True)
        np.testing.assert_allclose(forecast.mean_SH[s].numpy(), expected["mean"], rtol=1e-9)
        if variant == "tsb":  # Croston's fitted values start differently before the second sale
            error = (y - expected["fitted"])[1:]
            assert forecast.sse_S[s].item() == pytest.approx(float((error**2).sum()), rel=1e-9)


@pytest.mark.parametrize("variant", PEERS)
def test_the_grid_finds_the_lowest_in_sample_error(variant: str) -> None:
    batch = batch_of(_sparse(15, 120))
    flat = SmoothingPrior(0.2, factor=1e300)
    full = Croston(variant, size_prior=flat, probability_prior=flat)
    chosen = full.forecast(batch, 1, (0.5,)).sse_S
    alone = []
    for alpha in full.size_alphas:
        for alpha_p in full.probability_alphas if variant == "tsb" else (0.1,):
            model = Croston(variant, size_alphas=(alpha,), probability_alphas=(alpha_p,))
            alone.append(model.forecast(batch, 1, (0.5,)).sse_S)
    assert torch.equal(chosen, torch.stack(alone).amin(0))


@pytest.mark.parametrize("variant", PEERS)
def test_numba_and_torch_agree(variant: str) -> None:
    batch = batch_of(mixed_series(40) | _sparse(20, 150))
    y_ST = batch.y_ST.clone()
    y_ST[:, -20] -= batch.mask_ST[:, -20] * 3.0  # returns: negative days, and sales that vanish
    model = Croston(variant)
    by_numba, by_torch = (model.fit(y_ST, batch.mask_ST, backend) for backend in ("numba", "torch"))
    torch.testing.assert_close(by_numba[0], by_torch[0], rtol=1e-10, atol=1e-12)
    torch.testing.assert_close(by_numba[1], by_torch[1], rtol=1e-10, atol=1e-12)
    assert torch.equal(by_numba[2], by_torch[2])
    errors = [model.errors(y_ST, batch.mask_ST, by_numba[3], backend) for backend in ("numba", "torch")]
    torch.testing.assert_close(errors[0], errors[1], rtol=1e-10, atol=1e-10)
    torch.testing.assert_close((errors[0] ** 2).sum(1), by_numba[1], rtol=1e-10, atol=1e-12)


def test_a_high_mean_takes_the_errors_quantiles_and_a_low_one_counts() -> None:
    rng = np.random.default_rng(8)
    series = {"high": rng.gamma(9, 5, 200), "low": rng.poisson(0.7, 200).astype(float)}
    batch, levels = batch_of(series), (0.1, 0.5, 0.9)
    model = Croston("sba")
    forecast = model.forecast(batch, 3, levels)
    mask_T = batch.mask_ST[0]
    error_T = model.errors(batch.y_ST, batch.mask_ST, model.fit(batch.y_ST, batch.mask_ST)[3])[0][mask_T]
    expected = forecast.mean_SH[0, 0].item() + np.quantile(error_T.numpy(), levels)
    np.testing.assert_allclose(forecast.quantile_SHQ[0, 2].numpy(), expected, rtol=1e-12)
    assert torch.equal(forecast.quantile_SHQ[1], forecast.quantile_SHQ[1].round())


def test_tsb_fades_when_sales_stop_and_croston_does_not() -> None:
    y = np.r_[np.tile([3.0, 0.0], 40), np.zeros(60)]
    batch = batch_of({"dead": y})
    before = batch_of({"dead": y[:80]})
    for variant, fades in (("croston", False), ("tsb", True)):
        model = Croston(variant, size_alphas=(0.1,), probability_alphas=(0.1,))
        ratio = (model.forecast(batch, 1, (0.5,)).mean_SH / model.forecast(before, 1, (0.5,)).mean_SH).item()
        assert (ratio < 0.01) if fades else (ratio == pytest.approx(1.0))


def test_missing_days_do_not_count_as_days_without_a_sale() -> None:
    y = np.tile([3.0, 0.0], 40)
    holes = y.copy()
    holes[1::2] = np.nan  # only the selling days are known: it sells on every known day
    forecast = Croston("croston").forecast(batch_of({"all": y, "holes": holes}), 1, (0.5,))
    assert forecast.mean_SH[0].item() == pytest.approx(1.5, rel=0.1)
    assert forecast.mean_SH[1].item() == pytest.approx(3.0, rel=1e-9)


def test_settings_are_checked() -> None:
    with pytest.raises(ValueError, match="croston"):
        Croston("holt")
    with pytest.raises(ValueError, match="size_alphas"):
        Croston("sba", size_alphas=())
    with pytest.raises(ValueError, match="warm_up_days"):
        Croston("sba", warm_up_days=0)
