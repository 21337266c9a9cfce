"""Settings: laid over each other, checked whole, and hashed by what can change a result."""

from __future__ import annotations

from datetime import date
from pathlib import Path

import pytest
from pydantic import ValidationError

from jobs.settings import conf_dir, load_mapping, load_settings, run_id_of
from lakehouse.errors import ConfigError, ShelfcastError


def test_base_local_file_and_overrides_are_laid_over_each_other(tmp_path: Path) -> None:
    overlay = tmp_path / "mine.toml"
    overlay.write_text('horizon = 7\n[forecast]\nmodel = "ets"\n[spark]\nmaster = "local[1]"\n')
    settings = load_settings(overlay, ["horizon=21", "forecast.season_length=14"])
    assert (settings.horizon, settings.forecast.model, settings.forecast.season_length) == (21, "ets", 14)
    assert settings.spark.master == "local[1]"
    assert load_settings().horizon == 28


@pytest.mark.parametrize(
    ("override", "read"),
    [
        ("spark.master=local-cluster[2,1,1024]", lambda s: s.spark.master == "local-cluster[2,1,1024]"),
        ("ray.gpus_per_worker=0.25", lambda s: s.ray.gpus_per_worker == 0.25),
        ("forecast.quantiles=[0.1, 0.5]", lambda s: s.forecast.quantiles == (0.1, 0.5)),
        ('ray.address="10.0.0.1:6379"', lambda s: s.ray.address == "10.0.0.1:6379"),
        ("lakehouse.catalog=main", lambda s: s.lakehouse.catalog == "main"),
        (" inventory.service_level = 0.9", lambda s: s.inventory.service_level == 0.9),
    ],
)
def test_an_override_is_a_toml_value_or_else_a_string(override: str, read: object) -> None:
    assert read(load_settings(None, [override]))  # type: ignore[operator]


@pytest.mark.parametrize(
    ("override", "message"),
    [
        ("horizons=3", "horizons: Extra inputs are not permitted"),
        ("ray.gpu=1", r"ray\.gpu: Extra inputs"),
        ("forecast.modle=ets", r"forecast: .*unknown keys \['modle'\]"),
        ("inventory.service_level=1.5", "inventory.*service_level"),
        ("horizon=0", "horizon: Input should be greater than or equal to 1"),
        ("horizon=soon", r"horizon: .*found 'soon'"),
        ("runner.forecast=dask", r"runner\.forecast"),
        ("horizon", "--set expects key=value"),
        ("=3", "--set expects key=value"),
    ],
)
def test_a_wrong_setting_is_refused_by_its_name(override: str, message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        load_settings(None, [override])


def test_a_settings_file_that_is_not_there_or_not_toml_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="no settings file"):
        load_settings(tmp_path / "absent.toml")
    (tmp_path / "bad.toml").write_text("horizon = = 3")
    with pytest.raises(ConfigError, match=r"bad\.toml is not valid TOML"):
        load_settings(tmp_path / "bad.toml")


def test_every_file_of_conf_is_valid() -> None:
    for path in sorted(conf_dir().glob("*.toml")):
        load_settings(path)
    sources = sorted(path.stem for path in (conf_dir() / "sources").glob("*.toml"))
    assert [load_mapping(name).name for name in sources] == sources
    with pytest.raises(ShelfcastError, match="nowhere"):
        load_mapping("nowhere")


def test_settings_are_frozen() -> None:
    settings = load_settings()
    with pytest.raises(ValidationError):
        settings.horizon = 3  # type: ignore[misc]


def test_engines_do_not_change_the_run_but_whatever_changes_a_result_does() -> None:
    mapping = load_mapping("feed_layout")
    base = load_settings().config_hash(mapping)
    engines = ["spark.master=local[1]", "runner.forecast=local", "ray.workers=1", "forecast.device=cpu"]
    assert load_settings(conf_dir() / "cluster.toml").config_hash(mapping) == base
    assert load_settings(None, engines).config_hash(mapping) == base
    changes = ["horizon=7", "buckets=8", "forecast.model=ets", "inventory.service_level=0.9", "max_failure_rate=0.5"]
    hashes = {load_settings(None, [change]).config_hash(mapping) for change in changes}
    assert len(hashes | {base, load_settings().config_hash(load_mapping("m5"))}) == len(changes) + 2
    assert run_id_of(date(2024, 2, 29), base) == f"20240229-{base[:10]}"
