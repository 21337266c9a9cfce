from __future__ import annotations

import datetime as dt
from dataclasses import fields, replace

import numpy as np
import pandas as pd
import pytest
import torch
from statsforecast import StatsForecast
from statsforecast.models import SeasonalExponentialSmoothingOptimized
from statsmodels.tsa.exponential_smoothing.ets import ETSModel

from tests.udfs.forecasting.series import batch_of, m5_table, mixed_series
from udfs.forecasting.metrics import difference_scale, rmsse
from udfs.forecasting.models.ets.ets_ahead import ahead, point_forecast, variance_growth
from udfs.forecasting.models.ets.ets_forms import FORMS, REFINE_POINTS, SEASON, TREND, EtsGrid, refine_factors
from udfs.forecasting.models.ets.ets_model import ExponentialSmoothing
from udfs.forecasting.models.ets.ets_values import Point, Smoothed, Start
from udfs.forecasting.models.ets.recursion import grid_sse, refine, smooth, start_states
from udfs.forecasting.models.ets.trend import MIN_GAIN, trend_holds
from udfs.series.sku_batch import SkuBatch

ALPHA, BETA, GAMMA, PHI = 0.3, 0.04, 0.12, 0.93
SEASON_0 = np.array([1.5, -0.5, 0.7, -1.2, 0.1, -0.9, 0.3])
RATIO_0 = 1.0 + SEASON_0 / 5.0


def _point(form: str) -> Point:
    """The test's parameters, as far as the form has them; exact in single precision, as the search's are."""
    f = FORMS.index(form)
    values = (ALPHA, BETA * (TREND[f] > 0), GAMMA * (SEASON[f] > 0), (0.0, 1.0, PHI)[TREND[f]])
    return Point(*(torch.tensor([v], dtype=torch.float32) for v in values), torch.tensor([f]))


def _value(tensor: torch.Tensor) -> float:
    return float(tensor.double())


def _start(y_ST: torch.Tensor, mask_ST: torch.Tensor, season_shift: int = 0) -> Start:
    """The observed start with level 10 and the test's seasons, turned by `season_shift` phases."""
    seen = start_states(y_ST, mask_ST, 7)
    return replace(
        seen,
        level_S=torch.full((len(y_ST),), 10.0, dtype=torch.float64),
        season_SM=torch.from_numpy(np.roll(SEASON_0, season_shift)).expand(len(y_ST), 7).contiguous(),
        ratio_SM=torch.from_numpy(np.roll(RATIO_0, season_shift)).expand(len(y_ST), 7).contiguous(),
    )


def _row(y: np.ndarray) -> tuple[torch.Tensor, torch.Tensor]:
    y_ST = torch.from_numpy(y[None, :].copy())
    return y_ST, torch.ones_like(y_ST, dtype=torch.bool)


@pytest.mark.parametrize("form", FORMS[:6])
def test_recursion_and_forecast_equal_statsmodels(form: str) -> None:
    y = np.random.default_rng(1).gamma(3, 4, 70)
    f, point = FORMS.index(form), _point(form)
    season_0 = SEASON_0 if SEASON[f] else None
    peer = ETSModel(
        pd.Series(y, index=pd.date_range("2024-01-01", periods=70, freq="D")),
        error="add",
        trend="add" if TREND[f] else None,
        damped_trend=TREND[f] == 2,
        seasonal="add" if SEASON[f] else None,
        seasonal_periods=7 if SEASON[f] else None,
        initialization_method="known",
        initial_level=10.0,
        initial_trend=0.0 if TREND[f] else None,
        initial_seasonal=season_0,
    )
    values = {
        "smoothing_level": _value(point.alpha_S),
        "smoothing_trend": _value(point.beta_S),
        "smoothing_seasonal": _value(point.gamma_S),
        "damping_trend": _value(point.phi_S),
        "initial_level": 10.0,
        "initial_trend": 0.0,
    } | ({} if season_0 is None else {f"initial_seasonal.{k}": season_0[k] for k in range(7)})
    fit = peer.smooth([values[name] for name in peer.param_names])

    y_ST, mask_ST = _row(y)
    last = smooth(y_ST, mask_ST, _start(y_ST, mask_ST), point)
    np.testing.assert_allclose(last.error_ST[0].numpy(), fit.resid.to_numpy(), atol=1e-9)
    np.testing.assert_allclose(point_forecast(last, point, 20)[0].numpy(), fit.forecast(20).to_numpy(), atol=1e-9)
    assert last.sse_S.item() == pytest.approx(float((fit.resid**2).sum()), rel=1e-12)

    growth = variance_growth(last, point, 20)[0].numpy()
    variance = np.asarray(fit.get_prediction(start=70, end=89).forecast_variance)
    np.testing.assert_allclose(growth, variance / variance[0], rtol=1e-9)


@pytest.mark.parametrize("form", FORMS[6:])
def test_a_multiplicative_season_follows_the_textbook(form: str) -> None:
    """Table 8.6 of Hyndman & Athanasopoulos, one day at a time. (statsmodels divides the season's error by the new
    level, where the book divides by the old one.)"""
    y = np.random.default_rng(1).gamma(3, 4, 70)
    point = _point(form)
    alpha, beta, gamma, phi = (_value(p) for p in point.stack())
    level, trend, season, errors = 10.0, 0.0, list(RATIO_0), []
    for t in range(70):
        s_old = season[t]
        errors.append(y[t] - (level + phi * trend) * s_old)
        season.append(s_old + gamma * errors[t] / (level + phi * trend))
        level, trend = level + phi * trend + alpha * errors[t] / s_old, phi * trend + beta * errors[t] / s_old
    y_ST, mask_ST = _row(y)
    last = smooth(y_ST, mask_ST, _start(y_ST, mask_ST), point)
    np.testing.assert_allclose(last.error_ST[0].numpy(), errors, atol=1e-9)
    ahead = [(level + trend * sum(phi**i for i in range(1, h + 1))) * season[70 + (h - 1) % 7] for h in range(1, 21)]
    np.testing.assert_allclose(point_forecast(last, point, 20)[0].numpy(), ahead, atol=1e-9)


def test_both_backends_look_ahead_alike() -> None:
    batch = _mixed_and_positive().select(slice(0, 30, 3))  # a multiplicative season needs positive demand
    start = start_states(batch.y_ST, batch.mask_ST, 7)
    for form in FORMS:
        one = _point(form)
        point = Point(*(getattr(one, f.name).expand(len(batch)).contiguous() for f in fields(Point)))
        last = smooth(batch.y_ST, batch.mask_ST, start, point)
        for by_numba, by_torch in zip(
            *(ahead(last, point, last.sse_S / 9.0, 16, backend=b) for b in ("numba", "torch")), strict=True
        ):
            torch.testing.assert_close(by_numba, by_torch, rtol=1e-12, atol=1e-12)


def test_variance_with_a_multiplicative_season_equals_simulation() -> None:
    point = _point("A,Ad,M")
    last = Smoothed(
        torch.tensor([40.0], dtype=torch.float64),
        torch.tensor([0.5], dtype=torch.float64),
        torch.from_numpy(RATIO_0[None, :].copy()),
        torch.empty((1, 0)),
        torch.empty(1),
    )
    n_paths, horizon, rng = 200_000, 21, np.random.default_rng(3)
    alpha, beta, gamma, phi = (_value(p) for p in point.stack())
    level, trend, season = np.full(n_paths, 40.0), np.full(n_paths, 0.5), np.tile(RATIO_0, (n_paths, 1))
    simulated = np.empty((n_paths, horizon))
    for h in range(horizon):
        e, s, base = rng.normal(0, 1.0, n_paths), season[:, h % 7].copy(), level + phi * trend
        simulated[:, h] = base * s + e
        level, trend = base + alpha * e / s, phi * trend + beta * e / s
        season[:, h % 7] = s + gamma * e / base
    growth = variance_growth(last, point, horizon)[0].numpy()
    np.testing.assert_allclose(growth, simulated.var(0), rtol=0.02)
    np.testing.assert_allclose(point_forecast(last, point, horizon)[0].numpy(), simulated.mean(0), rtol=0.005)


def _mixed_and_positive() -> SkuBatch:
    """Series of many kinds, with holes; every third sells every day and so may have a multiplicative season."""
    batch = batch_of(mixed_series(30))
    y_ST = batch.y_ST.clone()
    y_ST[::3] = torch.where(batch.mask_ST[::3], y_ST[::3] + 1.0, 0.0)
    return replace(batch, y_ST=y_ST)


def test_numba_and_torch_agree_to_the_last_bit_with_missing_days() -> None:
    batch = _mixed_and_positive()
    y_ST, mask_ST = batch.y_ST, batch.mask_ST
    start = start_states(y_ST, mask_ST, 7, backend="numba")
    by_torch = start_states(y_ST, mask_ST, 7, backend="torch")
    for field in fields(Start):
        torch.testing.assert_close(getattr(start, field.name), getattr(by_torch, field.name), rtol=1e-14, atol=1e-14)
    assert 5 < start.is_positive_S.sum() < start.may_season_S.sum()

    points = EtsGrid().points()
    trend_S, season_S, ratio_S = start.n_S >= 28, start.may_season_S, start.is_positive_S
    groups = (season_S | True, trend_S, season_S, trend_S & season_S, ratio_S, trend_S & ratio_S)
    use_SK = torch.stack(groups, dim=1)
    sse_SX = grid_sse(y_ST, mask_ST, start, use_SK, points, backend="numba")
    assert torch.equal(sse_SX, grid_sse(y_ST, mask_ST, start, use_SK, points, backend="torch"))

    column_S = torch.where(sse_SX.isfinite(), sse_SX, torch.inf).argmin(1)
    column_S[start.is_positive_S] = 150  # multiplicative points too, with and without a trend
    column_S[start.is_positive_S & (start.n_S >= 28)] = 200
    point_S = torch.from_numpy(points.point_of_column())[column_S]
    columns = (points.alpha_G, points.beta_G, points.gamma_G, points.phi_G)
    point = Point(*(torch.from_numpy(c)[point_S] for c in columns), torch.from_numpy(points.form_X)[column_S])
    fine = [refine(y_ST, mask_ST, start, point, refine_factors(), backend) for backend in ("numba", "torch")]
    assert torch.equal(fine[0].stack(), fine[1].stack())
    ends = [smooth(y_ST, mask_ST, start, fine[0], backend) for backend in ("numba", "torch")]
    for field in fields(Smoothed):
        assert torch.equal(getattr(ends[0], field.name), getattr(ends[1], field.name)), field.name

    # The search in single precision, against the smoothing in double precision at its points.
    exact_S = smooth(y_ST, mask_ST, start, point).sse_S / start.scale_S**2
    np.testing.assert_allclose(sse_SX.gather(1, column_S[:, None])[:, 0].numpy(), exact_S.numpy(), rtol=2e-5)


def test_refinement_finds_the_lowest_errors_around_the_point() -> None:
    batch = _mixed_and_positive().select(slice(0, 30, 3))
    y_ST, mask_ST = batch.y_ST, batch.mask_ST
    start = start_states(y_ST, mask_ST, 7)
    for form in ("A,N,N", "A,Ad,N", "A,N,A", "A,A,M"):
        one = _point(form)
        point = Point(*(p.expand(len(batch)).contiguous() for p in (*one.stack().unbind(), one.form_S)))
        moved = refine(y_ST, mask_ST, start, point, refine_factors())
        tried = []
        kind = int(one.kind())
        for r in range(REFINE_POINTS):
            a, b, c = (point.stack()[p] * float(refine_factors()[kind, p, r]) for p in range(3))
            a = a.clamp(max=0.99)
            candidate = Point(a, torch.minimum(b, a), torch.minimum(c, 1 - a), point.phi_S, point.form_S)
            tried.append(smooth(y_ST, mask_ST, start, candidate).sse_S)
        best_S = torch.stack(tried).amin(0)
        torch.testing.assert_close(smooth(y_ST, mask_ST, start, moved).sse_S, best_S, rtol=1e-5, atol=0)


def test_profiles_are_phase_means_around_the_seasons_means() -> None:
    y_MW = np.random.default_rng(0).gamma(5, 2, (6, 7))
    y_ST, mask_ST = _row(y_MW.ravel())
    start = start_states(y_ST, mask_ST, 7)
    assert start.level_S.item() == pytest.approx(y_MW[:4].mean())
    assert start.scale_S.item() == pytest.approx(np.abs(y_MW - y_MW[:4].mean()).max())
    mean_M1 = y_MW.mean(1, keepdims=True)
    np.testing.assert_allclose(start.season_SM[0].numpy(), (y_MW - mean_M1).mean(0), atol=1e-12)
    ratio = (y_MW / mean_M1).mean(0)
    np.testing.assert_allclose(start.ratio_SM[0].numpy(), ratio / ratio.mean(), atol=1e-12)


@pytest.mark.parametrize("form", ["A,Ad,A", "A,Ad,M"])
def test_a_missing_day_moves_the_states_by_their_own_prediction(form: str) -> None:
    y = np.random.default_rng(5).gamma(3, 4, 40)
    point = _point(form)
    y_ST, mask_ST = _row(y)
    start = _start(y_ST, mask_ST)
    with_hole_ST = mask_ST.clone()
    with_hole_ST[0, 25] = False
    last = smooth(y_ST, with_hole_ST, start, point)

    # Filling the hole with the model's own forecast from the day before must change nothing. Phases count from the
    # end of what is filtered, and 25 days end on another phase than 40, so the season is turned for them.
    before = smooth(y_ST[:, :25], mask_ST[:, :25], _start(y_ST[:, :25], mask_ST[:, :25], (40 - 25) % 7), point)
    filled_ST = y_ST.clone()
    filled_ST[0, 25] = point_forecast(before, point, 1)[0, 0]
    full = smooth(filled_ST, mask_ST, start, point)
    torch.testing.assert_close(last.level_S, full.level_S)
    torch.testing.assert_close(last.season_SM, full.season_SM)
    torch.testing.assert_close(last.error_ST, full.error_ST, atol=1e-12, rtol=0)


def test_selection_finds_the_form_that_made_the_series() -> None:
    rng = np.random.default_rng(11)
    t = np.arange(200)
    noise = rng.normal(0, 1, (3, 200))
    series = {
        "level": 50 + noise[0],
        "season": 50 + 8 * np.sin(2 * np.pi * t / 7) + noise[1],
        "trend": 20 + 2.0 * t + noise[2],
        "z_ratio": (20 + t) * (1 + 0.4 * np.sin(2 * np.pi * t / 7)) + noise[0],
    }
    forecast = ExponentialSmoothing().forecast(batch_of(series), 14, (0.1, 0.5, 0.9))
    forms = [rule.split("ETS(")[1].split(")")[0] for rule in forecast.choice.rule_S]
    assert forms[0] == "A,N,N"
    assert forms[1] in ("A,N,A", "A,N,M")  # at one level they hardly differ
    assert forms[2] in ("A,A,N", "A,Ad,N")
    assert forms[3] in ("A,A,M", "A,Ad,M")
    ahead = np.arange(200, 214)
    np.testing.assert_allclose(forecast.mean_SH[1].numpy(), 50 + 8 * np.sin(2 * np.pi * ahead / 7), atol=1.0)
    np.testing.assert_allclose(forecast.mean_SH[2].numpy(), 20 + 2.0 * ahead, rtol=0.02)
    ratio = (20 + ahead) * (1 + 0.4 * np.sin(2 * np.pi * ahead / 7))
    np.testing.assert_allclose(forecast.mean_SH[3].numpy(), ratio, rtol=0.03)
    # The noise has standard deviation 1, and the one-step error can hardly be below it.
    assert 0.8 < forecast.sd_SH[0, 0] < 1.3


def test_no_season_with_less_than_two_weeks_and_no_trend_with_less_than_four() -> None:
    t = np.arange(27)
    series = {
        "season": 50 + 20 * np.sin(2 * np.pi * t / 7),
        "short": 50 + 20 * np.sin(2 * np.pi * t[:13] / 7),
        "trend": 5 + 3.0 * t,
    }
    forecast = ExponentialSmoothing().forecast(batch_of(series), 7, (0.5,))
    rules = dict(zip(series, forecast.choice.rule_S, strict=True))
    assert "A,N,A" in rules["season"] or "A,N,M" in rules["season"]
    assert "A,N,N" in rules["short"]
    assert "A,A" not in rules["trend"]


def test_a_burst_at_the_end_does_not_run_away_with_the_forecast() -> None:
    rng = np.random.default_rng(2)
    series = {}
    for k in range(40):
        y = rng.poisson(2.0, 120).astype(float)
        y[-6:] += np.arange(1, 7) ** 2 * rng.uniform(1, 4)  # a growing burst, over within the week
        series[f"s{k:02d}"] = y
    series["trend"] = 20 + 0.5 * np.arange(120) + rng.normal(0, 1, 120)
    forecast = ExponentialSmoothing().forecast(batch_of(series), 28, (0.5,))
    highest_S = torch.tensor([y.max() for y in series.values()])
    assert (forecast.mean_SH[:40].mean(1) <= highest_S[:40]).all()
    np.testing.assert_allclose(forecast.mean_SH[40].numpy(), 20 + 0.5 * np.arange(120, 148), rtol=0.05)


def test_a_trend_must_hold_over_past_horizons() -> None:
    """The windows one by one, with the textbook's loop for the level and its trend."""
    rng = np.random.default_rng(6)
    series = {f"s{k}": 50 + (k - 3) * 0.1 * np.arange(112) + rng.normal(0, 4, 112) for k in range(8)}
    batch, horizon = batch_of(series), 14
    point = {form: _point(form) for form in ("A,N,N", "A,A,N")}
    trend, plain = (
        Point(*(p.expand(8).contiguous() for p in (*point[form].stack().unbind(), point[form].form_S)))
        for form in ("A,A,N", "A,N,N")
    )
    holds = trend_holds(batch.y_ST, batch.mask_ST, 7, trend, plain, horizon)
    expected = []
    for y in series.values():
        sse = {}
        for form, beta in (("plain", 0.0), ("trend", _value(point["A,A,N"].beta_S))):
            losses = []
            for end in (98, 84, 70):
                level, slope = y[:28].mean(), 0.0
                for value in y[:end]:
                    error = value - level - slope
                    level, slope = level + slope + _value(point["A,A,N"].alpha_S) * error, slope + beta * error
                ahead = np.maximum(level + slope * np.arange(1, horizon + 1), 0.0)
                losses.append(((y[end : end + horizon] - ahead) ** 2).sum())
            sse[form] = np.array(losses)
        gain = sse["plain"] - sse["trend"]
        expected.append(bool((gain >= 0).all() and gain.sum() > MIN_GAIN * sse["plain"].sum()))
    assert holds.tolist() == expected
    assert 0 < sum(expected) < 8
    assert not trend_holds(batch.y_ST[:, :14], batch.mask_ST[:, :14], 7, trend, plain, horizon).any()


def test_settings_are_checked() -> None:
    with pytest.raises(ValueError, match="forms"):
        ExponentialSmoothing(forms=("A,N,A",))
    with pytest.raises(ValueError, match="expected season_length of at least one day, found 0"):
        ExponentialSmoothing(season_length=0)
    with pytest.raises(ValueError, match="alphas"):
        EtsGrid(alphas=(1.5,))
    with pytest.raises(ValueError, match="horizon"):
        ExponentialSmoothing().forecast(batch_of({"a": np.ones(5)}), 0, (0.5,))
    with pytest.raises(ValueError, match="quantile"):
        ExponentialSmoothing().forecast(batch_of({"a": np.ones(5)}), 1, (0.9, 0.5))


@pytest.mark.real_data
def test_accuracy_on_m5_against_optimised_seasonal_smoothing() -> None:
    """28 days after 2016-01-31, 500 series: the mean RMSSE is not worse by more than 2%."""
    cutoff = dt.date(2016, 1, 31)
    table = m5_table(500)
    batch = SkuBatch.from_arrow(table, cutoff)
    frame = table.to_pandas()
    frame["ds"] = pd.to_datetime(frame["ds"])
    actual = frame[(frame["ds"] > pd.Timestamp(cutoff)) & (frame["ds"] <= pd.Timestamp("2016-02-28"))]
    actual_SH = torch.from_numpy(actual["y"].to_numpy().reshape(len(batch), 28))
    ours_SH = ExponentialSmoothing().forecast(batch, 28, (0.5,)).mean_SH

    sold = frame["y"].gt(0).groupby(frame["unique_id"]).cummax()
    train = frame[sold & (frame["ds"] <= pd.Timestamp(cutoff))]
    peer = StatsForecast([SeasonalExponentialSmoothingOptimized(season_length=7, alias="peer")], freq="D", n_jobs=1)
    peer_frame = peer.forecast(df=train, h=28).set_index("unique_id")["peer"]
    known = [u in peer_frame.index for u in batch.unique_ids]
    peer_SH = np.stack([peer_frame.loc[u].to_numpy() for u in batch.unique_ids[known]])

    mask_SH, scale_S = torch.ones_like(actual_SH, dtype=torch.bool), difference_scale(batch, power=2)
    ours = rmsse(actual_SH, ours_SH, mask_SH, scale_S)[torch.tensor(known)].nanmean()
    peers = rmsse(actual_SH[known], torch.from_numpy(peer_SH).double(), mask_SH[known], scale_S[known]).nanmean()
    assert ours < 1.02 * peers
