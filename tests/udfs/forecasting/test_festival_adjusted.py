"""Lifts of festivals and closures: found where planted, nothing where there is nothing, known of no later day."""

from __future__ import annotations

from dataclasses import replace
from datetime import date, timedelta
from pathlib import Path

import numpy as np
import pytest
import torch

from tests.udfs.forecasting.planted_festivals import CAKES, HORIZON, errors, lifts_found, planted
from udfs.demand.festival_lift import log_lifts, usual_demand
from udfs.forecasting import festival_adjusted
from udfs.forecasting.festival_adjusted import FestivalAdjusted, FestivalLifts, has_festivals, without
from udfs.forecasting.models.naive import SeasonalNaive
from udfs.forecasting.models.trees import tree_totals
from udfs.forecasting.models.trees.tree_spec import TreeSpec
from udfs.series.covariates import Covariates
from udfs.series.location_days import CLOSURES
from udfs.series.sku_batch import SkuBatch

DAYS = np.arange(28 * 12)


@pytest.fixture(scope="module")
def lunar() -> tuple[SkuBatch, np.ndarray]:
    return planted(24)


def test_a_festival_of_the_moon_is_found_and_halves_the_error_of_a_week_of_the_year(
    lunar: tuple[SkuBatch, np.ndarray],
) -> None:
    batch, mean_SH = lunar
    lifts = FestivalLifts.learn(batch)
    assert np.abs(np.exp(lifts_found(batch, lifts, "cakes") - CAKES) - 1).max() < 0.10
    of_rice = np.abs(np.exp(lifts_found(batch, lifts, "rice")) - 1)
    assert of_rice.mean() < 0.03
    assert of_rice.max() < 0.08
    error = errors(batch, mean_SH)
    assert error["adjusted"] < 0.5 * error["week_of_year"]
    assert error["adjusted"] < 0.5 * error["plain"]


def test_the_future_teaches_nothing_and_a_folder_keeps_what_was_learned(
    lunar: tuple[SkuBatch, np.ndarray], tmp_path: Path
) -> None:
    batch = lunar[0]
    later = replace(batch, y_ST=torch.cat([batch.y_ST[:, :-28], batch.y_ST[:, -28:] * 9], dim=1))
    then, told = FestivalLifts.learn(batch.until(28)), FestivalLifts.learn(later.until(28))
    assert np.array_equal(then.festival_CF, told.festival_CF)
    then.save(tmp_path)
    kept = FestivalLifts.load(tmp_path)
    assert kept is not None
    assert kept.kinds == then.kinds
    assert np.array_equal(kept.factors(batch)[0], then.factors(batch)[0])
    assert FestivalLifts.load(tmp_path / "nowhere") is None


def test_a_day_on_which_few_are_open_lies_between_its_neighbours() -> None:
    """One festival of five days, the middle one a Sunday on which one unit of forty sells, in its own way."""
    day_T, n_units = np.arange(7 * 30), 40
    festival_T = np.where((day_T >= 100) & (day_T < 105), day_T - 100, -1)
    factor_T = np.where(festival_T >= 0, 1.0 + 0.2 * (festival_T + 1), 1.0)
    seen_UT = np.tile(day_T % 7 != 102 % 7, (n_units, 1))
    seen_UT[0] = True
    y_UT = np.where(seen_UT, 100.0 * factor_T, 0.0)
    y_UT[0, 102] = 20.0
    kind_UT = np.tile(festival_T, (n_units, 1))
    usual_UT = usual_demand(y_UT, seen_UT, np.zeros(y_UT.shape), kind_UT < 0)
    [lift_CF] = log_lifts(y_UT, usual_UT, [kind_UT], np.zeros(n_units, dtype=np.int64), [5], 1)
    assert np.isnan(lift_CF[0]).tolist() == [False, False, True, False, False]
    filled_F = np.exp(festival_adjusted._between(lift_CF, 256 + np.arange(5))[0])
    np.testing.assert_allclose(filled_F, 1.0 + 0.2 * np.arange(1, 6), rtol=0.02)


def test_a_bucket_of_some_series_is_adjusted_as_all_are(lunar: tuple[SkuBatch, np.ndarray]) -> None:
    batch = lunar[0]
    lifts = FestivalLifts.learn(batch)
    some = np.array([3, 8])
    assert torch.equal(without(batch, lifts).y_ST[some], without(batch.select(some), lifts).y_ST)
    model = FestivalAdjusted(SeasonalNaive(), lifts)
    whole, part = (model.forecast(each, HORIZON, (0.1, 0.9)) for each in (batch, batch.select(some)))
    assert torch.equal(whole.quantile_SHQ[some], part.quantile_SHQ)
    factor_UX, unit_S = lifts.factors(batch)
    plain = SeasonalNaive().forecast(without(batch, lifts), HORIZON, (0.5,))
    ahead_SH = torch.from_numpy(factor_UX[:, -HORIZON:][unit_S])
    assert torch.allclose(model.forecast(batch, HORIZON, (0.5,)).mean_SH, plain.mean_SH * ahead_SH)


def _closed_next_door(is_closed_X: np.ndarray, y_X: np.ndarray) -> SkuBatch:
    """A batch of three series at one place, `HORIZON` days of its closures known ahead."""
    n_days = len(y_X)
    before_X, after_X = np.roll(is_closed_X, 1), np.roll(is_closed_X, -1)
    days_GXK = np.stack([before_X, after_X, np.zeros_like(before_X)], axis=1)[None].astype(float)
    known = Covariates(
        CLOSURES,
        torch.zeros((3, len(is_closed_X), 0), dtype=torch.float64),
        shared_GXK=torch.from_numpy(days_GXK),
        group_S=torch.zeros(3, dtype=torch.long),
    )
    ids = np.array(["a", "b", "c"], dtype=object)
    y_ST = torch.from_numpy(np.stack([y_X, 2 * y_X, 3 * y_X]))
    mask_ST = torch.from_numpy(~is_closed_X[:n_days].astype(bool)).expand(3, -1)

    return SkuBatch(ids, torch.where(mask_ST, y_ST, 0.0), mask_ST, date(2024, 3, 31), known)


def test_days_beside_an_unusual_closure_lift_and_the_weekly_closure_does_not() -> None:
    days = np.arange(len(DAYS) + HORIZON)
    holidays = np.array([60, 130, 200, 270, len(DAYS) + 10])  # the last one lies ahead
    is_closed_X = (days % 7 == 6) | np.isin(days, holidays)
    y_X = 100.0 + 40 * (days % 7 == 5) + np.random.default_rng(1).normal(0, 2, len(days))
    y_X = np.where(np.isin(days, holidays - 1), 1.5 * y_X, y_X)[: len(DAYS)]
    batch = _closed_next_door(is_closed_X, y_X)
    assert has_festivals(batch)
    factor_X = FestivalLifts.learn(batch).factors(batch)[0][0]
    eves = holidays - 1
    assert np.abs(factor_X[eves] - 1.5).max() < 0.1
    # The day before the weekly closure is as ever.
    ordinary = ~np.isin(days, [*eves, *(eves + 2)]) & ~is_closed_X
    assert np.abs(factor_X[ordinary] - 1).max() == 0.0


def test_noise_is_shrunk_away() -> None:
    rng = np.random.default_rng(5)
    y_UT = rng.poisson(20, (6, len(DAYS))).astype(float)
    kind_UT = np.broadcast_to(np.where(DAYS % 60 < 20, DAYS % 60, -1), y_UT.shape)
    promo_UT = np.zeros(y_UT.shape, dtype=bool)
    usual_UT = usual_demand(y_UT, ~promo_UT, promo_UT, kind_UT < 0)
    (lift_CF,) = log_lifts(y_UT, usual_UT, [kind_UT], np.array([0, 0, 0, 1, 1, 1]), [20], 2)
    raw = np.log(y_UT.sum(0)[kind_UT[0] == 3].mean() / y_UT.sum(0).mean())
    assert np.abs(lift_CF).max() < 0.05
    assert abs(raw) > 0.0


def test_what_is_usual_is_of_the_same_weekday_and_promotion_and_not_the_day_itself() -> None:
    promo_UT = (DAYS // 7 % 2 == 1)[None]
    y_UT = (10.0 + DAYS % 7 + 5 * promo_UT).astype(float)
    y_UT[0, 100] = 999.0
    seen_UT = np.ones_like(promo_UT)
    seen_UT[0, 50] = False
    usual_UT = usual_demand(y_UT, seen_UT, promo_UT, np.ones_like(promo_UT))
    assert usual_UT[0, 100] == 10 + 100 % 7 + 5 * promo_UT[0, 100]
    assert np.isnan(usual_UT[0, 50])
    short = usual_demand(y_UT[:, :28], seen_UT[:, :28], promo_UT[:, :28], seen_UT[:, :28])
    assert np.isnan(short).all(), "two weeks of each promotion are too few"


def test_nothing_is_known_without_festivals_and_closures(lunar: tuple[SkuBatch, np.ndarray]) -> None:
    batch = lunar[0]
    known = batch.known
    assert known is not None
    assert has_festivals(batch)
    assert not has_festivals(replace(batch, known=known.only(["unit_price", "is_holiday"])))
    assert not has_festivals(replace(batch, known=None))
    assert timedelta(days=HORIZON).days == known.days_ahead(batch.n_days)


def test_trees_learn_without_festivals_and_a_folder_keeps_that(
    lunar: tuple[SkuBatch, np.ndarray], tmp_path: Path
) -> None:
    batch, mean_SH = lunar
    spec = TreeSpec(rounds=20, leaves=15, origins=8, least_group_series=5)
    model = tree_totals.fit(batch, HORIZON, spec, [0])
    plain = tree_totals.fit(batch, HORIZON, replace(spec, festival_lifts=False), [0])
    assert isinstance(model, FestivalAdjusted)
    assert not isinstance(plain, FestivalAdjusted)
    tree_totals.save(model, tmp_path / "model")
    kept = tree_totals.load(tmp_path / "model")
    told, again, without_lifts = (each.forecast(batch, HORIZON, (0.1, 0.9)) for each in (model, kept, plain))
    assert torch.equal(told.quantile_SHQ, again.quantile_SHQ)
    cakes = slice(0, None, 2)
    wape = [float(np.abs(x.mean_SH.numpy() - mean_SH)[cakes].sum()) for x in (told, without_lifts)]
    assert wape[0] < 0.5 * wape[1]
