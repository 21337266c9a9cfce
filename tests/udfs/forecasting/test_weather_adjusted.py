"""What weather does: found where planted, kept where it pays, known of no later day."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pytest
import torch

from tests.udfs.forecasting.planted_weather import (
    CUTOFF,
    EFFECT,
    HORIZON,
    known,
    planted,
    temperatures,
    weather_rows,
)
from udfs.demand.weather_effect import pays
from udfs.forecasting.models.naive import SeasonalNaive
from udfs.forecasting.models.trees import tree_totals
from udfs.forecasting.models.trees.tree_spec import TreeSpec
from udfs.forecasting.weather_adjusted import WeatherAdjusted, WeatherEffects, has_weather
from udfs.series.known_weather import Weather
from udfs.series.sku_batch import SkuBatch

TREES = TreeSpec(rounds=25, leaves=15, origins=12, least_group_series=5)


@pytest.fixture(scope="module")
def rows() -> pa.Table:
    return weather_rows(temperatures(), forecasts=True)


@pytest.fixture(scope="module")
def batch(rows: pa.Table) -> SkuBatch:
    return planted(16, rows)[0]


def is_ice(batch: SkuBatch) -> np.ndarray:
    return np.array([int(name[1:4]) % 2 == 0 for name in batch.unique_ids])


def told(batch: SkuBatch, weather: Weather | None) -> SkuBatch:
    assert batch.known is not None
    return replace(batch, known=replace(batch.known, weather=weather))


def test_an_effect_is_found_and_forecasts_gain_more_than_measurements(batch: SkuBatch, rows: pa.Table) -> None:
    effects = WeatherEffects.learn(batch, HORIZON)
    measured = WeatherEffects.learn(told(batch, known(rows.filter(rows["is_measured"]))), HORIZON)
    bread, ice = (effects.categories.index(name) for name in ("bread", "ice"))
    assert effects.effect_CW[ice, 0] == pytest.approx(EFFECT, rel=0.1)
    assert abs(effects.effect_CW[bread, 0]) < 0.05 * EFFECT
    assert effects.windows == 26
    for found in (effects, measured):
        assert found.is_used_C[ice]
        assert not found.is_used_C[bread]
    assert effects.gain_C[ice] > 1.5 * measured.gain_C[ice] > 0.05
    listed = effects.rows(CUTOFF).to_pylist()
    assert [(row["category"], row["uses_weather"]) for row in listed] == [("bread", False), ("ice", True)]


@pytest.mark.parametrize("days_back", [HORIZON, 2 * HORIZON])
def test_held_back_windows_are_forecast_no_worse(batch: SkuBatch, days_back: int) -> None:
    """By a model that has no part in what was decided, after the cutoff at which it was."""
    past = batch.until(days_back)
    effects = WeatherEffects.learn(past, HORIZON)
    came_SH = batch.ahead(days_back, HORIZON)[0]
    model = SeasonalNaive()
    plain, adjusted = (
        (each.forecast(past, HORIZON, (0.5,)).mean_SH - came_SH).abs().sum(1).numpy()
        for each in (model, WeatherAdjusted(model, effects))
    )
    ice_S = is_ice(batch)
    assert adjusted[ice_S].sum() < plain[ice_S].sum()
    np.testing.assert_array_equal(adjusted[~ice_S], plain[~ice_S])


def test_no_later_weather_or_sale_changes_anything(batch: SkuBatch, rows: pa.Table) -> None:
    cutoff = CUTOFF - timedelta(days=HORIZON)
    is_later = pc.greater(rows["known_on"], pa.scalar(cutoff))
    wild = pc.if_else(is_later, pc.negate(rows["temperature"]), rows["temperature"])
    changed = known(rows.set_column(rows.column_names.index("temperature"), "temperature", wild))
    later = replace(batch, y_ST=torch.cat([batch.y_ST[:, :-HORIZON], batch.y_ST[:, -HORIZON:] * 9], dim=1))
    forecasts = []
    for each in (batch, told(later, changed)):
        model = tree_totals.fit(each, HORIZON, replace(TREES, rounds=3), [HORIZON])
        forecasts.append(model.forecast(each.until(HORIZON), HORIZON, (0.1, 0.9)))
    assert torch.equal(forecasts[0].quantile_SHQ, forecasts[1].quantile_SHQ)
    assert torch.equal(forecasts[0].mean_SH, forecasts[1].mean_SH)


def test_trees_learn_from_what_was_foreseen_and_a_folder_keeps_that(tmp_path: Path, rows: pa.Table) -> None:
    batch, mean_SH = planted(24, rows)
    model, plain = (tree_totals.fit(each, HORIZON, TREES, [0]) for each in (batch, told(batch, None)))
    assert isinstance(model, WeatherAdjusted)
    assert not isinstance(plain, WeatherAdjusted)
    tree_totals.save(model, tmp_path / "model")
    kept = tree_totals.load(tmp_path / "model")
    ours, again, without = (each.forecast(batch, HORIZON, (0.1, 0.9)) for each in (model, kept, plain))
    assert torch.equal(ours.quantile_SHQ, again.quantile_SHQ)
    ice_S = is_ice(batch)
    error = [float(np.abs(x.mean_SH.numpy() - mean_SH)[ice_S].sum()) for x in (ours, without)]
    assert error[0] < 0.85 * error[1]
    some = batch.select(np.array([1, 6]))
    assert torch.equal(model.forecast(some, HORIZON, (0.1, 0.9)).quantile_SHQ, ours.quantile_SHQ[[1, 6]])
    with pytest.raises(ValueError, match="expected a batch with the weather"):
        model.forecast(told(batch, None), HORIZON, (0.5,))


def test_targets_hold_what_nobody_foresaw(batch: SkuBatch) -> None:
    effects = WeatherEffects.learn(batch, HORIZON)
    without = effects.without(batch)
    origin = batch.n_days - HORIZON
    response = effects.response(batch)
    foreseen_SH = response.expected(batch.day_after(origin) - 1, HORIZON)
    target_SH = without.target(origin, HORIZON).numpy()
    np.testing.assert_allclose(target_SH * foreseen_SH, batch.y_ST[:, origin:].numpy(), rtol=1e-12)
    ice_S = is_ice(batch)
    assert not np.allclose(target_SH[ice_S], without.y_ST[:, origin:].numpy()[ice_S])
    np.testing.assert_array_equal(batch.target(origin, HORIZON).numpy(), batch.y_ST[:, origin:].numpy())
    assert has_weather(batch)
    assert not has_weather(told(batch, None))


def test_few_windows_and_a_gain_within_its_doubt_keep_nothing() -> None:
    sure, doubtful = np.array([3.0, 2.0, 3.0, 2.0, 3.0]), np.array([9.0, -2.0, -1.0, 2.0, -1.0])
    assert pays(np.stack([sure, doubtful, -sure], axis=1)).tolist() == [True, False, False]
    assert not pays(sure[:3, None]).any()
