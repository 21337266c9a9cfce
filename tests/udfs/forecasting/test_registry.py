from __future__ import annotations

import numpy as np
import pytest
import torch

from tests.udfs.forecasting.series import batch_of, mixed_series
from udfs.forecasting import registry
from udfs.forecasting.forecast_spec import ForecastSpec, choose_device
from udfs.forecasting.forecaster import Forecaster
from udfs.forecasting.models.naive import SeasonalNaive
from udfs.series.sku_batch import SkuBatch

LEVELS = (0.1, 0.5, 0.9)


def test_an_unknown_name_lists_the_known_ones() -> None:
    with pytest.raises(
        ValueError, match=r"'prophet'; known: arima, auto, class_route, count_trees, croston, .*seasonal_naive, .*tsb"
    ):
        registry.make("prophet", ForecastSpec())


def test_a_model_is_registered_with_one_call_and_not_overwritten_by_accident() -> None:
    registry.register("week_before", lambda spec: SeasonalNaive(spec.season_length, name="week_before"))
    try:
        assert registry.make("week_before", ForecastSpec(season_length=14)).season_length == 14
        with pytest.raises(ValueError, match="is registered"):
            registry.register("week_before", lambda _spec: SeasonalNaive())
    finally:
        registry.unregister("week_before")
    with pytest.raises(ValueError, match="expected a name for the forecaster, found an empty one"):
        registry.register("", lambda _spec: SeasonalNaive())


# `auto` chooses by how the series of a class fare together and `count_trees` learns from all series of the batch; their
# own tests say what holds for them instead.
LOCAL = [name for name in registry.names() if not getattr(registry.make(name, ForecastSpec()), "pools_series", False)]


def test_few_models_pool_over_series() -> None:
    assert set(registry.names()) - set(LOCAL) == {"auto", "count_trees"}


@pytest.mark.parametrize("name", LOCAL)
def test_every_model_gives_a_series_the_same_bits_in_any_batch(name: str) -> None:
    model = registry.make(name, ForecastSpec())
    assert isinstance(model, Forecaster)
    assert model.name == name
    series = mixed_series(37)
    series["s900"] = np.full(90, 1e9)
    whole = batch_of(series)
    together = model.forecast(whole, 17, LEVELS)
    # 500 earlier days in a neighbour lengthen everybody's padding.
    padded = batch_of(series | {"s999": np.ones(620)})
    stretched = model.forecast(padded, 17, LEVELS)
    assert padded.n_days > whole.n_days
    for index in (np.arange(5, 18), np.array([3]), np.array([36, 0, 21])):
        alone = model.forecast(whole.select(index), 17, LEVELS)
        for field in ("mean_SH", "sd_SH", "quantile_SHQ", "sse_S", "score_S"):
            expected = getattr(alone, field)
            for other in (together, stretched):
                torch.testing.assert_close(getattr(other, field)[index], expected, rtol=0, atol=0, equal_nan=True)


@pytest.mark.parametrize("name", registry.names())
def test_every_model_keeps_its_promises(name: str) -> None:
    batch = batch_of(mixed_series(25, seed=3))
    before = batch.y_ST.clone()
    forecast = registry.make(name, ForecastSpec()).forecast(batch, 10, LEVELS)
    assert forecast.mean_SH.shape == forecast.sd_SH.shape == (25, 10)
    assert forecast.quantile_SHQ.shape == (25, 10, 3)
    assert forecast.finite_series().all()
    assert (forecast.mean_SH >= 0).all()
    assert (forecast.sd_SH >= 0).all()
    assert (forecast.quantile_SHQ >= 0).all()
    assert (forecast.quantile_SHQ.diff(dim=2) >= 0).all()
    assert torch.equal(batch.y_ST, before)


def test_device_choice() -> None:
    assert choose_device("cpu") == torch.device("cpu")
    assert choose_device("auto").type == ("cuda" if torch.cuda.is_available() else "cpu")
    if not torch.cuda.is_available():
        with pytest.raises(ValueError, match="expected a CUDA device"):
            choose_device("cuda")
    with pytest.raises(ValueError, match="expected device"):
        choose_device("abacus")


@pytest.mark.skipif(not torch.cuda.is_available(), reason="no CUDA device")
@pytest.mark.parametrize("name", registry.names())
def test_cuda_agrees_with_the_cpu(name: str) -> None:
    batch: SkuBatch = batch_of(mixed_series(25))
    model = registry.make(name, ForecastSpec())
    on_cpu, on_cuda = model.forecast(batch, 10, LEVELS), model.forecast(batch.to("cuda"), 10, LEVELS)
    torch.testing.assert_close(on_cuda.mean_SH.cpu(), on_cpu.mean_SH, rtol=1e-9, atol=1e-9)


def test_spec_is_checked() -> None:
    with pytest.raises(ValueError, match="min_history"):
        ForecastSpec(min_history=0)
    assert ForecastSpec(quantiles=(0.025, 0.5, 0.975)).quantile_columns() == ["p02_5", "p50", "p97_5"]
    assert ForecastSpec().quantile_columns() == ["p05", "p10", "p25", "p50", "p75", "p90", "p95", "p99"]
