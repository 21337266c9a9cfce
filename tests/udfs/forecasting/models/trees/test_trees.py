from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from tests.udfs.forecasting.series import batch_of, mixed_series
from udfs.forecasting import metrics
from udfs.forecasting.forecaster import Forecaster
from udfs.forecasting.models.naive import SeasonalNaive
from udfs.forecasting.models.trees.tree_model import TreeModel, fit_trees, training_rows
from udfs.forecasting.models.trees.tree_rows import RowSpec
from udfs.forecasting.models.trees.tree_spec import TreeSpec
from udfs.series.covariates import Covariates, Traits
from udfs.series.sku_batch import SkuBatch

HORIZON = 14
LEVELS = (0.05, 0.25, 0.5, 0.75, 0.9, 0.95)
SMALL = TreeSpec(rounds=40, leaves=15, min_rows_per_leaf=30, origins=6, origin_step_days=14, rows=RowSpec())


def shop(n_series: int = 60, n_days: int = 196, seed: int = 5) -> SkuBatch:
    """Poisson demand with a weekly season per series, doubled on promotion days, which are known ahead."""
    rng = np.random.default_rng(seed)
    level_S = rng.choice([0.5, 2.0, 8.0, 40.0], n_series)
    promo_SX = rng.random((n_series, n_days + HORIZON)) < 0.15
    day_X = np.arange(n_days + HORIZON)
    week_SX = 1 + 0.5 * np.sin(2 * np.pi * (day_X + rng.integers(0, 7, n_series)[:, None]) / 7)
    expected_SX = level_S[:, None] * week_SX * np.where(promo_SX, 2.0, 1.0)
    y_SX = rng.poisson(expected_SX).astype(float)
    series = {f"s{s:03d}": y_SX[s, :n_days] for s in range(n_series)}
    batch = batch_of(series)
    pad = batch.n_days - n_days
    known_SX = np.pad(promo_SX.astype(float), ((0, 0), (pad, 0)))
    traits = Traits.from_columns({"size": [f"{level:g}" for level in level_S], "item": sorted(series)})
    return replace(batch, known=Covariates(("is_promo",), torch.from_numpy(known_SX[:, :, None])), traits=traits)


@pytest.fixture(scope="module")
def batch() -> SkuBatch:
    return shop()


@pytest.fixture(scope="module")
def model(batch: SkuBatch) -> TreeModel:
    return fit_trees(batch.until(HORIZON), HORIZON, SMALL)


def test_known_promotions_and_weekdays_are_learned(batch: SkuBatch, model: TreeModel) -> None:
    past, (y_SH, mask_SH) = batch.until(HORIZON), batch.ahead(HORIZON, HORIZON)
    trees, naive = (m.forecast(past, HORIZON, LEVELS) for m in (model, SeasonalNaive(7)))
    scale_S = metrics.difference_scale(past, power=2)
    ours, theirs = (metrics.rmsse(y_SH, f.mean_SH, mask_SH, scale_S).nanmean() for f in (trees, naive))
    assert ours < 0.7 * theirs
    assert batch.known is not None
    promo_SH = batch.known.values_SXK[:, past.n_days : past.n_days + HORIZON, 0] > 0
    ratio = trees.mean_SH[promo_SH].mean() / trees.mean_SH[~promo_SH].mean()
    assert 1.7 < ratio < 2.3


def test_quantiles_cover_what_was_not_seen(batch: SkuBatch, model: TreeModel) -> None:
    past, (y_SH, _) = batch.until(HORIZON), batch.ahead(HORIZON, HORIZON)
    forecast = model.forecast(past, HORIZON, LEVELS)
    assert (forecast.quantile_SHQ.diff(dim=2) >= 0).all()
    for at, level in ((4, 0.9), (5, 0.95)):
        share = (y_SH <= forecast.quantile_SHQ[:, :, at]).double().mean().item()
        assert share == pytest.approx(level, abs=0.04)
    # The standard deviation of Poisson demand is the root of its mean.
    ratio_SH = forecast.sd_SH / forecast.mean_SH.sqrt()
    assert 0.8 < ratio_SH.mean() < 1.6


@pytest.mark.parametrize("objective", ["poisson", "quantile"])
def test_the_other_objectives(batch: SkuBatch, objective: str) -> None:
    spec = replace(SMALL, objective=objective, rounds=30, levels=(0.1, 0.5, 0.9), refit=False)
    fitted = fit_trees(batch.until(HORIZON), HORIZON, spec)
    assert fitted.ensemble.levels == ((0.1, 0.5, 0.9) if objective == "quantile" else ())
    forecast = fitted.forecast(batch.until(HORIZON), HORIZON, (0.1, 0.5, 0.7, 0.9))
    y_SH = batch.ahead(HORIZON, HORIZON)[0]
    assert (y_SH <= forecast.quantile_SHQ[:, :, 3]).double().mean().item() == pytest.approx(0.9, abs=0.06)
    assert forecast.mean_SH.mean() == pytest.approx(y_SH.mean().item(), rel=0.1)
    if objective == "quantile":  # a level between two fitted ones lies between them
        torch.testing.assert_close(
            forecast.quantile_SHQ[:, :, 2],
            forecast.quantile_SHQ[:, :, 1] + 0.5 * (forecast.quantile_SHQ[:, :, 3] - forecast.quantile_SHQ[:, :, 1]),
        )


def test_a_series_gets_the_same_bits_in_any_batch(batch: SkuBatch, model: TreeModel) -> None:
    assert isinstance(model, Forecaster)
    assert model.name == "trees"
    past = batch.until(HORIZON)
    together = model.forecast(past, 9, LEVELS)
    assert together.finite_series().all()
    assert together.mean_SH.shape == (60, 9)
    for index in (np.arange(7, 20), np.array([3]), np.array([59, 0, 33])):
        alone = model.forecast(past.select(index), 9, LEVELS)
        for name in ("mean_SH", "sd_SH", "quantile_SHQ"):
            torch.testing.assert_close(getattr(together, name)[index], getattr(alone, name), rtol=0, atol=0)
    assert len(model.forecast(past.select(np.array([], dtype=int)), 9, LEVELS)) == 0


def test_a_seed_fixes_the_result_and_a_folder_keeps_it(batch: SkuBatch, model: TreeModel, tmp_path: Path) -> None:
    past = batch.until(HORIZON)
    expected = model.forecast(past, HORIZON, LEVELS)
    model.save(tmp_path / "trees")
    loaded = TreeModel.load(tmp_path / "trees")
    assert loaded.spec == model.spec
    for other in (fit_trees(past, HORIZON, SMALL), loaded):
        found = other.forecast(past, HORIZON, LEVELS)
        for name in ("mean_SH", "sd_SH", "quantile_SHQ"):
            torch.testing.assert_close(getattr(found, name), getattr(expected, name), rtol=0, atol=0)
    reseeded = fit_trees(past, HORIZON, replace(SMALL, seed=1)).forecast(past, HORIZON, LEVELS)
    assert not torch.equal(reseeded.mean_SH, expected.mean_SH)


def test_quantile_trees_are_saved_too(batch: SkuBatch, tmp_path: Path) -> None:
    spec = replace(SMALL, objective="quantile", rounds=5, levels=(0.1, 0.9), refit=False)
    fitted = fit_trees(batch, HORIZON, replace(spec, rows=RowSpec(use_season_of_year=True)))
    fitted.save(tmp_path)
    one, other = (m.forecast(batch, HORIZON, LEVELS) for m in (fitted, TreeModel.load(tmp_path)))
    assert torch.equal(one.quantile_SHQ, other.quantile_SHQ)


def test_training_looks_at_nothing_behind_its_origin() -> None:
    """Rows and targets are those that a brute-force walk over origins, series and days finds."""
    batch = batch_of(mixed_series(6, n_days=84, seed=2))
    spec = TreeSpec(origins=3, origin_step_days=5)
    rows_RF, y_R = training_rows(batch, 7, spec)
    names = spec.rows.names((), ())
    lag_1, horizon_day = names.index("lag_1"), names.index("horizon_day")
    y_ST, mask_ST = batch.y_ST.numpy(), batch.mask_ST.numpy()
    expected = []
    for origin in (77, 72, 67):
        for s in range(6):
            for h in range(1, 8):
                if mask_ST[s, origin + h - 1] and mask_ST[s, :origin].any():
                    last = y_ST[s, origin - 1] if mask_ST[s, origin - 1] else np.nan
                    expected.append((last, h, y_ST[s, origin + h - 1]))
    found = np.column_stack([rows_RF[:, lag_1], rows_RF[:, horizon_day], y_R])
    np.testing.assert_array_equal(found, np.array(expected))


def test_rows_beyond_the_limit_are_drawn_at_random_and_evenly(batch: SkuBatch) -> None:
    spec = replace(SMALL, max_rows=1000)
    all_RF, _ = training_rows(batch, HORIZON, SMALL)
    some_RF, y_R = training_rows(batch, HORIZON, spec)
    assert len(all_RF) > 4000
    assert len(some_RF) == len(y_R) == pytest.approx(1000, rel=0.15)
    day = spec.rows.names(("is_promo",), ("size", "item")).index("horizon_day")
    assert np.bincount(some_RF[:, day].astype(int))[1:].min() > 30  # of 71 expected per day


def test_series_without_covariates_short_ones_and_returns_are_forecast() -> None:
    series = mixed_series(40, n_days=150)
    series["s900"] = np.tile([3.0, -1.0, 2.0], 40)
    series["s901"] = np.zeros(90)
    series["s902"] = np.array([4.0])
    batch = batch_of(series)
    forecast = fit_trees(batch, HORIZON, SMALL).forecast(batch, HORIZON, LEVELS)
    assert forecast.finite_series().all()
    assert forecast.mean_SH[41].max() < 0.2  # it never sold
    assert forecast.mean_SH[42].min() > 0


def test_a_batch_unlike_the_fitted_one_is_refused(batch: SkuBatch, model: TreeModel) -> None:
    assert batch.traits is not None
    with pytest.raises(ValueError, match="at most 14 days, fitted, found 15"):
        model.forecast(batch, 15, LEVELS)
    with pytest.raises(ValueError, match="expected the known covariates"):
        model.forecast(replace(batch, known=None), 7, LEVELS)
    for traits in (None, replace(batch.traits, names=("item", "size"))):
        with pytest.raises(ValueError, match="expected the traits"):
            model.forecast(replace(batch, traits=traits), 7, LEVELS)


def test_too_little_history_is_refused(batch: SkuBatch) -> None:
    with pytest.raises(ValueError, match="expected more than 196 days"):
        fit_trees(batch, 98, SMALL)
    gone = replace(batch, mask_ST=torch.zeros_like(batch.mask_ST))
    with pytest.raises(ValueError, match="found none to train on"):
        fit_trees(gone, HORIZON, SMALL)


def test_a_folder_that_holds_something_or_nothing_is_refused(model: TreeModel, tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError, match="expected a saved model"):
        TreeModel.load(tmp_path)
    (tmp_path / "model.json").write_text(json.dumps({"format": 0}), encoding="utf-8")
    with pytest.raises(ValueError, match="format 1, found 0"):
        TreeModel.load(tmp_path)
    with pytest.raises(FileExistsError, match="empty folder"):
        model.save(tmp_path)


@pytest.mark.parametrize(
    ("field", "value"),
    [("objective", "l2"), ("rounds", 0), ("leaves", 1), ("learning_rate", 0.0), ("bagging_share", 1.5), ("threads", 0)],
)
def test_the_spec_is_checked(field: str, value: object) -> None:
    with pytest.raises(ValueError, match=f"TreeSpec.{field}: expected"):
        replace(TreeSpec(), **{field: value})


def test_the_specs_power_and_levels_are_checked() -> None:
    with pytest.raises(ValueError, match="tweedie_power"):
        TreeSpec(tweedie_power=2.0)
    with pytest.raises(ValueError, match="increasing quantile levels"):
        TreeSpec(levels=(0.5, 0.1))
