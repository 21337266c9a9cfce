"""Yearly profiles on planted weeks: festivals that move, growth, gaps; each piece against a plain computation."""

from __future__ import annotations

import warnings
from dataclasses import replace
from datetime import date, timedelta

import numpy as np
import pandas as pd
import pytest
import torch

from udfs.demand.period_calendar import FAR, Reach, period_calendar
from udfs.forecasting import forecast, registry
from udfs.forecasting.forecast_spec import ForecastSpec
from udfs.forecasting.frame_panel import ForecastWarning
from udfs.forecasting.models.yearly.calendar_effects import calendar_kernel, log_effects
from udfs.forecasting.models.yearly.growth import log_growth
from udfs.forecasting.models.yearly.soft_impute import soft_impute
from udfs.forecasting.models.yearly.yearly_profile import YearlyProfile
from udfs.series.covariates import Covariates, Traits
from udfs.series.sku_batch import SkuBatch

EASTERS = (date(2010, 4, 4), date(2011, 4, 24), date(2012, 4, 8))
CHRISTMASES = tuple(date(year, 12, 25) for year in (2009, 2010, 2011, 2012))
FESTIVALS = {"easter": Reach(EASTERS, 10, 1), "christmas": Reach(CHRISTMASES, 24, 5)}
WEEKS = pd.date_range("2010-02-05", periods=130, freq="7D")
N_PAST = 91


def planted(seed: int = 0, noise: float = 0.05) -> pd.DataFrame:
    """Weeks of two departments in 12 stores: a season by date, festivals by the day, growth by store."""
    rng = np.random.default_rng(seed)
    day_XD = np.array(WEEKS, dtype="datetime64[D]")[:, None] - np.arange(7)
    of_year_XD = (day_XD - day_XD.astype("datetime64[Y]").astype("datetime64[D]")).astype(float)
    frames = []
    for department, (easter, christmas) in {"sweets": (1.5, 0.5), "toys": (0.1, 2.0)}.items():
        lift_XD = 1.0 + 0.2 * np.cos(2 * np.pi * of_year_XD / 365.25)
        lift_XD += easter * _within(day_XD, EASTERS, 8) + christmas * _within(day_XD, CHRISTMASES, 20)
        for store in range(12):
            growth_X = np.exp(0.003 * (store - 4) * np.arange(len(WEEKS)) / 12)
            y_X = 1000 * (store + 1) * lift_XD.mean(1) * growth_X * np.exp(rng.normal(0, noise, len(WEEKS)))
            about = {"unique_id": f"{department}_{store:02d}", "department": department, "store": f"store {store}"}
            frames.append(pd.DataFrame(about | {"ds": WEEKS, "y": y_X}))
    return pd.concat(frames, ignore_index=True)


def _within(day_XD: np.ndarray, days: tuple[date, ...], before: int) -> np.ndarray:
    """Rising towards each day, 1 on the day before it, 0 from it on."""
    until = (np.array(days, dtype="datetime64[D]") - day_XD[..., None]).astype(float)
    return np.where((until > 0) & (until <= before), 1.0 - (until - 1) / before, 0.0).sum(-1)


def errors(rows: pd.DataFrame, model: str | YearlyProfile, festivals: dict[str, Reach]) -> pd.Series:
    """WAPE by week of the 39 weeks after the first 91."""
    calendar = period_calendar(WEEKS, 7, festivals, harmonics=0).assign(ds=WEEKS)
    whole = rows.merge(calendar, on="ds")
    past, ahead = whole[whole["ds"] < WEEKS[N_PAST]], whole[whole["ds"] >= WEEKS[N_PAST]]
    future = ahead.drop(columns=["y", "department", "store"]) if festivals else None
    made = forecast(past, model, 39, 52, "W-FRI", future=future, gap_fill="unknown")
    both = ahead.merge(made, on=["unique_id", "ds"])
    assert len(both) == len(ahead)
    assert set(both["model"]) == {model if isinstance(model, str) else model.name}
    both["error"] = (both["y"] - both["mean"]).abs()
    total = both.groupby("ds")[["error", "y"]].sum()
    return total["error"] / total["y"]


def test_festivals_moved_by_date_beat_weeks_of_the_year() -> None:
    rows = planted()
    by_date, by_week = errors(rows, "yearly_profile", FESTIVALS), errors(rows, "yearly_profile", {})
    naive = errors(rows, "seasonal_naive", {})
    easter = [pd.Timestamp("2012-04-06"), pd.Timestamp("2012-04-20")]
    christmas = [pd.Timestamp("2011-12-23"), pd.Timestamp("2011-12-30")]
    assert by_date[easter].mean() < 0.5 * by_week[easter].mean()
    assert by_date[christmas].mean() < 0.7 * naive[christmas].mean()
    assert by_date.mean() < 0.85 * by_week.mean()
    assert by_date.mean() < 0.7 * naive.mean()
    assert by_date.mean() < 0.06  # noise alone is .04


def test_without_noise_a_season_that_grows_comes_back() -> None:
    weeks = np.arange(182)
    season_X = 3.0 + np.sin(2 * np.pi * weeks / 52)
    level_S = np.arange(1.0, 11.0)
    y_SX = level_S[:, None] * season_X * 1.1 ** (weeks // 52)
    batch = _batch(y_SX[:, :156])
    yearly = YearlyProfile(52, older=0.0, damping=1.0, half_life=10.0, prior_steps=0.0)
    made = yearly.forecast(batch, 26, (0.5,))
    ratio_SH = made.mean_SH.numpy() / y_SX[:, 156:]
    # A week and a quarter of a day earlier each year, as 52 weeks are no year: below 3% at the steepest.
    np.testing.assert_allclose(ratio_SH, 1.0, atol=0.03)
    np.testing.assert_allclose(ratio_SH, np.tile(ratio_SH[:1], (10, 1)), rtol=1e-9)


def test_the_mean_is_that_of_a_plain_computation() -> None:
    """All pieces anew, without groups or festivals: last year's date and the one before, growth, damping."""
    rng = np.random.default_rng(3)
    y_ST = np.outer(rng.uniform(5, 50, 9), 2 + np.sin(np.arange(112) / 8)) * rng.uniform(0.8, 1.25, (9, 112))
    made = YearlyProfile(52).forecast(_batch(y_ST), 60, (0.1, 0.9)).mean_SH.numpy()
    unit = np.sqrt(y_ST.mean(1, keepdims=True))
    u, s, v = np.linalg.svd(y_ST / unit, full_matrices=False)
    s[1:] = np.maximum(s[1:] - 0.6 * np.median(s), 0)
    low = unit * (u @ np.diag(s) @ v)
    year = 365.25 / 7
    expected = np.zeros_like(made)
    for i in range(9):

        def at(t: float, i: int = i) -> float:
            return float(np.interp(t, np.arange(112), low[i]))

        weight = np.array([0.5 ** ((111 - t) / 6.5) if t >= 52 else 0.0 for t in range(112)])
        before = np.array([[np.interp(t - year, np.arange(112), low[j]) for t in range(112)] for j in range(9)])
        of_all = np.log((y_ST * weight).sum() / (before * weight).sum())
        own = np.log((y_ST[i] * weight).sum() / (before[i] * weight).sum())
        # Without traits all series are one group, whose growth is that of all.
        growth = of_all + (own - of_all) * weight.sum() / (weight.sum() + 8)
        older = low[i, 60:].sum() / sum(at(t - year) for t in range(60, 112))
        for h in range(60):
            years = 1 + h // 52
            last, prior = at(112 + h - years * year), at(112 + h - (years + 1) * year) * older
            has_prior = 112 + h - (years + 1) * 52 >= 0
            dated = (last + 3 / 7 * prior) / (1 + 3 / 7) if has_prior else last
            expected[i, h] = dated * np.exp(growth * 0.6 ** (h / 52))
    np.testing.assert_allclose(made, expected, rtol=1e-9)


def test_effects_are_those_of_the_normal_equations() -> None:
    """The kernel by days is ridge regression on one indicator for each day around the festival."""
    calendar = period_calendar(WEEKS, 7, FESTIVALS, harmonics=1)
    since_XF = calendar.filter(like="days_since").to_numpy()
    month_XK = calendar.filter(like="month").to_numpy()
    kernel_XX = calendar_kernel(np.where(since_XF < FAR, since_XF, np.nan), month_XK, 7)
    days_X = [
        np.where(since_X[:, None] < FAR, (np.abs(since_X[:, None] - 3 - np.arange(-60, 61)) <= 3) / np.sqrt(7), 0.0)
        for since_X in since_XF.T
    ]
    feature_XN = np.hstack([*days_X, month_XK])
    np.testing.assert_allclose(feature_XN @ feature_XN.T, kernel_XX, atol=1e-12)
    rng = np.random.default_rng(0)
    total_GT = np.exp(rng.normal(0, 0.3, (3, N_PAST)))
    bend = np.diff(np.eye(N_PAST), 2, axis=0)
    rough = np.eye(N_PAST) - np.linalg.inv(np.eye(N_PAST) + 10 * bend.T @ bend)
    x, z = rough @ feature_XN[:N_PAST], np.log(total_GT) @ rough
    solve = np.linalg.inv(x.T @ x + 0.3 * np.eye(x.shape[1])) @ x.T
    usual = solve @ np.median(z, axis=0)
    expected = [feature_XN @ (usual + solve @ (z_T - x @ usual)) for z_T in z]
    np.testing.assert_allclose(log_effects(total_GT, kernel_XX, 10, 0.3), expected, atol=1e-8)


def test_what_did_not_sell_on_some_week_is_taken_to_be_usual() -> None:
    calendar = period_calendar(WEEKS, 7, FESTIVALS, harmonics=0).to_numpy()
    kernel_XX = calendar_kernel(np.where(calendar < FAR, calendar, np.nan), np.zeros((130, 0)), 7)
    total_GT = np.exp(np.random.default_rng(1).normal(0, 0.3, (4, N_PAST)))
    total_GT[3, 5] = 0.0
    effect_GX = log_effects(total_GT, kernel_XX, 10, 0.3)
    alone_GX = log_effects(total_GT[:3], kernel_XX, 10, 0.3)
    np.testing.assert_allclose(effect_GX[:3], alone_GX)
    assert np.abs(effect_GX[3]).max() > 0
    assert not log_effects(total_GT[3:], kernel_XX, 10, 0.3).any()


def test_gaps_are_filled_by_the_shape_of_the_group() -> None:
    rng = np.random.default_rng(2)
    true_NT = np.outer(rng.uniform(10, 100, 15), 2 + np.sin(np.arange(60) / 5))
    mask_NT = np.asarray(rng.random(true_NT.shape) > 0.2)
    low_NT = soft_impute(np.where(mask_NT, true_NT * rng.uniform(0.9, 1.1, true_NT.shape), 0.0), mask_NT, 0.6)
    error = np.abs(low_NT / true_NT - 1)
    assert error[~mask_NT].mean() < 0.04
    assert error[mask_NT].mean() < 0.03  # noise is .05


def test_growth_of_a_series_that_tells_nothing_is_that_of_its_groups() -> None:
    before_ST, weight_ST = np.full((6, 10), 5.0), np.ones((6, 10))
    department_S, store_S = np.array([0, 0, 0, 1, 1, 1]), np.array([0, 1, 2, 0, 1, 2])
    log_S = 0.1 + np.array([0.2, -0.2])[department_S] + np.array([0.1, 0.0, -0.1])[store_S]
    y_ST = before_ST * np.exp(log_S)[:, None]
    weight_ST[5] = 0.0
    found_S = log_growth(y_ST, weight_ST, before_ST, [department_S, store_S], 1e-6)
    np.testing.assert_allclose(found_S[:5], log_S[:5], atol=1e-5)
    np.testing.assert_allclose(found_S[5], log_S[5], atol=0.05)
    shrunk_S = log_growth(y_ST, weight_ST, before_ST, [], 10.0)
    of_all = np.log(y_ST[:5].sum() / before_ST[:5].sum())
    np.testing.assert_allclose(shrunk_S[:5], (log_S[:5] + of_all) / 2)


def test_a_season_too_short_and_a_trait_unknown_are_refused() -> None:
    batch = _batch(np.ones((3, 28)))
    with pytest.raises(ValueError, match="expected a season of 52 steps of history, found 28"):
        YearlyProfile(52).forecast(batch, 4, (0.5,))
    with pytest.raises(ValueError, match="expected the trait 'brand', found no traits"):
        YearlyProfile(7, group="brand").forecast(batch, 4, (0.5,))
    with pytest.raises(ValueError, match=r"YearlyProfile\.shrinkage: expected at least 0, found -1"):
        YearlyProfile(shrinkage=-1)
    with pytest.raises(ValueError, match=r"YearlyProfile\.ridge: expected at least"):
        YearlyProfile(ridge=0)
    with pytest.raises(ValueError, match=r"YearlyProfile\.least_group: expected at least 1"):
        YearlyProfile(least_group=0)


def test_series_that_end_on_different_steps_are_not_taken_to_share_festivals() -> None:
    since_SXK = np.full((3, 60, 1), FAR)
    since_SXK[:2, 20] = -3
    known = Covariates(("days_since_easter",), torch.from_numpy(since_SXK))
    batch = replace(_batch(np.ones((3, 56))), known=known)
    with pytest.raises(ValueError, match="to be the same for all series, found others"):
        YearlyProfile(52).forecast(batch, 4, (0.5,))
    assert YearlyProfile(52).forecast(batch.select(np.array([0, 1])), 4, (0.5,)).finite_series().all()


def test_the_finest_trait_with_enough_series_shares_shapes_unless_one_is_named() -> None:
    batch = replace(
        _batch(np.ones((24, 56))),
        traits=Traits.from_columns(
            {"store": [f"s{k % 3}" for k in range(24)], "all": ["x"] * 24, "item": [f"i{k}" for k in range(24)]}
        ),
    )
    groups = YearlyProfile(52)._groups(batch)
    assert [len(np.unique(code_S)) for code_S in groups] == [3, 1]
    named = YearlyProfile(52, group="all")._groups(batch)
    assert [len(np.unique(code_S)) for code_S in named] == [1, 3]


def test_series_without_an_observation_have_no_forecast_and_others_keep_theirs() -> None:
    y_ST = np.outer(np.arange(1.0, 10.0), 2 + np.sin(np.arange(112)))
    batch = _batch(y_ST)
    mask_ST = batch.mask_ST.clone()
    mask_ST[4] = False
    made = YearlyProfile(52).forecast(
        replace(batch, mask_ST=mask_ST, y_ST=batch.y_ST.masked_fill(~mask_ST, 0.0)), 5, (0.5,)
    )
    assert made.finite_series().tolist() == [True] * 4 + [False] + [True] * 4


def test_it_is_registered_and_says_what_is_wrong_in_a_frame() -> None:
    assert isinstance(registry.make("yearly_profile", ForecastSpec(season_length=52)), YearlyProfile)
    rows = planted()
    short = rows[rows["ds"] < WEEKS[30]]
    with warnings.catch_warnings(record=True) as said:
        warnings.simplefilter("always")
        made = forecast(short, "yearly_profile", 2, 52, "W-FRI", gap_fill="unknown")
    assert set(made["model"]) == {"seasonal_naive"}
    assert any("expected a season of 52 steps" in str(w.message) for w in said if w.category is ForecastWarning)


def test_weeks_know_the_days_of_festivals_and_months() -> None:
    christmas = Reach((date(2010, 12, 25), date(2011, 12, 25)), 7, 6)
    fridays = [date(2010, 12, 10) + timedelta(weeks=k) for k in range(5)]
    calendar = period_calendar(fridays, 7, {"christmas": christmas, "never": Reach(())}, harmonics=1)
    assert calendar["days_since_christmas"].tolist() == [FAR, FAR, -1, 6, FAR]
    assert (calendar["days_since_never"] == FAR).all()
    turns = [2 * np.pi * (day - 1) / 31 for day in range(18, 25)]
    assert calendar["month_cos1"][2] == pytest.approx(np.cos(turns).mean())
    assert calendar["month_sin1"][2] == pytest.approx(np.sin(turns).mean())
    with pytest.raises(ValueError, match="days of at least 1"):
        period_calendar(fridays, 0, {})
    with pytest.raises(ValueError, match="days_before and days_after"):
        Reach((), -1)


def _batch(y_ST: np.ndarray) -> SkuBatch:
    ids = np.array([f"s{k:02d}" for k in range(len(y_ST))], dtype=object)
    y = torch.from_numpy(np.ascontiguousarray(y_ST))
    return SkuBatch(ids, y, torch.ones_like(y, dtype=torch.bool), date(2011, 10, 28))
