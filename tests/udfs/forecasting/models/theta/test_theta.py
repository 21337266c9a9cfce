from __future__ import annotations

import datetime as dt

import numpy as np
import pytest
import torch
from statsforecast import theta as peer
from statsforecast.models import DynamicOptimizedTheta, OptimizedTheta
from statsmodels.tsa.seasonal import seasonal_decompose

from tests.udfs.forecasting.series import batch_of, m5_table, mixed_series
from udfs.forecasting.metrics import difference_scale, rmsse
from udfs.forecasting.models.theta.season import find_season
from udfs.forecasting.models.theta.theta_forms import FORMS, MIN_FIT, WARM_UP_DAYS
from udfs.forecasting.models.theta.theta_model import Theta
from udfs.forecasting.models.theta.theta_tensors import (
    Line,
    SearchGrid,
    ThetaPoint,
    ThetaState,
    extrapolate,
    filter_errors,
    fit_lines,
    grid_sums,
    search,
    solve,
    variance_growth,
)
from udfs.series.sku_batch import SkuBatch

LEVELS = (0.1, 0.5, 0.9)


def _counts(n_days: int = 90, seed: int = 0, season: float = 0.0, floor: float = 0.0) -> np.ndarray:
    rng = np.random.default_rng(seed)
    week = 1 + season * np.sin(2 * np.pi * np.arange(n_days) / 7)
    return floor + 1.0 + rng.poisson((6 + 0.03 * np.arange(n_days)) * week).astype(float)


def _fit(batch: SkuBatch, season_length: int = 1) -> tuple[Line, torch.Tensor]:
    season = find_season(batch.y_ST, batch.mask_ST, season_length, "torch")
    return fit_lines(season, batch.mask_ST, season.start_S + WARM_UP_DAYS)


def _point(alpha: float, weight: float, level: float, dynamic: bool) -> ThetaPoint:
    return ThetaPoint(
        *(torch.tensor([x], dtype=torch.float64) for x in (alpha, weight, level)), torch.tensor([dynamic])
    )


@pytest.mark.parametrize("form", FORMS)
def test_fixed_parameters_equal_statsforecast(form: str) -> None:
    y = _counts()
    alpha, theta, level = 0.23, 2.0 if form in ("STM", "DSTM") else 3.7, 4.2
    theirs = peer.auto_theta(y, 1, form, initial_smoothed=level, alpha=alpha, theta=theta)
    line, last_S3 = _fit(batch_of({"a": y}))
    point = _point(alpha, 1 - 1 / theta, level, form.startswith("D"))
    error_ST, counts_ST, n_S, sse_S, state = filter_errors(line, last_S3, point)
    first = int(line.fit_from_S)
    np.testing.assert_allclose(error_ST[0, first:], theirs["residuals"][WARM_UP_DAYS:], rtol=1e-9, atol=1e-9)
    np.testing.assert_allclose(extrapolate(state, point, 12)[0], peer.forecast_theta(theirs, 12)["mean"], rtol=1e-9)
    assert n_S.item() == counts_ST.sum().item() == len(y) - WARM_UP_DAYS
    assert sse_S.item() == pytest.approx(error_ST.square().sum().item())


@pytest.mark.parametrize("form", FORMS)
def test_the_fit_is_no_worse_than_statsforecast_s_search(form: str) -> None:
    series = {f"s{k}": _counts(150, seed=k) for k in range(8)}
    ours = Theta(1, forms=(form,), alphas=(0.1, 0.2, 0.4, 0.6, 0.8, 0.99)).forecast(batch_of(series), 7, LEVELS)
    for s, y in enumerate(series.values()):
        fitted = peer.auto_theta(y, 1, form)
        assert ours.choice is not None
        assert ours.choice.rule_S[s].startswith(form)
        assert not fitted.get("decompose", False)
        assert ours.sse_S[s].item() <= 1.01 * np.sum(fitted["residuals"][WARM_UP_DAYS:] ** 2)


def _seasonal(fitted: dict, n: int) -> np.ndarray:
    """What statsforecast multiplied the residuals with; ones without a season."""
    if not fitted.get("decompose"):
        return np.ones(n)
    mean = np.asarray(fitted["seas_forecast"]["mean"])
    return mean[(np.arange(n) - n) % len(mean)]


def _tensors(batch: SkuBatch) -> tuple[torch.Tensor, torch.Tensor]:
    return batch.y_ST, batch.mask_ST


@pytest.mark.parametrize("form", FORMS)
def test_a_fitted_season_is_no_worse_than_statsforecast_s(form: str) -> None:
    """Multiplicative: errors compared before the season is laid on them again."""
    y = _counts(210, seed=4, season=0.6, floor=20.0)
    batch = batch_of({"a": y})
    fitted = peer.auto_theta(y, 7, form)
    theirs = np.sum((fitted["residuals"] / _seasonal(fitted, len(y)))[WARM_UP_DAYS:] ** 2)
    line, last_S3 = _fit(batch, 7)
    point, _, sse_SF = search(line, line.n_seen_S, SearchGrid(7, (form,), (0.1, 0.2, 0.4, 0.6, 0.8, 0.99), 1, 8))
    error_ST = filter_errors(line, last_S3, point)[0]
    assert fitted["decomposition_type"] == "multiplicative"
    assert error_ST.square().sum().item() <= 1.01 * theirs
    # The closed form's sum of squares is the recursion's own.
    assert sse_SF[0, FORMS.index(form)].item() == pytest.approx(error_ST.square().sum().item(), rel=1e-9)


@pytest.mark.parametrize("season_length", [7, 12])
@pytest.mark.parametrize("model", ["additive", "multiplicative"])
@pytest.mark.parametrize("backend", ["numba", "torch"])
def test_the_decomposition_equals_statsmodels(season_length: int, model: str, backend: str) -> None:
    rng = np.random.default_rng(2)
    wave = np.sin(2 * np.pi * np.arange(100) / season_length)
    y = 30 + 8 * wave + rng.normal(0, 1, 100) if model == "multiplicative" else 2 + 8 * wave + rng.normal(0, 1, 100)
    season = find_season(
        *_tensors(batch_of({"a": np.abs(y) if model == "multiplicative" else y})), season_length, backend
    )
    y_kept = batch_of({"a": y}).y_ST[0, -100:].numpy()
    expected = seasonal_decompose(y_kept, model=model, period=season_length).seasonal[-season_length:]
    assert season.is_seasonal_S.item()
    assert season.is_ratio_S.item() == (model == "multiplicative")
    first = (-season_length) % season_length
    np.testing.assert_allclose(np.roll(season.season_SM[0].numpy(), first), expected, rtol=1e-9)


def test_the_season_test_agrees_with_statsforecast() -> None:
    series = {f"s{k:02d}": _counts(60, seed=k, season=0.02 * k) for k in range(40)}
    season = find_season(*_tensors(batch_of(series)), 7, "numba")
    theirs = [bool(peer.auto_theta(y, 7, "STM", alpha=0.3).get("decompose", False)) for y in series.values()]
    assert season.is_seasonal_S.tolist() == theirs
    assert 5 < sum(theirs) < 35


@pytest.mark.parametrize("season_length", [1, 7])
@pytest.mark.parametrize("forms", [FORMS, ("OTM", "DSTM")])
def test_both_backends_agree(season_length: int, forms: tuple[str, ...]) -> None:
    series = mixed_series(40)
    series["s900"] = _counts(120, season=0.6, floor=20.0)  # multiplicative
    series["s901"] = np.full(30, 4.0)
    series["s902"] = np.full(20, np.nan)
    for k in range(12):  # runs of observed days of many lengths, and gaps where the errors begin to count
        y = _counts(40 + 9 * k, seed=k, season=0.4)
        y[np.random.default_rng(k).random(len(y)) < 0.04 * k] = np.nan
        series[f"s91{k:02d}"] = y
    batch = batch_of(series)
    settings = {
        "forms": forms,
        "refinements": 2,
        "refined_points": 9,
        "alphas": (0.02, 0.1, 0.2, 0.3, 0.5, 0.6, 0.7, 0.8, 0.9, 0.99),
    }
    on_cpu, in_torch = (
        Theta(season_length, backend=b, **settings).forecast(batch, 10, LEVELS) for b in ("numba", "torch")
    )
    for field in ("mean_SH", "sd_SH", "quantile_SHQ", "sse_S", "n_obs_S", "n_params_S", "score_S"):
        torch.testing.assert_close(getattr(in_torch, field), getattr(on_cpu, field), rtol=1e-8, atol=1e-8)
    assert on_cpu.choice is not None
    assert in_torch.choice is not None
    assert on_cpu.choice.rule_S.tolist() == in_torch.choice.rule_S.tolist()
    assert on_cpu.choice.runner_up_S.tolist() == in_torch.choice.runner_up_S.tolist()
    both = (in_torch.choice.runner_up_score_S, on_cpu.choice.runner_up_score_S)
    np.testing.assert_allclose(*both, rtol=1e-6, atol=1e-6)


@pytest.mark.parametrize("dynamic", [False, True])
@pytest.mark.parametrize("with_gaps", [False, True])
def test_the_closed_form_is_the_minimum(dynamic: bool, with_gaps: bool) -> None:
    y = _counts(80)
    if with_gaps:
        y[[5, 6, 30, 79]] = np.nan
    line, last_S3 = _fit(batch_of({"a": y}))
    alpha_RG = torch.tensor([[0.1, 0.35, 0.8]], dtype=torch.float64)
    form = FORMS.index("DOTM" if dynamic else "OTM")
    sse_SFG, weight_SFG, level_SFG = solve(grid_sums(line, alpha_RG), torch.ones((1, 4), dtype=torch.bool))
    for g, alpha in enumerate(alpha_RG[0].tolist()):
        w, level = weight_SFG[0, form, g].item(), level_SFG[0, form, g].item()

        def sse(w: float, level: float, alpha: float = alpha) -> float:
            point = _point(alpha, w, level, dynamic)
            return filter_errors(line, last_S3, point)[0].square().sum().item()

        assert sse(w, level) == pytest.approx(sse_SFG[0, form, g].item(), rel=1e-9)
        for dw, dl in ((0.02, 0.0), (-0.02, 0.0), (0.0, 0.5), (0.0, -0.5), (0.02, -0.5)):
            if 0 <= w + dw <= 1:
                assert sse(w + dw, level + dl) >= sse(w, level)


def test_an_unobserved_day_follows_its_own_prediction() -> None:
    """A series that the static model fits exactly is forecast the same with any of its days missing."""
    line = 5.0 + 0.5 * np.arange(60)
    holes = line.copy()
    holes[[20, 21, 22, 45, 58, 59]] = np.nan
    model = Theta(1, forms=("OTM",))
    whole, gaps = (model.forecast(batch_of({"a": y}), 5, (0.5,)).mean_SH for y in (line, holes))
    torch.testing.assert_close(
        whole[0], torch.tensor([35.0, 35.5, 36.0, 36.5, 37.0], dtype=torch.float64), rtol=0.01, atol=0
    )
    torch.testing.assert_close(gaps, whole, rtol=0.02, atol=0)


@pytest.mark.parametrize("dynamic", [False, True])
def test_variance_growth_equals_simulated_paths(dynamic: bool) -> None:
    """Paths of the recursion with unit errors, started from one state."""
    alpha, horizon, n_paths = 0.3, 12, 20000
    point = _point(alpha, 0.6, 0.0, dynamic)
    x = [torch.tensor([v], dtype=torch.float64) for v in (8.0, 7.0, 5.0, 0.1, 40.0, (1 - alpha) ** 40)]
    growth = variance_growth(ThetaState(*x), point, horizon)[0].numpy()
    rng = np.random.default_rng(0)
    level, mean, a, b, i, p = (np.full(n_paths, v.item()) for v in x)
    for h in range(horizon):
        mu = level + 0.6 * (a * p + b * (1 - p * (1 - alpha)) / alpha)
        y = mu + rng.normal(size=n_paths)
        assert y.var() == pytest.approx(growth[h], rel=0.06)
        level = level + alpha * (y - level)
        if dynamic:
            b = ((i - 1) * b + 6 * (y - mean) / (i + 1)) / (i + 2)
            mean = mean + (y - mean) / (i + 1)
            a = mean - b * (i + 2) / 2
        p, i = p * (1 - alpha), i + 1


def test_short_and_flat_series() -> None:
    series = {
        "flat": np.full(40, 3.0),
        "one": np.array([4.0]),
        "short": np.array([2.0, 4.0, 3.0]),
        "zero": np.zeros(20),
    }
    forecast = Theta(7).forecast(batch_of(series), 4, LEVELS)
    assert forecast.finite_series().all()
    np.testing.assert_allclose(forecast.mean_SH[0], 3.0, rtol=1e-6)
    np.testing.assert_allclose(forecast.mean_SH[1], 4.0, rtol=1e-6)
    np.testing.assert_allclose(forecast.mean_SH[3], 0.0, atol=1e-9)
    assert forecast.choice is not None
    assert forecast.choice.rule_S[2].startswith("STM")
    assert len(series["short"]) < MIN_FIT


@pytest.mark.real_data
def test_as_accurate_as_statsforecast_on_m5() -> None:
    full = SkuBatch.from_arrow(m5_table(120), dt.date(2016, 2, 28))
    full = full.select(full.until(28).mask_ST.sum(1).numpy() >= 28)
    batch = full.until(28)
    actual_SH, mask_SH = full.ahead(28, 28)
    scale_S = difference_scale(batch, power=2)

    def score(mean_SH: torch.Tensor) -> float:
        return rmsse(actual_SH, mean_SH.clamp(min=0.0), mask_SH, scale_S).nanmean().item()

    ours = score(Theta(7).forecast(batch, 28, LEVELS).mean_SH)
    for model in (OptimizedTheta(7), DynamicOptimizedTheta(7)):
        means = [
            model.forecast(y[mask].numpy(), h=28)["mean"] for y, mask in zip(batch.y_ST, batch.mask_ST, strict=True)
        ]
        assert ours <= 1.002 * score(torch.from_numpy(np.array(means, dtype=float)))


def test_settings_are_checked() -> None:
    with pytest.raises(ValueError, match="forms"):
        Theta(forms=("TTM",))
    with pytest.raises(ValueError, match="season_length"):
        Theta(0)
    with pytest.raises(ValueError, match="alphas"):
        Theta(alphas=(0.5, 0.2))
    with pytest.raises(ValueError, match="refined_points"):
        Theta(refined_points=0)
    with pytest.raises(ValueError, match="backend"):
        Theta(backend="fortran")
