from __future__ import annotations

import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from jobs.settings import load_settings
from lakehouse.errors import ConfigError
from tests.udfs.forecasting.series import batch_of, long_table, mixed_series
from udfs.forecasting import registry
from udfs.forecasting.choice.auto import AutoForecaster
from udfs.forecasting.choice.selection import merge_class_summaries
from udfs.forecasting.forecast_spec import ForecastSpec, choose_device
from udfs.forecasting.forecaster import Forecaster
from udfs.forecasting.kernels.backtest_bucket import backtest_bucket, contest
from udfs.forecasting.kernels.forecast_bucket import Evidence, forecast_bucket
from udfs.forecasting.models.naive import SeasonalNaive
from udfs.forecasting.registry import Model
from udfs.inventory.policies.policy_registry import POLICIES
from udfs.series.sku_batch import SkuBatch

LEVELS = (0.1, 0.5, 0.9)


def test_an_unknown_name_lists_the_known_ones() -> None:
    with pytest.raises(
        ValueError, match=r"'prophet'; known: arima, class_route, count_trees, croston, .*seasonal_naive, .*tsb"
    ):
        registry.make("prophet", ForecastSpec())
    for name in ("auto", "trees", "chronos"):
        with pytest.raises(ValueError, match=f"expected '{name}' to be brought, fitted or chosen"):
            registry.make(name, ForecastSpec())
    with pytest.raises(ValueError, match="expected a model that is fitted, trees, lstm, gru, transformer, found 'ets'"):
        registry.load("ets", Path())


def test_a_model_is_registered_with_one_entry_and_not_overwritten_by_accident() -> None:
    week = Model("week_before", make=lambda spec: SeasonalNaive(spec.season_length, name="week_before"))
    registry.register(week)
    try:
        assert registry.make("week_before", ForecastSpec(season_length=14)).season_length == 14
        with pytest.raises(ValueError, match="is registered"):
            registry.register(week)
        registry.register(replace(week, rung="naive"), replace=True)
        assert registry.rung_of("week_before") == 0
    finally:
        registry.unregister("week_before")
    with pytest.raises(ValueError, match="expected a name for the forecaster, found an empty one"):
        registry.register(replace(week, name=""))
    with pytest.raises(ValueError, match="expected a rung of naive, local, trees, neural for 'x', found 'attic'"):
        Model("x", rung="attic")
    with pytest.raises(ValueError, match="both how it is fitted and how it is loaded"):
        Model("x", fit="trees")


def test_names_are_known_before_any_model_is_imported() -> None:
    program = (
        "import sys\n"
        "from udfs.forecasting import registry\n"
        "from udfs.inventory.policies.policy_registry import POLICIES\n"
        "print(*registry.names(), *POLICIES)\n"
        "print(*{'torch', 'lightgbm', 'numba'} & set(sys.modules))\n"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, timeout=120, check=True)
    names, loaded = done.stdout.splitlines()
    assert {"auto", "ets", "trees", "lstm", "gru", "transformer", "tuned_s_s"} <= set(names.split())
    assert "chronos" not in names.split()
    assert loaded == ""


def test_every_entry_says_what_it_is_in_a_line() -> None:
    for entry in (*registry.MODELS.entries(), *POLICIES.entries()):
        assert entry.meaning
        assert "\n" not in entry.meaning


def test_every_model_is_set_up_as_the_spec_says() -> None:
    for name in registry.made_names():
        made = registry.make(name, ForecastSpec(season_length=5))
        assert getattr(made, "season_length", 5) == 5, name


def test_a_new_model_competes_once_it_has_an_entry() -> None:
    """The whole way from an entry: named in settings, on its rung, paid for by its cost, chosen and made."""
    week = np.tile([10.0, 12, 14, 20, 40, 60, 5], 20)
    table = long_table({f"s{s}": week * (1 + s) for s in range(6)})
    cutoff = max(table["ds"].to_pylist())
    toy = Model("toy", "last week again", lambda spec: SeasonalNaive(spec.season_length, name="toy"), "neural", 50.0)
    spec = ForecastSpec(regular_candidates=("historic_mean", "toy"), benchmark=None)
    registry.register(toy)
    try:
        found = backtest_bucket(table, [cutoff], 14, spec)
        evidence = Evidence(found.backtest, merge_class_summaries([found.class_summary]))
        champion = forecast_bucket(table, [cutoff], 14, spec, evidence=evidence).champion
        assert set(champion["model"].to_pylist()) == {"toy"}
        assert set(champion["runner_up"].to_pylist()) == {"historic_mean"}
        auto = AutoForecaster.of(spec).forecast(SkuBatch.from_arrow(table, cutoff), 14, LEVELS)
        assert set(auto.choice.name_S) == {"toy"}
        assert contest(replace(spec, budget_seconds=100.0))["smooth"] == ("historic_mean",)  # 4 x 50 s are too dear
        assert load_settings(None, ["forecast.model=toy"]).forecast.model == "toy"
    finally:
        registry.unregister("toy")
    with pytest.raises(ConfigError, match="found 'toy'"):
        load_settings(None, ["forecast.model=toy"])


# `count_trees` learns from all series of the batch; its own tests say what holds for it instead.
LOCAL = [
    name for name in registry.made_names() if not getattr(registry.make(name, ForecastSpec()), "pools_series", False)
]


def test_few_models_pool_over_series() -> None:
    assert set(registry.made_names()) - set(LOCAL) == {"count_trees", "yearly_profile"}


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


@pytest.mark.parametrize("name", [registry.AUTO, *registry.made_names()])
def test_every_model_keeps_its_promises(name: str) -> None:
    batch = batch_of(mixed_series(25, seed=3))
    before = batch.y_ST.clone()
    model = AutoForecaster.of(ForecastSpec()) if name == registry.AUTO else registry.make(name, ForecastSpec())
    forecast = model.forecast(batch, 10, LEVELS)
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
@pytest.mark.parametrize("name", registry.made_names())
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
