from __future__ import annotations

import numpy as np
import pytest
import torch
from sklearn.linear_model import Ridge

from udfs.forecasting.models.regression.ridge import PENALTIES, RidgeFit, fit_ridge


def some_batch(n_series: int = 12, n_days: int = 90, horizon: int = 10) -> dict[str, torch.Tensor]:
    """Series with late starts and gaps, two calendar columns, a price with unknown days and a promotion flag."""
    rng = np.random.default_rng(5)
    x = n_days + horizon
    calendar_XC = np.stack([np.sin(np.arange(x) / 3), np.cos(np.arange(x) / 3)], axis=1)
    price_SX = np.exp(0.2 * rng.normal(size=(n_series, x)))
    promo_SX = (rng.random((n_series, x)) < 0.2).astype(float)
    y_ST = 20 + 3 * calendar_XC[:n_days, 0] - 4 * np.log(price_SX[:, :n_days]) + 6 * promo_SX[:, :n_days]
    y_ST += rng.normal(size=y_ST.shape)
    mask_ST = rng.random(y_ST.shape) > 0.1
    for s in range(n_series):
        mask_ST[s, : 5 * s] = False
    price_SX[:, 40:43] = np.nan
    price_SX[2, :70] = np.nan
    price_SX[:, -3:] = np.nan
    use_SC = np.ones((n_series, 2), dtype=bool)
    use_SC[3, 1] = False
    arrays = {
        "y_ST": np.where(mask_ST, y_ST, 0.0),
        "mask_ST": mask_ST,
        "calendar_XC": calendar_XC,
        "use_SC": use_SC,
        "known_SXK": np.stack([price_SX, promo_SX], axis=2),
    }
    return {name: torch.from_numpy(a) for name, a in arrays.items()}


def columns_of(given: dict[str, torch.Tensor], s: int) -> tuple[np.ndarray, np.ndarray]:
    """(X, J) standardised columns of one series from its first day on, and its observed days, by plain numpy."""
    mask = given["mask_ST"][s].numpy()
    first = int(np.flatnonzero(mask)[0])
    known = given["known_SXK"][s, first:].numpy().copy()
    for t in range(1, len(known)):
        known[t] = np.where(np.isnan(known[t]), known[t - 1], known[t])
    known[:, 0] = np.log(known[:, 0])
    calendar = given["calendar_XC"][first:].numpy() * given["use_SC"][s].numpy()
    x = np.concatenate([calendar, known], axis=1)
    seen = mask[first:]
    past = x[: len(seen)][seen]
    mean, scale = np.nanmean(past, axis=0), np.nanstd(past, axis=0)
    z = (x - mean) / np.where(scale > 1e-12, scale, np.inf)
    return np.nan_to_num(z), seen


def gcv(z: np.ndarray, y: np.ndarray, penalty: float) -> float:
    hat = z @ np.linalg.inv(z.T @ z + penalty * len(y) * np.eye(z.shape[1])) @ z.T
    rest = y - y.mean() - hat @ (y - y.mean())
    return float(rest @ rest / (len(y) - 1 - np.trace(hat)) ** 2)


def test_coefficients_equal_scikit_learn_and_the_penalty_has_the_lowest_gcv() -> None:
    given = some_batch()
    fitted = fit_ridge(**given)
    for s in range(len(given["y_ST"])):
        z, seen = columns_of(given, s)
        y = given["y_ST"][s, -len(seen) :].numpy()[seen]
        past = z[: len(seen)][seen]
        penalty = fitted.penalty_S[s].item()
        assert penalty == min(PENALTIES, key=lambda p: gcv(past, y, p))
        # An intercept of its own would soak up the unknown first days of the price, which are not quite centred.
        peer = Ridge(alpha=penalty * len(y), fit_intercept=False).fit(past, y - y.mean())
        np.testing.assert_allclose(fitted.beta_SJ[s].numpy(), peer.coef_, rtol=1e-7, atol=1e-9)
        np.testing.assert_allclose(fitted.effect_SX[s, -len(z) :].numpy(), z @ peer.coef_, rtol=1e-7, atol=1e-8)
        assert (fitted.effect_SX[s, : -len(z)] == 0).all()


def test_without_noise_and_penalty_it_is_least_squares() -> None:
    given = some_batch(4)
    fitted = fit_ridge(**given, penalties=(1e-12,))
    z, seen = columns_of(given, 1)
    past, y = z[: len(seen)][seen], given["y_ST"][1, -len(seen) :].numpy()[seen]
    expected = np.linalg.lstsq(past, y - y.mean(), rcond=None)[0]
    np.testing.assert_allclose(fitted.beta_SJ[1].numpy(), expected, rtol=1e-6)


def test_numba_and_torch_agree() -> None:
    given = some_batch()
    given["mask_ST"][5] = False
    given["mask_ST"][6, 2:] = False
    by_numba, by_torch = (fit_ridge(**given, backend=backend) for backend in ("numba", "torch"))
    for field in RidgeFit.__dataclass_fields__:
        torch.testing.assert_close(getattr(by_torch, field), getattr(by_numba, field), rtol=1e-8, atol=1e-9)


def test_no_column_at_all_and_a_column_that_never_varies_have_no_effect() -> None:
    given = some_batch(4)
    given["known_SXK"] = torch.full_like(given["known_SXK"], 2.5)
    given["use_SC"][:] = False
    assert (fit_ridge(**given).effect_SX == 0).all()
    given["known_SXK"], given["calendar_XC"] = given["known_SXK"][:, :, :0], given["calendar_XC"][:, :0]
    given["use_SC"] = given["use_SC"][:, :0]
    for backend in ("numba", "torch"):
        assert (fit_ridge(**given, backend=backend).effect_SX == 0).all()


@pytest.mark.parametrize("noise", [0.5, 20.0])
def test_a_promotion_is_recovered_and_noise_is_shrunk(noise: float) -> None:
    rng = np.random.default_rng(0)
    promo_SX = (rng.random((50, 220)) < 0.15).astype(float)
    y_ST = 30 + 10 * promo_SX[:, :200] + noise * rng.normal(size=(50, 200))
    fitted = fit_ridge(
        torch.from_numpy(y_ST),
        torch.ones((50, 200), dtype=torch.bool),
        torch.zeros((220, 0), dtype=torch.float64),
        torch.zeros((50, 0), dtype=torch.bool),
        torch.from_numpy(promo_SX[:, :, None]),
    )
    lift_S = fitted.beta_SJ[:, 0] / fitted.scale_SJ[:, 0]
    assert lift_S.mean().item() == pytest.approx(10.0, abs=0.1 if noise < 1 else 2.5)
    if noise < 1:
        assert (lift_S - 10).abs().max() < 0.6
